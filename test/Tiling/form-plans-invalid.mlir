// RUN: rill-opt %s --split-input-file --verify-diagnostics --rill-form-plans="targets=x86-64-v3 no-generic"
// RUN: not rill-opt --rill-form-plans=targets=z80 %s --split-input-file 2>&1 | FileCheck %s
// CHECK: unknown target z80

module attributes {rill.model = {max_seq_len = 32 : i64}} {
  func.func @negative_no_template(%x: tensor<1x?x2x3x10xf32> {rill.name = "x", rill.dims = ["", "S", "", "", ""]})
      -> tensor<1x?x2x8xf32> attributes {rill.method = "text_decoder"} {
    // expected-error @below {{rill.attention_merge has no kernel for x86-64-v3}}
    %y = rill.attention_merge %x : (tensor<1x?x2x3x10xf32>) -> tensor<1x?x2x8xf32>
    return %y : tensor<1x?x2x8xf32>
  }
}
