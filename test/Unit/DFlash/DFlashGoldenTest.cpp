//===- DFlashGoldenTest.cpp - Drafters against golden values --------------===//
//
// Three drafters whose values were made in double precision and agree with the
// published implementation (github.com/z-lab/dflash) to 1e-14: by Reference
// and by the artifact within 1e-5, tokens and acceptance lengths equal.
//
//===----------------------------------------------------------------------===//
#include "Drafted.h"

#include "runtime/device/cpu/code.h"

#include "llvm/ADT/STLExtras.h"

#include <cmath>

using namespace rill;
using namespace rill::drafted;

namespace {
constexpr float kTolerance = 1e-5f;
constexpr int64_t kVocab = 20, kMask = 19, kTokens = 32;
const Ids kPrompt = {3, 14, 1, 5, 9, 2, 6};
const Ids kQwenTokens = {14, 14, 7,  15, 15, 15, 15, 15, 10, 10, 10,
                         10, 10, 10, 10, 10, 10, 10, 10, 10, 7,  15,
                         15, 15, 10, 10, 10, 10, 10, 10, 10, 10};
const Ids kLfmTokens = {17, 4, 13, 14, 16, 13, 14, 16, 17, 8, 12,
                        1,  1, 1,  1,  1,  1,  1,  1,  1,  1, 1,
                        1,  1, 1,  1,  1,  1,  1,  1,  1,  1};

/// One block of four and its verify.
struct Block {
  int64_t start;
  Ids proposals;
  Floats u1;          ///< behind the last norm, slot 1
  Floats logits[3];   ///< slots 1 to 3
  Floats key, value;  ///< layer 0 head 0, layer 1 head 1, of start - 1
  Ids verified;       ///< best of every slot
  Floats verifyFirst; ///< logits of slot 0
};
struct Case {
  const char *name, *target, *draft;
  const Ids &tokens;
  Floats prompt, feature; ///< feature: elements 0, 1, 24, 25 of token 6
  Block first, second;
  Ids lengths; ///< of blocks of 4
  Ids widest;  ///< first proposals of a block of 8
  Floats slot7;
  Ids widestLengths;
};

const std::vector<Case> &cases() {
  static const std::vector<Case> all = {
      {"A",
       "q",
       "a",
       kQwenTokens,
       {-0.641804f, -0.664885f, -0.584927f, -0.279472f},
       {-1.239261f, -0.853668f, -1.318066f, -1.172160f},
       {7,
        {5, 15, 15},
        {0.397957f, -0.006899f, -0.276832f, -0.054736f},
        {{-0.190320f, -0.461535f, -0.356284f, 0.474944f},
         {-0.271553f, -0.643470f, -0.620818f, 0.688762f},
         {-0.392230f, -0.793396f, -0.829906f, 0.740870f}},
        {-0.265504f, 1.246813f, 0.317565f, -0.069209f},
        {-0.820933f, 0.024796f, -0.156055f, -0.885428f},
        {14, 7, 15, 10},
        {-0.432240f, -0.385365f, 1.058716f, 0.483680f}},
       {8,
        {15, 15, 10},
        {0.356285f, 0.069206f, -0.826396f, -0.054027f},
        {{-0.299889f, -0.919911f, -0.749362f, 0.542743f},
         {-0.356870f, -0.947476f, -0.921215f, 0.766709f},
         {-0.511847f, -0.848606f, -0.784225f, 0.594393f}},
        {-0.705351f, 0.076788f, 0.160113f, 1.082886f},
        {0.187717f, -0.081303f, 0.189481f, 0.300223f},
        {7, 15, 15, 18},
        {-0.420347f, -0.465730f, 0.874056f, 0.295302f}},
       {1, 1, 2, 3, 1, 1, 4, 2, 4, 1, 3, 3, 1, 4},
       {5, 15, 15, 15, 15, 15, 15},
       {-0.440598f, -0.366161f, -0.252002f, 0.478853f},
       {1, 1, 2, 4, 1, 2, 3, 1, 1, 2, 2, 3, 1, 1, 1, 1, 1, 2, 1}},
      {"B",
       "q",
       "b",
       kQwenTokens,
       {-0.641804f, -0.664885f, -0.584927f, -0.279472f},
       {-1.318066f, -1.172160f, -1.239261f, -0.853668f},
       {7,
        {14, 14, 2},
        {-0.921980f, 0.128721f, -0.528004f, 0.218077f},
        {{0.099349f, 0.298162f, 0.425572f, -0.273484f},
         {0.436287f, 0.348821f, 0.649131f, -0.011152f},
         {1.001205f, 0.925940f, 1.235619f, -0.101942f}},
        {0.084627f, 0.550789f, -0.588987f, 0.089071f},
        {-0.169174f, 0.532483f, -0.357815f, -0.346949f},
        {14, 7, 7, 15},
        {-0.432240f, -0.385365f, 1.058716f, 0.483680f}},
       {9,
        {14, 8, 0},
        {0.186913f, 0.602877f, -0.314631f, 0.018867f},
        {{0.456050f, -0.137992f, -0.383157f, -0.769142f},
         {0.557869f, 0.158565f, 0.477511f, -0.723523f},
         {0.713607f, -0.554477f, -0.816710f, -0.298458f}},
        {-0.880537f, -0.533793f, -0.245372f, -0.453133f},
        {-1.093686f, 0.291411f, 0.081366f, -0.362411f},
        {15, 7, 8, 18},
        {-0.928174f, -0.798354f, -0.116353f, -1.036570f}},
       {2, 1, 1, 1, 1, 1, 2, 1, 3, 3, 4, 1, 1, 1, 4, 4},
       {14, 14, 18, 1, 1, 2, 2},
       {-0.175132f, 0.261955f, 1.294855f, -0.256505f},
       {2, 1, 1, 1, 1, 1, 1, 1, 1, 8, 2, 1, 1, 1, 8}},
      {"C",
       "l",
       "c",
       kLfmTokens,
       {-0.929893f, 0.539852f, 0.104265f, 0.292052f},
       {-0.934740f, 0.973330f, -0.670050f, 1.273380f},
       {7,
        {8, 16, 16},
        {0.838508f, 0.185264f, 0.722044f, -0.381681f},
        {{-0.358259f, 1.098874f, 0.654127f, 0.102107f},
         {0.050285f, 0.548452f, 0.808018f, -0.146489f},
         {-0.274614f, 0.165273f, 0.307670f, 0.349208f}},
        {1.916430f, -0.552825f, -0.104263f, 0.284183f},
        {0.031733f, 0.405649f, 0.704196f, 0.307594f},
        {4, 12, 13, 13},
        {0.414525f, 0.778057f, -0.125758f, -0.515151f}},
       {8,
        {17, 16, 16},
        {0.413062f, -0.046084f, 0.511881f, -0.447059f},
        {{-0.054719f, 0.891281f, 0.265911f, 0.195030f},
         {-0.437195f, 0.414652f, 0.350065f, 0.344997f},
         {0.554889f, 0.782237f, 0.767894f, -0.376488f}},
        {0.438129f, -0.974008f, 0.265533f, -1.048789f},
        {0.419786f, -0.023247f, -0.164529f, 0.251727f},
        {13, 4, 18, 13},
        {-0.028764f, -0.063321f, -0.890660f, -0.547196f}},
       {1, 1, 1, 2, 1, 1, 1, 2, 1, 1, 1, 3, 1, 4, 2, 4, 2, 4},
       {16, 16, 16, 16, 16, 1, 16},
       {-0.255274f, 1.044871f, 0.728893f, 0.061205f},
       {1, 1, 1, 2, 1, 1, 1, 2, 1, 1, 1, 1, 3, 6, 6, 8}}};
  return all;
}

/// (processed tokens, two rows of channel 0) of case C, layer 0.
const std::vector<std::pair<int64_t, std::pair<float, float>>> kConvRows = {
    {7, {-0.005476f, -0.133128f}},
    {8, {-0.133128f, -0.015249f}},
    {10, {0.220530f, 0.046300f}},
    {12, {-0.006497f, -0.385042f}},
    {13, {-0.385042f, 0.046300f}}};

void expectNear(const Floats &have, size_t from, const Floats &want,
                const std::string &what) {
  ASSERT_GE(have.size(), from + want.size()) << what;
  for (size_t i = 0; i < want.size(); ++i) {
    EXPECT_NEAR(have[from + i], want[i], kTolerance)
        << what << " element " << i;
  }
}

/// The loop of the format, greedy, on any backend; records every step.
struct Loop {
  struct Step {
    int64_t start;
    Ids proposals, verified;
    Floats draft, verify;
    int64_t length;
  };

  Loop(Backend &backend, int64_t width) : backend(backend), width(width) {
    backend.setLength(0);
    prompt = backend.call("draft_prefill", kPrompt, 0);
    tokens = kPrompt;
    tokens.push_back(best(prompt, kVocab, 0));
  }

  Step step() {
    Step step;
    step.start = static_cast<int64_t>(tokens.size()) - 1;
    Ids block(width, kMask);
    block[0] = tokens.back();
    step.draft = backend.call("draft", block, step.start);
    for (int64_t j = 1; j < width; ++j) {
      block[j] = best(step.draft, kVocab, j);
      step.proposals.push_back(block[j]);
    }
    step.verify = backend.call("draft_verify", block, step.start);
    for (int64_t j = 0; j < width; ++j) {
      step.verified.push_back(best(step.verify, kVocab, j));
    }
    step.length = 0;
    do {
      tokens.push_back(step.verified[step.length++]);
    } while (step.length < width && block[step.length] == tokens.back());
    backend.setLength(step.start + step.length);
    return step;
  }

  Backend &backend;
  int64_t width;
  Floats prompt;
  Ids tokens; ///< the prompt's too
};

void expectBlock(Backend &backend, const Loop::Step &step, const Block &want,
                 const std::string &what) {
  EXPECT_EQ(step.start, want.start) << what;
  EXPECT_EQ(step.proposals, want.proposals) << what;
  EXPECT_EQ(step.verified, want.verified) << what;
  for (int64_t j = 1; j <= 3; ++j) {
    expectNear(step.draft, j * kVocab, want.logits[j - 1],
               what + " draft logits of slot " + std::to_string(j));
  }
  expectNear(step.verify, 0, want.verifyFirst, what + " verify logits");
  int64_t last = want.start - 1;
  expectNear(backend.row("draft.layers.0.k", last), 0, want.key, what + " key");
  expectNear(backend.row("draft.layers.1.v", last), 12, want.value,
             what + " value");
}

/// Everything of the table that both backends can show.
void expectCase(Backend &backend, const Case &golden) {
  for (int64_t width : {4, 8}) {
    const Ids &lengths = width == 4 ? golden.lengths : golden.widestLengths;
    Loop loop(backend, width);
    expectNear(loop.prompt, 0, golden.prompt, "prompt logits");
    for (size_t n = 0; n < lengths.size(); ++n) {
      if (golden.target[0] == 'l' && width == 4) {
        auto done = static_cast<int64_t>(loop.tokens.size()) - 1;
        for (auto &[rows, values] : kConvRows) {
          if (rows == done) {
            EXPECT_NEAR(backend.row("layers.0.conv", done - 2)[0], values.first,
                        kTolerance);
            EXPECT_NEAR(backend.row("layers.0.conv", done - 1)[0],
                        values.second, kTolerance);
          }
        }
      }
      Loop::Step step = loop.step();
      if (width == 4 && n < 2) {
        expectBlock(backend, step, n == 0 ? golden.first : golden.second,
                    "block " + std::to_string(n));
      }
      if (width == 8 && n == 0) {
        EXPECT_EQ(step.proposals, golden.widest);
        expectNear(step.draft, 7 * kVocab, golden.slot7, "slot 7");
      }
      EXPECT_EQ(step.length, lengths[n]) << "width " << width << " step " << n;
    }
    auto first = loop.tokens.begin() + static_cast<int64_t>(kPrompt.size());
    EXPECT_EQ(Ids(first, first + kTokens), golden.tokens) << "width " << width;
  }
}

Scratch &checkpoints() {
  static Scratch scratch;
  static bool made = scratch.run("make_dflash_golden " + scratch.path(""));
  EXPECT_TRUE(made);
  return scratch;
}

struct DFlashGolden : testing::TestWithParam<int> {
  const Case &golden() { return cases()[GetParam()]; }
  std::string target() { return checkpoints().path(golden().target); }
  std::string draft() { return checkpoints().path(golden().draft); }
};
struct CompiledDFlash : testing::TestWithParam<std::tuple<int, const char *>> {
};
} // namespace

TEST_P(DFlashGolden, Reference) {
  ByReference backend(target(), draft());
  ASSERT_NE(backend.evaluator, nullptr);
  std::map<std::string, std::vector<reference::Tensor>> seen;
  backend.evaluator->probe = [&](llvm::StringRef name,
                                 const reference::Tensor &value) {
    if (name == "draft.features" || name == "draft.norm") {
      seen[name.str()].push_back(value);
    }
  };
  expectCase(backend, golden());
  const reference::Tensor &features = seen["draft.features"][0];
  Floats row(features.row(6), features.row(6) + 48);
  expectNear({row[0], row[1], row[24], row[25]}, 0, golden().feature,
             "feature row");
  for (int block = 0; block < 2; ++block) {
    const reference::Tensor &u = seen["draft.norm"][block];
    expectNear(Floats(u.row(1), u.row(1) + 4), 0,
               (block ? golden().second : golden().first).u1, "u1");
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, DFlashGolden, testing::Range(0, 3));

TEST_P(CompiledDFlash, Artifact) {
  auto [number, arch] = GetParam();
  if (!llvm::is_contained(rt::cpuTargets(), arch)) {
    GTEST_SKIP() << "this processor has no " << arch;
  }
  const Case &golden = cases()[number];
  Scratch scratch;
  std::string path = scratch.path("model.rill");
  ASSERT_TRUE(
      compileTo(compileOptions(checkpoints().path(golden.target),
                               checkpoints().path(golden.draft), path, arch)));
  ByArtifact backend(path);
  ASSERT_NE(backend.session, nullptr);
  expectCase(backend, golden);
}

INSTANTIATE_TEST_SUITE_P(Cases, CompiledDFlash,
                         testing::Combine(testing::Range(0, 3),
                                          testing::Values("x86-64-v3",
                                                          "x86-64-v4")));
