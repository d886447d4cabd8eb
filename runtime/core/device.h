//===- device.h - Where a model's code runs ---------------------*- C++ -*-===//
//
// The one interface between sessions, which walk plans, and the CPU or a GPU.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_CORE_DEVICE_H
#define RILL_RUNTIME_CORE_DEVICE_H

#include "rill-rt/kernel_abi.h"
#include "runtime/core/artifact.h"
#include "runtime/core/shape_program.h"
#include "runtime/core/weights.h"

#include <memory>
#include <span>

namespace rill::rt {

/// A launch's operand that the kernel takes as a tensor map (kernel_abi.h).
struct MapOperand {
  uint32_t operand;              ///< of the launch
  const rill_rt_operand *record; ///< verified
  uint64_t rows;                 ///< in this call
};

/// One dispatch of a call. Operands are addresses of the device, in plan
/// order; the arrays outlive the queue.
struct Launch {
  uint32_t kernel; ///< number in the target's kernel list
  void *const *operands;
  uint32_t operandCount;
  std::span<const MapOperand> maps; ///< RILL_RT_MAX_MAPS at most
  int64_t tiles;
};

/// A copy to the device (inputs of a call, `write`) or from it (outputs,
/// `read`).
struct Transfer {
  void *device, *host;
  uint64_t bytes;
};

/// One call of a method.
struct Call {
  size_t variant;  ///< number of its plan; calls of equal variant and symbols
  Symbols symbols; ///< have equal launches and transfer sizes
  std::span<const Launch> launches;
  rill_rt_control *control; ///< kernels of the CPU may write it
  std::span<const Transfer> inputs, outputs;
  /// Ends a decode step: behind it the device's control block holds what the
  /// next such call needs.
  bool commits = false;
};

/// When a launch ran, in seconds of the host's steady clock.
struct Interval {
  double begin = 0, end = 0;
};

/// What a queue must have room for; it allocates nothing later.
struct QueueNeeds {
  int threads = 1;                          ///< CPU worker threads
  uint64_t scratchBytes = 0;                ///< of a CPU worker
  size_t launches = 1;                      ///< of a call, at most
  uint64_t controlBytes = 0;                ///< of the control block
  uint64_t inputBytes = 0, outputBytes = 0; ///< of a call, at most
};

/// What a queue takes beside what is allocated of it.
struct QueueBytes {
  uint64_t host = 0, device = 0;
};
QueueBytes cpuQueueBytes(const QueueNeeds &needs);
QueueBytes cudaQueueBytes(const QueueNeeds &needs);

/// Memory and execution for one session; one thread at a time.
class Queue {
public:
  virtual ~Queue() = default;

  /// Zeroed bytes of the device, 256-byte aligned at least, that live as long
  /// as the queue. `what` names the purpose in the OutOfMemory error.
  virtual Result<void *> allocate(uint64_t bytes, const char *what) = 0;
  /// Prepares calls that will come often, before the first of them. The
  /// transfers' host addresses may change from call to call.
  virtual Status prepare(const Call &call) = 0;
  /// Copies the inputs in, runs the launches in order, copies the outputs out,
  /// and waits for all of it. Calls that commit go by begin and end.
  virtual Status run(const Call &call) = 0;
  /// Whether a call that commits can be begun before the one in front of it
  /// has ended.
  virtual bool runsAhead() const = 0;
  /// Begins a call that commits, with the control block of `call`, or with
  /// what the call begun before leaves on the device when `chained`. At most
  /// two are begun and not ended.
  virtual Status begin(const Call &call, bool chained) = 0;
  /// Waits for the oldest call begun, and copies its outputs out.
  virtual Status end(const Call &call) = 0;
  /// Makes room for calls of runTimed.
  virtual Status prepareTiming() = 0;
  /// As run, for calls that commit too, but each launch by itself, and says
  /// when it ran: `times` has one entry per launch.
  virtual Status runTimed(const Call &call, std::span<Interval> times) = 0;
  /// Copies host memory to the device, and waits.
  virtual Status write(std::span<const Transfer> transfers) = 0;
  /// Copies the device's memory to the host, and waits.
  virtual Status read(std::span<const Transfer> transfers) = 0;
  /// Bytes held, `allocate`d ones included.
  virtual uint64_t bytes() const = 0;
};

/// The code and weights of a model on one device. Immutable, shared by
/// threads.
class Device {
public:
  virtual ~Device() = default;

  /// "cpu" or "cuda".
  virtual const char *name() const = 0;
  /// The target of the artifact that runs: "x86-64-v4", "sm_90a".
  virtual const std::string &target() const = 0;
  /// True when kernels read and write host memory: calls then have no
  /// transfers, and operands may be the caller's memory.
  virtual bool usesHostMemory() const = 0;
  /// The device address of a weight.
  virtual const void *weight(size_t index) const = 0;
  /// The device address of an output of the target's init.
  virtual const void *packed(size_t index) const = 0;
  virtual Result<std::unique_ptr<Queue>>
  queue(const QueueNeeds &needs) const = 0;
};

/// The target of the artifact that suits this processor best. Errors: NoCode.
Result<const TargetInfo *> chooseCpuTarget(const Artifact &artifact);

/// Bytes of the weights' copies, packed ones too, on a CUDA device.
uint64_t cudaWeightBytes(const Manifest &manifest, const TargetInfo &target);

/// Loads the best code of the artifact that this processor runs. `weights`
/// must outlive the device. Errors: NoCode, CodeInvalid.
Result<std::unique_ptr<Device>> openCpu(const Artifact &artifact,
                                        const Weights &weights);

/// Loads the best code of the artifact that the first CUDA device runs and
/// copies the weights there; `allowJit` also takes PTX of other chips. Errors:
/// NoDevice, DriverTooOld, NoCode, CodeInvalid, PtxInvalid, OutOfMemory,
/// KernelFailed.
Result<std::unique_ptr<Device>> openCuda(const Artifact &artifact,
                                         const Weights &weights, bool allowJit);

} // namespace rill::rt

#endif
