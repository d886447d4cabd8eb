//===- Passes.td - Passes of the Plan stage -------------------*- tablegen -*-===//
//
// rill_plan -> rill_plan: memory.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_PLAN_PASSES
#define RILL_PLAN_PASSES

include "mlir/Pass/PassBase.td"

def PlanMemoryPass : Pass<"rill-plan-memory", "mlir::ModuleOp"> {
  let summary = "Give every dispatch result an offset in the arena";
  let description = [{
    Sizes are taken at the upper ends of the variant's symbols. A buffer lives
    from its dispatch to its last reader, through views; buffers that live at
    the same time do not overlap. Results that the method returns get -1 - i:
    they are written to output i. Sets `offsets` and `arena_bytes`.
  }];
}

def VerifyPlannedPass : Pass<"rill-verify-planned", "mlir::ModuleOp"> {
  let summary = "Check that no two live buffers overlap";
  let description = [{
    The gate of phase `planned`: recomputes lifetimes and sizes from the
    dispatches alone and compares every pair of buffers that live together.
  }];
}

#endif
