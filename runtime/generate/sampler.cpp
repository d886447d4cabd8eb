//===- sampler.cpp - From logits to a token -------------------------------===//
//
// The order of Hugging Face's processors: penalty, temperature, top-k, top-p,
// min-p (generation/logits_process.py).
//
//===----------------------------------------------------------------------===//
#include "runtime/generate/sampler.h"

#include <algorithm>
#include <cmath>

using namespace rill::rt;

std::array<uint32_t, 4> rill::rt::philox(uint64_t key,
                                         std::array<uint32_t, 4> counter) {
  auto low = static_cast<uint32_t>(key),
       high = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    uint64_t a = uint64_t(0xD2511F53u) * counter[0];
    uint64_t b = uint64_t(0xCD9E8D57u) * counter[2];
    counter = {static_cast<uint32_t>(b >> 32) ^ counter[1] ^ low,
               static_cast<uint32_t>(b),
               static_cast<uint32_t>(a >> 32) ^ counter[3] ^ high,
               static_cast<uint32_t>(a)};
    low += 0x9E3779B9u;
    high += 0xBB67AE85u;
  }
  return counter;
}

int64_t rill::rt::firstLargest(std::span<const float> values) {
  // A maximum per block is a loop that compilers vectorise; only the block
  // with the best is searched.
  constexpr size_t kBlock = 256;
  float best = -INFINITY;
  size_t from = 0;
  for (size_t at = 0; at < values.size(); at += kBlock) {
    size_t end = std::min(at + kBlock, values.size());
    float top = -INFINITY;
    for (size_t i = at; i < end; ++i) {
      top = values[i] > top ? values[i] : top;
    }
    if (top > best) {
      best = top;
      from = at;
    }
  }
  for (size_t i = from; i < values.size(); ++i) {
    if (values[i] == best) {
      return static_cast<int64_t>(i);
    }
  }
  return 0;
}

Sampler::Sampler(const SamplingParams &sampling, int64_t vocabulary)
    : sampling(sampling), candidates(vocabulary) {}

int64_t Sampler::draw(std::span<const float> logits,
                      std::span<const int64_t> history, int64_t index) {
  if (sampling.temperature == 0 && sampling.repeatPenalty == 1) {
    return firstLargest(logits);
  }
  candidates.resize(logits.size());
  for (size_t i = 0; i < logits.size(); ++i) {
    candidates[i] = {static_cast<int64_t>(i), logits[i]};
  }
  if (sampling.repeatPenalty != 1) {
    for (int64_t id : history) {
      if (id >= 0 && id < static_cast<int64_t>(logits.size())) {
        double logit = logits[id]; // the original: each id counts once
        candidates[id].logit = logit > 0 ? logit / sampling.repeatPenalty
                                         : logit * sampling.repeatPenalty;
      }
    }
  }
  if (sampling.temperature == 0) {
    auto best = std::max_element(candidates.begin(), candidates.end(),
                                 [](const Candidate &a, const Candidate &b) {
                                   return a.logit < b.logit;
                                 });
    return best->id;
  }
  std::sort(candidates.begin(), candidates.end(),
            [](const Candidate &a, const Candidate &b) {
              return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
            });
  size_t count = candidates.size();
  if (sampling.topK > 0) {
    count = std::min(count, static_cast<size_t>(sampling.topK));
  }
  double top = candidates[0].logit, total = 0;
  for (size_t i = 0; i < count; ++i) {
    candidates[i].logit =
        std::exp((candidates[i].logit - top) / sampling.temperature);
    total += candidates[i].logit;
  }
  double sum = 0;
  size_t kept = 0;
  // Probabilities descend: keep while the mass before is below top-p and the
  // probability reaches min-p of the largest. At least one stays.
  while (kept < count &&
         (kept == 0 || (sum < sampling.topP * total &&
                        candidates[kept].logit >= sampling.minP))) {
    sum += candidates[kept++].logit;
  }
  auto words =
      philox(sampling.seed, {static_cast<uint32_t>(index),
                             static_cast<uint32_t>(index >> 32), 0, 0});
  double u = (static_cast<double>(words[0] >> 5) * 67108864.0 +
              static_cast<double>(words[1] >> 6)) /
             9007199254740992.0;
  double target = u * sum, seen = 0;
  for (size_t i = 0; i < kept; ++i) {
    seen += candidates[i].logit;
    if (target < seen) {
      return candidates[i].id;
    }
  }
  return candidates[kept - 1].id;
}
