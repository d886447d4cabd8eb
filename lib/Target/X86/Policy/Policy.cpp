//===- Policy.cpp - Which template an x86 target picks --------------------===//
//
// All facts about x86-64-v3 and v4 that Tiling asks for.
//
//===----------------------------------------------------------------------===//
#include "rill/Dialect/Rill/Rill.h"
#include "rill/Dialect/RillPlan/ShapeProgram.h"
#include "rill/Kernel/Templates.h"
#include "rill/Target/X86/X86.h"
#include "rill/Tiling/TargetPolicy.h"

using namespace mlir;
using namespace rill;

namespace {
/// One row per chip.
struct Chip {
  const char *name;
  int64_t lanes; ///< f32 lanes of a vector register
  /// Products of few rows: most rows of a block, columns of a tile, and
  /// accumulator vectors of a block (registers less weights and spills).
  int64_t rows, columns, sums;
  /// Products of many rows.
  kernel::PanelShape panel;
};

class X86Policy : public TargetPolicy {
public:
  explicit X86Policy(Chip chip) : chip(chip) {}
  FailureOr<KernelChoice> choose(Operation *op,
                                 ArrayRef<SmallVector<std::string>> operandDims,
                                 ArrayRef<SmallVector<std::string>> resultDims,
                                 bool manyRows) const override;

private:
  Chip chip;
};
} // namespace

static constexpr Chip kChips[] = {{"x86-64-v3", 8, 4, 4, 8, {8, 2, 6}},
                                  {"x86-64-v4", 16, 8, 6, 24, {16, 4, 6}}};

static std::string product(ArrayRef<std::string> dims) {
  std::string text = "1";
  for (const std::string &dim : dims) {
    text = plan::multiplyPrograms(text, dim);
  }
  return text;
}

static int64_t lastSize(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape().back();
}

/// One tile per row of the result; per head for attention.
static std::string rowGrid(Operation *op,
                           ArrayRef<SmallVector<std::string>> operandDims,
                           ArrayRef<SmallVector<std::string>> resultDims) {
  if (isa<StateAppendOp, StackOp>(op)) {
    return product(ArrayRef(operandDims[0]).take_front(2));
  }
  if (isa<RopeOp>(op)) {
    return product(ArrayRef(resultDims[0]).take_front(2));
  }
  return product(ArrayRef(resultDims[0]).drop_back());
}

/// The template that runs an op row by row; empty when none does.
static StringRef rowTemplate(Operation *op) {
  if (isa<EmbeddingOp, ElementwiseOp, RmsNormOp, LayerNormOp, LastRowOp,
          StackOp, PixelUnshuffleOp, StateWindowOp, StateAppendOp>(op)) {
    return "rows";
  }
  if (isa<RopeOp, PositionResizeOp>(op)) {
    return "positions";
  }
  if (isa<ShortConvOp>(op)) {
    return "short_conv";
  }
  return isa<AttentionOp>(op) ? "attention" : "";
}

FailureOr<KernelChoice>
X86Policy::choose(Operation *op, ArrayRef<SmallVector<std::string>> operandDims,
                  ArrayRef<SmallVector<std::string>> resultDims,
                  bool manyRows) const {
  Builder b(op->getContext());
  auto entry = [&](StringRef name, int64_t value) {
    return b.getNamedAttr(name, b.getI64IntegerAttr(value));
  };
  auto rowsOf = [&](ArrayRef<std::string> dims) {
    return product(dims.drop_back());
  };
  // Many rows: a shape of panels.
  auto manyRowsOf = [&](StringRef name, const std::string &grid,
                        int64_t scratch, ArrayRef<NamedAttribute> more) {
    SmallVector<NamedAttribute> config = {
        entry("lanes", chip.panel.lanes), entry("vectors", chip.panel.vectors),
        entry("rows", chip.panel.rows),
        b.getNamedAttr("scratch", b.getStringAttr(std::to_string(scratch)))};
    config.append(more.begin(), more.end());
    return KernelChoice{name.str(), b.getDictionaryAttr(config), grid};
  };
  // Few rows: prepared rows in scratch (short_conv_mix: and its products).
  auto fewRows = [&](StringRef name, int64_t columns, const std::string &grid,
                     int64_t scratchPerRow) {
    std::string scratch = plan::multiplyPrograms(
        rowsOf(operandDims[0]), std::to_string(scratchPerRow * 4));
    auto config = b.getDictionaryAttr(
        {entry("columns", columns), entry("lanes", chip.lanes),
         entry("rows", chip.rows),
         b.getNamedAttr("scratch", b.getStringAttr(scratch)),
         entry("sums", chip.sums)});
    return KernelChoice{name.str(), config, grid};
  };
  auto linear = dyn_cast<LinearOp>(op);
  bool dynamic =
      linear &&
      !cast<RankedTensorType>(linear.getX().getType()).hasStaticShape();
  if (dynamic && manyRows && linear.getPrologue() == Prologue::None &&
      (linear.getCombine() == Combine::Zip ||
       linear.getWeights().size() == 1)) {
    int64_t across =
        llvm::divideCeil(lastSize(linear.getY()), chip.panel.columns());
    std::string grid = plan::multiplyPrograms(
        plan::ceilDivProgram(rowsOf(resultDims[0]), kernel::kGemmRows),
        std::to_string(across));
    return manyRowsOf(
        "gemm", grid,
        kernel::gemmScratch(chip.panel, linear.getNumAccumulators()), {});
  }
  if (linear) {
    if (linear.getPrologue() != Prologue::None &&
        linear.getPrologue() != Prologue::RmsNorm) {
      return failure();
    }
    // Each zipped weight has accumulators of its own.
    int64_t columns =
        std::max<int64_t>(1, chip.columns / linear.getNumAccumulators());
    int64_t inner = lastSize(linear.getX());
    int64_t tiles = 0;
    ValueRange weights = linear.getWeights();
    if (linear.getCombine() == Combine::Zip) {
      weights = weights.take_front();
    }
    for (Value weight : weights) {
      int64_t rows = cast<RankedTensorType>(weight.getType()).getDimSize(0);
      tiles += llvm::divideCeil(rows, columns);
    }
    return fewRows("linear", columns, std::to_string(tiles), inner);
  }
  if (auto mix = dyn_cast<ShortConvMixOp>(op)) {
    int64_t channels = lastSize(mix.getX());
    return fewRows("short_conv_mix", chip.columns,
                   std::to_string(llvm::divideCeil(channels, chip.columns)),
                   channels + 3 * chip.columns);
  }
  if (auto update = dyn_cast<AttentionUpdateOp>(op)) {
    auto keys = SymbolTable::lookupNearestSymbolFrom<StateOp>(
        op, update.getKStateAttr());
    auto type = cast<RankedTensorType>(keys.getType());
    return KernelChoice{
        "attention_update", b.getDictionaryAttr(entry("lanes", chip.lanes)),
        std::to_string(type.getDimSize(0) * type.getDimSize(1))};
  }
  auto attention = dyn_cast<AttentionOp>(op);
  int64_t groups = attention && manyRows ? kernel::flashGroups(attention) : 0;
  if (groups) {
    auto type = cast<RankedTensorType>(attention.getQ().getType());
    int64_t heads = type.getDimSize(2) / groups;
    std::string blocks = plan::ceilDivProgram(resultDims[0][1],
                                              kernel::flashSequenceRows(heads));
    return manyRowsOf(
        "flash_attention",
        plan::multiplyPrograms(blocks,
                               std::to_string(type.getDimSize(0) * groups)),
        kernel::flashScratch(chip.panel, heads, type.getDimSize(3)),
        entry("groups", groups));
  }
  StringRef name = rowTemplate(op);
  if (name.empty()) {
    return failure();
  }
  return KernelChoice{name.str(),
                      b.getDictionaryAttr(entry("lanes", chip.lanes)),
                      rowGrid(op, operandDims, resultDims)};
}

void rill::x86::registerPolicies() {
  static const X86Policy v3(kChips[0]), v4(kChips[1]);
  registerTargetPolicy(kChips[0].name, &v3);
  registerTargetPolicy(kChips[1].name, &v4);
}

bool rill::x86::isTarget(StringRef target) {
  return llvm::any_of(kChips, [&](Chip chip) { return target == chip.name; });
}
