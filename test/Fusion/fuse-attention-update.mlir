// RUN: rill-opt %s --rill-fuse-attention-update --split-input-file --remarks-filter=rill-fusion --verify-diagnostics | FileCheck %s
// Products of q, k and v, their norms, rotation, append and attention become
// one product and one op.

rill.state @k rows linear row_dim = 2 history = 0 : tensor<1x1x32x4xbf16>
rill.state @v rows linear row_dim = 2 history = 0 : tensor<1x1x32x4xbf16>
// CHECK-LABEL: func.func @updates
func.func @updates(%x: tensor<1x?x8xbf16>, %i: tensor<1x?xi64>, %w0: tensor<8x8xbf16>, %w1: tensor<4x8xbf16>, %w2: tensor<4x8xbf16>, %g: tensor<4xbf16>, %h: tensor<4xbf16>) -> tensor<1x?x8xbf16> {
  // CHECK: %[[R:.*]] = rill.linear %{{.*}} weights(%{{.*}}, %{{.*}}, %{{.*}}) : {{.*}} -> tensor<1x?x16xbf16>
  // CHECK: %[[Y:.*]] = rill.attention_update %[[R]], %{{.*}}, %{{.*}}, %{{.*}} states(@k, @v)
  // CHECK-SAME: heads = 2
  // CHECK-NEXT: return %[[Y]]
  %c1 = arith.constant 1 : index
  %p0 = rill.linear %x weights(%w0) : (tensor<1x?x8xbf16>, tensor<8x8xbf16>) -> tensor<1x?x8xbf16> {
  ^bb0(%a: f32):
    rill.yield %a : f32
  }
  %d0 = tensor.dim %p0, %c1 : tensor<1x?x8xbf16>
  %h0 = tensor.expand_shape %p0 [[0], [1], [2, 3]] output_shape [1, %d0, 2, 4] : tensor<1x?x8xbf16> into tensor<1x?x2x4xbf16>
  %n0 = rill.rms_norm %h0, %g {eps = 1.0e-5 : f64} : (tensor<1x?x2x4xbf16>, tensor<4xbf16>) -> tensor<1x?x2x4xf32>
  %r0 = rill.rope %n0, %i {theta = 1.0e6 : f64} : (tensor<1x?x2x4xf32>, tensor<1x?xi64>) -> tensor<1x?x2x4xbf16>
  %p1 = rill.linear %x weights(%w1) : (tensor<1x?x8xbf16>, tensor<4x8xbf16>) -> tensor<1x?x4xbf16> {
  ^bb0(%a: f32):
    rill.yield %a : f32
  }
  %d1 = tensor.dim %p1, %c1 : tensor<1x?x4xbf16>
  %h1 = tensor.expand_shape %p1 [[0], [1], [2, 3]] output_shape [1, %d1, 1, 4] : tensor<1x?x4xbf16> into tensor<1x?x1x4xbf16>
  %n1 = rill.rms_norm %h1, %h {eps = 1.0e-5 : f64} : (tensor<1x?x1x4xbf16>, tensor<4xbf16>) -> tensor<1x?x1x4xf32>
  %r1 = rill.rope %n1, %i {theta = 1.0e6 : f64} : (tensor<1x?x1x4xf32>, tensor<1x?xi64>) -> tensor<1x?x1x4xbf16>
  %p2 = rill.linear %x weights(%w2) : (tensor<1x?x8xbf16>, tensor<4x8xbf16>) -> tensor<1x?x4xbf16> {
  ^bb0(%a: f32):
    rill.yield %a : f32
  }
  %d2 = tensor.dim %p2, %c1 : tensor<1x?x4xbf16>
  %h2 = tensor.expand_shape %p2 [[0], [1], [2, 3]] output_shape [1, %d2, 1, 4] : tensor<1x?x4xbf16> into tensor<1x?x1x4xbf16>
  %ks = rill.state.read @k : tensor<1x1x32x4xbf16>
  %vs = rill.state.read @v : tensor<1x1x32x4xbf16>
  %s = rill.control start : tensor<1xi64>
  %y = rill.attention %r0 keys(%ks, %r1) values(%vs, %h2) bounds(%s) [#rill.segment<state, all>, #rill.segment<value, causal>] {scale = 0.5 : f64}
      : (tensor<1x?x2x4xbf16>, tensor<1x1x32x4xbf16>, tensor<1x?x1x4xbf16>, tensor<1x1x32x4xbf16>, tensor<1x?x1x4xbf16>, tensor<1xi64>) -> tensor<1x?x2x4xbf16>
  rill.state.append @k, %r1 : tensor<1x?x1x4xbf16>
  rill.state.append @v, %h2 : tensor<1x?x1x4xbf16>
  %z = tensor.collapse_shape %y [[0], [1], [2, 3]] : tensor<1x?x2x4xbf16> into tensor<1x?x8xbf16>
  return %z : tensor<1x?x8xbf16>
}

// -----
rill.state @k rows linear row_dim = 2 history = 0 : tensor<1x1x32x4xbf16>
rill.state @v rows linear row_dim = 2 history = 0 : tensor<1x1x32x4xbf16>
// CHECK-LABEL: func.func @negative_segments
func.func @negative_segments(%x: tensor<1x?x8xbf16>, %i: tensor<1x?xi64>, %w0: tensor<8x8xbf16>, %w1: tensor<4x8xbf16>, %w2: tensor<4x8xbf16>, %g: tensor<4xbf16>, %h: tensor<4xbf16>) -> tensor<1x?x8xbf16> {
  // CHECK-NOT: rill.attention_update
  %c1 = arith.constant 1 : index
  %p0 = rill.linear %x weights(%w0) : (tensor<1x?x8xbf16>, tensor<8x8xbf16>) -> tensor<1x?x8xbf16> {
  ^bb0(%a: f32):
    rill.yield %a : f32
  }
  %d0 = tensor.dim %p0, %c1 : tensor<1x?x8xbf16>
  %h0 = tensor.expand_shape %p0 [[0], [1], [2, 3]] output_shape [1, %d0, 2, 4] : tensor<1x?x8xbf16> into tensor<1x?x2x4xbf16>
  %n0 = rill.rms_norm %h0, %g {eps = 1.0e-5 : f64} : (tensor<1x?x2x4xbf16>, tensor<4xbf16>) -> tensor<1x?x2x4xf32>
  %r0 = rill.rope %n0, %i {theta = 1.0e6 : f64} : (tensor<1x?x2x4xf32>, tensor<1x?xi64>) -> tensor<1x?x2x4xbf16>
  %p1 = rill.linear %x weights(%w1) : (tensor<1x?x8xbf16>, tensor<4x8xbf16>) -> tensor<1x?x4xbf16> {
  ^bb0(%a: f32):
    rill.yield %a : f32
  }
  %d1 = tensor.dim %p1, %c1 : tensor<1x?x4xbf16>
  %h1 = tensor.expand_shape %p1 [[0], [1], [2, 3]] output_shape [1, %d1, 1, 4] : tensor<1x?x4xbf16> into tensor<1x?x1x4xbf16>
  %n1 = rill.rms_norm %h1, %h {eps = 1.0e-5 : f64} : (tensor<1x?x1x4xbf16>, tensor<4xbf16>) -> tensor<1x?x1x4xf32>
  %r1 = rill.rope %n1, %i {theta = 1.0e6 : f64} : (tensor<1x?x1x4xf32>, tensor<1x?xi64>) -> tensor<1x?x1x4xbf16>
  %p2 = rill.linear %x weights(%w2) : (tensor<1x?x8xbf16>, tensor<4x8xbf16>) -> tensor<1x?x4xbf16> {
  ^bb0(%a: f32):
    rill.yield %a : f32
  }
  %d2 = tensor.dim %p2, %c1 : tensor<1x?x4xbf16>
  %h2 = tensor.expand_shape %p2 [[0], [1], [2, 3]] output_shape [1, %d2, 1, 4] : tensor<1x?x4xbf16> into tensor<1x?x1x4xbf16>
  %ks = rill.state.read @k : tensor<1x1x32x4xbf16>
  %vs = rill.state.read @v : tensor<1x1x32x4xbf16>
  %s = rill.control start : tensor<1xi64>
  // expected-remark @below {{the segments are not the past and this call}}
  %y = rill.attention %r0 keys(%ks, %r1) values(%vs, %h2) bounds(%s) [#rill.segment<state, all>, #rill.segment<value, all>] {scale = 0.5 : f64}
      : (tensor<1x?x2x4xbf16>, tensor<1x1x32x4xbf16>, tensor<1x?x1x4xbf16>, tensor<1x1x32x4xbf16>, tensor<1x?x1x4xbf16>, tensor<1xi64>) -> tensor<1x?x2x4xbf16>
  rill.state.append @k, %r1 : tensor<1x?x1x4xbf16>
  rill.state.append @v, %h2 : tensor<1x?x1x4xbf16>
  %z = tensor.collapse_shape %y [[0], [1], [2, 3]] : tensor<1x?x2x4xbf16> into tensor<1x?x8xbf16>
  return %z : tensor<1x?x8xbf16>
}

// -----
rill.state @k rows linear row_dim = 2 history = 0 : tensor<1x1x32x4xbf16>
rill.state @v rows linear row_dim = 2 history = 0 : tensor<1x1x32x4xbf16>
// CHECK-LABEL: func.func @negative_other_theta
func.func @negative_other_theta(%x: tensor<1x?x8xbf16>, %i: tensor<1x?xi64>, %w0: tensor<8x8xbf16>, %w1: tensor<4x8xbf16>, %w2: tensor<4x8xbf16>, %g: tensor<4xbf16>, %h: tensor<4xbf16>) -> tensor<1x?x8xbf16> {
  // CHECK-NOT: rill.attention_update
  %c1 = arith.constant 1 : index
  %p0 = rill.linear %x weights(%w0) : (tensor<1x?x8xbf16>, tensor<8x8xbf16>) -> tensor<1x?x8xbf16> {
  ^bb0(%a: f32):
    rill.yield %a : f32
  }
  %d0 = tensor.dim %p0, %c1 : tensor<1x?x8xbf16>
  %h0 = tensor.expand_shape %p0 [[0], [1], [2, 3]] output_shape [1, %d0, 2, 4] : tensor<1x?x8xbf16> into tensor<1x?x2x4xbf16>
  %n0 = rill.rms_norm %h0, %g {eps = 1.0e-5 : f64} : (tensor<1x?x2x4xbf16>, tensor<4xbf16>) -> tensor<1x?x2x4xf32>
  %r0 = rill.rope %n0, %i {theta = 1.0e6 : f64} : (tensor<1x?x2x4xf32>, tensor<1x?xi64>) -> tensor<1x?x2x4xbf16>
  %p1 = rill.linear %x weights(%w1) : (tensor<1x?x8xbf16>, tensor<4x8xbf16>) -> tensor<1x?x4xbf16> {
  ^bb0(%a: f32):
    rill.yield %a : f32
  }
  %d1 = tensor.dim %p1, %c1 : tensor<1x?x4xbf16>
  %h1 = tensor.expand_shape %p1 [[0], [1], [2, 3]] output_shape [1, %d1, 1, 4] : tensor<1x?x4xbf16> into tensor<1x?x1x4xbf16>
  %n1 = rill.rms_norm %h1, %h {eps = 1.0e-5 : f64} : (tensor<1x?x1x4xbf16>, tensor<4xbf16>) -> tensor<1x?x1x4xf32>
  %r1 = rill.rope %n1, %i {theta = 1.0e4 : f64} : (tensor<1x?x1x4xf32>, tensor<1x?xi64>) -> tensor<1x?x1x4xbf16>
  %p2 = rill.linear %x weights(%w2) : (tensor<1x?x8xbf16>, tensor<4x8xbf16>) -> tensor<1x?x4xbf16> {
  ^bb0(%a: f32):
    rill.yield %a : f32
  }
  %d2 = tensor.dim %p2, %c1 : tensor<1x?x4xbf16>
  %h2 = tensor.expand_shape %p2 [[0], [1], [2, 3]] output_shape [1, %d2, 1, 4] : tensor<1x?x4xbf16> into tensor<1x?x1x4xbf16>
  %ks = rill.state.read @k : tensor<1x1x32x4xbf16>
  %vs = rill.state.read @v : tensor<1x1x32x4xbf16>
  %s = rill.control start : tensor<1xi64>
  // expected-remark @below {{q and k are rotated or normalised differently}}
  %y = rill.attention %r0 keys(%ks, %r1) values(%vs, %h2) bounds(%s) [#rill.segment<state, all>, #rill.segment<value, causal>] {scale = 0.5 : f64}
      : (tensor<1x?x2x4xbf16>, tensor<1x1x32x4xbf16>, tensor<1x?x1x4xbf16>, tensor<1x1x32x4xbf16>, tensor<1x?x1x4xbf16>, tensor<1xi64>) -> tensor<1x?x2x4xbf16>
  rill.state.append @k, %r1 : tensor<1x?x1x4xbf16>
  rill.state.append @v, %h2 : tensor<1x?x1x4xbf16>
  %z = tensor.collapse_shape %y [[0], [1], [2, 3]] : tensor<1x?x2x4xbf16> into tensor<1x?x8xbf16>
  return %z : tensor<1x?x8xbf16>
}
