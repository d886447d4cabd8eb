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
  FailureOr<KernelChoice> choose(Operation *op, AllDims operandDims,
                                 AllDims resultDims,
                                 bool manyRows) const override;
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

/// A warp per column; tiles do not cross stacked weights.
static KernelChoice linearChoice(LinearOp op, AllDims operandDims) {
  constexpr int64_t kThreads = 128;
  ValueRange weights = op.getWeights();
  if (op.getCombine() == Combine::Zip) {
    weights = weights.take_front();
  }
  int64_t across = 0;
  for (Value weight : weights) {
    across +=
        llvm::divideCeil(cast<RankedTensorType>(weight.getType()).getDimSize(0),
                         kThreads / kWarp);
  }
  std::string rows = kernel::sizeProgram(ArrayRef(operandDims[0]).drop_back());
  return {"cuda_linear",
          makeConfig(op.getContext(), {{"rows", kRows}, {"threads", kThreads}}),
          plan::multiplyPrograms(plan::ceilDivProgram(rows, kRows),
                                 std::to_string(across))};
}

static KernelChoice mixChoice(ShortConvMixOp op) {
  constexpr int64_t kThreads = 128;
  auto type = cast<RankedTensorType>(op.getX().getType());
  int64_t tiles = llvm::divideCeil(lastSize(op.getX()), kThreads / kWarp);
  return {"cuda_short_conv_mix",
          makeConfig(op.getContext(), {{"rows", kRows * type.getDimSize(0)},
                                       {"threads", kThreads}}),
          std::to_string(tiles)};
}

static KernelChoice updateChoice(AttentionUpdateOp op) {
  auto keys =
      SymbolTable::lookupNearestSymbolFrom<StateOp>(op, op.getKStateAttr());
  auto type = cast<RankedTensorType>(keys.getType());
  return {"cuda_attention_update",
          makeConfig(op.getContext(), {{"threads", 128}}),
          std::to_string(type.getDimSize(0) * type.getDimSize(1))};
}

static KernelChoice attentionChoice(AttentionOp op, AllDims resultDims) {
  constexpr int64_t kThreads = 128;
  std::string heads = kernel::sizeProgram(ArrayRef(resultDims[0]).drop_back());
  return {"cuda_attention",
          makeConfig(op.getContext(), {{"threads", kThreads}}),
          plan::ceilDivProgram(heads, kThreads / kWarp)};
}

/// A block per row; threads enough for one vector each, at most 256.
static KernelChoice rowChoice(Operation *op, StringRef name,
                              AllDims operandDims, AllDims resultDims) {
  constexpr int64_t kLanes = 4, kMost = 256;
  Value shape = isa<StateAppendOp>(op) ? op->getOperand(0) : op->getResult(0);
  int64_t vectors = llvm::divideCeil(lastSize(shape), kLanes);
  int64_t warps = llvm::divideCeil(vectors, kWarp);
  int64_t threads = std::min<int64_t>(kMost, warps * kWarp);
  return {
      name.str(),
      makeConfig(op->getContext(), {{"lanes", kLanes}, {"threads", threads}}),
      kernel::rowGrid(op, operandDims, resultDims)};
}

FailureOr<KernelChoice> CudaPolicy::choose(Operation *op, AllDims operandDims,
                                           AllDims resultDims,
                                           bool manyRows) const {
  if (auto linear = dyn_cast<LinearOp>(op)) {
    if (linear.getPrologue() != Prologue::None &&
        linear.getPrologue() != Prologue::RmsNorm) {
      return failure();
    }
    return linearChoice(linear, operandDims);
  }
  if (auto mix = dyn_cast<ShortConvMixOp>(op)) {
    return mixChoice(mix);
  }
  if (auto update = dyn_cast<AttentionUpdateOp>(op)) {
    return updateChoice(update);
  }
  if (auto attention = dyn_cast<AttentionOp>(op)) {
    return attentionChoice(attention, resultDims);
  }
  StringRef name = kernel::rowTemplate(op);
  if (name.empty()) {
    return failure();
  }
  return rowChoice(op, name, operandDims, resultDims);
}

void rill::nvvm::registerPolicies() {
  static const CudaPolicy policy;
  for (const Chip &chip : chips()) {
    registerTargetPolicy(chip.name, &policy);
  }
}
