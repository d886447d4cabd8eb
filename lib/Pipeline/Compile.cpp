//===- Compile.cpp - From input to output of rill-compile -----------------===//
//
// Import or parse, run the pipeline, emit code, write.
//
//===----------------------------------------------------------------------===//
#include "DumpKernels.h"
#include "Report.h"

#include "rill/Dialect/Rill/Rill.h"
#include "rill/Dialect/RillPlan/RillPlan.h"
#include "rill/Pipeline/Pipeline.h"
#include "rill/Pipeline/Register.h"
#include "rill/Target/NVVM/NVVM.h"
#include "rill/Target/X86/X86.h"
#include "runtime/formats/file_writer.h"

#include "mlir/IR/AsmState.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"

#include <cstdio>

using namespace mlir;
using namespace rill;

namespace {
class Compiler {
public:
  Compiler(const CompileOptions &options,
           const std::function<void(const std::string &)> &note)
      : options(options), note(note), registry(makeRegistry()),
        context(registry) {}

  rt::Status run();

private:
  static DialectRegistry makeRegistry() {
    DialectRegistry registry;
    registerDialects(registry);
    return registry;
  }
  rt::Status load();
  rt::Status reach(Phase phase);
  rt::Status writeText(const std::string &path) const;
  rt::Status emitCode(std::vector<TargetCode> &code);
  rt::Result<TargetCode> emitCpuCode(const std::string &target);
  rt::Result<TargetCode> emitCudaCode(const std::string &target,
                                      const nvvm::Chip &chip);
  rt::Status writeCode(const std::vector<TargetCode> &code) const;
  std::string folder() const;

  const CompileOptions &options;
  const std::function<void(const std::string &)> &note;
  DialectRegistry registry;
  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  Phase reached = Phase::Imported;
  std::map<std::string, cubin::PtxasLog> logs; ///< of CUDA targets
};
} // namespace

rt::Status Compiler::load() {
  if (llvm::sys::fs::is_directory(options.input)) {
    std::vector<std::string> warnings;
    RILL_ASSIGN(module, importCheckpoint(context, options.input, options.import,
                                         warnings));
    for (const std::string &warning : warnings) {
      note("warning: " + warning);
    }
    return {};
  }
  if (!llvm::sys::fs::exists(options.input)) {
    return rt::makeError(rt::ErrorCode::FileUnreadable, options.input,
                         "no such file or folder");
  }
  ParserConfig config(&context);
  module = parseSourceFile<ModuleOp>(options.input, config);
  if (!module) {
    return rt::makeError(rt::ErrorCode::IrInvalid, options.input,
                         "the diagnostics above say where");
  }
  reached = options.from.value_or(Phase::Imported);
  return {};
}

rt::Status Compiler::reach(Phase phase) {
  if (phase > reached) {
    PassManager passes(&context);
    buildPipeline(passes, options.pipeline, reached, phase);
    if (failed(passes.run(*module))) {
      return rt::makeError(rt::ErrorCode::CompileFailed, options.input,
                           "the diagnostics above say where");
    }
    reached = phase;
  }
  if (options.dumpFolder.empty()) {
    return {};
  }
  if (llvm::sys::fs::create_directories(options.dumpFolder)) {
    return rt::makeError(rt::ErrorCode::WriteFailed, options.dumpFolder,
                         "the folder cannot be made");
  }
  const PhaseInfo &info = phases()[static_cast<size_t>(phase)];
  return writeText(rt::format("%s/%d-%s.mlir", options.dumpFolder.c_str(),
                              static_cast<int>(phase), info.name));
}

rt::Status Compiler::writeText(const std::string &path) const {
  std::string text;
  llvm::raw_string_ostream os(text);
  OpPrintingFlags flags;
  flags.enableDebugInfo(true, /*prettyForm=*/false);
  (*module)->print(os, flags);
  os << "\n";
  if (path == "-") {
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() ||
        std::fflush(stdout) != 0) {
      return rt::makeError(rt::ErrorCode::WriteFailed, "standard output",
                           "it is closed or full");
    }
    return {};
  }
  return rt::writeFile(path, text);
}

/// The checkpoint folder: the input, or what the imported module names.
std::string Compiler::folder() const {
  if (!options.artifact.folder.empty()) {
    return options.artifact.folder;
  }
  auto checkpoint = (*module)->getAttrOfType<DictionaryAttr>("rill.checkpoint");
  auto name =
      checkpoint ? checkpoint.getAs<StringAttr>("folder") : StringAttr();
  return name ? name.getValue().str() : options.input;
}

rt::Result<TargetCode> Compiler::emitCpuCode(const std::string &target) {
  ModuleOp nested = module->lookupSymbol<ModuleOp>(target);
  std::string unwritten;
  auto elf = nested ? x86::emitSharedObject(nested, target, unwritten)
                    : FailureOr<std::string>();
  if (!unwritten.empty()) {
    return rt::makeError(rt::ErrorCode::WriteFailed,
                         "file in memory of the code for " + target, unwritten,
                         "raise the limits of this process");
  }
  if (failed(elf)) {
    return rt::makeError(rt::ErrorCode::CompileFailed, target,
                         "no native code could be made");
  }
  TargetCode code;
  code.arch = target;
  code.elf = std::move(*elf);
  return code;
}

/// What the kernels of a target's module need, by their configurations.
static std::vector<nvvm::KernelNeeds> needsOf(ModuleOp module,
                                              ModuleOp nested) {
  std::vector<nvvm::KernelNeeds> list;
  for (auto kernel : module.getOps<plan::KernelOp>()) {
    if (nested.lookupSymbol(kernel.getSymName())) {
      auto number = [&](StringRef key) {
        auto value = kernel.getConfig().getAs<IntegerAttr>(key);
        return value ? value.getInt() : 0;
      };
      list.push_back({kernel.getSymName().str(),
                      {number("products"), number("wide")},
                      number("shared")});
    }
  }
  return list;
}

rt::Result<TargetCode> Compiler::emitCudaCode(const std::string &target,
                                              const nvvm::Chip &chip) {
  ModuleOp nested = module->lookupSymbol<ModuleOp>(target);
  auto ptx = nested ? nvvm::emitPtx(nested, chip) : FailureOr<std::string>();
  if (failed(ptx)) {
    return rt::makeError(rt::ErrorCode::CompileFailed, target,
                         "no PTX could be made");
  }
  RILL_TRY(nvvm::checkPtx(chip, *ptx, needsOf(*module, nested)));
  TargetCode code;
  code.arch = target;
  code.ptx = std::move(*ptx);
  logs[target] = {};
  std::string ptxas = chip.cubin ? nvvm::findPtxas() : "";
  if (chip.cubin && ptxas.empty()) {
    note("warning: no ptxas found, so " + target +
         " has PTX alone, which the driver assembles at every start");
  }
  if (!options.kernelFolder.empty()) {
    RILL_TRY(dumpKernels(*module, nested, chip, ptxas, options.kernelFolder));
  }
  if (!ptxas.empty()) {
    RILL_ASSIGN(nvvm::Assembled assembled,
                nvvm::assemble(ptxas, chip, code.ptx));
    RILL_TRY(nvvm::checkBudget(chip, assembled.report));
    logs[target] = std::move(assembled.report);
    code.cubin = std::move(assembled.cubin);
  }
  return code;
}

rt::Status Compiler::emitCode(std::vector<TargetCode> &code) {
  for (const std::string &target : options.pipeline.targets) {
    const nvvm::Chip *chip = nvvm::lookupChip(target);
    RILL_ASSIGN(TargetCode made,
                chip ? emitCudaCode(target, *chip) : emitCpuCode(target));
    code.push_back(std::move(made));
  }
  return {};
}

/// One file per kind of code, named after output and target.
rt::Status Compiler::writeCode(const std::vector<TargetCode> &code) const {
  for (const TargetCode &target : code) {
    std::pair<const char *, const std::string &> files[] = {
        {".so", target.elf}, {".ptx", target.ptx}, {".cubin", target.cubin}};
    for (const auto &[ending, bytes] : files) {
      if (!bytes.empty()) {
        RILL_TRY(
            rt::writeFile(options.output + "." + target.arch + ending, bytes));
      }
    }
  }
  return {};
}

rt::Status Compiler::run() {
  RILL_TRY(load());
  for (const PhaseInfo &info : phases()) {
    if (info.phase >= reached &&
        info.phase <= std::min(options.to, Phase::Lowered)) {
      RILL_TRY(reach(info.phase));
    }
  }
  if (options.to <= Phase::Lowered) {
    return writeText(options.output);
  }
  std::vector<TargetCode> code;
  RILL_TRY(emitCode(code));
  if (!options.reportFile.empty()) {
    RILL_TRY(writeReport(*module, logs, options.reportFile));
  }
  if (options.to == Phase::Binary) {
    return writeCode(code);
  }
  ArtifactOptions artifact = options.artifact;
  artifact.folder = folder();
  return writeArtifact(*module, code, artifact, options.output);
}

rt::Status rill::compile(const CompileOptions &options,
                         const std::function<void(const std::string &)> &note) {
  return Compiler(options, note).run();
}
