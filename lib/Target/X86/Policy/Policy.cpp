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
  /// Products of few rows: columns of a tile; most rows of a block, weight rows
  /// that it reads side by side, and its accumulator vectors (registers less
  /// weights and spills).
  int64_t columns, rows, streams, sums;
  /// Products of many rows.
  kernel::PanelShape panel;
};

/// The choice for one op.
struct Choice {
  const Chip &chip;
  ArrayRef<SmallVector<std::string>> operandDims, resultDims;
  bool manyRows;
  Builder b;

  FailureOr<KernelChoice> choose(Operation *op);

private:
  NamedAttribute entry(StringRef name, int64_t value) {
    return b.getNamedAttr(name, b.getI64IntegerAttr(value));
  }
  /// Many rows: a shape of panels.
  KernelChoice panels(StringRef name, const std::string &grid, int64_t scratch,
                      ArrayRef<NamedAttribute> more);
  /// Few rows: x, prepared, and `parts` products of a tile in scratch.
  KernelChoice fewRows(StringRef name, int64_t tiles, Value x, int64_t parts);
  FailureOr<KernelChoice> linear(LinearOp op);
  KernelChoice flash(AttentionOp op, int64_t groups);
};

class X86Policy : public TargetPolicy {
public:
  explicit X86Policy(Chip chip) : chip(chip) {}
  FailureOr<KernelChoice> choose(Operation *op,
                                 ArrayRef<SmallVector<std::string>> operandDims,
                                 ArrayRef<SmallVector<std::string>> resultDims,
                                 const Calls &calls) const override {
    return Choice{chip, operandDims, resultDims, calls.manyRows,
                  Builder(op->getContext())}
        .choose(op);
  }

private:
  Chip chip;
};
} // namespace

static constexpr Chip kChips[] = {{"x86-64-v3", 8, 16, 4, 4, 8, {8, 2, 6}},
                                  {"x86-64-v4", 16, 16, 8, 8, 24, {16, 4, 6}}};

static int64_t lastSize(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape().back();
}

static std::string rowsOf(ArrayRef<std::string> dims) {
  return kernel::sizeProgram(dims.drop_back());
}

KernelChoice Choice::panels(StringRef name, const std::string &grid,
                            int64_t scratch, ArrayRef<NamedAttribute> more) {
  SmallVector<NamedAttribute> config = {
      entry("lanes", chip.panel.lanes), entry("vectors", chip.panel.vectors),
      entry("rows", chip.panel.rows),
      b.getNamedAttr("scratch", b.getStringAttr(std::to_string(scratch)))};
  config.append(more.begin(), more.end());
  return {name.str(), b.getDictionaryAttr(config), grid};
}

KernelChoice Choice::fewRows(StringRef name, int64_t tiles, Value x,
                             int64_t parts) {
  int64_t floats = lastSize(x) + parts * chip.columns;
  std::string scratch = plan::multiplyPrograms(rowsOf(operandDims[0]),
                                               std::to_string(4 * floats));
  auto config = b.getDictionaryAttr(
      {entry("columns", chip.columns), entry("lanes", chip.lanes),
       entry("rows", chip.rows),
       b.getNamedAttr("scratch", b.getStringAttr(scratch)),
       entry("streams", chip.streams), entry("sums", chip.sums)});
  return {name.str(), config, std::to_string(tiles)};
}

FailureOr<KernelChoice> Choice::linear(LinearOp op) {
  bool dynamic = !cast<RankedTensorType>(op.getX().getType()).hasStaticShape();
  bool zip = op.getCombine() == Combine::Zip;
  if (dynamic && manyRows && op.getPrologue() == Prologue::None &&
      (zip || op.getWeights().size() == 1)) {
    int64_t across =
        llvm::divideCeil(lastSize(op.getY()), chip.panel.columns());
    std::string grid = plan::multiplyPrograms(
        plan::ceilDivProgram(rowsOf(resultDims[0]), kernel::kGemmRows),
        std::to_string(across));
    return panels("gemm", grid,
                  kernel::gemmScratch(chip.panel, op.getNumAccumulators()), {});
  }
  if (op.getPrologue() != Prologue::None &&
      op.getPrologue() != Prologue::RmsNorm) {
    return failure();
  }
  int64_t tiles = 0;
  ValueRange weights = op.getWeights();
  for (Value weight : zip ? weights.take_front() : weights) {
    int64_t rows = cast<RankedTensorType>(weight.getType()).getDimSize(0);
    tiles += llvm::divideCeil(rows, chip.columns);
  }
  return fewRows("linear", tiles, op.getX(), op.getNumAccumulators());
}

KernelChoice Choice::flash(AttentionOp op, int64_t groups) {
  auto type = cast<RankedTensorType>(op.getQ().getType());
  int64_t heads = type.getDimSize(2) / groups;
  std::string blocks =
      plan::ceilDivProgram(resultDims[0][1], kernel::flashSequenceRows(heads));
  return panels("flash_attention",
                plan::multiplyPrograms(
                    blocks, std::to_string(type.getDimSize(0) * groups)),
                kernel::flashScratch(chip.panel, heads, type.getDimSize(3)),
                entry("groups", groups));
}

FailureOr<KernelChoice> Choice::choose(Operation *op) {
  if (auto product = dyn_cast<LinearOp>(op)) {
    return linear(product);
  }
  if (auto mix = dyn_cast<ShortConvMixOp>(op)) {
    return fewRows("short_conv_mix",
                   llvm::divideCeil(lastSize(mix.getX()), chip.columns),
                   mix.getX(), 3);
  }
  if (auto update = dyn_cast<AttentionUpdateOp>(op)) {
    auto keys = SymbolTable::lookupNearestSymbolFrom<StateOp>(
        op, update.getKStateAttr());
    auto type = cast<RankedTensorType>(keys.getType());
    return KernelChoice{
        "attention_update", b.getDictionaryAttr(entry("lanes", chip.lanes)),
        std::to_string(type.getDimSize(0) * type.getDimSize(1))};
  }
  if (auto sample = dyn_cast<SampleOp>(op)) {
    std::string bytes = std::to_string(kernel::sampleBytes(sample));
    return KernelChoice{
        "sample",
        b.getDictionaryAttr(
            {entry("lanes", chip.lanes),
             b.getNamedAttr("scratch", b.getStringAttr(bytes))}),
        kernel::sizeProgram(resultDims[0])};
  }
  auto attention = dyn_cast<AttentionOp>(op);
  int64_t groups = attention && manyRows ? kernel::flashGroups(attention) : 0;
  if (groups) {
    return flash(attention, groups);
  }
  StringRef name = attention ? StringRef("attention") : kernel::rowTemplate(op);
  if (name.empty()) {
    return failure();
  }
  return KernelChoice{name.str(),
                      b.getDictionaryAttr(entry("lanes", chip.lanes)),
                      kernel::rowGrid(op, operandDims, resultDims)};
}

void rill::x86::registerPolicies() {
  static const X86Policy v3(kChips[0]), v4(kChips[1]);
  registerTargetPolicy(kChips[0].name, &v3);
  registerTargetPolicy(kChips[1].name, &v4);
}

bool rill::x86::isTarget(StringRef target) {
  return llvm::any_of(kChips, [&](Chip chip) { return target == chip.name; });
}
