//===- Config.cpp - What an LFM2 / LFM2-VL config.json says ---------------===//
//
// Every key is read, listed as without effect, or reported.
//
//===----------------------------------------------------------------------===//
#include "../ModelConfig.h"
#include "../Section.h"

#include <algorithm>
#include <cmath>

using namespace rill;
using namespace rill::families;
using rt::JsonField;

/// lfm2_5_vl.md 1.3: F from the raw width.
static rt::Result<int64_t> effectiveFeedForward(Section &section) {
  RILL_ASSIGN(int64_t raw,
              section.integer({"block_ff_dim", "intermediate_size"}, 12288, 1,
                              kMaxDim));
  RILL_ASSIGN(bool adjust, section.boolean({"block_auto_adjust_ff_dim"}, true));
  RILL_ASSIGN(int64_t multiple,
              section.integer({"block_multiple_of"}, 256, 1, kMaxDim));
  bool hasNull = section.field.find("block_ffn_dim_multiplier") &&
                 section.field.find("block_ffn_dim_multiplier")->isNull();
  RILL_ASSIGN(double multiplier,
              section.number({"block_ffn_dim_multiplier"}, 1.0));
  if (!adjust) {
    return raw;
  }
  int64_t width = 2 * raw / 3;
  if (hasNull) {
    return width;
  }
  width = static_cast<int64_t>(multiplier * static_cast<double>(width));
  if (width < 1 || width > kMaxDim) {
    return section.field.error("block_ffn_dim_multiplier gives no usable "
                               "feed-forward width");
  }
  return multiple * ((width + multiple - 1) / multiple);
}

static rt::Status readLayers(Section &section, TextConfig &text) {
  RILL_ASSIGN(int64_t layers,
              section.integer({"num_hidden_layers"}, 32, 1, 4096));
  RILL_ASSIGN(auto types,
              readLayerTypes(section, layers, {"conv", "full_attention"}));
  auto indices = section.first({"full_attn_idxs"});
  if (!types) {
    text.isAttention.assign(layers, !indices);
    if (!indices) {
      return {};
    }
    RILL_ASSIGN(auto list, indices->asInts());
    for (int64_t index : list) {
      if (index < 0 || index >= layers) {
        return indices->error(
            rt::format("index %lld is outside the %lld layers",
                       (long long)index, (long long)layers));
      }
      text.isAttention[index] = true;
    }
    return {};
  }
  for (const std::string &type : *types) {
    text.isAttention.push_back(type == "full_attention");
  }
  return {};
}

static rt::Status readHeads(Section &section, TextConfig &text) {
  RILL_ASSIGN(text.heads, section.integer({"num_attention_heads", "num_heads"},
                                          32, 1, 4096));
  RILL_ASSIGN(text.kvHeads,
              section.integer({"num_key_value_heads"}, 8, 1, 4096));
  RILL_ASSIGN(text.headDim,
              section.integer({"head_dim"}, text.hidden / text.heads, 1, 1024));
  return checkHeads(section.field, text.heads, text.kvHeads, text.headDim);
}

static rt::Status readText(Section section, ModelConfig &model, bool strict) {
  TextConfig &text = model.text;
  section.ignore({"_name_or_path", "model_type", "architectures", "dtype",
                  "torch_dtype", "initializer_range", "use_cache",
                  "use_pos_enc", "block_use_swiglu", "block_mlp_init_scale",
                  "block_out_init_scale", "block_use_xavier_init",
                  "conv_use_xavier_init", "transformers_version"});
  RILL_TRY(section.requireNone("quantization_config"));
  RILL_ASSIGN(text.hidden,
              section.integer({"hidden_size", "block_dim"}, 2560, 1, kMaxDim));
  RILL_ASSIGN(text.vocab, section.integer({"vocab_size"}, 65536, 1, 1 << 24));
  RILL_ASSIGN(text.feedForward, effectiveFeedForward(section));
  RILL_TRY(readLayers(section, text));
  RILL_TRY(readHeads(section, text));
  RILL_ASSIGN(text.ropeTheta, readRopeTheta(section, 1e6));
  RILL_ASSIGN(text.normEps,
              section.number({"norm_eps", "block_norm_eps"}, 1e-5));
  RILL_ASSIGN(text.maxPositions,
              section.integer({"max_position_embeddings"}, 128000, 1, 1 << 28));
  RILL_ASSIGN(text.taps, section.integer({"conv_L_cache"}, 3, 1, 64));
  if (text.taps < 2 || text.taps > 8) {
    return rt::makeError(rt::ErrorCode::ConfigUnsupported,
                         section.field.where(),
                         rt::format("conv_L_cache is %lld but 2 to 8 taps are "
                                    "supported",
                                    (long long)text.taps));
  }
  RILL_ASSIGN(text.convBias, section.boolean({"conv_bias"}, false));
  RILL_TRY(section.require("hidden_act", "silu"));
  for (const char *key : {"conv_dim", "conv_dim_out", "block_dim"}) {
    RILL_TRY(section.require(key, text.hidden));
  }
  if (!(text.normEps > 0)) {
    return section.field.error("norm_eps is not positive");
  }
  RILL_ASSIGN(model.bosToken, section.integer({"bos_token_id"}, 1, 0, 1 << 24));
  RILL_ASSIGN(model.padToken, section.integer({"pad_token_id"}, 0, 0, 1 << 24));
  RILL_ASSIGN(model.eosTokens, readEndTokens(section, {2}));
  if (auto tied = section.first({"tie_embedding", "tie_word_embeddings"})) {
    RILL_ASSIGN(model.tied, tied->asBool());
  }
  return section.finish(strict);
}

static rt::Status readVision(Section section, ModelConfig &model, bool strict) {
  VisionConfig vision;
  section.ignore({"_name_or_path", "architectures", "dtype", "torch_dtype",
                  "initializer_range", "transformers_version", "image_size"});
  if (auto type = section.first({"model_type"})) {
    RILL_ASSIGN(std::string name, type->asString());
    if (name != "siglip2_vision_model" && name != "siglip2") {
      return rt::makeError(rt::ErrorCode::ConfigUnsupported, type->where(),
                           "vision model \"" + name + "\" is not supported");
    }
  }
  RILL_ASSIGN(vision.hidden, section.integer({"hidden_size"}, 768, 1, kMaxDim));
  RILL_ASSIGN(vision.intermediate,
              section.integer({"intermediate_size"}, 3072, 1, kMaxDim));
  RILL_ASSIGN(vision.layers,
              section.integer({"num_hidden_layers"}, 12, 1, 4096));
  RILL_ASSIGN(vision.heads,
              section.integer({"num_attention_heads"}, 12, 1, 4096));
  RILL_ASSIGN(vision.channels, section.integer({"num_channels"}, 3, 1, 16));
  RILL_ASSIGN(vision.patch, section.integer({"patch_size"}, 16, 1, 256));
  RILL_ASSIGN(vision.positions,
              section.integer({"num_patches"}, 256, 1, kMaxDim));
  RILL_ASSIGN(vision.normEps, section.number({"layer_norm_eps"}, 1e-6));
  RILL_TRY(section.require("hidden_act", "gelu_pytorch_tanh"));
  RILL_TRY(section.require("vision_use_head", false));
  section.ignore({"attention_dropout"});
  if (vision.hidden % vision.heads != 0) {
    return section.field.error(rt::format("%lld heads do not divide width %lld",
                                          (long long)vision.heads,
                                          (long long)vision.hidden));
  }
  auto side = static_cast<int64_t>(std::llround(std::sqrt(vision.positions)));
  if (side * side != vision.positions) {
    return rt::makeError(rt::ErrorCode::ConfigUnsupported,
                         section.field.where() + ".num_patches",
                         rt::format("a position table of %lld rows is not "
                                    "square",
                                    (long long)vision.positions));
  }
  if (!(vision.normEps > 0)) {
    return section.field.error("layer_norm_eps is not positive");
  }
  model.vision = vision;
  return section.finish(strict);
}

static rt::Status readTop(Section section, ModelConfig &model, bool strict) {
  section.ignore({"model_type",
                  "architectures",
                  "dtype",
                  "torch_dtype",
                  "text_config",
                  "vision_config",
                  "do_image_splitting",
                  "encoder_patch_size",
                  "min_image_tokens",
                  "max_image_tokens",
                  "min_tiles",
                  "max_tiles",
                  "tile_size",
                  "max_pixels_tolerance",
                  "use_image_special_tokens",
                  "use_thumbnail",
                  "transformers_version",
                  "transformers.js_config",
                  "use_cache",
                  "initializer_range"});
  RILL_TRY(section.requireNone("quantization_config"));
  ProjectorConfig projector;
  RILL_ASSIGN(projector.imageToken,
              section.integer({"image_token_id", "image_token_index"}, 396, 0,
                              1 << 24));
  RILL_ASSIGN(projector.factor,
              section.integer({"downsample_factor"}, 2, 1, 16));
  RILL_ASSIGN(projector.width,
              section.integer({"projector_hidden_size"}, 2560, 1, kMaxDim));
  RILL_TRY(section.require("projector_hidden_act", "gelu"));
  RILL_ASSIGN(projector.bias, section.boolean({"projector_bias"}, true));
  RILL_ASSIGN(projector.layerNorm,
              section.boolean({"projector_use_layernorm"}, true));
  RILL_TRY(section.require("vision_feature_layer", -1));
  if (auto tied = section.first({"tie_embedding", "tie_word_embeddings"})) {
    RILL_ASSIGN(model.tied, tied->asBool());
  }
  for (const char *key : {"bos_token_id", "eos_token_id", "pad_token_id"}) {
    section.ignore({key});
  }
  model.projector = projector;
  return section.finish(strict);
}

rt::Result<ModelConfig> rill::families::readLfm2(const JsonField &config,
                                                 bool strict) {
  ModelConfig model;
  model.family = "lfm2";
  RILL_TRY(readText(Section(config, model.warnings), model, strict));
  return model;
}

rt::Result<ModelConfig> rill::families::readLfm2Vl(const JsonField &config,
                                                   bool strict) {
  ModelConfig model;
  model.family = "lfm2_vl";
  RILL_ASSIGN(auto text, config.at("text_config"));
  RILL_ASSIGN(auto vision, config.at("vision_config"));
  RILL_TRY(readText(Section(text, model.warnings), model, strict));
  RILL_TRY(readVision(Section(vision, model.warnings), model, strict));
  RILL_TRY(readTop(Section(config, model.warnings), model, strict));
  return model;
}
