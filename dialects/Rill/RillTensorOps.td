//===- RillTensorOps.td - Rows in, rows out -------------------*- tablegen -*-===//
//
// Embedding, linear, norms, elementwise work, vision reshapes, sampling.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_TENSOR_OPS
#define RILL_TENSOR_OPS

include "dialects/Rill/RillStateOps.td"

def Rill_YieldOp : Rill_Op<"yield", [Pure, Terminator]> {
  let summary = "The value of an elementwise region";
  let arguments = (ins F32:$value);
  let assemblyFormat = "$value attr-dict `:` type($value)";
}

def Rill_EmbeddingOp : Rill_Op<"embedding", [Pure]> {
  let summary = "Rows of a table by id";
  let description = [{
    `y[b,s,:] = table[ids[b,s],:]`. Shapes: table [V,H], ids [B,S], y [B,S,H].
    An id outside 0..V-1 is refused by the runtime before the call; Reference
    reports it. Constraints: (embedding_c1) table is [V,H] and y is ids' shape
    followed by H. Source: HF modeling_lfm2.py, embed_tokens.
  }];
  let arguments = (ins Rill_Weight:$table, Rill_Ids:$ids);
  let results = (outs Rill_Act:$y);
  let assemblyFormat = "$table `,` $ids attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Rill_LinearOp : Rill_Op<"linear", [Pure, AttrSizedOperandSegments, IsolatedFromAbove]> {
  let summary = "Matrix product with prologue, several weights, epilogue";
  let description = [{
    `acc_i[r,n] = sum_k p(x)[r,k] * w_i[n,k]` in f32, where r runs over all
    leading dimensions of x and p is the prologue: none; rms_norm (norm = [g],
    `x * rsqrt(mean(x^2) + eps) * g`, rounded once to the type of `round`);
    layer_norm (norm = [g, b]); attention_merge (x is the [.., h, C, d+2]
    output of `rill.attention_tiled` or of attention_update in chunks; rounded
    as there). combine concat: one accumulator per output column, the weights'
    rows stacked; zip: one accumulator per weight, all of equal shape. The
    region maps the accumulators and one element of each aux (same row and
    column; a [N] aux by column) to the result element.
    Shapes: x [..,K], w_i [N_i,K], y [..,N].
    Constraints: (linear_c1) every weight is [N_i,K]. (linear_c2) concat: N =
    sum N_i; zip: every N_i = N. (linear_c3) an aux has y's shape or [N].
    (linear_c4) norm has 0, 1, 2, 0 operands of shape [K] for none, rms_norm,
    layer_norm, attention_merge. (linear_c5) the region takes one f32 per
    accumulator and aux and holds only listed scalar ops (docs/Dialect.md).
    (linear_c6) y has x's leading dimensions.
    Source: HF modeling_lfm2.py, nn.Linear; lfm2_5_vl.md 2.1.
  }];
  let arguments = (ins Rill_Act:$x, Variadic<Rill_Weight>:$norm,
                       Variadic<Rill_Weight>:$weights, Variadic<Rill_Aux>:$aux,
                       DefaultValuedAttr<Rill_PrologueAttr, "Prologue::None">:$prologue,
                       DefaultValuedAttr<Rill_CombineAttr, "Combine::Concat">:$combine,
                       DefaultValuedAttr<F64Attr, "0.0">:$eps,
                       OptionalAttr<TypeAttr>:$round);
  let results = (outs Rill_Act:$y);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $x (`norm` `(` $norm^ `)`)? `weights` `(` $weights `)` (`aux` `(` $aux^ `)`)?
    attr-dict `:` functional-type(operands, results) $body
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Number of accumulators the region receives.
    unsigned getNumAccumulators() {
      return getCombine() == Combine::Zip ? getWeights().size() : 1;
    }
  }];
}

def Rill_ElementwiseOp : Rill_Op<"elementwise", [Pure, IsolatedFromAbove]> {
  let summary = "One scalar f32 expression over whole tensors";
  let description = [{
    The region maps one element of each input, widened to f32, to the element
    of y. An input has y's shape, or a suffix of it and is then repeated.
    Constraints: (elementwise_c1) every input's shape is a suffix of y's.
    (elementwise_c2) the region takes one f32 per input and holds only listed
    scalar ops (docs/Dialect.md).
  }];
  let arguments = (ins Variadic<Rill_Aux>:$inputs);
  let results = (outs Rill_Act:$y);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$inputs attr-dict `:` functional-type(operands, results) $body";
  let hasVerifier = 1;
}

def Rill_RmsNormOp : Rill_Op<"rms_norm", [Pure]> {
  let summary = "Root-mean-square normalisation over the last dimension";
  let description = [{
    `y[..,i] = x[..,i] * rsqrt(mean_j x[..,j]^2 + eps) * g[i]`, rounded once.
    Shapes: x [..,H], g [H], y as x. Constraints: (rms_norm_c1) g is [H].
    (rms_norm_c2) eps > 0. (rms_norm_c3) y has x's shape.
    Source: HF modeling_lfm2.py, Lfm2RMSNorm; lfm2_5_vl.md 2.2.
  }];
  let arguments = (ins Rill_Act:$x, Rill_Weight:$weight, F64Attr:$eps);
  let results = (outs Rill_Act:$y);
  let assemblyFormat = "$x `,` $weight attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Rill_LayerNormOp : Rill_Op<"layer_norm", [Pure]> {
  let summary = "Layer normalisation over the last dimension";
  let description = [{
    `y = (x - mean) * rsqrt(var + eps) * g + b`, population variance, rounded
    once. Shapes: x [..,H], g and b [H]. Constraints: (layer_norm_c1) g and b
    are [H]. (layer_norm_c2) eps > 0. (layer_norm_c3) y has x's shape.
    Source: HF modeling_siglip2.py, nn.LayerNorm; lfm2_5_vl.md 3.3.
  }];
  let arguments = (ins Rill_Act:$x, Rill_Weight:$weight, Rill_Weight:$bias,
                       F64Attr:$eps);
  let results = (outs Rill_Act:$y);
  let assemblyFormat = "$x `,` $weight `,` $bias attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Rill_PackOp : Rill_Op<"pack", [Pure]> {
  let summary = "A matrix in the layout that tensor cores read";
  let description = [{
    y is w in another layout of memory (#rill.packed). Shapes: w, y [N,K] bf16.
    Constraints: (pack_c1) w is a static bf16 matrix without encoding and y is
    the same with #rill.packed.
  }];
  let arguments = (ins Rill_Weight:$w);
  let results = (outs Rill_Weight:$y);
  let assemblyFormat = "$w attr-dict `:` type($w) `to` type($y)";
  let hasVerifier = 1;
}

def Rill_LastRowOp : Rill_Op<"last_row", [Pure]> {
  let summary = "The last sequence row";
  let description = [{
    `y[b,:] = x[b,S-1,:]`. Constraints: (last_row_c1) x is [B,S,H], y [B,H].
  }];
  let arguments = (ins Rill_Act:$x);
  let results = (outs Rill_Act:$y);
  let assemblyFormat = "$x attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Rill_StackOp : Rill_Op<"stack", [Pure]> {
  let summary = "Row tensors side by side, or one behind the other";
  let description = [{
    `y[b,s,k*H+i] = x_k[b,s,i]` when y has rank 3, `y[k,b,s,i] = x_k[b,s,i]`
    when it has rank 4; each value is rounded to y's type.
    Shapes: K inputs [B,S,H], y [B,S,K*H] or [K,B,S,H]. Constraints: (stack_c1)
    there is an input and all have one shape [B,S,H]. (stack_c2) y is
    [B,S,K*H] or [K,B,S,H]. Source: DFlash, the features of tapped layers.
  }];
  let arguments = (ins Variadic<Rill_Act>:$inputs);
  let results = (outs Rill_Act:$y);
  let assemblyFormat = "$inputs attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Rill_PositionResizeOp : Rill_Op<"position_resize", [Pure]> {
  let summary = "Antialiased bilinear resize of a square position table";
  let description = [{
    Table rows y*side+x; the grid is resized to (height, width) with torch's
    `interpolate(mode=bilinear, align_corners=False, antialias=True)`, width
    first, weights in f32. Shapes: table [side*side,D], y [height*width,D].
    Constraints: (position_resize_c1) the table has side^2 rows.
    (position_resize_c2) y is [N,D]. Source: HF modeling_siglip2.py,
    resize_positional_embeddings; lfm2_5_vl.md 3.2.
  }];
  let arguments = (ins Rill_Weight:$table, Index:$height, Index:$width);
  let results = (outs Rill_Act:$y);
  let assemblyFormat = "$table `,` $height `,` $width attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Rill_PixelUnshuffleOp : Rill_Op<"pixel_unshuffle", [Pure]> {
  let summary = "Gather f x f neighbouring patches into one row";
  let description = [{
    `y[b, a*(width/f)+c, (s*f+r)*D+i] = x[b, (f*a+s)*width + f*c+r, i]`.
    Shapes: x [B,N,D] with N = height*width, y [B,N/f^2,f^2*D].
    Constraints: (pixel_unshuffle_c1) x is [B,N,D], y [B,N/f^2,f^2*D].
    (pixel_unshuffle_c2) factor >= 1. Source: HF modeling_lfm2_vl.py,
    pixel_unshuffle; lfm2_5_vl.md 3.4.
  }];
  let arguments = (ins Rill_Act:$x, Index:$height, Index:$width, I64Attr:$factor);
  let results = (outs Rill_Act:$y);
  let assemblyFormat = "$x `,` $height `,` $width attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Rill_SampleOp : Rill_Op<"sample",
    [DeclareOpInterfaceMethods<SymbolUserOpInterface>,
     MemoryEffects<[MemRead<Rill_ControlResource>, MemRead<Rill_StateResource>]>]> {
  let summary = "Draw one token from each row of logits";
  let description = [{
    For sequence b of n = start[b] + S ids, in f32; the parameters are fields
    of the control block. A NaN counts as -inf.
    1. The logit l of every id in rows 0 .. n-1 of `history` becomes l / p
    where l > 0, else l * p (p: repetition penalty).
    2. Temperature 0: y[b] is the first largest.
    3. Else e = exp((l - largest) / temperature) and the weight of an id is
    floor(2^40 e), an integer, so that no order of summation changes a sum.
    4. top-k drops ids below the k-th largest logit; of the rest, top-p drops
    those whose larger ones already weigh its share of all; min-p drops those
    with e < min-p. Equal logits stay or go together. 0, 1 and 0 are off.
    5. y[b] is the first id, ascending, at which the running weight exceeds
    floor(r sum / 2^64), r = word 0 * 2^32 + word 1 of Philox4x32-10 with key
    seed and counter (n mod 2^32, n / 2^32, b, 0).
    Shapes: logits [B,V], y [B]. Constraints: (sample_c1) logits are [B,V] f32
    and y is [B]. (sample_c2) history is a linear rows state of ids, [B,T].
    Source: HF generation/logits_process.py; Salmon et al., SC 2011.
  }];
  let arguments = (ins Rill_Act:$logits, OptionalAttr<FlatSymbolRefAttr>:$history);
  let results = (outs Rill_Ids:$y);
  let assemblyFormat = "$logits (`history` $history^)? attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

#endif
