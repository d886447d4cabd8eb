//===- Passes.h - Passes of the Reference -----------------------*- C++ -*-===//
//
// Declarations generated from Passes.td.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_REFERENCE_PASSES_H
#define RILL_REFERENCE_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace rill {
#define GEN_PASS_DECL
#include "rill/Reference/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "rill/Reference/Passes.h.inc"
} // namespace rill

#endif
