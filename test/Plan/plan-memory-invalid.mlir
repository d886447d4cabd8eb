// RUN: rill-opt %s --rill-plan-memory --verify-diagnostics
// A method cannot return its input.

rill_plan.variant @v method "m" target "t" when {S = array<i64: 1, 16>}
    attributes {input_names = ["x"], output_names = ["y"], input_dims = [["S"]], output_dims = [["S"]]} {
^bb0(%x: tensor<?x64xf32>):
  // expected-error @below {{output 0 is no result of its own dispatch}}
  rill_plan.return %x : tensor<?x64xf32>
}
