//===- Passes.h - Passes for work on modules --------------------*- C++ -*-===//
//
// Declarations generated from Passes.td.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_PIPELINE_PASSES_H
#define RILL_PIPELINE_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace rill {
#define GEN_PASS_DECL
#include "rill/Pipeline/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "rill/Pipeline/Passes.h.inc"
} // namespace rill

#endif
