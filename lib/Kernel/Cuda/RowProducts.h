//===- RowProducts.h - Few rows times weight rows ---------------*- C++ -*-===//
//
// The products of the few-row family, by tensor cores or by f32 FMA. A row's
// sums are taken in an order that neither other rows nor their number change.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_LIB_KERNEL_CUDA_ROWPRODUCTS_H
#define RILL_LIB_KERNEL_CUDA_ROWPRODUCTS_H

#include "CudaCode.h"

#include <memory>

namespace rill::kernel {

/// An rms_norm before the products, or the merge of attention's parts (x is
/// [.., h, C, d+2]); `norm` null and no merge: none.
struct RowPrologue {
  Value norm;
  double eps = 0;
  mlir::Type round; ///< what the rows are rounded to
  bool merge = false;
};

/// The columns first .. first + columns() - 1 below `limit` of weights of equal
/// shape.
struct ColumnTile {
  mlir::SmallVector<KernelCode::Memory> weights;
  Value first, limit;
};

/// The rows first .. end - 1, config "rows" of them at most.
struct RowTile {
  Value first, end;
};

class RowProducts {
public:
  RowProducts(CudaCode &code, Value x, const RowPrologue &prologue);
  virtual ~RowProducts() = default;

  /// All rows of x.
  Value rows() { return total; }
  /// Columns of a tile.
  virtual int64_t columns() const = 0;
  /// Stores the products of a tile: `store(row, column, sums)` runs once per
  /// row and column, in some thread, with a sum per weight. The block must
  /// come here together, and once.
  using Store = std::function<void(Value, Value, mlir::ArrayRef<Value>)>;
  virtual void emit(const ColumnTile &columns, const RowTile &rows,
                    const Store &store) = 0;

protected:
  /// Merges the parts of the tile's rows, rounded, into `to`, where a row has
  /// `stride` elements. All warps must come here; ends with a barrier.
  void mergeRows(const RowTile &rows, const KernelCode::Memory &to,
                 int64_t stride);
  /// 1 / rms of a row, by one warp, equal in all lanes.
  Value scaleOf(Value row);
  /// `count` elements from k of a row, normed and rounded.
  Value element(Value row, Value scale, Value k, int64_t count);
  /// `body(row)` on rows of the tile, a warp each.
  void eachRow(const RowTile &rows, const std::function<void(Value)> &body);

private:
  void mergeHead(Value head, const KernelCode::Memory &to, Value at);

protected:
  CudaCode &code;
  const KernelCode::Memory &x;
  RowPrologue prologue;
  int64_t inner; ///< width of a row
  /// Elements that a lane loads at once: of x beside a weight, and of x alone,
  /// where they are one 16-byte word, so that a warp reads whole sectors.
  int64_t lanes, rowLanes;
  Value total;
};

/// By tensor cores when the configuration holds "tiles", else by f32 FMA.
/// `weights` is how many weights a tile has.
std::unique_ptr<RowProducts> makeRowProducts(CudaCode &code, Value x,
                                             const RowPrologue &prologue,
                                             int64_t weights);
std::unique_ptr<RowProducts> makeMmaProducts(CudaCode &code, Value x,
                                             const RowPrologue &prologue,
                                             int64_t weights);

} // namespace rill::kernel

#endif
