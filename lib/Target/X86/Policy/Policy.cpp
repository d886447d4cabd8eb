//===- Policy.cpp - Which template an x86 target picks --------------------===//
//
// All facts about x86-64-v3 and v4 that Tiling asks for.
//
//===----------------------------------------------------------------------===//
#include "rill/Dialect/Rill/Rill.h"
#include "rill/Dialect/RillPlan/ShapeProgram.h"
#include "rill/Target/X86/X86.h"
#include "rill/Tiling/TargetPolicy.h"

using namespace mlir;
using namespace rill;

namespace {
/// One row per chip.
struct Chip {
  const char *name;
  int64_t lanes; ///< f32 lanes of a vector register
  /// Rows and columns a linear accumulates at once: rows * columns vectors,
  /// no more than lanes, so that one transposed sum packs them all.
  int64_t rows, columns;
};

class X86Policy : public TargetPolicy {
public:
  explicit X86Policy(Chip chip) : chip(chip) {}
  FailureOr<KernelChoice>
  choose(Operation *op, ArrayRef<SmallVector<std::string>> operandDims,
         ArrayRef<SmallVector<std::string>> resultDims) const override;

private:
  Chip chip;
};
} // namespace

static constexpr Chip kChips[] = {{"x86-64-v3", 8, 2, 4},
                                  {"x86-64-v4", 16, 4, 4}};

static std::string product(ArrayRef<std::string> dims) {
  std::string text = "1";
  for (const std::string &dim : dims) {
    text = plan::multiplyPrograms(text, dim);
  }
  return text;
}

/// One tile per row of the result; per head for attention.
static std::string rowGrid(Operation *op,
                           ArrayRef<SmallVector<std::string>> operandDims,
                           ArrayRef<SmallVector<std::string>> resultDims) {
  if (isa<StateAppendOp>(op)) {
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
          PixelUnshuffleOp, StateWindowOp, StateAppendOp>(op)) {
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
                  ArrayRef<SmallVector<std::string>> resultDims) const {
  Builder b(op->getContext());
  auto entry = [&](StringRef name, int64_t value) {
    return b.getNamedAttr(name, b.getI64IntegerAttr(value));
  };
  auto linear = dyn_cast<LinearOp>(op);
  if (linear && linear.getPrologue() == Prologue::None &&
      (linear.getCombine() == Combine::Zip ||
       linear.getWeights().size() == 1)) {
    // Each zipped weight has accumulators of its own.
    int64_t columns =
        std::max<int64_t>(1, chip.columns / linear.getNumAccumulators());
    auto config = b.getDictionaryAttr({entry("columns", columns),
                                       entry("lanes", chip.lanes),
                                       entry("rows", chip.rows)});
    return KernelChoice{"linear", config,
                        plan::ceilDivProgram(resultDims[0].back(), columns)};
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
