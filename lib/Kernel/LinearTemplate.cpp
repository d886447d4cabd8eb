//===- LinearTemplate.cpp - Template "linear" for CPUs --------------------===//
//
// A tile is `columns` columns of all rows. Each product is a dot product over
// vectors of `lanes` values: an accumulator per (row, column, weight), one
// fused multiply-add per vector of k, the lanes summed in a fixed order, then
// the scalar rest. So no row depends on how many rows the call has.
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
  /// Weight and row inside it of column `first` + c, for accumulator i.
  Value weightRow(int64_t accumulator, Value first, int64_t c, Memory &memory);
  void store(Value row, Value column, ArrayRef<Value> sums);

  KernelCode &code;
  LinearOp op;
  const Memory &x, &y;
  int64_t inner, total, lanes, blockColumns, blockRows;
  bool zip;
};
} // namespace

static int64_t configValue(plan::KernelOp kernel, StringRef name) {
  return cast<IntegerAttr>(kernel.getConfig().get(name)).getInt();
}

LinearTile::LinearTile(KernelCode &code, LinearOp op)
    : code(code), op(op), x(code.memory(op.getX())), y(code.memory(op.getY())),
      inner(x.type.getShape().back()), total(y.type.getShape().back()),
      lanes(configValue(code.kernel, "lanes")),
      blockColumns(configValue(code.kernel, "columns")),
      blockRows(configValue(code.kernel, "rows")),
      zip(op.getCombine() == Combine::Zip) {}

Value LinearTile::weightRow(int64_t accumulator, Value first, int64_t c,
                            Memory &memory) {
  memory = code.memory(op.getWeights()[accumulator]);
  Value column = code.add(first, code.integer(c));
  return code.mul(column, code.integer(inner));
}

void LinearTile::store(Value row, Value column, ArrayRef<Value> sums) {
  Value at = code.add(code.mul(row, code.integer(total)), column);
  SmallVector<Value> arguments(sums);
  for (Value aux : op.getAux()) {
    const Memory &memory = code.memory(aux);
    arguments.push_back(
        code.load(memory, memory.type.getRank() == 1 ? column : at));
  }
  code.store(code.inlineRegion(op.getBody(), arguments), y, at);
}

void LinearTile::block(Value row, int64_t rows, Value first, int64_t count) {
  int64_t accumulators = zip ? op.getWeights().size() : 1;
  SmallVector<Memory> weights;
  SmallVector<Value> weightAt, xAt;
  for (int64_t a = 0; a < accumulators; ++a) {
    for (int64_t c = 0; c < count; ++c) {
      Memory memory;
      weightAt.push_back(weightRow(a, first, c, memory));
      weights.push_back(memory);
    }
  }
  for (int64_t r = 0; r < rows; ++r) {
    xAt.push_back(
        code.mul(code.add(row, code.integer(r)), code.integer(inner)));
  }
  auto step = [&](Value k, ValueRange sums, int64_t width) {
    auto load = [&](const Memory &memory, Value at) {
      Value index = code.add(at, k);
      return width == 1 ? code.load(memory, index)
                        : code.loadVector(memory, index, width);
    };
    SmallVector<Value> left, next(sums);
    for (Value at : xAt) {
      left.push_back(load(x, at));
    }
    for (size_t w = 0; w < weights.size(); ++w) {
      Value right = load(weights[w], weightAt[w]);
      for (int64_t r = 0; r < rows; ++r) {
        Value &sum = next[w * rows + r];
        sum = code.fma(left[r], right, sum);
      }
    }
    return next;
  };
  int64_t whole = inner / lanes * lanes;
  Value zero = code.splat(code.real(0.0), lanes);
  SmallVector<Value> sums(weights.size() * rows, zero);
  sums =
      code.loop(code.integer(0), code.integer(whole), lanes, sums,
                [&](Value k, ValueRange acc) { return step(k, acc, lanes); });
  for (Value &sum : sums) {
    sum = code.sumLanes(sum);
  }
  if (whole < inner) {
    sums = code.loop(code.integer(whole), code.integer(inner), 1, sums,
                     [&](Value k, ValueRange acc) { return step(k, acc, 1); });
  }
  for (int64_t c = 0; c < count; ++c) {
    for (int64_t r = 0; r < rows; ++r) {
      SmallVector<Value> parts;
      for (int64_t a = 0; a < accumulators; ++a) {
        parts.push_back(sums[(a * count + c) * rows + r]);
      }
      store(code.add(row, code.integer(r)), code.add(first, code.integer(c)),
            parts);
    }
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
