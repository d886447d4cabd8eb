//===- AttentionUpdateTemplate.cpp - Template "cuda_attention_update" -----===//
//
// From raw q, k and v rows to attention over the states. A tile is one part of
// one key/value head of one sequence: every parts-th chunk of keys, by absolute
// cache index. Its block alone writes and reads the state rows of its chunks.
// Warp w takes every warps()-th of them from the w-th on, and the warps' sums
// are merged in their order: no result depends on the number of rows.
//
//===----------------------------------------------------------------------===//
#include "WarpSoftmax.h"

#include <limits>

using namespace mlir;
using namespace rill;
using namespace rill::kernel;

using Memory = KernelCode::Memory;

/// Keys of a chunk where the op names none.
static constexpr int64_t kWholeChunk = 64;

/// Elements of a warp's part: the head's sums, maximum, total; whole 16-byte
/// words.
static int64_t partialSize(int64_t width) { return width + 4; }

namespace {
/// One key/value head of one sequence.
class UpdateTile {
public:
  UpdateTile(CudaCode &code, AttentionUpdateOp op, const Memory &queries,
             const Memory &partials, Value tile);
  void emit();

private:
  void append(Value s);
  void attend(Value index);
  void attendSeen(Value index, Value row, Value head, Value end);
  void merge(Value partial, Value row, Value head);
  void normAndRotate(Value row, Value at, Value norm, Value factor, Run to);
  Value stateRowOf(Value index);

  CudaCode &code;
  AttentionUpdateOp op;
  const Memory &qkv, &table;
  Memory keys, values, queries;
  Memory partials; ///< [2][warps][partialSize], in turns
  int64_t heads, width, groups, capacity;
  int64_t parts, chunk;
  Value rows, sequence, group, part;
};
} // namespace

UpdateTile::UpdateTile(CudaCode &code, AttentionUpdateOp op,
                       const Memory &queries, const Memory &partials,
                       Value tile)
    : code(code), op(op), qkv(code.memory(op.getQkv())),
      table(code.memory(op.getTable())), keys(code.state(op.getKState())),
      values(code.state(op.getVState())), queries(queries), partials(partials),
      heads(static_cast<int64_t>(op.getHeads())),
      width(keys.type.getDimSize(3)), groups(keys.type.getDimSize(1)),
      capacity(keys.type.getDimSize(2)), parts(op.getParts()),
      chunk(static_cast<int64_t>(op.getChunk().value_or(kWholeChunk))),
      rows(code.dim(qkv, 1)), part(code.rem(tile, code.integer(parts))) {
  Value line = code.div(tile, code.integer(parts));
  sequence = code.div(line, code.integer(groups));
  group = code.rem(line, code.integer(groups));
}

/// Element of the states where row `index` of this head begins.
Value UpdateTile::stateRowOf(Value index) {
  Value line = code.add(code.mul(sequence, code.integer(groups)), group);
  Value row = code.add(code.mul(line, code.integer(capacity)), index);
  return code.mul(row, code.integer(width));
}

/// The head at element `at` of qkv normed, rotated, rounded to the state's
/// type and multiplied by `factor` into `to`, by one warp.
void UpdateTile::normAndRotate(Value row, Value at, Value norm, Value factor,
                               Run to) {
  const Memory &weight = code.memory(norm);
  auto raw = [&](Value i) { return code.load(qkv, code.add(at, i)); };
  Value squares =
      code.loop(code.lane(), code.integer(width), kWarp, code.real(0.0),
                [&](Value i, ValueRange sum) -> SmallVector<Value> {
                  Value v = raw(i);
                  return {code.fadd(sum[0], code.fmul(v, v))};
                })[0];
  Value mean =
      code.fdiv(code.warpSum(squares), code.real(static_cast<double>(width)));
  Value scale =
      code.rsqrt(code.fadd(mean, code.real(op.getEps().convertToDouble())));
  Value position = code.loadInteger(code.memory(op.getPositions()), row);
  Value last = code.integer(table.type.getDimSize(0) - 1);
  position = code.min(code.max(position, code.integer(0)), last);
  Value angles = code.mul(position, code.integer(width));
  bool halves = op.getLayout() == RopeLayout::Half;
  int64_t half = width / 2;
  Type element = keys.type.getElementType();
  code.eachLane(code.integer(half), [&](Value i) {
    Value p = halves ? i : code.mul(i, code.integer(2));
    Value q = code.add(p, code.integer(halves ? half : 1));
    auto normed = [&](Value c) {
      return code.fmul(code.fmul(raw(c), scale), code.load(weight, c));
    };
    Value u = normed(p), v = normed(q);
    Value cosine = code.load(table, code.add(angles, i));
    Value sine =
        code.load(table, code.add(angles, code.add(i, code.integer(half))));
    auto put = [&](Value c, Value value) {
      value = code.fmul(code.rounded(value, element), factor);
      code.store(value, to.memory, code.add(to.at, c));
    };
    put(p, code.fsub(code.fmul(u, cosine), code.fmul(v, sine)));
    put(q, code.fadd(code.fmul(v, cosine), code.fmul(u, sine)));
  });
}

/// Row s of this call into the states.
void UpdateTile::append(Value s) {
  int64_t line = qkv.type.getDimSize(2);
  Value row = code.add(code.mul(sequence, rows), s);
  Value key = code.add(
      code.mul(row, code.integer(line)),
      code.mul(code.add(code.integer(heads), group), code.integer(width)));
  Value to = stateRowOf(code.add(code.start(sequence), s));
  normAndRotate(row, key, op.getKNorm(), code.real(1.0), {keys, to});
  Value value = code.add(key, code.integer(groups * width));
  code.eachLane(code.integer(width), [&](Value i) {
    code.store(code.load(qkv, code.add(value, i)), values, code.add(to, i));
  });
}

/// Merges the warps' sums of one query head, in their order, into y.
void UpdateTile::merge(Value partial, Value row, Value head) {
  Value to = code.add(code.mul(row, code.integer(heads)), head);
  to = op.getChunk()
           ? code.mul(code.add(code.mul(to, code.integer(parts)), part),
                      code.integer(width + 2))
           : code.mul(to, code.integer(width));
  auto at = [&](int64_t warp, Value element) {
    return code.load(
        partials,
        code.add(partial,
                 code.add(code.integer(warp * partialSize(width)), element)));
  };
  code.eachThread(code.integer(width), [&](Value d) {
    Value maximum = code.real(kUnseen);
    for (int64_t w = 0; w < code.warps(); ++w) {
      maximum = code.fmax(maximum, at(w, code.integer(width)));
    }
    Value sum = code.real(0.0), total = code.real(0.0);
    for (int64_t w = 0; w < code.warps(); ++w) {
      Value own = at(w, code.integer(width));
      Value weight = code.exp(code.fsub(own, maximum));
      sum = code.fma(weight, at(w, d), sum);
      total = code.fma(weight, at(w, code.integer(width + 1)), total);
    }
    const Memory &y = code.memory(op.getY());
    if (!op.getChunk()) {
      code.store(code.fdiv(sum, total), y, code.add(to, d));
      return;
    }
    code.store(sum, y, code.add(to, d));
    code.when(code.equal(d, code.integer(0)), [&] {
      code.store(maximum, y, code.add(to, code.integer(width)));
      code.store(total, y, code.add(to, code.integer(width + 1)));
    });
  });
}

/// The index-th pair of row and query head over all rows up to its own.
void UpdateTile::attend(Value index) {
  Value perGroup = code.integer(heads / groups);
  Value s = code.div(index, perGroup);
  Value head = code.add(code.mul(group, perGroup), code.rem(index, perGroup));
  Value row = code.add(code.mul(sequence, rows), s);
  Value end = code.add(code.add(code.start(sequence), s), code.integer(1));
  if (!op.getChunk()) {
    return attendSeen(index, row, head, end);
  }
  // A part without a key that the row sees has the maximum -inf, and no sums.
  Value first = code.mul(part, code.integer(chunk));
  code.when(code.less(first, end), [&] { attendSeen(index, row, head, end); });
  Value none = code.both(code.less(code.sub(end, code.integer(1)), first),
                         code.equal(code.thread(), code.integer(0)));
  code.when(none, [&] {
    Value line = code.add(code.mul(row, code.integer(heads)), head);
    Value own = code.add(code.mul(line, code.integer(parts)), part);
    Value to =
        code.add(code.mul(own, code.integer(width + 2)), code.integer(width));
    code.store(code.real(-std::numeric_limits<double>::infinity()),
               code.memory(op.getY()), to);
  });
}

/// Row and query head over the part's keys before `end`, of which there are.
void UpdateTile::attendSeen(Value index, Value row, Value head, Value end) {
  Value query = code.add(code.mul(row, code.integer(qkv.type.getDimSize(2))),
                         code.mul(head, code.integer(width)));
  Run own = {queries, code.mul(code.warp(), code.integer(width))};
  normAndRotate(row, query, op.getQNorm(),
                code.real(op.getScale().convertToDouble()), own);
  code.warpBarrier();
  WarpSoftmax softmax(code, width, own);
  Value first = code.add(code.mul(code.warp(), code.integer(parts)), part);
  softmax.addChunks({keys, values, stateRowOf(code.integer(0)),
                     code.integer(width), code.integer(0), end, Value(),
                     Value()},
                    code.mul(first, code.integer(chunk)), chunk,
                    chunk * parts * code.warps());
  // The other half of `partials` may still be read for the pair before. A
  // warp that comes here again has met all others at the barrier in between.
  int64_t size = partialSize(width);
  Value partial = code.mul(code.rem(index, code.integer(2)),
                           code.integer(size * code.warps()));
  softmax.storePartial(
      partials, code.add(partial, code.mul(code.warp(), code.integer(size))));
  code.barrier();
  merge(partial, row, head);
}

void UpdateTile::emit() {
  code.loop(
      code.warp(), rows, code.warps(), ValueRange(), [&](Value s, ValueRange) {
        Value key = code.add(code.start(sequence), s);
        Value owner =
            code.rem(code.div(key, code.integer(chunk)), code.integer(parts));
        code.when(code.equal(owner, part), [&] { append(s); });
        return SmallVector<Value>();
      });
  code.barrier();
  code.loop(code.integer(0), code.mul(rows, code.integer(heads / groups)),
            [&](Value index) { attend(index); });
}

EmitCudaTile rill::kernel::beginCudaAttentionUpdate(CudaCode &code,
                                                    Operation *operation) {
  auto op = dyn_cast<AttentionUpdateOp>(operation);
  if (!op) {
    return nullptr;
  }
  int64_t width = code.state(op.getKState()).type.getDimSize(3);
  Memory queries = code.shared(code.warps() * width, code.b.getF32Type());
  Memory partials =
      code.shared(2 * code.warps() * partialSize(width), code.b.getF32Type());
  return [&code, op, queries, partials](Value tile) mutable {
    UpdateTile(code, op, queries, partials, tile).emit();
  };
}
