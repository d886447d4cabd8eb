//===- Passes.td - Passes of the Tiling stage -----------------*- tablegen -*-===//
//
// rill -> rill + rill_plan.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_TILING_PASSES
#define RILL_TILING_PASSES

include "mlir/Pass/PassBase.td"

def MaterializeRopeTablesPass : Pass<"rill-materialize-rope-tables", "mlir::ModuleOp"> {
  let summary = "Give every rotation a table of cosines and sines";
  let description = [{
    `rope x, p {theta}` -> `rope x, p table %t {theta}`, where %t reads a
    generated weight "generated#rope theta=T width=d" with one row of d/2
    cosines and d/2 sines per position 0..P-1, computed in double and rounded
    to f32. P is `max_seq_len` of `rill.model`. One table per (theta, d).
    Numerics: bit-exact (rill.rope defines the same values).
  }];
}

def FormPlansPass : Pass<"rill-form-plans", "mlir::ModuleOp"> {
  let summary = "Turn methods into variants, dispatches and kernels";
  let description = [{
    Makes one `rill_plan.variant` per method, target and range of the shape
    symbols, and one `rill_plan.kernel` per distinct dispatch. The target's
    policy chooses each kernel's template, configuration and grid. Variants of
    more than 16 rows per sequence take fused short convolutions, attention
    updates, stacked products and norm prologues apart first. A weight whose
    users all take it packed, by the policy, has #rill.packed in the variants
    of its target, which then also get a variant of the method "init" whose
    results are these weights; it runs once, before all others. Requires
    rotations with tables; removes the methods. Numerics: bit-exact.
  }];
  let options = [
    ListOption<"targets", "targets", "std::string", "targets, e.g. x86-64-v3">,
    Option<"prefillChunk", "prefill-chunk", "int64_t", "512",
           "largest S of a text_decoder call">,
    Option<"noGeneric", "no-generic", "bool", "false",
           "refuse kernels that are no template of their op">];
  let dependentDialects = ["rill::plan::RillPlanDialect"];
}

#endif
