//===- sampling.cpp - Settings of one generation --------------------------===//
//
// generation_config.json, with transformers' defaults.
//
//===----------------------------------------------------------------------===//
#include "runtime/generate/sampling.h"

using namespace rill::rt;

Result<GenerationConfig> GenerationConfig::parse(const JsonField &root) {
  GenerationConfig config;
  SamplingParams &sampling = config.sampling;
  RILL_ASSIGN(bool sample, root.boolOr("do_sample", false));
  if (sample) {
    RILL_ASSIGN(sampling.temperature, root.doubleOr("temperature", 1.0));
    RILL_ASSIGN(sampling.topK, root.intOr("top_k", 0));
    RILL_ASSIGN(sampling.topP, root.doubleOr("top_p", 1.0));
    RILL_ASSIGN(sampling.minP, root.doubleOr("min_p", 0.0));
  }
  RILL_ASSIGN(sampling.repeatPenalty, root.doubleOr("repetition_penalty", 1.0));
  RILL_TRY(sampling.validate());
  if (std::optional<JsonField> eos = root.findValue("eos_token_id")) {
    std::vector<JsonField> items = {*eos};
    if (eos->isArray()) {
      RILL_ASSIGN(items, eos->items());
    }
    for (const JsonField &item : items) {
      RILL_ASSIGN(int64_t id, item.asInt(0, INT32_MAX));
      config.eosTokens.push_back(static_cast<int32_t>(id));
    }
  }
  for (auto [key, slot] : {std::pair("bos_token_id", &config.bosToken),
                           std::pair("pad_token_id", &config.padToken)}) {
    if (std::optional<JsonField> field = root.findValue(key)) {
      RILL_ASSIGN(int64_t id, field->asInt(0, INT32_MAX));
      *slot = static_cast<int32_t>(id);
    }
  }
  return config;
}
