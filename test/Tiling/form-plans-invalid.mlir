// RUN: rill-opt %s --split-input-file --verify-diagnostics --rill-form-plans="targets=x86-64-v3 no-generic"
// RUN: not rill-opt --rill-form-plans=targets=z80 %s --split-input-file 2>&1 | FileCheck %s
// CHECK: unknown target z80

module attributes {rill.model = {max_seq_len = 32 : i64}} {
  func.func @negative_generic_refused(%x: tensor<1x?x24xf32> {rill.name = "x", rill.dims = ["", "S", ""]})
      -> tensor<1x24xf32> attributes {rill.method = "text_decoder"} {
    // expected-error @below {{rill.last_row has only a generic kernel for x86-64-v3 and --no-generic is given}}
    %y = rill.last_row %x : (tensor<1x?x24xf32>) -> tensor<1x24xf32>
    return %y : tensor<1x24xf32>
  }
}
