// RUN: rill-opt %s --rill-lower-kernels | FileCheck %s
// One function per kernel and target: a loop over the tiles of the call.

rill_plan.kernel @k template "rows" config {lanes = 8 : i64} layer "" dims [["S"]] -> [["S"]] {
^bb0(%x: tensor<1x?x24xf32>):
  %y = rill.elementwise %x : (tensor<1x?x24xf32>) -> tensor<1x?x24xf32> {
  ^bb0(%v: f32):
    %d = arith.addf %v, %v : f32
    rill.yield %d : f32
  }
  rill_plan.yield %y : tensor<1x?x24xf32>
}
rill_plan.variant @m method "m" target "t" when {S = array<i64: 1, 4>}
    attributes {input_names = ["x"], output_names = ["y"], input_dims = [["S"]], output_dims = [["S"]], arena_bytes = 0 : i64} {
^bb0(%x: tensor<1x?x24xf32>):
  %0 = rill_plan.dispatch @k(%x) grid "S" access [1] offsets [-1] : (tensor<1x?x24xf32>) -> tensor<1x?x24xf32>
  rill_plan.return %0 : tensor<1x?x24xf32>
}
// CHECK: module @t
// CHECK: llvm.func @k(%{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr, %[[LOW:.*]]: i64, %[[HIGH:.*]]: i64, %{{.*}}: !llvm.ptr)
// CHECK: llvm.icmp "slt" %{{.*}}, %[[HIGH]]
// CHECK: llvm.fadd %{{.*}} : vector<8xf32>
