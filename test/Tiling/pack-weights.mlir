// RUN: rill-opt %s --rill-form-plans=targets=sm_90a | FileCheck %s
// RUN: rill-opt %s --rill-form-plans=targets=x86-64-v3 | FileCheck %s --check-prefix=PLAIN
// A weight is packed when all of its readers take it so: products, of rows that
// begin a block too, and embeddings. Biases, f32 weights, weights that are also
// read otherwise or from the middle of a block stay as they are.

// PLAIN-NOT: packed
// PLAIN-NOT: init

module attributes {rill.model = {max_seq_len = 64 : i64}} {
  rill.weight @table from "w.safetensors#table" : tensor<10x40xbf16>
  rill.weight @stacked from "w.safetensors#stacked" : tensor<24x40xbf16>
  rill.weight @middle from "w.safetensors#middle" : tensor<24x40xbf16>
  rill.weight @single from "w.safetensors#single" : tensor<16x40xf32>
  rill.weight @mixed from "w.safetensors#mixed" : tensor<16x40xbf16>
  rill.weight @bias from "w.safetensors#bias" : tensor<16xbf16>
  func.func @m(%ids: tensor<1x?xi64> {rill.name = "ids", rill.dims = ["", "S"], rill.limit = 10 : i64})
      -> (tensor<1x?x16xf32>, tensor<1x?x16xf32>, tensor<1x?x16xf32>, tensor<1x?x16xf32>, tensor<16x40xf32>)
      attributes {rill.method = "text_decoder_rows"} {
    %table = rill.weight.read @table : tensor<10x40xbf16>
    %stacked = rill.weight.read @stacked rows [8, 16] : tensor<16x40xbf16>
    %middle = rill.weight.read @middle rows [4, 16] : tensor<16x40xbf16>
    %single = rill.weight.read @single : tensor<16x40xf32>
    %mixed = rill.weight.read @mixed : tensor<16x40xbf16>
    %bias = rill.weight.read @bias : tensor<16xbf16>
    %x = rill.embedding %table, %ids : (tensor<10x40xbf16>, tensor<1x?xi64>) -> tensor<1x?x40xbf16>
    %a = rill.linear %x weights(%stacked) aux(%bias) : (tensor<1x?x40xbf16>, tensor<16x40xbf16>, tensor<16xbf16>) -> tensor<1x?x16xf32> {
    ^bb0(%s: f32, %t: f32):
      %u = arith.addf %s, %t : f32
      rill.yield %u : f32
    }
    %b = rill.linear %x weights(%middle) : (tensor<1x?x40xbf16>, tensor<16x40xbf16>) -> tensor<1x?x16xf32> {
    ^bb0(%s: f32):
      rill.yield %s : f32
    }
    %c = rill.linear %x weights(%single) : (tensor<1x?x40xbf16>, tensor<16x40xf32>) -> tensor<1x?x16xf32> {
    ^bb0(%s: f32):
      rill.yield %s : f32
    }
    %d = rill.linear %x weights(%mixed) : (tensor<1x?x40xbf16>, tensor<16x40xbf16>) -> tensor<1x?x16xf32> {
    ^bb0(%s: f32):
      rill.yield %s : f32
    }
    %e = rill.elementwise %mixed : (tensor<16x40xbf16>) -> tensor<16x40xf32> {
    ^bb0(%s: f32):
      rill.yield %s : f32
    }
    return %a, %b, %c, %d, %e : tensor<1x?x16xf32>, tensor<1x?x16xf32>, tensor<1x?x16xf32>, tensor<1x?x16xf32>, tensor<16x40xf32>
  }
}
// CHECK-LABEL: rill_plan.variant @init.0.sm_90a method "init" target "sm_90a" when {}
// CHECK: %[[TABLE:.*]] = rill_plan.weight @table offset = 0 : tensor<10x40xbf16>
// CHECK: %[[P:.*]] = rill_plan.dispatch @[[PACK:.*]](%[[TABLE]]) grid "2" {{.*}} -> tensor<10x40xbf16, #rill.packed>
// The whole weight, not the rows that are read.
// CHECK: %[[STACKED:.*]] = rill_plan.weight @stacked offset = 0 : tensor<24x40xbf16>
// CHECK: %[[Q:.*]] = rill_plan.dispatch @{{.*}}(%[[STACKED]]) grid "3"
// CHECK: rill_plan.return %[[P]], %[[Q]] :
// CHECK: rill_plan.kernel @[[PACK]] template "cuda_pack" config {{.*}}threads = 256
// CHECK: rill.pack

// CHECK-LABEL: rill_plan.variant @m.0.sm_90a
// CHECK: rill_plan.weight @table offset = 0 : tensor<10x40xbf16, #rill.packed>
// CHECK: rill_plan.weight @stacked offset = 640 : tensor<16x40xbf16, #rill.packed>
// CHECK: rill_plan.weight @middle offset = 320 : tensor<16x40xbf16>{{$}}
// CHECK: rill_plan.weight @single offset = 0 : tensor<16x40xf32>{{$}}
// CHECK: rill_plan.weight @mixed offset = 0 : tensor<16x40xbf16>{{$}}
