// RUN: rill-opt %s --rill-lower-kernels --split-input-file --verify-diagnostics
// Kernels nobody has chosen a template for: an error, never a crash.

// expected-error @below {{no CPU template is called "generic"}}
rill_plan.kernel @k template "generic" config {} layer "" dims [["S"]] -> [["S"]] {
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
// -----
// expected-error @below {{template "rows" needs config lanes from 1 to 64}}
rill_plan.kernel @k template "rows" config {} layer "" dims [["S"]] -> [["S"]] {
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
// -----
// expected-error @below {{template "rows" needs config lanes from 1 to 64}}
rill_plan.kernel @k template "rows" config {lanes = 128 : i64} layer "" dims [["S"]] -> [["S"]] {
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
// -----
// expected-error @below {{template "rows" needs config lanes from 1 to 64}}
rill_plan.kernel @k template "rows" config {lanes = "8"} layer "" dims [["S"]] -> [["S"]] {
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
// -----
// expected-error @below {{template "gemm" needs config scratch}}
rill_plan.kernel @k template "gemm" config {lanes = 8 : i64, rows = 6 : i64, vectors = 2 : i64} layer "" dims [["S"]] -> [["S"]] {
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
// -----
// expected-error @below {{template "positions" emits no code for rill.elementwise}}
rill_plan.kernel @k template "positions" config {lanes = 8 : i64} layer "" dims [["S"]] -> [["S"]] {
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
// -----
// expected-error @below {{template "linear" emits no code for rill.elementwise}}
rill_plan.kernel @k template "linear" config {columns = 4 : i64, lanes = 8 : i64, rows = 4 : i64, streams = 4 : i64, sums = 8 : i64, scratch = "64"} layer "" dims [["S"]] -> [["S"]] {
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
// -----
// expected-error @below {{template "gemm" emits no code for rill.elementwise}}
rill_plan.kernel @k template "gemm" config {lanes = 8 : i64, rows = 6 : i64, vectors = 2 : i64, scratch = "64"} layer "" dims [["S"]] -> [["S"]] {
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
// -----
// expected-error @below {{template "flash_attention" emits no code for rill.elementwise}}
rill_plan.kernel @k template "flash_attention" config {groups = 1 : i64, lanes = 8 : i64, rows = 6 : i64, vectors = 2 : i64, scratch = "64"} layer "" dims [["S"]] -> [["S"]] {
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
// -----
// expected-error @below {{template "short_conv_mix" emits no code for rill.elementwise}}
rill_plan.kernel @k template "short_conv_mix" config {columns = 4 : i64, lanes = 8 : i64, rows = 4 : i64, streams = 4 : i64, sums = 8 : i64, scratch = "64"} layer "" dims [["S"]] -> [["S"]] {
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
// -----
// expected-error @below {{template "attention_update" emits no code for rill.elementwise}}
rill_plan.kernel @k template "attention_update" config {lanes = 8 : i64} layer "" dims [["S"]] -> [["S"]] {
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
// -----
// expected-error @below {{template "attention" emits no code for rill.elementwise}}
rill_plan.kernel @k template "attention" config {lanes = 8 : i64} layer "" dims [["S"]] -> [["S"]] {
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
// -----
// expected-error @below {{template "short_conv" emits no code for rill.elementwise}}
rill_plan.kernel @k template "short_conv" config {lanes = 8 : i64} layer "" dims [["S"]] -> [["S"]] {
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
// -----
// expected-error @below {{computes nothing}}
rill_plan.kernel @k template "rows" config {lanes = 8 : i64} layer "" dims [["S"]] -> [["S"]] {
^bb0(%x: tensor<1x?x24xf32>):
  rill_plan.yield %x : tensor<1x?x24xf32>
}
rill_plan.variant @m method "m" target "t" when {S = array<i64: 1, 4>}
    attributes {input_names = ["x"], output_names = ["y"], input_dims = [["S"]], output_dims = [["S"]], arena_bytes = 0 : i64} {
^bb0(%x: tensor<1x?x24xf32>):
  %0 = rill_plan.dispatch @k(%x) grid "S" access [1] offsets [-1] : (tensor<1x?x24xf32>) -> tensor<1x?x24xf32>
  rill_plan.return %0 : tensor<1x?x24xf32>
}
