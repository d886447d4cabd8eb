//===- LinearTemplate.cpp - Template "linear" for CPUs --------------------===//
//
// A tile is `columns` columns of all rows. Each product is a dot product over
// vectors of `lanes` values: an accumulator per (weight, row, column), one
// fused multiply-add per vector of k, the lanes summed in a fixed order, then
// the scalar rest. So no row depends on how many rows the call has. The
// epilogue runs on the columns of one row as a vector.
//
//===----------------------------------------------------------------------===//
#include "KernelCode.h"

using namespace mlir;
using namespace rill;
using namespace rill::kernel;

using Memory = KernelCode::Memory;

namespace {
/// One tile of one linear.
class LinearTile {
public:
  LinearTile(KernelCode &code, LinearOp op);

  /// All rows of the columns first .. first + count - 1.
  void emit(Value first, int64_t count);
  int64_t columnsPerTile() const { return blockColumns; }
  int64_t columns() const { return total; }

private:
  /// `rows` rows from `row`, `count` columns from `first`.
  void block(Value row, int64_t rows, Value first, int64_t count);
  std::pair<int64_t, int64_t> place(int64_t i, int64_t columns, int64_t rows);
  /// Adds the products of k >= whole to the first lanes of `sums`.
  Value addRest(Value sums, int64_t whole, ArrayRef<Memory> weights,
                ArrayRef<Value> weightAt, ArrayRef<Value> xAt);
  void store(Value row, Value column, int64_t count, ArrayRef<Value> sums);

  KernelCode &code;
  LinearOp op;
  const Memory &x, &y;
  int64_t inner, total, lanes, blockColumns, blockRows;
  bool zip;
};
} // namespace

LinearTile::LinearTile(KernelCode &code, LinearOp op)
    : code(code), op(op), x(code.memory(op.getX())), y(code.memory(op.getY())),
      inner(x.type.getShape().back()), total(y.type.getShape().back()),
      lanes(code.config("lanes")), blockColumns(code.config("columns")),
      blockRows(code.config("rows")), zip(op.getCombine() == Combine::Zip) {}

void LinearTile::store(Value row, Value column, int64_t count,
                       ArrayRef<Value> sums) {
  Value at = code.add(code.mul(row, code.integer(total)), column);
  SmallVector<Value> arguments(sums);
  for (Value aux : op.getAux()) {
    const Memory &memory = code.memory(aux);
    Value index = memory.type.getRank() == 1 ? column : at;
    arguments.push_back(count == 1 ? code.load(memory, index)
                                   : code.loadVector(memory, index, count));
  }
  Value result = code.inlineRegion(op.getBody(), arguments);
  if (count == 1) {
    code.store(result, y, at);
  } else {
    code.storeVector(result, y, at);
  }
}

Value LinearTile::addRest(Value sums, int64_t whole, ArrayRef<Memory> weights,
                          ArrayRef<Value> weightAt, ArrayRef<Value> xAt) {
  int64_t columns = static_cast<int64_t>(weights.size()), rows = xAt.size();
  SmallVector<Value> scalars;
  for (int64_t i = 0; i < columns * rows; ++i) {
    scalars.push_back(code.extract(sums, i));
  }
  scalars = code.loop(code.integer(whole), code.integer(inner), 1, scalars,
                      [&](Value k, ValueRange acc) {
                        SmallVector<Value> next(acc);
                        for (int64_t i = 0; i < columns * rows; ++i) {
                          auto [w, r] = place(i, columns, rows);
                          next[i] = code.fma(
                              code.load(x, code.add(xAt[r], k)),
                              code.load(weights[w], code.add(weightAt[w], k)),
                              next[i]);
                        }
                        return next;
                      });
  for (int64_t i = 0; i < columns * rows; ++i) {
    sums = code.insert(scalars[i], sums, i);
  }
  return sums;
}

/// Accumulator i belongs to (weight column, row): ordered by weight, then row,
/// then column, so that a row's columns are neighbours.
std::pair<int64_t, int64_t> LinearTile::place(int64_t i, int64_t columns,
                                              int64_t rows) {
  int64_t perWeight = columns / (zip ? op.getWeights().size() : 1);
  int64_t weight = i / (perWeight * rows), inside = i % (perWeight * rows);
  return {weight * perWeight + inside % perWeight, inside / perWeight};
}

void LinearTile::block(Value row, int64_t rows, Value first, int64_t count) {
  int64_t accumulators = zip ? op.getWeights().size() : 1;
  SmallVector<Memory> weights;
  SmallVector<Value> weightAt, xAt;
  for (int64_t a = 0; a < accumulators; ++a) {
    for (int64_t c = 0; c < count; ++c) {
      weights.push_back(code.memory(op.getWeights()[a]));
      weightAt.push_back(
          code.mul(code.add(first, code.integer(c)), code.integer(inner)));
    }
  }
  for (int64_t r = 0; r < rows; ++r) {
    xAt.push_back(
        code.mul(code.add(row, code.integer(r)), code.integer(inner)));
  }
  int64_t products = static_cast<int64_t>(weights.size()) * rows;
  // With bf16 on both sides a step takes two vectors at once: even and odd k.
  bool pairs = x.type.getElementType().isBF16() &&
               llvm::all_of(weights, [](const Memory &memory) {
                 return memory.type.getElementType().isBF16();
               });
  int64_t width = pairs ? 2 * lanes : lanes;
  int64_t whole = inner / width * width;
  auto load = [&](const Memory &memory, Value at) -> SmallVector<Value, 2> {
    if (!pairs) {
      return {code.loadVector(memory, at, lanes)};
    }
    auto [even, odd] = code.loadPairs(memory, at, lanes);
    return {even, odd};
  };
  SmallVector<Value> sums(products, code.splat(code.real(0.0), lanes));
  sums =
      code.loop(code.integer(0), code.integer(whole), width, sums,
                [&](Value k, ValueRange acc) {
                  SmallVector<Value> next(acc);
                  SmallVector<SmallVector<Value, 2>> left, right;
                  for (Value at : xAt) {
                    left.push_back(load(x, code.add(at, k)));
                  }
                  for (size_t w = 0; w < weights.size(); ++w) {
                    right.push_back(load(weights[w], code.add(weightAt[w], k)));
                  }
                  for (size_t half = 0; half < (pairs ? 2 : 1); ++half) {
                    for (int64_t i = 0; i < products; ++i) {
                      auto [w, r] = place(i, weights.size(), rows);
                      next[i] =
                          code.fma(left[r][half], right[w][half], next[i]);
                    }
                  }
                  return next;
                });
  Value packed = code.sumMany(sums);
  if (whole < inner) {
    packed = addRest(packed, whole, weights, weightAt, xAt);
  }
  for (int64_t r = 0; r < rows; ++r) {
    SmallVector<Value> parts;
    for (int64_t a = 0; a < accumulators; ++a) {
      parts.push_back(code.slice(packed, (a * rows + r) * count, count));
    }
    store(code.add(row, code.integer(r)), first, count, parts);
  }
}

void LinearTile::emit(Value first, int64_t count) {
  Value rows = code.rows(y, y.type.getRank() - 1);
  Value whole = code.mul(code.div(rows, code.integer(blockRows)),
                         code.integer(blockRows));
  code.loop(code.integer(0), whole, blockRows, ValueRange(),
            [&](Value row, ValueRange) {
              block(row, blockRows, first, count);
              return SmallVector<Value>();
            });
  code.loop(whole, rows, [&](Value row) { block(row, 1, first, count); });
}

bool rill::kernel::emitLinearTile(KernelCode &code, Operation *op, Value tile) {
  LinearTile linear(code, cast<LinearOp>(op));
  int64_t columns = linear.columnsPerTile();
  Value first = code.mul(tile, code.integer(columns));
  if (linear.columns() % columns == 0) {
    linear.emit(first, columns);
    return true;
  }
  // The last tile is narrower: its columns one by one.
  Value end = code.add(first, code.integer(columns));
  Value fits = code.less(end, code.integer(linear.columns() + 1));
  code.when(fits, [&] { linear.emit(first, columns); });
  Value low = code.select(fits, code.integer(linear.columns()), first);
  code.loop(low, code.integer(linear.columns()),
            [&](Value column) { linear.emit(column, 1); });
  return true;
}
