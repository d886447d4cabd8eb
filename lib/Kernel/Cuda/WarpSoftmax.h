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

/// A lane scores a key, then owns every 32nd element of the head. The result
/// depends on the keys alone, not on other queries or on timing.
class WarpSoftmax {
public:
  /// Heads of `width` elements; the warp's scaled query is the f32 run `query`
  /// of shared memory.
  WarpSoftmax(CudaCode &code, int64_t width, Run query);

  void add(const Keys &keys);
  /// Stores the weighted mean of the values; zeros when no key was seen.
  void finish(const KernelCode::Memory &y, Value at);

private:
  Value score(const Keys &keys, Value t);
  Value isSeen(const Keys &keys, Value t);
  mlir::SmallVector<Value> block(const Keys &keys, Value first,
                                 mlir::ValueRange state);

  CudaCode &code;
  int64_t width, parts; ///< elements of a lane
  Run query;
  mlir::SmallVector<Value> state; ///< maximum, sum, then the lane's sums
};

} // namespace rill::kernel

#endif
