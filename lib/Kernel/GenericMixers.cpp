//===- GenericMixers.cpp - Generic path: convolution and attention --------===//
//
// Scalar code for RillConvOps.td and RillAttentionOps.td as imported.
//
//===----------------------------------------------------------------------===//
#include "KernelCode.h"

#include "llvm/ADT/TypeSwitch.h"

#include <cmath>

using namespace mlir;
using namespace rill;
using namespace rill::kernel;

using Memory = KernelCode::Memory;

/// Tile = one row [b,s].
static void emitShortConv(KernelCode &code, ShortConvOp op, Value tile) {
  const Memory &window = code.memory(op.getWindow()),
               &x = code.memory(op.getX()),
               &filter = code.memory(op.getFilter());
  int64_t channels = x.type.getDimSize(2), taps = filter.type.getDimSize(1);
  Value rows = code.dim(x, 1);
  Value sequence = code.div(tile, rows), s = code.rem(tile, rows);
  code.loop(code.integer(0), code.integer(channels), [&](Value c) {
    Value sum =
        op.getBias() ? code.load(code.memory(op.getBias()), c) : code.real(0.0);
    for (int64_t j = 0; j < taps; ++j) {
      // Row s + j of the window followed by x.
      Value row = code.add(s, code.integer(j));
      Value inWindow = code.less(row, code.integer(taps - 1));
      Value windowRow = code.add(code.mul(sequence, code.integer(taps - 1)),
                                 code.min(row, code.integer(taps - 2)));
      Value xRow = code.add(
          code.mul(sequence, rows),
          code.max(code.sub(row, code.integer(taps - 1)), code.integer(0)));
      auto at = [&](Value r) {
        return code.add(code.mul(r, code.integer(channels)), c);
      };
      Value value = code.select(inWindow, code.load(window, at(windowRow)),
                                code.load(x, at(xRow)));
      Value tap = code.load(
          filter, code.add(code.mul(c, code.integer(taps)), code.integer(j)));
      sum = code.fma(tap, value, sum);
    }
    code.store(sum, code.memory(op.getY()),
               code.add(code.mul(tile, code.integer(channels)), c));
  });
}

/// Tile = one row [b,s] of all heads.
static void emitRope(KernelCode &code, RopeOp op, Value tile) {
  const Memory &x = code.memory(op.getX()), &y = code.memory(op.getY()),
               &table = code.memory(op.getTable());
  int64_t heads = x.type.getDimSize(2), width = x.type.getDimSize(3);
  int64_t half = width / 2;
  Value position = code.loadInteger(code.memory(op.getPositions()), tile);
  Value last = code.integer(table.type.getDimSize(0) - 1);
  position = code.min(code.max(position, code.integer(0)), last);
  Value angles = code.mul(position, code.integer(width));
  bool split = op.getLayout() == RopeLayout::Half;
  code.loop(code.integer(0), code.integer(heads), [&](Value j) {
    Value base = code.mul(code.add(code.mul(tile, code.integer(heads)), j),
                          code.integer(width));
    code.loop(code.integer(0), code.integer(half), [&](Value i) {
      Value first = split ? i : code.mul(i, code.integer(2));
      Value second = code.add(first, code.integer(split ? half : 1));
      Value u = code.load(x, code.add(base, first));
      Value v = code.load(x, code.add(base, second));
      Value cosine = code.load(table, code.add(angles, i));
      Value sine =
          code.load(table, code.add(code.add(angles, code.integer(half)), i));
      code.store(code.fsub(code.fmul(u, cosine), code.fmul(v, sine)), y,
                 code.add(base, first));
      code.store(code.fadd(code.fmul(v, cosine), code.fmul(u, sine)), y,
                 code.add(base, second));
    });
  });
}

namespace {
/// Online softmax of one query: maximum and sum in registers, d sums in local
/// memory.
struct OnlineSoftmax {
  KernelCode &code;
  const Memory &q;
  Value query; // element index of the query head
  int64_t width;
  double scale;
  Memory sums;

  void clear() {
    code.loop(code.integer(0), code.integer(width),
              [&](Value i) { code.store(code.real(0.0), sums, i); });
  }
  SmallVector<Value> add(const Memory &keys, const Memory &values, Value row,
                         ValueRange state);
};
} // namespace

/// Takes (maximum, sum) over one more key and returns the new pair.
SmallVector<Value> OnlineSoftmax::add(const Memory &keys, const Memory &values,
                                      Value row, ValueRange state) {
  Value score =
      code.loop(code.integer(0), code.integer(width), 1, code.real(0.0),
                [&](Value i, ValueRange acc) -> SmallVector<Value> {
                  return {code.fma(code.load(q, code.add(query, i)),
                                   code.load(keys, code.add(row, i)), acc[0])};
                })[0];
  score = code.fmul(score, code.real(scale));
  Value top = code.fmax(state[0], score);
  Value keep = code.exp(code.fsub(state[0], top));
  Value weight = code.exp(code.fsub(score, top));
  code.loop(code.integer(0), code.integer(width), [&](Value i) {
    Value old = code.fmul(code.load(sums, i), keep);
    code.store(code.fma(weight, code.load(values, code.add(row, i)), old), sums,
               i);
  });
  return {top, code.fma(state[1], keep, weight)};
}

/// The keys of a segment that query s sees: t in [first, count) and a test.
static Value visible(KernelCode &code, SegmentAttr segment, Value s, Value t,
                     Value count, const Memory *bounds, Value bound) {
  Value width = code.integer(std::max<int64_t>(segment.getWidth(), 1));
  switch (segment.getVisibility()) {
  case Visibility::All:
    return {};
  case Visibility::Causal:
    return code.less(t, code.add(s, code.integer(1)));
  case Visibility::Prefix:
    return code.less(t, code.loadInteger(*bounds, bound));
  case Visibility::SameBlock:
    return code.equal(code.div(t, width), code.div(s, width));
  case Visibility::Window:
    if (segment.getSource() == SegmentSource::State) {
      return code.less(code.sub(code.add(count, s), t), width);
    }
    return code.both(code.less(t, code.add(s, code.integer(1))),
                     code.less(code.sub(s, t), width));
  case Visibility::Ancestors: {
    Value mask = code.loadInteger(*bounds, bound);
    return code.either(code.equal(t, s), code.bit(mask, t));
  }
  }
  llvm_unreachable("all visibilities handled");
}

/// Tile = one query head [b,s,j].
static void emitAttention(KernelCode &code, AttentionOp op, Value tile) {
  const Memory &q = code.memory(op.getQ()), &y = code.memory(op.getY());
  int64_t heads = q.type.getDimSize(2), width = q.type.getDimSize(3);
  Value rows = code.dim(q, 1);
  Value j = code.rem(tile, code.integer(heads));
  Value line = code.div(tile, code.integer(heads));
  Value sequence = code.div(line, rows), s = code.rem(line, rows);
  OnlineSoftmax softmax{code,
                        q,
                        code.mul(tile, code.integer(width)),
                        width,
                        op.getScale().convertToDouble(),
                        code.local(width)};
  softmax.clear();
  SmallVector<Value> state = {code.real(-1e30), code.real(0.0)};
  size_t bound = 0;
  for (auto [n, attribute] : llvm::enumerate(op.getSegments())) {
    auto segment = cast<SegmentAttr>(attribute);
    bool fromState = segment.getSource() == SegmentSource::State;
    Memory keys, values;
    Value count;
    const Memory *bounds = nullptr;
    int64_t groups;
    if (fromState) {
      auto stateMemory = [&](Value value) {
        return code.state(value.getDefiningOp<StateReadOp>().getState());
      };
      keys = stateMemory(op.getKeys()[n]);
      values = stateMemory(op.getValues()[n]);
      groups = keys.type.getDimSize(1);
      count = code.start(sequence);
      ++bound;
    } else {
      keys = code.memory(op.getKeys()[n]);
      values = code.memory(op.getValues()[n]);
      groups = keys.type.getDimSize(2);
      count = code.dim(keys, 1);
      if (segment.getVisibility() == Visibility::Prefix ||
          segment.getVisibility() == Visibility::Ancestors) {
        bounds = &code.memory(op.getBounds()[bound++]);
      }
    }
    Value g = code.div(j, code.integer(heads / groups));
    auto keyRow = [&](Value t) {
      Value row =
          fromState
              ? code.add(
                    code.mul(
                        code.add(code.mul(sequence, code.integer(groups)), g),
                        code.integer(keys.type.getDimSize(2))),
                    t)
              : code.add(code.mul(code.add(code.mul(sequence, count), t),
                                  code.integer(groups)),
                         g);
      return code.mul(row, code.integer(width));
    };
    state = code.loop(
        code.integer(0), count, 1, state,
        [&](Value t, ValueRange pair) -> SmallVector<Value> {
          Value seen = visible(code, segment, s, t, count, bounds, line);
          if (!seen) {
            return softmax.add(keys, values, keyRow(t), pair);
          }
          return code.selectBranch(
              seen, [&] { return softmax.add(keys, values, keyRow(t), pair); },
              pair);
        });
  }
  // A query that saw no key has sum 0 and gives zeros.
  Value some = code.fless(code.real(0.0), state[1]);
  Value scale =
      code.fdiv(code.real(1.0), code.select(some, state[1], code.real(1.0)));
  code.loop(code.integer(0), code.integer(width), [&](Value i) {
    code.store(code.fmul(code.load(softmax.sums, i), scale), y,
               code.add(softmax.query, i));
  });
}

bool rill::kernel::emitGenericMixer(KernelCode &code, Operation *op,
                                    Value tile) {
  return llvm::TypeSwitch<Operation *, bool>(op)
      .Case([&](ShortConvOp o) { return emitShortConv(code, o, tile), true; })
      .Case([&](RopeOp o) { return emitRope(code, o, tile), true; })
      .Case([&](AttentionOp o) { return emitAttention(code, o, tile), true; })
      .Default([](Operation *) { return false; });
}
