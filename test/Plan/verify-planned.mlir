// RUN: rill-opt %s --rill-verify-planned --split-input-file --verify-diagnostics
// The gate sees plans nobody else has checked.

rill_plan.kernel @k template "generic" config {} layer "" dims [["S"]] -> [["S"]] {
^bb0(%x: tensor<?x64xf32>):
  rill_plan.yield %x : tensor<?x64xf32>
}
rill_plan.variant @negative_overlap method "m" target "t" when {S = array<i64: 1, 16>}
    attributes {input_names = ["x"], output_names = ["y"], input_dims = [["S"]], output_dims = [["S"]], arena_bytes = 8192 : i64} {
^bb0(%x: tensor<?x64xf32>):
  // expected-note @below {{which is written here}}
  %0 = rill_plan.dispatch @k(%x) grid "S" access [1] offsets [0] : (tensor<?x64xf32>) -> tensor<?x64xf32>
  // expected-error @below {{overlaps a live buffer}}
  %1 = rill_plan.dispatch @k(%0) grid "S" access [1] offsets [2048] : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %2 = rill_plan.dispatch @k(%1) grid "S" access [1] offsets [-1] : (tensor<?x64xf32>) -> tensor<?x64xf32>
  rill_plan.return %2 : tensor<?x64xf32>
}
// -----
rill_plan.kernel @k template "generic" config {} layer "" dims [["S"]] -> [["S"]] {
^bb0(%x: tensor<?x64xf32>):
  rill_plan.yield %x : tensor<?x64xf32>
}
rill_plan.variant @negative_beyond_arena method "m" target "t" when {S = array<i64: 1, 16>}
    attributes {input_names = ["x"], output_names = ["y"], input_dims = [["S"]], output_dims = [["S"]], arena_bytes = 2048 : i64} {
^bb0(%x: tensor<?x64xf32>):
  // expected-error @below {{ends at 4096 but the arena has 2048 bytes}}
  %0 = rill_plan.dispatch @k(%x) grid "S" access [1] offsets [0] : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %1 = rill_plan.dispatch @k(%0) grid "S" access [1] offsets [-1] : (tensor<?x64xf32>) -> tensor<?x64xf32>
  rill_plan.return %1 : tensor<?x64xf32>
}
// -----
rill_plan.kernel @k template "generic" config {} layer "" dims [["S"]] -> [["S"]] {
^bb0(%x: tensor<?x64xf32>):
  rill_plan.yield %x : tensor<?x64xf32>
}
rill_plan.variant @negative_no_offset method "m" target "t" when {S = array<i64: 1, 16>}
    attributes {input_names = ["x"], output_names = ["y"], input_dims = [["S"]], output_dims = [["S"]]} {
^bb0(%x: tensor<?x64xf32>):
  // expected-error @below {{has no offset for each result}}
  %0 = rill_plan.dispatch @k(%x) grid "S" access [1] : (tensor<?x64xf32>) -> tensor<?x64xf32>
  rill_plan.return %0 : tensor<?x64xf32>
}
// -----
rill_plan.kernel @k template "generic" config {scratch = "S 64 mul"} layer "" dims [["S"]] -> [["S"]] {
^bb0(%x: tensor<?x64xf32>):
  rill_plan.yield %x : tensor<?x64xf32>
}
// expected-error @below {{has 512 bytes of scratch, but a kernel asks for 1024}}
rill_plan.variant @negative_scratch method "m" target "t" when {S = array<i64: 1, 16>}
    attributes {input_names = ["x"], output_names = ["y"], input_dims = [["S"]], output_dims = [["S"]], arena_bytes = 0 : i64, scratch_bytes = 512 : i64} {
^bb0(%x: tensor<?x64xf32>):
  %0 = rill_plan.dispatch @k(%x) grid "S" access [1] offsets [-1] : (tensor<?x64xf32>) -> tensor<?x64xf32>
  rill_plan.return %0 : tensor<?x64xf32>
}
