//===- ModelConfig.cpp - What a target's config.json says -----------------===//
//
// The families by model_type.
//
//===----------------------------------------------------------------------===//
#include "ModelConfig.h"

#include <algorithm>

using namespace rill;
using namespace rill::families;

rt::Result<ModelConfig> rill::families::readConfig(const rt::JsonField &config,
                                                   bool strict) {
  static constexpr struct {
    const char *type;
    rt::Result<ModelConfig> (*read)(const rt::JsonField &, bool);
  } kFamilies[] = {
      {"lfm2", readLfm2}, {"lfm2_vl", readLfm2Vl}, {"qwen3", readQwen3}};
  RILL_ASSIGN(auto type, config.at("model_type"));
  RILL_ASSIGN(std::string name, type.asString());
  std::replace(name.begin(), name.end(), '-', '_');
  std::string known;
  for (auto [family, read] : kFamilies) {
    if (name == family) {
      return read(config, strict);
    }
    known += (known.empty() ? "" : ", ") + std::string(family);
  }
  return rt::makeError(rt::ErrorCode::ConfigUnsupported, type.where(),
                       "model type \"" + name +
                           "\" is not supported; supported: " + known);
}
