//===- Match.h - Shapes of regions and products -----------------*- C++ -*-===//
//
// What several fusions ask of the ops they take in.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_LIB_FUSION_MATCH_H
#define RILL_LIB_FUSION_MATCH_H

#include "rill/Dialect/Rill/Rill.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

namespace rill {

/// The region yields its first argument.
inline bool yieldsFirst(mlir::Region &body) {
  mlir::Block &block = body.front();
  return block.getNumArguments() > 0 &&
         &block.front() == block.getTerminator() &&
         block.getTerminator()->getOperand(0) == block.getArgument(0);
}

/// The region is one `Op` of its two arguments, in any order.
template <typename Op>
bool isBinary(mlir::Region &body) {
  mlir::Block &block = body.front();
  auto op = mlir::dyn_cast<Op>(block.front());
  if (!op || block.getNumArguments() != 2 ||
      op->getNextNode() != block.getTerminator() ||
      block.getTerminator()->getOperand(0) != op.getResult()) {
    return false;
  }
  mlir::Value a = block.getArgument(0), b = block.getArgument(1);
  return (op.getLhs() == a && op.getRhs() == b) ||
         (op.getLhs() == b && op.getRhs() == a);
}

/// The op that appends `rows` to `state`; null when there is none.
inline StateAppendOp appendTo(mlir::Value rows, mlir::FlatSymbolRefAttr state) {
  for (mlir::Operation *user : rows.getUsers()) {
    auto append = mlir::dyn_cast<StateAppendOp>(user);
    if (append && append.getStateAttr() == state) {
      return append;
    }
  }
  return {};
}

/// `x w^T` or `x w^T + bias`, nothing else.
struct Product {
  LinearOp op;
  mlir::Value weight, bias; ///< no bias: null
};

/// The product that `value` is; `op` is null when it is something else.
inline Product productOf(mlir::Value value) {
  auto linear = value.getDefiningOp<LinearOp>();
  if (!linear || linear.getWeights().size() != 1 ||
      linear.getPrologue() != Prologue::None) {
    return {};
  }
  if (linear.getAux().empty() && yieldsFirst(linear.getBody())) {
    return {linear, linear.getWeights()[0], {}};
  }
  if (linear.getAux().size() == 1 &&
      mlir::cast<mlir::RankedTensorType>(linear.getAux()[0].getType())
              .getRank() == 1 &&
      isBinary<mlir::arith::AddFOp>(linear.getBody())) {
    return {linear, linear.getWeights()[0], linear.getAux()[0]};
  }
  return {};
}

} // namespace rill

#endif
