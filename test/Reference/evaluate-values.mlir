// Values small enough to check by hand: y = (x + 2) * x, rounded to bf16.
// RUN: env PYTHONDONTWRITEBYTECODE=1 %python -c "import sys; sys.path.insert(0, '%S/Inputs'); import npy; npy.write('%t.x.npy', '<f4', (1, 4), [0.0, 1.0, -3.0, 1.001])"
// RUN: rill-opt %s --rill-evaluate='method=square inputs=%t.x.npy outputs=%t.y.npy,%t.z.npy' -o /dev/null
// RUN: env PYTHONDONTWRITEBYTECODE=1 %python -c "import sys; sys.path.insert(0, '%S/Inputs'); import npy; print(npy.read('%t.y.npy'), npy.read('%t.z.npy'))" | FileCheck %s
// CHECK: ((1, 4), [0.0, 3.0, 3.0, 3.004001140594482{{[0-9]*}}])
// CHECK-SAME: ((1, 4), [0.0, 3.0, 3.0, 3.0])
func.func @square(%x: tensor<1x4xf32>) -> (tensor<1x4xf32>, tensor<1x4xbf16>) attributes {rill.method = "square"} {
  %y = rill.elementwise %x : (tensor<1x4xf32>) -> tensor<1x4xf32> {
  ^bb0(%a: f32):
    %two = arith.constant 2.0 : f32
    %sum = arith.addf %a, %two : f32
    %product = arith.mulf %sum, %a : f32
    rill.yield %product : f32
  }
  %z = rill.elementwise %y : (tensor<1x4xf32>) -> tensor<1x4xbf16> {
  ^bb0(%a: f32):
    rill.yield %a : f32
  }
  return %y, %z : tensor<1x4xf32>, tensor<1x4xbf16>
}
