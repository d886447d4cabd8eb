//===- MmaProducts.cpp - Few rows times weight rows by tensor cores -------===//
//
// mma.sync m16n8k16: 16 rows of x by 8 rows of a weight. The inner dimension is
// split over the warps of the block and added up in their order.
//
// Weights are packed: a warp loads a block of 8 rows by 32 columns as 512
// neighbouring bytes, which are the B fragments of two mma.
//
//===----------------------------------------------------------------------===//
#include "RowProducts.h"

using namespace mlir;
using namespace rill;
using namespace rill::kernel;

using Memory = KernelCode::Memory;

/// Elements of the inner dimension in one pair of mma; rows and columns of one.
static constexpr int64_t kBlock = kPackedColumns, kRows = 16,
                         kColumns = kPackedRows;
/// Elements of a row that one matrix of ldmatrix holds.
static constexpr int64_t kChunk = 8;
/// Words of weights that a lane loads before it uses the first, about.
static constexpr int64_t kWordsAhead = 12;

namespace {
class MmaProducts : public RowProducts {
public:
  MmaProducts(CudaCode &code, Value x, const RowPrologue &prologue,
              int64_t weights);

  int64_t columns() const override { return tiles * kColumns; }
  void emit(const ColumnTile &columns, const RowTile &rows,
            const Store &store) override;

private:
  using Words = SmallVector<Value>; ///< four i32 of eight bf16
  void stage(const RowTile &rows);
  Words rowWords(const RowTile &rows, int64_t half, Value block);
  SmallVector<Words> weightWords(const ColumnTile &tile, Value block);
  SmallVector<Value> multiply(const RowTile &rows, Value block,
                              ArrayRef<Words> weights, ValueRange sums);
  SmallVector<Value> accumulate(const ColumnTile &tile, const RowTile &rows);
  void reduce(ArrayRef<Value> sums, const ColumnTile &tile, const RowTile &rows,
              const Store &store);
  Value blockOf(Value step);

  int64_t tiles, weights, blocks, steps, stride;
  int64_t ahead; ///< blocks whose weights are loaded at once
  bool oneRow, isStaged;
  Value group, part; ///< lane / 4, lane % 4
  Memory staged, partials;
};
} // namespace

static bool isOneRow(RankedTensorType x, bool merge) {
  return x.hasStaticShape() &&
         llvm::all_of(x.getShape().drop_back(merge ? 3 : 1),
                      [](int64_t size) { return size == 1; });
}

MmaProducts::MmaProducts(CudaCode &code, Value x, const RowPrologue &prologue,
                         int64_t weights)
    : RowProducts(code, x, prologue), tiles(code.config("tiles")),
      weights(weights), blocks(llvm::divideCeil(inner, kBlock)),
      steps(llvm::divideCeil(blocks, code.warps())),
      // Odd multiples of 16 bytes: chunks of eight rows meet different banks.
      stride(inner / kChunk % 2 ? inner : inner + kChunk),
      ahead(std::clamp<int64_t>(kWordsAhead / (tiles * weights), 2, 4)),
      oneRow(isOneRow(this->x.type, prologue.merge)),
      isStaged(prologue.norm || prologue.merge),
      group(code.div(code.lane(), code.integer(4))),
      part(code.rem(code.lane(), code.integer(4))) {
  if (isStaged) {
    staged = code.shared((oneRow ? 1 : code.config("rows")) * stride,
                         code.b.getBF16Type());
  }
  partials = code.shared(code.warps() * weights * tiles * kRows * kColumns,
                         code.b.getF32Type());
}

/// Normed or merged rows into shared memory.
void MmaProducts::stage(const RowTile &rows) {
  if (prologue.merge) {
    return mergeRows(rows, staged, stride);
  }
  eachRow(rows, [&](Value row) {
    Value scale = scaleOf(row);
    Value to = code.mul(code.sub(row, rows.first), code.integer(stride));
    code.eachLane(code.integer(inner / rowLanes), [&](Value i) {
      Value k = code.mul(i, code.integer(rowLanes));
      code.storeSome(element(row, scale, k, rowLanes), staged, code.add(to, k));
    });
  });
  code.barrier();
}

/// Row `group`, or group + 8 for half 1, of a block: its elements 2 * part and
/// behind it, of each of four chunks. Rows behind the last repeat it: what they
/// give is not stored. Chunks behind the inner dimension, where weights are
/// zero, are replaced by some of the first block.
MmaProducts::Words MmaProducts::rowWords(const RowTile &rows, int64_t half,
                                         Value block) {
  Value last = code.sub(code.sub(rows.end, rows.first), code.integer(1));
  Value first = code.mul(block, code.integer(kBlock));
  auto rowAt = [&](Value own) {
    return code.min(code.add(own, code.integer(8 * half)), last);
  };
  if (isStaged) {
    // Lane l gives the address of row l % 8 of chunk l / 8.
    Value row = rowAt(code.rem(code.lane(), code.integer(8)));
    Value chunk =
        code.mul(code.div(code.lane(), code.integer(8)), code.integer(kChunk));
    Value k = code.add(first, chunk);
    if (inner % kBlock) {
      k = code.select(code.less(k, code.integer(inner)), k, code.integer(0));
    }
    return code.loadMatrices(staged,
                             code.add(code.mul(row, code.integer(stride)), k));
  }
  Value line = code.add(
      code.mul(code.add(rows.first, rowAt(group)), code.integer(inner)),
      code.mul(part, code.integer(2)));
  Value whole = code.select(code.less(block, code.integer(blocks - 1)), first,
                            code.integer(0));
  Words words;
  for (int64_t chunk = 0; chunk < kBlock / kChunk; ++chunk) {
    int64_t shift = chunk * kChunk;
    bool inside = inner % kBlock == 0 || shift < inner % kBlock;
    Value k = code.add(inside ? first : whole,
                       code.integer(inside || blocks > 1 ? shift : 0));
    words.push_back(code.loadWord(x, code.add(line, k)));
  }
  return words;
}

/// The lane's words of each n8 tile of each weight.
SmallVector<MmaProducts::Words> MmaProducts::weightWords(const ColumnTile &tile,
                                                         Value block) {
  SmallVector<Words> all;
  Value size = code.integer(kColumns);
  Value first = code.div(tile.first, size);
  Value last = code.div(code.sub(tile.limit, code.integer(1)), size);
  Value own = code.mul(code.lane(), code.integer(kChunk));
  for (const Memory &weight : tile.weights) {
    for (int64_t n = 0; n < tiles; ++n) {
      Value column = code.min(code.add(first, code.integer(n)), last);
      Value at = code.packedBlock(weight, column, block);
      all.push_back(code.loadWords(weight, code.add(at, own)));
    }
  }
  return all;
}

/// Two mma per n8 tile.
SmallVector<Value> MmaProducts::multiply(const RowTile &rows, Value block,
                                         ArrayRef<Words> words,
                                         ValueRange sums) {
  Words low = rowWords(rows, 0, block),
        high = oneRow ? low : rowWords(rows, 1, block);
  SmallVector<Value> next;
  for (size_t n = 0; n < words.size(); ++n) {
    SmallVector<Value> c(sums.slice(4 * n, 4));
    for (int64_t pair : {0, 2}) {
      c = code.mma({low[pair], high[pair], low[pair + 1], high[pair + 1]},
                   {words[n][pair], words[n][pair + 1]}, c);
    }
    next.append(c);
  }
  return next;
}

/// The warp's block of a step.
Value MmaProducts::blockOf(Value step) {
  return code.add(code.mul(step, code.integer(code.warps())), code.warp());
}

/// The warp's share of the sums. Behind the last block, the first one is
/// multiplied by zero weights.
SmallVector<Value> MmaProducts::accumulate(const ColumnTile &tile,
                                           const RowTile &rows) {
  bool whole = blocks % code.warps() == 0;
  Value end = code.integer(blocks);
  auto clamped = [&](Value block) {
    return whole ? block
                 : code.select(code.less(block, end), block, code.integer(0));
  };
  auto load = [&](Value block) {
    SmallVector<Words> words = weightWords(tile, clamped(block));
    if (!whole) {
      Value there = code.less(block, end);
      for (Words &list : words) {
        for (Value &word : list) {
          word = code.select(there, word, code.word(0));
        }
      }
    }
    return words;
  };
  SmallVector<Value> sums(4 * weights * tiles, code.real(0.0));
  int64_t first = std::min(steps, ahead);
  SmallVector<SmallVector<Words>> loaded;
  for (int64_t s = 0; s < first; ++s) {
    loaded.push_back(load(blockOf(code.integer(s))));
  }
  // The first weights are under way while the rows are still being made.
  code.waitForInputs();
  if (isStaged) {
    stage(rows);
  }
  for (int64_t s = 0; s < first; ++s) {
    sums = multiply(rows, clamped(blockOf(code.integer(s))), loaded[s], sums);
  }
  auto run = [&](Value step, int64_t count, ValueRange from) {
    SmallVector<Value> next(from);
    loaded.clear();
    for (int64_t s = 0; s < count; ++s) {
      loaded.push_back(load(blockOf(code.add(step, code.integer(s)))));
    }
    for (int64_t s = 0; s < count; ++s) {
      Value block = clamped(blockOf(code.add(step, code.integer(s))));
      next = multiply(rows, block, loaded[s], next);
    }
    return next;
  };
  int64_t rest = steps - first, full = rest / ahead * ahead;
  if (full) {
    sums = code.rolledLoop(
        code.integer(first), code.integer(first + full), ahead, sums,
        [&](Value step, ValueRange from) { return run(step, ahead, from); });
  }
  return rest > full ? run(code.integer(first + full), rest - full, sums)
                     : sums;
}

/// Adds the warps' sums up in their order.
void MmaProducts::reduce(ArrayRef<Value> sums, const ColumnTile &tile,
                         const RowTile &rows, const Store &store) {
  int64_t width = tiles * kColumns, perWeight = kRows * width;
  auto at = [&](Value warp, int64_t weight) {
    Value slot =
        code.add(code.mul(warp, code.integer(weights)), code.integer(weight));
    return code.mul(slot, code.integer(perWeight));
  };
  for (int64_t w = 0; w < weights; ++w) {
    for (int64_t n = 0; n < tiles; ++n) {
      for (int64_t half : {0, 1}) {
        // c0, c1: row `group`; c2, c3: group + 8; columns 2 * part, + 1.
        Value row = code.add(group, code.integer(8 * half));
        Value column = code.add(code.mul(part, code.integer(2)),
                                code.integer(n * kColumns));
        Value index = code.add(code.mul(row, code.integer(width)), column);
        int64_t first = 4 * (w * tiles + n) + 2 * half;
        Value pair =
            code.insert(sums[first + 1], code.splat(sums[first], 2), 1);
        code.storeVector(pair, partials, code.add(at(code.warp(), w), index));
      }
    }
  }
  code.barrier();
  code.eachThread(code.integer(oneRow ? width : perWeight), [&](Value index) {
    Value row = code.add(rows.first, code.div(index, code.integer(width)));
    Value column = code.add(tile.first, code.rem(index, code.integer(width)));
    Value inside =
        code.both(code.less(row, rows.end), code.less(column, tile.limit));
    code.when(inside, [&] {
      SmallVector<Value> totals;
      for (int64_t w = 0; w < weights; ++w) {
        Value sum =
            code.load(partials, code.add(at(code.integer(0), w), index));
        for (int64_t warp = 1; warp < code.warps(); ++warp) {
          Value from = code.add(at(code.integer(warp), w), index);
          sum = code.fadd(sum, code.load(partials, from));
        }
        totals.push_back(sum);
      }
      store(row, column, totals);
    });
  });
}

void MmaProducts::emit(const ColumnTile &tile, const RowTile &rows,
                       const Store &store) {
  reduce(accumulate(tile, rows), tile, rows, store);
}

std::unique_ptr<RowProducts>
rill::kernel::makeMmaProducts(CudaCode &code, Value x,
                              const RowPrologue &prologue, int64_t weights) {
  return std::make_unique<MmaProducts>(code, x, prologue, weights);
}
