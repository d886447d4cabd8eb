// RUN: rill-opt %s --rill-materialize-rope-tables --rill-form-plans=targets=x86-64-v3 | FileCheck %s
// Up to 16 rows a short convolution is one dispatch; more rows take it apart.

module attributes {rill.model = {max_seq_len = 64 : i64}} {
  rill.weight @n from "w.safetensors#n" : tensor<8xbf16>
  rill.weight @w from "w.safetensors#w" : tensor<8x8xbf16>
  rill.weight @f from "w.safetensors#f" : tensor<8x3xbf16>
  rill.state @s rows ring row_dim = 1 history = 2 : tensor<1x32x8xbf16>
  func.func @m(%x: tensor<1x?x8xf32> {rill.name = "x", rill.dims = ["", "S", ""]}) -> tensor<1x?x8xbf16>
      attributes {rill.method = "text_decoder"} {
    %n = rill.weight.read @n : tensor<8xbf16>
    %w = rill.weight.read @w : tensor<8x8xbf16>
    %f = rill.weight.read @f : tensor<8x3xbf16>
    %y = rill.short_conv_mix %x norm(%n) weights(%w, %w, %w) filter(%f) state(@s) {eps = 1.0e-5 : f64}
        : (tensor<1x?x8xf32>, tensor<8xbf16>, tensor<8x8xbf16>, tensor<8x8xbf16>, tensor<8x8xbf16>, tensor<8x3xbf16>) -> tensor<1x?x8xbf16>
    return %y : tensor<1x?x8xbf16>
  }
}
// CHECK: template "short_conv_mix"
// CHECK-LABEL: rill_plan.variant @m.2.x86_64_v3 method "m" target "x86-64-v3" when {S = array<i64: 9, 16>}
// CHECK-COUNT-1: rill_plan.dispatch
// CHECK-NOT: rill_plan.dispatch
// CHECK-LABEL: rill_plan.variant @m.3.x86_64_v3 method "m" target "x86-64-v3" when {S = array<i64: 17, 64>}
// CHECK: rill_plan.dispatch @{{.*}}rms_norm
// CHECK: rill_plan.dispatch @{{.*}}linear
// CHECK: rill_plan.dispatch @{{.*}}state_window
// CHECK: rill_plan.dispatch @{{.*}}short_conv
// CHECK: rill_plan.dispatch @{{.*}}state_append
// CHECK: rill_plan.dispatch @{{.*}}linear
