// RUN: rill-opt %s --split-input-file --verify-diagnostics
// One case per constraint of rill_plan.

// expected-error @below {{kernel_c1: arg_dims does not name every dynamic dimension}}
rill_plan.kernel @k template "generic" config {} layer "" dims [[]] -> [] {
^bb0(%x: tensor<1x?xf32>):
  rill_plan.yield
}
// -----
// expected-error @below {{kernel_c2: "S 8" is no shape program}}
rill_plan.kernel @k template "generic" config {} layer "" dims [["S 8"]] -> [] {
^bb0(%x: tensor<1x?xf32>):
  rill_plan.yield
}
// -----
// expected-error @below {{kernel_c2: scratch "S mul" is no shape program}}
rill_plan.kernel @k template "generic" config {scratch = "S mul"} layer "" dims [] -> [] {
  rill_plan.yield
}
// -----
// expected-error @below {{kernel_c2: scratch 64 : i64 is no shape program}}
rill_plan.kernel @k template "generic" config {scratch = 64} layer "" dims [] -> [] {
  rill_plan.yield
}
// -----
// expected-error @below {{variant_c1: S is no symbol with a range}}
rill_plan.variant @v method "m" target "t" when {S = array<i64: 4, 2>}
    attributes {input_names = [], output_names = [], input_dims = [], output_dims = []} {
  rill_plan.return
}
// -----
// expected-error @below {{variant_c1: h is no symbol with a range}}
rill_plan.variant @v method "m" target "t" when {h = array<i64: 3, 8, 2>}
    attributes {input_names = [], output_names = [], input_dims = [], output_dims = []} {
  rill_plan.return
}
// -----
// expected-error @below {{variant_c2: 1 input names}}
rill_plan.variant @v method "m" target "t" when {}
    attributes {input_names = ["x"], output_names = [], input_dims = [], output_dims = []} {
  rill_plan.return
}
// -----
rill_plan.variant @v method "m" target "t" when {}
    attributes {input_names = [], output_names = [], input_dims = [], output_dims = []} {
  // expected-error @below {{dispatch_c1: @k is no kernel}}
  rill_plan.dispatch @k() grid "1" access [] : () -> ()
  rill_plan.return
}
// -----
rill_plan.kernel @k template "generic" config {} layer "" dims [] -> [] {
  rill_plan.yield
}
rill_plan.variant @v method "m" target "t" when {}
    attributes {input_names = [], output_names = [], input_dims = [], output_dims = []} {
  // expected-error @below {{dispatch_c2: "S add" is no shape program}}
  rill_plan.dispatch @k() grid "S add" access [] : () -> ()
  rill_plan.return
}
// -----
rill_plan.kernel @k template "generic" config {} layer "" dims [] -> [] {
  rill_plan.yield
}
rill_plan.variant @v method "m" target "t" when {}
    attributes {input_names = [], output_names = [], input_dims = [], output_dims = []} {
  // expected-error @below {{dispatch_c3: 1 accesses for 0 operands}}
  rill_plan.dispatch @k() grid "S" access [1] : () -> ()
  rill_plan.return
}
