//===- Checkpoint.h - A Hugging Face checkpoint folder ----------*- C++ -*-===//
//
// config.json, tensors and the names of the other files of one folder. Knows
// no model family and no MLIR.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_CHECKPOINT_CHECKPOINT_H
#define RILL_CHECKPOINT_CHECKPOINT_H

#include "runtime/formats/json.h"
#include "runtime/formats/safetensors.h"
#include "runtime/formats/status.h"

#include <optional>
#include <string>

namespace rill {

/// One opened folder. Owns the parsed config and the mapped tensors.
class Checkpoint {
public:
  /// Opens `folder`: config.json must exist and parse; tensors are mapped from
  /// model.safetensors or its shards. Errors name file, key or tensor.
  static rt::Result<Checkpoint> open(const std::string &folder);

  const std::string &folder() const { return path; }
  /// The root of config.json.
  rt::JsonField config() const { return {*configTree, configFile()}; }
  const rt::TensorStore &tensors() const { return *store; }
  /// The name of the file, relative to the folder, when it exists.
  std::optional<std::string> file(const std::string &name) const;

private:
  std::string configFile() const { return path + "/config.json"; }

  std::string path;
  std::unique_ptr<rt::JsonValue> configTree;
  std::unique_ptr<rt::TensorStore> store;
};

} // namespace rill

#endif
