//===- PlanSection.h - A variant as plan records ----------------*- C++ -*-===//
//
// rill_plan.variant -> the bytes of a plan section.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_LIB_ARTIFACT_PLANSECTION_H
#define RILL_LIB_ARTIFACT_PLANSECTION_H

#include "rill/Dialect/Rill/Rill.h"
#include "rill/Dialect/RillPlan/RillPlan.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringMap.h"

#include <string>

namespace rill {

/// What the records refer to by number.
struct PlanIndex {
  llvm::StringMap<uint32_t> weights, states; ///< by symbol name
  /// Outputs of the target's variant "init", by the weight they hold.
  llvm::StringMap<uint32_t> packed;
  /// Kernel names of the variant's target, in the order of first use.
  llvm::SmallVectorImpl<std::string> *kernels;
};

std::string encodePlan(plan::VariantOp variant, const PlanIndex &index);

} // namespace rill

#endif
