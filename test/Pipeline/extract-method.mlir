// RUN: rill-opt %s --rill-extract-method=method=second | FileCheck %s
// RUN: not rill-opt %s --rill-extract-method=method=third 2>&1 | FileCheck %s --check-prefix=NONE
// One method with its weight; what only the other names goes.
// NONE: error: "third" is no method of the module

// CHECK-NOT: @a from
// CHECK: rill.weight @b
// CHECK-NOT: rill.state
// CHECK-NOT: @first
// CHECK: func.func @second
// CHECK: rill.weight.read @b
rill.weight @a from "model.safetensors#a" : tensor<4xbf16>
rill.weight @b from "model.safetensors#b" : tensor<4xbf16>
rill.state @s rows ring row_dim = 1 history = 2 : tensor<1x32x4xbf16>
func.func @first(%x: tensor<1x?x4xbf16>) -> tensor<4xbf16> {
  rill.state.append @s, %x : tensor<1x?x4xbf16>
  %0 = rill.weight.read @a : tensor<4xbf16>
  return %0 : tensor<4xbf16>
}
func.func @second() -> tensor<4xbf16> {
  %0 = rill.weight.read @b : tensor<4xbf16>
  return %0 : tensor<4xbf16>
}
