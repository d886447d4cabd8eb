// RUN: rill-opt %s --rill-lower-kernels --split-input-file --verify-diagnostics
// CUDA kernels nobody has chosen a template for: an error, never a crash.

// expected-error @below {{no CUDA template is called "gemm"}}
rill_plan.kernel @k template "gemm" config {threads = 32 : i64} layer "" dims [["S"]] -> [["S"]] {
^bb0(%x: tensor<1x?x24xf32>):
  %y = rill.elementwise %x : (tensor<1x?x24xf32>) -> tensor<1x?x24xf32> {
  ^bb0(%v: f32):
    %d = arith.addf %v, %v : f32
    rill.yield %d : f32
  }
  rill_plan.yield %y : tensor<1x?x24xf32>
}
rill_plan.variant @m method "m" target "sm_90a" when {S = array<i64: 1, 4>}
    attributes {input_names = ["x"], output_names = ["y"], input_dims = [["S"]], output_dims = [["S"]], arena_bytes = 0 : i64} {
^bb0(%x: tensor<1x?x24xf32>):
  %0 = rill_plan.dispatch @k(%x) grid "S" access [1] offsets [-1] : (tensor<1x?x24xf32>) -> tensor<1x?x24xf32>
  rill_plan.return %0 : tensor<1x?x24xf32>
}
// -----
// expected-error @below {{template "rows" needs config threads from 1 to 1024}}
rill_plan.kernel @k template "rows" config {lanes = 4 : i64} layer "" dims [["S"]] -> [["S"]] {
^bb0(%x: tensor<1x?x24xf32>):
  %y = rill.elementwise %x : (tensor<1x?x24xf32>) -> tensor<1x?x24xf32> {
  ^bb0(%v: f32):
    %d = arith.addf %v, %v : f32
    rill.yield %d : f32
  }
  rill_plan.yield %y : tensor<1x?x24xf32>
}
rill_plan.variant @m method "m" target "sm_90a" when {S = array<i64: 1, 4>}
    attributes {input_names = ["x"], output_names = ["y"], input_dims = [["S"]], output_dims = [["S"]], arena_bytes = 0 : i64} {
^bb0(%x: tensor<1x?x24xf32>):
  %0 = rill_plan.dispatch @k(%x) grid "S" access [1] offsets [-1] : (tensor<1x?x24xf32>) -> tensor<1x?x24xf32>
  rill_plan.return %0 : tensor<1x?x24xf32>
}
// -----
// expected-error @below {{its 40 threads are no whole warps of 32}}
rill_plan.kernel @k template "rows" config {lanes = 4 : i64, threads = 40 : i64} layer "" dims [["S"]] -> [["S"]] {
^bb0(%x: tensor<1x?x24xf32>):
  %y = rill.elementwise %x : (tensor<1x?x24xf32>) -> tensor<1x?x24xf32> {
  ^bb0(%v: f32):
    %d = arith.addf %v, %v : f32
    rill.yield %d : f32
  }
  rill_plan.yield %y : tensor<1x?x24xf32>
}
rill_plan.variant @m method "m" target "sm_90a" when {S = array<i64: 1, 4>}
    attributes {input_names = ["x"], output_names = ["y"], input_dims = [["S"]], output_dims = [["S"]], arena_bytes = 0 : i64} {
^bb0(%x: tensor<1x?x24xf32>):
  %0 = rill_plan.dispatch @k(%x) grid "S" access [1] offsets [-1] : (tensor<1x?x24xf32>) -> tensor<1x?x24xf32>
  rill_plan.return %0 : tensor<1x?x24xf32>
}
// -----
// expected-error @below {{template "cuda_flash" emits no CUDA code for rill.elementwise}}
rill_plan.kernel @k template "cuda_flash" config {threads = 128 : i64} layer "" dims [["S"]] -> [["S"]] {
^bb0(%x: tensor<1x?x24xf32>):
  %y = rill.elementwise %x : (tensor<1x?x24xf32>) -> tensor<1x?x24xf32> {
  ^bb0(%v: f32):
    %d = arith.addf %v, %v : f32
    rill.yield %d : f32
  }
  rill_plan.yield %y : tensor<1x?x24xf32>
}
rill_plan.variant @m method "m" target "sm_90a" when {S = array<i64: 1, 4>}
    attributes {input_names = ["x"], output_names = ["y"], input_dims = [["S"]], output_dims = [["S"]], arena_bytes = 0 : i64} {
^bb0(%x: tensor<1x?x24xf32>):
  %0 = rill_plan.dispatch @k(%x) grid "S" access [1] offsets [-1] : (tensor<1x?x24xf32>) -> tensor<1x?x24xf32>
  rill_plan.return %0 : tensor<1x?x24xf32>
}
// -----
// expected-error @below {{template "cuda_wgmma" emits no CUDA code for rill.linear}}
rill_plan.kernel @w template "cuda_wgmma" config {blocks = 1 : i64, rows = 128 : i64, stages = 3 : i64, threads = 384 : i64} layer "" dims [["S"], []] -> [["S"]] {
^bb0(%x: tensor<1x?x64xbf16>, %u: tensor<8x64xbf16, #rill.packed>):
  %y = rill.linear %x weights(%u) : (tensor<1x?x64xbf16>, tensor<8x64xbf16, #rill.packed>) -> tensor<1x?x8xf32> {
  ^bb0(%v: f32):
    rill.yield %v : f32
  }
  rill_plan.yield %y : tensor<1x?x8xf32>
}
rill.weight @u from "f#u" : tensor<8x64xbf16>
rill_plan.variant @n method "n" target "sm_90a" when {S = array<i64: 17, 64>}
    attributes {input_names = ["x"], output_names = ["y"], input_dims = [["S"]], output_dims = [["S"]], arena_bytes = 0 : i64} {
^bb0(%x: tensor<1x?x64xbf16>):
  %u = rill_plan.weight @u offset = 0 : tensor<8x64xbf16, #rill.packed>
  %0 = rill_plan.dispatch @w(%x, %u) grid "S 128 ceildiv" access [1, 1] offsets [-1] : (tensor<1x?x64xbf16>, tensor<8x64xbf16, #rill.packed>) -> tensor<1x?x8xf32>
  rill_plan.return %0 : tensor<1x?x8xf32>
}
// -----
// expected-error @below {{template "cuda_wgmma" emits no CUDA code for rill.linear}}
rill_plan.kernel @w template "cuda_wgmma" config {blocks = 1 : i64, maps = array<i64: 0, 64, 128, 128>, rows = 128 : i64, stages = 2 : i64, threads = 384 : i64} layer "" dims [["S"], []] -> [["S"]] {
^bb0(%x: tensor<1x?x64xbf16>, %u: tensor<8x64xbf16, #rill.packed>):
  %y = rill.linear %x weights(%u) : (tensor<1x?x64xbf16>, tensor<8x64xbf16, #rill.packed>) -> tensor<1x?x8xf32> {
  ^bb0(%v: f32):
    rill.yield %v : f32
  }
  rill_plan.yield %y : tensor<1x?x8xf32>
}
rill.weight @u from "f#u" : tensor<8x64xbf16>
rill_plan.variant @n method "n" target "sm_90a" when {S = array<i64: 17, 64>}
    attributes {input_names = ["x"], output_names = ["y"], input_dims = [["S"]], output_dims = [["S"]], arena_bytes = 0 : i64} {
^bb0(%x: tensor<1x?x64xbf16>):
  %u = rill_plan.weight @u offset = 0 : tensor<8x64xbf16, #rill.packed>
  %0 = rill_plan.dispatch @w(%x, %u) grid "S 128 ceildiv" access [1, 1] offsets [-1] : (tensor<1x?x64xbf16>, tensor<8x64xbf16, #rill.packed>) -> tensor<1x?x8xf32>
  rill_plan.return %0 : tensor<1x?x8xf32>
}
// -----
// expected-error @below {{template "cuda_gemm" takes no tensor maps}}
rill_plan.kernel @w template "cuda_gemm" config {blocks = 1 : i64, maps = array<i64: 0, 64, 128, 128>, rows = 128 : i64, stages = 3 : i64, threads = 384 : i64} layer "" dims [["S"], []] -> [["S"]] {
^bb0(%x: tensor<1x?x64xbf16>, %u: tensor<8x64xbf16, #rill.packed>):
  %y = rill.linear %x weights(%u) : (tensor<1x?x64xbf16>, tensor<8x64xbf16, #rill.packed>) -> tensor<1x?x8xf32> {
  ^bb0(%v: f32):
    rill.yield %v : f32
  }
  rill_plan.yield %y : tensor<1x?x8xf32>
}
rill.weight @u from "f#u" : tensor<8x64xbf16>
rill_plan.variant @n method "n" target "sm_90a" when {S = array<i64: 17, 64>}
    attributes {input_names = ["x"], output_names = ["y"], input_dims = [["S"]], output_dims = [["S"]], arena_bytes = 0 : i64} {
^bb0(%x: tensor<1x?x64xbf16>):
  %u = rill_plan.weight @u offset = 0 : tensor<8x64xbf16, #rill.packed>
  %0 = rill_plan.dispatch @w(%x, %u) grid "S 128 ceildiv" access [1, 1] offsets [-1] : (tensor<1x?x64xbf16>, tensor<8x64xbf16, #rill.packed>) -> tensor<1x?x8xf32>
  rill_plan.return %0 : tensor<1x?x8xf32>
}
// -----
// expected-error @below {{template "cuda_wgmma" emits no CUDA code for rill.linear}}
rill_plan.kernel @w template "cuda_wgmma" config {blocks = 1 : i64, maps = array<i64: 0, 64, 128, 128>, rows = 128 : i64, stages = 3 : i64, threads = 384 : i64} layer "" dims [["S"], []] -> [["S"]] {
^bb0(%x: tensor<1x?x64xbf16>, %u: tensor<8x64xbf16>):
  %y = rill.linear %x weights(%u) : (tensor<1x?x64xbf16>, tensor<8x64xbf16>) -> tensor<1x?x8xf32> {
  ^bb0(%v: f32):
    rill.yield %v : f32
  }
  rill_plan.yield %y : tensor<1x?x8xf32>
}
rill.weight @u from "f#u" : tensor<8x64xbf16>
rill_plan.variant @n method "n" target "sm_90a" when {S = array<i64: 17, 64>}
    attributes {input_names = ["x"], output_names = ["y"], input_dims = [["S"]], output_dims = [["S"]], arena_bytes = 0 : i64} {
^bb0(%x: tensor<1x?x64xbf16>):
  %u = rill_plan.weight @u offset = 0 : tensor<8x64xbf16>
  %0 = rill_plan.dispatch @w(%x, %u) grid "S 128 ceildiv" access [1, 1] offsets [-1] : (tensor<1x?x64xbf16>, tensor<8x64xbf16>) -> tensor<1x?x8xf32>
  rill_plan.return %0 : tensor<1x?x8xf32>
}
