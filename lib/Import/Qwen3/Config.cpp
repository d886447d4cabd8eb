//===- Config.cpp - What a Qwen3 config.json says -------------------------===//
//
// Qwen3 text models (HF configuration_qwen3.py; defaults are the class's).
//
//===----------------------------------------------------------------------===//
#include "../ModelConfig.h"
#include "../Section.h"

using namespace rill;
using namespace rill::families;
using rt::JsonField;

/// Every layer attends to everything; windows are refused by name.
static rt::Status readLayers(Section &section, TextConfig &text) {
  RILL_ASSIGN(int64_t layers,
              section.integer({"num_hidden_layers"}, 32, 1, 4096));
  RILL_TRY(section.require("use_sliding_window", false));
  // Without use_sliding_window neither has an effect.
  section.ignore({"sliding_window", "max_window_layers"});
  text.isAttention.assign(layers, true);
  auto types = readLayerTypes(section, layers, {"full_attention"});
  return types.ok() ? rt::Status() : types.error();
}

static rt::Status readText(Section section, ModelConfig &model, bool strict) {
  TextConfig &text = model.text;
  text.names = kQwen3Names;
  text.taps = 1;
  text.convBias = false;
  section.ignore({"_name_or_path", "model_type", "architectures", "dtype",
                  "torch_dtype", "initializer_range", "use_cache",
                  "attention_dropout", "transformers_version", "auto_map"});
  RILL_TRY(section.requireNone("quantization_config"));
  RILL_ASSIGN(text.hidden, section.integer({"hidden_size"}, 4096, 1, kMaxDim));
  RILL_ASSIGN(text.vocab, section.integer({"vocab_size"}, 151936, 1, 1 << 24));
  RILL_ASSIGN(text.feedForward,
              section.integer({"intermediate_size"}, 22016, 1, kMaxDim));
  RILL_TRY(readLayers(section, text));
  RILL_ASSIGN(text.heads,
              section.integer({"num_attention_heads"}, 32, 1, 4096));
  auto kvHeads = section.field.find("num_key_value_heads");
  RILL_ASSIGN(text.kvHeads,
              section.integer({"num_key_value_heads"},
                              kvHeads ? text.heads : 32, 1, 4096));
  RILL_ASSIGN(text.headDim, section.integer({"head_dim"}, 128, 1, 1024));
  RILL_TRY(checkHeads(section.field, text.heads, text.kvHeads, text.headDim));
  RILL_ASSIGN(text.ropeTheta, readRopeTheta(section, 1e4));
  RILL_ASSIGN(text.normEps, section.number({"rms_norm_eps"}, 1e-6));
  RILL_ASSIGN(text.maxPositions,
              section.integer({"max_position_embeddings"}, 32768, 1, 1 << 28));
  RILL_TRY(section.require("hidden_act", "silu"));
  RILL_TRY(section.require("attention_bias", false));
  if (!(text.normEps > 0)) {
    return section.field.error("rms_norm_eps is not positive");
  }
  RILL_ASSIGN(model.bosToken, section.integer({"bos_token_id"}, 0, 0, 1 << 24));
  RILL_ASSIGN(model.padToken, section.integer({"pad_token_id"}, 0, 0, 1 << 24));
  RILL_ASSIGN(model.eosTokens, readEndTokens(section, {}));
  RILL_ASSIGN(model.tied, section.boolean({"tie_word_embeddings"}, false));
  return section.finish(strict);
}

rt::Result<ModelConfig> rill::families::readQwen3(const JsonField &config,
                                                  bool strict) {
  if (auto draft = config.findValue("dflash_config")) {
    return rt::makeError(rt::ErrorCode::ConfigUnsupported, draft->where(),
                         "the folder holds a drafter, which is no model alone",
                         "compile its target and give this folder by --draft");
  }
  ModelConfig model;
  model.family = "qwen3";
  RILL_TRY(readText(Section(config, model.warnings), model, strict));
  return model;
}
