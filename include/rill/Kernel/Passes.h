//===- Passes.h - Passes of the Kernel stage --------------------*- C++ -*-===//
//
// Declarations generated from Passes.td.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_KERNEL_PASSES_H
#define RILL_KERNEL_PASSES_H

#include "mlir/Pass/Pass.h"

namespace rill {
#define GEN_PASS_DECL
#include "rill/Kernel/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "rill/Kernel/Passes.h.inc"
} // namespace rill

#endif
