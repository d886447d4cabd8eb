//===- GenericTensor.cpp - Generic path: rows in, rows out ----------------===//
//
// Scalar code for every op of RillTensorOps.td and RillStateOps.td; a tile is
// one row, or kGenericColumns columns of a linear.
//
//===----------------------------------------------------------------------===//
#include "KernelCode.h"

#include "llvm/ADT/TypeSwitch.h"

#include <cmath>

using namespace mlir;
using namespace rill;
using namespace rill::kernel;

using Memory = KernelCode::Memory;

static int64_t lastDim(const Memory &memory) {
  return memory.type.getShape().back();
}

/// `count` elements from one place to another, converted.
static void copyRow(KernelCode &code, const Memory &from, Value fromIndex,
                    const Memory &to, Value toIndex, int64_t count) {
  code.loop(code.integer(0), code.integer(count), [&](Value i) {
    code.store(code.load(from, code.add(fromIndex, i)), to,
               code.add(toIndex, i));
  });
}

static void emitEmbedding(KernelCode &code, EmbeddingOp op, Value tile) {
  const Memory &table = code.memory(op.getTable());
  int64_t width = lastDim(table);
  Value id = code.loadInteger(code.memory(op.getIds()), tile);
  // The runtime refuses ids outside the table; the clamp keeps a foreign
  // caller inside it.
  Value last = code.integer(table.type.getDimSize(0) - 1);
  id = code.min(code.max(id, code.integer(0)), last);
  Value size = code.integer(width);
  copyRow(code, table, code.mul(id, size), code.memory(op.getY()),
          code.mul(tile, size), width);
}

/// One column block of all rows.
static void emitLinear(KernelCode &code, LinearOp op, Value tile) {
  const Memory &x = code.memory(op.getX()), &y = code.memory(op.getY());
  int64_t inner = lastDim(x), columns = lastDim(y);
  Value rows = code.rows(y, y.type.getRank() - 1);
  Value low = code.mul(tile, code.integer(kGenericColumns));
  Value high = code.min(code.add(low, code.integer(kGenericColumns)),
                        code.integer(columns));
  const Memory &w = code.memory(op.getWeights()[0]);
  code.loop(code.integer(0), rows, [&](Value r) {
    Value xRow = code.mul(r, code.integer(inner));
    code.loop(low, high, [&](Value n) {
      Value wRow = code.mul(n, code.integer(inner));
      Value sum = code.loop(
          code.integer(0), code.integer(inner), 1, code.real(0.0),
          [&](Value k, ValueRange acc) -> SmallVector<Value> {
            return {code.fma(code.load(x, code.add(xRow, k)),
                             code.load(w, code.add(wRow, k)), acc[0])};
          })[0];
      Value at = code.add(code.mul(r, code.integer(columns)), n);
      SmallVector<Value> arguments = {sum};
      for (Value aux : op.getAux()) {
        const Memory &a = code.memory(aux);
        arguments.push_back(code.load(a, a.type.getRank() == 1 ? n : at));
      }
      code.store(code.inlineRegion(op.getBody(), arguments), y, at);
    });
  });
}

static void emitElementwise(KernelCode &code, ElementwiseOp op, Value tile) {
  const Memory &y = code.memory(op.getY());
  int64_t width = lastDim(y), rank = y.type.getRank();
  code.loop(code.integer(0), code.integer(width), [&](Value c) {
    SmallVector<Value> arguments;
    for (Value input : op.getInputs()) {
      const Memory &memory = code.memory(input);
      int64_t own = memory.type.getRank();
      Value row = own == rank ? tile
                  : own > 1   ? code.rem(tile, code.rows(memory, own - 1))
                              : code.integer(0);
      arguments.push_back(
          code.load(memory, code.add(code.mul(row, code.integer(width)), c)));
    }
    code.store(code.inlineRegion(op.getBody(), arguments), y,
               code.add(code.mul(tile, code.integer(width)), c));
  });
}

/// Sum over a row of f(element).
static Value sumRow(KernelCode &code, const Memory &x, Value row, int64_t width,
                    const std::function<Value(Value)> &f) {
  return code.loop(code.integer(0), code.integer(width), 1, code.real(0.0),
                   [&](Value c, ValueRange acc) -> SmallVector<Value> {
                     return {
                         code.fadd(acc[0], f(code.load(x, code.add(row, c))))};
                   })[0];
}

static void emitRmsNorm(KernelCode &code, RmsNormOp op, Value tile) {
  const Memory &x = code.memory(op.getX()), &g = code.memory(op.getWeight());
  int64_t width = lastDim(x);
  Value row = code.mul(tile, code.integer(width));
  Value squares =
      sumRow(code, x, row, width, [&](Value v) { return code.fmul(v, v); });
  Value mean = code.fdiv(squares, code.real(static_cast<double>(width)));
  Value scale =
      code.rsqrt(code.fadd(mean, code.real(op.getEps().convertToDouble())));
  code.loop(code.integer(0), code.integer(width), [&](Value c) {
    Value at = code.add(row, c);
    Value value =
        code.fmul(code.fmul(code.load(x, at), scale), code.load(g, c));
    code.store(value, code.memory(op.getY()), at);
  });
}

static void emitLayerNorm(KernelCode &code, LayerNormOp op, Value tile) {
  const Memory &x = code.memory(op.getX()), &g = code.memory(op.getWeight()),
               &bias = code.memory(op.getBias());
  int64_t width = lastDim(x);
  Value row = code.mul(tile, code.integer(width));
  Value count = code.real(static_cast<double>(width));
  Value mean =
      code.fdiv(sumRow(code, x, row, width, [](Value v) { return v; }), count);
  Value squares = sumRow(code, x, row, width, [&](Value v) {
    Value d = code.fsub(v, mean);
    return code.fmul(d, d);
  });
  Value scale = code.rsqrt(code.fadd(code.fdiv(squares, count),
                                     code.real(op.getEps().convertToDouble())));
  code.loop(code.integer(0), code.integer(width), [&](Value c) {
    Value at = code.add(row, c);
    Value centered = code.fmul(code.fsub(code.load(x, at), mean), scale);
    code.store(code.fma(centered, code.load(g, c), code.load(bias, c)),
               code.memory(op.getY()), at);
  });
}

static void emitLastRow(KernelCode &code, LastRowOp op, Value tile) {
  const Memory &x = code.memory(op.getX());
  int64_t width = lastDim(x);
  Value rows = code.dim(x, 1);
  Value from = code.sub(code.mul(code.add(tile, code.integer(1)), rows),
                        code.integer(1));
  copyRow(code, x, code.mul(from, code.integer(width)), code.memory(op.getY()),
          code.mul(tile, code.integer(width)), width);
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

static void emitPositionResize(KernelCode &code, PositionResizeOp op,
                               Value tile) {
  const Memory &table = code.memory(op.getTable());
  int64_t depth = lastDim(table);
  auto side =
      static_cast<int64_t>(std::llround(std::sqrt(table.type.getDimSize(0))));
  auto symbol = [&](Value value) {
    return code.program(value.getDefiningOp<plan::SymbolOp>().getSymbol());
  };
  Value height = symbol(op.getHeight()), width = symbol(op.getWidth());
  AxisFilter rows = axisFilter(code, side, height, code.div(tile, width));
  AxisFilter columns = axisFilter(code, side, width, code.rem(tile, width));
  code.loop(code.integer(0), code.integer(depth), [&](Value c) {
    Value sum = code.loop(
        rows.low, rows.high, 1, code.real(0.0),
        [&](Value y, ValueRange outer) -> SmallVector<Value> {
          Value line = code.loop(
              columns.low, columns.high, 1, code.real(0.0),
              [&](Value x, ValueRange inner) -> SmallVector<Value> {
                Value at = code.add(
                    code.mul(code.add(code.mul(y, code.integer(side)), x),
                             code.integer(depth)),
                    c);
                Value weight =
                    code.fdiv(triangle(code, columns, x), columns.norm);
                return {code.fma(weight, code.load(table, at), inner[0])};
              })[0];
          Value weight = code.fdiv(triangle(code, rows, y), rows.norm);
          return {code.fma(weight, line, outer[0])};
        })[0];
    code.store(sum, code.memory(op.getY()),
               code.add(code.mul(tile, code.integer(depth)), c));
  });
}

static void emitPixelUnshuffle(KernelCode &code, PixelUnshuffleOp op,
                               Value tile) {
  const Memory &x = code.memory(op.getX());
  int64_t depth = lastDim(x);
  Value f = code.integer(op.getFactor());
  auto symbol = [&](Value value) {
    return code.program(value.getDefiningOp<plan::SymbolOp>().getSymbol());
  };
  Value height = symbol(op.getHeight()), width = symbol(op.getWidth());
  Value columns = code.div(width, f), rows = code.div(height, f);
  Value perImage = code.mul(rows, columns);
  Value image = code.div(tile, perImage), inside = code.rem(tile, perImage);
  Value a = code.div(inside, columns), c = code.rem(inside, columns);
  int64_t parts = op.getFactor() * op.getFactor();
  code.loop(code.integer(0), code.integer(parts), [&](Value part) {
    Value y = code.add(code.mul(f, a), code.div(part, f));
    Value column = code.add(code.mul(f, c), code.rem(part, f));
    Value patch = code.add(code.mul(y, width), column);
    Value from = code.add(code.mul(image, code.mul(height, width)), patch);
    Value to = code.add(code.mul(tile, code.integer(parts)), part);
    copyRow(code, x, code.mul(from, code.integer(depth)),
            code.memory(op.getY()), code.mul(to, code.integer(depth)), depth);
  });
}

/// Tile = one row of the window.
static void emitStateWindow(KernelCode &code, StateWindowOp op, Value tile) {
  const Memory &y = code.memory(op.getValue());
  auto state =
      SymbolTable::lookupNearestSymbolFrom<StateOp>(op, op.getStateAttr());
  int64_t rows = y.type.getDimSize(1), width = stateExtents(state).second;
  Value sequence = code.div(tile, code.integer(rows));
  Value r = code.rem(tile, code.integer(rows));
  Value index = code.add(code.sub(code.start(sequence), code.integer(rows)), r);
  Value before = code.less(index, code.integer(0));
  Value at = stateRow(code, state, sequence, code.integer(0),
                      code.max(index, code.integer(0)));
  Value to = code.mul(tile, code.integer(width));
  Memory ring = code.state(state.getSymName());
  code.loop(code.integer(0), code.integer(width), [&](Value c) {
    Value value = code.load(ring, code.add(at, c));
    code.store(code.select(before, code.real(0.0), value), y, code.add(to, c));
  });
}

/// Tile = one row [b,s].
static void emitStateAppend(KernelCode &code, StateAppendOp op, Value tile) {
  const Memory &rows = code.memory(op.getRows());
  auto state =
      SymbolTable::lookupNearestSymbolFrom<StateOp>(op, op.getStateAttr());
  auto [outer, inner] = stateExtents(state);
  Value count = code.dim(rows, 1);
  Value sequence = code.div(tile, count), s = code.rem(tile, count);
  Value index = code.add(code.start(sequence), s);
  Memory memory = code.state(state.getSymName());
  for (int64_t o = 0; o < outer; ++o) {
    Value from = code.add(code.mul(tile, code.integer(outer * inner)),
                          code.integer(o * inner));
    copyRow(code, rows, from, memory,
            stateRow(code, state, sequence, code.integer(o), index), inner);
  }
}

bool rill::kernel::hasGenericKernel(Operation *op) {
  if (auto linear = dyn_cast<LinearOp>(op)) {
    // Fused forms have templates of their own.
    return linear.getWeights().size() == 1 &&
           linear.getPrologue() == Prologue::None;
  }
  return isa<EmbeddingOp, ElementwiseOp, RmsNormOp, LayerNormOp, LastRowOp,
             PositionResizeOp, PixelUnshuffleOp, StateWindowOp, StateAppendOp,
             ShortConvOp, RopeOp, AttentionOp>(op);
}

bool rill::kernel::emitGenericTile(KernelCode &code, Operation *op,
                                   Value tile) {
  return llvm::TypeSwitch<Operation *, bool>(op)
      .Case([&](EmbeddingOp o) { return emitEmbedding(code, o, tile), true; })
      .Case([&](LinearOp o) { return emitLinear(code, o, tile), true; })
      .Case(
          [&](ElementwiseOp o) { return emitElementwise(code, o, tile), true; })
      .Case([&](RmsNormOp o) { return emitRmsNorm(code, o, tile), true; })
      .Case([&](LayerNormOp o) { return emitLayerNorm(code, o, tile), true; })
      .Case([&](LastRowOp o) { return emitLastRow(code, o, tile), true; })
      .Case([&](PositionResizeOp o) {
        return emitPositionResize(code, o, tile), true;
      })
      .Case([&](PixelUnshuffleOp o) {
        return emitPixelUnshuffle(code, o, tile), true;
      })
      .Case(
          [&](StateWindowOp o) { return emitStateWindow(code, o, tile), true; })
      .Case(
          [&](StateAppendOp o) { return emitStateAppend(code, o, tile), true; })
      .Default([&](Operation *o) { return emitGenericMixer(code, o, tile); });
}
