//===- Config.h - What an LFM2 / LFM2-VL config.json says -------*- C++ -*-===//
//
// All spellings of lfm2 and lfm2_vl folded into one structure.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_LIB_IMPORT_LFM2VL_CONFIG_H
#define RILL_LIB_IMPORT_LFM2VL_CONFIG_H

#include "runtime/formats/json.h"

#include <optional>
#include <string>
#include <vector>

namespace rill::lfm2vl {

/// The decoder (HF configuration_lfm2.py). Letters as in docs/Dialect.md.
struct TextConfig {
  int64_t hidden, heads, kvHeads, headDim; // H, h, kv, d
  int64_t feedForward;                     // F, effective
  int64_t vocab, taps, maxPositions;       // V, L
  double normEps, ropeTheta;
  bool convBias;
  std::vector<bool> isAttention; // one entry per layer
};

/// The encoder (HF configuration_siglip2.py).
struct VisionConfig {
  int64_t hidden, heads, intermediate, layers; // D, -, I
  int64_t patch, channels, positions;          // positions = rows of the table
  double normEps;
};

/// Projector and image constants (HF configuration_lfm2_vl.py).
struct ProjectorConfig {
  int64_t factor, width; // f, P
  bool bias, layerNorm;
  int64_t imageToken;
};

struct ModelConfig {
  std::string family; // "lfm2" or "lfm2_vl"
  TextConfig text;
  std::optional<VisionConfig> vision;
  std::optional<ProjectorConfig> projector; // with vision
  bool tied;
  std::vector<int64_t> eosTokens;
  int64_t bosToken, padToken;
  std::vector<std::string> warnings; // contradictions resolved, keys unknown
};

/// Reads `config`. Errors: JsonField (missing, wrong type, contradiction),
/// ConfigUnsupported (a value Rill does not implement, by name). Unknown keys
/// become warnings, or ConfigUnknownKey errors when `strict`.
rt::Result<ModelConfig> readConfig(const rt::JsonField &config, bool strict);

} // namespace rill::lfm2vl

#endif
