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
// What the launch asks for is kept.
// CHECK: rill_plan.kernel @k {{.*}}shared = 0 : i64
// CHECK: module @sm_90a
// CHECK: llvm.func @k(%{{.*}}: !llvm.ptr<1>, %{{.*}}: !llvm.ptr<1>, %{{.*}}: !llvm.ptr<1>)
// CHECK-SAME: nvvm.kernel, nvvm.minctasm = 1 : i32, nvvm.reqntid = array<i32: 32>
// CHECK: nvvm.read.ptx.sreg.tid.x
// CHECK: nvvm.read.ptx.sreg.ctaid.x
// CHECK: llvm.load %{{.*}} {alignment = 16 : i64} : !llvm.ptr<1> -> vector<4xf32>
// CHECK: llvm.fadd %{{.*}} : vector<4xf32>
