//===- Tensors.cpp - Which tensor is which --------------------------------===//
//
// The table of names and shapes, aliases, and the checks on them.
//
//===----------------------------------------------------------------------===//
#include "Tensors.h"

#include <cstring>

using namespace rill;
using namespace rill::families;

/// Replaces the prefix `from` of `name` by `to`; false when it has another.
static bool replacePrefix(std::string &name, std::string_view from,
                          std::string_view to) {
  if (name.compare(0, from.size(), from) != 0) {
    return false;
  }
  name = std::string(to) + name.substr(from.size());
  return true;
}

std::string rill::families::canonicalName(const std::string &stored,
                                          const std::string &family) {
  std::string name = stored;
  if (family != "lfm2_vl") {
    if (name != "lm_head.weight") {
      replacePrefix(name, "model.", kTextRoot);
    }
    return name;
  }
  if (name.rfind(kVisionRoot, 0) == 0 || name.rfind(kTextRoot, 0) == 0) {
    return name;
  }
  replacePrefix(name, "model.vision_tower.", kVisionRoot) ||
      replacePrefix(name, "language_model.model.", kTextRoot) ||
      replacePrefix(name, "language_model.lm_head.", "lm_head.") ||
      replacePrefix(name, "vision_tower.vision_model.", kVisionRoot) ||
      replacePrefix(name, "vision_tower.", kVisionRoot) ||
      replacePrefix(name, "multi_modal_projector.", kProjectorRoot);
  return name;
}

namespace {
/// Collects the tensors a config needs.
class Binder {
public:
  Binder(const rt::TensorStore &store, ModelConfig &config, bool strict)
      : store(store), config(config), strict(strict) {}

  rt::Result<TensorMap> run();

private:
  rt::Status index();
  rt::Status take(const std::string &name, std::vector<int64_t> shape);
  rt::Status takeLinear(const std::string &name, int64_t out, int64_t in,
                        bool bias);
  rt::Status takeText();
  rt::Status takeMixer(const std::string &layer, bool attention);
  rt::Status takeHead();
  rt::Status takeVision();
  rt::Status takeProjector();
  rt::Status checkLeftOver() const;
  bool has(const std::string &name) const { return stored.count(name); }

  const rt::TensorStore &store;
  ModelConfig &config;
  bool strict;
  std::map<std::string, const rt::TensorInfo *> stored; // canonical names
  TensorMap bound;
};
} // namespace

static std::string where(const rt::TensorStore &store,
                         const rt::TensorInfo &info) {
  return store.fileNames()[info.file] + ", tensor \"" + info.name + "\"";
}

static std::string shapeText(const std::vector<int64_t> &shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    text += (i ? "," : "") + std::to_string(shape[i]);
  }
  return text + "]";
}

rt::Status Binder::index() {
  for (const rt::TensorInfo &info : store.tensors()) {
    std::string name = canonicalName(info.name, config.family);
    if (!stored.emplace(name, &info).second) {
      return rt::makeError(rt::ErrorCode::TensorDuplicate, where(store, info),
                           "is the same tensor as \"" + stored[name]->name +
                               "\" under another name");
    }
  }
  return {};
}

/// The shape the stored tensor is read with. MLX stores convolution filters as
/// [H,L,1]; both that and [H,1,L] are row-major [H,L].
static bool isReshape(const std::vector<int64_t> &stored,
                      const std::vector<int64_t> &wanted) {
  if (stored == wanted) {
    return true;
  }
  if (wanted.size() != 2 || stored.size() != 3 || stored[0] != wanted[0]) {
    return false;
  }
  return (stored[1] == 1 && stored[2] == wanted[1]) ||
         (stored[2] == 1 && stored[1] == wanted[1]);
}

rt::Error rill::families::missingTensor(const std::string &name,
                                        const std::vector<int64_t> &shape) {
  return rt::makeError(rt::ErrorCode::TensorMissing, "tensor \"" + name + "\"",
                       "needed with shape " + shapeText(shape) +
                           " but no file holds it");
}

rt::Status rill::families::checkTensor(const rt::TensorStore &store,
                                       const rt::TensorInfo &info,
                                       const std::vector<int64_t> &shape) {
  if (!isReshape(info.shape, shape)) {
    return rt::makeError(rt::ErrorCode::TensorShape, where(store, info),
                         "has shape " + shapeText(info.shape) +
                             " but config.json gives " + shapeText(shape));
  }
  if (info.dtype != rt::Dtype::BF16 && info.dtype != rt::Dtype::F32 &&
      info.dtype != rt::Dtype::F16) {
    return rt::makeError(rt::ErrorCode::TensorDtype, where(store, info),
                         std::string("has dtype ") + rt::dtypeName(info.dtype) +
                             " but weights are BF16, F16 or F32");
  }
  return {};
}

rt::Status Binder::take(const std::string &name, std::vector<int64_t> shape) {
  auto found = stored.find(name);
  if (found == stored.end()) {
    return missingTensor(name, shape);
  }
  const rt::TensorInfo &info = *found->second;
  RILL_TRY(checkTensor(store, info, shape));
  bound[name] = {&info, std::move(shape),
                 store.fileNames()[info.file] + "#" + info.name};
  return {};
}

rt::Status Binder::takeLinear(const std::string &name, int64_t out, int64_t in,
                              bool bias) {
  RILL_TRY(take(name + ".weight", {out, in}));
  return bias ? take(name + ".bias", {out}) : rt::Status();
}

rt::Status Binder::takeMixer(const std::string &layer, bool attention) {
  const TextConfig &text = config.text;
  int64_t hidden = text.hidden;
  if (!attention) {
    std::string conv = layer + "conv.";
    RILL_TRY(takeLinear(conv + "in_proj", 3 * hidden, hidden, text.convBias));
    RILL_TRY(take(conv + "conv.weight", {hidden, text.taps}));
    if (text.convBias) {
      RILL_TRY(take(conv + "conv.bias", {hidden}));
    }
    return takeLinear(conv + "out_proj", hidden, hidden, text.convBias);
  }
  std::string self = layer + "self_attn.";
  int64_t q = text.heads * text.headDim, kv = text.kvHeads * text.headDim;
  RILL_TRY(takeLinear(self + "q_proj", q, hidden, false));
  RILL_TRY(takeLinear(self + "k_proj", kv, hidden, false));
  RILL_TRY(takeLinear(self + "v_proj", kv, hidden, false));
  RILL_TRY(takeLinear(self + text.names.out, hidden, q, false));
  RILL_TRY(take(self + text.names.qNorm + ".weight", {text.headDim}));
  return take(self + text.names.kNorm + ".weight", {text.headDim});
}

rt::Status Binder::takeText() {
  const TextConfig &text = config.text;
  std::string root = kTextRoot;
  RILL_TRY(take(root + "embed_tokens.weight", {text.vocab, text.hidden}));
  for (size_t i = 0; i < text.isAttention.size(); ++i) {
    std::string layer = root + "layers." + std::to_string(i) + ".";
    const TextNames &names = text.names;
    RILL_TRY(take(layer + names.mixerNorm + ".weight", {text.hidden}));
    RILL_TRY(take(layer + names.mlpNorm + ".weight", {text.hidden}));
    RILL_TRY(takeMixer(layer, text.isAttention[i]));
    std::string mlp = layer + names.mlp + ".";
    RILL_TRY(
        takeLinear(mlp + names.gate, text.feedForward, text.hidden, false));
    RILL_TRY(takeLinear(mlp + names.up, text.feedForward, text.hidden, false));
    RILL_TRY(
        takeLinear(mlp + names.down, text.hidden, text.feedForward, false));
  }
  RILL_TRY(take(root + text.names.lastNorm + ".weight", {text.hidden}));
  return takeHead();
}

/// lfm2_5_vl.md 1.10, all five rows. R6: an untied head is never lost.
rt::Status Binder::takeHead() {
  const std::string name = "lm_head.weight";
  if (!has(name)) {
    if (config.tied) {
      return {};
    }
    return rt::makeError(rt::ErrorCode::TensorMissing,
                         "tensor \"" + name + "\"",
                         "tie_word_embeddings is false but no file holds the "
                         "head");
  }
  RILL_TRY(take(name, {config.text.vocab, config.text.hidden}));
  if (!config.tied) {
    return {};
  }
  const rt::TensorInfo &head = *bound[name].info;
  const rt::TensorInfo &embedding =
      *bound[std::string(kTextRoot) + "embed_tokens.weight"].info;
  if (head.dtype == embedding.dtype && head.bytes == embedding.bytes &&
      std::memcmp(head.data, embedding.data, head.bytes) == 0) {
    bound.erase(name);
    stored.erase(name);
    return {};
  }
  std::string why = "tie_word_embeddings is true but the head differs from the "
                    "embedding";
  if (strict) {
    return rt::makeError(rt::ErrorCode::HeadContradiction, where(store, head),
                         why,
                         "set tie_word_embeddings to false, or drop "
                         "--strict to use the separate head");
  }
  config.tied = false;
  config.warnings.push_back(where(store, head) + ": " + why +
                            "; the separate head is used");
  return {};
}

rt::Status Binder::takeVision() {
  const VisionConfig &vision = *config.vision;
  std::string root = kVisionRoot;
  int64_t width = vision.hidden;
  int64_t input = vision.channels * vision.patch * vision.patch;
  RILL_TRY(takeLinear(root + "embeddings.patch_embedding", width, input, true));
  RILL_TRY(take(root + "embeddings.position_embedding.weight",
                {vision.positions, width}));
  for (int64_t i = 0; i < vision.layers; ++i) {
    std::string layer = root + "encoder.layers." + std::to_string(i) + ".";
    for (const char *norm : {"layer_norm1", "layer_norm2"}) {
      RILL_TRY(take(layer + norm + ".weight", {width}));
      RILL_TRY(take(layer + norm + ".bias", {width}));
    }
    for (const char *proj : {"q_proj", "k_proj", "v_proj", "out_proj"}) {
      RILL_TRY(takeLinear(layer + "self_attn." + proj, width, width, true));
    }
    RILL_TRY(takeLinear(layer + "mlp.fc1", vision.intermediate, width, true));
    RILL_TRY(takeLinear(layer + "mlp.fc2", width, vision.intermediate, true));
  }
  RILL_TRY(take(root + "post_layernorm.weight", {width}));
  return take(root + "post_layernorm.bias", {width});
}

rt::Status Binder::takeProjector() {
  ProjectorConfig &projector = *config.projector;
  std::string root = kProjectorRoot;
  int64_t input = config.vision->hidden * projector.factor * projector.factor;
  bool present = has(root + "layer_norm.weight");
  if (present != projector.layerNorm) {
    std::string why =
        present ? "projector_use_layernorm is false but the tensors are there"
                : "projector_use_layernorm is true but the tensors are absent";
    if (strict) {
      return rt::makeError(rt::ErrorCode::TensorUnused, root + "layer_norm",
                           why);
    }
    config.warnings.push_back(root + "layer_norm: " + why +
                              "; the tensors decide");
    projector.layerNorm = present;
  }
  if (present) {
    RILL_TRY(take(root + "layer_norm.weight", {input}));
    RILL_TRY(take(root + "layer_norm.bias", {input}));
  }
  auto linear = stored.find(root + "linear_1.weight");
  if (linear != stored.end() && linear->second->shape.size() == 2 &&
      linear->second->shape[0] != projector.width && !strict) {
    config.warnings.push_back(rt::format(
        "projector_hidden_size is %lld but linear_1 has %lld rows; "
        "the tensor decides",
        (long long)projector.width, (long long)linear->second->shape[0]));
    projector.width = linear->second->shape[0];
  }
  RILL_TRY(
      takeLinear(root + "linear_1", projector.width, input, projector.bias));
  return takeLinear(root + "linear_2", config.text.hidden, projector.width,
                    projector.bias);
}

rt::Status Binder::checkLeftOver() const {
  for (auto &[name, info] : stored) {
    if (bound.count(name)) {
      continue;
    }
    // A pooling head is never run: vision_use_head is false.
    if (config.vision &&
        name.rfind(std::string(kVisionRoot) + "head.", 0) == 0) {
      config.warnings.push_back(where(store, *info) +
                                " belongs to the pooling head and is dropped");
      continue;
    }
    return rt::makeError(rt::ErrorCode::TensorUnused, where(store, *info),
                         "config.json describes no such tensor");
  }
  return {};
}

rt::Result<TensorMap> Binder::run() {
  RILL_TRY(index());
  RILL_TRY(takeText());
  if (config.vision) {
    RILL_TRY(takeVision());
    RILL_TRY(takeProjector());
  }
  RILL_TRY(checkLeftOver());
  return std::move(bound);
}

rt::Result<TensorMap> rill::families::bindTensors(const rt::TensorStore &store,
                                                  ModelConfig &config,
                                                  bool strict) {
  return Binder(store, config, strict).run();
}
