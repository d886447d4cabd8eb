//===- WarpProducts.h - Rows times weight rows, a warp per column -*- C++ -*-=//
//
// The f32 inner products of the few-row templates: every row's sum is taken
// in the same order, however many rows there are.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_LIB_KERNEL_CUDA_WARPPRODUCTS_H
#define RILL_LIB_KERNEL_CUDA_WARPPRODUCTS_H

#include "CudaCode.h"

namespace rill::kernel {

/// An rms_norm before the products; `norm` null: none.
struct WarpPrologue {
  Value norm;
  double eps = 0;
  mlir::Type round; ///< what normed rows are rounded to
};

class WarpProducts {
public:
  /// Products of `x` [.., K]; a block covers at most `blockRows` rows.
  WarpProducts(CudaCode &code, Value x, WarpPrologue prologue,
               int64_t blockRows);

  /// All rows of x.
  Value rows() { return total; }
  /// Computes the scales of rows first .. end - 1 (the whole block together).
  void prepare(Value first, Value end);
  /// The warp's products of rows first .. end - 1 with row `column` of each
  /// weight: `store(row, sums)` runs in one lane per row.
  void emit(mlir::ArrayRef<KernelCode::Memory> weights, Value column,
            Value first, Value end,
            const std::function<void(Value, mlir::ArrayRef<Value>)> &store);

private:
  Value scaleOf(Value row);
  Value element(Value row, Value scale, Value k, int64_t count);

  CudaCode &code;
  const KernelCode::Memory &x;
  WarpPrologue prologue;
  int64_t inner, lanes;
  Value total, firstRow;
  KernelCode::Memory scales;
};

} // namespace rill::kernel

#endif
