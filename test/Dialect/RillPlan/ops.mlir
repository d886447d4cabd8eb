// RUN: %rill_opt %s | rill-opt | FileCheck %s
// A kernel with a local state, and a variant that dispatches it.

rill.weight @w from "f#w" : tensor<8x4xf32>
rill.state @conv rows ring row_dim = 1 history = 2 : tensor<1x32x4xf32>

// CHECK: rill_plan.kernel @window template "generic" config {} layer "layers.0" dims [] -> {{\[\[\]\]}}
rill_plan.kernel @window template "generic" config {} layer "layers.0" dims [] -> [[]] {
  rill.state @s0 rows ring row_dim = 1 history = 2 : tensor<1x32x4xf32>
  %0 = rill.state.window @s0 : tensor<1x2x4xf32>
  rill_plan.yield %0 : tensor<1x2x4xf32>
}

// CHECK: rill_plan.variant @decoder_1 method "decoder" target "x86-64-v3" when {S = array<i64: 1, 16>}
rill_plan.variant @decoder_1 method "decoder" target "x86-64-v3" when {S = array<i64: 1, 16>}
    attributes {input_names = ["x"], output_names = ["y"], input_dims = [["S"]], output_dims = [[]]} {
^bb0(%x: tensor<1x?x4xf32>):
  %s = rill_plan.state @conv : tensor<1x32x4xf32>
  // CHECK: rill_plan.dispatch @window(%{{.*}}) grid "S 8 ceildiv" access [1]
  %0 = rill_plan.dispatch @window(%s) grid "S 8 ceildiv" access [1] : (tensor<1x32x4xf32>) -> tensor<1x2x4xf32>
  rill_plan.return %0 : tensor<1x2x4xf32>
}
