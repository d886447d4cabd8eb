// rill-reduce keeps what a script finds interesting: the one method that phase fused refuses.
// RUN: rill-reduce %s --reduction-tree='traversal-mode=0 test=%S/Inputs/still_fails.sh' -o %t.mlir
// RUN: FileCheck %s --input-file=%t.mlir
// RUN: not rill-opt %t.mlir --rill-verify-fused -o /dev/null
// A module that is not interesting is refused.
// RUN: not rill-reduce %S/../Reference/evaluate-values.mlir --reduction-tree='traversal-mode=0 test=%S/Inputs/still_fails.sh' -o /dev/null

// CHECK-NOT: @good
// CHECK-NOT: @better
// CHECK-NOT: rill.weight
// CHECK: func.func @bad
// CHECK: math.exp
// CHECK-NOT: @good
// CHECK-NOT: @better
rill.weight @w from "model.safetensors#layers.0.w" : tensor<4xbf16>
func.func @good(%x: tensor<1x4xf32>) -> tensor<1x4xf32> attributes {rill.method = "good"} {
  %g = rill.weight.read @w : tensor<4xbf16>
  %y = rill.rms_norm %x, %g {eps = 1.0e-5 : f64} : (tensor<1x4xf32>, tensor<4xbf16>) -> tensor<1x4xf32>
  return %y : tensor<1x4xf32>
}
func.func @bad(%x: tensor<1x4xf32>) -> tensor<1x4xf32> attributes {rill.method = "bad"} {
  %y = math.exp %x : tensor<1x4xf32>
  return %y : tensor<1x4xf32>
}
func.func @better(%x: tensor<1x4xf32>) -> tensor<1x4xf32> attributes {rill.method = "better"} {
  %y = rill.elementwise %x : (tensor<1x4xf32>) -> tensor<1x4xf32> {
  ^bb0(%a: f32):
    rill.yield %a : f32
  }
  return %y : tensor<1x4xf32>
}
