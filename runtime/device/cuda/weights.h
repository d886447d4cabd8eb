//===- weights.h - The weights of a model on a CUDA device ------*- C++ -*-===//
//
// What plans read as it is in the file, and what the target's init packs.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_DEVICE_CUDA_WEIGHTS_H
#define RILL_RUNTIME_DEVICE_CUDA_WEIGHTS_H

#include "runtime/core/plan.h"
#include "runtime/core/weights.h"
#include "runtime/device/cuda/driver.h"

#include <atomic>

namespace rill::rt::cuda {

class CudaDevice;

/// Fills device memory from the host through pinned staging. While one half
/// of the staging is on its way, the other is filled.
class Uploader {
public:
  explicit Uploader(const CudaDevice &device);
  ~Uploader();

  /// `largest`: bytes of the largest copy.
  Status open(uint64_t largest);
  /// Copies host memory that may change once this returns.
  Status copy(Address to, const void *from, uint64_t bytes);
  Status finish();

  Stream stream = nullptr;

private:
  const CudaDevice &device;
  const Driver &driver;
  uint8_t *pinned = nullptr;
  uint64_t half = 0, copies = 0;
  bool finished = false;
  Event events[2] = {}; ///< behind the copies from each half
};

class DeviceWeights {
public:
  explicit DeviceWeights(const CudaDevice &device) : device(device) {}

  /// Reads the target's init and takes device memory.
  Status open(const Artifact &artifact, const TargetInfo &target);
  /// Copies and packs all weights. Any thread may call it: kernels are launched
  /// once `allow` has said that they exist.
  Status load(const Weights &weights);
  /// Whether the kernels exist now, or never will.
  void allow(bool exist);
  /// Frees what only loading needs, and all; with the context current.
  void trim();
  void close();

  /// Null where init alone reads the weight.
  const void *plain(size_t index) const;
  const void *packed(size_t index) const;

private:
  /// One dispatch of init.
  struct Packing {
    uint32_t kernel;
    size_t weight, output;
    unsigned tiles;
    uint64_t bytes; ///< row-major
  };
  Status copyPlain(const Weights &weights, Uploader &uploader);
  Status pack(const Packing &packing, Address from, Stream stream) const;
  Status packAll(const Weights &weights, Uploader &uploader);
  bool waitForKernels();

  const CudaDevice &device;
  const Manifest *manifest = nullptr;
  std::vector<Packing> packings;
  Address base = 0, raw = 0;
  uint64_t rawBytes = 0, largest = 0;
  std::vector<std::optional<uint64_t>> plainOffsets;
  std::vector<uint64_t> packedOffsets;
  std::atomic<int> kernels = 0; ///< 0 not yet, 1 exist, 2 never will
};

} // namespace rill::rt::cuda

#endif
