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
// expected-error @below {{kernel_c3: maps array<i64: 0, 8, 1> is no array of four numbers}}
rill_plan.kernel @k template "t" config {maps = array<i64: 0, 8, 1>} layer "" dims [["S"]] -> [] {
^bb0(%x: tensor<1x?x8xbf16>):
  rill_plan.yield
}
// -----
// expected-error @below {{kernel_c3: maps name 1, no argument}}
rill_plan.kernel @k template "t" config {maps = array<i64: 1, 8, 1, 0>} layer "" dims [["S"]] -> [] {
^bb0(%x: tensor<1x?x8xbf16>):
  rill_plan.yield
}
// -----
// expected-error @below {{kernel_c3: maps name 0, no argument or one named before}}
rill_plan.kernel @k template "t" config {maps = array<i64: 0, 8, 1, 0, 0, 8, 1, 0>} layer "" dims [["S"]] -> [] {
^bb0(%x: tensor<1x?x8xbf16>):
  rill_plan.yield
}
// -----
// expected-error @below {{kernel_c3: the map of argument 0 has a box that is not 1 to 256 rows}}
rill_plan.kernel @k template "t" config {maps = array<i64: 0, 8, 257, 0>} layer "" dims [["S"]] -> [] {
^bb0(%x: tensor<1x?x8xbf16>):
  rill_plan.yield
}
// -----
// expected-error @below {{kernel_c3: the map of argument 0 has a box that is not 1 to 256 rows}}
rill_plan.kernel @k template "t" config {maps = array<i64: 0, 12, 8, 0>} layer "" dims [["S"]] -> [] {
^bb0(%x: tensor<1x?x8xbf16>):
  rill_plan.yield
}
// -----
// expected-error @below {{kernel_c3: the map of argument 0 has a box that its swizzle}}
rill_plan.kernel @k template "t" config {maps = array<i64: 0, 64, 8, 64>} layer "" dims [["S"]] -> [] {
^bb0(%x: tensor<1x?x8xbf16>):
  rill_plan.yield
}
// -----
// expected-error @below {{kernel_c3: the map of argument 0 has a box that its swizzle}}
rill_plan.kernel @k template "t" config {maps = array<i64: 0, 8, 8, 16>} layer "" dims [["S"]] -> [] {
^bb0(%x: tensor<1x?x8xbf16>):
  rill_plan.yield
}
// -----
// expected-error @below {{kernel_c3: the map of argument 0 is no bf16 matrix}}
rill_plan.kernel @k template "t" config {maps = array<i64: 0, 8, 1, 0>} layer "" dims [["S"]] -> [] {
^bb0(%x: tensor<1x?x8xf32>):
  rill_plan.yield
}
// -----
// expected-error @below {{kernel_c3: the map of argument 0 is no bf16 matrix}}
rill_plan.kernel @k template "t" config {maps = array<i64: 0, 8, 1, 0>} layer "" dims [["S"]] -> [] {
^bb0(%x: tensor<1x?x12xbf16>):
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
