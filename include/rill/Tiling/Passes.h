//===- Passes.h - Passes of the Tiling stage --------------------*- C++ -*-===//
//
// Declarations generated from Passes.td.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_TILING_PASSES_H
#define RILL_TILING_PASSES_H

#include "rill/Dialect/RillPlan/RillPlan.h"

#include "mlir/Pass/Pass.h"

namespace rill {
#define GEN_PASS_DECL
#include "rill/Tiling/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "rill/Tiling/Passes.h.inc"
} // namespace rill

#endif
