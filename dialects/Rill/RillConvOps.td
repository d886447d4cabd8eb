//===- RillConvOps.td - Short convolution ---------------------*- tablegen -*-===//
//
// The gated short convolution of LFM2, as imported and as fused.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_CONV_OPS
#define RILL_CONV_OPS

include "dialects/Rill/RillStateOps.td"

def Rill_ShortConvOp : Rill_Op<"short_conv", [Pure]> {
  let summary = "Causal depthwise convolution over the last L rows";
  let description = [{
    `y[b,s,c] = bias[c] + sum_j filter[c,j] * xx[b,s+j,c]`, where xx is window
    followed by x; summed in f32, rounded once. Shapes: window [B,L-1,H],
    x [B,S,H], filter [H,L], bias [H], y [B,S,H].
    Constraints: (short_conv_c1) x, window, filter and bias agree on B and H.
    (short_conv_c2) 2 <= L <= 8. (short_conv_c3) the window has L-1 rows.
    Source: HF modeling_lfm2.py, Lfm2ShortConv; lfm2_5_vl.md 2.3.
  }];
  let arguments = (ins Rill_Act:$window, Rill_Act:$x, Rill_Weight:$filter,
                       Optional<Rill_Weight>:$bias);
  let results = (outs Rill_Act:$y);
  let assemblyFormat = [{
    $window `,` $x `,` $filter (`bias` $bias^)? attr-dict `:`
    functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Rill_ShortConvMixOp : Rill_Op<"short_conv_mix", [AttrSizedOperandSegments,
    DeclareOpInterfaceMethods<SymbolUserOpInterface>,
    MemoryEffects<[MemRead<Rill_StateResource>, MemWrite<Rill_StateResource>]>]> {
  let summary = "Norm, in_proj, gate, convolution, append, gate in one op";
  let description = [{
    u = rms_norm(x; norm, eps) rounded to the type of the ring state;
    b, c, v = three products of u with `weights` (plus `biases`), in f32;
    g = b * v, rounded to the state's type and appended to it;
    y = c * (conv_bias + sum_j filter[:,j] * window(g)), rounded once.
    Rows of x see only rows before them; rows before index 0 are zero.
    Shapes: x [B,S,H], norm [H], weights three [H,H], filter [H,L], y [B,S,H].
    Constraints: (short_conv_mix_c1) three weights [H,H]; 0 or 3 biases [H].
    (short_conv_mix_c2) 2 <= L <= 8 and filter is [H,L]. (short_conv_mix_c3)
    the state is a rows state [B,R,H] with history >= L-1.
    Source: HF modeling_lfm2.py, Lfm2ShortConv; lfm2_5_vl.md 2.3, 2.4.
  }];
  let arguments = (ins Rill_Act:$x, Rill_Weight:$norm,
                       Variadic<Rill_Weight>:$weights,
                       Variadic<Rill_Weight>:$biases, Rill_Weight:$filter,
                       Optional<Rill_Weight>:$conv_bias,
                       FlatSymbolRefAttr:$state, F64Attr:$eps);
  let results = (outs Rill_Act:$y);
  let assemblyFormat = [{
    $x `norm` `(` $norm `)` `weights` `(` $weights `)` (`biases` `(` $biases^ `)`)?
    `filter` `(` $filter `)` (`conv_bias` `(` $conv_bias^ `)`)? `state` `(` $state `)`
    attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

#endif
