//===- RillPlan.h - The rill_plan dialect -----------------------*- C++ -*-===//
//
// Classes of the rill_plan dialect, generated from dialects/RillPlan.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_DIALECT_RILLPLAN_RILLPLAN_H
#define RILL_DIALECT_RILLPLAN_RILLPLAN_H

#include "dialects/RillPlan/RillPlanDialect.h.inc"

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#define GET_OP_CLASSES
#include "dialects/RillPlan/RillPlanOps.h.inc"

namespace rill::plan {

/// A tensor map in the place of a kernel's argument: copies of boxes of that
/// many columns and rows, swizzled in spans of `swizzle` bytes (0: none).
struct TensorBox {
  int64_t argument, columns, rows, swizzle;
};
/// The entry `maps` of a verified kernel's config.
llvm::SmallVector<TensorBox> tensorBoxes(KernelOp kernel);

} // namespace rill::plan

#endif
