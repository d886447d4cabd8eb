//===- GemmTemplate.cpp - Template "cuda_gemm" ----------------------------===//
//
// Products of many bf16 rows by mma.sync m16n8k16: blocks of 128 rows by 128
// weight rows, copied by cp.async into a ring of stages. A tile is one block,
// rows of the result outermost.
//
// A stage holds rows of 64 bytes. Chunk c (16 bytes) of row r lies at chunk
// c ^ (r / 2 % 4), so that ldmatrix meets every bank once.
//
//===----------------------------------------------------------------------===//
#include "CudaCode.h"

using namespace mlir;
using namespace rill;
using namespace rill::kernel;

using Memory = KernelCode::Memory;

/// Rows of x and of all weights together, and the inner dimension of a stage.
static constexpr int64_t kRows = 128, kColumns = 128, kInner = 32;
static constexpr int64_t kStages = 3;
/// bf16 elements of a chunk; chunks of a row of a stage.
static constexpr int64_t kChunk = 8, kChunks = kInner / kChunk;
/// Warps side by side in rows and in columns, and what each computes.
static constexpr int64_t kWarpRows = 64, kWarpColumns = 32, kAcross = 4;
static constexpr int64_t kRowTiles = kWarpRows / 16,
                         kColumnTiles = kWarpColumns / 8;

namespace {
class GemmTile {
public:
  GemmTile(CudaCode &code, LinearOp op, const Memory &stages, Value tile);
  void emit();

private:
  Value chunkAt(Value stage, bool weights, Value row, Value chunk);
  void copyRows(Value stage, Value step, bool weights);
  void copyStage(Value stage, Value step);
  SmallVector<Value> multiply(Value stage, ValueRange sums);
  void storePair(ArrayRef<Value> sums, int64_t mi, int64_t ni, int64_t half);
  /// Weight row of the block where n8 tiles 2 * `pair`, + 1 of a warp begin.
  Value columnsOf(int64_t pair);

  CudaCode &code;
  LinearOp op;
  const Memory &x, &stages;
  int64_t inner, total, weights, width; ///< width: columns of one weight
  Value rows, firstRow, firstColumn, warpRow, warpColumn;
};
} // namespace

GemmTile::GemmTile(CudaCode &code, LinearOp op, const Memory &stages,
                   Value tile)
    : code(code), op(op), x(code.memory(op.getX())), stages(stages),
      inner(x.type.getShape().back()),
      total(code.memory(op.getY()).type.getShape().back()),
      weights(static_cast<int64_t>(op.getWeights().size())),
      width(kColumns / weights), rows(code.rows(x, x.type.getRank() - 1)) {
  Value across = code.integer(llvm::divideCeil(total, width));
  firstRow = code.mul(code.div(tile, across), code.integer(kRows));
  firstColumn = code.mul(code.rem(tile, across), code.integer(width));
  warpRow = code.div(code.warp(), code.integer(kAcross));
  warpColumn = code.rem(code.warp(), code.integer(kAcross));
}

/// Element of `stages` where a chunk lies: rows of x, then weight rows.
Value GemmTile::chunkAt(Value stage, bool weightRows, Value row, Value chunk) {
  Value swizzle =
      code.rem(code.div(row, code.integer(2)), code.integer(kChunks));
  Value place = code.bitXor(chunk, swizzle);
  Value line = code.add(code.mul(stage, code.integer(kRows + kColumns)), row);
  if (weightRows) {
    line = code.add(line, code.integer(kRows));
  }
  return code.add(code.mul(line, code.integer(kInner)),
                  code.mul(place, code.integer(kChunk)));
}

/// The thread's chunks of x's or the weights' rows of a step; zeros behind the
/// inner dimension. Rows behind the last repeat it.
void GemmTile::copyRows(Value stage, Value step, bool weightRows) {
  int64_t chunks = (weightRows ? kColumns : kRows) * kChunks;
  for (int64_t i = 0; i < chunks / code.threads(); ++i) {
    Value id = code.add(code.thread(), code.integer(i * code.threads()));
    Value row = code.div(id, code.integer(kChunks)),
          chunk = code.rem(id, code.integer(kChunks));
    Value k = code.add(code.mul(step, code.integer(kInner)),
                       code.mul(chunk, code.integer(kChunk)));
    Value to = chunkAt(stage, weightRows, row, chunk);
    Memory from = x;
    Value line =
        code.min(code.add(firstRow, row), code.sub(rows, code.integer(1)));
    if (weightRows) {
      // A thread's chunk i lies in one weight: blocks of threads cover whole
      // weights.
      int64_t weight = i * code.threads() / kChunks / width;
      from = code.memory(op.getWeights()[weight]);
      Value own = code.sub(row, code.integer(weight * width));
      line = code.min(code.add(firstColumn, own), code.integer(total - 1));
    }
    Value inside = code.less(k, code.integer(inner));
    if (inner % kInner == 0) {
      inside = Value();
    } else {
      k = code.select(inside, k, code.integer(0));
    }
    code.copyAsync(stages, to, from,
                   code.add(code.mul(line, code.integer(inner)), k), inside);
  }
}

void GemmTile::copyStage(Value stage, Value step) {
  copyRows(stage, step, /*weightRows=*/false);
  copyRows(stage, step, /*weightRows=*/true);
}

Value GemmTile::columnsOf(int64_t pair) {
  int64_t perWarp = kWarpColumns / weights;
  Value first = code.mul(warpColumn, code.integer(perWarp));
  int64_t weight = pair * 16 / perWarp, own = pair * 16 % perWarp;
  return code.add(first, code.integer(weight * width + own));
}

/// One stage: two steps of 16.
SmallVector<Value> GemmTile::multiply(Value stage, ValueRange from) {
  SmallVector<Value> sums(from);
  Value lane = code.lane();
  for (int64_t step = 0; step < kInner / 16; ++step) {
    Value lowChunk = code.integer(2 * step);
    SmallVector<SmallVector<Value>> a, b;
    for (int64_t mi = 0; mi < kRowTiles; ++mi) {
      Value row = code.add(code.mul(warpRow, code.integer(kWarpRows)),
                           code.rem(lane, code.integer(16)));
      row = code.add(row, code.integer(16 * mi));
      Value chunk = code.add(lowChunk, code.div(lane, code.integer(16)));
      a.push_back(code.loadMatrices(stages, chunkAt(stage, false, row, chunk)));
    }
    for (int64_t pair = 0; pair < kColumnTiles / 2; ++pair) {
      Value row = code.add(columnsOf(pair), code.rem(lane, code.integer(8)));
      row = code.add(
          row, code.mul(code.div(lane, code.integer(16)), code.integer(8)));
      Value chunk = code.add(
          lowChunk, code.rem(code.div(lane, code.integer(8)), code.integer(2)));
      b.push_back(code.loadMatrices(stages, chunkAt(stage, true, row, chunk)));
    }
    for (int64_t mi = 0; mi < kRowTiles; ++mi) {
      for (int64_t ni = 0; ni < kColumnTiles; ++ni) {
        int64_t at = 4 * (mi * kColumnTiles + ni);
        auto next =
            code.mma(a[mi], {b[ni / 2][ni % 2 * 2], b[ni / 2][ni % 2 * 2 + 1]},
                     ArrayRef(sums).slice(at, 4));
        std::copy(next.begin(), next.end(), sums.begin() + at);
      }
    }
  }
  return sums;
}

/// Two neighbouring columns of one row of every weight.
void GemmTile::storePair(ArrayRef<Value> sums, int64_t mi, int64_t ni,
                         int64_t half) {
  int64_t perWeight = kColumnTiles / weights;
  Value row = code.add(code.mul(warpRow, code.integer(kWarpRows)),
                       code.div(code.lane(), code.integer(4)));
  row = code.add(firstRow, code.add(row, code.integer(16 * mi + 8 * half)));
  Value column = code.mul(warpColumn, code.integer(kWarpColumns / weights));
  column = code.add(column, code.mul(code.rem(code.lane(), code.integer(4)),
                                     code.integer(2)));
  column = code.add(firstColumn, code.add(column, code.integer(8 * ni)));
  Value inside =
      code.both(code.less(row, rows), code.less(column, code.integer(total)));
  code.when(inside, [&] {
    SmallVector<Value> pairs;
    for (int64_t w = 0; w < weights; ++w) {
      int64_t at = 4 * (mi * kColumnTiles + w * perWeight + ni) + 2 * half;
      Value pair = code.splat(sums[at], 2);
      pairs.push_back(code.insert(sums[at + 1], pair, 1));
    }
    storeRow(code, op, row, column, 2, pairs);
  });
}

void GemmTile::emit() {
  int64_t steps = llvm::divideCeil(inner, kInner);
  for (int64_t s = 0; s < kStages - 1; ++s) {
    if (s < steps) {
      copyStage(code.integer(s), code.integer(s));
    }
    code.commitCopies();
  }
  SmallVector<Value> zeros(4 * kRowTiles * kColumnTiles, code.real(0.0));
  SmallVector<Value> sums =
      code.loop(code.integer(0), code.integer(steps), 1, zeros,
                [&](Value step, ValueRange from) {
                  code.waitCopies(kStages - 2);
                  code.barrier();
                  Value ahead = code.add(step, code.integer(kStages - 1));
                  code.when(code.less(ahead, code.integer(steps)), [&] {
                    copyStage(code.rem(ahead, code.integer(kStages)), ahead);
                  });
                  code.commitCopies();
                  return multiply(code.rem(step, code.integer(kStages)), from);
                });
  code.waitCopies(0);
  for (int64_t mi = 0; mi < kRowTiles; ++mi) {
    for (int64_t ni = 0; ni < kColumnTiles / weights; ++ni) {
      storePair(sums, mi, ni, 0);
      storePair(sums, mi, ni, 1);
    }
  }
}

EmitCudaTile rill::kernel::beginCudaGemm(CudaCode &code, Operation *operation) {
  auto op = cast<LinearOp>(operation);
  Memory stages =
      code.shared(kStages * (kRows + kColumns) * kInner, code.b.getBF16Type());
  return [&code, op, stages](Value tile) mutable {
    GemmTile(code, op, stages, tile).emit();
  };
}
