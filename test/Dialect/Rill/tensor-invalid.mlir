// RUN: rill-opt %s --split-input-file --verify-diagnostics
// Embedding, linear, elementwise, norms, vision reshapes, sampling: one case
// per constraint.

func.func @f(%t: tensor<8x4xf32>, %i: tensor<1x2xi64>) {
  // expected-error @below {{embedding_c1}}
  %0 = rill.embedding %t, %i : (tensor<8x4xf32>, tensor<1x2xi64>) -> tensor<1x2x5xf32>
  return
}
// -----
func.func @f(%x: tensor<1x4xf32>, %w: tensor<3x5xf32>) {
  // expected-error @below {{linear_c1: weight 'tensor<3x5xf32>' does not take rows of 4}}
  %0 = rill.linear %x weights(%w) : (tensor<1x4xf32>, tensor<3x5xf32>) -> tensor<1x3xf32> {
  ^bb0(%a: f32):
    rill.yield %a : f32
  }
  return
}
// -----
func.func @f(%x: tensor<1x4xf32>, %w: tensor<3x4xf32>) {
  // expected-error @below {{linear_c2: weights give 3 columns but the result has 5}}
  %0 = rill.linear %x weights(%w) : (tensor<1x4xf32>, tensor<3x4xf32>) -> tensor<1x5xf32> {
  ^bb0(%a: f32):
    rill.yield %a : f32
  }
  return
}
// -----
func.func @f(%x: tensor<1x4xf32>, %w: tensor<3x4xf32>, %r: tensor<4xf32>) {
  // expected-error @below {{linear_c3: aux 'tensor<4xf32>'}}
  %0 = rill.linear %x weights(%w) aux(%r) : (tensor<1x4xf32>, tensor<3x4xf32>, tensor<4xf32>) -> tensor<1x3xf32> {
  ^bb0(%a: f32, %b: f32):
    rill.yield %a : f32
  }
  return
}
// -----
func.func @f(%x: tensor<1x4xf32>, %w: tensor<3x4xf32>) {
  // expected-error @below {{linear_c4: prologue rms_norm takes 1 norm operands of 4}}
  %0 = rill.linear %x weights(%w) {prologue = #rill<prologue rms_norm>} : (tensor<1x4xf32>, tensor<3x4xf32>) -> tensor<1x3xf32> {
  ^bb0(%a: f32):
    rill.yield %a : f32
  }
  return
}
// -----
func.func @f(%x: tensor<1x4xf32>, %w: tensor<3x4xf32>) {
  // expected-error @below {{linear_c5: the region takes 2 values where 1 f32 are due}}
  %0 = rill.linear %x weights(%w) : (tensor<1x4xf32>, tensor<3x4xf32>) -> tensor<1x3xf32> {
  ^bb0(%a: f32, %b: f32):
    rill.yield %a : f32
  }
  return
}
// -----
func.func @f(%x: tensor<1x4xf32>, %w: tensor<3x4xf32>) {
  // expected-error @below {{linear_c5: math.sin is no listed scalar op}}
  %0 = rill.linear %x weights(%w) : (tensor<1x4xf32>, tensor<3x4xf32>) -> tensor<1x3xf32> {
  ^bb0(%a: f32):
    %s = math.sin %a : f32
    rill.yield %s : f32
  }
  return
}
// -----
func.func @f(%x: tensor<2x4xf32>, %w: tensor<3x4xf32>) {
  // expected-error @below {{linear_c6: result}}
  %0 = rill.linear %x weights(%w) : (tensor<2x4xf32>, tensor<3x4xf32>) -> tensor<1x3xf32> {
  ^bb0(%a: f32):
    rill.yield %a : f32
  }
  return
}
// -----
func.func @f(%x: tensor<4xf32>) {
  // expected-error @below {{elementwise_c1: 'tensor<4xf32>' is no suffix}}
  %0 = rill.elementwise %x : (tensor<4xf32>) -> tensor<2x3xf32> {
  ^bb0(%a: f32):
    rill.yield %a : f32
  }
  return
}
// -----
func.func @f(%x: tensor<4xf32>) {
  // expected-error @below {{elementwise_c2: the region takes 0 values}}
  %0 = rill.elementwise %x : (tensor<4xf32>) -> tensor<4xf32> {
    %c = arith.constant 1.0 : f32
    rill.yield %c : f32
  }
  return
}
// -----
func.func @f(%x: tensor<1x4xf32>, %g: tensor<5xf32>) {
  // expected-error @below {{rms_norm_c1}}
  %0 = rill.rms_norm %x, %g {eps = 1.0e-5} : (tensor<1x4xf32>, tensor<5xf32>) -> tensor<1x4xf32>
  return
}
// -----
func.func @f(%x: tensor<1x4xf32>, %g: tensor<4xf32>) {
  // expected-error @below {{rms_norm_c2: eps is not positive}}
  %0 = rill.rms_norm %x, %g {eps = 0.0} : (tensor<1x4xf32>, tensor<4xf32>) -> tensor<1x4xf32>
  return
}
// -----
func.func @f(%x: tensor<1x4xf32>, %g: tensor<4xf32>) {
  // expected-error @below {{rms_norm_c3}}
  %0 = rill.rms_norm %x, %g {eps = 1.0e-5} : (tensor<1x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  return
}
// -----
func.func @f(%x: tensor<1x4xf32>, %g: tensor<4xf32>, %b: tensor<3xf32>) {
  // expected-error @below {{layer_norm_c1}}
  %0 = rill.layer_norm %x, %g, %b {eps = 1.0e-6} : (tensor<1x4xf32>, tensor<4xf32>, tensor<3xf32>) -> tensor<1x4xf32>
  return
}
// -----
func.func @f(%x: tensor<1x4xf32>, %g: tensor<4xf32>) {
  // expected-error @below {{layer_norm_c2: eps is not positive}}
  %0 = rill.layer_norm %x, %g, %g {eps = -1.0} : (tensor<1x4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<1x4xf32>
  return
}
// -----
func.func @f(%x: tensor<1x4xf32>, %g: tensor<4xf32>) {
  // expected-error @below {{layer_norm_c3}}
  %0 = rill.layer_norm %x, %g, %g {eps = 1.0e-6} : (tensor<1x4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<3x4xf32>
  return
}
// -----
func.func @f(%w: tensor<4x8xf32>) {
  // expected-error @below {{pack_c1}}
  %0 = rill.pack %w : tensor<4x8xf32> to tensor<4x8xf32, #rill.packed>
  return
}
// -----
func.func @f(%w: tensor<4x8xbf16>) {
  // expected-error @below {{pack_c1}}
  %0 = rill.pack %w : tensor<4x8xbf16> to tensor<4x8xbf16>
  return
}
// -----
func.func @f(%x: tensor<1x?x4xf32>) {
  // expected-error @below {{last_row_c1}}
  %0 = rill.last_row %x : (tensor<1x?x4xf32>) -> tensor<1x5xf32>
  return
}
// -----
func.func @f(%x: tensor<1x?x4xf32>, %y: tensor<1x?x5xf32>) {
  // expected-error @below {{stack_c1}}
  %0 = rill.stack %x, %y : (tensor<1x?x4xf32>, tensor<1x?x5xf32>) -> tensor<1x?x9xf32>
  return
}
// -----
func.func @f(%x: tensor<1x?x4xf32>) {
  // expected-error @below {{stack_c2: 2 inputs}}
  %0 = rill.stack %x, %x : (tensor<1x?x4xf32>, tensor<1x?x4xf32>) -> tensor<1x?x4xf32>
  return
}
// -----
func.func @f(%t: tensor<255x4xf32>, %h: index) {
  // R3: a table that is not square is refused, never truncated.
  // expected-error @below {{position_resize_c1: a table of 255 rows is not square}}
  %0 = rill.position_resize %t, %h, %h : (tensor<255x4xf32>, index, index) -> tensor<?x4xf32>
  return
}
// -----
func.func @f(%t: tensor<16x4xf32>, %h: index) {
  // expected-error @below {{position_resize_c2}}
  %0 = rill.position_resize %t, %h, %h : (tensor<16x4xf32>, index, index) -> tensor<?x5xf32>
  return
}
// -----
func.func @f(%x: tensor<1x?x4xf32>, %h: index) {
  // expected-error @below {{pixel_unshuffle_c1}}
  %0 = rill.pixel_unshuffle %x, %h, %h {factor = 2 : i64} : (tensor<1x?x4xf32>, index, index) -> tensor<1x?x8xf32>
  return
}
// -----
func.func @f(%x: tensor<1x?x4xf32>, %h: index) {
  // expected-error @below {{pixel_unshuffle_c2: factor 0 < 1}}
  %0 = rill.pixel_unshuffle %x, %h, %h {factor = 0 : i64} : (tensor<1x?x4xf32>, index, index) -> tensor<1x?x4xf32>
  return
}
// -----
func.func @f(%x: tensor<1x4xbf16>) {
  // expected-error @below {{sample_c1}}
  %0 = rill.sample %x : (tensor<1x4xbf16>) -> tensor<1xi64>
  return
}
// -----
rill.state @ids rows ring row_dim = 1 history = 2 : tensor<1x8xi64>
func.func @f(%x: tensor<1x4xf32>) {
  // expected-error @below {{sample_c2: @ids of 'tensor<1x8xi64>' is no linear rows state of ids}}
  %0 = rill.sample %x history @ids : (tensor<1x4xf32>) -> tensor<1xi64>
  return
}
// -----
func.func @f(%x: tensor<1x4xf32>) {
  // expected-error @below {{sample_c2: @ids is no rill.state}}
  %0 = rill.sample %x history @ids : (tensor<1x4xf32>) -> tensor<1xi64>
  return
}
// -----
func.func @f(%x: tensor<1x1xi64>) {
  // expected-error @below {{control_commit_c1: tokens are}}
  rill.control.commit %x : tensor<1x1xi64>
  return
}
