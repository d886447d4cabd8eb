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

#endif
