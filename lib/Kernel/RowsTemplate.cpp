//===- RowsTemplate.cpp - Template "rows" for CPUs ------------------------===//
//
// Ops whose result rows stand alone: embedding, norms, elementwise work,
// gathers, the rows of states. A tile is one row, walked in vectors.
//
//===----------------------------------------------------------------------===//
#include "KernelCode.h"

#include "rill-rt/kernel_abi.h"

#include "llvm/ADT/TypeSwitch.h"

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
  if (to.type.getElementType().isInteger(64)) {
    code.each(code.integer(count), [&](Value i) {
      code.storeInteger(code.loadInteger(from, code.add(fromIndex, i)), to,
                        code.add(toIndex, i));
    });
    return;
  }
  code.eachVector(count, code.config("lanes"), [&](Value i, int64_t size) {
    code.storeSome(code.loadSome(from, code.add(fromIndex, i), size), to,
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
  Value to = code.mul(tile, code.integer(width));
  code.eachVector(width, code.config("lanes"), [&](Value k, int64_t count) {
    code.storeSome(code.loadColumns(table, id, k, count),
                   code.memory(op.getY()), code.add(to, k));
  });
}

static void emitElementwise(KernelCode &code, ElementwiseOp op, Value tile) {
  const Memory &y = code.memory(op.getY());
  int64_t width = lastDim(y), rank = y.type.getRank();
  SmallVector<Value> rows; // where each input's row begins
  for (Value input : op.getInputs()) {
    const Memory &memory = code.memory(input);
    int64_t own = memory.type.getRank();
    Value row = own == rank ? tile
                : own > 1   ? code.rem(tile, code.rows(memory, own - 1))
                            : code.integer(0);
    rows.push_back(code.mul(row, code.integer(width)));
  }
  Value to = code.mul(tile, code.integer(width));
  code.eachVector(width, code.config("lanes"), [&](Value c, int64_t count) {
    SmallVector<Value> arguments;
    for (auto [input, row] : llvm::zip_equal(op.getInputs(), rows)) {
      arguments.push_back(
          code.loadSome(code.memory(input), code.add(row, c), count));
    }
    code.storeSome(code.inlineRegion(op.getBody(), arguments), y,
                   code.add(to, c));
  });
}

Value rill::kernel::rmsScale(KernelCode &code, const Memory &x, Value at,
                             int64_t width, double eps) {
  Value squares = code.sumRow(
      x, at, width, [&](Value v, int64_t) { return code.fmul(v, v); });
  Value mean = code.fdiv(squares, code.real(static_cast<double>(width)));
  return code.rsqrt(code.fadd(mean, code.real(eps)));
}

static void emitRmsNorm(KernelCode &code, RmsNormOp op, Value tile) {
  const Memory &x = code.memory(op.getX()), &g = code.memory(op.getWeight());
  int64_t width = lastDim(x);
  Value row = code.mul(tile, code.integer(width));
  Value scale = rmsScale(code, x, row, width, op.getEps().convertToDouble());
  code.eachVector(width, code.config("lanes"), [&](Value c, int64_t count) {
    Value at = code.add(row, c);
    Value value = code.fmul(
        code.fmul(code.loadSome(x, at, count), code.spread(scale, count)),
        code.loadSome(g, c, count));
    code.storeSome(value, code.memory(op.getY()), at);
  });
}

static void emitLayerNorm(KernelCode &code, LayerNormOp op, Value tile) {
  const Memory &x = code.memory(op.getX()), &g = code.memory(op.getWeight()),
               &bias = code.memory(op.getBias());
  int64_t width = lastDim(x);
  Value row = code.mul(tile, code.integer(width));
  Value size = code.real(static_cast<double>(width));
  Value mean = code.fdiv(
      code.sumRow(x, row, width, [](Value v, int64_t) { return v; }), size);
  Value squares = code.sumRow(x, row, width, [&](Value v, int64_t count) {
    Value d = code.fsub(v, code.spread(mean, count));
    return code.fmul(d, d);
  });
  Value scale = code.rsqrt(code.fadd(code.fdiv(squares, size),
                                     code.real(op.getEps().convertToDouble())));
  code.eachVector(width, code.config("lanes"), [&](Value c, int64_t count) {
    Value at = code.add(row, c);
    Value centered = code.fmul(
        code.fsub(code.loadSome(x, at, count), code.spread(mean, count)),
        code.spread(scale, count));
    code.storeSome(code.fma(centered, code.loadSome(g, c, count),
                            code.loadSome(bias, c, count)),
                   code.memory(op.getY()), at);
  });
}

static void emitLastRow(KernelCode &code, LastRowOp op, Value tile) {
  const Memory &x = code.memory(op.getX());
  int64_t width = lastDim(x);
  Value from =
      code.sub(code.mul(code.add(tile, code.integer(1)), code.dim(x, 1)),
               code.integer(1));
  copyRow(code, x, code.mul(from, code.integer(width)), code.memory(op.getY()),
          code.mul(tile, code.integer(width)), width);
}

/// Tile = one row [b,s] of every input.
static void emitStack(KernelCode &code, StackOp op, Value tile) {
  const Memory &y = code.memory(op.getY());
  const Memory &first = code.memory(op.getInputs()[0]);
  int64_t width = lastDim(first);
  Value count = code.integer(static_cast<int64_t>(op.getInputs().size()));
  Value rows = code.rows(first, 2), columns = code.integer(width);
  Value from = code.mul(tile, columns);
  for (auto [k, input] : llvm::enumerate(op.getInputs())) {
    Value number = code.integer(static_cast<int64_t>(k));
    Value line = y.type.getRank() == 4
                     ? code.add(code.mul(number, rows), tile)
                     : code.add(code.mul(tile, count), number);
    copyRow(code, code.memory(input), from, y, code.mul(line, columns), width);
  }
}

static void emitPixelUnshuffle(KernelCode &code, PixelUnshuffleOp op,
                               Value tile) {
  const Memory &x = code.memory(op.getX());
  int64_t depth = lastDim(x);
  Value f = code.integer(op.getFactor());
  Value height = code.symbol(op.getHeight()),
        width = code.symbol(op.getWidth());
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
  code.eachVector(width, code.config("lanes"), [&](Value c, int64_t count) {
    Value value = code.loadSome(ring, code.add(at, c), count);
    Value zero = code.spread(code.real(0.0), count);
    code.storeSome(code.select(before, zero, value), y, code.add(to, c));
  });
}

/// Tile = one row [b,s].
/// Rows of one call that share a slot of a ring are tiles that run in any
/// order: only the last of them, the row that stays, is written.
static void emitStateAppend(KernelCode &code, StateAppendOp op, Value tile) {
  const Memory &rows = code.memory(op.getRows());
  auto state =
      SymbolTable::lookupNearestSymbolFrom<StateOp>(op, op.getStateAttr());
  auto [outer, inner] = stateExtents(state);
  Value count = code.dim(rows, 1);
  Value sequence = code.div(tile, count), s = code.rem(tile, count);
  Value index = code.add(code.start(sequence), s);
  Memory memory = code.state(state.getSymName());
  int64_t outerSize = outer, innerSize = inner;
  auto append = [&] {
    code.loop(code.integer(0), code.integer(outerSize), [&](Value o) {
      Value line = code.add(code.mul(tile, code.integer(outerSize)), o);
      copyRow(code, rows, code.mul(line, code.integer(innerSize)), memory,
              stateRow(code, state, sequence, o, index), innerSize);
    });
  };
  if (state.getLayout() == StateLayout::Linear) {
    append();
    return;
  }
  int64_t capacity = memory.type.getDimSize(state.getRowDim());
  code.when(code.less(count, code.add(s, code.integer(capacity + 1))), append);
}

/// Tile = one sequence.
static void emitControlCommit(KernelCode &code, ControlCommitOp op,
                              Value tile) {
  const Memory &tokens = code.memory(op.getTokens());
  int64_t batch = tokens.type.getDimSize(0);
  auto grow = [&](const Memory &memory, Value index) {
    Value old = code.loadInteger(memory, index);
    code.storeInteger(code.add(old, code.integer(1)), memory, index);
  };
  code.once([&] {
    code.storeInteger(code.loadInteger(tokens, tile),
                      code.controlField(ControlField::Token, batch), tile);
    grow(code.controlField(ControlField::Start, batch), tile);
    grow(code.controlField(ControlField::Position, batch), tile);
    code.when(code.equal(tile, code.integer(0)), [&] {
      grow(code.controlWords(RILL_RT_CONTROL_STEP, 1), code.integer(0));
    });
  });
}

EmitTile rill::kernel::beginRows(KernelCode &code, Operation *op) {
  return llvm::TypeSwitch<Operation *, EmitTile>(op)
      .Case([&](EmbeddingOp o) {
        return [&code, o](Value tile) { emitEmbedding(code, o, tile); };
      })
      .Case([&](ElementwiseOp o) {
        return [&code, o](Value tile) { emitElementwise(code, o, tile); };
      })
      .Case([&](RmsNormOp o) {
        return [&code, o](Value tile) { emitRmsNorm(code, o, tile); };
      })
      .Case([&](LayerNormOp o) {
        return [&code, o](Value tile) { emitLayerNorm(code, o, tile); };
      })
      .Case([&](LastRowOp o) {
        return [&code, o](Value tile) { emitLastRow(code, o, tile); };
      })
      .Case([&](StackOp o) {
        return [&code, o](Value tile) { emitStack(code, o, tile); };
      })
      .Case([&](PixelUnshuffleOp o) {
        return [&code, o](Value tile) { emitPixelUnshuffle(code, o, tile); };
      })
      .Case([&](StateWindowOp o) {
        return [&code, o](Value tile) { emitStateWindow(code, o, tile); };
      })
      .Case([&](StateAppendOp o) {
        return [&code, o](Value tile) { emitStateAppend(code, o, tile); };
      })
      .Case([&](ControlCommitOp o) {
        return [&code, o](Value tile) { emitControlCommit(code, o, tile); };
      })
      .Default([](Operation *) { return EmitTile(); });
}
