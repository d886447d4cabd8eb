//===- workers.h - Threads that walk a plan ---------------------*- C++ -*-===//
//
// A fixed team of threads; a call runs a list of dispatches, tiles shared by
// stealing, with a barrier behind each dispatch.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_DEVICE_CPU_WORKERS_H
#define RILL_RUNTIME_DEVICE_CPU_WORKERS_H

#include "rill-rt/kernel_abi.h"
#include "runtime/core/memory.h"

#include <atomic>
#include <memory>
#include <pthread.h>
#include <span>
#include <vector>

namespace rill::rt {

/// One dispatch, ready to run.
struct CpuLaunch {
  rill_rt_cpu_kernel kernel;
  void *const *operands;
  int64_t tiles;
};

/// The team. One call at a time; all launches of a call see the writes of the
/// launches before them.
class Workers {
public:
  /// `threads` >= 1, the caller's included; `scratchBytes` per thread;
  /// `maxLaunches` bounds the list of a call. OutOfMemory when the system
  /// gives no more threads.
  static Result<std::unique_ptr<Workers>>
  create(int threads, uint64_t scratchBytes, size_t maxLaunches);
  ~Workers();

  void run(std::span<const CpuLaunch> launches, const rill_rt_control *control);
  int threads() const { return static_cast<int>(team.size()) + 1; }
  uint64_t scratchBytes() const { return scratch.bytes(); }
  /// What `create` allocates for so many threads.
  static uint64_t scratchBytes(int threads, uint64_t scratchBytes);

private:
  struct alignas(64) Progress {
    std::atomic<int64_t> next, done;
  };

  /// One thread of the team and the number it works under.
  struct Member {
    Workers *workers;
    int index;
    pthread_t thread;
  };

  Workers() = default;
  static void *enter(void *member);
  void work(int index);
  void walk(int index);

  std::vector<Member> team; ///< reserved: members keep their addresses
  Memory scratch;
  uint64_t scratchStride = 0;
  std::unique_ptr<Progress[]> progress;
  std::span<const CpuLaunch> launches;
  const rill_rt_control *control = nullptr;
  alignas(64) std::atomic<uint32_t> epoch{0};
  alignas(64) std::atomic<int> finished{0};
  bool stop = false;
};

} // namespace rill::rt

#endif
