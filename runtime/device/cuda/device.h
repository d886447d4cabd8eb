//===- device.h - A model on a CUDA device ----------------------*- C++ -*-===//
//
// Context, module and weights; shared by the queues of its sessions.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_DEVICE_CUDA_DEVICE_H
#define RILL_RUNTIME_DEVICE_CUDA_DEVICE_H

#include "runtime/core/device.h"
#include "runtime/device/cuda/weights.h"

#include <atomic>

namespace rill::rt::cuda {

/// A kernel, the threads of its block, and the bytes of shared memory its
/// launch asks for.
struct Kernel {
  Function function;
  unsigned threads, shared;
};

class CudaDevice : public Device {
public:
  CudaDevice(const Driver &driver) : driver(driver), loaded(*this) {}
  ~CudaDevice() override;

  /// Chooses code for device 0, loads it and copies the weights.
  Status open(const Artifact &artifact, const Weights &weights, bool allowJit);

  const char *name() const override { return "cuda"; }
  const std::string &target() const override { return chosen->arch; }
  bool usesHostMemory() const override { return false; }
  const void *weight(size_t index) const override {
    return loaded.plain(index);
  }
  const void *packed(size_t index) const override {
    return loaded.packed(index);
  }
  Result<std::unique_ptr<Queue>> queue(const QueueNeeds &needs) const override;

  /// Device memory; says what is free when there is too little. `what` names
  /// its purpose.
  Result<Address> allocate(uint64_t bytes, const char *what) const;

  const Driver driver;
  Context context = nullptr;
  std::string label; ///< "NVIDIA H200 (sm_90)"
  std::vector<Kernel> kernels;
  /// Kernels wait themselves for the launch before them.
  bool dependent() const { return chosen->dependent; }
  /// Set when the context answered an error that no later call survives; no
  /// queue uses it again.
  mutable std::atomic<bool> lost = false;

private:
  Status start();
  Status choose(const Artifact &artifact, bool allowJit);
  Status loadModule(const Artifact &artifact);
  Status loadPtx(const Artifact &artifact);
  Status findKernels();

  int device = 0, major = 0, minor = 0;
  const TargetInfo *chosen = nullptr;
  Module module = nullptr;
  DeviceWeights loaded;
};

} // namespace rill::rt::cuda

#endif
