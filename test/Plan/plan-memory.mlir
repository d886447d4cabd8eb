// RUN: rill-opt %s --rill-plan-memory --rill-verify-planned | FileCheck %s
// A buffer's place is used again once its last reader has run; the returned
// value is written to the output.

rill_plan.kernel @k template "generic" config {} layer "" dims [["S"]] -> [["S"]] {
^bb0(%x: tensor<?x64xf32>):
  rill_plan.yield %x : tensor<?x64xf32>
}

// CHECK: arena_bytes = 8192 : i64
rill_plan.variant @v method "m" target "t" when {S = array<i64: 1, 16>}
    attributes {input_names = ["x"], output_names = ["y"], input_dims = [["S"]], output_dims = [["S"]]} {
^bb0(%x: tensor<?x64xf32>):
  // CHECK: dispatch @k(%{{.*}}) grid "S" access [1] offsets [0]
  %0 = rill_plan.dispatch @k(%x) grid "S" access [1] : (tensor<?x64xf32>) -> tensor<?x64xf32>
  // CHECK: dispatch @k(%{{.*}}) grid "S" access [1] offsets [4096]
  %1 = rill_plan.dispatch @k(%0) grid "S" access [1] : (tensor<?x64xf32>) -> tensor<?x64xf32>
  // CHECK: dispatch @k(%{{.*}}) grid "S" access [1] offsets [0]
  %2 = rill_plan.dispatch @k(%1) grid "S" access [1] : (tensor<?x64xf32>) -> tensor<?x64xf32>
  // CHECK: dispatch @k(%{{.*}}) grid "S" access [1] offsets [-1]
  %3 = rill_plan.dispatch @k(%2) grid "S" access [1] : (tensor<?x64xf32>) -> tensor<?x64xf32>
  rill_plan.return %3 : tensor<?x64xf32>
}
