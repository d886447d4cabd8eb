//===- Toy.cpp - A compiled toy with a drafter, through Decoder -----------===//
//
// What the tests of the loop share.
//
//===----------------------------------------------------------------------===//
#include "Toy.h"

#include "runtime/core/manifest.h"

#include <cstring>

using namespace rill;
using namespace rill::drafted;

void rill::drafted::expectOk(const rt::Status &status) {
  EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.get().render());
}

int64_t rill::drafted::sizeFromEnvironment(const char *name, int64_t fallback) {
  const char *text = std::getenv(name);
  return text ? std::atoll(text) : fallback;
}

rt::SpecOptions rill::drafted::plain() {
  rt::SpecOptions options;
  options.enabled = false;
  return options;
}

rt::SpecOptions rill::drafted::fixedWidth(int64_t width) {
  rt::SpecOptions options;
  options.draftMax = width - 1;
  options.adaptive = false;
  return options;
}

Toy::Toy(const std::string &path, int threads) {
  expectOk(rt::statusFromC(rill_open(path.c_str(), nullptr, &model)));
  rill_session_options options = {};
  options.size = sizeof(options);
  options.threads = threads;
  if (model) {
    expectOk(rt::statusFromC(rill_session_create(model, &options, &session)));
  }
  if (!session) {
    return;
  }
  size_t bytes;
  const char *text = rill_manifest(model, &bytes);
  auto manifest = rt::parseManifest({text, bytes}, "manifest");
  if (!manifest.ok()) {
    ADD_FAILURE() << manifest.error().render();
    return;
  }
  stateList = manifest->states;
  if (const rt::Method *encoder = manifest->method("vision_encoder")) {
    patchDepth = encoder->inputs[0].shape.back().program[1];
  }
  auto made =
      rt::Decoder::create(rt::JsonField(manifest->tree, "manifest"), session);
  if (made.ok()) {
    decoder = std::move(*made);
  } else {
    ADD_FAILURE() << made.error().render();
  }
}

Toy::~Toy() {
  rill_session_free(session);
  rill_close(model);
}

std::vector<uint8_t> Toy::vision(std::mt19937 &random, int64_t &rows) {
  int64_t h = 2 * (1 + random() % 2), w = 2 * (1 + random() % 3);
  Floats patches(h * w * patchDepth);
  for (float &value : patches) {
    value = static_cast<float>(random() % 256) / 127.5f - 1.0f;
  }
  rows = h * w / 4;
  std::vector<uint8_t> features(rows * decoder->rowBytes());
  rill_tensor input =
      rt::makeTensor(patches.data(), patches.size() * sizeof(float), RILL_F32,
                     {1, h, w, patchDepth});
  rill_tensor output =
      rt::makeTensor(features.data(), features.size(), decoder->dtype(), {});
  expectOk(rt::statusFromC(
      rill_invoke(session, "vision_encoder", &input, 1, &output, 1)));
  return features;
}

Prompt Toy::prompt(std::mt19937 &random, int64_t length, bool picture) {
  Prompt prompt;
  int64_t image = decoder->imageToken();
  for (int64_t i = 0; i < length; ++i) {
    auto id = static_cast<int64_t>(random() % decoder->vocabulary());
    prompt.ids.push_back(id == image ? 0 : id);
  }
  if (picture && patchDepth > 0) {
    int64_t rows = 0;
    prompt.features = vision(random, rows);
    auto at = prompt.ids.begin() +
              static_cast<int64_t>(random() % (prompt.ids.size() + 1));
    prompt.ids.insert(at, rows, image);
  }
  return prompt;
}

void Toy::feed(const Prompt &prompt, bool context) {
  size_t width = decoder->rowBytes(), next = 0;
  std::vector<uint8_t> rows(prompt.ids.size() * width);
  expectOk(decoder->embed(prompt.ids, rows.data()));
  for (size_t i = 0; i < prompt.ids.size(); ++i) {
    if (prompt.ids[i] == decoder->imageToken() &&
        next < prompt.features.size()) {
      std::memcpy(rows.data() + i * width, prompt.features.data() + next,
                  width);
      next += width;
    }
  }
  expectOk(rt::statusFromC(rill_session_reset(session)));
  auto total = static_cast<int64_t>(prompt.ids.size());
  for (int64_t first = 0; first < total; first += decoder->chunk()) {
    expectOk(decoder->decode(rows.data() + first * width,
                             std::min(decoder->chunk(), total - first), first,
                             context));
  }
}

Ids Toy::generate(const Prompt &prompt, size_t count,
                  const rt::SamplingParams &sampling,
                  const rt::SpecOptions &spec, rt::SpecStats *stats) {
  feed(prompt, spec.enabled);
  rt::Sampler sampler(sampling, decoder->vocabulary());
  Ids history = prompt.ids, tokens;
  rt::SpecStats ignored;
  expectOk(decoder->run(
      sampler, spec, history,
      [&](int64_t id, int64_t index) {
        tokens.push_back(id);
        return tokens.size() == count || index >= decoder->context();
      },
      stats ? *stats : ignored));
  // The last token has no row yet; every other one has.
  EXPECT_EQ(rill_session_length(session, 0),
            static_cast<int64_t>(history.size()) - 1);
  EXPECT_EQ(history.size(), prompt.ids.size() + tokens.size());
  return tokens;
}

Floats Toy::next(int64_t id) {
  std::vector<uint8_t> row(decoder->rowBytes());
  expectOk(decoder->embed({&id, 1}, row.data()));
  expectOk(decoder->decode(row.data(), 1, rill_session_length(session, 0),
                           /*context=*/false));
  return {decoder->logits().begin(), decoder->logits().end()};
}

Floats Toy::states(int64_t end, bool draft) const {
  Floats all;
  for (size_t i = 0; i < stateList.size(); ++i) {
    const rt::StateInfo &state = stateList[i];
    if ((state.name.rfind("draft.", 0) == 0) != draft) {
      continue;
    }
    int64_t first = state.ring ? std::max<int64_t>(0, end - state.history) : 0;
    for (int64_t row = first; row < end; ++row) {
      Floats values = rowOf(state, session->impl->stateData(i), row);
      all.insert(all.end(), values.begin(), values.end());
    }
  }
  return all;
}
