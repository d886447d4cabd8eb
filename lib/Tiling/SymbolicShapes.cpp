//===- SymbolicShapes.cpp - Shapes as programs over S, h, w ---------------===//
//
// One rule per op whose result can be dynamic.
//
//===----------------------------------------------------------------------===//
#include "SymbolicShapes.h"

#include "rill/Dialect/Rill/Rill.h"
#include "rill/Dialect/RillPlan/ShapeProgram.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace rill;
using namespace rill::plan;

SymbolicShapes::SymbolicShapes(func::FuncOp method,
                               const llvm::StringMap<int64_t> &fixed) {
  for (BlockArgument argument : method.getArguments()) {
    Dims dims = ofType(argument);
    auto names = method.getArgAttrOfType<ArrayAttr>(argument.getArgNumber(),
                                                    "rill.dims");
    for (auto [i, dim] : llvm::enumerate(dims)) {
      if (!dim.empty() || !names) {
        continue;
      }
      StringRef symbol = cast<StringAttr>(names[i]).getValue();
      auto value = fixed.find(symbol);
      dim = value == fixed.end() ? symbol.str() : std::to_string(value->second);
    }
    shapes[argument] = std::move(dims);
  }
}

/// Static sizes as constants, dynamic ones empty.
Dims SymbolicShapes::ofType(Value value) const {
  Dims dims;
  for (int64_t size : cast<RankedTensorType>(value.getType()).getShape()) {
    dims.push_back(ShapedType::isDynamic(size) ? "" : std::to_string(size));
  }
  return dims;
}

RankedTensorType SymbolicShapes::refine(Value value) const {
  auto type = cast<RankedTensorType>(value.getType());
  SmallVector<int64_t> shape;
  for (StringRef dim : dims(value)) {
    int64_t size;
    shape.push_back(dim.getAsInteger(10, size) ? ShapedType::kDynamic : size);
  }
  return RankedTensorType::get(shape, type.getElementType(),
                               type.getEncoding());
}

static Dims leading(const Dims &from, size_t count, const Dims &own) {
  Dims dims(from.begin(), from.begin() + count);
  dims.append(own.begin() + count, own.end());
  return dims;
}

static Dims collapsed(tensor::CollapseShapeOp op, const Dims &from) {
  Dims dims;
  for (ArrayRef<int64_t> group : op.getReassociationIndices()) {
    std::string product = "1";
    for (int64_t dim : group) {
      product = multiplyPrograms(product, from[dim]);
    }
    dims.push_back(product);
  }
  return dims;
}

LogicalResult SymbolicShapes::visit(Operation *op) {
  if (auto dim = dyn_cast<tensor::DimOp>(op)) {
    if (std::optional<int64_t> index = dim.getConstantIndex()) {
      indices[dim] = dims(dim.getSource())[*index];
      return success();
    }
    return op->emitOpError("has a dimension that is no constant");
  }
  if (op->getNumResults() != 1 ||
      !isa<RankedTensorType>(op->getResult(0).getType())) {
    return success();
  }
  Value result = op->getResult(0);
  Dims own = ofType(result);
  auto rank = own.size();
  Dims dims =
      llvm::TypeSwitch<Operation *, Dims>(op)
          .Case([&](EmbeddingOp o) {
            return leading(this->dims(o.getIds()), rank - 1, own);
          })
          .Case([&](LinearOp o) {
            return leading(this->dims(o.getX()), rank - 1, own);
          })
          .Case<RmsNormOp, LayerNormOp, RopeOp>(
              [&](auto o) { return this->dims(o.getX()); })
          .Case<ShortConvOp, ShortConvMixOp>(
              [&](auto o) { return this->dims(o.getX()); })
          .Case([&](AttentionOp o) { return this->dims(o.getQ()); })
          .Case([&](AttentionUpdateOp o) {
            return leading(this->dims(o.getQkv()), 2, own);
          })
          .Case([&](AttentionTiledOp o) {
            return leading(this->dims(o.getQ()), 3, own);
          })
          .Case([&](AttentionMergeOp o) {
            return leading(this->dims(o.getX()), 3, own);
          })
          .Case([&](ElementwiseOp o) {
            for (Value input : o.getInputs()) {
              if (this->dims(input).size() == rank) {
                return this->dims(input);
              }
            }
            return own;
          })
          .Case([&](StackOp o) {
            Dims x = this->dims(o.getInputs()[0]);
            return rank == 4 ? Dims{own[0], x[0], x[1], own[3]}
                             : leading(x, 2, own);
          })
          .Case([&](PositionResizeOp o) {
            return Dims{multiplyPrograms(indices.lookup(o.getHeight()),
                                         indices.lookup(o.getWidth())),
                        own[1]};
          })
          .Case([&](PixelUnshuffleOp o) {
            std::string rows = this->dims(o.getX())[1];
            int64_t square = o.getFactor() * o.getFactor();
            return Dims{own[0],
                        rows + " " + std::to_string(square) + " floordiv",
                        own[2]};
          })
          .Case([&](tensor::CollapseShapeOp o) {
            return collapsed(o, this->dims(o.getSrc()));
          })
          .Case([&](tensor::ExpandShapeOp o) {
            Dims expanded;
            unsigned dynamic = 0;
            for (int64_t size : o.getStaticOutputShape()) {
              expanded.push_back(
                  ShapedType::isDynamic(size)
                      ? indices.lookup(o.getOutputShape()[dynamic++])
                      : std::to_string(size));
            }
            return expanded;
          })
          .Default(own);
  for (const std::string &dim : dims) {
    if (!isWellFormedProgram(dim)) {
      return op->emitOpError("has a dynamic dimension that no rule covers");
    }
  }
  shapes[result] = std::move(dims);
  return success();
}
