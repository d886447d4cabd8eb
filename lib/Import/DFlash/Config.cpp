//===- Config.cpp - What a DFlash drafter's config.json says --------------===//
//
// Plain DFlash alone is read; its relatives are recognised and refused by name.
//
//===----------------------------------------------------------------------===//
#include "../Section.h"
#include "Draft.h"

#include <algorithm>
#include <cmath>

using namespace rill;
using namespace rill::dflash;
using families::kMaxDim;
using families::Section;
using rt::JsonField;

std::vector<int64_t> rill::dflash::defaultTaps(int64_t targetLayers,
                                               int64_t draftLayers) {
  if (draftLayers == 1) {
    return {targetLayers / 2};
  }
  std::vector<int64_t> taps;
  for (int64_t i = 0; i < draftLayers; ++i) {
    // 1 + i * (N - 4) / (D - 1) in whole numbers, a half to the even one.
    int64_t span = i * (targetLayers - 4), parts = draftLayers - 1;
    int64_t whole = span >= 0 ? span / parts : -((-span + parts - 1) / parts);
    int64_t rest = 2 * (span - whole * parts), tap = 1 + whole;
    taps.push_back(rest > parts || (rest == parts && tap % 2 != 0) ? tap + 1
                                                                   : tap);
  }
  return taps;
}

/// A key of a relative of DFlash; `neutral` values ask for nothing.
struct Extension {
  const char *key, *belongsTo;
  std::initializer_list<const char *> neutral;
};
static const Extension kExtensions[] = {
    {"projector_type", "Domino or DSpark", {}},
    {"sample_from_anchor", "DSpark", {"false"}},
    {"markov_rank", "DSpark", {"0"}},
    {"confidence_head", "DSpark", {"false"}},
    {"shift_label", "Domino", {"false"}},
    {"pure_draft_prefix_len", "Domino", {"0"}},
    {"attention_sink_bias", "the MiMo drafters", {"false"}},
    {"attention_value_scale", "the MiMo drafters", {"1", "1.0"}},
    {"output_multiplier", "scaled heads", {"1", "1.0"}},
    {"final_logit_softcapping", "soft-capped heads", {"0", "0.0"}},
    {"conv_kernel_size", "DFlash-2", {"0"}},
    {"conv_group_size", "DFlash-2", {"0"}},
    {"selector_rank", "DFlash-2", {"0"}},
    {"selector_top_k", "DFlash-2", {"0"}},
    {"transformer_layer_config", "the speculators format", {}},
    {"aux_hidden_state_layer_ids", "the speculators format", {}},
    {"eagle_aux_hidden_state_layer_ids", "the speculators format", {}},
    {"speculators_model_type", "the speculators format", {}},
    {"draft_vocab_size", "reduced vocabularies", {}},
    {"feature_capture", "targets with DeepStack", {"\"pre_deepstack\""}}};

static rt::Status refuseRelatives(Section &section) {
  for (const Extension &extension : kExtensions) {
    auto value = section.first({extension.key});
    if (!value) {
      continue;
    }
    std::string text = rt::writeJson(value->get());
    bool neutral =
        std::any_of(extension.neutral.begin(), extension.neutral.end(),
                    [&](const char *known) { return text == known; });
    if (!neutral) {
      return rt::makeError(rt::ErrorCode::ConfigUnsupported, value->where(),
                           "is " + text + ", which belongs to " +
                               extension.belongsTo +
                               "; only plain DFlash drafters are supported");
    }
  }
  return {};
}

static rt::Status checkKind(Section &section) {
  auto architectures = section.first({"architectures"});
  if (!architectures) {
    return section.field.error("the key \"architectures\" is missing");
  }
  RILL_ASSIGN(auto names, architectures->asStrings());
  if (names.size() != 1 || names[0] != "DFlashDraftModel") {
    return rt::makeError(rt::ErrorCode::ConfigUnsupported,
                         architectures->where(),
                         "is " + rt::writeJson(architectures->get()) +
                             " but only [\"DFlashDraftModel\"] is supported");
  }
  RILL_TRY(section.require("model_type", "qwen3"));
  RILL_TRY(section.require("hidden_act", "silu"));
  RILL_TRY(section.require("attention_bias", false));
  RILL_TRY(section.require("rope_interleaved", false));
  RILL_TRY(section.require("rope_is_neox_style", true));
  RILL_TRY(section.requireNone("quantization_config"));
  return refuseRelatives(section);
}

/// Window and in-block mask of every layer. There are three rows: everything
/// plain; per layer a window, causal inside the block; one window for all
/// layers, bidirectional inside the block.
static rt::Status readLayers(Section &top, Section &inner, DraftConfig &draft) {
  RILL_ASSIGN(int64_t count,
              top.integer({"num_hidden_layers"}, std::nullopt, 1, 4096));
  draft.layers.resize(count);
  RILL_ASSIGN(
      auto types,
      readLayerTypes(top, count, {"full_attention", "sliding_attention"}));
  std::vector<std::string> kinds =
      types.value_or(std::vector<std::string>(count, "full_attention"));
  auto causal = inner.first({"causal"});
  auto topCausal = top.first({"is_causal"});
  causal = topCausal ? topCausal : causal;
  RILL_ASSIGN(bool allWindows, inner.boolean({"use_swa"}, false));
  RILL_ASSIGN(int64_t window, top.integer({"sliding_window"}, 0, 0, 1 << 28));
  RILL_ASSIGN(int64_t shared,
              inner.integer({"swa_window_size"}, window, 0, 1 << 28));
  top.ignore({"use_sliding_window", "max_window_layers"});
  for (int64_t i = 0; i < count; ++i) {
    bool sliding = kinds[i] == "sliding_attention";
    bool inBlock = sliding;
    if (causal) {
      RILL_ASSIGN(inBlock, causal->asBool());
    }
    if (inBlock != sliding || (sliding && allWindows)) {
      return rt::makeError(
          rt::ErrorCode::ConfigUnsupported, top.field.where(),
          rt::format("layer %lld is %s, causal %s, use_swa %s: no known kind "
                     "of drafter masks so",
                     (long long)i, kinds[i].c_str(), inBlock ? "true" : "false",
                     allWindows ? "true" : "false"));
    }
    draft.layers[i] = {sliding ? window : allWindows ? shared : 0, sliding};
    if ((sliding || allWindows) && draft.layers[i].window < draft.block) {
      return rt::makeError(
          rt::ErrorCode::ConfigUnsupported, top.field.where(),
          rt::format("layer %lld has a window of %lld, less than block_size "
                     "%lld",
                     (long long)i, (long long)draft.layers[i].window,
                     (long long)draft.block));
    }
  }
  return {};
}

static rt::Status readTaps(Section &top, Section &inner, DraftConfig &draft) {
  RILL_ASSIGN(draft.targetLayers,
              top.integer({"num_target_layers"}, std::nullopt, 1, 4096));
  auto list = inner.first({"target_layer_ids"});
  if (list) {
    RILL_ASSIGN(draft.taps, list->asInts());
  } else {
    draft.taps = defaultTaps(draft.targetLayers,
                             static_cast<int64_t>(draft.layers.size()));
  }
  const JsonField &where = list ? *list : inner.field;
  if (draft.taps.empty() || draft.taps.size() > 64) {
    return where.error(rt::format("names %zu layers but 1 to 64 are possible",
                                  draft.taps.size()));
  }
  for (int64_t tap : draft.taps) {
    if (tap < 0 || tap >= draft.targetLayers) {
      return where.error(rt::format("layer %lld is outside the %lld layers of "
                                    "the target",
                                    (long long)tap,
                                    (long long)draft.targetLayers));
    }
    if (tap == draft.targetLayers - 1 && tap > 0) {
      return rt::makeError(
          rt::ErrorCode::ConfigUnsupported, where.where(),
          rt::format("taps layer %lld, the last one, which trainers capture "
                     "before or behind the final norm",
                     (long long)tap));
    }
  }
  return {};
}

rt::Result<DraftConfig> rill::dflash::readDraftConfig(const JsonField &config,
                                                      bool strict) {
  DraftConfig draft;
  Section top(config, draft.warnings);
  RILL_TRY(checkKind(top));
  RILL_ASSIGN(JsonField settings, config.at("dflash_config"));
  Section inner(settings, draft.warnings);
  RILL_TRY(refuseRelatives(inner));
  top.ignore({"dflash_config", "dtype", "torch_dtype", "attention_dropout",
              "max_position_embeddings", "tie_word_embeddings", "bos_token_id",
              "eos_token_id", "pad_token_id", "initializer_range", "use_cache",
              "auto_map", "transformers_version", "_name_or_path"});
  RILL_ASSIGN(auto innerBlock, inner.integer({"block_size"}, 0, 0, 4096));
  RILL_ASSIGN(draft.block,
              top.integer({"block_size"},
                          innerBlock ? std::optional(innerBlock) : std::nullopt,
                          2, 4096));
  RILL_ASSIGN(draft.maskToken,
              inner.integer({"mask_token_id"}, std::nullopt, 0, (1 << 24) - 1));
  RILL_ASSIGN(draft.hidden,
              top.integer({"hidden_size"}, std::nullopt, 1, kMaxDim));
  RILL_ASSIGN(draft.vocab,
              top.integer({"vocab_size"}, std::nullopt, 1, 1 << 24));
  RILL_ASSIGN(draft.feedForward,
              top.integer({"intermediate_size"}, std::nullopt, 1, kMaxDim));
  RILL_ASSIGN(draft.heads,
              top.integer({"num_attention_heads"}, std::nullopt, 1, 4096));
  RILL_ASSIGN(draft.kvHeads,
              top.integer({"num_key_value_heads"}, draft.heads, 1, 4096));
  RILL_ASSIGN(draft.headDim,
              top.integer({"head_dim"}, draft.hidden / draft.heads, 1, 1024));
  RILL_TRY(
      families::checkHeads(config, draft.heads, draft.kvHeads, draft.headDim));
  RILL_ASSIGN(draft.ropeTheta, families::readRopeTheta(top, 1e4));
  RILL_ASSIGN(draft.normEps, top.number({"rms_norm_eps"}, 1e-6));
  if (!(draft.normEps > 0)) {
    return config.error("rms_norm_eps is not positive");
  }
  RILL_TRY(readLayers(top, inner, draft));
  RILL_TRY(readTaps(top, inner, draft));
  RILL_TRY(inner.finish(/*strict=*/true, "the key is not known and may change "
                                         "what the drafter computes"));
  RILL_TRY(top.finish(strict));
  return draft;
}

static rt::Error mismatch(const JsonField &config, const char *what,
                          const std::string &own, const std::string &target) {
  return rt::makeError(rt::ErrorCode::DraftMismatch, config.where(),
                       std::string(what) + " of the drafter is " + own +
                           " but the target has " + target,
                       "give the drafter that was trained for this target");
}

/// A tokenizer.json beside the drafter must say what the target's says.
static rt::Status checkTokenizer(const Checkpoint &draft,
                                 const Checkpoint &target) {
  const char *name = "tokenizer.json";
  if (!draft.file(name) || !target.file(name)) {
    return {};
  }
  std::string ours = draft.folder() + "/" + name,
              theirs = target.folder() + "/" + name;
  RILL_ASSIGN(rt::JsonValue a, rt::readJsonFile(ours));
  RILL_ASSIGN(rt::JsonValue b, rt::readJsonFile(theirs));
  std::string first = rt::writeJson(a), second = rt::writeJson(b);
  if (first == second) {
    return {};
  }
  size_t at =
      std::mismatch(first.begin(), first.end(), second.begin(), second.end())
          .first -
      first.begin();
  size_t from = at < 12 ? 0 : at - 12;
  return mismatch(JsonField(a, ours), "the tokenizer",
                  "\"" + first.substr(from, 32) + "\"",
                  "\"" + second.substr(from, 32) + "\" at that place");
}

rt::Status rill::dflash::checkTarget(const Checkpoint &draftFolder,
                                     const DraftConfig &draft,
                                     const Checkpoint &targetFolder,
                                     const families::ModelConfig &target) {
  JsonField config = draftFolder.config();
  const families::TextConfig &text = target.text;
  auto layers = static_cast<int64_t>(text.isAttention.size());
  struct {
    const char *what;
    int64_t own, target;
  } sizes[] = {{"hidden_size", draft.hidden, text.hidden},
               {"vocab_size", draft.vocab, text.vocab},
               {"num_target_layers", draft.targetLayers, layers}};
  for (auto [what, own, due] : sizes) {
    if (own != due) {
      return mismatch(config, what, std::to_string(own), std::to_string(due));
    }
  }
  if (draft.maskToken >= text.vocab) {
    return mismatch(config, "dflash_config.mask_token_id",
                    std::to_string(draft.maskToken),
                    "ids up to " + std::to_string(text.vocab - 1));
  }
  if (draft.ropeTheta != text.ropeTheta) {
    return mismatch(config, "rope_theta", rt::pythonFloat(draft.ropeTheta),
                    rt::pythonFloat(text.ropeTheta));
  }
  return checkTokenizer(draftFolder, targetFolder);
}
