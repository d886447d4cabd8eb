//===- GemmTemplate.cpp - Template "cuda_gemm" ----------------------------===//
//
// Products of many bf16 rows by mma.sync m16n8k16: blocks of 128 rows by 128
// weight rows, copied by cp.async into a ring of stages. A tile is one block,
// rows of the result outermost.
//
// A stage holds 64 bytes of each row of x, then packed blocks of the weights.
// Chunk c (16 bytes) of row r of x lies at chunk c ^ (r / 2 % 4), so that
// ldmatrix meets every bank once; blocks lie as in memory, 512 bytes a warp.
//
//===----------------------------------------------------------------------===//
#include "CudaCode.h"

using namespace mlir;
using namespace rill;
using namespace rill::kernel;

using Memory = KernelCode::Memory;

/// Rows of x and of all weights together, and the inner dimension of a stage.
static constexpr int64_t kRows = 128, kColumns = 128, kInner = kPackedColumns;
/// Elements of a block of weights.
static constexpr int64_t kBlock = kPackedRows * kPackedColumns;
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
  using Words = SmallVector<Value>; ///< four i32 of eight bf16
  Value chunkAt(Value stage, Value row, Value phase, Value chunk, int64_t more);
  Value blockAt(Value stage, Value block, int64_t more);
  void copyRows(Value stage, Value step);
  void copyBlocks(Value stage, Value step);
  void copyStage(Value stage, Value step);
  SmallVector<Words> loadBlocks(Value stage);
  SmallVector<Value> multiply(Value stage, ValueRange sums);
  Value stagedAt(Value row, Value column);
  void stageSums(ArrayRef<Value> sums, int64_t mi);
  void storeRows(int64_t mi);

  CudaCode &code;
  LinearOp op;
  const Memory &x, &stages;
  int64_t inner, total, weights;
  int64_t width, perWarp; ///< columns of one weight, of a block and of a warp
  int64_t stride;         ///< of `staged`, the warp's results on their way out
  Memory staged;
  Value rows, firstRow, firstColumn, warpRow, warpColumn;
};
} // namespace

GemmTile::GemmTile(CudaCode &code, LinearOp op, const Memory &stages,
                   Value tile)
    : code(code), op(op), x(code.memory(op.getX())), stages(stages),
      inner(x.type.getShape().back()),
      total(code.memory(op.getY()).type.getShape().back()),
      weights(static_cast<int64_t>(op.getWeights().size())),
      width(kColumns / weights), perWarp(kWarpColumns / weights),
      stride(perWarp == 16 ? perWarp : perWarp + 8),
      rows(code.rows(x, x.type.getRank() - 1)) {
  Value across = code.integer(llvm::divideCeil(total, width));
  firstRow = code.mul(code.div(tile, across), code.integer(kRows));
  firstColumn = code.mul(code.rem(tile, across), code.integer(width));
  warpRow = code.div(code.warp(), code.integer(kAcross));
  warpColumn = code.rem(code.warp(), code.integer(kAcross));
}

/// Element of `stages` where a chunk of row `row` + `more` of x lies. `phase`
/// is row / 2 % 4; `more` is a multiple of 8 and so changes only the constant
/// part of an address.
Value GemmTile::chunkAt(Value stage, Value row, Value phase, Value chunk,
                        int64_t more) {
  Value line = code.add(code.mul(stage, code.integer(kRows + kColumns)), row);
  Value at =
      code.add(code.mul(line, code.integer(kInner)),
               code.mul(code.bitXor(chunk, phase), code.integer(kChunk)));
  return code.add(at, code.integer(more * kInner));
}

/// Element of `stages` where the lane's words of block `block` + `more` of the
/// tile's weights lie, weight after weight.
Value GemmTile::blockAt(Value stage, Value block, int64_t more) {
  Value line = code.add(code.mul(stage, code.integer(kRows + kColumns)),
                        code.integer(kRows));
  Value at = code.add(code.mul(line, code.integer(kInner)),
                      code.mul(block, code.integer(kBlock)));
  at = code.add(at, code.mul(code.lane(), code.integer(kChunk)));
  return code.add(at, code.integer(more * kBlock));
}

/// The thread's chunks of x's rows of a step; zeros behind the inner dimension.
/// Rows behind the last repeat it.
void GemmTile::copyRows(Value stage, Value step) {
  int64_t perPass = code.threads() / kChunks;
  Value row = code.div(code.thread(), code.integer(kChunks)),
        chunk = code.rem(code.thread(), code.integer(kChunks));
  Value phase = code.rem(code.div(row, code.integer(2)), code.integer(kChunks));
  Value k = code.add(code.mul(step, code.integer(kInner)),
                     code.mul(chunk, code.integer(kChunk)));
  // Copies of no bytes read nothing, wherever they point.
  Value inside = inner % kInner ? code.less(k, code.integer(inner)) : Value();
  for (int64_t first = 0; first < kRows; first += perPass) {
    Value line = code.add(firstRow, code.add(row, code.integer(first)));
    line = code.min(line, code.sub(rows, code.integer(1)));
    code.copyAsync(stages, chunkAt(stage, row, phase, chunk, first), x,
                   code.add(code.mul(line, code.integer(inner)), k), inside);
  }
}

/// The warp's blocks of a step, one of each column of blocks. Blocks behind the
/// last repeat it.
void GemmTile::copyBlocks(Value stage, Value step) {
  int64_t perWeight = width / kPackedRows;
  Value last = code.integer(llvm::divideCeil(total, kPackedRows) - 1);
  Value firstBlock = code.div(firstColumn, code.integer(kPackedRows));
  for (int64_t first = 0; first < kColumns / kPackedRows;
       first += code.warps()) {
    // The blocks of one pass lie in one weight.
    const Memory &from = code.memory(op.getWeights()[first / perWeight]);
    Value own = code.add(code.warp(), code.integer(first % perWeight));
    Value block = code.min(code.add(firstBlock, own), last);
    Value at = code.add(code.packedBlock(from, block, step),
                        code.mul(code.lane(), code.integer(kChunk)));
    code.copyAsync(stages, blockAt(stage, code.warp(), first), from, at,
                   Value());
  }
}

void GemmTile::copyStage(Value stage, Value step) {
  copyRows(stage, step);
  copyBlocks(stage, step);
}

/// The lane's words of each n8 tile of the warp.
SmallVector<GemmTile::Words> GemmTile::loadBlocks(Value stage) {
  SmallVector<Words> all;
  Value first = code.mul(warpColumn, code.integer(perWarp / kPackedRows));
  for (int64_t n = 0; n < kColumnTiles; ++n) {
    int64_t weight = n * 8 / perWarp, own = n * 8 % perWarp;
    int64_t more = (weight * width + own) / kPackedRows;
    all.push_back(code.loadWords(stages, blockAt(stage, first, more)));
  }
  return all;
}

/// One stage: two steps of 16.
SmallVector<Value> GemmTile::multiply(Value stage, ValueRange from) {
  SmallVector<Value> sums(from);
  Value lane = code.lane();
  Value half = code.div(lane, code.integer(16)); // of a matrix of 16 rows
  Value row = code.rem(lane, code.integer(16));
  Value phase = code.rem(code.div(row, code.integer(2)), code.integer(kChunks));
  row = code.add(row, code.mul(warpRow, code.integer(kWarpRows)));
  SmallVector<Words> b = loadBlocks(stage);
  for (int64_t mi = 0; mi < kRowTiles; ++mi) {
    for (int64_t step = 0; step < kInner / 16; ++step) {
      Value chunk = code.add(code.integer(2 * step), half);
      Words a =
          code.loadMatrices(stages, chunkAt(stage, row, phase, chunk, 16 * mi));
      for (int64_t ni = 0; ni < kColumnTiles; ++ni) {
        int64_t at = 4 * (mi * kColumnTiles + ni);
        auto next = code.mma(a, {b[ni][2 * step], b[ni][2 * step + 1]},
                             ArrayRef(sums).slice(at, 4));
        std::copy(next.begin(), next.end(), sums.begin() + at);
      }
    }
  }
  return sums;
}

/// Element of `staged` where a column of a row lies. Half warps store 8 columns
/// of four neighbouring rows, and load 32 columns: one row, behind which 8 stay
/// free, or two of 16, whose halves change places every second row.
Value GemmTile::stagedAt(Value row, Value column) {
  if (stride == perWarp) {
    Value turn = code.rem(code.div(row, code.integer(2)), code.integer(2));
    column = code.bitXor(column, code.mul(turn, code.integer(8)));
  }
  return code.add(code.mul(row, code.integer(stride)), column);
}

/// The warp's sums of rows 16 * mi .. + 15 into its own shared memory: rows of
/// all columns of a weight, weight after weight.
void GemmTile::stageSums(ArrayRef<Value> sums, int64_t mi) {
  Value lane = code.lane();
  for (int64_t n = 0; n < kColumnTiles; ++n) {
    int64_t weight = n * 8 / perWarp, first = n * 8 % perWarp;
    for (int64_t half : {0, 1}) {
      int64_t at = 4 * (mi * kColumnTiles + n) + 2 * half;
      Value pair = code.insert(sums[at + 1], code.splat(sums[at], 2), 1);
      Value row = code.add(code.div(lane, code.integer(4)),
                           code.integer(weight * 16 + 8 * half));
      Value column =
          code.add(code.mul(code.rem(lane, code.integer(4)), code.integer(2)),
                   code.integer(first));
      code.storeVector(pair, staged, stagedAt(row, column));
    }
  }
}

/// Those rows through the epilogue, a few neighbouring columns per lane.
void GemmTile::storeRows(int64_t mi) {
  int64_t count = total % 4 ? 2 : 4, across = perWarp / count;
  Value first =
      code.add(firstRow, code.add(code.mul(warpRow, code.integer(kWarpRows)),
                                  code.integer(16 * mi)));
  Value column =
      code.add(firstColumn, code.mul(warpColumn, code.integer(perWarp)));
  code.eachLane(code.integer(16 * across), [&](Value i) {
    Value own = code.div(i, code.integer(across));
    Value shift =
        code.mul(code.rem(i, code.integer(across)), code.integer(count));
    Value row = code.add(first, own), at = code.add(column, shift);
    Value inside =
        code.both(code.less(row, rows), code.less(at, code.integer(total)));
    code.when(inside, [&] {
      SmallVector<Value> parts;
      for (int64_t w = 0; w < weights; ++w) {
        Value line = code.add(own, code.integer(16 * w));
        parts.push_back(code.loadVector(staged, stagedAt(line, shift), count));
      }
      storeRow(code, op, row, at, count, parts);
    });
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
  SmallVector<Value> sums = code.rolledLoop(
      code.integer(0), code.integer(steps), 1, zeros,
      [&](Value step, ValueRange from) {
        code.waitCopies(kStages - 2);
        code.barrier();
        // Of few steps LLVM would drop these copies, and PTX is counted.
        if (steps > kStages - 1) {
          Value ahead = code.add(step, code.integer(kStages - 1));
          code.when(code.less(ahead, code.integer(steps)), [&] {
            copyStage(code.rem(ahead, code.integer(kStages)), ahead);
          });
        }
        code.commitCopies();
        return multiply(code.rem(step, code.integer(kStages)), from);
      });
  // The stages' memory holds the results of a warp on their way out.
  code.waitCopies(0);
  code.barrier();
  staged.type = RankedTensorType::get({1}, code.b.getF32Type());
  Value own = code.mul(code.warp(), code.integer(weights * 16 * stride));
  staged.pointer =
      code.address(stages.pointer, own, staged.type.getElementType());
  for (int64_t mi = 0; mi < kRowTiles; ++mi) {
    stageSums(sums, mi);
    code.warpBarrier();
    storeRows(mi);
    code.warpBarrier();
  }
}

EmitCudaTile rill::kernel::beginCudaGemm(CudaCode &code, Operation *operation) {
  auto op = dyn_cast<LinearOp>(operation);
  if (!op) {
    return nullptr;
  }
  Memory stages =
      code.shared(kStages * (kRows + kColumns) * kInner, code.b.getBF16Type());
  return [&code, op, stages](Value tile) mutable {
    GemmTile(code, op, stages, tile).emit();
  };
}
