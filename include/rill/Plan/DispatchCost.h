//===- DispatchCost.h - What a dispatch has to move and compute -*- C++ -*-===//
//
// Bytes and FLOPs by arithmetic, for the report and for profiles.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_PLAN_DISPATCHCOST_H
#define RILL_PLAN_DISPATCHCOST_H

#include "rill/Dialect/RillPlan/RillPlan.h"

#include <string>

namespace rill::plan {

/// Bytes that a dispatch reads once, if caches keep what was read, and the
/// FLOPs of its products and of its attention; programs over the shape symbols.
/// Activations are not in it: the plan's operands tell them.
struct DispatchCost {
  std::string weightBytes; ///< of a table only the rows gathered
  std::string stateBytes;  ///< but for the rows of keys and values in front
  /// Per row of keys and values that stands in front of the call in a sequence.
  int64_t cachedRowBytes = 0;
  std::string flops;          ///< multiply-adds count as two
  std::string cachedRowFlops; ///< per row in front
};

/// `kernel` is the dispatch's.
DispatchCost costOf(DispatchOp dispatch, KernelOp kernel);

/// The checkpoint layer that an op or dispatch stands for; "" when unknown.
std::string layerOf(mlir::Operation *op);

} // namespace rill::plan

#endif
