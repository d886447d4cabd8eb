//===- Lowering.h - What the launchers of both targets share ----*- C++ -*-===//
//
// From a kernel's op to code, and from code to the LLVM dialect.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_LIB_KERNEL_LOWERING_H
#define RILL_LIB_KERNEL_LOWERING_H

#include "rill/Dialect/RillPlan/RillPlan.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Transforms/DialectConversion.h"

namespace rill::kernel {

/// The op a kernel computes: the producer of its results, or the one op that
/// writes a state.
mlir::Operation *computedOp(plan::KernelOp kernel);

/// Whether the kernel's configuration holds integers from 1 to `most` for all
/// `keys`, separated by spaces; says so when not.
mlir::LogicalResult checkConfig(plan::KernelOp kernel, llvm::StringRef keys,
                                int64_t most);

/// Everything in `module` to the LLVM dialect; `more` adds a target's own.
mlir::LogicalResult
convertToLLVM(mlir::ModuleOp module,
              llvm::function_ref<void(mlir::ConversionTarget &,
                                      mlir::RewritePatternSet &)>
                  more);

/// Emits a CUDA kernel at the insertion point: an llvm.func with nvvm ops.
mlir::LogicalResult emitCudaKernel(mlir::OpBuilder &b, plan::KernelOp kernel);
/// Expands and converts what emitCudaKernel emitted.
mlir::LogicalResult convertCudaKernels(mlir::ModuleOp module);

} // namespace rill::kernel

#endif
