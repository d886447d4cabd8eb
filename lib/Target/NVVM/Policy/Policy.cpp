//===- Policy.cpp - Which template a CUDA target picks --------------------===//
//
// Tile configurations by shape and by the facts of Chips.cpp.
//
//===----------------------------------------------------------------------===//
#include "rill/Dialect/Rill/Rill.h"
#include "rill/Dialect/RillPlan/ShapeProgram.h"
#include "rill/Kernel/Templates.h"
#include "rill/Target/NVVM/NVVM.h"
#include "rill/Tiling/TargetPolicy.h"

#include <deque>

using namespace mlir;
using namespace rill;
using namespace rill::nvvm;

using AllDims = ArrayRef<SmallVector<std::string>>;

static constexpr int64_t kWarp = 32;
/// Rows that a block of "cuda_linear" takes, and at most of a sequence in the
/// few-row family.
static constexpr int64_t kRows = 16;

namespace {
class CudaPolicy : public TargetPolicy {
public:
  explicit CudaPolicy(const Chip &chip) : chip(chip) {}
  FailureOr<KernelChoice> choose(Operation *op, AllDims operandDims,
                                 AllDims resultDims,
                                 const Calls &calls) const override;
  KeySplit splitKeys(Operation *op) const override;
  bool readsPacked(OpOperand &weight) const override;

private:
  const Chip &chip;
};
} // namespace

static int64_t lastSize(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape().back();
}

static DictionaryAttr
makeConfig(MLIRContext *context,
           ArrayRef<std::pair<StringRef, int64_t>> entries) {
  Builder b(context);
  SmallVector<NamedAttribute> list;
  for (auto [name, value] : entries) {
    list.push_back(b.getNamedAttr(name, b.getI64IntegerAttr(value)));
  }
  return b.getDictionaryAttr(list);
}

/// Whether tensor cores run the products: bf16 on both sides, packed weights,
/// rows of whole 16-byte words.
static bool usesMma(Value x, Type round, ValueRange weights) {
  auto isBf16 = [](Value value) {
    return cast<RankedTensorType>(value.getType()).getElementType().isBF16();
  };
  constexpr int64_t kWord = 8;
  return (round ? round.isBF16() : isBf16(x)) &&
         llvm::all_of(weights,
                      [](Value value) { return isPacked(value.getType()); }) &&
         lastSize(weights[0]) % kWord == 0;
}

namespace {
/// How the products of the few-row family are run.
struct Products {
  int64_t threads, columns; ///< of a block
  int64_t tiles;            ///< n8 tiles of mma; 0: f32 FMA
};
} // namespace

/// `zipped` weights of `rows` rows side by side.
static Products productsOf(Value x, Type round, ValueRange weights,
                           int64_t zipped, int64_t rows) {
  int64_t inner = lastSize(weights[0]);
  constexpr int64_t kColumns = 8, kBlock = 32, kMostWarps = 8;
  if (!usesMma(x, round, weights)) {
    constexpr int64_t kWarps = 4;
    return {kWarps * kWarp, kWarps, 0};
  }
  // Warps share the inner dimension. Wide results take several n8 tiles, so
  // that a block's norm and reduction are paid for by more weights.
  constexpr int64_t kWide = 16384;
  int64_t warps =
      std::min<int64_t>(kMostWarps, llvm::divideCeil(inner, kBlock));
  int64_t tiles = rows > kWide && zipped == 1 ? 4 : 1;
  return {warps * kWarp, tiles * kColumns, tiles};
}

static DictionaryAttr productsConfig(MLIRContext *context, Products products,
                                     int64_t rows) {
  SmallVector<std::pair<StringRef, int64_t>> entries = {
      {"blocks", 2}, {"rows", rows}, {"threads", products.threads}};
  if (products.tiles) {
    entries.push_back({"tiles", products.tiles});
  }
  return makeConfig(context, entries);
}

static int64_t rowsOf(Value weight) {
  return cast<RankedTensorType>(weight.getType()).getDimSize(0);
}

/// Whether "cuda_gemm" runs the product: dynamically many bf16 rows, one weight
/// or two zipped ones, pairs of columns.
static bool usesGemm(LinearOp op, bool manyRows) {
  size_t count = op.getWeights().size();
  bool shaped = count == 1 || (count == 2 && op.getCombine() == Combine::Zip);
  return manyRows && shaped && op.getPrologue() == Prologue::None &&
         !cast<RankedTensorType>(op.getX().getType()).hasStaticShape() &&
         usesMma(op.getX(), Type(), op.getWeights()) &&
         lastSize(op.getY()) % 2 == 0;
}

static KernelChoice gemmChoice(LinearOp op, AllDims operandDims) {
  // As in GemmTemplate.cpp: 8 warps on 128 by 128.
  constexpr int64_t kThreads = 256, kRows = 128, kColumns = 128;
  int64_t width = kColumns / static_cast<int64_t>(op.getWeights().size());
  std::string rows = kernel::sizeProgram(ArrayRef(operandDims[0]).drop_back());
  return {"cuda_gemm",
          makeConfig(op.getContext(), {{"blocks", 2}, {"threads", kThreads}}),
          plan::multiplyPrograms(
              plan::ceilDivProgram(rows, kRows),
              std::to_string(llvm::divideCeil(lastSize(op.getY()), width)))};
}

/// Whether "cuda_wgmma" runs what "cuda_gemm" would: x comes by a tensor map
/// alone.
static bool usesWgmma(const Chip &chip, LinearOp op) {
  return chip.wgmma && !llvm::is_contained(op.getAux(), op.getX());
}

/// As in WgmmaTemplate.cpp: weight rows of a block, inner elements of a step.
static constexpr int64_t kWgmmaColumns = 128, kWgmmaInner = 64;

/// Clocks of a call in which a block takes `rows` of x's `all` rows: rounds of
/// blocks, each of `steps` that multiply while the next ones are copied.
static int64_t wgmmaClocks(const Chip &chip, int64_t rows, int64_t all,
                           int64_t across, int64_t steps) {
  // Filling the ring and storing the sums, roughly.
  constexpr int64_t kFill = 1500, kPerRow = 8;
  int64_t rounds = llvm::divideCeil(llvm::divideCeil(all, rows) * across,
                                    chip.multiprocessors);
  int64_t products = kWgmmaColumns * rows * kWgmmaInner;
  int64_t bytes = 2 * (kWgmmaColumns + rows) * kWgmmaInner;
  int64_t step = std::max(products / chip.wgmma, bytes / chip.cacheBytes);
  return rounds * (steps * step + kFill + kPerRow * rows);
}

/// Rows of x that a block takes. Any call up to the largest may come: the
/// largest, half of it, a quarter and so on count.
static int64_t wgmmaRows(const Chip &chip, LinearOp op, int64_t most,
                         int64_t across) {
  int64_t steps = llvm::divideCeil(lastSize(op.getX()), kWgmmaInner);
  int64_t best = 0, least = 0;
  for (int64_t rows : {128, 256, 64}) {
    int64_t clocks = 0;
    for (int64_t all = most; all > kRows; all /= 2) {
      clocks += wgmmaClocks(chip, rows, all, across, steps);
    }
    if (!best || clocks < least) {
      best = rows;
      least = clocks;
    }
  }
  return best;
}

static KernelChoice wgmmaChoice(const Chip &chip, LinearOp op,
                                AllDims operandDims, const Calls &calls) {
  constexpr int64_t kThreads = 384, kSwizzle = 128, kRing = 192 * 1024;
  int64_t width = kWgmmaColumns / static_cast<int64_t>(op.getWeights().size());
  int64_t across = llvm::divideCeil(lastSize(op.getY()), width);
  std::string program =
      kernel::sizeProgram(ArrayRef(operandDims[0]).drop_back());
  int64_t rows = wgmmaRows(chip, op, calls.most(program), across);
  int64_t stages = kRing / (2 * kWgmmaInner * (kWgmmaColumns + rows));
  Builder b(op.getContext());
  NamedAttrList config(makeConfig(op.getContext(), {{"blocks", 1},
                                                    {"rows", rows},
                                                    {"stages", stages},
                                                    {"threads", kThreads}}));
  // x is the first operand.
  config.set("maps", b.getDenseI64ArrayAttr({0, kWgmmaInner, rows, kSwizzle}));
  return {"cuda_wgmma", config.getDictionary(op.getContext()),
          plan::multiplyPrograms(plan::ceilDivProgram(program, rows),
                                 std::to_string(across))};
}

/// Tiles do not cross stacked weights.
static KernelChoice linearChoice(LinearOp op, AllDims operandDims) {
  ValueRange weights = op.getWeights();
  bool zip = op.getCombine() == Combine::Zip;
  Type round = op.getPrologue() == Prologue::None
                   ? Type()
                   : op.getRound().value_or(Float32Type::get(op.getContext()));
  int64_t total = 0, across = 0;
  for (Value weight : zip ? weights.take_front() : weights) {
    total += rowsOf(weight);
  }
  Products products =
      productsOf(op.getX(), round, weights, zip ? weights.size() : 1, total);
  for (Value weight : zip ? weights.take_front() : weights) {
    across += llvm::divideCeil(rowsOf(weight), products.columns);
  }
  bool merges = op.getPrologue() == Prologue::AttentionMerge;
  int64_t blockRows = kRows;
  if (merges && !products.tiles) {
    // The merged rows stand in shared memory, as f32.
    constexpr int64_t kMost = 32 * 1024, kElement = 4;
    blockRows = std::clamp<int64_t>(kMost / (kElement * lastSize(weights[0])),
                                    1, kRows);
  }
  std::string rows =
      kernel::sizeProgram(ArrayRef(operandDims[0]).drop_back(merges ? 3 : 1));
  return {"cuda_linear", productsConfig(op.getContext(), products, blockRows),
          plan::multiplyPrograms(plan::ceilDivProgram(rows, blockRows),
                                 std::to_string(across))};
}

/// A block takes all rows of its channels; nothing when they are more than
/// tensor cores take at once.
static KernelChoice mixChoice(ShortConvMixOp op) {
  auto type = cast<RankedTensorType>(op.getX().getType());
  auto state =
      SymbolTable::lookupNearestSymbolFrom<StateOp>(op, op.getStateAttr());
  Type round = cast<RankedTensorType>(state.getType()).getElementType();
  int64_t rows = kRows * type.getDimSize(0);
  if (rows > kRows) {
    round = Float32Type::get(op.getContext()); // one m16 tile holds 16 rows
  }
  Products products =
      productsOf(op.getX(), round, op.getWeights(), 3, lastSize(op.getX()));
  int64_t tiles = llvm::divideCeil(lastSize(op.getX()), products.columns);
  return {"cuda_short_conv_mix",
          productsConfig(op.getContext(), products, rows),
          std::to_string(tiles)};
}

/// As in ShortConvTemplate.cpp: four rows a warp, a 16-byte vector a lane.
static KernelChoice convChoice(ShortConvOp op, AllDims operandDims) {
  constexpr int64_t kThreads = 256, kWarpRows = 4;
  auto type = cast<RankedTensorType>(op.getX().getType());
  int64_t lanes = 128 / type.getElementTypeBitWidth();
  while (type.getDimSize(2) % lanes) {
    lanes /= 2;
  }
  int64_t across = llvm::divideCeil(type.getDimSize(2) / lanes, kWarp);
  return {
      "cuda_short_conv", makeConfig(op.getContext(), {{"threads", kThreads}}),
      plan::multiplyPrograms(
          plan::ceilDivProgram(operandDims[1][1], kThreads / kWarp * kWarpRows),
          std::to_string(type.getDimSize(0) * across))};
}

static KernelChoice updateChoice(AttentionUpdateOp op) {
  auto keys =
      SymbolTable::lookupNearestSymbolFrom<StateOp>(op, op.getKStateAttr());
  auto type = cast<RankedTensorType>(keys.getType());
  return {
      "cuda_attention_update", makeConfig(op.getContext(), {{"threads", 256}}),
      std::to_string(type.getDimSize(0) * type.getDimSize(1) * op.getParts())};
}

/// Parts enough to give each multiprocessor one, as long as merging the parts
/// of a row, which each block of the next product does, reads few bytes.
KeySplit CudaPolicy::splitKeys(Operation *op) const {
  constexpr int64_t kChunk = 64, kMostBytes = 40 * 1024, kMostParts = 16;
  auto update = cast<AttentionUpdateOp>(op);
  auto keys =
      SymbolTable::lookupNearestSymbolFrom<StateOp>(op, update.getKStateAttr());
  auto type = cast<RankedTensorType>(keys.getType());
  int64_t rowBytes =
      static_cast<int64_t>(update.getHeads()) * (type.getDimSize(3) + 2) * 4;
  int64_t most = std::min(
      {chip.multiprocessors / (type.getDimSize(0) * type.getDimSize(1)),
       kMostBytes / rowBytes, kMostParts,
       static_cast<int64_t>(llvm::divideCeil(type.getDimSize(2), kChunk))});
  return {most < 2 ? 1 : static_cast<int64_t>(llvm::bit_floor<uint64_t>(most)),
          kChunk};
}

/// Weights of products, and tables whose rows are taken.
bool CudaPolicy::readsPacked(OpOperand &weight) const {
  Operation *op = weight.getOwner();
  unsigned number = weight.getOperandNumber();
  auto within = [&](OperandRange range) {
    unsigned first = range.getBeginOperandIndex();
    return number >= first && number < first + range.size();
  };
  if (auto linear = dyn_cast<LinearOp>(op)) {
    return within(linear.getWeights());
  }
  if (auto mix = dyn_cast<ShortConvMixOp>(op)) {
    return within(mix.getWeights());
  }
  return isa<EmbeddingOp>(op) &&
         number == cast<EmbeddingOp>(op).getTableMutable().getOperandNumber();
}

/// Whether "cuda_flash" runs the attention: bf16 heads of whole 16-byte words,
/// segments that are all visible or causal.
static bool usesFlash(AttentionOp op) {
  auto isBf16 = [](Value value) {
    return cast<RankedTensorType>(value.getType()).getElementType().isBF16();
  };
  constexpr int64_t kWord = 8, kWidest = 128;
  int64_t width = lastSize(op.getQ());
  return kernel::flashGroups(op) && isBf16(op.getQ()) &&
         llvm::all_of(op.getKeys(), isBf16) &&
         llvm::all_of(op.getValues(), isBf16) && width % kWord == 0 &&
         width <= kWidest;
}

static KernelChoice attentionChoice(AttentionOp op, AllDims resultDims,
                                    bool manyRows) {
  constexpr int64_t kThreads = 128;
  if (manyRows && usesFlash(op)) {
    constexpr int64_t kTileRows = kThreads / kWarp * 16;
    auto type = cast<RankedTensorType>(op.getQ().getType());
    return {"cuda_flash", makeConfig(op.getContext(), {{"threads", kThreads}}),
            plan::multiplyPrograms(
                plan::ceilDivProgram(resultDims[0][1], kTileRows),
                std::to_string(type.getDimSize(0) * type.getDimSize(2)))};
  }
  std::string heads = kernel::sizeProgram(ArrayRef(resultDims[0]).drop_back());
  return {"cuda_attention",
          makeConfig(op.getContext(), {{"threads", kThreads}}),
          plan::ceilDivProgram(heads, kThreads / kWarp)};
}

/// A block per row; threads enough for one vector each, at most 256.
static KernelChoice rowChoice(Operation *op, StringRef name,
                              AllDims operandDims, AllDims resultDims) {
  constexpr int64_t kLanes = 4, kMost = 256;
  Value shape = op->getNumResults() ? op->getResult(0) : op->getOperand(0);
  int64_t vectors = llvm::divideCeil(lastSize(shape), kLanes);
  int64_t warps = llvm::divideCeil(vectors, kWarp);
  int64_t threads = std::min<int64_t>(kMost, warps * kWarp);
  return {
      name.str(),
      makeConfig(op->getContext(), {{"lanes", kLanes}, {"threads", threads}}),
      kernel::rowGrid(op, operandDims, resultDims)};
}

static FailureOr<KernelChoice> chooseTemplate(const Chip &chip, Operation *op,
                                              AllDims operandDims,
                                              AllDims resultDims,
                                              const Calls &calls) {
  if (auto linear = dyn_cast<LinearOp>(op)) {
    if (linear.getPrologue() == Prologue::LayerNorm) {
      return failure();
    }
    if (!usesGemm(linear, calls.manyRows)) {
      return linearChoice(linear, operandDims);
    }
    return usesWgmma(chip, linear)
               ? wgmmaChoice(chip, linear, operandDims, calls)
               : gemmChoice(linear, operandDims);
  }
  if (auto mix = dyn_cast<ShortConvMixOp>(op)) {
    return mixChoice(mix);
  }
  if (auto conv = dyn_cast<ShortConvOp>(op)) {
    return convChoice(conv, operandDims);
  }
  if (auto update = dyn_cast<AttentionUpdateOp>(op)) {
    return updateChoice(update);
  }
  if (auto attention = dyn_cast<AttentionOp>(op)) {
    return attentionChoice(attention, resultDims, calls.manyRows);
  }
  if (isa<PackOp>(op)) {
    return KernelChoice{"cuda_pack",
                        makeConfig(op->getContext(), {{"threads", 256}}),
                        std::to_string(llvm::divideCeil(
                            rowsOf(op->getOperand(0)), kPackedRows))};
  }
  if (isa<SampleOp>(op)) {
    return KernelChoice{
        "sample",
        makeConfig(op->getContext(), {{"lanes", 8}, {"threads", 512}}),
        kernel::sizeProgram(resultDims[0])};
  }
  StringRef name = kernel::rowTemplate(op);
  if (name.empty()) {
    return failure();
  }
  return rowChoice(op, name, operandDims, resultDims);
}

FailureOr<KernelChoice> CudaPolicy::choose(Operation *op, AllDims operandDims,
                                           AllDims resultDims,
                                           const Calls &calls) const {
  auto choice = chooseTemplate(chip, op, operandDims, resultDims, calls);
  if (succeeded(choice) && chip.dependentLaunch) {
    Builder b(op->getContext());
    NamedAttrList config(choice->config);
    config.set("dependent", b.getI64IntegerAttr(1));
    choice->config = config.getDictionary(op->getContext());
  }
  return choice;
}

void rill::nvvm::registerPolicies() {
  static const std::deque<CudaPolicy> policies(chips().begin(), chips().end());
  for (auto [chip, policy] : llvm::zip_equal(chips(), policies)) {
    registerTargetPolicy(chip.name, &policy);
  }
}
