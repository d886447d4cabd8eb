//===- MmaProducts.cpp - Few rows times weight rows by tensor cores -------===//
//
// mma.sync m16n8k16: 16 rows of x by 8 rows of a weight. The inner dimension is
// split over the warps of the block and added up in their order.
//
// Weights lie row-major. Of each 32 elements of a weight row, lane t of the
// four that share the row loads 8t .. 8t+7 as one 16-byte word, and x's rows
// are read the same way: both sides of a product see the inner dimension in the
// same other order, which is all that mma asks. So no packed copy is needed.
//
//===----------------------------------------------------------------------===//
#include "RowProducts.h"

using namespace mlir;
using namespace rill;
using namespace rill::kernel;

using Memory = KernelCode::Memory;

/// Elements of the inner dimension in one pair of mma; rows and columns of one.
static constexpr int64_t kBlock = 32, kRows = 16, kColumns = 8;
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
  Words rowWords(const RowTile &rows, int64_t half, Value k);
  SmallVector<Words> weightWords(const ColumnTile &tile, Value k);
  SmallVector<Value> multiply(const RowTile &rows, Value k,
                              ArrayRef<Words> weights, ValueRange sums);
  SmallVector<Value> accumulate(const ColumnTile &tile, const RowTile &rows);
  void reduce(ArrayRef<Value> sums, const ColumnTile &tile, const RowTile &rows,
              const Store &store);
  Value blockStart(Value step);

  int64_t tiles, weights, steps, stride;
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
      weights(weights),
      steps(llvm::divideCeil(llvm::divideCeil(inner, kBlock), code.warps())),
      // Rows of shared memory lie 64 bytes apart modulo 128, so that the two
      // rows of a quarter warp meet different banks.
      stride(inner + (32 - inner % 64 + 64) % 64),
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

/// Row `group`, or group + 8 for half 1, from element k. Rows behind the last
/// repeat it: what they give is not stored.
MmaProducts::Words MmaProducts::rowWords(const RowTile &rows, int64_t half,
                                         Value k) {
  Value last = code.sub(code.sub(rows.end, rows.first), code.integer(1));
  Value row = code.min(code.add(group, code.integer(8 * half)), last);
  if (isStaged) {
    return code.loadWords(staged,
                          code.add(code.mul(row, code.integer(stride)), k));
  }
  Value line = code.mul(code.add(rows.first, row), code.integer(inner));
  return code.loadWords(x, code.add(line, k));
}

/// The lane's words of each n8 tile of each weight.
SmallVector<MmaProducts::Words> MmaProducts::weightWords(const ColumnTile &tile,
                                                         Value k) {
  SmallVector<Words> all;
  Value last = code.sub(tile.limit, code.integer(1));
  for (const Memory &weight : tile.weights) {
    for (int64_t n = 0; n < tiles; ++n) {
      Value column = code.add(tile.first, code.integer(n * kColumns));
      column = code.min(code.add(column, group), last);
      all.push_back(code.loadWords(
          weight, code.add(code.mul(column, code.integer(inner)), k)));
    }
  }
  return all;
}

/// Two mma per n8 tile.
SmallVector<Value> MmaProducts::multiply(const RowTile &rows, Value k,
                                         ArrayRef<Words> words,
                                         ValueRange sums) {
  Words low = rowWords(rows, 0, k), high = oneRow ? low : rowWords(rows, 1, k);
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

/// Where the lane's elements of the warp's block `step` begin.
Value MmaProducts::blockStart(Value step) {
  Value block =
      code.add(code.mul(step, code.integer(code.warps())), code.warp());
  return code.add(code.mul(block, code.integer(kBlock)),
                  code.mul(part, code.integer(8)));
}

/// The warp's share of the sums. What lies behind the inner dimension is
/// loaded from its begin and multiplied by zero weights.
SmallVector<Value> MmaProducts::accumulate(const ColumnTile &tile,
                                           const RowTile &rows) {
  bool whole = inner % (kBlock * code.warps()) == 0;
  auto clamped = [&](Value k) {
    return whole ? k
                 : code.select(code.less(k, code.integer(inner)), k,
                               code.integer(0));
  };
  auto load = [&](Value k) {
    SmallVector<Words> words = weightWords(tile, clamped(k));
    if (!whole) {
      Value inside = code.less(k, code.integer(inner));
      for (Words &list : words) {
        for (Value &word : list) {
          word = code.select(inside, word, code.word(0));
        }
      }
    }
    return words;
  };
  SmallVector<Value> sums(4 * weights * tiles, code.real(0.0));
  int64_t first = std::min(steps, ahead);
  SmallVector<SmallVector<Words>> loaded;
  for (int64_t s = 0; s < first; ++s) {
    loaded.push_back(load(blockStart(code.integer(s))));
  }
  // The first weights are under way while the rows are still being made.
  code.waitForInputs();
  if (isStaged) {
    stage(rows);
  }
  for (int64_t s = 0; s < first; ++s) {
    sums =
        multiply(rows, clamped(blockStart(code.integer(s))), loaded[s], sums);
  }
  auto run = [&](Value step, int64_t count, ValueRange from) {
    SmallVector<Value> next(from);
    loaded.clear();
    for (int64_t s = 0; s < count; ++s) {
      loaded.push_back(load(blockStart(code.add(step, code.integer(s)))));
    }
    for (int64_t s = 0; s < count; ++s) {
      Value k = blockStart(code.add(step, code.integer(s)));
      next = multiply(rows, clamped(k), loaded[s], next);
    }
    return next;
  };
  int64_t rest = steps - first, full = rest / ahead * ahead;
  if (full) {
    sums = code.loop(
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
      for (int64_t i = 0; i < 4; ++i) {
        // c0, c1: row `group`; c2, c3: group + 8; columns 2 * part + (i & 1).
        Value row = code.add(group, code.integer(i / 2 * 8));
        Value column = code.add(code.mul(part, code.integer(2)),
                                code.integer(n * kColumns + i % 2));
        Value index = code.add(code.mul(row, code.integer(width)), column);
        code.store(sums[4 * (w * tiles + n) + i], partials,
                   code.add(at(code.warp(), w), index));
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
