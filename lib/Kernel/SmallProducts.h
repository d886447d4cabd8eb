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
/// as f32, normalised, made once per call of the kernel; behind them stand the
/// products of a tile of `columns` columns. A product is an accumulator vector
/// per (row, weight row), its lanes summed in a fixed order, then the scalar
/// rest: so it depends neither on how many rows the call has nor on the blocks
/// they are computed in.
class SmallProducts {
public:
  /// Emits the preparation of all rows of `x`. With `pairs` the weights are
  /// bf16 and a step takes 2 * lanes values: those at even places, then those
  /// at odd places.
  SmallProducts(KernelCode &code, Value x, const RowsPrologue &prologue,
                bool pairs);

  /// All rows times `count` weight rows from `first` of each weight, at most
  /// `columns`: the products of weight n become part `part` + n.
  void emit(mlir::ArrayRef<KernelCode::Memory> weights, Value first,
            int64_t count, int64_t part = 0);
  /// `count` products of a row, from column `column` of the tile.
  Value part(int64_t part, Value row, Value column, int64_t count);

  /// Number of rows.
  Value rows() const { return rowCount; }
  /// Columns of a tile.
  int64_t columns() const { return tileColumns; }

private:
  /// A row of a weight: its first element.
  struct WeightRow {
    KernelCode::Memory memory;
    Value at;
  };
  /// A block: `rows` rows from `row`, `columns` columns of each weight from
  /// `column` of the tile, whose first weight row is `first`.
  struct Block {
    Value row, first, column;
    int64_t rows, columns, part;
  };

  void prepareRow(Value row, const RowsPrologue &prologue);
  void prepareWhole(Value row, Value scale, const RowsPrologue &prologue);
  void prepareRest(Value row, Value scale, const RowsPrologue &prologue);
  Value normalised(Value value, Value scale, Value k, int64_t size,
                   const RowsPrologue &prologue);
  mlir::SmallVector<Value, 2> loadWeight(const WeightRow &row, Value k);
  int64_t blockColumns(int64_t rows, int64_t weights, int64_t count) const;
  void emitBlock(mlir::ArrayRef<KernelCode::Memory> weights,
                 const Block &block);
  mlir::SmallVector<Value> sumsOf(mlir::ArrayRef<WeightRow> weightRows,
                                  mlir::ArrayRef<Value> rowAt);
  void addRest(mlir::MutableArrayRef<Value> sums,
               mlir::ArrayRef<WeightRow> weightRows,
               mlir::ArrayRef<Value> rowAt);
  Value partAt(int64_t part, Value row, Value column);

  KernelCode &code;
  const KernelCode::Memory &x;
  KernelCode::Memory prepared; ///< [rows, inner] f32 in scratch
  KernelCode::Memory parts;    ///< [parts, rows, columns] f32 behind it
  int64_t inner, lanes, step, whole, maxRows, maxSums, streams, tileColumns;
  Value rowCount;
  bool pairs;
};

} // namespace rill::kernel

#endif
