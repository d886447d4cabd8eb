//===- RillPlanOps.td - Ops of rill_plan ----------------------*- tablegen -*-===//
//
// Variants, dispatches, kernels.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_PLAN_OPS
#define RILL_PLAN_OPS

include "dialects/RillPlan/RillPlanDialect.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/IR/RegionKindInterface.td"

def RillPlan_KernelOp : RillPlan_Op<"kernel",
    [Symbol, SymbolTable, IsolatedFromAbove, SingleBlock]> {
  let summary = "The work of one dispatch, before code exists";
  let description = [{
    Block arguments are the tensor operands; `rill.state` ops in the body name
    the state operands, in order; `rill_plan.yield` names the results. Operand
    order of the kernel ABI: arguments, states, results. `template` says which
    KernelTemplate emits the code and `config` its tile configuration; its
    entry `scratch`, when there, is a program: the bytes of scratch that each
    worker needs. Its entry `maps`, when there, holds four numbers for each
    argument that the kernel takes as a tensor map (kernel_abi.h): the
    argument's number, columns and rows of a box, bytes of the swizzle.
    `arg_dims` and `result_dims` hold, per value, one postfix program for each
    dynamic dimension. `layer` is the checkpoint layer of the first use.
    Constraints: (kernel_c1) one entry of arg_dims per argument and of
    result_dims per result, one program per dynamic dimension. (kernel_c2)
    every program is well formed. (kernel_c3) maps name distinct arguments that
    are bf16 matrices with rows of whole 16-byte words; a box has 1 to 256 rows
    and columns, rows of whole words that fit into the swizzle of 0, 32, 64 or
    128 bytes.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, StrAttr:$kernel_template,
                       DictionaryAttr:$config, ArrayAttr:$arg_dims,
                       ArrayAttr:$result_dims, StrAttr:$layer);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $sym_name `template` $kernel_template `config` $config `layer` $layer
    `dims` $arg_dims `->` $result_dims attr-dict-with-keyword $body
  }];
  let hasVerifier = 1;
}

def RillPlan_VariantOp : RillPlan_Op<"variant",
    [Symbol, IsolatedFromAbove, SingleBlock]> {
  let summary = "One method for one range of its shape symbols on one target";
  let description = [{
    Block arguments are the method's inputs. `symbols` maps each shape symbol
    to its inclusive range [min, max], or [min, max, step]: multiples of step. After planning `arena_bytes` is the
    arena the variant needs at the upper ends. `output_dims` as at the kernel.
    `input_limits` bounds integer inputs: 0 <= value < limit, 0 for others.
    Constraints: (variant_c1) symbols are S, h or w with 1 <= min <= max, min a
    multiple of step.
    (variant_c2) one input_name per block argument, one output_name per
    returned value.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, StrAttr:$method, StrAttr:$target,
                       DictionaryAttr:$symbols, ArrayAttr:$input_names,
                       ArrayAttr:$output_names, ArrayAttr:$input_dims,
                       ArrayAttr:$output_dims,
                       DefaultValuedAttr<DenseI64ArrayAttr, "{}">:$input_limits,
                       OptionalAttr<I64Attr>:$arena_bytes,
                       OptionalAttr<I64Attr>:$scratch_bytes);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $sym_name `method` $method `target` $target `when` $symbols
    attr-dict-with-keyword $body
  }];
  let hasVerifier = 1;
}

def RillPlan_WeightOp : RillPlan_Op<"weight", [Pure]> {
  let summary = "A weight, or a run of its rows, as an operand";
  let description = [{ `offset` is in bytes from the weight's first element. }];
  let arguments = (ins FlatSymbolRefAttr:$weight, I64Attr:$offset);
  let results = (outs AnyRankedTensor:$value);
  let assemblyFormat = "$weight `offset` `=` $offset attr-dict `:` type($value)";
}

def RillPlan_StateOp : RillPlan_Op<"state", [Pure]> {
  let summary = "A state as an operand";
  let arguments = (ins FlatSymbolRefAttr:$state);
  let results = (outs AnyRankedTensor:$value);
  let assemblyFormat = "$state attr-dict `:` type($value)";
}

def RillPlan_ViewOp : RillPlan_Op<"view", [Pure]> {
  let summary = "The same memory with another shape";
  let description = [{ Both types hold the same number of elements. }];
  let arguments = (ins AnyRankedTensor:$source);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$source attr-dict `:` type($source) `to` type($result)";
}

def RillPlan_SymbolOp : RillPlan_Op<"symbol", [Pure]> {
  let summary = "The value of a shape symbol in this call";
  let arguments = (ins StrAttr:$symbol);
  let results = (outs Index:$value);
  let assemblyFormat = "$symbol attr-dict";
}

def RillPlan_DispatchOp : RillPlan_Op<"dispatch",
    [DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Run a kernel on all tiles of its grid";
  let description = [{
    Operands are the kernel's arguments, then its states; results are fresh
    buffers. `access` holds 1 (read), 2 (write) or 3 (both) per operand.
    After planning `offsets` has one arena offset per result, or -1 - i when
    the result is output i of the method.
    Constraints: (dispatch_c1) the symbol is a kernel and operand and result
    types are its. (dispatch_c2) grid is a well-formed program. (dispatch_c3)
    one access per operand; arguments are read only.
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, Variadic<AnyRankedTensor>:$operands,
                       StrAttr:$grid, DenseI64ArrayAttr:$access,
                       OptionalAttr<DenseI64ArrayAttr>:$offsets);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    $kernel `(` $operands `)` `grid` $grid `access` $access (`offsets` $offsets^)?
    attr-dict `:` functional-type($operands, $results)
  }];
}

def RillPlan_YieldOp : RillPlan_Op<"yield", [Pure, Terminator]> {
  let summary = "The results of a kernel";
  let arguments = (ins Variadic<AnyRankedTensor>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
}

def RillPlan_ReturnOp : RillPlan_Op<"return", [Pure, Terminator]> {
  let summary = "The outputs of a variant";
  let arguments = (ins Variadic<AnyRankedTensor>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
}

#endif
