// RUN: rill-opt %s --split-input-file --rill-form-plans='targets=sm_90a,sm_100a prefill-chunk=2048' | FileCheck %s
// Rows of a block of "cuda_wgmma" by the clocks of the largest calls: many
// blocks where there are few columns, large ones where there are many.

// CHECK: rill_plan.dispatch {{.*}} grid "S 64 ceildiv"
// CHECK: rill_plan.kernel {{.*}} template "cuda_wgmma" config {blocks = 1 : i64, dependent = 1 : i64, maps = array<i64: 0, 64, 64, 128>, rows = 64 : i64, stages = 8 : i64, threads = 384 : i64}
// Other chips have cuda_gemm.
// CHECK: rill_plan.kernel {{.*}}sm_100a template "cuda_gemm"
module attributes {rill.model = {batch = 1 : i64, max_seq_len = 300 : i64}} {
  rill.weight @u from "f#u" : tensor<128x1024xbf16>
  rill.weight @v from "f#v" : tensor<128x1024xbf16>
  func.func @f(%x: tensor<1x?x1024xbf16> {rill.name = "x", rill.dims = ["", "S", ""]}) -> tensor<1x?x128xf32> attributes {rill.method = "text_decoder"} {
    %u = rill.weight.read @u : tensor<128x1024xbf16>
    %y = rill.linear %x weights(%u) : (tensor<1x?x1024xbf16>, tensor<128x1024xbf16>) -> tensor<1x?x128xf32> {
    ^bb0(%g: f32):
      rill.yield %g : f32
    }
    return %y : tensor<1x?x128xf32>
  }
}
// -----
// CHECK: maps = array<i64: 0, 64, 128, 128>, rows = 128 : i64, stages = 6 : i64
module attributes {rill.model = {batch = 1 : i64, max_seq_len = 2048 : i64}} {
  rill.weight @u from "f#u" : tensor<2048x1024xbf16>
  rill.weight @v from "f#v" : tensor<2048x1024xbf16>
  func.func @f(%x: tensor<1x?x1024xbf16> {rill.name = "x", rill.dims = ["", "S", ""]}) -> tensor<1x?x2048xf32> attributes {rill.method = "text_decoder"} {
    %u = rill.weight.read @u : tensor<2048x1024xbf16>
    %y = rill.linear %x weights(%u) : (tensor<1x?x1024xbf16>, tensor<2048x1024xbf16>) -> tensor<1x?x2048xf32> {
    ^bb0(%g: f32):
      rill.yield %g : f32
    }
    return %y : tensor<1x?x2048xf32>
  }
}
// -----
// CHECK: grid "S 256 ceildiv 72 mul"
// CHECK: maps = array<i64: 0, 64, 256, 128>, rows = 256 : i64, stages = 4 : i64
module attributes {rill.model = {batch = 1 : i64, max_seq_len = 2048 : i64}} {
  rill.weight @u from "f#u" : tensor<4608x1024xbf16>
  rill.weight @v from "f#v" : tensor<4608x1024xbf16>
  func.func @f(%x: tensor<1x?x1024xbf16> {rill.name = "x", rill.dims = ["", "S", ""]}) -> tensor<1x?x4608xf32> attributes {rill.method = "text_decoder"} {
    %u = rill.weight.read @u : tensor<4608x1024xbf16>
    %v = rill.weight.read @v : tensor<4608x1024xbf16>
    %y = rill.linear %x weights(%u, %v) {combine = #rill<combine zip>} : (tensor<1x?x1024xbf16>, tensor<4608x1024xbf16>, tensor<4608x1024xbf16>) -> tensor<1x?x4608xf32> {
    ^bb0(%g: f32, %h: f32):
      %m = arith.mulf %g, %h : f32
      rill.yield %m : f32
    }
    return %y : tensor<1x?x4608xf32>
  }
}
