//===- X86.h - The x86-64 targets -------------------------------*- C++ -*-===//
//
// Policies of x86-64-v3 and x86-64-v4, and LLVM dialect -> shared object.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_TARGET_X86_X86_H
#define RILL_TARGET_X86_X86_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Support/LLVM.h"

#include <string>

namespace rill::x86 {

/// Registers the policies of "x86-64-v3" and "x86-64-v4".
void registerPolicies();

/// True for the names above.
bool isTarget(llvm::StringRef target);

/// Compiles the nested module `lowered` (LLVM dialect, phase `lowered`) to a
/// shared object for `target`: no needed libraries, no constructors, nothing
/// undefined but memcpy, memset and memmove. Linked by the ld.lld beside LLVM
/// (or `RILL_LLD`). Emits an error at the module when it fails; `unwritten`
/// receives what happened when a file in memory could not be written.
mlir::FailureOr<std::string> emitSharedObject(mlir::ModuleOp lowered,
                                              llvm::StringRef target,
                                              std::string &unwritten);

/// The LLVM IR text after optimisation, for --emit llvm and dumps.
mlir::FailureOr<std::string> emitLLVMText(mlir::ModuleOp lowered,
                                          llvm::StringRef target);

} // namespace rill::x86

#endif
