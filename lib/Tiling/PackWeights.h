//===- PackWeights.h - Weights in a target's own layout ---------*- C++ -*-===//
//
// Which weights a target keeps packed, and the method that packs them.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_LIB_TILING_PACKWEIGHTS_H
#define RILL_LIB_TILING_PACKWEIGHTS_H

#include "rill/Tiling/TargetPolicy.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace rill {

/// Gives every read of a weight, all of whose users in `methods` take it packed
/// by the policy, a type with #rill.packed. Runs of rows must begin at whole
/// blocks.
void packReads(mlir::ArrayRef<mlir::func::FuncOp> methods,
               const TargetPolicy &policy);

/// The method of role "init" at the end of `module`: packs the weights of which
/// `methods` hold packed reads, one result per weight. Null when there is none.
mlir::func::FuncOp packMethod(mlir::ModuleOp module,
                              mlir::ArrayRef<mlir::func::FuncOp> methods);

} // namespace rill

#endif
