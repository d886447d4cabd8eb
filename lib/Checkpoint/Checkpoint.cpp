//===- Checkpoint.cpp - A Hugging Face checkpoint folder ------------------===//
//
// Opens config.json and the tensors of a folder.
//
//===----------------------------------------------------------------------===//
#include "rill/Checkpoint/Checkpoint.h"

#include "runtime/formats/mapped_file.h"

using namespace rill;

rt::Result<Checkpoint> Checkpoint::open(const std::string &folder) {
  Checkpoint checkpoint;
  checkpoint.path = folder;
  while (checkpoint.path.size() > 1 && checkpoint.path.back() == '/') {
    checkpoint.path.pop_back();
  }
  rt::JsonLimits limits;
  limits.maxBytes = size_t(16) << 20;
  RILL_ASSIGN(rt::JsonValue config,
              rt::readJsonFile(checkpoint.configFile(), limits));
  checkpoint.configTree = std::make_unique<rt::JsonValue>(std::move(config));
  RILL_ASSIGN(rt::TensorStore store,
              rt::TensorStore::openFolder(checkpoint.path));
  checkpoint.store = std::make_unique<rt::TensorStore>(std::move(store));
  return checkpoint;
}

std::optional<std::string> Checkpoint::file(const std::string &name) const {
  if (rt::fileExists(path + "/" + name)) {
    return name;
  }
  return std::nullopt;
}
