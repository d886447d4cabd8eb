//===- fuzz_targets.cpp - What the fuzzers call ---------------------------===//
//
// Limits are set low where the input's size could make a run slow.
//
//===----------------------------------------------------------------------===//
#include "runtime/test/fuzz/fuzz_targets.h"

#include "runtime/formats/chat_template.h"
#include "runtime/formats/nfc.h"
#include "runtime/formats/npy.h"
#include "runtime/formats/utf8.h"
#include "runtime/generate/image_processor.h"
#include "runtime/generate/sampling.h"

#include <algorithm>
#include <cstdlib>

using namespace rill::rt;
using rill::test::fuzzManifest;
using rill::test::fuzzPlan;
using rill::test::FuzzTarget;

static std::string_view textOf(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char *>(bytes.data()), bytes.size()};
}

static void fuzzSafetensors(std::span<const uint8_t> bytes) {
  std::vector<TensorInfo> tensors;
  std::map<std::string, std::string> metadata;
  Status status = parseSafetensors(bytes, "fuzz", 0, tensors, metadata);
  for (const TensorInfo &tensor : tensors) {
    if (status.ok()) {
      (void)findNonFinite(tensor);
    }
  }
}

static void fuzzIndex(std::span<const uint8_t> bytes) {
  auto root = parseJson(textOf(bytes), "fuzz");
  if (root.ok()) {
    (void)parseWeightMap(JsonField(*root, "fuzz"));
  }
}

static void fuzzConfig(std::span<const uint8_t> bytes) {
  auto root = parseJson(textOf(bytes), "fuzz");
  if (!root.ok()) {
    return;
  }
  (void)GenerationConfig::parse(JsonField(*root, "fuzz"));
  auto config = ImageProcessorConfig::parse(JsonField(*root, "fuzz"));
  for (int64_t side : {1, 96, 700, 5000}) {
    if (config.ok()) {
      (void)planImage(*config, side, 640);
    }
  }
  (void)parseJson(writeJson(*root), "again");
}

static void fuzzTokenizer(std::span<const uint8_t> bytes) {
  auto tokenizer = Tokenizer::parse(textOf(bytes), "fuzz");
  if (tokenizer.ok()) {
    auto ids = tokenizer->encode(
        "Hello, 1234 wörld!\n  <|im_end|>'s e\u0323\u0301\u1100\u1161", true);
    if (ids.ok()) {
      (void)tokenizer->decode(*ids, false);
    }
  }
}

/// Any text: form C is well-formed and its own form C, and every byte has an
/// origin, the user's where the text is the user's.
static void fuzzNfc(std::span<const uint8_t> bytes) {
  std::string text = replaceInvalidUtf8(textOf(bytes));
  std::vector<bool> isTemplate(text.size());
  normalizeNfc(text, isTemplate);
  std::string again = text;
  std::vector<bool> isTemplateToo(text.size(), true);
  normalizeNfc(again, isTemplateToo);
  if (!isUtf8(text) || again != text || isTemplate.size() != text.size() ||
      std::find(isTemplate.begin(), isTemplate.end(), true) !=
          isTemplate.end() ||
      std::find(isTemplateToo.begin(), isTemplateToo.end(), false) !=
          isTemplateToo.end()) {
    abort();
  }
}

static void fuzzTemplate(std::span<const uint8_t> bytes) {
  auto made = ChatTemplate::parse(textOf(bytes), "fuzz");
  if (!made.ok()) {
    return;
  }
  ChatInput input;
  JsonValue::Object message = {{"role", "user"}, {"content", "Hi <b>"}};
  input.messages = JsonValue::Array{std::move(message)};
  input.tokens = {{"bos_token", "<s>"}};
  input.limits = {20'000, size_t(1) << 18, size_t(1) << 22, 1000, 100};
  (void)made->render(input);
}

static void fuzzImage(std::span<const uint8_t> bytes) {
  auto image = decodeImage(bytes, "fuzz", {1 << 18, size_t(1) << 20});
  ImageProcessorConfig config;
  config.tileSize = 64;
  config.minTokens = 1;
  config.maxTokens = 4;
  if (image.ok()) {
    auto plan = planImage(config, image->width, image->height);
    if (plan.ok()) {
      (void)processImage(config, *plan, *image);
    }
  }
}

static void fuzzNpy(std::span<const uint8_t> bytes) {
  (void)parseNpy(bytes, "fuzz");
}

std::span<const FuzzTarget> rill::test::fuzzTargets() {
  static constexpr FuzzTarget kTargets[] = {{"safetensors", fuzzSafetensors},
                                            {"index", fuzzIndex},
                                            {"config", fuzzConfig},
                                            {"tokenizer", fuzzTokenizer},
                                            {"nfc", fuzzNfc},
                                            {"template", fuzzTemplate},
                                            {"image", fuzzImage},
                                            {"npy", fuzzNpy},
                                            {"manifest", fuzzManifest},
                                            {"plan", fuzzPlan},
                                            {"dispatches", fuzzDispatches}};
  return kTargets;
}
