//===- RillDialect.td - The rill dialect ----------------------*- tablegen -*-===//
//
// The dialect itself, the base class of its ops and its type constraints.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_DIALECT
#define RILL_DIALECT

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinAttributes.td"

def Rill_Dialect : Dialect {
  let name = "rill";
  let cppNamespace = "::rill";
  let summary = "Inference graphs of small language and vision models";
  let description = [{
    Methods are `func.func` ops that carry `rill.method`. Values are ranked
    tensors with an explicit batch; weights enter as SSA values through
    `rill.weight.read`; only the state ops name a state. A value is rounded
    where its type says so and nowhere else: every op widens its operands to
    f32, computes in f32, and rounds its result once.

    Letters: B batch, S sequence rows of this call, T cached rows, H hidden
    size, h/kv query/key-value heads, d head width, F feed-forward width,
    V vocabulary, L convolution taps, N patches of one crop, D vision width.
  }];
  let useDefaultAttributePrinterParser = 1;
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::math::MathDialect",
                           "::mlir::tensor::TensorDialect",
                           "::mlir::func::FuncDialect"];
  let hasOperationAttrVerify = 1;
  let hasRegionArgAttrVerify = 1;
}

class Rill_Op<string mnemonic, list<Trait> traits = []>
    : Op<Rill_Dialect, mnemonic, traits>;

/// An activation: f32, or bf16 where the value is rounded.
def Rill_Act : Type<
    RankedTensorOf<[F32, BF16]>.predicate,
    "ranked tensor of f32 or bf16 values", "::mlir::RankedTensorType">;

/// A weight in the dtype of its checkpoint.
def Rill_Weight : Type<
    RankedTensorOf<[F32, BF16, F16]>.predicate,
    "ranked tensor of f32, bf16 or f16 weights", "::mlir::RankedTensorType">;

/// What an epilogue may read besides accumulators: activations and biases.
def Rill_Aux : Type<
    RankedTensorOf<[F32, BF16, F16]>.predicate,
    "ranked tensor of f32, bf16 or f16 values", "::mlir::RankedTensorType">;

/// Token ids, positions, lengths.
def Rill_Ids : Type<
    RankedTensorOf<[I64]>.predicate,
    "ranked tensor of i64 values", "::mlir::RankedTensorType">;

/// The contents of a state.
def Rill_Rows : Type<
    RankedTensorOf<[F32, BF16, I64]>.predicate,
    "ranked tensor of f32, bf16 or i64 rows", "::mlir::RankedTensorType">;

#endif
