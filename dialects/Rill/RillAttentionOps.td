//===- RillAttentionOps.td - RoPE and attention ---------------*- tablegen -*-===//
//
// Attention as imported, as fused with its state update, and as tiled.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_ATTENTION_OPS
#define RILL_ATTENTION_OPS

include "dialects/Rill/RillStateOps.td"

def Rill_RopeOp : Rill_Op<"rope", [Pure]> {
  let summary = "Rotary position embedding";
  let description = [{
    For pair i of d/2, with a = positions[b,s] * theta^(-2i/d) in double:
    half: (x_i, x_{i+d/2}); interleaved: (x_{2i}, x_{2i+1}); the pair (u, v)
    becomes (u cos a - v sin a, v cos a + u sin a). cos and sin are rounded to
    f32, the products are f32. Shapes: x [B,S,n,d], positions [B,S].
    `table` [P,d], when given, holds those cosines (d/2) and sines (d/2) of
    positions 0..P-1; Tiling adds it. Constraints: (rope_c1) x is [B,S,n,d]
    with d even; y has x's shape. (rope_c2) positions are [B,S]. (rope_c3)
    theta > 0. (rope_c4) the table is [P,d].
    Source: HF modeling_lfm2.py, apply_rotary_pos_emb; lfm2_5_vl.md 2.5.
  }];
  let arguments = (ins Rill_Act:$x, Rill_Ids:$positions,
                       Optional<Rill_Weight>:$table, F64Attr:$theta,
                       DefaultValuedAttr<Rill_RopeLayoutAttr, "RopeLayout::Half">:$layout);
  let results = (outs Rill_Act:$y);
  let assemblyFormat = [{
    $x `,` $positions (`table` $table^)? attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Rill_AttentionOp : Rill_Op<"attention", [Pure, AttrSizedOperandSegments]> {
  let summary = "Grouped-query attention with one softmax over all segments";
  let description = [{
    `y[b,s,j,:] = sum_t p_t v_t`, p = softmax over every visible key of every
    segment of `scale * q[b,s,j,:] . k_t`, in f32; query head j reads kv head
    j / (h/kv). A query that sees no key gives zeros. Visibility is defined at
    `#rill.segment`. `bounds` holds, in segment order, the extra operand of
    those segments that have one: [B] for a state, [B,S] for prefix and
    ancestors. Shapes: q [B,S,h,d]; y as q.
    Constraints: (attention_c1) as many keys as values as segments. (attention_c2)
    keys and values of a segment have the shape its source asks for, with B
    and d of q. (attention_c3) kv divides h. (attention_c4) bounds are as many
    and as shaped as the segments ask. (attention_c5) causal, same_block and
    ancestors only on value segments; width > 0 exactly for same_block and
    window. Source: HF modeling_lfm2.py, eager_attention_forward; design.
  }];
  let arguments = (ins Rill_Act:$q, Variadic<Rill_Act>:$keys,
                       Variadic<Rill_Act>:$values, Variadic<Rill_Ids>:$bounds,
                       Rill_SegmentArrayAttr:$segments, F64Attr:$scale);
  let results = (outs Rill_Act:$y);
  let assemblyFormat = [{
    $q `keys` `(` $keys `)` `values` `(` $values `)` (`bounds` `(` $bounds^ `)`)?
    $segments attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Rill_AttentionUpdateOp : Rill_Op<"attention_update",
    [DeclareOpInterfaceMethods<SymbolUserOpInterface>,
     MemoryEffects<[MemRead<Rill_StateResource>, MemWrite<Rill_StateResource>,
                    MemRead<Rill_ControlResource>]>]> {
  let summary = "qk-norm, RoPE, append and attention on raw q, k, v rows";
  let description = [{
    `qkv` [B,S,(h+2kv)*d] holds raw q, k and v of each row side by side. q and
    k are rms-normalised per head, rotated, k (rounded to the state's type)
    and v are appended to the states, and each row attends to all rows before
    the session length and causally to the rows of this call.
    With `chunk`, y is unmerged, as of rill.attention_tiled: [B,S,h,C,d+2] f32,
    where part c covers the chunks c, c+C, ... of `chunk` keys each, by absolute
    cache index.
    Shapes: y [B,S,h*d]; states [B,kv,T,d]. Constraints: (attention_update_c1)
    qkv's width is (h+2kv)*d and y's is h*d. (attention_update_c2) q_norm and
    k_norm are [d]. (attention_update_c3) both states are linear rows states
    [B,kv,T,d] with row_dim 2. (attention_update_c4) the table, as at
    rill.rope, is [P,d]. (attention_update_c5) chunk > 0, and with it alone y is
    [B,S,h,C,d+2] f32. Source: as rill.attention, rill.rope.
  }];
  let arguments = (ins Rill_Act:$qkv, Rill_Weight:$q_norm, Rill_Weight:$k_norm,
                       Rill_Ids:$positions, Optional<Rill_Weight>:$table,
                       FlatSymbolRefAttr:$k_state,
                       FlatSymbolRefAttr:$v_state, I64Attr:$heads,
                       F64Attr:$eps, F64Attr:$theta, F64Attr:$scale,
                       DefaultValuedAttr<Rill_RopeLayoutAttr, "RopeLayout::Half">:$layout,
                       OptionalAttr<I64Attr>:$chunk);
  let results = (outs Rill_Act:$y);
  let extraClassDeclaration = [{
    /// d, from y.
    int64_t getHeadSize();
    /// C: how many parts y has; 1 without chunk.
    int64_t getParts();
  }];
  let assemblyFormat = [{
    $qkv `,` $q_norm `,` $k_norm `,` $positions (`table` $table^)? `states` `(` $k_state `,` $v_state `)`
    attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Rill_AttentionTiledOp : Rill_Op<"attention_tiled",
    [DeclareOpInterfaceMethods<SymbolUserOpInterface>,
     MemoryEffects<[MemRead<Rill_StateResource>, MemRead<Rill_ControlResource>]>]> {
  let summary = "Attention split over chunks of keys, unmerged";
  let description = [{
    Chunk c covers keys c*chunk .. (c+1)*chunk-1 by absolute cache index. Row
    [b,s,j,c] of y holds d unnormalised sums, the maximum and the sum of its
    chunk (f32); a chunk without a visible key holds maximum -inf.
    q [B,S,h,d] is normalised and rotated already and k, v are in the states,
    rows of this call included (query s sees keys up to start+s).
    Shapes: y [B,S,h,C,d+2] f32. Constraints: (attention_tiled_c1) y is
    [B,S,h,C,d+2] f32 and C*chunk >= capacity. (attention_tiled_c2) chunk > 0.
    Source: Flash-Decoding; arXiv 2205.14135 section 3.1.
  }];
  let arguments = (ins Rill_Act:$q, FlatSymbolRefAttr:$k_state,
                       FlatSymbolRefAttr:$v_state, I64Attr:$chunk, F64Attr:$scale);
  let results = (outs Rill_Act:$y);
  let assemblyFormat = [{
    $q `states` `(` $k_state `,` $v_state `)` attr-dict `:`
    functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Rill_AttentionMergeOp : Rill_Op<"attention_merge", [Pure]> {
  let summary = "Merge the chunks of a tiled attention";
  let description = [{
    `y[b,s,j,:] = sum_c e^(m_c - m) a_c / sum_c e^(m_c - m) l_c` over chunks
    with a visible key, in ascending c. Shapes: x [B,S,h,C,d+2], y [B,S,h,d].
    Constraints: (attention_merge_c1) x is [B,S,h,C,d+2] f32, y [B,S,h,d].
  }];
  let arguments = (ins Rill_Act:$x);
  let results = (outs Rill_Act:$y);
  let assemblyFormat = "$x attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

#endif
