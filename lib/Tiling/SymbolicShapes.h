//===- SymbolicShapes.h - Shapes as programs over S, h, w -------*- C++ -*-===//
//
// Every dimension of every value of a method as a shape program.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_LIB_TILING_SYMBOLICSHAPES_H
#define RILL_LIB_TILING_SYMBOLICSHAPES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Value.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"

#include <string>

namespace rill {

using Dims = mlir::SmallVector<std::string>;

/// The dims of a method's values. Symbols bound to a constant are replaced.
class SymbolicShapes {
public:
  /// `fixed` maps symbols to the one value they have in this variant.
  SymbolicShapes(mlir::func::FuncOp method,
                 const llvm::StringMap<int64_t> &fixed);

  /// Computes dims for `op`'s results from its operands; fails with an error
  /// when a dynamic result is not covered by a rule.
  mlir::LogicalResult visit(mlir::Operation *op);

  const Dims &dims(mlir::Value value) const {
    return shapes.find(value)->second;
  }
  /// The symbol an index value stands for ("S", "h", "w"), or "".
  std::string symbol(mlir::Value index) const { return indices.lookup(index); }
  /// `value`'s type with constant dims made static.
  mlir::RankedTensorType refine(mlir::Value value) const;

private:
  Dims ofType(mlir::Value value) const;

  llvm::DenseMap<mlir::Value, Dims> shapes;
  llvm::DenseMap<mlir::Value, std::string> indices;
};

} // namespace rill

#endif
