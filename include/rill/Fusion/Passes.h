//===- Passes.h - Passes of the Fusion stage --------------------*- C++ -*-===//
//
// Declarations generated from Passes.td.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_FUSION_PASSES_H
#define RILL_FUSION_PASSES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

namespace rill {
#define GEN_PASS_DECL
#include "rill/Fusion/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "rill/Fusion/Passes.h.inc"
} // namespace rill

#endif
