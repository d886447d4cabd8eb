//===- sampler.cpp - From logits to a token -------------------------------===//
//
// The rules of the op rill.sample: the order of Hugging Face's processors
// (generation/logits_process.py).
//
//===----------------------------------------------------------------------===//
#include "runtime/generate/sampler.h"

#include <algorithm>
#include <cmath>
#include <functional>

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
    : sampling(sampling) {
  for (auto *list : {&values, &sorted, &powers}) {
    list->reserve(vocabulary);
  }
}

void Sampler::penalise(std::span<const float> logits,
                       std::span<const int64_t> history) {
  values.resize(logits.size());
  for (size_t i = 0; i < logits.size(); ++i) {
    values[i] = std::isnan(logits[i]) ? -INFINITY : logits[i];
  }
  auto penalty = static_cast<float>(sampling.repeatPenalty);
  if (penalty == 1) {
    return;
  }
  for (int64_t id : history) {
    if (id >= 0 && id < static_cast<int64_t>(logits.size()) &&
        !std::isnan(logits[id])) {
      float logit = logits[id]; // the original: each id counts once
      values[id] = logit > 0 ? logit / penalty : logit * penalty;
    }
  }
}

/// floor(2^40 e): integers, whose sums no order changes.
static uint64_t weightOf(float power) {
  return static_cast<uint64_t>(power * 0x1p40f);
}

float Sampler::leastKept() {
  sorted = values;
  auto descending = std::greater<float>();
  if (sampling.topK > 0 && static_cast<size_t>(sampling.topK) < sorted.size()) {
    auto last = sorted.begin() + sampling.topK - 1;
    std::nth_element(sorted.begin(), last, sorted.end(), descending);
    float least = *last; // and its equals
    std::erase_if(sorted, [&](float value) { return value < least; });
  }
  if (sampling.topP >= 1) {
    return *std::min_element(sorted.begin(), sorted.end());
  }
  std::sort(sorted.begin(), sorted.end(), descending);
  auto temperature = static_cast<float>(sampling.temperature);
  auto weight = [&](float value) {
    return weightOf(value == sorted[0]
                        ? 1.0f
                        : std::exp((value - sorted[0]) / temperature));
  };
  uint64_t total = 0, before = 0;
  for (float value : sorted) {
    total += weight(value);
  }
  double share = sampling.topP * static_cast<double>(total);
  float least = sorted[0];
  for (size_t i = 0;
       i < sorted.size() && static_cast<double>(before) < share;) {
    least = sorted[i];
    for (; i < sorted.size() && sorted[i] == least; ++i) {
      before += weight(least);
    }
  }
  return least;
}

int64_t Sampler::draw(std::span<const float> logits,
                      std::span<const int64_t> history, int64_t index) {
  auto temperature = static_cast<float>(sampling.temperature);
  if (temperature == 0 && sampling.repeatPenalty == 1) {
    return firstLargest(logits);
  }
  penalise(logits, history);
  int64_t first = firstLargest(values);
  float top = values[first];
  if (temperature == 0 || top == -INFINITY) {
    return first;
  }
  float least = leastKept();
  auto minP = static_cast<float>(sampling.minP);
  powers.resize(values.size());
  uint64_t sum = 0, seen = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    float power =
        values[i] == top ? 1.0f : std::exp((values[i] - top) / temperature);
    powers[i] = values[i] >= least && power >= minP ? power : 0;
    sum += weightOf(powers[i]);
  }
  auto words =
      philox(sampling.seed, {static_cast<uint32_t>(index),
                             static_cast<uint32_t>(index >> 32), 0, 0});
  uint64_t random = (uint64_t(words[0]) << 32) | words[1];
  auto share =
      static_cast<uint64_t>(static_cast<unsigned __int128>(random) * sum >> 64);
  for (size_t i = 0; i < powers.size(); ++i) {
    seen += weightOf(powers[i]);
    if (seen > share) {
      return static_cast<int64_t>(i);
    }
  }
  return first;
}
