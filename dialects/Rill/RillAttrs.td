//===- RillAttrs.td - Enums and attributes of rill ------------*- tablegen -*-===//
//
// Closed sets of choices that ops carry as attributes.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_ATTRS
#define RILL_ATTRS

include "dialects/Rill/RillDialect.td"
include "mlir/IR/EnumAttr.td"

class Rill_Enum<string name, string summary, list<I32EnumAttrCase> cases>
    : I32EnumAttr<name, summary, cases> {
  let cppNamespace = "::rill";
  let genSpecializedAttr = 0;
}
class Rill_EnumAttr<EnumAttrInfo info, string mnemonic>
    : EnumAttr<Rill_Dialect, info, mnemonic>;

def Rill_StateKind : Rill_Enum<"StateKind", "how a state is addressed", [
    I32EnumAttrCase<"Rows", 0, "rows">, I32EnumAttrCase<"Cell", 1, "cell">]>;
def Rill_StateKindAttr : Rill_EnumAttr<Rill_StateKind, "kind">;

def Rill_StateLayout : Rill_Enum<"StateLayout", "where row i of a state lives", [
    I32EnumAttrCase<"Linear", 0, "linear">, I32EnumAttrCase<"Ring", 1, "ring">]>;
def Rill_StateLayoutAttr : Rill_EnumAttr<Rill_StateLayout, "layout">;

def Rill_AssetKind : Rill_Enum<"AssetKind", "what a non-tensor file is", [
    I32EnumAttrCase<"Tokenizer", 0, "tokenizer">,
    I32EnumAttrCase<"ChatTemplate", 1, "chat_template">,
    I32EnumAttrCase<"Processor", 2, "processor">,
    I32EnumAttrCase<"Generation", 3, "generation">]>;
def Rill_AssetKindAttr : Rill_EnumAttr<Rill_AssetKind, "asset_kind">;

def Rill_ControlField : Rill_Enum<"ControlField", "a per-sequence field of the control block", [
    I32EnumAttrCase<"Start", 0, "start">, I32EnumAttrCase<"Token", 1, "token">,
    I32EnumAttrCase<"Position", 2, "position">]>;
def Rill_ControlFieldAttr : Rill_EnumAttr<Rill_ControlField, "field">;

def Rill_Prologue : Rill_Enum<"Prologue", "what a linear does to its rows first", [
    I32EnumAttrCase<"None", 0, "none">, I32EnumAttrCase<"RmsNorm", 1, "rms_norm">,
    I32EnumAttrCase<"LayerNorm", 2, "layer_norm">,
    I32EnumAttrCase<"AttentionMerge", 3, "attention_merge">]>;
def Rill_PrologueAttr : Rill_EnumAttr<Rill_Prologue, "prologue">;

def Rill_Combine : Rill_Enum<"Combine", "how several weights share one input", [
    I32EnumAttrCase<"Concat", 0, "concat">, I32EnumAttrCase<"Zip", 1, "zip">]>;
def Rill_CombineAttr : Rill_EnumAttr<Rill_Combine, "combine">;

def Rill_RopeLayout : Rill_Enum<"RopeLayout", "which elements RoPE rotates together", [
    I32EnumAttrCase<"Half", 0, "half">, I32EnumAttrCase<"Interleaved", 1, "interleaved">]>;
def Rill_RopeLayoutAttr : Rill_EnumAttr<Rill_RopeLayout, "rope_layout">;

def Rill_Visibility : Rill_Enum<"Visibility", "which keys of a segment a query sees", [
    I32EnumAttrCase<"All", 0, "all">, I32EnumAttrCase<"Causal", 1, "causal">,
    I32EnumAttrCase<"Prefix", 2, "prefix">, I32EnumAttrCase<"SameBlock", 3, "same_block">,
    I32EnumAttrCase<"Window", 4, "window">, I32EnumAttrCase<"Ancestors", 5, "ancestors">]>;

def Rill_SegmentSource : Rill_Enum<"SegmentSource", "where a segment's keys come from", [
    I32EnumAttrCase<"State", 0, "state">, I32EnumAttrCase<"Value", 1, "value">]>;

def Rill_SegmentAttr : AttrDef<Rill_Dialect, "Segment"> {
  let mnemonic = "segment";
  let summary = "One run of keys and values that an attention softmax covers";
  let description = [{
    `source` state: k and v are [B,kv,T,d] and the segment has a bounds
    operand [B], the number of rows that are valid; value: k and v are
    [B,T,kv,d]. With t the key's index in the segment, s the query row and
    n the valid rows (T for a value), key t is visible to s iff t < n and

    * all: always;
    * causal: t <= s (value only);
    * prefix: t < bounds[b,s];
    * same_block: t / width == s / width (value only);
    * window: state: n + s - t < width; value: t <= s and s - t < width;
    * ancestors: t == s or bit t of bounds[b,s] (value only, T <= 64).
  }];
  let parameters = (ins EnumParameter<Rill_SegmentSource>:$source,
                        EnumParameter<Rill_Visibility>:$visibility,
                        DefaultValuedParameter<"int64_t", "0">:$width);
  let assemblyFormat = "`<` $source `,` $visibility (`,` `width` `=` $width^)? `>`";
}
def Rill_PackedAttr : AttrDef<Rill_Dialect, "Packed"> {
  let mnemonic = "packed";
  let summary = "The layout of a matrix that tensor cores read";
  let description = [{
    The encoding of a bf16 tensor type [N,K] whose memory holds blocks of 8
    rows by 32 columns, row block after row block, padded with zeros: block
    (r, c) begins at element (r * ceil(K / 32) + c) * 256. In a block, lane
    4g + t holds 8 elements of row g: columns 2t, 2t+1, 2t+8, 2t+9, then the
    same + 16. A block is two B fragments of mma m16n8k16, two blocks of
    neighbouring rows are the A fragments. The value is the same as without
    the encoding.
  }];
  let assemblyFormat = "";
}

def Rill_SegmentArrayAttr : TypedArrayAttrBase<Rill_SegmentAttr, "list of segments">;

#endif
