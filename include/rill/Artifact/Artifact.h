//===- Artifact.h - Planned module -> model.rill ----------------*- C++ -*-===//
//
// Writes plans, code, weights, assets and manifest as one file.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_ARTIFACT_ARTIFACT_H
#define RILL_ARTIFACT_ARTIFACT_H

#include "runtime/formats/status.h"

#include "mlir/IR/BuiltinOps.h"

#include <string>
#include <vector>

namespace rill {

enum class WeightsMode { Embed, External, Synthetic };

/// Native code of one target: `elf`, or `ptx` and perhaps the cubin made of it.
struct TargetCode {
  std::string arch; ///< "x86-64-v3", "sm_90a", "compute_90"
  std::string elf;  ///< bytes of the shared object
  std::string ptx, cubin;
};

struct ArtifactOptions {
  WeightsMode weights = WeightsMode::Embed;
  uint64_t seed = 0;  ///< of synthetic weights
  std::string folder; ///< the checkpoint
};

/// Writes `planned` (phase `planned`) to `path`, in one step. The bytes depend
/// on the arguments alone.
rt::Status writeArtifact(mlir::ModuleOp planned,
                         const std::vector<TargetCode> &code,
                         const ArtifactOptions &options,
                         const std::string &path);

} // namespace rill

#endif
