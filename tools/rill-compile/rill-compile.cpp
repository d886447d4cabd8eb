//===- rill-compile.cpp - Checkpoint or IR -> artifact --------------------===//
//
// Flags of rill-compile and rill-import; the work is rill::compile.
//
//===----------------------------------------------------------------------===//
#include "tools/common/tool.h"

#include "rill/Pipeline/Pipeline.h"
#include "rill/Target/NVVM/NVVM.h"
#include "runtime/formats/mapped_file.h"

#include <cstring>

using namespace rill;

namespace {
/// What the flags say, as text.
struct Flags {
  std::vector<std::string> targets = {"native"};
  std::string dtype = "bf16", weights = "embed", to = "artifact", from;
  bool force = false;
};
} // namespace

static void addImportFlags(tools::Tool &tool, CompileOptions &options,
                           Flags &flags) {
  tool.option("input", options.input, "checkpoint folder or .mlir file")
      ->required();
  tool.option("-o,--output", options.output, "file to write; - for stdout")
      ->required();
  tool.option("--dtype", flags.dtype, "activations and states: bf16 or f32")
      ->check(CLI::IsMember({"bf16", "f32"}));
  tool.option("--max-seq-len,--ctx-size", options.import.maxSeqLen,
              "rows a sequence may have")
      ->check(CLI::Range(1, 1 << 28));
  tool.option("--draft", options.import.draft,
              "folder of the model's DFlash drafter");
  tool.option("--taps", options.import.taps,
              "layers whose rows text_decoder_rows gives too, [K,B,S,H]")
      ->delimiter(',');
  tool.option("--batch-size", options.import.batch, "sequences per session")
      ->check(CLI::Range(1, 4096));
  tool.flag("--strict", options.import.strict,
            "unknown config keys and contradictions are errors");
  tool.flag("--allow-nonfinite", options.import.allowNonFinite,
            "accept NaN and infinity in weights");
  tool.flag("--force", flags.force, "replace the output when it exists");
}

static std::vector<std::string> targetNames() {
  std::vector<std::string> names = {"native", "x86-64-v3", "x86-64-v4"};
  for (const nvvm::Chip &chip : nvvm::chips()) {
    names.push_back(chip.name);
  }
  return names;
}

static void addCompileFlags(tools::Tool &tool, CompileOptions &options,
                            Flags &flags) {
  tool.option("--target", flags.targets,
              "x86-64-v3, x86-64-v4, native (this machine's best), sm_80, "
              "sm_90a, sm_100a, sm_103a, sm_120a, or PTX alone: compute_80, "
              "compute_90, compute_120")
      ->delimiter(',')
      ->check(CLI::IsMember(targetNames()));
  tool.option("--prefill-chunk", options.pipeline.prefillChunk,
              "largest number of rows of one call")
      ->check(CLI::Range(1, 1 << 20));
  tool.flag("--no-generic", options.pipeline.noGeneric,
            "refuse kernels that are no template of their op (x86 has none)");
  tool.option("--weights", flags.weights, "embed, external, or synthetic:SEED");
  std::vector<std::string> names;
  for (const PhaseInfo &info : phases()) {
    names.push_back(info.name);
  }
  tool.option("--compile-to", flags.to, "stop at this phase")
      ->check(CLI::IsMember(names));
  tool.option("--compile-from", flags.from, "phase an .mlir input is at")
      ->check(CLI::IsMember(names));
  tool.option("--dump-compilation-phases-to", options.dumpFolder,
              "write one .mlir per phase into this folder");
  tool.option("--report", options.reportFile,
              "write registers, shared memory and occupancy of each CUDA "
              "kernel, bytes and FLOPs of each dispatch to this JSON file");
  tool.option("--dump-kernels", options.kernelFolder,
              "write each CUDA kernel into this folder: .mlir, .ll, .ptx, "
              ".cubin and ptxas' .log, named after its first layer");
}

/// native -> the best level of this processor.
static std::string nativeTarget() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512f") &&
                 __builtin_cpu_supports("avx512bw") &&
                 __builtin_cpu_supports("avx512cd") &&
                 __builtin_cpu_supports("avx512dq") &&
                 __builtin_cpu_supports("avx512vl")
             ? "x86-64-v4"
             : "x86-64-v3";
}

/// "" when all is well, else what is wrong.
static std::string apply(const Flags &flags, CompileOptions &options) {
  options.import.bf16 = flags.dtype == "bf16";
  for (const std::string &target : flags.targets) {
    std::string name = target == "native" ? nativeTarget() : target;
    if (std::find(options.pipeline.targets.begin(),
                  options.pipeline.targets.end(),
                  name) == options.pipeline.targets.end()) {
      options.pipeline.targets.push_back(name);
    }
  }
  constexpr const char kSynthetic[] = "synthetic:";
  if (flags.weights == "external") {
    options.artifact.weights = WeightsMode::External;
  } else if (flags.weights.rfind(kSynthetic, 0) == 0) {
    options.artifact.weights = WeightsMode::Synthetic;
    const char *seed = flags.weights.c_str() + sizeof(kSynthetic) - 1;
    char *end;
    options.artifact.seed = std::strtoull(seed, &end, 10);
    if (end == seed || *end) {
      return "--weights synthetic: needs a number, not \"" + std::string(seed) +
             "\"";
    }
  } else if (flags.weights != "embed") {
    return "--weights is embed, external or synthetic:SEED, not \"" +
           flags.weights + "\"";
  }
  options.to = *phaseByName(flags.to);
  if (!flags.from.empty()) {
    options.from = phaseByName(flags.from);
  }
  return "";
}

int main(int argc, char **argv) {
  const char *slash = std::strrchr(argv[0], '/');
  bool importOnly =
      std::strcmp(slash ? slash + 1 : argv[0], "rill-import") == 0;
  tools::Tool tool(
      importOnly ? "rill-import" : "rill-compile",
      importOnly ? "Hugging Face checkpoint -> rill methods"
                 : "checkpoint or IR -> artifact",
      importOnly
          ? "  rill-import lfm -o model.mlir\n"
            "  rill-import lfm -o - --dtype f32 --strict\n"
          : "  rill-compile lfm -o lfm.rill --target x86-64-v3,x86-64-v4\n"
            "  rill-compile lfm -o - --compile-to fused\n");
  CompileOptions options;
  Flags flags;
  addImportFlags(tool, options, flags);
  if (importOnly) {
    flags.to = "imported";
  } else {
    addCompileFlags(tool, options, flags);
  }
  int code;
  if (!tool.parse(argc, argv, code)) {
    return code;
  }
  if (std::string wrong = apply(flags, options); !wrong.empty()) {
    return tool.usage(wrong);
  }
  bool text = options.to <= Phase::Lowered;
  if (options.output == "-" && !text) {
    return tool.usage("-o - writes text only; give a file for this phase");
  }
  if (options.output != "-" && !flags.force && rt::fileExists(options.output)) {
    return tool.fail(rt::makeError(rt::ErrorCode::OutputExists, options.output,
                                   "it would be replaced", "give --force"));
  }
  rt::Status status =
      compile(options, [&](const std::string &line) { tool.note(line); });
  if (!status.ok()) {
    return tool.fail(status.get());
  }
  if (options.output != "-") {
    tool.note("wrote " + options.output);
  }
  return tool.end({});
}
