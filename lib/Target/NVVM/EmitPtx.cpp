//===- EmitPtx.cpp - LLVM and NVVM dialect -> PTX -------------------------===//
//
// Translation, optimisation, and LLVM's NVPTX back end, in process.
//
//===----------------------------------------------------------------------===//
#include "rill/Target/Common/Optimize.h"
#include "rill/Target/NVVM/NVVM.h"

#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"

#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"

using namespace mlir;
using namespace rill;
using namespace rill::nvvm;

/// The newest PTX both LLVM 22 and ptxas 13.0 know; every chip of ours has it.
static constexpr const char *kPtxFeature = "+ptx90";

static std::unique_ptr<llvm::TargetMachine> makeMachine(const Chip &chip,
                                                        std::string &error) {
  LLVMInitializeNVPTXTargetInfo();
  LLVMInitializeNVPTXTarget();
  LLVMInitializeNVPTXTargetMC();
  LLVMInitializeNVPTXAsmPrinter();
  llvm::Triple triple("nvptx64-nvidia-cuda");
  const llvm::Target *found = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!found) {
    return nullptr;
  }
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Strict;
  return std::unique_ptr<llvm::TargetMachine>(found->createTargetMachine(
      triple, chip.cpu, kPtxFeature, options, std::nullopt, std::nullopt,
      llvm::CodeGenOptLevel::Aggressive));
}

static std::unique_ptr<llvm::Module> translate(ModuleOp lowered,
                                               llvm::TargetMachine &machine,
                                               llvm::LLVMContext &context) {
  registerBuiltinDialectTranslation(*lowered->getContext());
  registerLLVMDialectTranslation(*lowered->getContext());
  registerNVVMDialectTranslation(*lowered->getContext());
  std::unique_ptr<llvm::Module> module =
      translateModuleToLLVMIR(lowered, context, "kernels");
  if (!module) {
    return nullptr;
  }
  module->setDataLayout(machine.createDataLayout());
  module->setTargetTriple(machine.getTargetTriple());
  target::optimize(*module, machine);
  return module;
}

/// Translates and optimises, then prints by `print`.
static FailureOr<std::string>
emitText(ModuleOp lowered, const Chip &chip,
         llvm::function_ref<bool(llvm::TargetMachine &, llvm::Module &,
                                 llvm::raw_pwrite_stream &)>
             print) {
  std::string error;
  auto machine = makeMachine(chip, error);
  llvm::LLVMContext context;
  auto module = machine ? translate(lowered, *machine, context) : nullptr;
  if (!module) {
    return lowered.emitError()
           << "no LLVM IR for " << chip.name << ": " << error;
  }
  SmallString<0> text;
  llvm::raw_svector_ostream os(text);
  if (!print(*machine, *module, os)) {
    return lowered.emitError("the target emits no assembly");
  }
  return text.str().str();
}

FailureOr<std::string> rill::nvvm::emitLLVMText(ModuleOp lowered,
                                                const Chip &chip) {
  return emitText(lowered, chip,
                  [](llvm::TargetMachine &, llvm::Module &module,
                     llvm::raw_pwrite_stream &os) {
                    module.print(os, nullptr);
                    return true;
                  });
}

FailureOr<std::string> rill::nvvm::emitPtx(ModuleOp lowered, const Chip &chip) {
  return emitText(
      lowered, chip,
      [](llvm::TargetMachine &machine, llvm::Module &module,
         llvm::raw_pwrite_stream &os) {
        llvm::legacy::PassManager passes;
        if (machine.addPassesToEmitFile(passes, os, nullptr,
                                        llvm::CodeGenFileType::AssemblyFile)) {
          return false;
        }
        passes.run(module);
        return true;
      });
}
