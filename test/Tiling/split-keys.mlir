// RUN: rill-opt %s --rill-materialize-rope-tables --rill-form-plans=targets=sm_90a | FileCheck %s
// RUN: rill-opt %s --rill-materialize-rope-tables --rill-form-plans=targets=x86-64-v3 | FileCheck %s --check-prefix=WHOLE
// 132 multiprocessors, 2 key/value heads, 1,024 rows of states: 16 parts for
// every number of few rows; merged, then rounded, by the product behind.
// A use beside the product's rows keeps attention whole.

module attributes {rill.model = {max_seq_len = 1024 : i64}} {
  rill.weight @g from "w.safetensors#g" : tensor<8xbf16>
  rill.weight @w from "w.safetensors#w" : tensor<24x32xbf16>
  rill.state @k rows linear row_dim = 2 history = 0 : tensor<1x2x1024x8xbf16>
  rill.state @v rows linear row_dim = 2 history = 0 : tensor<1x2x1024x8xbf16>
  func.func @m(%x: tensor<1x?x64xbf16> {rill.name = "x", rill.dims = ["", "S", ""]},
               %p: tensor<1x?xi64> {rill.name = "p", rill.dims = ["", "S"], rill.limit = 1024 : i64}) -> tensor<1x?x24xf32>
      attributes {rill.method = "text_decoder_rows"} {
    %g = rill.weight.read @g : tensor<8xbf16>
    %w = rill.weight.read @w : tensor<24x32xbf16>
    %a = rill.attention_update %x, %g, %g, %p states(@k, @v) {heads = 4 : i64, eps = 1.0e-5, theta = 1.0e6, scale = 0.3}
        : (tensor<1x?x64xbf16>, tensor<8xbf16>, tensor<8xbf16>, tensor<1x?xi64>) -> tensor<1x?x32xbf16>
    %y = rill.linear %a weights(%w) : (tensor<1x?x32xbf16>, tensor<24x32xbf16>) -> tensor<1x?x24xf32> {
    ^bb0(%s: f32):
      rill.yield %s : f32
    }
    return %y : tensor<1x?x24xf32>
  }
  func.func @both(%x: tensor<1x?x64xbf16> {rill.name = "x", rill.dims = ["", "S", ""]},
                  %p: tensor<1x?xi64> {rill.name = "p", rill.dims = ["", "S"], rill.limit = 1024 : i64})
      -> (tensor<1x?x24xf32>, tensor<1x?x32xbf16>) attributes {rill.method = "text_decoder_rows"} {
    %g = rill.weight.read @g : tensor<8xbf16>
    %w = rill.weight.read @w : tensor<24x32xbf16>
    %a = rill.attention_update %x, %g, %g, %p states(@k, @v) {heads = 4 : i64, eps = 1.0e-5, theta = 1.0e6, scale = 0.3}
        : (tensor<1x?x64xbf16>, tensor<8xbf16>, tensor<8xbf16>, tensor<1x?xi64>) -> tensor<1x?x32xbf16>
    %y = rill.linear %a weights(%w) : (tensor<1x?x32xbf16>, tensor<24x32xbf16>) -> tensor<1x?x24xf32> {
    ^bb0(%s: f32):
      rill.yield %s : f32
    }
    return %y, %a : tensor<1x?x24xf32>, tensor<1x?x32xbf16>
  }
}
// CHECK-LABEL: rill_plan.variant @m.0.sm_90a
// CHECK: rill_plan.dispatch @{{.*}}attention_update{{.*}} grid "32" {{.*}} -> tensor<1x1x4x16x10xf32>
// CHECK-NEXT: rill_plan.weight
// CHECK-NEXT: rill_plan.dispatch @{{.*}}linear{{.*}} grid "3"
// CHECK: rill.attention_update {{.*}}chunk = 64
// CHECK: rill.linear {{.*}}attention_merge{{.*}}round = bf16
// CHECK-LABEL: rill_plan.variant @m.2.sm_90a
// CHECK: rill_plan.dispatch @{{.*}}attention_update{{.*}} grid "32" {{.*}} -> tensor<1x?x4x16x10xf32>
// CHECK-LABEL: rill_plan.variant @both.0.sm_90a
// CHECK: rill_plan.dispatch @{{.*}}attention_update{{.*}} grid "2" {{.*}} -> tensor<1x1x32xbf16>
// WHOLE-NOT: chunk =
