// RUN: rill-opt %s --rill-fuse-norm-prologue --split-input-file | FileCheck %s
// A norm that one product reads moves into it; one with two readers stays.

// CHECK-LABEL: func.func @one_reader
// CHECK-SAME: (%[[X:.*]]: tensor<1x?x4xf32>, %[[G:.*]]: tensor<4xbf16>, %[[W:.*]]: tensor<8x4xbf16>)
func.func @one_reader(%x: tensor<1x?x4xf32>, %g: tensor<4xbf16>, %w: tensor<8x4xbf16>) -> tensor<1x?x8xf32> {
  // CHECK-NEXT: rill.linear %[[X]] norm(%[[G]]) weights(%[[W]]) {eps = 1.000000e-05 : f64, prologue = #rill<prologue rms_norm>, round = bf16}
  %0 = rill.rms_norm %x, %g {eps = 1.0e-5 : f64} : (tensor<1x?x4xf32>, tensor<4xbf16>) -> tensor<1x?x4xbf16>
  %1 = rill.linear %0 weights(%w) : (tensor<1x?x4xbf16>, tensor<8x4xbf16>) -> tensor<1x?x8xf32> {
  ^bb0(%a: f32):
    rill.yield %a : f32
  }
  return %1 : tensor<1x?x8xf32>
}

// -----
// CHECK-LABEL: func.func @negative_two_readers
func.func @negative_two_readers(%x: tensor<1x?x4xf32>, %g: tensor<4xbf16>, %w: tensor<8x4xbf16>) -> (tensor<1x?x8xf32>, tensor<1x?x4xbf16>) {
  // CHECK-NEXT: rill.rms_norm
  // CHECK-NEXT: rill.linear %{{.*}} weights
  %0 = rill.rms_norm %x, %g {eps = 1.0e-5 : f64} : (tensor<1x?x4xf32>, tensor<4xbf16>) -> tensor<1x?x4xbf16>
  %1 = rill.linear %0 weights(%w) : (tensor<1x?x4xbf16>, tensor<8x4xbf16>) -> tensor<1x?x8xf32> {
  ^bb0(%a: f32):
    rill.yield %a : f32
  }
  return %1, %0 : tensor<1x?x8xf32>, tensor<1x?x4xbf16>
}
