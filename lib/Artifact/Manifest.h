//===- Manifest.h - The JSON manifest of an artifact ------------*- C++ -*-===//
//
// What the writer collects, and its spelling (docs/Artifact.md).
//
//===----------------------------------------------------------------------===//
#ifndef RILL_LIB_ARTIFACT_MANIFEST_H
#define RILL_LIB_ARTIFACT_MANIFEST_H

#include "rill/Dialect/Rill/Rill.h"
#include "rill/Dialect/RillPlan/RillPlan.h"

#include "mlir/IR/BuiltinOps.h"

#include <optional>
#include <string>
#include <vector>

namespace rill {

/// Exactly one of section, file (external) and seed (synthetic) is set.
struct ManifestWeight {
  std::string name, dtype, from, file;
  std::vector<int64_t> shape;
  int64_t bytes = 0;
  std::optional<uint32_t> section;
  uint64_t offset = 0;
  std::optional<uint64_t> seed;
};
struct ManifestAsset {
  std::string name, kind, file;
  uint32_t section;
};
/// What runs once when a model is opened: the plan, the bytes of each packed
/// weight that it makes, and the weights that no other plan reads.
struct ManifestInit {
  uint32_t plan;
  std::vector<int64_t> packed, released;
};
/// CPU: `elf`. CUDA: `ptx`, perhaps `cubin`, and per kernel the threads of a
/// block and the bytes of shared memory its launch asks for; `dependent`: its
/// kernels wait themselves for the launch before.
struct ManifestTarget {
  std::string arch;
  std::vector<std::string> kernels;
  std::optional<uint32_t> elf, ptx, cubin;
  std::vector<int64_t> threads, shared;
  bool dependent = false;
  std::optional<ManifestInit> init;
};
struct ManifestPlan {
  plan::VariantOp variant;
  uint32_t section;
};

struct Manifest {
  std::vector<ManifestWeight> weights;
  std::vector<ManifestAsset> assets;
  std::vector<ManifestTarget> targets;
  std::vector<ManifestPlan> plans;
  std::optional<uint32_t> dispatches; ///< section
  std::vector<std::string> sectionHashes;

  /// The JSON text, content_id included.
  std::string print(mlir::ModuleOp module) const;
};

/// "f32", "bf16", "f16" or "i64".
std::string dtypeText(mlir::Type element);

} // namespace rill

#endif
