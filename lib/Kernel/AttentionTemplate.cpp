//===- AttentionTemplate.cpp - Template "attention" for CPUs --------------===//
//
// A tile is one query head. Online softmax over blocks of kKeys keys: scores,
// block maximum, one rescale, weights, values. The head's sums stay in vector
// registers over a whole segment.
//
//===----------------------------------------------------------------------===//
#include "KernelCode.h"

#include <cmath>

using namespace mlir;
using namespace rill;
using namespace rill::kernel;

using Memory = KernelCode::Memory;

namespace {
/// Where the keys of one segment are and which a query sees: t < count.
struct Keys {
  Memory keys, values;
  Value base, stride; ///< element index of key t: base + t * stride
  Value count;
};

class AttentionTile {
public:
  AttentionTile(KernelCode &code, AttentionOp op, Value tile);
  void emit();

private:
  Keys segment(size_t index, size_t &bound);
  SmallVector<Value> keysLoop(const Keys &keys, SmallVector<Value> state);
  SmallVector<Value> oneKey(const Keys &keys, Value t, ValueRange state);
  Value dot(const Keys &keys, Value at);

  KernelCode &code;
  AttentionOp op;
  const Memory &q, &y;
  int64_t heads, width, lanes, vectors;
  Value tile, sequence, s, head, query;
  SmallVector<Value> queryVectors;
};
} // namespace

AttentionTile::AttentionTile(KernelCode &code, AttentionOp op, Value tile)
    : code(code), op(op), q(code.memory(op.getQ())), y(code.memory(op.getY())),
      heads(q.type.getDimSize(2)), width(q.type.getDimSize(3)),
      lanes(cast<IntegerAttr>(code.kernel.getConfig().get("lanes")).getInt()),
      vectors(width / lanes), tile(tile) {
  Value rows = code.dim(q, 1);
  head = code.rem(tile, code.integer(heads));
  Value line = code.div(tile, code.integer(heads));
  sequence = code.div(line, rows);
  s = code.rem(line, rows);
  query = code.mul(tile, code.integer(width));
  for (int64_t v = 0; v < vectors; ++v) {
    Value part =
        code.loadVector(q, code.add(query, code.integer(v * lanes)), lanes);
    Value scale = code.splat(code.real(op.getScale().convertToDouble()), lanes);
    queryVectors.push_back(code.fmul(part, scale));
  }
}

Keys AttentionTile::segment(size_t index, size_t &bound) {
  auto attribute = cast<SegmentAttr>(op.getSegments()[index]);
  Keys result;
  if (attribute.getSource() == SegmentSource::State) {
    auto state = [&](Value value) {
      return code.state(value.getDefiningOp<StateReadOp>().getState());
    };
    result.keys = state(op.getKeys()[index]);
    result.values = state(op.getValues()[index]);
    int64_t groups = result.keys.type.getDimSize(1);
    Value group = code.div(head, code.integer(heads / groups));
    Value line = code.add(code.mul(sequence, code.integer(groups)), group);
    result.base =
        code.mul(line, code.integer(result.keys.type.getDimSize(2) * width));
    result.stride = code.integer(width);
    result.count = code.start(sequence);
    ++bound;
    return result;
  }
  result.keys = code.memory(op.getKeys()[index]);
  result.values = code.memory(op.getValues()[index]);
  int64_t groups = result.keys.type.getDimSize(2);
  Value group = code.div(head, code.integer(heads / groups));
  Value rows = code.dim(result.keys, 1);
  result.base =
      code.add(code.mul(code.mul(sequence, rows), code.integer(groups * width)),
               code.mul(group, code.integer(width)));
  result.stride = code.integer(groups * width);
  result.count = attribute.getVisibility() == Visibility::Causal
                     ? code.add(s, code.integer(1))
                     : rows;
  return result;
}

Value AttentionTile::dot(const Keys &keys, Value at) {
  Value sum;
  for (int64_t v = 0; v < vectors; ++v) {
    Value part = code.loadVector(keys.keys,
                                 code.add(at, code.integer(v * lanes)), lanes);
    sum = sum ? code.fma(queryVectors[v], part, sum)
              : code.fmul(queryVectors[v], part);
  }
  return code.sumLanes(sum);
}

/// state = maximum, sum, then the head's vectors.
SmallVector<Value> AttentionTile::oneKey(const Keys &keys, Value t,
                                         ValueRange state) {
  Value at = code.add(keys.base, code.mul(t, keys.stride));
  Value score = dot(keys, at);
  Value top = code.fmax(state[0], score);
  Value keep = code.exp(code.fsub(state[0], top));
  Value weight = code.exp(code.fsub(score, top));
  SmallVector<Value> next = {top, code.fma(state[1], keep, weight)};
  Value keeps = code.splat(keep, lanes), weights = code.splat(weight, lanes);
  for (int64_t v = 0; v < vectors; ++v) {
    Value part = code.loadVector(keys.values,
                                 code.add(at, code.integer(v * lanes)), lanes);
    next.push_back(code.fma(weights, part, code.fmul(state[2 + v], keeps)));
  }
  return next;
}

SmallVector<Value> AttentionTile::keysLoop(const Keys &keys,
                                           SmallVector<Value> state) {
  // Blocks of `lanes` keys: one exponential per vector of scores.
  Value block = code.integer(lanes);
  Value whole = code.mul(code.div(keys.count, block), block);
  state = code.loop(
      code.integer(0), whole, lanes, state,
      [&](Value t, ValueRange old) -> SmallVector<Value> {
        Value scores = code.splat(code.real(0.0), lanes);
        SmallVector<Value> at;
        for (int64_t i = 0; i < lanes; ++i) {
          at.push_back(code.add(
              keys.base, code.mul(code.add(t, code.integer(i)), keys.stride)));
          scores = code.insert(dot(keys, at.back()), scores, i);
        }
        Value top = code.fmax(old[0], code.maxLanes(scores));
        Value keep = code.exp(code.fsub(old[0], top));
        Value weights = code.exp(code.fsub(scores, code.splat(top, lanes)));
        SmallVector<Value> next = {
            top, code.fma(old[1], keep, code.sumLanes(weights))};
        Value keeps = code.splat(keep, lanes);
        for (int64_t v = 0; v < vectors; ++v) {
          Value sum = code.fmul(old[2 + v], keeps);
          for (int64_t i = 0; i < lanes; ++i) {
            Value part = code.loadVector(
                keys.values, code.add(at[i], code.integer(v * lanes)), lanes);
            sum = code.fma(code.splat(code.extract(weights, i), lanes), part,
                           sum);
          }
          next.push_back(sum);
        }
        return next;
      });
  return code.loop(whole, keys.count, 1, state, [&](Value t, ValueRange old) {
    return oneKey(keys, t, old);
  });
}

void AttentionTile::emit() {
  SmallVector<Value> state = {code.real(-1e30), code.real(0.0)};
  for (int64_t v = 0; v < vectors; ++v) {
    state.push_back(code.splat(code.real(0.0), lanes));
  }
  size_t bound = 0;
  for (size_t n = 0; n < op.getSegments().size(); ++n) {
    state = keysLoop(segment(n, bound), state);
  }
  // A query that saw no key has sum 0 and gives zeros.
  Value some = code.fless(code.real(0.0), state[1]);
  Value scale =
      code.fdiv(code.real(1.0), code.select(some, state[1], code.real(1.0)));
  for (int64_t v = 0; v < vectors; ++v) {
    code.storeVector(code.fmul(state[2 + v], code.splat(scale, lanes)), y,
                     code.add(query, code.integer(v * lanes)));
  }
}

bool rill::kernel::coversAttention(AttentionOp op, int64_t lanes) {
  int64_t width = cast<RankedTensorType>(op.getQ().getType()).getDimSize(3);
  bool visible = llvm::all_of(op.getSegments(), [](Attribute attribute) {
    Visibility seen = cast<SegmentAttr>(attribute).getVisibility();
    return seen == Visibility::All || seen == Visibility::Causal;
  });
  return visible && width % lanes == 0 && width / lanes <= 16;
}

bool rill::kernel::emitAttentionTile(KernelCode &code, Operation *op,
                                     Value tile) {
  AttentionTile(code, cast<AttentionOp>(op), tile).emit();
  return true;
}
