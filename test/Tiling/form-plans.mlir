// RUN: rill-opt %s --rill-form-plans=targets=x86-64-v3 | FileCheck %s
// Variants by S, kernels shared between equal ops, states as operands.

module attributes {rill.model = {max_seq_len = 32 : i64}} {
  rill.weight @a from "f#a" : tensor<24x24xbf16>
  rill.weight @b from "f#b" : tensor<24x24xbf16>
  rill.state @c0 rows ring row_dim = 1 history = 2 : tensor<1x32x24xf32>
  rill.state @c1 rows ring row_dim = 1 history = 2 : tensor<1x32x24xf32>

  // CHECK: rill_plan.variant @text_decoder.0.x86_64_v3 method "text_decoder" target "x86-64-v3" when {S = array<i64: 1, 1>}
  // CHECK-SAME: input_limits = array<i64: 0, 40>
  // CHECK: %[[W:.*]] = rill_plan.weight @a offset = 0
  // CHECK: %[[Y:.*]] = rill_plan.dispatch @[[LINEAR:.*]](%{{.*}}, %[[W]]) grid "2" access [1, 1] : (tensor<1x1x24xf32>, tensor<24x24xbf16>) -> tensor<1x1x24xf32>
  // CHECK: %[[W2:.*]] = rill_plan.weight @b offset = 384
  // CHECK: %[[S0:.*]] = rill_plan.state @c0
  // CHECK: rill_plan.dispatch @[[APPEND:.*]](%{{.*}}, %[[S0]]) grid "1" access [1, 2]
  // CHECK: %[[S1:.*]] = rill_plan.state @c1
  // CHECK: rill_plan.dispatch @[[APPEND]](%{{.*}}, %[[S1]]) grid "1" access [1, 2]
  // CHECK: when {S = array<i64: 2, 8>}
  // CHECK: when {S = array<i64: 9, 16>}
  // CHECK: when {S = array<i64: 17, 32>}
  // CHECK: grid "S" access [1, 2]
  // CHECK-NOT: func.func
  func.func @text_decoder(%x: tensor<1x?x24xf32> {rill.name = "x", rill.dims = ["", "S", ""]},
                          %p: tensor<1x?xi64> {rill.name = "p", rill.dims = ["", "S"], rill.limit = 40 : i64})
      -> tensor<1x?x16xf32> attributes {rill.method = "text_decoder"} {
    %a = rill.weight.read @a : tensor<24x24xbf16>
    %b = rill.weight.read @b rows [8, 16] : tensor<16x24xbf16>
    %y = rill.linear %x weights(%a) : (tensor<1x?x24xf32>, tensor<24x24xbf16>) -> tensor<1x?x24xf32> {
    ^bb0(%acc: f32):
      rill.yield %acc : f32
    }
    %z = rill.linear %y weights(%b) : (tensor<1x?x24xf32>, tensor<16x24xbf16>) -> tensor<1x?x16xf32> {
    ^bb0(%acc: f32):
      rill.yield %acc : f32
    }
    rill.state.append @c0, %y : tensor<1x?x24xf32>
    rill.state.append @c1, %y : tensor<1x?x24xf32>
    return %z : tensor<1x?x16xf32>
  }
}
