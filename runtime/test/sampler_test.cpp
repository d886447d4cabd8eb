//===- sampler_test.cpp - From logits to a token --------------------------===//
//
// Known answers of Philox, each filter, and the distribution of draws.
//
//===----------------------------------------------------------------------===//
#include "runtime/generate/sampler.h"

#include <cmath>
#include <gtest/gtest.h>
#include <map>

using namespace rill::rt;

// Known-answer vectors of the Random123 distribution, philox4x32-10.
TEST(Sampler, PhiloxKnownAnswers) {
  std::array<uint32_t, 4> zero = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c,
                                  0x9b00dbd8};
  EXPECT_EQ(philox(0, {0, 0, 0, 0}), zero);
  std::array<uint32_t, 4> ones = {0x408f276d, 0x41c83b0e, 0xa20bc7c6,
                                  0x6d5451fd};
  EXPECT_EQ(philox(~0ull, {~0u, ~0u, ~0u, ~0u}), ones);
}

static int64_t draw(SamplingParams params, std::vector<float> logits,
                    std::vector<int64_t> history = {}, int64_t index = 0) {
  return Sampler(params, static_cast<int64_t>(logits.size()))
      .draw(logits, history, index);
}

TEST(Sampler, GreedyTakesTheFirstLargest) {
  EXPECT_EQ(draw({}, {1, 3, 3, 2}), 1);
}

// Positive logits are divided, negative ones multiplied; an id counts once.
TEST(Sampler, RepeatPenalty) {
  SamplingParams params;
  params.repeatPenalty = 2;
  EXPECT_EQ(draw(params, {3, 2}, {0, 0, 0}), 1);
  EXPECT_EQ(draw(params, {-1, -1.5f}, {0}), 1);
  EXPECT_EQ(draw(params, {3, 1.4f}, {0}), 0);
}

/// Counts of 40,000 draws.
static std::map<int64_t, int> count(const SamplingParams &params,
                                    const std::vector<float> &logits) {
  std::map<int64_t, int> counts;
  Sampler sampler(params, static_cast<int64_t>(logits.size()));
  for (int64_t i = 0; i < 40000; ++i) {
    ++counts[sampler.draw(logits, {}, i)];
  }
  return counts;
}

TEST(Sampler, DrawsFollowTheSoftmax) {
  SamplingParams params;
  params.temperature = 0.5;
  params.seed = 7;
  std::vector<float> logits = {0.3f, -0.2f, 0.9f, 0.0f};
  auto counts = count(params, logits);
  double total = 0, chi = 0;
  for (float logit : logits) {
    total += std::exp(logit / 0.5);
  }
  for (size_t i = 0; i < logits.size(); ++i) {
    double expected = 40000 * std::exp(logits[i] / 0.5) / total;
    chi += std::pow(counts[i] - expected, 2) / expected;
  }
  EXPECT_LT(chi, 16.27); // 3 degrees of freedom, p = 0.001
}

TEST(Sampler, FiltersKeepWhatTheySay) {
  std::vector<float> logits = {std::log(0.5f), std::log(0.3f), std::log(0.15f),
                               std::log(0.05f)};
  SamplingParams params;
  params.temperature = 1;
  params.topK = 2;
  EXPECT_EQ(count(params, logits).size(), 2u);
  params.topK = 0;
  params.topP = 0.6; // 0.5 is below, so the second is kept too
  EXPECT_EQ(count(params, logits).size(), 2u);
  params.topP = 1;
  params.minP = 0.25; // of 0.5: keeps 0.15 and above
  EXPECT_EQ(count(params, logits).size(), 3u);
}

// A replay gives the same tokens; another seed others.
TEST(Sampler, DependsOnSeedAndIndexAlone) {
  SamplingParams params;
  params.temperature = 1;
  std::vector<float> logits(50, 0.0f);
  std::vector<int64_t> first, again, other;
  for (int64_t i = 0; i < 20; ++i) {
    first.push_back(draw(params, logits, {}, i));
    again.push_back(draw(params, logits, {1, 2, 3}, i));
  }
  params.seed = 1;
  for (int64_t i = 0; i < 20; ++i) {
    other.push_back(draw(params, logits, {}, i));
  }
  EXPECT_EQ(first, again);
  EXPECT_NE(first, other);
}
