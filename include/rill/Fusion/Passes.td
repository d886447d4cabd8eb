//===- Passes.td - Passes of the Fusion stage -----------------*- tablegen -*-===//
//
// rill -> rill: mixers with their states, epilogues, zips, prologues.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_FUSION_PASSES
#define RILL_FUSION_PASSES

include "mlir/Pass/PassBase.td"

def FuseShortConvMixPass : Pass<"rill-fuse-short-conv-mix", "mlir::func::FuncOp"> {
  let summary = "One op per short convolution, its state updated in place";
  let description = [{
    rms_norm -> three products -> gate -> window, convolution, append -> gate
    becomes `rill.short_conv_mix`. The norm stays where something else reads
    it. Refused, with a remark, when a value in between is rounded otherwise
    or has another reader, or when the gated rows are not those appended.
    Numerics: bit-exact by Reference; no rounding is added or removed.
    Example: test/Fusion/fuse-short-conv-mix.mlir.
  }];
}

def FuseAttentionUpdatePass : Pass<"rill-fuse-attention-update", "mlir::func::FuncOp"> {
  let summary = "One product for q, k, v; one op from raw rows to attention";
  let description = [{
    The products of q, k and v become one `rill.linear` with stacked weights,
    and qk-norm, RoPE, append and attention over the state and this call
    become `rill.attention_update` on its rows. Refused, with a remark, for
    other segments, other readers in between, biases, or q and k rotated or
    normalised differently. Numerics: bit-exact by Reference.
    Example: test/Fusion/fuse-attention-update.mlir.
  }];
}

def FuseNormProloguePass : Pass<"rill-fuse-norm-prologue", "mlir::func::FuncOp"> {
  let summary = "Move an rms_norm into the one product that reads it";
  let description = [{
    `linear(rms_norm(x, g))` -> `linear(x) norm(g) {prologue = rms_norm}`,
    rounded to the norm's type. A norm with several readers stays.
    Numerics: bit-exact. Example: test/Fusion/fuse-norm-prologue.mlir.
  }];
}

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
