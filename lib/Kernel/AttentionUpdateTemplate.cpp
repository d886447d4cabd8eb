//===- AttentionUpdateTemplate.cpp - Template "attention_update" ----------===//
//
// From raw q, k and v rows to attention over the states. A tile is one
// key/value head of one sequence: it alone writes that head's state rows, and
// then reads them for all its query heads.
//
//===----------------------------------------------------------------------===//
#include "OnlineSoftmax.h"

using namespace mlir;
using namespace rill;
using namespace rill::kernel;

using Memory = KernelCode::Memory;

namespace {
/// One key/value head of one sequence.
class UpdateTile {
public:
  UpdateTile(KernelCode &code, AttentionUpdateOp op, Value tile);
  void emit();

private:
  void append(Value s);
  void attend(Value s, Value head);
  void normAndRotate(Value row, Value at, Value norm);
  Value stateRowOf(Value index);

  KernelCode &code;
  AttentionUpdateOp op;
  const Memory &qkv, &table;
  Memory keys, values, normed, rotated;
  int64_t heads, width, groups, capacity, lanes;
  Value rows, sequence, group;
};
} // namespace

UpdateTile::UpdateTile(KernelCode &code, AttentionUpdateOp op, Value tile)
    : code(code), op(op), qkv(code.memory(op.getQkv())),
      table(code.memory(op.getTable())), keys(code.state(op.getKState())),
      values(code.state(op.getVState())),
      heads(static_cast<int64_t>(op.getHeads())),
      width(keys.type.getDimSize(3)), groups(keys.type.getDimSize(1)),
      capacity(keys.type.getDimSize(2)), lanes(code.config("lanes")),
      rows(code.dim(qkv, 1)), sequence(code.div(tile, code.integer(groups))),
      group(code.rem(tile, code.integer(groups))) {
  normed = code.local(width);
  rotated = code.local(width);
}

/// Element of the states where row `index` of this head begins.
Value UpdateTile::stateRowOf(Value index) {
  Value line = code.add(code.mul(sequence, code.integer(groups)), group);
  Value row = code.add(code.mul(line, code.integer(capacity)), index);
  return code.mul(row, code.integer(width));
}

/// The head at element `at` of qkv into `rotated`, rounded to the state's type.
void UpdateTile::normAndRotate(Value row, Value at, Value norm) {
  Value scale = rmsScale(code, qkv, at, width, op.getEps().convertToDouble());
  const Memory &weight = code.memory(norm);
  code.eachVector(width, lanes, [&](Value i, int64_t count) {
    Value value =
        code.fmul(code.fmul(code.loadSome(qkv, code.add(at, i), count),
                            code.spread(scale, count)),
                  code.loadSome(weight, i, count));
    code.storeSome(value, normed, i);
  });
  Value position = code.loadInteger(code.memory(op.getPositions()), row);
  Value last = code.integer(table.type.getDimSize(0) - 1);
  position = code.min(code.max(position, code.integer(0)), last);
  Value zero = code.integer(0);
  rotateHead(code, op.getLayout(), {normed, zero}, {rotated, zero}, table,
             code.mul(position, code.integer(width)), width);
  Type element = keys.type.getElementType();
  code.eachVector(width, lanes, [&](Value i, int64_t count) {
    code.storeSome(code.rounded(code.loadSome(rotated, i, count), element),
                   rotated, i);
  });
}

/// Row s of this call into the states.
void UpdateTile::append(Value s) {
  int64_t line = qkv.type.getDimSize(2);
  Value row = code.add(code.mul(sequence, rows), s);
  Value key = code.add(
      code.mul(row, code.integer(line)),
      code.mul(code.add(code.integer(heads), group), code.integer(width)));
  normAndRotate(row, key, op.getKNorm());
  Value to = stateRowOf(code.add(code.start(sequence), s));
  Value value = code.add(key, code.integer(groups * width));
  code.eachVector(width, lanes, [&](Value i, int64_t count) {
    code.storeSome(code.loadSome(rotated, i, count), keys, code.add(to, i));
    code.storeSome(code.loadSome(qkv, code.add(value, i), count), values,
                   code.add(to, i));
  });
}

/// Query head `head` of row s over all rows up to its own.
void UpdateTile::attend(Value s, Value head) {
  Value row = code.add(code.mul(sequence, rows), s);
  Value query = code.add(code.mul(row, code.integer(qkv.type.getDimSize(2))),
                         code.mul(head, code.integer(width)));
  normAndRotate(row, query, op.getQNorm());
  OnlineSoftmax softmax(code, width, lanes);
  Value scale = code.splat(code.real(op.getScale().convertToDouble()), lanes);
  SmallVector<Value> scaled;
  for (Value part : softmax.load(rotated, code.integer(0))) {
    scaled.push_back(code.fmul(part, scale));
  }
  softmax.begin(scaled);
  Value end = code.add(code.add(code.start(sequence), s), code.integer(1));
  softmax.add({keys, values, stateRowOf(code.integer(0)), code.integer(width),
               code.integer(0), end, Value(), Value()});
  const Memory &y = code.memory(op.getY());
  Value to = code.add(code.mul(row, code.integer(heads)), head);
  softmax.store(softmax.finish(), y, code.mul(to, code.integer(width)));
}

void UpdateTile::emit() {
  code.loop(code.integer(0), rows, [&](Value s) { append(s); });
  Value perGroup = code.integer(heads / groups);
  Value first = code.mul(group, perGroup);
  code.loop(code.integer(0), rows, [&](Value s) {
    code.loop(first, code.add(first, perGroup),
              [&](Value head) { attend(s, head); });
  });
}

EmitTile rill::kernel::beginAttentionUpdate(KernelCode &code,
                                            Operation *operation) {
  auto op = dyn_cast<AttentionUpdateOp>(operation);
  if (!op) {
    return nullptr;
  }
  return [&code, op](Value tile) mutable { UpdateTile(code, op, tile).emit(); };
}
