// RUN: rill-opt %s --split-input-file --verify-diagnostics
// Weights, states, control: one case per constraint.

// expected-error @below {{weight_c1: the type 'tensor<?x4xf32>' is not static}}
rill.weight @w from "f#t" : tensor<?x4xf32>
// -----
// expected-error @below {{weight_c2: the source "f" is not "<file>#<tensor>"}}
rill.weight @w from "f" : tensor<4xf32>
// -----
// expected-error @below {{state_c1: the type 'tensor<1x?x4xf32>' is not static}}
rill.state @s rows linear row_dim = 1 history = 0 : tensor<1x?x4xf32>
// -----
// expected-error @below {{state_c2: row_dim 3 is not a row dimension}}
rill.state @s rows linear row_dim = 3 history = 0 : tensor<1x8x4xf32>
// -----
// expected-error @below {{state_c3: a ring of 24 rows with history 2 is no power of two}}
rill.state @s rows ring row_dim = 1 history = 2 : tensor<1x24x4xf32>
// -----
func.func @f() {
  // expected-error @below {{weight_read_c1: @w is no rill.weight}}
  %0 = rill.weight.read @w : tensor<4xf32>
  return
}
// -----
rill.weight @w from "f#t" : tensor<4x2xf32>
func.func @f() {
  // expected-error @below {{weight_read_c2: reads 'tensor<4x3xf32>' but the weight gives 'tensor<4x2xf32>'}}
  %0 = rill.weight.read @w : tensor<4x3xf32>
  return
}
// -----
rill.weight @w from "f#t" : tensor<4x2xf32>
func.func @f() {
  // expected-error @below {{weight_read_c3: the rows lie outside the 4 rows of @w}}
  %0 = rill.weight.read @w rows [3, 2] : tensor<2x2xf32>
  return
}
// -----
rill.state @s rows ring row_dim = 1 history = 2 : tensor<1x8x4xf32>
func.func @f() {
  // expected-error @below {{state_read_c1: @s is a ring}}
  %0 = rill.state.read @s : tensor<1x8x4xf32>
  return
}
// -----
rill.state @s rows linear row_dim = 1 history = 0 : tensor<1x8x4xf32>
func.func @f() {
  // expected-error @below {{state_read_c2: reads}}
  %0 = rill.state.read @s : tensor<1x8x5xf32>
  return
}
// -----
rill.state @s rows linear row_dim = 2 history = 2 : tensor<1x8x4xf32>
func.func @f() {
  // expected-error @below {{state_window_c1: @s is no rows state with row_dim 1}}
  %0 = rill.state.window @s : tensor<1x2x4xf32>
  return
}
// -----
rill.state @s rows ring row_dim = 1 history = 2 : tensor<1x8x4xf32>
func.func @f() {
  // expected-error @below {{state_window_c2:}}
  %0 = rill.state.window @s : tensor<1x3x4xf32>
  return
}
// -----
rill.state @s cell linear row_dim = 0 history = 0 : tensor<4xf32>
func.func @f(%x: tensor<1x?x4xf32>) {
  // expected-error @below {{state_append_c1: @s is no rows state}}
  rill.state.append @s, %x : tensor<1x?x4xf32>
  return
}
// -----
rill.state @s rows ring row_dim = 1 history = 2 : tensor<1x8x4xf32>
func.func @f(%x: tensor<1x?x5xf32>) {
  // expected-error @below {{state_append_c2: rows 'tensor<1x?x5xf32>' do not fit the state}}
  rill.state.append @s, %x : tensor<1x?x5xf32>
  return
}
// -----
func.func @f() {
  // expected-error @below {{control_c1: start has rank 1 but the result has rank 2}}
  %0 = rill.control start : tensor<1x1xi64>
  return
}
// -----
// expected-error @below {{argument 0 has a dynamic dimension that is not S, h or w}}
func.func @f(%x: tensor<1x?xf32> {rill.dims = ["", "Q"]}) {
  return
}
// -----
// expected-error @below {{has unknown attribute rill.color}}
func.func @f() attributes {rill.color = 1} {
  return
}
