// RUN: rill-opt %s --split-input-file --verify-diagnostics
// Short convolution and attention: one case per constraint.

func.func @f(%w: tensor<1x2x4xf32>, %x: tensor<1x?x4xf32>, %f: tensor<5x3xf32>) {
  // expected-error @below {{short_conv_c1: has 4 input channels but a filter for 5}}
  %0 = rill.short_conv %w, %x, %f : (tensor<1x2x4xf32>, tensor<1x?x4xf32>, tensor<5x3xf32>) -> tensor<1x?x4xf32>
  return
}
// -----
func.func @f(%w: tensor<1x8x4xf32>, %x: tensor<1x?x4xf32>, %f: tensor<4x9xf32>) {
  // expected-error @below {{short_conv_c2: a filter of 9 taps is outside 2..8}}
  %0 = rill.short_conv %w, %x, %f : (tensor<1x8x4xf32>, tensor<1x?x4xf32>, tensor<4x9xf32>) -> tensor<1x?x4xf32>
  return
}
// -----
func.func @f(%w: tensor<1x3x4xf32>, %x: tensor<1x?x4xf32>, %f: tensor<4x3xf32>) {
  // expected-error @below {{short_conv_c3: the window has 3 rows but the filter needs 2}}
  %0 = rill.short_conv %w, %x, %f : (tensor<1x3x4xf32>, tensor<1x?x4xf32>, tensor<4x3xf32>) -> tensor<1x?x4xf32>
  return
}
// -----
rill.state @s rows ring row_dim = 1 history = 2 : tensor<1x32x4xf32>
func.func @f(%x: tensor<1x?x4xf32>, %g: tensor<4xf32>, %w: tensor<4x4xf32>, %f: tensor<4x3xf32>) {
  // expected-error @below {{short_conv_mix_c1}}
  %0 = rill.short_conv_mix %x norm(%g) weights(%w, %w) filter(%f) state(@s) {eps = 1.0e-5}
    : (tensor<1x?x4xf32>, tensor<4xf32>, tensor<4x4xf32>, tensor<4x4xf32>, tensor<4x3xf32>) -> tensor<1x?x4xf32>
  return
}
// -----
rill.state @s rows ring row_dim = 1 history = 2 : tensor<1x32x4xf32>
func.func @f(%x: tensor<1x?x4xf32>, %g: tensor<4xf32>, %w: tensor<4x4xf32>, %f: tensor<4x1xf32>) {
  // expected-error @below {{short_conv_mix_c2}}
  %0 = rill.short_conv_mix %x norm(%g) weights(%w, %w, %w) filter(%f) state(@s) {eps = 1.0e-5}
    : (tensor<1x?x4xf32>, tensor<4xf32>, tensor<4x4xf32>, tensor<4x4xf32>, tensor<4x4xf32>, tensor<4x1xf32>) -> tensor<1x?x4xf32>
  return
}
// -----
rill.state @s rows ring row_dim = 1 history = 2 : tensor<1x32x4xf32>
func.func @f(%x: tensor<1x?x4xf32>, %g: tensor<4xf32>, %w: tensor<4x4xf32>, %f: tensor<4x4xf32>) {
  // expected-error @below {{short_conv_mix_c3: @s cannot hold 3 rows of 4 channels}}
  %0 = rill.short_conv_mix %x norm(%g) weights(%w, %w, %w) filter(%f) state(@s) {eps = 1.0e-5}
    : (tensor<1x?x4xf32>, tensor<4xf32>, tensor<4x4xf32>, tensor<4x4xf32>, tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<1x?x4xf32>
  return
}
// -----
func.func @f(%x: tensor<1x?x2x7xf32>, %p: tensor<1x?xi64>) {
  // expected-error @below {{rope_c1}}
  %0 = rill.rope %x, %p {theta = 1.0e6} : (tensor<1x?x2x7xf32>, tensor<1x?xi64>) -> tensor<1x?x2x7xf32>
  return
}
// -----
func.func @f(%x: tensor<1x?x2x8xf32>, %p: tensor<2x?xi64>) {
  // expected-error @below {{rope_c2}}
  %0 = rill.rope %x, %p {theta = 1.0e6} : (tensor<1x?x2x8xf32>, tensor<2x?xi64>) -> tensor<1x?x2x8xf32>
  return
}
// -----
func.func @f(%x: tensor<1x?x2x8xf32>, %p: tensor<1x?xi64>) {
  // expected-error @below {{rope_c3: theta is not positive}}
  %0 = rill.rope %x, %p {theta = 0.0} : (tensor<1x?x2x8xf32>, tensor<1x?xi64>) -> tensor<1x?x2x8xf32>
  return
}
// -----
func.func @f(%q: tensor<1x?x2x8xf32>, %k: tensor<1x?x1x8xf32>) {
  // expected-error @below {{attention_c1: 2 segments but 1 keys and 1 values}}
  %0 = rill.attention %q keys(%k) values(%k) [#rill.segment<value, all>, #rill.segment<value, all>] {scale = 1.0}
    : (tensor<1x?x2x8xf32>, tensor<1x?x1x8xf32>, tensor<1x?x1x8xf32>) -> tensor<1x?x2x8xf32>
  return
}
// -----
func.func @f(%q: tensor<1x?x2x8xf32>, %k: tensor<1x?x1x9xf32>) {
  // expected-error @below {{attention_c2: keys}}
  %0 = rill.attention %q keys(%k) values(%k) [#rill.segment<value, all>] {scale = 1.0}
    : (tensor<1x?x2x8xf32>, tensor<1x?x1x9xf32>, tensor<1x?x1x9xf32>) -> tensor<1x?x2x8xf32>
  return
}
// -----
func.func @f(%q: tensor<1x?x3x8xf32>, %k: tensor<1x?x2x8xf32>) {
  // expected-error @below {{attention_c3: 2 key heads do not divide 3 query heads}}
  %0 = rill.attention %q keys(%k) values(%k) [#rill.segment<value, all>] {scale = 1.0}
    : (tensor<1x?x3x8xf32>, tensor<1x?x2x8xf32>, tensor<1x?x2x8xf32>) -> tensor<1x?x3x8xf32>
  return
}
// -----
func.func @f(%q: tensor<1x?x2x8xf32>, %k: tensor<1x?x1x8xf32>) {
  // expected-error @below {{attention_c4: segment 0 needs a bounds operand of rank 2}}
  %0 = rill.attention %q keys(%k) values(%k) [#rill.segment<value, prefix>] {scale = 1.0}
    : (tensor<1x?x2x8xf32>, tensor<1x?x1x8xf32>, tensor<1x?x1x8xf32>) -> tensor<1x?x2x8xf32>
  return
}
// -----
func.func @f(%q: tensor<1x?x2x8xf32>, %k: tensor<1x?x1x8xf32>, %b: tensor<1xi64>) {
  // expected-error @below {{attention_c4: 1 bounds but the segments take 0}}
  %0 = rill.attention %q keys(%k) values(%k) bounds(%b) [#rill.segment<value, all>] {scale = 1.0}
    : (tensor<1x?x2x8xf32>, tensor<1x?x1x8xf32>, tensor<1x?x1x8xf32>, tensor<1xi64>) -> tensor<1x?x2x8xf32>
  return
}
// -----
func.func @f(%q: tensor<1x?x2x8xf32>, %k: tensor<1x1x16x8xf32>, %b: tensor<1xi64>) {
  // expected-error @below {{attention_c5: #rill.segment<state, causal>}}
  %0 = rill.attention %q keys(%k) values(%k) bounds(%b) [#rill.segment<state, causal>] {scale = 1.0}
    : (tensor<1x?x2x8xf32>, tensor<1x1x16x8xf32>, tensor<1x1x16x8xf32>, tensor<1xi64>) -> tensor<1x?x2x8xf32>
  return
}
// -----
func.func @f(%x: tensor<1x?x33xf32>, %g: tensor<8xf32>, %p: tensor<1x?xi64>) {
  // expected-error @below {{attention_update_c1}}
  %0 = rill.attention_update %x, %g, %g, %p states(@k, @k) {heads = 2 : i64, eps = 1.0e-5, theta = 1.0e6, scale = 1.0}
    : (tensor<1x?x33xf32>, tensor<8xf32>, tensor<8xf32>, tensor<1x?xi64>) -> tensor<1x?x16xf32>
  return
}
// -----
func.func @f(%x: tensor<1x?x32xf32>, %g: tensor<7xf32>, %p: tensor<1x?xi64>) {
  // expected-error @below {{attention_update_c2: q_norm and k_norm are not of 8 values}}
  %0 = rill.attention_update %x, %g, %g, %p states(@k, @k) {heads = 2 : i64, eps = 1.0e-5, theta = 1.0e6, scale = 1.0}
    : (tensor<1x?x32xf32>, tensor<7xf32>, tensor<7xf32>, tensor<1x?xi64>) -> tensor<1x?x16xf32>
  return
}
// -----
rill.state @k rows linear row_dim = 2 history = 0 : tensor<1x2x16x8xf32>
func.func @f(%x: tensor<1x?x32xf32>, %g: tensor<8xf32>, %p: tensor<1x?xi64>) {
  // expected-error @below {{attention_update_c3: @k}}
  %0 = rill.attention_update %x, %g, %g, %p states(@k, @k) {heads = 2 : i64, eps = 1.0e-5, theta = 1.0e6, scale = 1.0}
    : (tensor<1x?x32xf32>, tensor<8xf32>, tensor<8xf32>, tensor<1x?xi64>) -> tensor<1x?x16xf32>
  return
}
// -----
rill.state @k rows linear row_dim = 2 history = 0 : tensor<1x1x64x8xf32>
func.func @f(%q: tensor<1x?x2x8xf32>) {
  // expected-error @below {{attention_tiled_c1: 2 chunks of 16 do not cover 64 rows}}
  %0 = rill.attention_tiled %q states(@k, @k) {chunk = 16 : i64, scale = 1.0} : (tensor<1x?x2x8xf32>) -> tensor<1x?x2x2x10xf32>
  return
}
// -----
func.func @f(%q: tensor<1x?x2x8xf32>) {
  // expected-error @below {{attention_tiled_c2: chunk is not positive}}
  %0 = rill.attention_tiled %q states(@k, @k) {chunk = 0 : i64, scale = 1.0} : (tensor<1x?x2x8xf32>) -> tensor<1x?x2x2x10xf32>
  return
}
// -----
func.func @f(%x: tensor<1x?x2x2x10xf32>) {
  // expected-error @below {{attention_merge_c1}}
  %0 = rill.attention_merge %x : (tensor<1x?x2x2x10xf32>) -> tensor<1x?x2x9xf32>
  return
}
// -----
func.func @f(%x: tensor<1x?x2x8xf32>, %p: tensor<1x?xi64>, %t: tensor<16x6xf32>) {
  // expected-error @below {{rope_c4: the table 'tensor<16x6xf32>' has no rows of 8}}
  %0 = rill.rope %x, %p table %t {theta = 1.0e6} : (tensor<1x?x2x8xf32>, tensor<1x?xi64>, tensor<16x6xf32>) -> tensor<1x?x2x8xf32>
  return
}
// -----
func.func @f(%x: tensor<1x?x32xf32>, %g: tensor<8xf32>, %p: tensor<1x?xi64>) {
  // expected-error @below {{attention_update_c5: 'tensor<1x?x16xf32>' is no result of 2 heads in chunks}}
  %0 = rill.attention_update %x, %g, %g, %p states(@k, @k) {heads = 2 : i64, eps = 1.0e-5, theta = 1.0e6, scale = 1.0, chunk = 64 : i64}
    : (tensor<1x?x32xf32>, tensor<8xf32>, tensor<8xf32>, tensor<1x?xi64>) -> tensor<1x?x16xf32>
  return
}
// -----
func.func @f(%x: tensor<1x?x32xf32>, %g: tensor<8xf32>, %p: tensor<1x?xi64>) {
  // expected-error @below {{attention_update_c5: 'tensor<1x?x2x3x10xf32>' is no result of 2 heads in chunks}}
  %0 = rill.attention_update %x, %g, %g, %p states(@k, @k) {heads = 2 : i64, eps = 1.0e-5, theta = 1.0e6, scale = 1.0, chunk = 0 : i64}
    : (tensor<1x?x32xf32>, tensor<8xf32>, tensor<8xf32>, tensor<1x?xi64>) -> tensor<1x?x2x3x10xf32>
  return
}
// -----
func.func @f(%x: tensor<1x?x32xf32>, %g: tensor<8xf32>, %p: tensor<1x?xi64>, %t: tensor<16x6xf32>) {
  // expected-error @below {{attention_update_c4: the table 'tensor<16x6xf32>' has no rows of 8}}
  %0 = rill.attention_update %x, %g, %g, %p table %t states(@k, @k) {heads = 2 : i64, eps = 1.0e-5, theta = 1.0e6, scale = 1.0}
    : (tensor<1x?x32xf32>, tensor<8xf32>, tensor<8xf32>, tensor<1x?xi64>, tensor<16x6xf32>) -> tensor<1x?x16xf32>
  return
}
