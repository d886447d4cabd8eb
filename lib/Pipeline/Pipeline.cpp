//===- Pipeline.cpp - The order of compilation ----------------------------===//
//
// Which passes lead to which phase.
//
//===----------------------------------------------------------------------===//
#include "rill/Pipeline/Pipeline.h"

#include "rill/Fusion/Passes.h"
#include "rill/Kernel/Passes.h"
#include "rill/Plan/Passes.h"
#include "rill/Tiling/Passes.h"

#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace rill;

static void buildFusion(OpPassManager &passes, const PipelineOptions &) {
  passes.addPass(createCanonicalizerPass());
  // Equal weight reads and norms become one value, which the fusions compare.
  passes.addPass(createCSEPass());
  // The mixers before the epilogues, which would take their gates apart.
  passes.addNestedPass<func::FuncOp>(createFuseShortConvMixPass());
  passes.addNestedPass<func::FuncOp>(createFuseAttentionUpdatePass());
  passes.addNestedPass<func::FuncOp>(createFuseLinearEpiloguePass());
  passes.addNestedPass<func::FuncOp>(createFuseNormProloguePass());
  passes.addPass(createVerifyFusedPass());
}

static void buildTiling(OpPassManager &passes, const PipelineOptions &options) {
  passes.addPass(createMaterializeRopeTablesPass());
  FormPlansPassOptions form;
  form.targets.assign(options.targets.begin(), options.targets.end());
  form.prefillChunk = options.prefillChunk;
  form.noGeneric = options.noGeneric;
  passes.addPass(createFormPlansPass(form));
}

static void buildPlan(OpPassManager &passes, const PipelineOptions &) {
  passes.addPass(createPlanMemoryPass());
  passes.addPass(createVerifyPlannedPass());
}

static void buildKernel(OpPassManager &passes, const PipelineOptions &) {
  passes.addPass(createLowerKernelsPass());
}

/// The one place where the order stands. Binary and Artifact are no passes:
/// their results are no IR (Compile.cpp).
static constexpr struct {
  PhaseInfo info;
  void (*build)(OpPassManager &, const PipelineOptions &);
} kPhases[] = {
    {{Phase::Imported, "imported",
      "methods in rill, states and weights explicit"},
     nullptr},
    {{Phase::Fused, "fused", "fused ops, states updated in place"},
     buildFusion},
    {{Phase::Tiled, "tiled", "variants, dispatches and kernels"}, buildTiling},
    {{Phase::Planned, "planned", "offsets in the arena"}, buildPlan},
    {{Phase::Lowered, "lowered", "one LLVM function per kernel"}, buildKernel},
    {{Phase::Binary, "binary", "native code"}, nullptr},
    {{Phase::Artifact, "artifact", "one file"}, nullptr}};

ArrayRef<PhaseInfo> rill::phases() {
  static const std::vector<PhaseInfo> list = [] {
    std::vector<PhaseInfo> infos;
    for (auto &entry : kPhases) {
      infos.push_back(entry.info);
    }
    return infos;
  }();
  return list;
}

std::optional<Phase> rill::phaseByName(StringRef name) {
  for (const PhaseInfo &info : phases()) {
    if (name == info.name) {
      return info.phase;
    }
  }
  return std::nullopt;
}

void rill::buildPipeline(OpPassManager &passes, const PipelineOptions &options,
                         Phase from, Phase to) {
  for (auto &[info, build] : kPhases) {
    if (info.phase > from && info.phase <= to && build) {
      build(passes, options);
    }
  }
}
