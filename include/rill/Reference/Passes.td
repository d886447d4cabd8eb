//===- Passes.td - Passes of the Reference --------------------*- tablegen -*-===//
//
// Running a module instead of changing it.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_REFERENCE_PASSES
#define RILL_REFERENCE_PASSES

include "mlir/Pass/PassBase.td"

def EvaluatePass : Pass<"rill-evaluate", "mlir::ModuleOp"> {
  let summary = "Run a method in plain loops and write what it returns";
  let description = [{
    Calls one method once, with all states empty, by lib/Reference; the module
    stays as it is. Works at phases imported and fused on the method, and at
    tiled and planned on the variant (of `target`, else of the first target)
    whose ranges hold the inputs' sizes: each dispatch by its kernel's body, so
    that templates, grids and the arena play no part. At lowered, where only
    code is left to run, it is an error.

    `inputs` has one entry per argument: a .npy file, or `random:SEED`, whose
    values depend on the seed alone: floats are k/256 with |k| <= 128, integers
    lie in [0, limit) of the argument. Random inputs take their dynamic sizes
    from `sizes`. Floats of a file are rounded to the argument's type; u2 files
    hold bf16 bits. `outputs` has one .npy file per result, `-` to write none;
    bf16 results are written widened, as f4. Weights are read from the files
    that the module names, in `weights` when given, else in the checkpoint's
    folder. `control` sets fields of the control block for every sequence: token,
    position, temperature, top_k, top_p, min_p, repeat_penalty, seed.
    Example: test/Reference/evaluate.test.
  }];
  let options = [
    Option<"method", "method", "std::string", "", "method to call">,
    ListOption<"inputs", "inputs", "std::string",
               "one .npy file or random:SEED per argument">,
    ListOption<"outputs", "outputs", "std::string",
               "one .npy file per result, or - for none">,
    ListOption<"sizes", "sizes", "std::string",
               "sizes of random inputs, e.g. S:3,h:4,w:6">,
    ListOption<"control", "control", "std::string",
               "fields of the control block, e.g. token:5,temperature:0.3">,
    Option<"weights", "weights", "std::string", "",
           "folder of the checkpoint, when it is not the module's">,
    Option<"target", "target", "std::string", "",
           "whose variants to run at tiled and planned">];
}

#endif
