//===- Inspect.cpp - What import makes of a checkpoint --------------------===//
//
// Config and tensors as import reads them, in words.
//
//===----------------------------------------------------------------------===//
#include "rill/Import/Inspect.h"

#include "DFlash/Draft.h"
#include "Text.h"

#include <algorithm>

using namespace rill;

std::span<const AssetFile> rill::assetFiles() {
  static constexpr AssetFile kFiles[] = {
      {"tokenizer", "tokenizer.json", "tokenizer"},
      {"tokenizer_config", "tokenizer_config.json", "tokenizer"},
      {"chat_template", "chat_template.jinja", "chat_template"},
      {"processor_config", "processor_config.json", "processor"},
      {"preprocessor_config", "preprocessor_config.json", "processor"},
      {"generation_config", "generation_config.json", "generation"}};
  return kFiles;
}

static std::vector<std::string> sizesOf(const families::ModelConfig &config) {
  const families::TextConfig &text = config.text;
  auto count = [&](bool attention) {
    return static_cast<long long>(std::count(
        text.isAttention.begin(), text.isAttention.end(), attention));
  };
  std::string convolutions =
      count(false) ? rt::format("short convolution %lld, of %lld taps%s; ",
                                (long long)count(false), (long long)text.taps,
                                text.convBias ? " with bias" : "")
                   : "";
  std::vector<std::string> lines = {rt::format(
      "text       %zu layers (%sattention %lld), hidden %lld, feed-forward "
      "%lld, heads %lld of %lld, "
      "key/value heads %lld, vocabulary %lld, positions %lld, head %s",
      text.isAttention.size(), convolutions.c_str(), count(true),
      (long long)text.hidden, (long long)text.feedForward,
      (long long)text.heads, (long long)text.headDim, (long long)text.kvHeads,
      (long long)text.vocab, (long long)text.maxPositions,
      config.tied ? "tied" : "of its own")};
  if (config.vision) {
    const families::VisionConfig &vision = *config.vision;
    lines.push_back(rt::format(
        "vision     %lld layers, hidden %lld, intermediate %lld, heads %lld, "
        "patches of %lld x %lld x %lld, %lld positions",
        (long long)vision.layers, (long long)vision.hidden,
        (long long)vision.intermediate, (long long)vision.heads,
        (long long)vision.patch, (long long)vision.patch,
        (long long)vision.channels, (long long)vision.positions));
  }
  if (config.projector) {
    const families::ProjectorConfig &projector = *config.projector;
    lines.push_back(rt::format(
        "projector  %lld x %lld patches to one row, width %lld%s%s, image "
        "token %lld",
        (long long)projector.factor, (long long)projector.factor,
        (long long)projector.width, projector.bias ? ", biases" : "",
        projector.layerNorm ? ", layer norm" : "",
        (long long)projector.imageToken));
  }
  return lines;
}

/// The first weight that holds NaN or infinity, as import refuses it.
static rt::Status checkFinite(const rt::TensorStore &store,
                              const std::vector<std::string> &names) {
  for (size_t i = 0; i < names.size(); ++i) {
    const rt::TensorInfo &tensor = store.tensors()[i];
    auto index = names[i].empty() ? std::nullopt : rt::findNonFinite(tensor);
    if (index) {
      return rt::makeError(
          rt::ErrorCode::TensorNonFinite,
          store.fileNames()[tensor.file] + ", tensor \"" + tensor.name + "\"",
          rt::format("element %lld is NaN or infinite", (long long)*index),
          "--allow-nonfinite accepts it");
    }
  }
  return {};
}

/// A drafter by itself: whether it fits is known beside its target.
static Inspection inspectDrafter(const Checkpoint &checkpoint, bool finite) {
  Inspection found;
  auto draft = dflash::readDraftConfig(checkpoint.config(), /*strict=*/false);
  if (!draft.ok()) {
    found.refusal = draft.takeStatus();
    return found;
  }
  std::string taps;
  for (int64_t tap : draft->taps) {
    taps += (taps.empty() ? "" : ",") + std::to_string(tap);
  }
  found.family = "dflash drafter, imported with its target by --draft";
  found.warnings = draft->warnings;
  found.sizes = {rt::format(
      "draft      %zu layers, hidden %lld, feed-forward %lld, heads %lld of "
      "%lld, key/value heads %lld, blocks of %lld, mask token %lld, taps %s of "
      "%lld layers, vocabulary %lld",
      draft->layers.size(), (long long)draft->hidden,
      (long long)draft->feedForward, (long long)draft->heads,
      (long long)draft->headDim, (long long)draft->kvHeads,
      (long long)draft->block, (long long)draft->maskToken, taps.c_str(),
      (long long)draft->targetLayers, (long long)draft->vocab)};
  families::TensorMap tensors;
  const rt::TensorStore &store = checkpoint.tensors();
  found.refusal = dflash::bindDraftTensors(store, *draft, tensors);
  if (found.refusal.ok()) {
    for (const rt::TensorInfo &tensor : store.tensors()) {
      found.names.push_back(tensor.name);
    }
    found.refusal =
        finite ? checkFinite(store, found.names) : std::move(found.refusal);
  }
  return found;
}

Inspection rill::inspectCheckpoint(const Checkpoint &checkpoint, bool finite) {
  if (checkpoint.config().findValue("dflash_config")) {
    return inspectDrafter(checkpoint, finite);
  }
  Inspection found;
  auto config = families::readConfig(checkpoint.config(), /*strict=*/false);
  if (!config.ok()) {
    found.refusal = config.takeStatus();
    return found;
  }
  const rt::TensorStore &store = checkpoint.tensors();
  auto tensors = families::bindTensors(store, *config, /*strict=*/false);
  // Binding corrects the config by what the tensors say.
  found.family = config->family;
  found.sizes = sizesOf(*config);
  found.warnings = config->warnings;
  families::checkText(checkpoint.folder(), found.warnings);
  if (!tensors.ok()) {
    found.refusal = tensors.takeStatus();
    return found;
  }
  found.names.resize(store.tensors().size());
  for (auto &[name, tensor] : *tensors) {
    found.names[tensor.info - store.tensors().data()] = name;
  }
  if (finite) {
    found.refusal = checkFinite(store, found.names);
  }
  return found;
}
