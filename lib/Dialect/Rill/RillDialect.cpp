//===- RillDialect.cpp - The rill dialect ---------------------------------===//
//
// Registration, discardable attributes, the list of scalar ops.
//
//===----------------------------------------------------------------------===//
#include "rill/Dialect/Rill/Rill.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace rill;

#include "dialects/Rill/RillDialect.cpp.inc"
#include "dialects/Rill/RillEnums.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/Rill/RillAttrs.cpp.inc"

void RillDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/Rill/RillAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/Rill/RillOps.cpp.inc"
      >();
}

bool rill::isPacked(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && isa_and_nonnull<PackedAttr>(tensor.getEncoding());
}

RankedTensorType rill::packedType(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor || tensor.getRank() != 2 || !tensor.hasStaticShape() ||
      !tensor.getElementType().isBF16() || tensor.getEncoding()) {
    return {};
  }
  return RankedTensorType::get(tensor.getShape(), tensor.getElementType(),
                               PackedAttr::get(type.getContext()));
}

int64_t rill::storedElements(RankedTensorType type) {
  if (!isPacked(type)) {
    return type.getNumElements();
  }
  return llvm::divideCeil(type.getDimSize(0), kPackedRows) * kPackedRows *
         llvm::divideCeil(type.getDimSize(1), kPackedColumns) * kPackedColumns;
}

bool rill::isListedScalarOp(Operation *op) {
  return isa<arith::AddFOp, arith::SubFOp, arith::MulFOp, arith::DivFOp,
             arith::NegFOp, arith::MaximumFOp, arith::MinimumFOp, math::ExpOp,
             math::TanhOp, math::ErfOp, math::RsqrtOp, math::SqrtOp>(op) ||
         (isa<arith::ConstantOp>(op) && op->getResult(0).getType().isF32());
}

/// rill.method = {role = "..."} on a function; rill.model, rill.checkpoint
/// and rill.draft on the module (docs/Dialect.md, "Attributes").
LogicalResult RillDialect::verifyOperationAttribute(Operation *op,
                                                    NamedAttribute attribute) {
  StringRef name = attribute.getName().getValue();
  if (name == "rill.method") {
    if (!isa<FunctionOpInterface>(op)) {
      return op->emitOpError("carries rill.method but is no function");
    }
    if (!isa<StringAttr>(attribute.getValue())) {
      return op->emitOpError("rill.method must be the method's role");
    }
    return success();
  }
  if (name == "rill.model" || name == "rill.checkpoint" ||
      name == "rill.draft") {
    if (!isa<ModuleOp>(op) || !isa<DictionaryAttr>(attribute.getValue())) {
      return op->emitOpError(name)
             << " must be a dictionary on the builtin.module";
    }
    return success();
  }
  return op->emitOpError("has unknown attribute ") << name;
}

/// rill.name, rill.limit (values are 0 .. limit-1) and rill.dims = ["B", "S",
/// ...] on method arguments: a letter per dimension, or "" for static ones.
LogicalResult RillDialect::verifyRegionArgAttribute(Operation *op,
                                                    unsigned region,
                                                    unsigned index,
                                                    NamedAttribute attribute) {
  StringRef name = attribute.getName().getValue();
  if (name == "rill.name") {
    return success(isa<StringAttr>(attribute.getValue()));
  }
  if (name == "rill.limit") {
    auto limit = dyn_cast<IntegerAttr>(attribute.getValue());
    return limit && limit.getInt() > 0 ? success()
                                       : op->emitOpError("argument ")
                                             << index
                                             << " has a rill.limit below 1";
  }
  if (name != "rill.dims") {
    return op->emitOpError("argument has unknown attribute ") << name;
  }
  auto dims = dyn_cast<ArrayAttr>(attribute.getValue());
  auto type = dyn_cast<RankedTensorType>(
      op->getRegion(region).getArgument(index).getType());
  if (!dims || !type || static_cast<int64_t>(dims.size()) != type.getRank()) {
    return op->emitOpError("argument ")
           << index << " needs one rill.dims entry per dimension";
  }
  for (auto [dim, size] : llvm::zip_equal(dims, type.getShape())) {
    auto letter = dyn_cast<StringAttr>(dim);
    if (!letter || (ShapedType::isDynamic(size) && letter.getValue() != "S" &&
                    letter.getValue() != "h" && letter.getValue() != "w")) {
      return op->emitOpError("argument ")
             << index << " has a dynamic dimension that is not S, h or w";
    }
  }
  return success();
}

std::string rill::weightFilePath(ModuleOp module, StringRef folder,
                                 StringRef file) {
  auto checkpoint = module->getAttrOfType<DictionaryAttr>("rill.checkpoint");
  auto parts =
      checkpoint ? checkpoint.getAs<DictionaryAttr>("parts") : DictionaryAttr();
  for (NamedAttribute part :
       parts ? parts.getValue() : ArrayRef<NamedAttribute>()) {
    auto place = dyn_cast<StringAttr>(part.getValue());
    StringRef rest = file;
    if (place && rest.consume_front(part.getName().getValue())) {
      return (place.getValue() + "/" + rest).str();
    }
  }
  return (folder + "/" + file).str();
}
