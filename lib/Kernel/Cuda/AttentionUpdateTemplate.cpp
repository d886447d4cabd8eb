//===- AttentionUpdateTemplate.cpp - Template "cuda_attention_update" -----===//
//
// From raw q, k and v rows to attention over the states. A tile is one
// key/value head of one sequence: its block alone writes that head's state
// rows, and then reads them for all its query heads. Warp w takes every
// warps()-th chunk of 64 keys from the w-th on, by absolute cache index, and
// the warps' parts are merged in their order: no result depends on the number
// of rows.
//
//===----------------------------------------------------------------------===//
#include "WarpSoftmax.h"

using namespace mlir;
using namespace rill;
using namespace rill::kernel;

using Memory = KernelCode::Memory;

/// Keys of a chunk.
static constexpr int64_t kChunk = 64;

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
  void merge(Value partial, Value to);
  void normAndRotate(Value row, Value at, Value norm, Value factor, Run to);
  Value stateRowOf(Value index);

  CudaCode &code;
  AttentionUpdateOp op;
  const Memory &qkv, &table;
  Memory keys, values, queries;
  Memory partials; ///< [2][warps][partialSize], in turns
  int64_t heads, width, groups, capacity;
  Value rows, sequence, group;
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
      capacity(keys.type.getDimSize(2)), rows(code.dim(qkv, 1)),
      sequence(code.div(tile, code.integer(groups))),
      group(code.rem(tile, code.integer(groups))) {}

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

/// Merges the warps' parts of one query head, in their order, into y.
void UpdateTile::merge(Value partial, Value to) {
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
    code.store(code.fdiv(sum, total), code.memory(op.getY()), code.add(to, d));
  });
}

/// The index-th pair of row and query head over all rows up to its own.
void UpdateTile::attend(Value index) {
  Value perGroup = code.integer(heads / groups);
  Value s = code.div(index, perGroup);
  Value head = code.add(code.mul(group, perGroup), code.rem(index, perGroup));
  Value row = code.add(code.mul(sequence, rows), s);
  Value query = code.add(code.mul(row, code.integer(qkv.type.getDimSize(2))),
                         code.mul(head, code.integer(width)));
  Run own = {queries, code.mul(code.warp(), code.integer(width))};
  normAndRotate(row, query, op.getQNorm(),
                code.real(op.getScale().convertToDouble()), own);
  code.warpBarrier();
  WarpSoftmax softmax(code, width, own);
  Value end = code.add(code.add(code.start(sequence), s), code.integer(1));
  softmax.addChunks({keys, values, stateRowOf(code.integer(0)),
                     code.integer(width), code.integer(0), end, Value(),
                     Value()},
                    code.mul(code.warp(), code.integer(kChunk)), kChunk,
                    kChunk * code.warps());
  // The other half of `partials` may still be read for the pair before. A
  // warp that comes here again has met all others at the barrier in between.
  int64_t size = partialSize(width);
  Value partial = code.mul(code.rem(index, code.integer(2)),
                           code.integer(size * code.warps()));
  softmax.storePartial(
      partials, code.add(partial, code.mul(code.warp(), code.integer(size))));
  code.barrier();
  Value to = code.add(code.mul(row, code.integer(heads)), head);
  merge(partial, code.mul(to, code.integer(width)));
}

void UpdateTile::emit() {
  code.loop(code.warp(), rows, code.warps(), ValueRange(),
            [&](Value s, ValueRange) {
              append(s);
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
