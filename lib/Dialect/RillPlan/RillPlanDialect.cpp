//===- RillPlanDialect.cpp - The rill_plan dialect ------------------------===//
//
// Registration and verifiers.
//
//===----------------------------------------------------------------------===//
#include "rill/Dialect/RillPlan/RillPlan.h"
#include "rill/Dialect/RillPlan/ShapeProgram.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

using namespace mlir;
using namespace rill::plan;

#include "dialects/RillPlan/RillPlanDialect.cpp.inc"

#define GET_OP_CLASSES
#include "dialects/RillPlan/RillPlanOps.cpp.inc"

void RillPlanDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "dialects/RillPlan/RillPlanOps.cpp.inc"
      >();
}

/// One array of programs per value, one program per dynamic dimension.
static LogicalResult verifyDims(Operation *op, ArrayAttr dims, TypeRange types,
                                StringRef what) {
  if (dims.size() != types.size()) {
    return op->emitOpError("kernel_c1: ")
           << what << " has " << dims.size() << " entries for " << types.size()
           << " values";
  }
  for (auto [entry, type] : llvm::zip_equal(dims, types)) {
    auto programs = dyn_cast<ArrayAttr>(entry);
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (!programs || !tensor ||
        static_cast<int64_t>(programs.size()) != tensor.getNumDynamicDims()) {
      return op->emitOpError("kernel_c1: ")
             << what << " does not name every dynamic dimension of " << type;
    }
    for (Attribute program : programs) {
      auto text = dyn_cast<StringAttr>(program);
      if (!text || !isWellFormedProgram(text.getValue())) {
        return op->emitOpError("kernel_c2: ")
               << program << " is no shape program";
      }
    }
  }
  return success();
}

SmallVector<TensorBox> rill::plan::tensorBoxes(KernelOp kernel) {
  SmallVector<TensorBox> boxes;
  if (auto maps = kernel.getConfig().getAs<DenseI64ArrayAttr>("maps")) {
    for (int64_t i = 0; i + 4 <= maps.size(); i += 4) {
      boxes.push_back({maps[i], maps[i + 1], maps[i + 2], maps[i + 3]});
    }
  }
  return boxes;
}

/// What is wrong with a map of an argument of this type; null: nothing.
static const char *whyNoMap(Type argument, const TensorBox &box) {
  constexpr int64_t kMost = 256, kWord = 8, kSize = 2;
  auto type = dyn_cast<RankedTensorType>(argument);
  if (!type || !type.getElementType().isBF16() || type.getRank() < 2 ||
      type.isDynamicDim(type.getRank() - 1) || type.getShape().back() % kWord) {
    return "is no bf16 matrix with rows of whole 16-byte words";
  }
  if (box.rows < 1 || box.rows > kMost || box.columns < 1 ||
      box.columns > kMost || box.columns % kWord) {
    return "has a box that is not 1 to 256 rows of 1 to 256 columns, whole "
           "16-byte words";
  }
  if ((box.swizzle != 0 && box.swizzle != 32 && box.swizzle != 64 &&
       box.swizzle != 128) ||
      (box.swizzle && kSize * box.columns > box.swizzle)) {
    return "has a box that its swizzle of 0, 32, 64 or 128 bytes does not hold";
  }
  return nullptr;
}

static LogicalResult verifyMaps(KernelOp kernel, Block &block) {
  Attribute entry = kernel.getConfig().get("maps");
  auto maps = dyn_cast_or_null<DenseI64ArrayAttr>(entry);
  if (entry && (!maps || maps.size() % 4)) {
    return kernel.emitOpError("kernel_c3: maps ")
           << entry << " is no array of four numbers per map";
  }
  llvm::SmallDenseSet<int64_t> seen;
  for (const TensorBox &box : tensorBoxes(kernel)) {
    if (box.argument < 0 || box.argument >= block.getNumArguments() ||
        !seen.insert(box.argument).second) {
      return kernel.emitOpError("kernel_c3: maps name ")
             << box.argument << ", no argument or one named before";
    }
    auto number = static_cast<unsigned>(box.argument);
    if (const char *why = whyNoMap(block.getArgument(number).getType(), box)) {
      return kernel.emitOpError("kernel_c3: the map of argument ")
             << number << ' ' << why;
    }
  }
  return success();
}

LogicalResult KernelOp::verify() {
  Block &block = getBody().front();
  if (failed(verifyMaps(*this, block))) {
    return failure();
  }
  if (Attribute scratch = getConfig().get("scratch")) {
    auto text = dyn_cast<StringAttr>(scratch);
    if (!text || !isWellFormedProgram(text.getValue())) {
      return emitOpError("kernel_c2: scratch ")
             << scratch << " is no shape program";
    }
  }
  if (failed(verifyDims(*this, getArgDims(), block.getArgumentTypes(),
                        "arg_dims"))) {
    return failure();
  }
  auto yield = dyn_cast<YieldOp>(block.back());
  if (!yield) {
    return emitOpError("kernel_c1: does not end in rill_plan.yield");
  }
  return verifyDims(*this, getResultDims(), yield.getOperandTypes(),
                    "result_dims");
}

LogicalResult VariantOp::verify() {
  for (NamedAttribute symbol : getSymbols()) {
    StringRef name = symbol.getName().getValue();
    auto range = dyn_cast<DenseI64ArrayAttr>(symbol.getValue());
    if ((name != "S" && name != "h" && name != "w") || !range ||
        range.size() < 2 || range.size() > 3 || range[0] < 1 ||
        range[0] > range[1] ||
        (range.size() == 3 && (range[2] < 1 || range[0] % range[2]))) {
      return emitOpError("variant_c1: ")
             << name << " is no symbol with a range [min, max] or [min, max, "
             << "step]";
    }
  }
  Block &block = getBody().front();
  auto ret = dyn_cast<ReturnOp>(block.back());
  if (!ret || getInputNames().size() != block.getNumArguments() ||
      getOutputNames().size() != ret.getNumOperands()) {
    return emitOpError("variant_c2: ")
           << getInputNames().size() << " input names and "
           << getOutputNames().size() << " output names do not match the body";
  }
  return success();
}

LogicalResult DispatchOp::verifySymbolUses(SymbolTableCollection &tables) {
  auto kernel =
      tables.lookupNearestSymbolFrom<KernelOp>(*this, getKernelAttr());
  if (!kernel) {
    return emitOpError("dispatch_c1: ") << getKernelAttr() << " is no kernel";
  }
  Block &block = kernel.getBody().front();
  auto yield = cast<YieldOp>(block.back());
  if (getNumOperands() < block.getNumArguments() ||
      !llvm::equal(getOperands().take_front(block.getNumArguments()).getTypes(),
                   block.getArgumentTypes()) ||
      !llvm::equal(getResultTypes(), yield.getOperandTypes())) {
    return emitOpError("dispatch_c1: operands and results are not those of ")
           << getKernelAttr();
  }
  if (!isWellFormedProgram(getGrid())) {
    return emitOpError("dispatch_c2: \"")
           << getGrid() << "\" is no shape program";
  }
  if (getAccess().size() != getNumOperands()) {
    return emitOpError("dispatch_c3: ")
           << getAccess().size() << " accesses for " << getNumOperands()
           << " operands";
  }
  return success();
}
