//===- Passes.td - Passes of the Fusion stage -----------------*- tablegen -*-===//
//
// rill -> rill: epilogues, zips.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_FUSION_PASSES
#define RILL_FUSION_PASSES

include "mlir/Pass/PassBase.td"

def FuseLinearEpiloguePass : Pass<"rill-fuse-linear-epilogue", "mlir::func::FuncOp"> {
  let summary = "Move elementwise work behind a product into its region";
  let description = [{
    `elementwise(linear(x, w), others)` -> `linear(x, w) aux(others)`, and
    `elementwise(linear(x, u), linear(x, v), others)` -> one zipped linear.
    The elementwise op's other inputs become aux operands; regions are
    composed. Refused, with a remark, when the product's result is rounded
    (its type is not f32), has another reader, or has another shape than the
    elementwise result, and when an other input is neither of the result's
    shape nor a vector over its columns.
    Numerics: bit-exact; no rounding is added or removed.
    Example: test/Fusion/fuse-linear-epilogue.mlir.
  }];
}

def VerifyFusedPass : Pass<"rill-verify-fused", "mlir::ModuleOp"> {
  let summary = "Check that only rill, views and indices are left in methods";
  let description = [{
    The gate of phase `fused`: an op of another dialect inside a method, other
    than the reshapes and index ops Tiling understands, is an error.
  }];
}

#endif
