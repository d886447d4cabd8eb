//===- DumpKernels.cpp - CUDA kernels one by one --------------------------===//
//
// A module per kernel, through the same back end.
//
//===----------------------------------------------------------------------===//
#include "DumpKernels.h"

#include "rill/Dialect/Rill/Rill.h"
#include "rill/Dialect/RillPlan/RillPlan.h"
#include "runtime/formats/file_writer.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

#include "llvm/Support/FileSystem.h"

using namespace mlir;
using namespace rill;

/// A copy of `lowered` with one kernel and what it uses.
static OwningOpRef<ModuleOp> extractKernel(ModuleOp lowered, StringRef kernel) {
  OwningOpRef<ModuleOp> copy = lowered.clone();
  for (auto function :
       llvm::make_early_inc_range(copy->getOps<LLVM::LLVMFuncOp>())) {
    if (function.getSymName() != kernel) {
      function.erase();
    }
  }
  for (auto global :
       llvm::make_early_inc_range(copy->getOps<LLVM::GlobalOp>())) {
    if (SymbolTable::symbolKnownUseEmpty(global, *copy)) {
      global.erase();
    }
  }
  return copy;
}

static rt::Status dumpKernel(ModuleOp module, const nvvm::Chip &chip,
                             const std::string &ptxas,
                             const std::string &stem) {
  std::string text;
  llvm::raw_string_ostream(text) << module << "\n";
  RILL_TRY(rt::writeFile(stem + ".mlir", text));
  auto llvmText = nvvm::emitLLVMText(module, chip);
  auto ptx = nvvm::emitPtx(module, chip);
  if (failed(llvmText) || failed(ptx)) {
    return rt::makeError(rt::ErrorCode::CompileFailed, stem,
                         "no PTX could be made");
  }
  RILL_TRY(rt::writeFile(stem + ".ll", *llvmText));
  RILL_TRY(rt::writeFile(stem + ".ptx", *ptx));
  if (ptxas.empty()) {
    return {};
  }
  RILL_ASSIGN(nvvm::Assembled made, nvvm::assemble(ptxas, chip, *ptx));
  RILL_TRY(rt::writeFile(stem + ".cubin", made.cubin));
  return rt::writeFile(stem + ".log", made.log);
}

rt::Status rill::dumpKernels(ModuleOp module, ModuleOp lowered,
                             const nvvm::Chip &chip, const std::string &ptxas,
                             const std::string &folder) {
  if (llvm::sys::fs::create_directories(folder)) {
    return rt::makeError(rt::ErrorCode::WriteFailed, folder,
                         "the folder cannot be made");
  }
  for (auto function : lowered.getOps<LLVM::LLVMFuncOp>()) {
    StringRef name = function.getSymName();
    auto kernel = module.lookupSymbol<plan::KernelOp>(name);
    std::string layer = kernel ? kernel.getLayer().str() : "";
    llvm::replace(layer, '/', '_');
    std::string stem =
        folder + "/" + layer + (layer.empty() ? "" : ".") + name.str();
    OwningOpRef<ModuleOp> own = extractKernel(lowered, name);
    RILL_TRY(dumpKernel(*own, chip, ptxas, stem));
  }
  return {};
}
