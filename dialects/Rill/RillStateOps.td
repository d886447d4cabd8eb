//===- RillStateOps.td - Weights, states, assets, control -----*- tablegen -*-===//
//
// What a model owns, and the only ops that name it.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_STATE_OPS
#define RILL_STATE_OPS

include "dialects/Rill/RillAttrs.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Rill_StateResource : Resource<"::rill::StateResource">;
def Rill_ControlResource : Resource<"::rill::ControlResource">;

def Rill_WeightOp : Rill_Op<"weight", [Symbol]> {
  let summary = "A tensor of the checkpoint";
  let description = [{
    Names a tensor by `"<file>#<tensor>"`; its data are never in the IR.
    `type` may be any row-major reshape of the stored tensor.
    Example in test/Dialect/Rill/weight.mlir.
    Constraints: (weight_c1) the type is static with a floating-point element
    type. (weight_c2) the source is "<file>#<tensor>".
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, StrAttr:$source,
                       TypeAttrOf<Rill_Weight>:$type);
  let assemblyFormat = "$sym_name `from` $source attr-dict `:` $type";
  let hasVerifier = 1;
}

def Rill_StateOp : Rill_Op<"state", [Symbol]> {
  let summary = "Memory of a session that outlives a call";
  let description = [{
    Kind `rows`: `type` holds one row per cache index i along dimension
    `row_dim`, of `capacity` rows; row i lives at i (linear) or i mod capacity
    (ring). `history` rows before the session length must stay readable.
    Rows before index 0 read as zero. Setting the session length to n is valid
    iff n >= written - (capacity - history). Kind `cell`: one value.
    Constraints: (state_c1) the type is static. (state_c2) row_dim is a
    dimension of the type and its size is the capacity. (state_c3) a ring's
    capacity is a power of two and larger than its history.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, Rill_StateKindAttr:$kind,
                       Rill_StateLayoutAttr:$layout, TypeAttrOf<Rill_Rows>:$type,
                       I64Attr:$row_dim, I64Attr:$history);
  let assemblyFormat = [{
    $sym_name $kind $layout `row_dim` `=` $row_dim `history` `=` $history
    attr-dict `:` $type
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    int64_t getCapacity() {
      return ::llvm::cast<::mlir::RankedTensorType>(getType())
          .getDimSize(getRowDim());
    }
  }];
}

def Rill_AssetOp : Rill_Op<"asset", [Symbol]> {
  let summary = "A file of the checkpoint that is no tensor";
  let description = [{
    Tokenizer, chat template, processor and generation settings; the artifact
    carries their bytes. `from` names the file relative to the checkpoint.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, Rill_AssetKindAttr:$kind,
                       StrAttr:$source);
  let assemblyFormat = "$sym_name $kind `from` $source attr-dict";
}

def Rill_WeightReadOp : Rill_Op<"weight.read",
    [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "The value of a weight, or of a run of its rows";
  let description = [{
    `rows = [first, count]` takes rows of dimension 0.
    Constraints: (weight_read_c1) the symbol is a `rill.weight`.
    (weight_read_c2) the result type is the weight's, with `count` rows when
    `rows` is given. (weight_read_c3) the rows lie inside the weight.
  }];
  let arguments = (ins FlatSymbolRefAttr:$weight,
                       OptionalAttr<DenseI64ArrayAttr>:$rows);
  let results = (outs Rill_Weight:$value);
  let assemblyFormat = "$weight (`rows` $rows^)? attr-dict `:` type($value)";
}

def Rill_StateReadOp : Rill_Op<"state.read",
    [DeclareOpInterfaceMethods<SymbolUserOpInterface>,
     MemoryEffects<[MemRead<Rill_StateResource>]>]> {
  let summary = "The contents of a linear state";
  let description = [{
    Rows at and after the session length are undefined; readers bound them by
    `rill.control start`. Constraints: (state_read_c1) the symbol is a linear
    `rill.state`. (state_read_c2) the result type is the state's type.
  }];
  let arguments = (ins FlatSymbolRefAttr:$state);
  let results = (outs Rill_Rows:$value);
  let assemblyFormat = "$state attr-dict `:` type($value)";
}

def Rill_StateWindowOp : Rill_Op<"state.window",
    [DeclareOpInterfaceMethods<SymbolUserOpInterface>,
     MemoryEffects<[MemRead<Rill_StateResource>]>]> {
  let summary = "The last rows before this call, oldest first";
  let description = [{
    y [B,R,..] holds rows start[b]-R .. start[b]-1; rows before 0 are zero.
    Constraints: (state_window_c1) the symbol is a `rill.state` of kind rows
    whose row_dim is 1. (state_window_c2) R <= history.
  }];
  let arguments = (ins FlatSymbolRefAttr:$state);
  let results = (outs Rill_Rows:$value);
  let assemblyFormat = "$state attr-dict `:` type($value)";
}

def Rill_StateAppendOp : Rill_Op<"state.append",
    [DeclareOpInterfaceMethods<SymbolUserOpInterface>,
     MemoryEffects<[MemWrite<Rill_StateResource>]>]> {
  let summary = "Write the rows of this call behind the session length";
  let description = [{
    Row s of `rows` [B,S,..] becomes row start[b]+s of the state. The session
    length itself is the runtime's. Constraints: (state_append_c1) the symbol
    is a `rill.state` of kind rows. (state_append_c2) rows are the state's
    type with row_dim moved to dimension 1 and of any size.
  }];
  let arguments = (ins FlatSymbolRefAttr:$state, Rill_Rows:$rows);
  let assemblyFormat = "$state `,` $rows attr-dict `:` type($rows)";
}

def Rill_ControlOp : Rill_Op<"control",
    [MemoryEffects<[MemRead<Rill_ControlResource>]>]> {
  let summary = "A per-sequence field of the control block";
  let description = [{
    `start` [B]: rows in the session before this call. `token`, `position`
    [B,1]: the token to decode and its RoPE position.
    Constraints: (control_c1) start has shape [B]; token and position [B,1].
  }];
  let arguments = (ins Rill_ControlFieldAttr:$field);
  let results = (outs Rill_Ids:$value);
  let assemblyFormat = "$field attr-dict `:` type($value)";
  let hasVerifier = 1;
}

def Rill_ControlCommitOp : Rill_Op<"control.commit",
    [MemoryEffects<[MemRead<Rill_ControlResource>,
                    MemWrite<Rill_ControlResource>]>]> {
  let summary = "End a decode step: store the token, advance the session";
  let description = [{
    token[b] := tokens[b]; start[b] and position[b] grow by one; step grows
    by one. The last op of a method, whose rows were S = 1. Constraints:
    (control_commit_c1) tokens are [B].
  }];
  let arguments = (ins Rill_Ids:$tokens);
  let assemblyFormat = "$tokens attr-dict `:` type($tokens)";
  let hasVerifier = 1;
}

#endif
