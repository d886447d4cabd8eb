// RUN: rill-opt %s --rill-fuse-short-conv-mix --split-input-file --remarks-filter=rill-fusion --verify-diagnostics | FileCheck %s
// A gated short convolution and its ring become one op.

rill.state @s rows ring row_dim = 1 history = 2 : tensor<1x32x4xbf16>
// CHECK-LABEL: func.func @mixes
// CHECK-SAME: (%[[X:.*]]: tensor<1x?x4xf32>, %[[N:.*]]: tensor<4xbf16>, %[[B:.*]]: tensor<4x4xbf16>, %[[C:.*]]: tensor<4x4xbf16>, %[[V:.*]]: tensor<4x4xbf16>, %[[F:.*]]: tensor<4x3xbf16>)
func.func @mixes(%x: tensor<1x?x4xf32>, %n: tensor<4xbf16>, %b: tensor<4x4xbf16>, %c: tensor<4x4xbf16>, %v: tensor<4x4xbf16>, %f: tensor<4x3xbf16>) -> tensor<1x?x4xbf16> {
  // CHECK-NEXT: %[[Y:.*]] = rill.short_conv_mix %[[X]] norm(%[[N]]) weights(%[[B]], %[[C]], %[[V]]) filter(%[[F]]) state(@s) {eps = 1.000000e-05 : f64}
  // CHECK-NEXT: return %[[Y]]
  %0 = rill.rms_norm %x, %n {eps = 1.0e-5 : f64} : (tensor<1x?x4xf32>, tensor<4xbf16>) -> tensor<1x?x4xbf16>
  %1 = rill.linear %0 weights(%b) : (tensor<1x?x4xbf16>, tensor<4x4xbf16>) -> tensor<1x?x4xf32> {
  ^bb0(%a: f32):
    rill.yield %a : f32
  }
  %2 = rill.linear %0 weights(%c) : (tensor<1x?x4xbf16>, tensor<4x4xbf16>) -> tensor<1x?x4xf32> {
  ^bb0(%a: f32):
    rill.yield %a : f32
  }
  %3 = rill.linear %0 weights(%v) : (tensor<1x?x4xbf16>, tensor<4x4xbf16>) -> tensor<1x?x4xf32> {
  ^bb0(%a: f32):
    rill.yield %a : f32
  }
  %4 = rill.elementwise %1, %3 : (tensor<1x?x4xf32>, tensor<1x?x4xf32>) -> tensor<1x?x4xbf16> {
  ^bb0(%p: f32, %q: f32):
    %t = arith.mulf %p, %q : f32
    rill.yield %t : f32
  }
  %5 = rill.state.window @s : tensor<1x2x4xbf16>
  %6 = rill.short_conv %5, %4, %f : (tensor<1x2x4xbf16>, tensor<1x?x4xbf16>, tensor<4x3xbf16>) -> tensor<1x?x4xf32>
  rill.state.append @s, %4 : tensor<1x?x4xbf16>
  %7 = rill.elementwise %2, %6 : (tensor<1x?x4xf32>, tensor<1x?x4xf32>) -> tensor<1x?x4xbf16> {
  ^bb0(%p: f32, %q: f32):
    %t = arith.mulf %p, %q : f32
    rill.yield %t : f32
  }
  return %7 : tensor<1x?x4xbf16>
}

// -----
rill.state @s rows ring row_dim = 1 history = 2 : tensor<1x32x4xbf16>
// CHECK-LABEL: func.func @negative_no_append
func.func @negative_no_append(%x: tensor<1x?x4xbf16>, %f: tensor<4x3xbf16>) -> tensor<1x?x4xf32> {
  %0 = rill.state.window @s : tensor<1x2x4xbf16>
  // CHECK: rill.short_conv
  // expected-remark @below {{the convolution's input is not appended to its state}}
  %1 = rill.short_conv %0, %x, %f : (tensor<1x2x4xbf16>, tensor<1x?x4xbf16>, tensor<4x3xbf16>) -> tensor<1x?x4xf32>
  return %1 : tensor<1x?x4xf32>
}

// -----
rill.state @s rows ring row_dim = 1 history = 2 : tensor<1x32x4xbf16>
// CHECK-LABEL: func.func @negative_rounded
func.func @negative_rounded(%x: tensor<1x?x4xf32>, %y: tensor<1x?x4xf32>, %f: tensor<4x3xbf16>) -> tensor<1x?x4xbf16> {
  %0 = rill.elementwise %x, %y : (tensor<1x?x4xf32>, tensor<1x?x4xf32>) -> tensor<1x?x4xbf16> {
  ^bb0(%p: f32, %q: f32):
    %t = arith.mulf %p, %q : f32
    rill.yield %t : f32
  }
  %1 = rill.state.window @s : tensor<1x2x4xbf16>
  // CHECK: rill.short_conv
  // expected-remark @below {{the convolution is rounded or has another reader}}
  %2 = rill.short_conv %1, %0, %f : (tensor<1x2x4xbf16>, tensor<1x?x4xbf16>, tensor<4x3xbf16>) -> tensor<1x?x4xbf16>
  rill.state.append @s, %0 : tensor<1x?x4xbf16>
  return %2 : tensor<1x?x4xbf16>
}
