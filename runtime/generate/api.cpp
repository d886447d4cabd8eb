//===- api.cpp - The C API of librill-generate ----------------------------===//
//
// rill_generate.h over Generator.
//
//===----------------------------------------------------------------------===//
#include "rill_generate.h"

#include "runtime/core/c_helpers.h"
#include "runtime/generate/generator.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <ctime>

using namespace rill::rt;

struct rill_generator {
  std::unique_ptr<Generator> impl;
  std::vector<TextSpan> spans;
  std::atomic<bool> cancelled{false};
  Generated last;
  size_t promptTokens = 0;
};

static rill_status toC(const Status &status) {
  if (status.ok()) {
    return nullptr;
  }
  const Error &error = status.get();
  return rill_error_create(static_cast<int>(error.code), error.where.c_str(),
                           error.why.c_str(), error.mend.c_str());
}

/// Writes `value` into the caller's struct as far as that reaches.
template <typename Struct>
static void giveOut(Struct value, Struct *out) {
  size_t size = std::min(out->size, sizeof(value));
  value.size = out->size;
  std::memcpy(static_cast<void *>(out), &value, size);
}

rill_status rill_generator_create(const rill_model *model,
                                  rill_session *session, rill_generator **out) {
  auto generator = Generator::create(model, session);
  if (!generator.ok()) {
    return toC(generator.takeStatus());
  }
  auto *handle = new rill_generator();
  handle->impl = std::move(*generator);
  *out = handle;
  return nullptr;
}

void rill_generator_free(rill_generator *generator) { delete generator; }

rill_status rill_add_image_bytes(rill_generator *generator, const void *data,
                                 size_t bytes, const char *name) {
  return toC(generator->impl->addPicture(
      {static_cast<const uint8_t *>(data), bytes}, name ? name : "picture"));
}

rill_status rill_add_image_rgb(rill_generator *generator, const uint8_t *rgb,
                               int64_t width, int64_t height) {
  if (width < 1 || height < 1) {
    return toC(makeError(ErrorCode::InputInvalid, "rill_add_image_rgb",
                         format("a picture of %lld x %lld pixels",
                                (long long)width, (long long)height)));
  }
  if (Status status = detail::checkImageSize(static_cast<uint64_t>(width),
                                             static_cast<uint64_t>(height),
                                             "rill_add_image_rgb", {});
      !status.ok()) {
    return toC(status);
  }
  Image image;
  image.width = width;
  image.height = height;
  image.rgb.assign(rgb, rgb + 3 * width * height);
  return toC(generator->impl->addImage(std::move(image)));
}

rill_status rill_add_text(rill_generator *generator, const char *text,
                          size_t bytes, int32_t special) {
  if (!isUtf8({text, bytes})) {
    return toC(makeError(ErrorCode::InputInvalid, "rill_add_text",
                         "the text is not UTF-8"));
  }
  generator->spans.push_back({std::string(text, bytes), special != 0});
  return nullptr;
}

rill_status rill_add_messages_json(rill_generator *generator, const char *json,
                                   size_t bytes) {
  auto messages = parseJson({json, bytes}, "messages");
  if (!messages.ok()) {
    return toC(messages.takeStatus());
  }
  ChatInput input;
  input.messages = *messages;
  input.now = std::time(nullptr);
  auto spans = generator->impl->render(input);
  if (!spans.ok()) {
    return toC(spans.takeStatus());
  }
  generator->spans.insert(generator->spans.end(), spans->begin(), spans->end());
  return nullptr;
}

void rill_clear_prompt(rill_generator *generator) {
  generator->spans.clear();
  generator->impl->clearPictures();
}

rill_status rill_count_tokens(rill_generator *generator, size_t *count) {
  auto prompt = generator->impl->prompt(generator->spans);
  if (!prompt.ok()) {
    return toC(prompt.takeStatus());
  }
  *count = promptIds(*prompt).size();
  return nullptr;
}

rill_status rill_sampling_defaults(const rill_generator *generator,
                                   rill_sampling *out) {
  const SamplingParams &known = generator->impl->defaults().sampling;
  rill_sampling sampling = {};
  sampling.temperature = known.temperature;
  sampling.top_p = known.topP;
  sampling.min_p = known.minP;
  sampling.repeat_penalty = known.repeatPenalty;
  sampling.top_k = known.topK;
  sampling.seed = known.seed;
  sampling.max_new_tokens = GenerateOptions().maxNewTokens;
  giveOut(sampling, out);
  return nullptr;
}

/// The caller's values over the defaults; fields behind its size keep those.
static GenerateOptions optionsOf(const rill_generator *generator,
                                 const rill_sampling *given) {
  rill_sampling all = {};
  all.size = sizeof(all);
  (void)rill_sampling_defaults(generator, &all);
  if (given) {
    std::memcpy(static_cast<void *>(&all), given,
                std::min(given->size, sizeof(all)));
  }
  GenerateOptions options;
  options.sampling.temperature = all.temperature;
  options.sampling.topP = all.top_p;
  options.sampling.minP = all.min_p;
  options.sampling.repeatPenalty = all.repeat_penalty;
  options.sampling.topK = all.top_k;
  options.sampling.seed = all.seed;
  options.maxNewTokens = all.max_new_tokens;
  options.ignoreEos = all.ignore_eos != 0;
  options.spec.enabled = all.spec_off == 0;
  options.spec.draftMax = all.spec_draft_n_max;
  options.spec.draftMin = all.spec_draft_n_min ? all.spec_draft_n_min : 1;
  for (size_t i = 0; i < all.stop_count; ++i) {
    options.stop.push_back(all.stop[i]);
  }
  options.cancelled = &generator->cancelled;
  return options;
}

rill_status rill_generate(rill_generator *generator,
                          const rill_sampling *sampling,
                          rill_text_callback callback, void *user) {
  generator->cancelled = false;
  auto prompt = generator->impl->prompt(generator->spans);
  if (!prompt.ok()) {
    return toC(prompt.takeStatus());
  }
  auto result = generator->impl->generate(
      *prompt, optionsOf(generator, sampling), [&](std::string_view piece) {
        return !callback || callback(user, piece.data(), piece.size()) == 0;
      });
  if (!result.ok()) {
    return toC(result.takeStatus());
  }
  generator->last = std::move(*result);
  generator->promptTokens = promptIds(*prompt).size();
  rill_clear_prompt(generator);
  return nullptr;
}

void rill_cancel(rill_generator *generator) { generator->cancelled = true; }

rill_status rill_generate_stats(const rill_generator *generator,
                                rill_stats *out) {
  const Generated &last = generator->last;
  rill_stats stats = {};
  stats.prompt_tokens = generator->promptTokens;
  stats.generated_tokens = last.ids.size();
  stats.prompt_seconds = last.promptSeconds;
  stats.decode_seconds = last.decodeSeconds;
  stats.stop_reason = static_cast<int32_t>(last.reason);
  stats.verifies = last.spec.verifies;
  stats.plain_steps = last.spec.plainSteps;
  stats.drafted_tokens = last.spec.drafted;
  stats.accepted_tokens = last.spec.accepted;
  stats.committed_tokens = last.spec.committed;
  static_assert(sizeof(stats.verify_lengths) / sizeof(size_t) ==
                kMaxVerifyWidth + 1);
  std::copy(last.spec.lengths.begin(), last.spec.lengths.end(),
            stats.verify_lengths);
  stats.draft_seconds = last.spec.draftSeconds;
  stats.verify_seconds = last.spec.verifySeconds;
  giveOut(stats, out);
  return nullptr;
}

const char *rill_generated_text(const rill_generator *generator,
                                size_t *bytes) {
  *bytes = generator->last.text.size();
  return generator->last.text.c_str();
}

const int64_t *rill_generated_tokens(const rill_generator *generator,
                                     size_t *count) {
  *count = generator->last.ids.size();
  return generator->last.ids.data();
}
