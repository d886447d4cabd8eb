// RUN: %rill_opt %s | rill-opt | FileCheck %s
// Every op of the imported level round-trips.

// CHECK: rill.weight @w from "model.safetensors#a.weight" : tensor<24x24xbf16>
rill.weight @w from "model.safetensors#a.weight" : tensor<24x24xbf16>
rill.weight @matrix from "model.safetensors#b.weight" : tensor<24x40xbf16>
rill.weight @g from "model.safetensors#norm.weight" : tensor<24xf32>
rill.weight @table from "model.safetensors#table" : tensor<16x24xf32>
// CHECK: rill.state @k rows linear row_dim = 2 history = 0 : tensor<1x1x32x8xf32>
rill.state @k rows linear row_dim = 2 history = 0 : tensor<1x1x32x8xf32>
// CHECK: rill.state @conv rows ring row_dim = 1 history = 2 : tensor<1x32x24xf32>
rill.state @conv rows ring row_dim = 1 history = 2 : tensor<1x32x24xf32>
// CHECK: rill.asset @tokenizer tokenizer from "tokenizer.json"
rill.asset @tokenizer tokenizer from "tokenizer.json"

// CHECK-LABEL: func.func @decoder
func.func @decoder(%x: tensor<1x?x24xf32> {rill.name = "embeds", rill.dims = ["", "S", ""]},
                   %pos: tensor<1x?xi64> {rill.name = "positions", rill.dims = ["", "S"]})
    -> tensor<1x24xf32> attributes {rill.method = "text_decoder"} {
  %g = rill.weight.read @g : tensor<24xf32>
  // CHECK: rill.weight.read @w rows [8, 16] : tensor<16x24xbf16>
  %part = rill.weight.read @w rows [8, 16] : tensor<16x24xbf16>
  %w = rill.weight.read @w : tensor<24x24xbf16>
  // CHECK: rill.rms_norm
  %n = rill.rms_norm %x, %g {eps = 1.0e-5} : (tensor<1x?x24xf32>, tensor<24xf32>) -> tensor<1x?x24xf32>
  // CHECK: rill.linear %{{.*}} weights(%{{.*}}) aux(%{{.*}})
  %y = rill.linear %n weights(%w) aux(%x) : (tensor<1x?x24xf32>, tensor<24x24xbf16>, tensor<1x?x24xf32>) -> tensor<1x?x24xf32> {
  ^bb0(%acc: f32, %r: f32):
    %s = arith.addf %acc, %r : f32
    rill.yield %s : f32
  }
  // CHECK: rill.state.window @conv : tensor<1x2x24xf32>
  %win = rill.state.window @conv : tensor<1x2x24xf32>
  %f = rill.weight.read @filter : tensor<24x3xf32>
  %c = rill.short_conv %win, %y, %f : (tensor<1x2x24xf32>, tensor<1x?x24xf32>, tensor<24x3xf32>) -> tensor<1x?x24xf32>
  rill.state.append @conv, %y : tensor<1x?x24xf32>
  // CHECK: rill.elementwise
  %z = rill.elementwise %c, %g : (tensor<1x?x24xf32>, tensor<24xf32>) -> tensor<1x?x24xf32> {
  ^bb0(%a: f32, %b: f32):
    %m = arith.mulf %a, %b : f32
    rill.yield %m : f32
  }
  // CHECK: rill.stack %{{.*}}, %{{.*}} : (tensor<1x?x24xf32>, tensor<1x?x24xf32>) -> tensor<1x?x48xf32>
  %side = rill.stack %z, %x : (tensor<1x?x24xf32>, tensor<1x?x24xf32>) -> tensor<1x?x48xf32>
  // CHECK: rill.stack %{{.*}}, %{{.*}} : (tensor<1x?x24xf32>, tensor<1x?x24xf32>) -> tensor<2x1x?x24xf32>
  %behind = rill.stack %z, %x : (tensor<1x?x24xf32>, tensor<1x?x24xf32>) -> tensor<2x1x?x24xf32>
  // CHECK: rill.pack %{{.*}} : tensor<24x40xbf16> to tensor<24x40xbf16, #rill.packed>
  %matrix = rill.weight.read @matrix : tensor<24x40xbf16>
  %packed = rill.pack %matrix : tensor<24x40xbf16> to tensor<24x40xbf16, #rill.packed>
  // CHECK: rill.last_row
  %last = rill.last_row %z : (tensor<1x?x24xf32>) -> tensor<1x24xf32>
  return %last : tensor<1x24xf32>
}
rill.weight @filter from "model.safetensors#conv" : tensor<24x3xf32>

// CHECK-LABEL: func.func @attention
func.func @attention(%q: tensor<1x?x3x8xf32>, %k: tensor<1x?x1x8xf32>, %pos: tensor<1x?xi64>)
    -> tensor<1x?x3x8xf32> {
  %past = rill.state.read @k : tensor<1x1x32x8xf32>
  // CHECK: rill.control start : tensor<1xi64>
  %start = rill.control start : tensor<1xi64>
  // CHECK: rill.rope
  %r = rill.rope %q, %pos {theta = 1.0e6} : (tensor<1x?x3x8xf32>, tensor<1x?xi64>) -> tensor<1x?x3x8xf32>
  rill.state.append @k, %k : tensor<1x?x1x8xf32>
  // CHECK: rill.attention %{{.*}} keys(%{{.*}}, %{{.*}}) values(%{{.*}}, %{{.*}}) bounds(%{{.*}}) [#rill.segment<state, all>, #rill.segment<value, causal>]
  %y = rill.attention %r keys(%past, %k) values(%past, %k) bounds(%start)
      [#rill.segment<state, all>, #rill.segment<value, causal>] {scale = 0.35}
      : (tensor<1x?x3x8xf32>, tensor<1x1x32x8xf32>, tensor<1x?x1x8xf32>, tensor<1x1x32x8xf32>, tensor<1x?x1x8xf32>, tensor<1xi64>)
      -> tensor<1x?x3x8xf32>
  return %y : tensor<1x?x3x8xf32>
}

// CHECK-LABEL: func.func @vision
func.func @vision(%x: tensor<1x?x24xf32>, %h: index, %w: index, %b: tensor<24xf32>) -> tensor<1x?x96xf32> {
  %t = rill.weight.read @table : tensor<16x24xf32>
  // CHECK: rill.position_resize
  %p = rill.position_resize %t, %h, %w : (tensor<16x24xf32>, index, index) -> tensor<?x24xf32>
  // CHECK: rill.layer_norm
  %n = rill.layer_norm %x, %b, %b {eps = 1.0e-6} : (tensor<1x?x24xf32>, tensor<24xf32>, tensor<24xf32>) -> tensor<1x?x24xf32>
  // CHECK: rill.pixel_unshuffle %{{.*}} {factor = 2 : i64}
  %u = rill.pixel_unshuffle %n, %h, %w {factor = 2 : i64} : (tensor<1x?x24xf32>, index, index) -> tensor<1x?x96xf32>
  return %u : tensor<1x?x96xf32>
}

rill.state @ids rows linear row_dim = 1 history = 0 : tensor<1x32xi64>

// CHECK-LABEL: func.func @step
func.func @step(%logits: tensor<1x40xf32>) {
  // CHECK: rill.control token : tensor<1x1xi64>
  %ids = rill.control token : tensor<1x1xi64>
  %t = rill.weight.read @table : tensor<16x24xf32>
  // CHECK: rill.embedding
  %e = rill.embedding %t, %ids : (tensor<16x24xf32>, tensor<1x1xi64>) -> tensor<1x1x24xf32>
  // CHECK: rill.sample %{{.*}} history @ids
  %n = rill.sample %logits history @ids : (tensor<1x40xf32>) -> tensor<1xi64>
  // CHECK: rill.control.commit
  rill.control.commit %n : tensor<1xi64>
  return
}

// CHECK-LABEL: func.func @fused
func.func @fused(%x: tensor<1x?x24xf32>, %qkv: tensor<1x?x40xf32>, %pos: tensor<1x?xi64>) -> tensor<1x?x24xf32> {
  %g = rill.weight.read @g : tensor<24xf32>
  %n = rill.weight.read @g8 : tensor<8xf32>
  %w = rill.weight.read @w : tensor<24x24xbf16>
  %f = rill.weight.read @filter : tensor<24x3xf32>
  // CHECK: rill.short_conv_mix %{{.*}} norm(%{{.*}}) weights(%{{.*}}, %{{.*}}, %{{.*}}) filter(%{{.*}}) state(@conv)
  %c = rill.short_conv_mix %x norm(%g) weights(%w, %w, %w) filter(%f) state(@conv) {eps = 1.0e-5}
      : (tensor<1x?x24xf32>, tensor<24xf32>, tensor<24x24xbf16>, tensor<24x24xbf16>, tensor<24x24xbf16>, tensor<24x3xf32>) -> tensor<1x?x24xf32>
  // CHECK: rill.attention_update {{.*}} states(@k, @k)
  %a = rill.attention_update %qkv, %n, %n, %pos states(@k, @k) {heads = 3 : i64, eps = 1.0e-5, theta = 1.0e6, scale = 0.35}
      : (tensor<1x?x40xf32>, tensor<8xf32>, tensor<8xf32>, tensor<1x?xi64>) -> tensor<1x?x24xf32>
  // CHECK: combine = #rill<combine zip>
  %z = rill.linear %a norm(%g) weights(%w, %w) {prologue = #rill<prologue rms_norm>, combine = #rill<combine zip>, eps = 1.0e-5}
      : (tensor<1x?x24xf32>, tensor<24xf32>, tensor<24x24xbf16>, tensor<24x24xbf16>) -> tensor<1x?x24xf32> {
  ^bb0(%u: f32, %v: f32):
    %m = arith.mulf %u, %v : f32
    rill.yield %m : f32
  }
  return %z : tensor<1x?x24xf32>
}
rill.weight @g8 from "model.safetensors#norm8" : tensor<8xf32>

// CHECK-LABEL: func.func @tiled
func.func @tiled(%q: tensor<1x?x3x8xf32>) -> tensor<1x?x3x8xf32> {
  // CHECK: rill.attention_tiled
  %p = rill.attention_tiled %q states(@k, @k) {chunk = 16 : i64, scale = 0.35} : (tensor<1x?x3x8xf32>) -> tensor<1x?x3x2x10xf32>
  // CHECK: rill.attention_merge
  %y = rill.attention_merge %p : (tensor<1x?x3x2x10xf32>) -> tensor<1x?x3x8xf32>
  return %y : tensor<1x?x3x8xf32>
}
