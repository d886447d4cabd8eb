//===- workers.cpp - Threads that walk a plan -----------------------------===//
//
// Every thread walks all launches. A thread that has no tile left spins a
// little, then yields: a preempted peer loses its tiles to the others.
//
//===----------------------------------------------------------------------===//
#include "runtime/device/cpu/workers.h"

#include <algorithm>
#include <cstring>
#include <sched.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

using namespace rill::rt;

/// About 50 microseconds of pauses before a waiter gives its core away.
static constexpr int kSpins = 1000;

static void pauseOrYield(int &spins) {
  if (spins++ < kSpins) {
#if defined(__x86_64__)
    _mm_pause();
#endif
    return;
  }
  sched_yield();
}

/// Each thread's scratch begins on a page of its own.
static uint64_t strideOf(uint64_t scratchBytes) {
  return (scratchBytes + 4095) / 4096 * 4096;
}

uint64_t Workers::scratchBytes(int threads, uint64_t scratchBytes) {
  return strideOf(scratchBytes) * static_cast<uint64_t>(threads);
}

Result<std::unique_ptr<Workers>>
Workers::create(int threads, uint64_t scratchBytes, size_t maxLaunches) {
  std::unique_ptr<Workers> workers(new Workers());
  workers->scratchStride = strideOf(scratchBytes);
  RILL_ASSIGN(workers->scratch,
              Memory::allocate(Workers::scratchBytes(threads, scratchBytes),
                               "scratch of the worker threads"));
  workers->progress = std::make_unique<Progress[]>(maxLaunches);
  workers->team.reserve(threads - 1);
  for (int i = 1; i < threads; ++i) {
    Member member = {workers.get(), i, {}};
    workers->team.push_back(member);
    int error = pthread_create(&workers->team.back().thread, nullptr, enter,
                               &workers->team.back());
    if (error) {
      workers->team.pop_back();
      return makeError(
          ErrorCode::OutOfMemory, "worker threads",
          format("thread %d of %d: %s", i + 1, threads, std::strerror(error)),
          "ask for fewer threads");
    }
  }
  return workers;
}

void *Workers::enter(void *member) {
  auto *self = static_cast<Member *>(member);
  self->workers->work(self->index);
  return nullptr;
}

Workers::~Workers() {
  stop = true;
  epoch.fetch_add(1, std::memory_order_release);
  epoch.notify_all();
  for (Member &member : team) {
    pthread_join(member.thread, nullptr);
  }
}

void Workers::walk(int index) {
  void *own = scratch.data() ? scratch.data() + index * scratchStride : nullptr;
  auto count = static_cast<int64_t>(team.size()) + 1;
  for (size_t l = 0; l < launches.size(); ++l) {
    const CpuLaunch &launch = launches[l];
    Progress &state = progress[l];
    // A few pieces per thread: balance without many atomics.
    int64_t piece = std::max<int64_t>(1, launch.tiles / (count * 4));
    while (state.next.load(std::memory_order_relaxed) < launch.tiles) {
      int64_t begin = state.next.fetch_add(piece, std::memory_order_relaxed);
      if (begin >= launch.tiles) {
        break;
      }
      int64_t end = std::min(begin + piece, launch.tiles);
      launch.kernel(launch.operands, control, begin, end, own);
      state.done.fetch_add(end - begin, std::memory_order_release);
    }
    for (int spins = 0;
         state.done.load(std::memory_order_acquire) < launch.tiles;) {
      pauseOrYield(spins);
    }
  }
}

void Workers::work(int index) {
  for (uint32_t seen = 0;;) {
    uint32_t now = epoch.load(std::memory_order_acquire);
    for (int spins = 0; now == seen && spins < kSpins;) {
      pauseOrYield(spins);
      now = epoch.load(std::memory_order_acquire);
    }
    if (now == seen) {
      epoch.wait(seen, std::memory_order_acquire);
      continue;
    }
    seen = now;
    if (stop) {
      return;
    }
    walk(index);
    finished.fetch_add(1, std::memory_order_release);
  }
}

void Workers::run(std::span<const CpuLaunch> list,
                  const rill_rt_control *block) {
  launches = list;
  control = block;
  for (size_t l = 0; l < list.size(); ++l) {
    progress[l].next.store(0, std::memory_order_relaxed);
    progress[l].done.store(0, std::memory_order_relaxed);
  }
  finished.store(0, std::memory_order_relaxed);
  if (!team.empty()) {
    epoch.fetch_add(1, std::memory_order_release);
    epoch.notify_all();
  }
  walk(0);
  // The team must have left the list before the next call rewrites it.
  for (int spins = 0; finished.load(std::memory_order_acquire) <
                      static_cast<int>(team.size());) {
    pauseOrYield(spins);
  }
}
