//===- weights.h - Where a model's weights are ------------------*- C++ -*-===//
//
// Binds embedded, external and synthetic weights to addresses.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_CORE_WEIGHTS_H
#define RILL_RUNTIME_CORE_WEIGHTS_H

#include "runtime/core/artifact.h"
#include "runtime/core/memory.h"
#include "runtime/formats/safetensors.h"

#include <map>

namespace rill::rt {

/// The address of every weight of an artifact. Embedded and external weights
/// are read in place; synthetic ones are generated into one allocation.
class Weights {
public:
  /// `folder` holds the files of external weights. Errors: TensorMissing,
  /// TensorShape, TensorDtype, and those of the safetensors reader.
  static Result<Weights> bind(const Artifact &artifact,
                              const std::string &folder);

  /// What `bind` allocates, for synthetic weights.
  static uint64_t generatedBytes(const Manifest &manifest);

  const void *data(size_t index) const { return addresses[index]; }

private:
  std::vector<const void *> addresses;
  std::map<std::string, TensorStore> stores;
  Memory generated;
};

/// Fills `out` with the synthetic weight `name` (lfm2_5_vl generator: FNV-1a
/// of the name, splitmix64 per element, a scale by the name's ending), in the
/// dtype f32, bf16 or f16.
void generateWeight(const std::string &name, uint64_t seed, ElementType type,
                    uint64_t elements, void *out);

} // namespace rill::rt

#endif
