//===- RillTensorOps.cpp - Rows in, rows out ------------------------------===//
//
// Verifiers of the ops of RillTensorOps.td.
//
//===----------------------------------------------------------------------===//
#include "VerifyHelpers.h"

#include <cmath>

using namespace mlir;
using namespace rill;

LogicalResult rill::verifyScalarRegion(Operation *op, Region &body,
                                       unsigned inputs, StringRef constraint) {
  Block &block = body.front();
  if (block.getNumArguments() != inputs ||
      !llvm::all_of(block.getArgumentTypes(),
                    [](Type type) { return type.isF32(); })) {
    return op->emitOpError(constraint)
           << ": the region takes " << block.getNumArguments()
           << " values where " << inputs << " f32 are due";
  }
  if (!block.mightHaveTerminator() || !isa<YieldOp>(block.getTerminator())) {
    return op->emitOpError(constraint)
           << ": the region does not end in rill.yield";
  }
  for (Operation &inner : block.without_terminator()) {
    if (!isListedScalarOp(&inner)) {
      return op->emitOpError(constraint)
             << ": " << inner.getName() << " is no listed scalar op";
    }
  }
  return success();
}

LogicalResult EmbeddingOp::verify() {
  auto table = tensorType(getTable()), ids = tensorType(getIds());
  SmallVector<int64_t> expected(ids.getShape());
  expected.push_back(table.getRank() == 2 ? table.getDimSize(1) : -1);
  if (table.getRank() != 2 || !agree(tensorType(getY()).getShape(), expected)) {
    return emitOpError("embedding_c1: table ")
           << table << " and ids " << ids << " do not give "
           << getY().getType();
  }
  return success();
}

static unsigned normOperands(Prologue prologue) {
  switch (prologue) {
  case Prologue::RmsNorm:
    return 1;
  case Prologue::LayerNorm:
    return 2;
  case Prologue::None:
  case Prologue::AttentionMerge:
    return 0;
  }
  llvm_unreachable("all prologues handled");
}

/// The number of columns the product reads: x's last dimension, or h*d behind
/// an attention merge.
static int64_t innerSize(LinearOp op) {
  auto x = tensorType(op.getX());
  if (op.getPrologue() != Prologue::AttentionMerge) {
    return lastDim(op.getX());
  }
  if (x.getRank() < 4) {
    return -1;
  }
  return x.getDimSize(x.getRank() - 3) * (x.getShape().back() - 2);
}

static LogicalResult verifyLinearColumns(LinearOp op, int64_t inner) {
  int64_t columns = lastDim(op.getY()), sum = 0;
  for (Value weight : op.getWeights()) {
    auto type = tensorType(weight);
    if (type.getRank() != 2 || !agree(type.getDimSize(1), inner)) {
      return op.emitOpError("linear_c1: weight ")
             << type << " does not take rows of " << inner;
    }
    if (op.getCombine() == Combine::Zip && type.getDimSize(0) != columns) {
      return op.emitOpError("linear_c2: zipped weight ")
             << type << " does not give " << columns << " columns";
    }
    sum += type.getDimSize(0);
  }
  if (op.getWeights().empty() ||
      (op.getCombine() == Combine::Concat && sum != columns)) {
    return op.emitOpError("linear_c2: weights give ")
           << sum << " columns but the result has " << columns;
  }
  for (Value aux : op.getAux()) {
    if (!isVectorOf(aux, columns) &&
        !agree(tensorType(aux).getShape(), tensorType(op.getY()).getShape())) {
      return op.emitOpError("linear_c3: aux ")
             << aux.getType() << " is neither " << op.getY().getType()
             << " nor one value per column";
    }
  }
  return success();
}

LogicalResult LinearOp::verify() {
  int64_t inner = innerSize(*this);
  if (failed(verifyLinearColumns(*this, inner))) {
    return failure();
  }
  if (getNorm().size() != normOperands(getPrologue()) ||
      !llvm::all_of(getNorm(), [&](Value v) { return isVectorOf(v, inner); })) {
    return emitOpError("linear_c4: prologue ")
           << stringifyPrologue(getPrologue()) << " takes "
           << normOperands(getPrologue()) << " norm operands of " << inner;
  }
  auto x = tensorType(getX()).getShape(), y = tensorType(getY()).getShape();
  size_t inside = getPrologue() == Prologue::AttentionMerge ? 3 : 1;
  if (x.size() < inside + 1 || !agree(x.drop_back(inside), y.drop_back(1))) {
    return emitOpError("linear_c6: result ")
           << getY().getType() << " does not have the rows of "
           << getX().getType();
  }
  return verifyScalarRegion(
      *this, getBody(), getNumAccumulators() + getAux().size(), "linear_c5");
}

LogicalResult ElementwiseOp::verify() {
  auto shape = tensorType(getY()).getShape();
  for (Value input : getInputs()) {
    auto own = tensorType(input).getShape();
    if (own.size() > shape.size() || !agree(own, shape.take_back(own.size()))) {
      return emitOpError("elementwise_c1: ")
             << input.getType() << " is no suffix of " << getY().getType();
    }
  }
  return verifyScalarRegion(*this, getBody(), getInputs().size(),
                            "elementwise_c2");
}

LogicalResult RmsNormOp::verify() {
  if (!isVectorOf(getWeight(), lastDim(getX()))) {
    return emitOpError("rms_norm_c1: the weight ")
           << getWeight().getType() << " is not one value per column of "
           << getX().getType();
  }
  if (!(getEps().convertToDouble() > 0)) {
    return emitOpError("rms_norm_c2: eps is not positive");
  }
  if (!agree(tensorType(getX()).getShape(), tensorType(getY()).getShape())) {
    return emitOpError("rms_norm_c3: the result's shape is not x's");
  }
  return success();
}

LogicalResult LayerNormOp::verify() {
  if (!isVectorOf(getWeight(), lastDim(getX())) ||
      !isVectorOf(getBias(), lastDim(getX()))) {
    return emitOpError("layer_norm_c1: weight and bias are not one value per "
                       "column of ")
           << getX().getType();
  }
  if (!(getEps().convertToDouble() > 0)) {
    return emitOpError("layer_norm_c2: eps is not positive");
  }
  if (!agree(tensorType(getX()).getShape(), tensorType(getY()).getShape())) {
    return emitOpError("layer_norm_c3: the result's shape is not x's");
  }
  return success();
}

LogicalResult PackOp::verify() {
  if (!packedType(getW().getType()) ||
      packedType(getW().getType()) != getY().getType()) {
    return emitOpError("pack_c1: ")
           << getW().getType() << " does not give " << getY().getType();
  }
  return success();
}

LogicalResult LastRowOp::verify() {
  auto x = tensorType(getX()), y = tensorType(getY());
  if (x.getRank() != 3 || y.getRank() != 2 ||
      !agree(x.getDimSize(0), y.getDimSize(0)) ||
      !agree(x.getDimSize(2), y.getDimSize(1))) {
    return emitOpError("last_row_c1: ") << x << " does not give " << y;
  }
  return success();
}

LogicalResult StackOp::verify() {
  auto y = tensorType(getY());
  if (getInputs().empty() || !llvm::all_of(getInputs(), [&](Value input) {
        auto own = tensorType(input);
        return own.getRank() == 3 &&
               agree(own.getShape(), tensorType(getInputs()[0]).getShape());
      })) {
    return emitOpError("stack_c1: the inputs are not [B,S,H] of one shape");
  }
  auto count = static_cast<int64_t>(getInputs().size());
  auto x = tensorType(getInputs()[0]).getShape();
  SmallVector<int64_t> side(x), behind(x);
  side[2] = ShapedType::isDynamic(x[2]) ? x[2] : count * x[2];
  behind.insert(behind.begin(), count);
  if (!agree(y.getShape(), y.getRank() == 4 ? behind : side)) {
    return emitOpError("stack_c2: ")
           << count << " inputs " << getInputs()[0].getType() << " do not give "
           << y;
  }
  return success();
}

LogicalResult PositionResizeOp::verify() {
  auto table = tensorType(getTable()), y = tensorType(getY());
  int64_t rows = table.getRank() == 2 ? table.getDimSize(0) : -1;
  int64_t side = static_cast<int64_t>(std::llround(std::sqrt(rows)));
  if (rows < 1 || side * side != rows) {
    return emitOpError("position_resize_c1: a table of ")
           << rows << " rows is not square";
  }
  if (y.getRank() != 2 || !agree(y.getDimSize(1), table.getDimSize(1))) {
    return emitOpError("position_resize_c2: ")
           << table << " does not give " << y;
  }
  return success();
}

LogicalResult PixelUnshuffleOp::verify() {
  int64_t factor = getFactor();
  if (factor < 1) {
    return emitOpError("pixel_unshuffle_c2: factor ") << factor << " < 1";
  }
  auto x = tensorType(getX()), y = tensorType(getY());
  if (x.getRank() != 3 || y.getRank() != 3 ||
      !agree(x.getDimSize(0), y.getDimSize(0)) ||
      !agree(x.getDimSize(2) * factor * factor, y.getDimSize(2))) {
    return emitOpError("pixel_unshuffle_c1: ") << x << " does not give " << y;
  }
  return success();
}

LogicalResult SampleOp::verify() {
  auto logits = tensorType(getLogits()), y = tensorType(getY());
  if (logits.getRank() != 2 || !logits.getElementType().isF32() ||
      y.getRank() != 1 || !agree(logits.getDimSize(0), y.getDimSize(0))) {
    return emitOpError("sample_c1: ") << logits << " does not give " << y;
  }
  return success();
}

LogicalResult SampleOp::verifySymbolUses(SymbolTableCollection &tables) {
  if (!getHistoryAttr()) {
    return success();
  }
  StateOp state = lookupState(*this, getHistoryAttr(), tables, "sample_c2");
  if (!state) {
    return failure();
  }
  auto type = cast<RankedTensorType>(state.getType());
  if (state.getKind() != StateKind::Rows ||
      state.getLayout() != StateLayout::Linear || type.getRank() != 2 ||
      !type.getElementType().isInteger(64) ||
      !agree(type.getDimSize(0), tensorType(getY()).getDimSize(0))) {
    return emitOpError("sample_c2: ")
           << getHistoryAttr() << " of " << type
           << " is no linear rows state of ids of every sequence";
  }
  return success();
}
