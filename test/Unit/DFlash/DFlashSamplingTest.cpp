//===- DFlashSamplingTest.cpp - Drafting changes no distribution ----------===//
//
// The joint distribution of two tokens behind the first, with drafts, against
// the exact one: every pair's probability from plain decoding and a plain
// reading of the sampling rules.
//
//===----------------------------------------------------------------------===//
#include "Toy.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <set>

using namespace rill;
using namespace rill::drafted;

namespace {
constexpr size_t kVocab = 20;
const Ids kPrompt = {3, 14, 1, 5, 9, 2, 6};

struct Rule {
  const char *name;
  rt::SamplingParams sampling;
};

std::vector<Rule> rules() {
  std::vector<Rule> all = {{"temperature", {}}, {"cool", {}},  {"top-k", {}},
                           {"top-p", {}},       {"min-p", {}}, {"penalty", {}},
                           {"all", {}}};
  for (Rule &rule : all) {
    rule.sampling.temperature = 1.0;
  }
  all[1].sampling.temperature = 0.3;
  all[2].sampling.topK = 5;
  all[3].sampling.topP = 0.8;
  all[4].sampling.minP = 0.3;
  all[5].sampling.repeatPenalty = 1.5;
  all[6].sampling = {0.7, 8, 0.9, 0.1, 1.2, 0};
  return all;
}

/// What the rules make of logits: penalty, temperature, top-k, softmax, top-p,
/// min-p, renormalised.
std::vector<double> probabilities(const Floats &logits, const Ids &history,
                                  const rt::SamplingParams &rule) {
  std::vector<double> score(logits.begin(), logits.end());
  for (int64_t id : std::set<int64_t>(history.begin(), history.end())) {
    score[id] = score[id] > 0 ? score[id] / rule.repeatPenalty
                              : score[id] * rule.repeatPenalty;
  }
  std::vector<size_t> order(score.size());
  for (size_t i = 0; i < order.size(); ++i) {
    order[i] = i;
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return score[a] > score[b]; });
  size_t count =
      rule.topK ? std::min<size_t>(rule.topK, order.size()) : order.size();
  std::vector<double> p(score.size(), 0.0);
  double total = 0, before = 0, kept = 0;
  for (size_t i = 0; i < count; ++i) {
    total += std::exp(score[order[i]] / rule.temperature);
  }
  double most = std::exp(score[order[0]] / rule.temperature) / total;
  for (size_t i = 0; i < count; ++i) {
    double own = std::exp(score[order[i]] / rule.temperature) / total;
    if (i == 0 || (before < rule.topP && own >= rule.minP * most)) {
      p[order[i]] = own;
      kept += own;
    }
    before += own;
  }
  for (double &x : p) {
    x /= kept;
  }
  return p;
}

/// P(second and third token) by plain decoding, and for every first token the
/// best second and third: proposals that are often right.
struct Joint {
  std::vector<double> of = std::vector<double>(kVocab * kVocab, 0.0);
  std::array<std::array<int64_t, 2>, kVocab> likely = {};
};

int64_t likeliest(const std::vector<double> &p) {
  return std::max_element(p.begin(), p.end()) - p.begin();
}

Joint exactJoint(Toy &toy, const rt::SamplingParams &rule) {
  Joint joint;
  toy.feed({kPrompt, {}}, false);
  auto now = toy.decoder->logits();
  auto first = probabilities({now.begin(), now.end()}, kPrompt, rule);
  auto length = static_cast<int64_t>(kPrompt.size());
  auto back = [&](int64_t rows) {
    expectOk(rt::statusFromC(rill_session_rollback(toy.session, 0, rows)));
  };
  Ids history = kPrompt;
  for (size_t a = 0; a < kVocab; ++a) {
    if (first[a] == 0) {
      continue;
    }
    history.push_back(static_cast<int64_t>(a));
    auto second = probabilities(toy.next(history.back()), history, rule);
    joint.likely[a][0] = likeliest(second);
    for (size_t b = 0; b < kVocab; ++b) {
      if (second[b] == 0) {
        continue;
      }
      history.push_back(static_cast<int64_t>(b));
      auto third = probabilities(toy.next(history.back()), history, rule);
      for (size_t c = 0; c < kVocab; ++c) {
        joint.of[b * kVocab + c] += first[a] * second[b] * third[c];
      }
      if (static_cast<int64_t>(b) == joint.likely[a][0]) {
        joint.likely[a][1] = likeliest(third);
      }
      history.pop_back();
      back(length + 1);
    }
    history.pop_back();
    back(length);
  }
  return joint;
}

/// Upper tail of the chi-square distribution (Wilson and Hilferty, 1931).
double upperTail(double chi, double degrees) {
  double spread = 2 / (9 * degrees);
  double z = (std::cbrt(chi / degrees) - (1 - spread)) / std::sqrt(spread);
  return 0.5 * std::erfc(z / std::sqrt(2.0));
}

/// The p-value; rare cells are one.
double goodness(const std::vector<size_t> &counts,
                const std::vector<double> &expected, size_t draws) {
  double chi = 0, restExpected = 0, restCount = 0;
  double cells = 0, all = static_cast<double>(draws);
  auto add = [&](double have, double due) {
    chi += (have - due) * (have - due) / due;
    ++cells;
  };
  for (size_t i = 0; i < counts.size(); ++i) {
    double due = expected[i] * all, have = static_cast<double>(counts[i]);
    if (due < 8) {
      restExpected += due;
      restCount += have;
    } else {
      add(have, due);
    }
  }
  if (restExpected >= 8) {
    add(restCount, restExpected);
  } else {
    EXPECT_LE(restCount, restExpected + 40);
  }
  return cells > 1 ? upperTail(chi, cells - 1) : 1.0;
}
/// Drafts of `width` rows: the drafter's, or ones that are often right.
rt::SpecOptions proposals(int64_t width, const Joint &exact) {
  rt::SpecOptions spec = fixedWidth(width);
  if (width == 8) {
    spec.propose = [&exact](std::span<int64_t> block, int64_t start) {
      bool first = start == static_cast<int64_t>(kPrompt.size());
      block[1] = exact.likely[block[0]][0];
      block[2] = exact.likely[block[0]][first ? 1 : 0];
    };
  }
  return spec;
}

/// Three tokens behind the prompt, which the session holds.
Ids drawThree(Toy &toy, const rt::SamplingParams &sampling,
              const rt::SpecOptions &spec, rt::SpecStats &stats) {
  rt::Sampler sampler(sampling, kVocab);
  Ids history = kPrompt;
  expectOk(
      rt::statusFromC(rill_session_rollback(toy.session, 0, kPrompt.size())));
  expectOk(toy.decoder->run(
      sampler, spec, history,
      [&](int64_t, int64_t) { return history.size() == kPrompt.size() + 3; },
      stats));
  return {history.begin() + static_cast<int64_t>(kPrompt.size()),
          history.end()};
}

void expectJoint(Toy &toy, Rule rule, const Joint &exact, int64_t width,
                 size_t draws) {
  std::vector<size_t> counts(exact.of.size(), 0);
  rt::SpecStats stats;
  rt::SpecOptions spec = proposals(width, exact);
  toy.feed({kPrompt, {}}, true);
  size_t compared = 0;
  for (size_t seed = 0; seed < draws; ++seed) {
    rule.sampling.seed = seed * 2654435761u + static_cast<size_t>(width);
    Ids three = drawThree(toy, rule.sampling, spec, stats);
    ++counts[three[1] * kVocab + three[2]];
    if (seed % (draws / 20 + 1) == 0) {
      // The same seed without drafts: not only the same distribution.
      EXPECT_EQ(toy.generate({kPrompt, {}}, 3, rule.sampling, plain()), three)
          << rule.name;
      toy.feed({kPrompt, {}}, true);
      ++compared;
    }
  }
  double p = goodness(counts, exact.of, draws);
  EXPECT_GT(p, 0.001) << rule.name << " width " << width;
  std::printf("sampling %-11s %s: p %.4f over %zu draws, mean length %.2f, "
              "%zu seeds equal to plain\n",
              rule.name, width == 4 ? "drafter, width 4" : "likely, width 8", p,
              draws, stats.meanLength(), compared);
}
} // namespace

TEST(DFlashSampling, JointDistributionOfTwoTokens) {
  Scratch scratch;
  ASSERT_TRUE(scratch.run("make_dflash_golden " + scratch.path("")));
  std::string path = scratch.path("model.rill");
  ASSERT_TRUE(compileTo(
      compileOptions(scratch.path("l"), scratch.path("c"), path, "x86-64-v3")));
  Toy toy(path, 1);
  ASSERT_TRUE(toy.ready());
  auto draws =
      static_cast<size_t>(sizeFromEnvironment("RILL_DFLASH_DRAWS", 3000));
  for (const Rule &rule : rules()) {
    Joint exact = exactJoint(toy, rule.sampling);
    for (int64_t width : {4, 8}) {
      expectJoint(toy, rule, exact, width, draws);
    }
  }
}
