//===- Pipeline.h - The order of compilation --------------------*- C++ -*-===//
//
// Phases as data, and the driver behind rill-import and rill-compile.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_PIPELINE_PIPELINE_H
#define RILL_PIPELINE_PIPELINE_H

#include "rill/Artifact/Artifact.h"
#include "rill/Import/Import.h"
#include "runtime/formats/status.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace mlir {
class OpPassManager;
} // namespace mlir

namespace rill {

/// A phase is named for the state it reaches.
enum class Phase { Imported, Fused, Tiled, Planned, Lowered, Binary, Artifact };

/// Name and one line of every phase, in order.
struct PhaseInfo {
  Phase phase;
  const char *name, *line;
};
llvm::ArrayRef<PhaseInfo> phases();
std::optional<Phase> phaseByName(llvm::StringRef name);

struct PipelineOptions {
  std::vector<std::string> targets;
  int64_t prefillChunk = 512;
  bool noGeneric = false;
};

/// Adds the passes that lead from behind `from` to `to`, gates included.
/// Phases after Lowered have no passes.
void buildPipeline(mlir::OpPassManager &passes, const PipelineOptions &options,
                   Phase from, Phase to);

struct CompileOptions {
  std::string input;  ///< checkpoint folder or .mlir file
  std::string output; ///< file; "-" for standard output where text
  ImportOptions import;
  PipelineOptions pipeline;
  ArtifactOptions artifact;
  std::optional<Phase> from; ///< phase of an .mlir input; default Imported
  Phase to = Phase::Artifact;
  std::string dumpFolder;   ///< one .mlir per phase reached, when not empty
  std::string reportFile;   ///< figures of the CUDA code, when not empty
  std::string kernelFolder; ///< CUDA kernels one by one, when not empty
};

/// Runs all phases. Diagnostics of MLIR go to the context's handlers; the
/// error returned then only says which phase failed. `note` receives warnings
/// and progress lines.
rt::Status compile(const CompileOptions &options,
                   const std::function<void(const std::string &)> &note);

} // namespace rill

#endif
