//===- AttentionTemplate.cpp - Template "attention" for CPUs --------------===//
//
// Any segments and visibilities; a tile is one query head.
//
//===----------------------------------------------------------------------===//
#include "OnlineSoftmax.h"

using namespace mlir;
using namespace rill;
using namespace rill::kernel;

using Memory = KernelCode::Memory;

Keys rill::kernel::wholeSegment(KernelCode &code, AttentionOp op, size_t index,
                                Value sequence, Value head) {
  const Memory &q = code.memory(op.getQ());
  int64_t heads = q.type.getDimSize(2), width = q.type.getDimSize(3);
  auto attribute = cast<SegmentAttr>(op.getSegments()[index]);
  Keys keys;
  keys.first = code.integer(0);
  if (attribute.getSource() == SegmentSource::State) {
    auto state = [&](Value value) {
      return code.state(value.getDefiningOp<StateReadOp>().getState());
    };
    keys.keys = state(op.getKeys()[index]);
    keys.values = state(op.getValues()[index]);
    int64_t groups = keys.keys.type.getDimSize(1);
    Value group = code.div(head, code.integer(heads / groups));
    Value line = code.add(code.mul(sequence, code.integer(groups)), group);
    keys.base =
        code.mul(line, code.integer(keys.keys.type.getDimSize(2) * width));
    keys.stride = code.integer(width);
    keys.end = code.start(sequence);
    return keys;
  }
  keys.keys = code.memory(op.getKeys()[index]);
  keys.values = code.memory(op.getValues()[index]);
  int64_t groups = keys.keys.type.getDimSize(2);
  Value group = code.div(head, code.integer(heads / groups));
  keys.end = code.dim(keys.keys, 1);
  Value line = code.add(
      code.mul(code.mul(sequence, keys.end), code.integer(groups)), group);
  keys.base = code.mul(line, code.integer(width));
  keys.stride = code.integer(groups * width);
  return keys;
}

void rill::kernel::restrictKeys(KernelCode &code, AttentionOp op,
                                SegmentAttr segment, const Query &query,
                                Keys &keys, size_t &bound) {
  bool fromState = segment.getSource() == SegmentSource::State;
  Value one = code.integer(1), zero = code.integer(0);
  Value width = code.integer(std::max<int64_t>(segment.getWidth(), 1));
  Value behind = code.add(query.s, one);
  auto extra = [&] {
    return code.loadInteger(code.memory(op.getBounds()[bound++]), query.line);
  };
  switch (segment.getVisibility()) {
  case Visibility::All:
    break;
  case Visibility::Causal:
    keys.end = code.min(keys.end, behind);
    break;
  case Visibility::Prefix:
    keys.end = code.min(keys.end, code.max(extra(), zero));
    break;
  case Visibility::SameBlock:
    keys.first = code.mul(code.div(query.s, width), width);
    keys.end = code.min(keys.end, code.add(keys.first, width));
    break;
  case Visibility::Window: {
    Value last = fromState ? code.add(keys.end, query.s) : query.s;
    keys.end = fromState ? keys.end : code.min(keys.end, behind);
    keys.first = code.max(code.add(code.sub(last, width), one), zero);
    break;
  }
  case Visibility::Ancestors:
    keys.mask = extra();
    keys.self = query.s;
    break;
  }
  if (fromState) {
    ++bound;
  }
}

Query rill::kernel::queryOf(KernelCode &code, const Memory &q, Value index) {
  Query query;
  Value heads = code.integer(q.type.getDimSize(2));
  query.head = code.rem(index, heads);
  query.line = code.div(index, heads);
  query.sequence = code.div(query.line, code.dim(q, 1));
  query.s = code.rem(query.line, code.dim(q, 1));
  return query;
}

static void emitAttention(KernelCode &code, AttentionOp op, Value tile) {
  const Memory &q = code.memory(op.getQ());
  int64_t width = q.type.getDimSize(3), lanes = code.config("lanes");
  Query query = queryOf(code, q, tile);
  Value at = code.mul(tile, code.integer(width));

  OnlineSoftmax softmax(code, width, lanes);
  Value scale = code.splat(code.real(op.getScale().convertToDouble()), lanes);
  SmallVector<Value> scaled;
  for (Value part : softmax.load(q, at)) {
    scaled.push_back(code.fmul(part, scale));
  }
  softmax.begin(scaled);
  size_t bound = 0;
  for (size_t n = 0; n < op.getSegments().size(); ++n) {
    Keys keys = wholeSegment(code, op, n, query.sequence, query.head);
    restrictKeys(code, op, cast<SegmentAttr>(op.getSegments()[n]), query, keys,
                 bound);
    softmax.add(keys);
  }
  softmax.store(softmax.finish(), code.memory(op.getY()), at);
}

EmitTile rill::kernel::beginAttention(KernelCode &code, Operation *operation) {
  auto op = dyn_cast<AttentionOp>(operation);
  if (!op) {
    return nullptr;
  }
  return [&code, op](Value tile) { emitAttention(code, op, tile); };
}
