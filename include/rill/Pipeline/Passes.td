//===- Passes.td - Passes for work on modules -----------------*- tablegen -*-===//
//
// No part of compilation: what cuts a module to the size of a question.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_PIPELINE_PASSES
#define RILL_PIPELINE_PASSES

include "mlir/Pass/PassBase.td"

def ExtractMethodPass : Pass<"rill-extract-method", "mlir::ModuleOp"> {
  let summary = "Keep one method, and what it names";
  let description = [{
    Erases every other method, then the weights, states and assets that no op
    names any more. For phases imported and fused; a method the module does
    not have is an error. For a first cut of a failing model.
    Example: test/Pipeline/extract-method.mlir.
  }];
  let options = [
    Option<"method", "method", "std::string", "", "method to keep">];
}

#endif
