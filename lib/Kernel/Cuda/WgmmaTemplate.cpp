//===- WgmmaTemplate.cpp - Template "cuda_wgmma" --------------------------===//
//
// Products of many bf16 rows by wgmma: a tile is 128 weight rows (together of
// two zipped weights) by config "rows" rows of x; rows of the result outermost.
//
// A producer warp copies steps of 64 inner elements into a ring of stages: of
// the weights slabs of the packed layout, of x a box with 128-byte swizzle. Two
// warpgroups multiply 64 weight rows each: the weights are A, in registers, x
// is B, so the sums lie transposed and leave through shared memory.
//
//===----------------------------------------------------------------------===//
#include "WgmmaCode.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace rill;
using namespace rill::kernel;

using Memory = KernelCode::Memory;

/// Warps that multiply, in two warpgroups; the first of a third one copies.
static constexpr int64_t kConsumers = 8, kConsumerThreads = kConsumers * kWarp,
                         kProducerThreads = 4 * kWarp;
/// Elements of a block of #rill.packed, and of a lane.
static constexpr int64_t kBlock = kPackedRows * kPackedColumns,
                         kLaneElements = kBlock / kWarp;
/// Inner elements of a step; blocks of one row block in it; row blocks.
static constexpr int64_t kInner = 64, kBlocks = kInner / kPackedColumns,
                         kRowBlocks = 2 * kConsumers,
                         kColumns = kRowBlocks * kPackedRows;
/// Registers of a thread, of 168 at the beginning.
static constexpr int32_t kConsumerRegisters = 232, kProducerRegisters = 40;
/// Where the pattern of the 128-byte swizzle begins anew.
static constexpr int64_t kSwizzleAlign = 1024;
/// Elements between rows of the sums on their way out: 2 rows further, a word
/// lies 8 banks further, so the lanes of a warp meet every bank once.
static constexpr int64_t kStride = kColumns + 4;

namespace {
class WgmmaTile {
public:
  WgmmaTile(CudaCode &code, LinearOp op);
  void emit(Value tile);

private:
  int64_t blocksOf(int64_t step) const;
  int64_t bytesOf(int64_t blocks) const;
  Value stageOf(Value step) { return code.rem(step, code.integer(stages)); }
  Value parityOf(Value step);
  void beginStep(Value step, int64_t blocks);
  void copyRows(Value step);
  void copyWeights(Value step, int64_t blocks);
  void copyFirst();
  void copyRest();
  SmallVector<Fragment> loadWeights(Value step, int64_t blocks);
  SmallVector<Value> multiply();
  void stageSums(ArrayRef<Value> sums);
  void storeRows();

  CudaCode &code;
  LinearOp op;
  const Memory &x;
  int64_t inner, total, weights;
  int64_t width; ///< columns of one weight
  int64_t tileRows, stages, steps;
  Memory rowsOfX, slabs, staged; ///< stages of x and of the weights; sums
  Mbarriers full, empty;
  Value rows, firstRow, firstColumn;
};
} // namespace

WgmmaTile::WgmmaTile(CudaCode &code, LinearOp op)
    : code(code), op(op), x(code.memory(op.getX())),
      inner(x.type.getShape().back()),
      total(code.memory(op.getY()).type.getShape().back()),
      weights(static_cast<int64_t>(op.getWeights().size())),
      width(kColumns / weights), tileRows(code.config("rows")),
      stages(code.config("stages")), steps(llvm::divideCeil(inner, kInner)),
      rowsOfX(code.shared(stages * tileRows * kInner, code.b.getBF16Type(),
                          kSwizzleAlign)),
      slabs(code.shared(stages * kColumns * kInner, code.b.getBF16Type())),
      full(code, stages), empty(code, stages),
      rows(code.rows(x, x.type.getRank() - 1)) {
  // The ring's memory holds the sums on their way out.
  staged.pointer = rowsOfX.pointer;
  staged.type = RankedTensorType::get({tileRows, kStride}, code.b.getF32Type());
}

/// Blocks of a row block that a step has; the last may have fewer.
int64_t WgmmaTile::blocksOf(int64_t step) const {
  return std::min(kBlocks, llvm::divideCeilSigned(inner, kPackedColumns) -
                               step * kBlocks);
}

/// Bytes that arrive in a step.
int64_t WgmmaTile::bytesOf(int64_t blocks) const {
  return 2 * (tileRows * kInner + kRowBlocks * blocks * kBlock);
}

Value WgmmaTile::parityOf(Value step) {
  Value round = code.div(step, code.integer(stages));
  return arith::TruncIOp::create(code.b, code.loc, code.b.getI32Type(),
                                 code.rem(round, code.integer(2)));
}

/// The producer's warp: a step's barrier expects all its bytes.
void WgmmaTile::beginStep(Value step, int64_t blocks) {
  code.when(code.equal(code.lane(), code.integer(0)),
            [&] { full.expect(stageOf(step), bytesOf(blocks)); });
  code.warpBarrier();
}

void WgmmaTile::copyRows(Value step) {
  code.when(code.equal(code.lane(), code.integer(0)), [&] {
    Value at = code.mul(stageOf(step), code.integer(tileRows * kInner));
    auto word = [&](Value value) -> Value {
      return arith::TruncIOp::create(code.b, code.loc, code.b.getI32Type(),
                                     value);
    };
    copyBox(code, code.address(rowsOfX.pointer, at, code.b.getBF16Type()),
            x.pointer, word(code.mul(step, code.integer(kInner))),
            word(firstRow), full.at(stageOf(step)));
  });
}

/// A lane copies the slab of one row block: blocks that follow each other.
/// With two weights a warp's 16 rows are 8 of each, so that both products of a
/// column lie in one thread.
void WgmmaTile::copyWeights(Value step, int64_t blocks) {
  code.when(code.less(code.lane(), code.integer(kRowBlocks)), [&] {
    ValueRange list = op.getWeights();
    const Memory &first = code.memory(list[0]);
    Value own = code.div(code.lane(), code.integer(weights));
    Value rowBlock =
        code.add(code.div(firstColumn, code.integer(kPackedRows)), own);
    rowBlock = code.min(
        rowBlock, code.integer(llvm::divideCeilSigned(total, kPackedRows) - 1));
    Value from = first.pointer;
    if (weights == 2) {
      Value second =
          code.equal(code.rem(code.lane(), code.integer(2)), code.integer(1));
      from = code.select(second, code.memory(list[1]).pointer, from);
    }
    Type element = code.b.getBF16Type();
    from = code.address(from,
                        code.packedBlock(first, rowBlock,
                                         code.mul(step, code.integer(kBlocks))),
                        element);
    Value line = code.add(code.mul(stageOf(step), code.integer(kRowBlocks)),
                          code.lane());
    Value to = code.address(
        slabs.pointer, code.mul(line, code.integer(kBlocks * kBlock)), element);
    copyBulk(code, to, from, 2 * blocks * kBlock, full.at(stageOf(step)));
  });
}

/// Weights may be read before the launches in front have ended.
void WgmmaTile::copyFirst() {
  Value producer = code.equal(code.warp(), code.integer(kConsumers));
  int64_t first = std::min(stages, steps);
  code.when(producer, [&] {
    for (int64_t s = 0; s < first; ++s) {
      beginStep(code.integer(s), blocksOf(s));
      copyWeights(code.integer(s), blocksOf(s));
    }
  });
  code.waitForInputs();
  code.when(producer, [&] {
    for (int64_t s = 0; s < first; ++s) {
      copyRows(code.integer(s));
    }
  });
}

void WgmmaTile::copyRest() {
  auto copy = [&](Value step, int64_t blocks) {
    // The stage's reader of one round before.
    empty.wait(stageOf(step), parityOf(code.sub(step, code.integer(stages))));
    beginStep(step, blocks);
    copyWeights(step, blocks);
    copyRows(step);
  };
  int64_t whole = blocksOf(steps - 1) == kBlocks ? steps : steps - 1;
  code.loop(code.integer(stages), code.integer(whole),
            [&](Value step) { copy(step, kBlocks); });
  if (whole < steps && stages < steps) {
    copy(code.integer(steps - 1), blocksOf(steps - 1));
  }
}

/// The warp's 16 weight rows of a step that has arrived.
SmallVector<Fragment> WgmmaTile::loadWeights(Value step, int64_t blocks) {
  Value line = code.add(code.mul(stageOf(step), code.integer(kRowBlocks)),
                        code.mul(code.warp(), code.integer(2)));
  Value at = code.add(code.mul(line, code.integer(kBlocks * kBlock)),
                      code.mul(code.lane(), code.integer(kLaneElements)));
  SmallVector<Fragment> fragments;
  for (int64_t block = 0; block < blocks; ++block) {
    Value low = code.add(at, code.integer(block * kBlock));
    auto top = code.loadWords(slabs, low);
    auto bottom =
        code.loadWords(slabs, code.add(low, code.integer(kBlocks * kBlock)));
    for (int64_t half : {0, 2}) {
      fragments.push_back(
          {top[half], bottom[half], top[half + 1], bottom[half + 1]});
    }
  }
  return fragments;
}

/// The sums of all steps. ptxas serialises wgmma (C7513) when the next step's
/// weights come into registers meanwhile; the other warpgroup's products fill
/// the time between.
SmallVector<Value> WgmmaTile::multiply() {
  auto begin = [&](Value step, int64_t blocks, ValueRange sums) {
    Value at = code.mul(stageOf(step), code.integer(tileRows * kInner));
    Value rowsOfStep = code.address(rowsOfX.pointer, at, code.b.getBF16Type());
    return beginProducts(code, sums, loadWeights(step, blocks), rowsOfStep);
  };
  auto arrived = [&](Value step) { full.wait(stageOf(step), parityOf(step)); };
  arrived(code.integer(0));
  SmallVector<Value> sums(tileRows / 2, code.real(0.0));
  auto advance = [&](Value step, ValueRange from) {
    SmallVector<Value> next = begin(step, kBlocks, from);
    arrived(code.add(step, code.integer(1)));
    waitProducts(code);
    code.warpBarrier();
    code.when(code.equal(code.lane(), code.integer(0)),
              [&] { empty.arrive(stageOf(step)); });
    return next;
  };
  if (steps > 1) {
    sums =
        code.loop(code.integer(0), code.integer(steps - 1), 1, sums, advance);
  }
  // The last step may have fewer blocks.
  sums = begin(code.integer(steps - 1), blocksOf(steps - 1), sums);
  waitProducts(code);
  return sums;
}

/// Sums of a lane: weight rows g and g + 8 of the warp's 16, rows 8j + 2t and
/// 8j + 2t + 1 of x.
void WgmmaTile::stageSums(ArrayRef<Value> sums) {
  Value g = code.div(code.lane(), code.integer(4));
  Value t = code.rem(code.lane(), code.integer(4));
  int64_t own = weights == 2 ? kPackedRows : 2 * kPackedRows;
  int64_t further = weights == 2 ? width : kPackedRows;
  Value column = code.add(code.mul(code.warp(), code.integer(own)), g);
  Value at = code.add(code.mul(t, code.integer(2 * kStride)), column);
  for (auto [i, sum] : llvm::enumerate(sums)) {
    auto n = static_cast<int64_t>(i);
    int64_t row = n / 4 * 8 + n % 2, shift = n / 2 % 2 * further;
    code.store(sum, staged, code.add(at, code.integer(row * kStride + shift)));
  }
}

/// The tile's rows through the epilogue, a few neighbouring columns a thread.
void WgmmaTile::storeRows() {
  int64_t count = total % 4 ? 2 : 4, across = width / count;
  code.loop(code.thread(), code.integer(tileRows * across), kConsumerThreads,
            ValueRange(), [&](Value i, ValueRange) {
              Value own = code.div(i, code.integer(across));
              Value shift = code.mul(code.rem(i, code.integer(across)),
                                     code.integer(count));
              Value row = code.add(firstRow, own);
              Value column = code.add(firstColumn, shift);
              Value inside = code.both(code.less(row, rows),
                                       code.less(column, code.integer(total)));
              code.when(inside, [&] {
                Value at =
                    code.add(code.mul(own, code.integer(kStride)), shift);
                SmallVector<Value> parts;
                for (int64_t w = 0; w < weights; ++w) {
                  parts.push_back(code.loadVector(
                      staged, code.add(at, code.integer(w * width)), count));
                }
                storeRow(code, op, row, column, count, parts);
              });
              return SmallVector<Value>();
            });
}

void WgmmaTile::emit(Value tile) {
  Value across = code.integer(llvm::divideCeil(total, width));
  firstRow = code.mul(code.div(tile, across), code.integer(tileRows));
  firstColumn = code.mul(code.rem(tile, across), code.integer(width));
  code.once([&] {
    full.init(1);
    empty.init(kConsumers);
    // Copies see the barriers.
    NVVM::FenceProxyOp::create(
        code.b, code.loc, NVVM::ProxyKind::async_shared,
        NVVM::SharedSpaceAttr::get(code.b.getContext(),
                                   NVVM::SharedSpace::shared_cta));
  });
  code.barrier();
  copyFirst();
  Value consumer = code.less(code.warp(), code.integer(kConsumers));
  code.when(consumer, [&] {
    setRegisters(code, kConsumerRegisters, /*more=*/true);
    SmallVector<Value> sums = multiply();
    // Both warpgroups have read all stages.
    code.barrier(1, kConsumerThreads);
    stageSums(sums);
    code.barrier(1, kConsumerThreads);
    storeRows();
  });
  code.when(code.less(code.integer(kConsumers - 1), code.warp()), [&] {
    setRegisters(code, kProducerRegisters, /*more=*/false);
    if (stages < steps) {
      code.when(code.equal(code.warp(), code.integer(kConsumers)),
                [&] { copyRest(); });
    }
  });
}

/// Whether the configuration is one this template can run: x alone comes by a
/// tensor map, of boxes of a step of the tile's rows; the ring holds the sums.
static bool suits(CudaCode &code, LinearOp op) {
  constexpr int64_t kSwizzle = 2 * kInner, kMostRows = 256, kRowStep = 8;
  auto boxes = plan::tensorBoxes(code.kernel);
  int64_t rows = code.config("rows"), stages = code.config("stages");
  int64_t ring = 2 * stages * kInner * (rows + kColumns);
  auto x = dyn_cast<BlockArgument>(op.getX());
  bool packed = llvm::all_of(
      op.getWeights(), [](Value weight) { return isPacked(weight.getType()); });
  return boxes.size() == 1 && x && boxes[0].argument == x.getArgNumber() &&
         boxes[0].columns == kInner && boxes[0].rows == rows &&
         boxes[0].swizzle == kSwizzle && rows % kRowStep == 0 &&
         rows <= kMostRows && ring >= 4 * kStride * rows && stages > 1 &&
         code.threads() == kConsumerThreads + kProducerThreads &&
         op.getWeights().size() <= 2 && packed &&
         !llvm::is_contained(op.getAux(), op.getX());
}

EmitCudaTile rill::kernel::beginCudaWgmma(CudaCode &code,
                                          Operation *operation) {
  auto op = dyn_cast<LinearOp>(operation);
  if (!op || !suits(code, op)) {
    return nullptr;
  }
  auto tile = std::make_shared<WgmmaTile>(code, op);
  return [tile](Value number) { tile->emit(number); };
}
