//===- Passes.td - Passes of the Kernel stage -----------------*- tablegen -*-===//
//
// rill_plan.kernel -> LLVM dialect.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_KERNEL_PASSES
#define RILL_KERNEL_PASSES

include "mlir/Pass/PassBase.td"

def LowerKernelsPass : Pass<"rill-lower-kernels", "mlir::ModuleOp"> {
  let summary = "Emit one LLVM function per kernel";
  let description = [{
    For each target among the variants, a nested `builtin.module @<target>`
    with one `llvm.func` per kernel it dispatches, of the kernel ABI
    (kernel_abi.h): for a CPU a loop over tiles, for CUDA a block per tile. The bodies come from the kernel's KernelTemplate. exp,
    tanh and erf are expanded (exp within 2 ulp f32, tanh and erf within 4, on
    a million arguments each in test/Unit/Kernel), so no function is left
    undefined. Numerics:
    f32 sums in the order of the template; see docs/Dialect.md.
  }];
  let dependentDialects = ["mlir::LLVM::LLVMDialect", "mlir::scf::SCFDialect",
                           "mlir::arith::ArithDialect", "mlir::math::MathDialect",
                           "mlir::vector::VectorDialect",
                           "mlir::cf::ControlFlowDialect",
                           "mlir::NVVM::NVVMDialect"];
}

#endif
