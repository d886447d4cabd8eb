//===- ceilings.cpp - What this machine can do at most --------------------===//
//
// Compiled for AVX-512 and for AVX2; the processor chooses.
//
//===----------------------------------------------------------------------===//
#include "tools/rill-bench/ceilings.h"

#include "runtime/core/clock.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <immintrin.h>
#include <sys/mman.h>
#include <thread>
#include <vector>

using namespace rill;
using namespace rill::tools;

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
  double begin = rt::steadySeconds();
  std::vector<std::thread> team;
  for (int i = 1; i < threads; ++i) {
    team.emplace_back([&, i] { work(i); });
  }
  work(0);
  for (std::thread &thread : team) {
    thread.join();
  }
  return rt::steadySeconds() - begin;
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

namespace {
class CpuMeter : public Meter {
public:
  explicit CpuMeter(int threads) : threads(threads) {
    name = std::to_string(threads) + " threads";
    void *pages = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages != MAP_FAILED) {
      data = static_cast<uint8_t *>(pages);
      std::memset(data, 1, kBytes);
    }
  }
  ~CpuMeter() override {
    if (data) {
      munmap(data, kBytes);
    }
  }
  rt::Status sample() override;

private:
  static constexpr size_t kBytes = size_t(1) << 30;
  double read() const;
  double fma() const;

  int threads;
  uint8_t *data = nullptr;
};
} // namespace

double CpuMeter::read() const {
  size_t part = kBytes / threads / 512 * 512;
  std::vector<uint64_t> sink(threads);
  double seconds = timed(threads, [&](int i) {
    const uint8_t *from = data + part * i;
    sink[i] = wide() ? sum512(from, part) : sum256(from, part);
  });
  volatile uint64_t keep = sink[0];
  (void)keep;
  return static_cast<double>(part) * threads / seconds;
}

double CpuMeter::fma() const {
  constexpr auto kRounds = static_cast<int64_t>(1e7);
  std::vector<float> sink(threads);
  double time = timed(threads, [&](int i) {
    sink[i] = wide() ? fma512(kRounds) : fma256(kRounds);
  });
  volatile float keep = sink[0];
  (void)keep;
  double perRound = wide() ? 24.0 * 16 * 2 : 12.0 * 8 * 2;
  return perRound * static_cast<double>(kRounds) * threads / time;
}

rt::Status CpuMeter::sample() {
  if (!data) {
    return rt::makeError(rt::ErrorCode::OutOfMemory, "read ceiling",
                         "1 GiB cannot be mapped");
  }
  takeRead(read());
  takeFlops(fma(), "FMA");
  return {};
}

std::unique_ptr<Meter> rill::tools::cpuMeter(int threads) {
  return std::make_unique<CpuMeter>(threads);
}
