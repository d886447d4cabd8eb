//===- EmitObject.cpp - LLVM dialect -> x86-64 shared object --------------===//
//
// Translation, optimisation, object code, and the link.
//
//===----------------------------------------------------------------------===//
#include "rill/Target/Common/MemoryFile.h"
#include "rill/Target/Common/Optimize.h"
#include "rill/Target/X86/X86.h"

#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"

#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>

using namespace mlir;
using rill::target::MemoryFile;

static std::unique_ptr<llvm::TargetMachine> makeMachine(StringRef target,
                                                        std::string &error) {
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  llvm::Triple triple("x86_64-unknown-linux-gnu");
  const llvm::Target *found = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!found) {
    return nullptr;
  }
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Strict;
  return std::unique_ptr<llvm::TargetMachine>(found->createTargetMachine(
      triple, target, "", options, llvm::Reloc::PIC_, std::nullopt,
      llvm::CodeGenOptLevel::Aggressive));
}

static std::unique_ptr<llvm::Module> translate(ModuleOp lowered,
                                               StringRef target,
                                               llvm::TargetMachine &machine,
                                               llvm::LLVMContext &context) {
  registerBuiltinDialectTranslation(*lowered->getContext());
  registerLLVMDialectTranslation(*lowered->getContext());
  std::unique_ptr<llvm::Module> module =
      translateModuleToLLVMIR(lowered, context, target);
  if (!module) {
    return nullptr;
  }
  module->setDataLayout(machine.createDataLayout());
  module->setTargetTriple(machine.getTargetTriple());
  for (llvm::Function &function : *module) {
    if (!function.isDeclaration()) {
      function.addFnAttr("target-cpu", target);
      function.addFnAttr("prefer-vector-width",
                         target == "x86-64-v4" ? "512" : "256");
      function.addFnAttr("no-builtins");
      function.addFnAttr(llvm::Attribute::NoUnwind);
    }
  }
  rill::target::optimize(*module, machine);
  return module;
}

/// Runs ld.lld from one file to the other.
static LogicalResult link(ModuleOp at, const MemoryFile &object,
                          const MemoryFile &library) {
  std::string linker = RILL_LLVM_TOOLS "/ld.lld";
  if (const char *chosen = std::getenv("RILL_LLD")) {
    linker = chosen;
  }
  std::string input = object.path(), output = library.path(), message;
  StringRef arguments[] = {
      linker, "-shared", "--build-id=none",  "-z", "noexecstack", "-z", "relro",
      "-z",   "now",     "--hash-style=gnu", "-s", input,         "-o", "-"};
  std::optional<StringRef> redirects[] = {std::nullopt, StringRef(output),
                                          std::nullopt};
  int code = llvm::sys::ExecuteAndWait(linker, arguments, std::nullopt,
                                       redirects, 120, 0, &message);
  if (code != 0) {
    return at.emitError() << linker << " ended with " << code
                          << (message.empty() ? "" : ": ") << message;
  }
  return success();
}

FailureOr<std::string> rill::x86::emitLLVMText(ModuleOp lowered,
                                               StringRef target) {
  std::string error;
  auto machine = makeMachine(target, error);
  llvm::LLVMContext context;
  auto module =
      machine ? translate(lowered, target, *machine, context) : nullptr;
  if (!module) {
    return lowered.emitError() << "no LLVM IR for " << target << ": " << error;
  }
  std::string text;
  llvm::raw_string_ostream os(text);
  module->print(os, nullptr);
  return text;
}

/// Writes the object code of `module` to `object`; what went wrong with the
/// file goes to `unwritten`.
static LogicalResult writeObject(ModuleOp at, llvm::TargetMachine &machine,
                                 llvm::Module &module, const MemoryFile &object,
                                 std::string &unwritten) {
  llvm::raw_fd_ostream os(object.descriptor(), /*shouldClose=*/false);
  llvm::legacy::PassManager passes;
  if (machine.addPassesToEmitFile(passes, os, nullptr,
                                  llvm::CodeGenFileType::ObjectFile)) {
    return at.emitError("the target emits no object files");
  }
  passes.run(module);
  os.flush();
  if (os.has_error()) {
    unwritten = os.error().message();
    os.clear_error();
    return at.emitError("the object file cannot be written: ") << unwritten;
  }
  return success();
}

FailureOr<std::string> rill::x86::emitSharedObject(ModuleOp lowered,
                                                   StringRef target,
                                                   std::string &unwritten) {
  std::string error;
  auto machine = makeMachine(target, error);
  llvm::LLVMContext context;
  auto module =
      machine ? translate(lowered, target, *machine, context) : nullptr;
  if (!module) {
    return lowered.emitError() << "no LLVM IR for " << target << ": " << error;
  }
  MemoryFile object("rill.o"), library("rill.so");
  if (object.descriptor() < 0 || library.descriptor() < 0) {
    unwritten = std::strerror(errno);
    return lowered.emitError("no file in memory can be made: ") << unwritten;
  }
  if (failed(writeObject(lowered, *machine, *module, object, unwritten)) ||
      failed(link(lowered, object, library))) {
    return failure();
  }
  std::optional<std::string> bytes = library.read();
  if (!bytes) {
    return lowered.emitError("the linked object cannot be read");
  }
  return *bytes;
}
