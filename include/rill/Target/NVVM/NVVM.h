//===- NVVM.h - The CUDA targets --------------------------------*- C++ -*-===//
//
// Policies of the CUDA chips, and LLVM and NVVM dialect -> PTX -> cubin.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_TARGET_NVVM_NVVM_H
#define RILL_TARGET_NVVM_NVVM_H

#include "lib/CubinInfo/CubinInfo.h"
#include "runtime/formats/status.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Support/LLVM.h"

#include <string>

namespace rill::nvvm {

/// What is known of a target; one row per name.
struct Chip {
  const char *name; ///< "sm_90a", or "compute_90" for PTX alone
  const char *cpu;  ///< LLVM's and ptxas' name
  bool cubin;       ///< whether code is assembled
  int64_t multiprocessors;
  cubin::SmLimits sm;
  int64_t blockShared;  ///< bytes of shared memory a block may ask for
  bool dependentLaunch; ///< griddepcontrol
  /// Per multiprocessor and clock: multiply-adds of bf16 by wgmma (0: it has
  /// none), and bytes that come from the second-level cache.
  int64_t wgmma, cacheBytes;
};
llvm::ArrayRef<Chip> chips();
/// The row of `target`, or null.
const Chip *lookupChip(llvm::StringRef target);

/// Registers the policies of all chips.
void registerPolicies();

/// PTX of the nested module `lowered` (phase `lowered`). Emits an error at
/// the module when it fails.
mlir::FailureOr<std::string> emitPtx(mlir::ModuleOp lowered, const Chip &chip);
/// The LLVM IR text after optimisation, for dumps.
mlir::FailureOr<std::string> emitLLVMText(mlir::ModuleOp lowered,
                                          const Chip &chip);

/// What the text of a kernel holds: tensor-core products, loads and copies of
/// 16 bytes a thread.
struct PtxCounts {
  int64_t products = 0, wide = 0;
};
/// What a kernel's template emitted, and the bytes of shared memory that its
/// launch asks for.
struct KernelNeeds {
  std::string name;
  PtxCounts emitted;
  int64_t shared = 0;
};
/// Whether the PTX of each kernel holds at least what its template emitted, and
/// a block has the shared memory it asks for. Errors: KernelBudget.
rt::Status checkPtx(const Chip &chip, llvm::StringRef ptx,
                    llvm::ArrayRef<KernelNeeds> kernels);

/// What ptxas made of a module.
struct Assembled {
  std::string cubin, log;
  cubin::PtxasLog report;
};

/// ptxas by RILL_PTXAS, PATH or CUDA_HOME; empty when there is none.
std::string findPtxas();

/// Whether no kernel spills registers, needs a stack or has its wgmma
/// serialised. Errors: KernelBudget.
rt::Status checkBudget(const Chip &chip, const cubin::PtxasLog &report);

/// Assembles `ptx` by the program `ptxas`. Errors: AssemblerFailed when it
/// fails or cannot be run, WriteFailed for files in memory.
rt::Result<Assembled> assemble(const std::string &ptxas, const Chip &chip,
                               const std::string &ptx);

} // namespace rill::nvvm

#endif
