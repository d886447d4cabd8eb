//===- Passes.h - Passes of the Plan stage ----------------------*- C++ -*-===//
//
// Declarations generated from Passes.td, and sizes shared with Artifact.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_PLAN_PASSES_H
#define RILL_PLAN_PASSES_H

#include "rill/Dialect/RillPlan/RillPlan.h"

#include "mlir/Pass/Pass.h"

namespace rill {
#define GEN_PASS_DECL
#include "rill/Plan/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "rill/Plan/Passes.h.inc"

namespace plan {
/// The bytes of a value as a shape program: `dims` names its dynamic sizes.
std::string bytesProgram(mlir::RankedTensorType type, mlir::ArrayAttr dims);
/// The largest value of a program over the symbols of `variant`. h and w are
/// bound by h * w <= the upper end of h.
int64_t upperBound(VariantOp variant, llvm::StringRef program);
/// The dispatch result or block argument behind views.
mlir::Value rootOf(mlir::Value value);
} // namespace plan
} // namespace rill

#endif
