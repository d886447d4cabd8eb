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
          StackOp, PixelUnshuffleOp, StateWindowOp, StateAppendOp>(op)) {
    return "rows";
  }
  if (isa<RopeOp, PositionResizeOp>(op)) {
    return "positions";
  }
  return isa<ShortConvOp>(op) ? "short_conv" : "";
}

std::string
rill::kernel::rowGrid(Operation *op,
                      ArrayRef<SmallVector<std::string>> operandDims,
                      ArrayRef<SmallVector<std::string>> resultDims) {
  if (isa<StateAppendOp, StackOp>(op)) {
    return sizeProgram(ArrayRef(operandDims[0]).take_front(2));
  }
  if (isa<RopeOp>(op)) {
    return sizeProgram(ArrayRef(resultDims[0]).take_front(2));
  }
  return sizeProgram(ArrayRef(resultDims[0]).drop_back());
}
