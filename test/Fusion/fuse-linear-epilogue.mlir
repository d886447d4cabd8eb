// RUN: rill-opt %s --rill-fuse-linear-epilogue --split-input-file --remarks-filter=rill-fusion --verify-diagnostics | FileCheck %s
// Residuals, gates and activations move into the product before them.

// CHECK-LABEL: func.func @residual
// CHECK-SAME: (%[[X:.*]]: tensor<1x?x4xf32>, %[[R:.*]]: tensor<1x?x4xf32>, %[[W:.*]]: tensor<4x4xf32>)
func.func @residual(%x: tensor<1x?x4xf32>, %r: tensor<1x?x4xf32>, %w: tensor<4x4xf32>) -> tensor<1x?x4xf32> {
  // CHECK: %[[Y:.*]] = rill.linear %[[X]] weights(%[[W]]) aux(%[[R]])
  // CHECK-NEXT: ^bb0(%[[A:.*]]: f32, %[[B:.*]]: f32):
  // CHECK-NEXT: %[[S:.*]] = arith.addf %[[B]], %[[A]] : f32
  // CHECK-NEXT: rill.yield %[[S]]
  // CHECK-NOT: rill.elementwise
  %y = rill.linear %x weights(%w) : (tensor<1x?x4xf32>, tensor<4x4xf32>) -> tensor<1x?x4xf32> {
  ^bb0(%acc: f32):
    rill.yield %acc : f32
  }
  %z = rill.elementwise %r, %y : (tensor<1x?x4xf32>, tensor<1x?x4xf32>) -> tensor<1x?x4xf32> {
  ^bb0(%a: f32, %b: f32):
    %s = arith.addf %a, %b : f32
    rill.yield %s : f32
  }
  return %z : tensor<1x?x4xf32>
}

// -----
// The result may be rounded by the elementwise op itself.
// CHECK-LABEL: func.func @zips_two_products
func.func @zips_two_products(%x: tensor<1x?x4xf32>, %u: tensor<8x4xf32>, %v: tensor<8x4xf32>) -> tensor<1x?x8xbf16> {
  // CHECK: rill.linear %{{.*}} weights(%{{.*}}, %{{.*}}) {combine = #rill<combine zip>} : {{.*}} -> tensor<1x?x8xbf16>
  // CHECK: arith.mulf
  %g = rill.linear %x weights(%u) : (tensor<1x?x4xf32>, tensor<8x4xf32>) -> tensor<1x?x8xf32> {
  ^bb0(%acc: f32):
    rill.yield %acc : f32
  }
  %h = rill.linear %x weights(%v) : (tensor<1x?x4xf32>, tensor<8x4xf32>) -> tensor<1x?x8xf32> {
  ^bb0(%acc: f32):
    rill.yield %acc : f32
  }
  %z = rill.elementwise %g, %h : (tensor<1x?x8xf32>, tensor<1x?x8xf32>) -> tensor<1x?x8xbf16> {
  ^bb0(%a: f32, %b: f32):
    %s = arith.mulf %a, %b : f32
    rill.yield %s : f32
  }
  return %z : tensor<1x?x8xbf16>
}

// -----
// CHECK-LABEL: func.func @negative_rounded_product
func.func @negative_rounded_product(%x: tensor<1x?x4xf32>, %w: tensor<4x4xf32>) -> tensor<1x?x4xf32> {
  %y = rill.linear %x weights(%w) : (tensor<1x?x4xf32>, tensor<4x4xf32>) -> tensor<1x?x4xbf16> {
  ^bb0(%acc: f32):
    rill.yield %acc : f32
  }
  // CHECK: rill.elementwise
  // expected-remark @below {{the product is rounded before the elementwise op}}
  %z = rill.elementwise %y : (tensor<1x?x4xbf16>) -> tensor<1x?x4xf32> {
  ^bb0(%a: f32):
    %s = math.exp %a : f32
    rill.yield %s : f32
  }
  return %z : tensor<1x?x4xf32>
}

// -----
// CHECK-LABEL: func.func @negative_second_reader
func.func @negative_second_reader(%x: tensor<1x?x4xf32>, %w: tensor<4x4xf32>) -> (tensor<1x?x4xf32>, tensor<1x?x4xf32>) {
  %y = rill.linear %x weights(%w) : (tensor<1x?x4xf32>, tensor<4x4xf32>) -> tensor<1x?x4xf32> {
  ^bb0(%acc: f32):
    rill.yield %acc : f32
  }
  // CHECK: rill.elementwise
  // expected-remark @below {{the product has another reader}}
  %z = rill.elementwise %y : (tensor<1x?x4xf32>) -> tensor<1x?x4xf32> {
  ^bb0(%a: f32):
    %s = math.exp %a : f32
    rill.yield %s : f32
  }
  return %y, %z : tensor<1x?x4xf32>, tensor<1x?x4xf32>
}
