//===- Inspect.h - What import makes of a checkpoint ------------*- C++ -*-===//
//
// The facts import starts from, without building a module. Knows no MLIR.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_IMPORT_INSPECT_H
#define RILL_IMPORT_INSPECT_H

#include "rill/Checkpoint/Checkpoint.h"

#include <span>
#include <string>
#include <vector>

namespace rill {

/// A file of a checkpoint that is no tensor and travels into the artifact.
struct AssetFile {
  const char *symbol; ///< of its rill.asset
  const char *file;
  const char *kind; ///< spelling of the op's kind
};
std::span<const AssetFile> assetFiles();

/// What import would use of a checkpoint, and what it says against it.
struct Inspection {
  std::string family;             ///< "lfm2" or "lfm2_vl"; empty when refused
  std::vector<std::string> sizes; ///< a line per part of the model
  /// Names of the model, in the order of the store's tensors; empty for one
  /// that import does not use. Empty when import refuses the checkpoint.
  std::vector<std::string> names;
  std::vector<std::string> warnings;
  rt::Status refusal; ///< why import refuses it; ok when it does not
};

/// Reads config and tensors as import does; `finite` also looks for NaN and
/// infinity in every weight, which import refuses.
Inspection inspectCheckpoint(const Checkpoint &checkpoint, bool finite);

} // namespace rill

#endif
