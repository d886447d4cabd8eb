//===- Config.cpp - What an LFM2 / LFM2-VL config.json says ---------------===//
//
// Every key is read, listed as without effect, or reported.
//
//===----------------------------------------------------------------------===//
#include "Config.h"

#include <algorithm>
#include <cmath>
#include <set>

using namespace rill;
using namespace rill::lfm2vl;
using rt::JsonField;

namespace {

/// A JSON object of which every key must be accounted for.
class Section {
public:
  Section(JsonField field, ModelConfig &model) : field(field), model(model) {}

  /// The first of `keys` that is present and not null; all count as known.
  std::optional<JsonField> first(std::initializer_list<const char *> keys) {
    std::optional<JsonField> found;
    for (const char *key : keys) {
      known.insert(key);
      auto value = field.findValue(key);
      if (value && !found) {
        found = value;
      } else if (value &&
                 rt::writeJson(value->get()) != rt::writeJson(found->get())) {
        model.warnings.push_back(value->where() + " differs from " +
                                 found->keyPath() + ", which is used");
      }
    }
    return found;
  }

  rt::Result<int64_t> integer(std::initializer_list<const char *> keys,
                              std::optional<int64_t> fallback, int64_t min,
                              int64_t max) {
    if (auto value = first(keys)) {
      return value->asInt(min, max);
    }
    if (fallback) {
      return *fallback;
    }
    return field.error(std::string("the key \"") + *keys.begin() +
                       "\" is missing");
  }
  rt::Result<double> number(std::initializer_list<const char *> keys,
                            double fallback) {
    auto value = first(keys);
    return value ? value->asDouble() : rt::Result<double>(fallback);
  }
  rt::Result<bool> boolean(std::initializer_list<const char *> keys,
                           bool fallback) {
    auto value = first(keys);
    return value ? value->asBool() : rt::Result<bool>(fallback);
  }

  /// The key, when present, must have this value: anything else is refused by
  /// name.
  rt::Status require(const char *key, const rt::JsonValue &only) {
    auto value = first({key});
    if (value && rt::writeJson(value->get()) != rt::writeJson(only)) {
      return rt::makeError(rt::ErrorCode::ConfigUnsupported, value->where(),
                           "is " + rt::writeJson(value->get()) + " but only " +
                               rt::writeJson(only) + " is supported");
    }
    return {};
  }
  rt::Status requireNone(const char *key) {
    auto value = first({key});
    if (value) {
      return rt::makeError(rt::ErrorCode::ConfigUnsupported, value->where(),
                           "is " + rt::writeJson(value->get()) +
                               " but must be absent or null");
    }
    return {};
  }
  void ignore(std::initializer_list<const char *> keys) {
    known.insert(keys.begin(), keys.end());
  }

  /// Reports the keys nobody asked for. Every transformers class may write
  /// the bookkeeping of PretrainedConfig; it has no effect on the values.
  rt::Status finish(bool strict) {
    ignore({"output_hidden_states", "output_attentions", "return_dict",
            "chunk_size_feed_forward", "is_encoder_decoder", "id2label",
            "label2id", "problem_type"});
    auto members = field.members();
    if (!members.ok()) {
      return members.takeStatus();
    }
    for (auto &[key, value] : *members) {
      if (known.count(key)) {
        continue;
      }
      if (strict) {
        return rt::makeError(rt::ErrorCode::ConfigUnknownKey, value.where(),
                             "the key is not known and --strict is given");
      }
      model.warnings.push_back(value.where() + " is not known and not used");
    }
    return {};
  }

  JsonField field;

private:
  ModelConfig &model;
  std::set<std::string, std::less<>> known;
};

constexpr int64_t kMaxDim = 1 << 20;

} // namespace

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

static rt::Status readLayerTypes(Section &section, TextConfig &text) {
  RILL_ASSIGN(int64_t layers,
              section.integer({"num_hidden_layers"}, 32, 1, 4096));
  auto types = section.first({"layer_types"});
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
  RILL_ASSIGN(auto list, types->asStrings());
  if (static_cast<int64_t>(list.size()) != layers) {
    return types->error(
        rt::format("has %zu entries but num_hidden_layers is %lld", list.size(),
                   (long long)layers));
  }
  for (const std::string &type : list) {
    if (type != "conv" && type != "full_attention") {
      return rt::makeError(rt::ErrorCode::ConfigUnsupported, types->where(),
                           "layer type \"" + type +
                               "\" is neither conv nor full_attention");
    }
    text.isAttention.push_back(type == "full_attention");
  }
  return {};
}

static rt::Status readRope(Section &section, TextConfig &text) {
  auto parameters = section.first({"rope_parameters"});
  RILL_TRY(section.requireNone("rope_scaling"));
  std::optional<JsonField> theta;
  if (parameters) {
    if (auto type = parameters->findValue("rope_type")) {
      RILL_ASSIGN(std::string name, type->asString());
      if (name != "default") {
        return rt::makeError(rt::ErrorCode::ConfigUnsupported, type->where(),
                             "is \"" + name +
                                 "\" but only \"default\" is "
                                 "supported");
      }
    }
    RILL_ASSIGN(auto members, parameters->members());
    for (auto &[key, value] : members) {
      if (key != "rope_type" && key != "rope_theta") {
        return rt::makeError(rt::ErrorCode::ConfigUnsupported, value.where(),
                             "RoPE scaling is not supported");
      }
    }
    theta = parameters->findValue("rope_theta");
  }
  auto flat = section.first({"rope_theta", "theta"});
  if (!theta) {
    theta = flat;
  }
  text.ropeTheta = 1e6;
  if (theta) {
    RILL_ASSIGN(text.ropeTheta, theta->asDouble());
    if (!(text.ropeTheta > 0)) {
      return theta->error("the RoPE base is not positive");
    }
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
  if (text.heads % text.kvHeads != 0) {
    return section.field.error(
        rt::format("%lld key/value heads do not divide %lld heads",
                   (long long)text.kvHeads, (long long)text.heads));
  }
  if (text.headDim % 2 != 0) {
    return rt::makeError(
        rt::ErrorCode::ConfigUnsupported, section.field.where(),
        rt::format("head width %lld is odd", (long long)text.headDim));
  }
  return {};
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
  RILL_TRY(readLayerTypes(section, text));
  RILL_TRY(readHeads(section, text));
  RILL_TRY(readRope(section, text));
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
  if (auto eos = section.first({"eos_token_id"})) {
    if (eos->isArray()) {
      RILL_ASSIGN(model.eosTokens, eos->asInts());
    } else {
      RILL_ASSIGN(int64_t id, eos->asInt(0, 1 << 24));
      model.eosTokens = {id};
    }
  } else {
    model.eosTokens = {2};
  }
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

rt::Result<ModelConfig> rill::lfm2vl::readConfig(const JsonField &config,
                                                 bool strict) {
  ModelConfig model;
  model.tied = true;
  RILL_ASSIGN(auto type, config.at("model_type"));
  RILL_ASSIGN(std::string name, type.asString());
  std::replace(name.begin(), name.end(), '-', '_');
  if (name == "lfm2") {
    model.family = name;
    Section section(config, model);
    RILL_TRY(readText(section, model, strict));
    return model;
  }
  if (name != "lfm2_vl") {
    return rt::makeError(rt::ErrorCode::ConfigUnsupported, type.where(),
                         "model type \"" + name +
                             "\" is not supported; supported: lfm2, lfm2_vl");
  }
  model.family = name;
  RILL_ASSIGN(auto text, config.at("text_config"));
  RILL_ASSIGN(auto vision, config.at("vision_config"));
  RILL_TRY(readText(Section(text, model), model, strict));
  RILL_TRY(readVision(Section(vision, model), model, strict));
  RILL_TRY(readTop(Section(config, model), model, strict));
  return model;
}
