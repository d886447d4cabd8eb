//===- PositionsTemplate.cpp - Template "positions" for CPUs --------------===//
//
// RoPE from its table, and the antialiased resize of a position table. A tile
// is one row.
//
//===----------------------------------------------------------------------===//
#include "KernelCode.h"

#include "llvm/ADT/TypeSwitch.h"

#include <cmath>

using namespace mlir;
using namespace rill;
using namespace rill::kernel;

using Memory = KernelCode::Memory;

/// The pairs (x_i, x_{i+d/2}).
static void rotateHalves(KernelCode &code, const Run &from, const Run &to,
                         const Memory &table, Value angles, int64_t half) {
  code.eachVector(half, code.config("lanes"), [&](Value i, int64_t count) {
    Value second = code.add(i, code.integer(half));
    Value u = code.loadSome(from.memory, code.add(from.at, i), count);
    Value v = code.loadSome(from.memory, code.add(from.at, second), count);
    Value cosine = code.loadSome(table, code.add(angles, i), count);
    Value sine = code.loadSome(table, code.add(angles, second), count);
    code.storeSome(code.fsub(code.fmul(u, cosine), code.fmul(v, sine)),
                   to.memory, code.add(to.at, i));
    code.storeSome(code.fadd(code.fmul(v, cosine), code.fmul(u, sine)),
                   to.memory, code.add(to.at, second));
  });
}

/// The pairs (x_{2i}, x_{2i+1}), one by one.
static void rotateNeighbours(KernelCode &code, const Run &from, const Run &to,
                             const Memory &table, Value angles, int64_t half) {
  code.eachVector(half, 1, [&](Value i, int64_t) {
    Value first = code.mul(i, code.integer(2));
    Value second = code.add(first, code.integer(1));
    Value u = code.load(from.memory, code.add(from.at, first));
    Value v = code.load(from.memory, code.add(from.at, second));
    Value cosine = code.load(table, code.add(angles, i));
    Value sine =
        code.load(table, code.add(angles, code.add(i, code.integer(half))));
    code.store(code.fsub(code.fmul(u, cosine), code.fmul(v, sine)), to.memory,
               code.add(to.at, first));
    code.store(code.fadd(code.fmul(v, cosine), code.fmul(u, sine)), to.memory,
               code.add(to.at, second));
  });
}

void rill::kernel::rotateHead(KernelCode &code, RopeLayout layout,
                              const Run &from, const Run &to,
                              const Memory &table, Value angles,
                              int64_t width) {
  auto rotate = layout == RopeLayout::Half ? rotateHalves : rotateNeighbours;
  rotate(code, from, to, table, angles, width / 2);
}

/// Tile = one row [b,s] of all heads.
static void emitRope(KernelCode &code, RopeOp op, Value tile) {
  const Memory &x = code.memory(op.getX()), &y = code.memory(op.getY()),
               &table = code.memory(op.getTable());
  int64_t heads = x.type.getDimSize(2), width = x.type.getDimSize(3);
  Value position = code.loadInteger(code.memory(op.getPositions()), tile);
  Value last = code.integer(table.type.getDimSize(0) - 1);
  position = code.min(code.max(position, code.integer(0)), last);
  Value angles = code.mul(position, code.integer(width));
  code.loop(code.integer(0), code.integer(heads), [&](Value j) {
    Value base = code.mul(code.add(code.mul(tile, code.integer(heads)), j),
                          code.integer(width));
    rotateHead(code, op.getLayout(), {x, base}, {y, base}, table, angles,
               width);
  });
}

namespace {
/// torch's antialiased triangle filter at one output index of one axis.
struct AxisFilter {
  Value low, high, center, support, norm;
};
} // namespace

/// weight(j) before normalisation.
static Value triangle(KernelCode &code, const AxisFilter &axis, Value j) {
  Value distance =
      code.fadd(code.fsub(code.toFloat(j), axis.center), code.real(0.5));
  Value absolute = code.fmax(distance, code.fsub(code.real(0.0), distance));
  return code.fmax(
      code.real(0.0),
      code.fsub(code.real(1.0), code.fdiv(absolute, axis.support)));
}

static AxisFilter axisFilter(KernelCode &code, int64_t from, Value to,
                             Value index) {
  AxisFilter axis;
  Value scale =
      code.fdiv(code.real(static_cast<double>(from)), code.toFloat(to));
  axis.support = code.fmax(scale, code.real(1.0));
  axis.center =
      code.fmul(scale, code.fadd(code.toFloat(index), code.real(0.5)));
  auto truncated = [&](Value value) -> Value {
    return code.toInteger(code.fadd(value, code.real(0.5)));
  };
  axis.low = code.max(truncated(code.fsub(axis.center, axis.support)),
                      code.integer(0));
  axis.high = code.min(truncated(code.fadd(axis.center, axis.support)),
                       code.integer(from));
  axis.norm = code.loop(axis.low, axis.high, 1, code.real(0.0),
                        [&](Value j, ValueRange acc) -> SmallVector<Value> {
                          return {code.fadd(acc[0], triangle(code, axis, j))};
                        })[0];
  return axis;
}

/// `count` columns from `c` of one resized row: width first, then height.
static Value resized(KernelCode &code, const Memory &table, int64_t side,
                     const AxisFilter &rows, const AxisFilter &columns, Value c,
                     int64_t count) {
  int64_t depth = table.type.getShape().back();
  Value zero = code.spread(code.real(0.0), count);
  auto line = [&](Value y) {
    return code.loop(
        columns.low, columns.high, 1, zero,
        [&](Value x, ValueRange sum) -> SmallVector<Value> {
          Value row = code.add(code.mul(y, code.integer(side)), x);
          Value at = code.add(code.mul(row, code.integer(depth)), c);
          Value weight = code.fdiv(triangle(code, columns, x), columns.norm);
          return {code.fma(code.spread(weight, count),
                           code.loadSome(table, at, count), sum[0])};
        })[0];
  };
  return code.loop(
      rows.low, rows.high, 1, zero,
      [&](Value y, ValueRange sum) -> SmallVector<Value> {
        Value weight = code.fdiv(triangle(code, rows, y), rows.norm);
        return {code.fma(code.spread(weight, count), line(y), sum[0])};
      })[0];
}

static void emitPositionResize(KernelCode &code, PositionResizeOp op,
                               Value tile) {
  const Memory &table = code.memory(op.getTable());
  int64_t depth = table.type.getShape().back();
  auto side =
      static_cast<int64_t>(std::llround(std::sqrt(table.type.getDimSize(0))));
  Value height = code.symbol(op.getHeight()),
        width = code.symbol(op.getWidth());
  AxisFilter rows = axisFilter(code, side, height, code.div(tile, width));
  AxisFilter columns = axisFilter(code, side, width, code.rem(tile, width));
  Value to = code.mul(tile, code.integer(depth));
  code.eachVector(depth, code.config("lanes"), [&](Value c, int64_t count) {
    code.storeSome(resized(code, table, side, rows, columns, c, count),
                   code.memory(op.getY()), code.add(to, c));
  });
}

EmitTile rill::kernel::beginPositions(KernelCode &code, Operation *op) {
  return llvm::TypeSwitch<Operation *, EmitTile>(op)
      .Case([&](RopeOp o) {
        return [&code, o](Value tile) { emitRope(code, o, tile); };
      })
      .Case([&](PositionResizeOp o) {
        return [&code, o](Value tile) { emitPositionResize(code, o, tile); };
      })
      .Default([](Operation *) { return EmitTile(); });
}
