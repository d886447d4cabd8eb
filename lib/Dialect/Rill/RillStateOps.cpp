//===- RillStateOps.cpp - Weights, states, assets, control ----------------===//
//
// Verifiers of the ops of RillStateOps.td.
//
//===----------------------------------------------------------------------===//
#include "VerifyHelpers.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace rill;

LogicalResult WeightOp::verify() {
  auto type = cast<RankedTensorType>(getType());
  if (!type.hasStaticShape()) {
    return emitOpError("weight_c1: the type ") << type << " is not static";
  }
  auto [file, tensor] = getSource().split('#');
  if (file.empty() || tensor.empty()) {
    return emitOpError("weight_c2: the source \"")
           << getSource() << "\" is not \"<file>#<tensor>\"";
  }
  return success();
}

LogicalResult StateOp::verify() {
  auto type = cast<RankedTensorType>(getType());
  if (!type.hasStaticShape()) {
    return emitOpError("state_c1: the type ") << type << " is not static";
  }
  if (getKind() == StateKind::Cell) {
    return success();
  }
  int64_t dim = getRowDim();
  if (dim < 1 || dim >= type.getRank()) {
    return emitOpError("state_c2: row_dim ")
           << dim << " is not a row dimension of " << type;
  }
  int64_t capacity = type.getDimSize(dim);
  if (getLayout() == StateLayout::Ring &&
      (!llvm::isPowerOf2_64(capacity) || capacity <= getHistory())) {
    return emitOpError("state_c3: a ring of ")
           << capacity << " rows with history " << getHistory()
           << " is no power of two larger than the history";
  }
  return success();
}

StateOp rill::lookupState(Operation *op, FlatSymbolRefAttr symbol,
                          SymbolTableCollection &tables, StringRef constraint) {
  auto state = tables.lookupNearestSymbolFrom<StateOp>(op, symbol);
  if (!state) {
    op->emitOpError(constraint) << ": " << symbol << " is no rill.state";
  }
  return state;
}

LogicalResult WeightReadOp::verifySymbolUses(SymbolTableCollection &tables) {
  auto weight =
      tables.lookupNearestSymbolFrom<WeightOp>(*this, getWeightAttr());
  if (!weight) {
    return emitOpError("weight_read_c1: ")
           << getWeightAttr() << " is no rill.weight";
  }
  auto type = cast<RankedTensorType>(weight.getType());
  SmallVector<int64_t> shape(type.getShape());
  if (auto rows = getRows()) {
    if (rows->size() != 2 || (*rows)[0] < 0 || (*rows)[1] < 1 ||
        (*rows)[0] > shape[0] - (*rows)[1]) {
      return emitOpError("weight_read_c3: the rows lie outside the ")
             << shape[0] << " rows of " << getWeightAttr();
    }
    shape[0] = (*rows)[1];
  }
  auto expected = RankedTensorType::get(shape, type.getElementType());
  if (getType() != expected) {
    return emitOpError("weight_read_c2: reads ")
           << getType() << " but the weight gives " << expected;
  }
  return success();
}

LogicalResult StateReadOp::verifySymbolUses(SymbolTableCollection &tables) {
  StateOp state = lookupState(*this, getStateAttr(), tables, "state_read_c1");
  if (!state) {
    return failure();
  }
  if (state.getLayout() != StateLayout::Linear) {
    return emitOpError("state_read_c1: ")
           << getStateAttr() << " is a ring; read it by state.window";
  }
  if (state.getType() != getType()) {
    return emitOpError("state_read_c2: reads ")
           << getType() << " but the state is " << state.getType();
  }
  return success();
}

/// The type of `rows` rows of a state: row_dim moved to dimension 1.
static SmallVector<int64_t> rowsShape(StateOp state, int64_t rows) {
  auto type = cast<RankedTensorType>(state.getType());
  SmallVector<int64_t> shape;
  for (int64_t i = 0; i < type.getRank(); ++i) {
    if (i != static_cast<int64_t>(state.getRowDim())) {
      shape.push_back(type.getDimSize(i));
    }
  }
  shape.insert(shape.begin() + 1, rows);
  return shape;
}

LogicalResult StateWindowOp::verifySymbolUses(SymbolTableCollection &tables) {
  StateOp state = lookupState(*this, getStateAttr(), tables, "state_window_c1");
  if (!state) {
    return failure();
  }
  if (state.getKind() != StateKind::Rows || state.getRowDim() != 1) {
    return emitOpError("state_window_c1: ")
           << getStateAttr() << " is no rows state with row_dim 1";
  }
  auto type = tensorType(getValue());
  int64_t rows = type.getRank() > 1 ? type.getDimSize(1) : 0;
  if (rows > static_cast<int64_t>(state.getHistory()) ||
      !agree(type.getShape(), rowsShape(state, rows))) {
    return emitOpError("state_window_c2: ")
           << type << " is no window of at most " << state.getHistory()
           << " rows of " << state.getType();
  }
  return success();
}

LogicalResult StateAppendOp::verifySymbolUses(SymbolTableCollection &tables) {
  StateOp state = lookupState(*this, getStateAttr(), tables, "state_append_c1");
  if (!state) {
    return failure();
  }
  if (state.getKind() != StateKind::Rows) {
    return emitOpError("state_append_c1: ")
           << getStateAttr() << " is no rows state";
  }
  auto type = tensorType(getRows());
  auto stateType = cast<RankedTensorType>(state.getType());
  if (type.getElementType() != stateType.getElementType() ||
      !agree(type.getShape(), rowsShape(state, ShapedType::kDynamic))) {
    return emitOpError("state_append_c2: rows ")
           << type << " do not fit the state " << stateType;
  }
  return success();
}

LogicalResult ControlOp::verify() {
  int64_t rank = tensorType(getValue()).getRank();
  int64_t expected = getField() == ControlField::Start ? 1 : 2;
  if (rank != expected) {
    return emitOpError("control_c1: ")
           << stringifyControlField(getField()) << " has rank " << expected
           << " but the result has rank " << rank;
  }
  return success();
}

LogicalResult ControlCommitOp::verify() {
  if (tensorType(getTokens()).getRank() != 1) {
    return emitOpError("control_commit_c1: tokens are ")
           << getTokens().getType() << " instead of one per sequence";
  }
  return success();
}

// The classes are generated into the file of the first family.
#define GET_OP_CLASSES
#include "dialects/Rill/RillOps.cpp.inc"
