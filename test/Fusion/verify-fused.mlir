// RUN: rill-opt %s --rill-verify-fused --verify-diagnostics
// The gate names what Tiling has no place for.

func.func @method(%x: tensor<1x?x4xf32> {rill.name = "x", rill.dims = ["", "S", ""]}) -> tensor<1x?x4xf32>
    attributes {rill.method = "text_decoder"} {
  // expected-error @below {{arith.negf has no place in phase fused}}
  %y = arith.negf %x : tensor<1x?x4xf32>
  return %y : tensor<1x?x4xf32>
}
