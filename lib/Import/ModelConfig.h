//===- ModelConfig.h - What a target's config.json says ---------*- C++ -*-===//
//
// All families and their spellings folded into one structure.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_LIB_IMPORT_MODELCONFIG_H
#define RILL_LIB_IMPORT_MODELCONFIG_H

#include "runtime/formats/json.h"

#include <optional>
#include <string>
#include <vector>

namespace rill::families {

/// How a family names the tensors of a decoder layer.
struct TextNames {
  const char *mixerNorm, *mlpNorm, *lastNorm;
  const char *qNorm, *kNorm, *out; // behind self_attn
  const char *mlp, *gate, *up, *down;
};
inline constexpr TextNames kLfm2Names = {"operator_norm",
                                         "ffn_norm",
                                         "embedding_norm",
                                         "q_layernorm",
                                         "k_layernorm",
                                         "out_proj",
                                         "feed_forward",
                                         "w1",
                                         "w3",
                                         "w2"};
inline constexpr TextNames kQwen3Names = {"input_layernorm",
                                          "post_attention_layernorm",
                                          "norm",
                                          "q_norm",
                                          "k_norm",
                                          "o_proj",
                                          "mlp",
                                          "gate_proj",
                                          "up_proj",
                                          "down_proj"};

/// The decoder (HF configuration_lfm2.py, configuration_qwen3.py). Letters as
/// in docs/Dialect.md.
struct TextConfig {
  TextNames names = kLfm2Names;
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
  std::string family; // "lfm2", "lfm2_vl" or "qwen3"
  TextConfig text;
  std::optional<VisionConfig> vision;
  std::optional<ProjectorConfig> projector; // with vision
  bool tied = true;
  std::vector<int64_t> eosTokens;
  int64_t bosToken = 0, padToken = 0;
  std::vector<std::string> warnings; // contradictions resolved, keys unknown
};

/// Reads `config` by its model_type. Errors: JsonField (missing, wrong type,
/// contradiction), ConfigUnsupported (a value Rill does not implement, by
/// name). Unknown keys become warnings, or ConfigUnknownKey errors when
/// `strict`.
rt::Result<ModelConfig> readConfig(const rt::JsonField &config, bool strict);

/// The families' own readers; `config` has the model_type of the family.
rt::Result<ModelConfig> readLfm2(const rt::JsonField &config, bool strict);
rt::Result<ModelConfig> readLfm2Vl(const rt::JsonField &config, bool strict);
rt::Result<ModelConfig> readQwen3(const rt::JsonField &config, bool strict);

} // namespace rill::families

#endif
