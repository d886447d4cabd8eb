// RUN: rill-opt %s --rill-lower-kernels | FileCheck %s
// A CUDA target: a block per tile, one pointer per operand, last the control
// block; the threads of a block share the row's vectors.

rill_plan.kernel @k template "rows" config {lanes = 4 : i64, threads = 32 : i64} layer "" dims [["S"]] -> [["S"]] {
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

// x comes as a tensor map, by value.
rill_plan.kernel @w template "cuda_wgmma" config {blocks = 1 : i64, maps = array<i64: 0, 64, 128, 128>, rows = 128 : i64, stages = 3 : i64, threads = 384 : i64} layer "" dims [["S"], []] -> [["S"]] {
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
// What the launch asks for is kept.
// CHECK: rill_plan.kernel @k {{.*}}shared = 0 : i64
// CHECK: rill_plan.kernel @w {{.*}}shared = 98456 : i64
// CHECK: module @sm_90a
// CHECK: llvm.func @k(%{{.*}}: !llvm.ptr<1>, %{{.*}}: !llvm.ptr<1>, %{{.*}}: !llvm.ptr<1>)
// CHECK-SAME: nvvm.kernel, nvvm.minctasm = 1 : i32, nvvm.reqntid = array<i32: 32>
// CHECK: nvvm.read.ptx.sreg.tid.x
// CHECK: nvvm.read.ptx.sreg.ctaid.x
// CHECK: llvm.load %{{.*}} {alignment = 16 : i64} : !llvm.ptr<1> -> vector<4xf32>
// CHECK: llvm.fadd %{{.*}} : vector<4xf32>
// CHECK: llvm.func @w(%[[MAP:[a-z0-9]+]]: !llvm.ptr {llvm.align = 64 : i64, llvm.byval = !llvm.array<16 x i64>, nvvm.grid_constant}, %{{.*}}: !llvm.ptr<1>, %{{.*}}: !llvm.ptr<1>, %{{.*}}: !llvm.ptr<1>)
// CHECK: nvvm.fence.proxy
// CHECK: nvvm.cp.async.bulk.shared.cluster.global
// CHECK: nvvm.cp.async.bulk.tensor.shared.cluster.global %{{.*}}, %[[MAP]],
// CHECK: wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16
