//===- Templates.cpp - What policies ask of templates ---------------------===//
//
// Which template runs an op row by row, and its grid.
//
//===----------------------------------------------------------------------===//
#include "rill/Kernel/Templates.h"

#include "rill/Dialect/RillPlan/ShapeProgram.h"

using namespace mlir;
using namespace rill;

std::string rill::kernel::sizeProgram(ArrayRef<std::string> dims) {
  std::string text = "1";
  for (const std::string &dim : dims) {
    text = plan::multiplyPrograms(text, dim);
  }
  return text;
}

StringRef rill::kernel::rowTemplate(Operation *op) {
  if (isa<EmbeddingOp, ElementwiseOp, RmsNormOp, LayerNormOp, LastRowOp,
          StackOp, PixelUnshuffleOp, StateWindowOp, StateAppendOp,
          ControlCommitOp>(op)) {
    return "rows";
  }
  if (isa<RopeOp, PositionResizeOp>(op)) {
    return "positions";
  }
  return isa<ShortConvOp>(op) ? "short_conv" : "";
}

/// The sizes of the op's first operand; a field of the control block is no
/// operand of the kernel, and static.
static SmallVector<std::string>
firstDims(Operation *op, ArrayRef<SmallVector<std::string>> operandDims) {
  if (!op->getOperand(0).getDefiningOp<ControlOp>()) {
    return operandDims[0];
  }
  SmallVector<std::string> dims;
  auto type = cast<RankedTensorType>(op->getOperand(0).getType());
  for (int64_t size : type.getShape()) {
    dims.push_back(std::to_string(size));
  }
  return dims;
}

std::string
rill::kernel::rowGrid(Operation *op,
                      ArrayRef<SmallVector<std::string>> operandDims,
                      ArrayRef<SmallVector<std::string>> resultDims) {
  if (isa<StateAppendOp, StackOp>(op)) {
    return sizeProgram(ArrayRef(firstDims(op, operandDims)).take_front(2));
  }
  if (isa<RopeOp>(op)) {
    return sizeProgram(ArrayRef(resultDims[0]).take_front(2));
  }
  if (isa<ControlCommitOp>(op)) {
    return sizeProgram(firstDims(op, operandDims));
  }
  return sizeProgram(ArrayRef(resultDims[0]).drop_back());
}

int64_t rill::kernel::sampleBytes(SampleOp op) {
  constexpr int64_t kWordBits = 32, kWordBytes = 4;
  auto type = cast<RankedTensorType>(op.getLogits().getType());
  return llvm::divideCeil(type.getDimSize(1), kWordBits) * kWordBytes;
}
