//===- rill-inspect.cpp - Look into artifacts and checkpoints -------------===//
//
// Never loads code. Prints parts of the manifest, checks, explains errors.
//
//===----------------------------------------------------------------------===//
#include "tools/common/tool.h"
#include "tools/rill-inspect/parts.h"

#include "runtime/core/artifact.h"
#include "runtime/core/plan.h"
#include "runtime/device/cpu/code.h"
#include "runtime/formats/file_writer.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <set>

using namespace rill;
using rt::ErrorCode;

namespace {
struct Flags {
  std::string file, explain, output, plot, verify = "header";
  int extract = -1;
  bool methods = false, states = false, weights = false, targets = false,
       plan = false, manifest = false, doctor = false;
};
} // namespace

std::string tools::shapeText(const std::vector<int64_t> &shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    text += (i ? "," : "") + std::to_string(shape[i]);
  }
  return text + "]";
}

static std::string signatureText(const std::vector<rt::Signature> &list) {
  std::string text;
  for (const rt::Signature &entry : list) {
    text += (text.empty() ? "" : ", ") + entry.name + " " +
            rt::elementName(entry.type) + "[";
    for (size_t d = 0; d < entry.shape.size(); ++d) {
      const rt::SignatureDim &dim = entry.shape[d];
      std::string size = dim.symbol >= 0 ? std::string(1, "Shw"[dim.symbol])
                         : dim.program.size() == 2
                             ? std::to_string(dim.program[1])
                             : "?";
      text += (d ? "," : "") + size;
    }
    text += "]";
  }
  return text;
}

static void printMethods(const rt::Manifest &manifest) {
  for (const rt::Method &method : manifest.methods) {
    std::printf("%s(%s) -> %s%s\n", method.name.c_str(),
                signatureText(method.inputs).c_str(),
                signatureText(method.outputs).c_str(),
                method.appends ? "  appends to states" : "");
  }
}

using tools::shapeText;

static void printStates(const rt::Manifest &manifest) {
  for (const rt::StateInfo &state : manifest.states) {
    std::printf("%-20s %s %s %s history %lld, %llu bytes\n", state.name.c_str(),
                state.ring ? "ring" : "linear", rt::elementName(state.type),
                shapeText(state.shape).c_str(), (long long)state.history,
                (unsigned long long)state.bytes);
  }
}

static void printWeights(const rt::Manifest &manifest) {
  for (const rt::WeightInfo &weight : manifest.weights) {
    std::printf("%-60s %s %s %s\n", weight.name.c_str(),
                rt::elementName(weight.type), shapeText(weight.shape).c_str(),
                weight.section ? "embedded"
                : weight.seed  ? "synthetic"
                               : "external");
  }
}

/// What kernels of a plan take as tensor maps, once per kernel and operand.
static void printMaps(const rt::Manifest &manifest,
                      const rt::MethodVariant &variant, const rt::Plan &plan) {
  auto target = std::find_if(
      manifest.targets.begin(), manifest.targets.end(),
      [&](const auto &entry) { return entry.arch == variant.target; });
  std::set<std::pair<uint32_t, uint32_t>> seen;
  for (const rill_rt_dispatch &dispatch : plan.dispatches) {
    for (uint32_t i = 0; i < dispatch.operand_count; ++i) {
      const rill_rt_operand &operand =
          plan.operands[dispatch.first_operand + i];
      if (operand.map_width && seen.insert({dispatch.kernel, i}).second) {
        std::printf("  %s, operand %u: tensor map, rows of %u bf16, boxes of "
                    "%u by %u rows, %u-byte swizzle\n",
                    target->kernels[dispatch.kernel].c_str(), i,
                    operand.map_width, operand.map_columns, operand.map_rows,
                    operand.map_swizzle);
      }
    }
  }
}

static rt::Status printPlans(const rt::Artifact &artifact) {
  for (const rt::Method &method : artifact.manifest().methods) {
    for (const rt::MethodVariant &variant : method.variants) {
      RILL_ASSIGN(rt::Plan plan, rt::readPlan(artifact, method, variant));
      std::printf("%s %s%s: %zu dispatches, arena %llu bytes\n",
                  method.name.c_str(), variant.target.c_str(),
                  tools::rangesText(variant).c_str(), plan.dispatches.size(),
                  (unsigned long long)plan.header.arena_bytes);
      printMaps(artifact.manifest(), variant, plan);
    }
  }
  for (const rt::TargetInfo &target : artifact.manifest().targets) {
    if (target.init) {
      RILL_ASSIGN(rt::Plan plan, rt::readInitPlan(artifact, target));
      uint64_t bytes = 0;
      for (uint64_t size : target.init->packed) {
        bytes += size;
      }
      std::printf("init %s: %zu dispatches, %llu bytes of packed weights\n",
                  target.arch.c_str(), plan.dispatches.size(),
                  (unsigned long long)bytes);
    }
  }
  return {};
}

/// "drafter dflash: blocks of 8, mask token 4, taps layers 1, 3".
static void printDrafter(const rt::Manifest &manifest) {
  if (!manifest.draft) {
    return;
  }
  std::string taps;
  for (int64_t tap : manifest.draft->taps) {
    taps += (taps.empty() ? "" : ", ") + std::to_string(tap);
  }
  uint64_t bytes = 0;
  for (const rt::WeightInfo &weight : manifest.weights) {
    bytes += weight.name.starts_with("draft.") ? weight.bytes : 0;
  }
  std::printf("drafter %s: blocks of %lld, mask token %lld, taps layers %s; "
              "%llu bytes of its own\n",
              manifest.draft->kind.c_str(), (long long)manifest.draft->block,
              (long long)manifest.draft->maskToken, taps.c_str(),
              (unsigned long long)bytes);
}

static void printSummary(const rt::Artifact &artifact) {
  const rt::Manifest &manifest = artifact.manifest();
  uint64_t weights = 0, states = 0;
  for (const rt::WeightInfo &weight : manifest.weights) {
    weights += weight.bytes;
  }
  for (const rt::StateInfo &state : manifest.states) {
    states += state.bytes;
  }
  std::printf("%s\ncontent %s\n", artifact.name().c_str(),
              manifest.contentId.c_str());
  for (const rt::TargetInfo &target : manifest.targets) {
    std::printf("target %s: %zu kernels", target.arch.c_str(),
                target.kernels.size());
    std::pair<const char *, std::optional<uint32_t>> parts[] = {
        {"code", target.elf}, {"cubin", target.cubin}, {"PTX", target.ptx}};
    for (auto [name, section] : parts) {
      if (section) {
        std::printf(", %llu bytes of %s",
                    (unsigned long long)artifact.section(*section).length,
                    name);
      }
    }
    std::printf("\n");
  }
  std::printf("%zu weights, %llu bytes; %zu states, %llu bytes; batch %lld\n",
              manifest.weights.size(), (unsigned long long)weights,
              manifest.states.size(), (unsigned long long)states,
              (long long)manifest.batch);
  printDrafter(manifest);
  printMethods(manifest);
}

static rt::Status extract(const rt::Artifact &artifact, const Flags &flags) {
  if (static_cast<size_t>(flags.extract) >= artifact.sectionCount()) {
    return rt::makeError(
        ErrorCode::BadUsage, "--extract",
        rt::format("the file has %zu sections", artifact.sectionCount()));
  }
  auto bytes = artifact.bytes(static_cast<size_t>(flags.extract));
  return rt::writeFile(
      flags.output,
      {reinterpret_cast<const char *>(bytes.data()), bytes.size()});
}

static rt::Status inspect(const Flags &flags) {
  bool full = flags.verify == "full";
  std::error_code none;
  bool folder = std::filesystem::is_directory(flags.file, none);
  if (folder || flags.file.ends_with(".safetensors")) {
    bool others = flags.methods || flags.states || flags.targets ||
                  flags.plan || flags.manifest || flags.extract >= 0 ||
                  !flags.plot.empty();
    if (others) {
      return rt::makeError(ErrorCode::BadUsage, flags.file,
                           "only artifacts have methods, plans and sections",
                           "compile it first");
    }
    return folder ? tools::inspectFolder(flags.file, flags.weights, full)
                  : tools::inspectTensors(flags.file);
  }
  RILL_ASSIGN(rt::Artifact artifact, rt::Artifact::open(flags.file, full));
  const rt::Manifest &manifest = artifact.manifest();
  if (flags.extract >= 0) {
    return extract(artifact, flags);
  }
  if (!flags.plot.empty()) {
    RILL_ASSIGN(std::string picture, tools::plotPlans(artifact));
    return rt::writeFile(flags.plot, picture);
  }
  if (flags.manifest) {
    std::printf("%s\n", rt::writeJson(manifest.tree, {", ", ": ", 2}).c_str());
  } else if (flags.methods) {
    printMethods(manifest);
  } else if (flags.states) {
    printStates(manifest);
  } else if (flags.weights) {
    printWeights(manifest);
  } else if (flags.targets) {
    for (const rt::TargetInfo &target : manifest.targets) {
      std::printf("%s %s, %zu kernels\n", target.arch.c_str(),
                  target.kind.c_str(), target.kernels.size());
    }
  } else if (flags.plan) {
    return printPlans(artifact);
  } else {
    printSummary(artifact);
  }
  return {};
}

static int explain(const tools::Tool &tool, std::string code) {
  if (code.rfind("RILL-", 0) == 0) {
    code.erase(0, 5);
  }
  size_t count;
  const rt::ErrorInfo *table = rt::errorTable(&count);
  for (size_t i = 0; i < count; ++i) {
    if (code == std::to_string(static_cast<int>(table[i].code))) {
      std::printf("RILL-%s: %s\n\n%s\n", code.c_str(), table[i].summary,
                  table[i].page);
      return 0;
    }
  }
  return tool.usage("there is no error code " + code);
}

static void doctor() {
  std::string levels;
  for (const std::string &target : rt::cpuTargets()) {
    levels += (levels.empty() ? "" : ", ") + target;
  }
  std::printf("cpu: %s\n",
              levels.empty() ? "no x86-64-v3 (AVX2, FMA)" : levels.c_str());
}

int main(int argc, char **argv) {
  tools::Tool tool("rill-inspect", "look into a .rill file or a checkpoint",
                   "  rill-inspect lfm.rill --plan\n"
                   "  rill-inspect lfm.rill --plot plan.svg\n"
                   "  rill-inspect lfm --weights\n"
                   "  rill-inspect --explain RILL-3012\n");
  Flags flags;
  tool.option("file", flags.file,
              "a .rill file, a checkpoint folder or a .safetensors file");
  tool.flag("--methods", flags.methods, "signatures");
  tool.flag("--states", flags.states, "states of a session");
  tool.flag("--weights", flags.weights, "weights and where they live");
  tool.flag("--targets", flags.targets, "native code");
  tool.flag("--plan", flags.plan, "plans: dispatches and arena");
  tool.option("--plot", flags.plot, "write the plans as this SVG file");
  tool.flag("--manifest", flags.manifest, "the manifest, indented");
  tool.flag("--doctor", flags.doctor, "what this machine runs");
  tool.option("--verify", flags.verify, "header, or full (weights too)")
      ->check(CLI::IsMember({"header", "full"}));
  tool.option("--explain", flags.explain, "explain an error code");
  tool.option("--extract", flags.extract, "write a section's bytes to -o");
  tool.option("-o,--output", flags.output, "file for --extract");
  int code;
  if (!tool.parse(argc, argv, code)) {
    return code;
  }
  if (!flags.explain.empty()) {
    return explain(tool, flags.explain);
  }
  if (flags.doctor) {
    doctor();
    return tool.end({});
  }
  if (flags.file.empty() || (flags.extract >= 0 && flags.output.empty())) {
    return tool.usage(flags.file.empty() ? "a file is required"
                                         : "--extract needs -o");
  }
  rt::Status status = inspect(flags);
  return tool.end(status);
}
