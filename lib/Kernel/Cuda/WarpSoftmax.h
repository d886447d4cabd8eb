//===- WarpSoftmax.h - One query head over runs of keys, by a warp -*- C++ -*-//
//
// Online softmax in blocks of 32 keys at absolute multiples of 32.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_LIB_KERNEL_CUDA_WARPSOFTMAX_H
#define RILL_LIB_KERNEL_CUDA_WARPSOFTMAX_H

#include "../OnlineSoftmax.h"
#include "CudaCode.h"

namespace rill::kernel {

/// Four lanes share the product with a key, so that keys are read in whole
/// sectors; then each lane has the score of one key, and some elements of the
/// head. The result depends on the keys alone, not on other queries or on
/// timing.
class WarpSoftmax {
public:
  /// Heads of `width` elements; the warp's scaled query is the f32 run `query`
  /// of shared memory.
  WarpSoftmax(CudaCode &code, int64_t width, Run query);

  /// All keys of the run.
  void add(const Keys &keys);
  /// Of its chunks of `chunk` keys, a multiple of 32, those from the one at key
  /// `offset` on, every `stride`-th key.
  void addChunks(const Keys &keys, Value offset, int64_t chunk, int64_t stride);
  /// Stores the weighted mean of the values; zeros when no key was seen.
  void finish(const KernelCode::Memory &y, Value at);
  /// Stores the sums of the head, then the maximum and the total.
  void storePartial(const KernelCode::Memory &to, Value at);

private:
  Value scores(const Keys &keys, Value first);
  Value isSeen(const Keys &keys, Value t);
  Value inside(const Keys &keys, Value t);
  mlir::SmallVector<Value> block(const Keys &keys, Value first,
                                 mlir::ValueRange state);
  /// `body(part, element)` for the lane's parts that lie in the head.
  void eachPart(const std::function<void(int64_t, Value)> &body);

  CudaCode &code;
  int64_t width, elements, parts; ///< a lane has `parts` runs of `elements`
  Run query;
  mlir::SmallVector<Value> state; ///< maximum, total, then the lane's sums
};

} // namespace rill::kernel

#endif
