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

LogicalResult KernelOp::verify() {
  Block &block = getBody().front();
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
