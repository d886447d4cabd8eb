//===- HfTest.cpp - Random checkpoints against the official classes -------===//
//
// H3: for every case of test/data/hf, or of RILL_HF_CASES, the artifact gives
// the logits and the greedy tokens of transformers in f32, and in bf16 an
// error no larger than 1.2 of theirs. The figures are printed at the end.
//
//===----------------------------------------------------------------------===//
#include "HfCase.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <gtest/gtest.h>
#include <set>

using namespace rill;
using namespace rill::hf;

namespace {
/// Largest |difference| of f32 logits and features to those of f32 torch.
constexpr float kTolerance = 1e-4f;
/// rms(ours in bf16 - theirs in f32) / rms(theirs in bf16 - theirs in f32).
constexpr double kErrorRatio = 1.2;
constexpr size_t kSteps = 64;

/// What all cases together gave.
struct Figures {
  size_t cases = 0, prompts = 0, tokens = 0, equal = 0;
  float logits = 0, features = 0;
  double ours = 0, theirs = 0; ///< sums of squares over all bf16 logits
  size_t bf16Logits = 0;
} figures;

std::string root() {
  const char *folder = std::getenv("RILL_HF_CASES");
  return folder ? folder : RILL_TEST_DATA "/hf";
}

std::string target() {
  const char *name = std::getenv("RILL_HF_TARGET");
  return name ? name : "x86-64-v3";
}

float largestDifference(const Floats &have, const Floats &want) {
  EXPECT_EQ(have.size(), want.size());
  float worst = 0;
  for (size_t i = 0; i < std::min(have.size(), want.size()); ++i) {
    float difference = std::abs(have[i] - want[i]);
    worst = difference <= worst ? worst : difference; // NaN wins
  }
  return worst;
}

/// The best id of each sequence.
Ids greedy(const Floats &logits, int64_t batch) {
  Ids best;
  auto width = static_cast<int64_t>(logits.size()) / batch;
  for (int64_t b = 0; b < batch; ++b) {
    auto from = logits.begin() + b * width;
    best.push_back(std::max_element(from, from + width) - from);
  }
  return best;
}

std::vector<Floats> allFeatures(Model &model, const Case &source) {
  std::vector<Floats> features;
  for (size_t k = 0; k < source.pictures.size(); ++k) {
    features.push_back(model.features(static_cast<int64_t>(k)));
  }
  return features;
}

/// The text-only prompt has no pictures.
std::vector<Floats> picturesOf(const std::string &prompt,
                               const std::vector<Floats> &features) {
  return prompt == "vl" ? features : std::vector<Floats>();
}

struct HfCases : testing::TestWithParam<std::string> {};
struct HfBf16 : HfCases {};

/// All cases of RILL_HF_CASES; of the stored ones the first five, since every
/// case is one more compilation.
std::vector<std::string> bf16Folders() {
  auto folders = caseFolders(root());
  if (!std::getenv("RILL_HF_CASES") && folders.size() > 5) {
    folders.resize(5);
  }
  return folders;
}

std::string testName(const testing::TestParamInfo<std::string> &info) {
  return "n" + std::filesystem::path(info.param).filename().string();
}

void expectF32(const Case &source, Model &model, const std::string &prompt,
               const std::vector<Floats> &features) {
  Floats logits =
      model.prefill(source.ids(prompt + ".ids"), picturesOf(prompt, features));
  float worst = largestDifference(logits, source.floats(prompt + ".logits"));
  EXPECT_LE(worst, kTolerance) << source.name << " " << prompt;
  Ids want = source.ids(prompt + ".tokens"); // [B,64]
  size_t equal = 0;
  for (size_t s = 0; s < kSteps; ++s) {
    Ids have = greedy(logits, source.batch), expected;
    for (int64_t b = 0; b < source.batch; ++b) {
      expected.push_back(want[b * kSteps + s]);
      equal += have[b] == expected.back();
    }
    EXPECT_EQ(have, expected) << source.name << " " << prompt << " step " << s;
    // A sequence that has left the path is compared no further.
    if (have != expected || s + 1 == kSteps) {
      break;
    }
    logits = model.step(have);
  }
  ++figures.prompts;
  figures.equal += equal;
  figures.tokens += want.size();
  figures.logits = std::max(figures.logits, worst);
  std::printf("case %s %-4s f32: logits within %.1e, %zu of %zu tokens equal\n",
              source.name.c_str(), prompt.c_str(), worst, equal, want.size());
}

void addBf16(const Case &source, Model &model, const std::string &prompt,
             const std::vector<Floats> &features) {
  Floats logits =
      model.prefill(source.ids(prompt + ".ids"), picturesOf(prompt, features));
  Floats exact = source.floats(prompt + ".logits");
  Floats rounded = source.floats(prompt + ".logits_bf16");
  ASSERT_EQ(logits.size(), exact.size());
  double ours = 0, theirs = 0;
  for (size_t i = 0; i < exact.size(); ++i) {
    ours += std::pow(double(logits[i]) - exact[i], 2);
    theirs += std::pow(double(rounded[i]) - exact[i], 2);
  }
  figures.ours += ours;
  figures.theirs += theirs;
  figures.bf16Logits += exact.size();
  std::printf("case %s %-4s bf16: error ratio %.2f\n", source.name.c_str(),
              prompt.c_str(), std::sqrt(ours / theirs));
}
} // namespace

TEST_P(HfCases, LogitsAndTokens) {
  Case source(GetParam());
  ASSERT_TRUE(source.loaded);
  Model model(source, false, target());
  ASSERT_TRUE(model.ready());
  auto features = allFeatures(model, source);
  for (size_t k = 0; k < features.size(); ++k) {
    Floats one = source.floats("features." + std::to_string(k)), want;
    for (int64_t b = 0; b < source.batch; ++b) {
      want.insert(want.end(), one.begin(), one.end());
    }
    float worst = largestDifference(features[k], want);
    EXPECT_LE(worst, kTolerance) << source.name << " picture " << k;
    figures.features = std::max(figures.features, worst);
  }
  expectF32(source, model, "text", features);
  if (source.has("vl.ids")) {
    expectF32(source, model, "vl", features);
  }
  ++figures.cases;
}

TEST_P(HfBf16, Logits) {
  Case source(GetParam());
  ASSERT_TRUE(source.loaded);
  Model model(source, true, target());
  ASSERT_TRUE(model.ready());
  auto features = allFeatures(model, source);
  addBf16(source, model, "text", features);
  if (source.has("vl.ids")) {
    addBf16(source, model, "vl", features);
  }
}

INSTANTIATE_TEST_SUITE_P(All, HfCases, testing::ValuesIn(caseFolders(root())),
                         testName);
INSTANTIATE_TEST_SUITE_P(All, HfBf16, testing::ValuesIn(bf16Folders()),
                         testName);

/// What the cases hold: "field=value" for every field that must vary.
static std::set<std::string> variety(const Case &source) {
  std::set<std::string> seen;
  const rt::JsonValue *text = source.config.find("text_config");
  const rt::JsonValue *vision = source.config.find("vision_config");
  seen.insert("family=" + *source.config.find("model_type")->asString());
  text = text ? text : &source.config;
  auto add = [&](const rt::JsonValue &from, const char *key) {
    if (const rt::JsonValue *value = from.find(key)) {
      seen.insert(std::string(key) + "=" + rt::writeJson(*value));
    }
  };
  add(*text, "conv_L_cache");
  add(*text, "conv_bias");
  add(*text, "tie_word_embeddings");
  add(source.config, "projector_use_layernorm");
  add(source.config, "projector_bias");
  add(source.config, "downsample_factor");
  add(source.info, "dtype");
  add(source.info, "shards");
  add(source.info, "batch");
  int64_t heads = *text->find("num_attention_heads")->asInt();
  int64_t kv = *text->find("num_key_value_heads")->asInt();
  seen.insert("group=" + std::to_string(heads / kv));
  seen.insert(text->find("head_dim") ? "own head_dim" : "derived head_dim");
  seen.insert("pictures=" + std::to_string(source.pictures.size()));
  for (auto [rows, columns] : source.pictures) {
    seen.insert(rows == columns ? "square grid" : "oblong grid");
  }
  if (vision) {
    seen.insert("vision head=" +
                std::to_string(*vision->find("hidden_size")->asInt() /
                               *vision->find("num_attention_heads")->asInt()));
    seen.insert(
        "I mod 32=" +
        std::to_string(*vision->find("intermediate_size")->asInt() % 32));
  }
  return seen;
}

// The set is worth nothing unless it varies every field.
TEST(Hf, CasesVaryEveryField) {
  std::set<std::string> seen;
  auto folders = caseFolders(root());
  EXPECT_GE(folders.size(), 12u);
  for (const std::string &folder : folders) {
    Case source(folder);
    ASSERT_TRUE(source.loaded);
    seen.merge(variety(source));
  }
  std::vector<std::string> wanted = {"family=qwen3",
                                     "family=lfm2",
                                     "family=lfm2_vl",
                                     "conv_bias=true",
                                     "conv_bias=false",
                                     "tie_word_embeddings=true",
                                     "tie_word_embeddings=false",
                                     "projector_use_layernorm=true",
                                     "projector_use_layernorm=false",
                                     "projector_bias=true",
                                     "projector_bias=false",
                                     "downsample_factor=1",
                                     "downsample_factor=2",
                                     "dtype=\"BF16\"",
                                     "dtype=\"F32\"",
                                     "shards=1",
                                     "shards=2",
                                     "shards=3",
                                     "batch=1",
                                     "batch=2",
                                     "group=1",
                                     "group=2",
                                     "group=4",
                                     "own head_dim",
                                     "derived head_dim",
                                     "pictures=1",
                                     "pictures=2",
                                     "pictures=3",
                                     "oblong grid",
                                     "vision head=72",
                                     "I mod 32=16"};
  for (int taps = 2; taps <= 8; ++taps) {
    wanted.push_back("conv_L_cache=" + std::to_string(taps));
  }
  for (const std::string &value : wanted) {
    EXPECT_TRUE(seen.count(value)) << value;
  }
}

namespace {
/// Judges and prints what the cases gave together.
struct Summary : testing::Environment {
  void TearDown() override {
    if (figures.prompts) {
      std::printf("hf %s: %zu checkpoints, %zu prompts, f32 logits within "
                  "%.1e, features within %.1e (1e-4 allowed), %zu of %zu "
                  "greedy tokens equal\n",
                  target().c_str(), figures.cases, figures.prompts,
                  figures.logits, figures.features, figures.equal,
                  figures.tokens);
    }
    if (figures.bf16Logits) {
      double ratio = std::sqrt(figures.ours / figures.theirs);
      std::printf("hf %s: bf16 error ratio %.3f over %zu logits (%.1f "
                  "allowed)\n",
                  target().c_str(), ratio, figures.bf16Logits, kErrorRatio);
      EXPECT_LE(ratio, kErrorRatio);
    }
  }
};
const testing::Environment *const summary =
    testing::AddGlobalTestEnvironment(new Summary);
} // namespace
