//===- SmallProducts.h - Dot products of few rows ---------------*- C++ -*-===//
//
// What the small-M templates "linear" and "short_conv_mix" share.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_LIB_KERNEL_SMALLPRODUCTS_H
#define RILL_LIB_KERNEL_SMALLPRODUCTS_H

#include "KernelCode.h"

namespace rill::kernel {

/// How rows are made ready before the first tile of a call.
struct RowsPrologue {
  Value norm; ///< rms_norm weights; null: none
  double eps = 0;
  mlir::Type round; ///< type the normalised rows are rounded to; null: none
};

/// Products of rows with weight rows. The rows stand in the worker's scratch
/// as f32, normalised, made once per call of the kernel; a product is an
/// accumulator vector per (row, weight row), its lanes summed in a fixed
/// order, then the scalar rest: so it depends neither on how many rows the
/// call has nor on the blocks they are computed in.
class SmallProducts {
public:
  /// Emits the preparation of all rows of `x`. With `pairs` the weights are
  /// bf16 and a step takes 2 * lanes values: those at even places, then those
  /// at odd places.
  SmallProducts(KernelCode &code, Value x, const RowsPrologue &prologue,
                bool pairs);

  /// A row of a weight: its first element.
  struct WeightRow {
    KernelCode::Memory memory;
    Value at;
  };
  /// Receives row `row` and, per weight, `count` products (count > 1: a
  /// vector) of the weight rows first .. first + count - 1.
  using Store = std::function<void(Value row, Value first, int64_t count,
                                   mlir::ArrayRef<Value> sums)>;
  /// All rows times `count` weight rows from `first` of each weight.
  void emit(mlir::ArrayRef<KernelCode::Memory> weights, Value first,
            int64_t count, const Store &store);
  /// As emit, for a tile of `count` columns of which only those below `total`
  /// exist.
  void emitTile(mlir::ArrayRef<KernelCode::Memory> weights, Value first,
                int64_t count, int64_t total, const Store &store);

  /// Number of rows.
  Value rows() const { return rowCount; }

private:
  void prepareRow(Value row, const RowsPrologue &prologue);
  void prepareWhole(Value row, Value scale, const RowsPrologue &prologue);
  void prepareRest(Value row, Value scale, const RowsPrologue &prologue);
  Value normalised(Value value, Value scale, Value k, int64_t size,
                   const RowsPrologue &prologue);
  mlir::SmallVector<Value, 2> loadWeight(const WeightRow &row, Value k);
  void block(mlir::ArrayRef<KernelCode::Memory> weights, Value row,
             int64_t blockRows, Value first, int64_t columns, bool ahead,
             int64_t tileColumns, const Store &store);
  mlir::SmallVector<Value> sumsOf(mlir::ArrayRef<WeightRow> weightRows,
                                  mlir::ArrayRef<Value> rowAt, bool ahead,
                                  int64_t tileColumns);
  void addRest(mlir::MutableArrayRef<Value> sums,
               mlir::ArrayRef<WeightRow> weightRows,
               mlir::ArrayRef<Value> rowAt);

  KernelCode &code;
  const KernelCode::Memory &x;
  KernelCode::Memory prepared; ///< [rows, inner] f32 in scratch
  int64_t inner, lanes, step, whole, maxRows, maxSums;
  Value rowCount;
  bool pairs;
};

} // namespace rill::kernel

#endif
