//===- ceilings.cpp - What this machine can do at most --------------------===//
//
// Compiled for AVX-512 and for AVX2; the processor chooses.
//
//===----------------------------------------------------------------------===//
#include "tools/rill-bench/ceilings.h"

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <immintrin.h>
#include <sys/mman.h>
#include <thread>
#include <vector>

using namespace rill::tools;

double rill::tools::secondsNow() {
  return std::chrono::duration<double>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

static bool wide() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512f");
}

__attribute__((target("avx512f"))) static uint64_t sum512(const uint8_t *data,
                                                          size_t bytes) {
  __m512i sums[8] = {};
  for (size_t at = 0; at + 512 <= bytes; at += 512) {
    for (int i = 0; i < 8; ++i) {
      sums[i] =
          _mm512_add_epi64(sums[i], _mm512_loadu_si512(data + at + 64 * i));
    }
  }
  uint64_t total = 0;
  for (__m512i sum : sums) {
    total += static_cast<uint64_t>(_mm512_reduce_add_epi64(sum));
  }
  return total;
}

__attribute__((target("avx2"))) static uint64_t sum256(const uint8_t *data,
                                                       size_t bytes) {
  __m256i sums[8] = {};
  for (size_t at = 0; at + 256 <= bytes; at += 256) {
    for (int i = 0; i < 8; ++i) {
      auto part = reinterpret_cast<const __m256i *>(data + at + 32 * i);
      sums[i] = _mm256_add_epi64(sums[i], _mm256_loadu_si256(part));
    }
  }
  uint64_t total = 0;
  for (__m256i sum : sums) {
    for (int i = 0; i < 4; ++i) {
      uint64_t lanes[4];
      std::memcpy(lanes, &sum, sizeof(lanes));
      total += lanes[i];
    }
  }
  return total;
}

/// Runs `work(thread)` on all threads and returns the seconds until the last.
template <typename Work>
static double timed(int threads, const Work &work) {
  double begin = secondsNow();
  std::vector<std::thread> team;
  for (int i = 1; i < threads; ++i) {
    team.emplace_back([&, i] { work(i); });
  }
  work(0);
  for (std::thread &thread : team) {
    thread.join();
  }
  return secondsNow() - begin;
}

ReadCeiling::ReadCeiling(size_t bytes, int threads)
    : data(nullptr), bytes(bytes), threads(threads) {
  void *pages = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages != MAP_FAILED) {
    data = static_cast<float *>(pages);
    std::memset(data, 1, bytes);
  }
}

ReadCeiling::~ReadCeiling() {
  if (data) {
    munmap(data, bytes);
  }
}

double ReadCeiling::measure() {
  if (!data) {
    return 0;
  }
  size_t part = bytes / threads / 512 * 512;
  std::vector<uint64_t> sink(threads);
  double seconds = timed(threads, [&](int i) {
    auto from = reinterpret_cast<const uint8_t *>(data) + part * i;
    sink[i] = wide() ? sum512(from, part) : sum256(from, part);
  });
  volatile uint64_t keep = sink[0];
  (void)keep;
  return static_cast<double>(part) * threads / seconds;
}

__attribute__((target("avx512f"))) static float fma512(int64_t rounds) {
  __m512 acc[24];
  for (__m512 &a : acc) {
    a = _mm512_set1_ps(1.0f);
  }
  __m512 x = _mm512_set1_ps(0.999f), y = _mm512_set1_ps(0.001f);
  for (int64_t r = 0; r < rounds; ++r) {
#pragma clang loop unroll(full)
    for (int i = 0; i < 24; ++i) {
      acc[i] = _mm512_fmadd_ps(acc[i], x, y);
    }
  }
  float total = 0;
  for (__m512 a : acc) {
    total += _mm512_reduce_add_ps(a);
  }
  return total;
}

__attribute__((target("avx2,fma"))) static float fma256(int64_t rounds) {
  // 12 accumulators: AVX2 has 16 registers.
  __m256 acc[12];
  for (__m256 &a : acc) {
    a = _mm256_set1_ps(1.0f);
  }
  __m256 x = _mm256_set1_ps(0.999f), y = _mm256_set1_ps(0.001f);
  for (int64_t r = 0; r < rounds; ++r) {
#pragma clang loop unroll(full)
    for (int i = 0; i < 12; ++i) {
      acc[i] = _mm256_fmadd_ps(acc[i], x, y);
    }
  }
  float lanes[8], total = 0;
  for (__m256 a : acc) {
    std::memcpy(lanes, &a, sizeof(lanes));
    total += lanes[0];
  }
  return total;
}

double rill::tools::measureFma(int threads, double seconds) {
  auto rounds = static_cast<int64_t>(seconds * 1e8);
  std::vector<float> sink(threads);
  double time = timed(threads, [&](int i) {
    sink[i] = wide() ? fma512(rounds) : fma256(rounds);
  });
  volatile float keep = sink[0];
  (void)keep;
  double perRound = wide() ? 24.0 * 16 * 2 : 12.0 * 8 * 2;
  return perRound * static_cast<double>(rounds) * threads / time;
}
