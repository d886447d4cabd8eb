//===- FlashTemplate.cpp - Template "cuda_flash" --------------------------===//
//
// Attention of many bf16 rows by mma.sync (arXiv 2307.08691): a warp takes 16
// query rows of one head, blocks of 64 keys pass through shared memory. A tile
// is 64 rows of one head.
//
// Queries and keys are read in 16-byte words of eight elements, so scores see
// the head's elements in another order than memory has, both sides in the same
// (MmaProducts.cpp). Rows of keys lie 64 bytes apart modulo 128, rows of values
// an odd number of 16-byte chunks: neither access meets a bank twice.
//
//===----------------------------------------------------------------------===//
#include "../OnlineSoftmax.h"
#include "CudaCode.h"

using namespace mlir;
using namespace rill;
using namespace rill::kernel;

using Memory = KernelCode::Memory;

/// Query rows of a warp, keys of a block, elements of a 16-byte chunk and of a
/// pair of mma.
static constexpr int64_t kWarpRows = 16, kKeys = 64, kChunk = 8, kBlock = 32;

namespace {
/// Shared memory of a block of keys.
struct Stages {
  Memory keys, values;
  int64_t keyStride, valueStride; ///< elements from key to key
};

class FlashTile {
public:
  FlashTile(CudaCode &code, AttentionOp op, const Stages &stages, Value tile);
  void emit();

private:
  using Words = SmallVector<Value>;
  void loadQueries();
  void copyBlock(const Keys &from, Value first, const Memory &source,
                 const Memory &to, int64_t stride, int64_t chunks);
  SmallVector<Value> scoreBlock();
  void mask(SmallVector<Value> &scores, const Keys &keys, bool causal,
            Value first);
  SmallVector<Value> weigh(SmallVector<Value> &scores, ValueRange state);
  SmallVector<Value> addValues(ArrayRef<Value> weights, ValueRange sums);
  SmallVector<Value> addBlock(const Keys &keys, bool causal, Value first,
                              ValueRange state);
  void store(ValueRange state);
  Value quad(Value value, bool maximum);
  /// Sequence row of this lane's low (0) or high (1) rows.
  Value rowOf(int64_t half);

  CudaCode &code;
  AttentionOp op;
  const Memory &q;
  const Stages &stages;
  int64_t heads, width, blocks, columnTiles;
  Value rows, sequence, head, firstRow, group, part;
  SmallVector<Words> queries[2]; ///< low and high rows, by block of 32
};
} // namespace

FlashTile::FlashTile(CudaCode &code, AttentionOp op, const Stages &stages,
                     Value tile)
    : code(code), op(op), q(code.memory(op.getQ())), stages(stages),
      heads(q.type.getDimSize(2)), width(q.type.getDimSize(3)),
      blocks(llvm::divideCeil(width, kBlock)), columnTiles(width / kChunk),
      rows(code.dim(q, 1)), group(code.div(code.lane(), code.integer(4))),
      part(code.rem(code.lane(), code.integer(4))) {
  int64_t tileRows = kWarpRows * code.warps();
  Value across = code.div(code.add(rows, code.integer(tileRows - 1)),
                          code.integer(tileRows));
  firstRow = code.mul(code.rem(tile, across), code.integer(tileRows));
  Value line = code.div(tile, across);
  head = code.rem(line, code.integer(heads));
  sequence = code.div(line, code.integer(heads));
}

Value FlashTile::rowOf(int64_t half) {
  Value own = code.add(code.mul(code.warp(), code.integer(kWarpRows)), group);
  return code.add(firstRow, code.add(own, code.integer(8 * half)));
}

void FlashTile::loadQueries() {
  for (int64_t half : {0, 1}) {
    Value row = code.min(rowOf(half), code.sub(rows, code.integer(1)));
    Value line = code.add(code.mul(sequence, rows), row);
    line = code.add(code.mul(line, code.integer(heads)), head);
    Value at = code.mul(line, code.integer(width));
    for (int64_t i = 0; i < blocks; ++i) {
      Value k = code.add(code.mul(part, code.integer(kChunk)),
                         code.integer(i * kBlock));
      bool whole = (i + 1) * kBlock <= width;
      Value inside = code.less(k, code.integer(width));
      Words words = code.loadWords(
          q, code.add(at, whole ? k : code.select(inside, k, code.integer(0))));
      for (Value &word : words) {
        word = whole ? word : code.select(inside, word, code.word(0));
      }
      queries[half].push_back(words);
    }
  }
}

/// Keys first .. first + 63 into shared memory, `chunks` chunks each; zeros
/// behind the head, the last key again behind the last.
void FlashTile::copyBlock(const Keys &from, Value first, const Memory &source,
                          const Memory &to, int64_t stride, int64_t chunks) {
  Value last = code.sub(from.end, code.integer(1));
  code.eachThread(code.integer(kKeys * chunks), [&](Value id) {
    Value key = code.div(id, code.integer(chunks));
    Value element =
        code.mul(code.rem(id, code.integer(chunks)), code.integer(kChunk));
    Value inside;
    Value read = element;
    if (chunks * kChunk > width) {
      inside = code.less(element, code.integer(width));
      read = code.select(inside, element, code.integer(0));
    }
    Value t = code.min(code.add(first, key), last);
    Value at = code.add(code.add(from.base, code.mul(t, from.stride)), read);
    code.copyAsync(to, code.add(code.mul(key, code.integer(stride)), element),
                   source, at, inside);
  });
  code.commitCopies();
}

/// Scores of the warp's rows: four per n8 tile of keys.
SmallVector<Value> FlashTile::scoreBlock() {
  SmallVector<Value> scores;
  for (int64_t n = 0; n < kKeys / 8; ++n) {
    SmallVector<Value> c(4, code.real(0.0));
    Value key = code.add(group, code.integer(8 * n));
    Value at = code.add(code.mul(key, code.integer(stages.keyStride)),
                        code.mul(part, code.integer(kChunk)));
    for (int64_t i = 0; i < blocks; ++i) {
      Words words =
          code.loadWords(stages.keys, code.add(at, code.integer(i * kBlock)));
      const Words &low = queries[0][i], &high = queries[1][i];
      for (int64_t pair : {0, 2}) {
        c = code.mma({low[pair], high[pair], low[pair + 1], high[pair + 1]},
                     {words[pair], words[pair + 1]}, c);
      }
    }
    scores.append(c);
  }
  return scores;
}

/// Scales the scores and hides the keys that a row does not see.
void FlashTile::mask(SmallVector<Value> &scores, const Keys &keys, bool causal,
                     Value first) {
  Value scale = code.real(op.getScale().convertToDouble());
  Value ends[2];
  for (int64_t half : {0, 1}) {
    Value behind = code.add(rowOf(half), code.integer(1));
    ends[half] = causal ? code.min(keys.end, behind) : keys.end;
  }
  for (int64_t i = 0; i < static_cast<int64_t>(scores.size()); ++i) {
    Value t = code.add(code.mul(part, code.integer(2)),
                       code.integer(i / 4 * 8 + i % 2));
    Value seen = code.less(code.add(first, t), ends[i % 4 / 2]);
    scores[i] =
        code.select(seen, code.fmul(scores[i], scale), code.real(kUnseen));
  }
}

/// Combines the four lanes of a row.
Value FlashTile::quad(Value value, bool maximum) {
  for (int64_t bit : {1, 2}) {
    Value other = code.shuffleXor(value, bit);
    value = maximum ? code.fmax(value, other) : code.fadd(value, other);
  }
  return value;
}

/// Turns scores into weights; the new maxima, totals and rescaled sums.
SmallVector<Value> FlashTile::weigh(SmallVector<Value> &scores,
                                    ValueRange state) {
  SmallVector<Value> next(state.begin(), state.end());
  for (int64_t half : {0, 1}) {
    Value maximum = scores[2 * half];
    for (size_t i = 0; i < scores.size(); ++i) {
      if (i % 4 / 2 == static_cast<size_t>(half)) {
        maximum = code.fmax(maximum, scores[i]);
      }
    }
    maximum = code.fmax(state[half], quad(maximum, true));
    Value rescale = code.exp(code.fsub(state[half], maximum));
    // A row that has seen no key yet has weights of nothing.
    Value any = code.fless(code.real(kUnseen), maximum);
    Value total = code.real(0.0);
    for (size_t i = 0; i < scores.size(); ++i) {
      if (i % 4 / 2 == static_cast<size_t>(half)) {
        Value weight = code.exp(code.fsub(scores[i], maximum));
        scores[i] = code.select(any, weight, code.real(0.0));
        total = code.fadd(total, scores[i]);
      }
    }
    next[half] = maximum;
    next[2 + half] = code.fma(state[2 + half], rescale, quad(total, false));
    for (size_t i = 4; i < next.size(); ++i) {
      if (i % 4 / 2 == static_cast<size_t>(half)) {
        next[i] = code.fmul(state[i], rescale);
      }
    }
  }
  return next;
}

/// sums + weights (rounded to bf16) times values.
SmallVector<Value> FlashTile::addValues(ArrayRef<Value> weights,
                                        ValueRange from) {
  SmallVector<Value> sums(from.begin(), from.end());
  Value lane = code.lane();
  for (int64_t step = 0; step < kKeys / 16; ++step) {
    const Value *low = weights.begin() + 8 * step, *high = low + 4;
    SmallVector<Value> a = {
        code.packPair(low[0], low[1]), code.packPair(low[2], low[3]),
        code.packPair(high[0], high[1]), code.packPair(high[2], high[3])};
    for (int64_t n = 0; n < columnTiles; n += 2) {
      // Two n8 tiles at once; behind the last, the last again.
      Value key =
          code.add(code.rem(lane, code.integer(16)), code.integer(16 * step));
      Value chunk =
          code.min(code.add(code.div(lane, code.integer(16)), code.integer(n)),
                   code.integer(columnTiles - 1));
      auto b = code.loadMatrices(
          stages.values,
          code.add(code.mul(key, code.integer(stages.valueStride)),
                   code.mul(chunk, code.integer(kChunk))),
          /*transpose=*/true);
      for (int64_t m = n; m < std::min(n + 2, columnTiles); ++m) {
        auto c = code.mma(a, {b[2 * (m - n)], b[2 * (m - n) + 1]},
                          ArrayRef(sums).slice(4 * m, 4));
        std::copy(c.begin(), c.end(), sums.begin() + 4 * m);
      }
    }
  }
  return sums;
}

SmallVector<Value> FlashTile::addBlock(const Keys &keys, bool causal,
                                       Value first, ValueRange state) {
  code.barrier(); // all have read the block before
  copyBlock(keys, first, keys.keys, stages.keys, stages.keyStride,
            blocks * kBlock / kChunk);
  copyBlock(keys, first, keys.values, stages.values, stages.valueStride,
            columnTiles);
  code.waitCopies(1);
  code.barrier();
  SmallVector<Value> scores = scoreBlock();
  mask(scores, keys, causal, first);
  SmallVector<Value> next = weigh(scores, state);
  code.waitCopies(0);
  code.barrier();
  SmallVector<Value> sums = addValues(scores, ValueRange(next).drop_front(4));
  std::copy(sums.begin(), sums.end(), next.begin() + 4);
  return next;
}

void FlashTile::store(ValueRange state) {
  const Memory &y = code.memory(op.getY());
  for (int64_t half : {0, 1}) {
    // A query that saw no key has total 0 and gives zeros.
    Value some = code.fless(code.real(0.0), state[2 + half]);
    Value scale = code.fdiv(code.real(1.0),
                            code.select(some, state[2 + half], code.real(1.0)));
    Value row = rowOf(half);
    Value line = code.add(code.mul(sequence, rows), row);
    line = code.add(code.mul(line, code.integer(heads)), head);
    Value at = code.add(code.mul(line, code.integer(width)),
                        code.mul(part, code.integer(2)));
    code.when(code.less(row, rows), [&] {
      for (int64_t n = 0; n < columnTiles; ++n) {
        Value pair = code.splat(state[4 + 4 * n + 2 * half], 2);
        pair = code.insert(state[4 + 4 * n + 2 * half + 1], pair, 1);
        code.storeVector(code.fmul(pair, code.splat(scale, 2)), y,
                         code.add(at, code.integer(8 * n)));
      }
    });
  }
}

void FlashTile::emit() {
  loadQueries();
  // Maxima and totals of the low and the high row, then the sums.
  SmallVector<Value> state(4 + 4 * columnTiles, code.real(0.0));
  state[0] = state[1] = code.real(kUnseen);
  Value lastRow = code.add(firstRow, code.integer(kWarpRows * code.warps()));
  for (size_t n = 0; n < op.getSegments().size(); ++n) {
    Keys keys = wholeSegment(code, op, n, sequence, head);
    bool causal = cast<SegmentAttr>(op.getSegments()[n]).getVisibility() ==
                  Visibility::Causal;
    Value end = causal ? code.min(keys.end, lastRow) : keys.end;
    state = code.loop(code.integer(0), end, kKeys, state,
                      [&](Value first, ValueRange from) {
                        return addBlock(keys, causal, first, from);
                      });
  }
  store(state);
}

EmitCudaTile rill::kernel::beginCudaFlash(CudaCode &code,
                                          Operation *operation) {
  auto op = dyn_cast<AttentionOp>(operation);
  if (!op) {
    return nullptr;
  }
  int64_t width = code.memory(op.getQ()).type.getDimSize(3);
  int64_t padded = llvm::divideCeil(width, kBlock) * kBlock;
  auto stages = std::make_shared<Stages>();
  stages->keyStride = padded + (padded % 64 ? 0 : 32);
  stages->valueStride = width + (width / kChunk % 2 ? 0 : kChunk);
  Type element = code.b.getBF16Type();
  stages->keys = code.shared(kKeys * stages->keyStride, element);
  stages->values = code.shared(kKeys * stages->valueStride, element);
  return [&code, op, stages](Value tile) mutable {
    FlashTile(code, op, *stages, tile).emit();
  };
}
