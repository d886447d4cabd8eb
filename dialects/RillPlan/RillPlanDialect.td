//===- RillPlanDialect.td - The rill_plan dialect -------------*- tablegen -*-===//
//
// The dialect of plans: what runs, on which tiles, in which memory.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_PLAN_DIALECT
#define RILL_PLAN_DIALECT

include "mlir/IR/OpBase.td"
include "mlir/IR/BuiltinAttributes.td"

def RillPlan_Dialect : Dialect {
  let name = "rill_plan";
  let cppNamespace = "::rill::plan";
  let summary = "Dispatches, kernels and memory of one method, variant, target";
  let description = [{
    Tiling turns each method into one `rill_plan.variant` per range of its
    shape symbols and target. A variant is a straight line of dispatches over
    tensor values; the Plan stage gives every value an offset in the arena.
    Grids and extents are postfix programs over the shape symbols S, h, w
    ("S 8 ceildiv"; words: integer, symbol, add, mul, floordiv, ceildiv, min,
    max), the same words the artifact stores. Values known only on the device
    never enter a grid.
  }];
  let dependentDialects = ["::mlir::tensor::TensorDialect"];
}

class RillPlan_Op<string mnemonic, list<Trait> traits = []>
    : Op<RillPlan_Dialect, mnemonic, traits>;

#endif
