//===- SampleOp.cpp - Reference: rill.sample ------------------------------===//
//
// The op's description in plain loops over sorted ids.
//
//===----------------------------------------------------------------------===//
#include "Frame.h"

#include <cmath>

using namespace mlir;
using namespace rill;
using namespace rill::reference;

/// Words 0 and 1 of Philox4x32-10 (Salmon et al., SC 2011).
static uint64_t philox(uint64_t seed, uint64_t index, uint32_t sequence) {
  uint32_t counter[4] = {static_cast<uint32_t>(index),
                         static_cast<uint32_t>(index >> 32), sequence, 0};
  auto low = static_cast<uint32_t>(seed),
       high = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    uint64_t a = uint64_t(0xD2511F53u) * counter[0];
    uint64_t b = uint64_t(0xCD9E8D57u) * counter[2];
    uint32_t next[4] = {static_cast<uint32_t>(b >> 32) ^ counter[1] ^ low,
                        static_cast<uint32_t>(b),
                        static_cast<uint32_t>(a >> 32) ^ counter[3] ^ high,
                        static_cast<uint32_t>(a)};
    std::copy(next, next + 4, counter);
    low += 0x9E3779B9u;
    high += 0xBB67AE85u;
  }
  return (static_cast<uint64_t>(counter[0]) << 32) | counter[1];
}

namespace {
/// What is left of an id while the rules are applied.
struct Candidate {
  float logit, e;
  int64_t weight;
};
} // namespace

/// The smallest logit that top-k and top-p keep.
static float threshold(ArrayRef<Candidate> all, const Sampling &sampling) {
  std::vector<Candidate> sorted(all.begin(), all.end());
  llvm::stable_sort(sorted, [](const Candidate &a, const Candidate &b) {
    return a.logit > b.logit;
  });
  size_t count = sorted.size();
  if (sampling.topK > 0 && static_cast<size_t>(sampling.topK) < count) {
    float least = sorted[sampling.topK - 1].logit;
    count = static_cast<size_t>(sampling.topK);
    while (count < sorted.size() && sorted[count].logit == least) {
      ++count;
    }
  }
  if (sampling.topP >= 1) {
    return sorted[count - 1].logit;
  }
  int64_t total = 0, before = 0;
  for (size_t i = 0; i < count; ++i) {
    total += sorted[i].weight;
  }
  double share = sampling.topP * static_cast<double>(total);
  float least = sorted[0].logit;
  for (size_t i = 0; i < count && static_cast<double>(before) < share;) {
    least = sorted[i].logit;
    for (; i < count && sorted[i].logit == least; ++i) {
      before += sorted[i].weight;
    }
  }
  return least;
}

static int64_t drawn(ArrayRef<Candidate> all, float least, float minP,
                     uint64_t random) {
  auto kept = [&](const Candidate &candidate) {
    return candidate.logit >= least && candidate.e >= minP ? candidate.weight
                                                           : 0;
  };
  uint64_t sum = 0, seen = 0;
  for (const Candidate &candidate : all) {
    sum += kept(candidate);
  }
  auto share =
      static_cast<uint64_t>(static_cast<unsigned __int128>(random) * sum >> 64);
  for (auto [id, candidate] : llvm::enumerate(all)) {
    seen += kept(candidate);
    if (seen > share) {
      return static_cast<int64_t>(id);
    }
  }
  return 0;
}

/// One row of logits, penalised, to a token.
static int64_t sampleRow(ArrayRef<float> logits, const Sampling &sampling,
                         uint64_t random) {
  const float *first = std::max_element(logits.begin(), logits.end());
  float top = *first;
  auto temperature = static_cast<float>(sampling.temperature);
  if (temperature == 0 || top == -INFINITY) {
    return first - logits.begin();
  }
  std::vector<Candidate> all;
  for (float logit : logits) {
    float x = logit == top ? 0 : (logit - top) / temperature;
    auto e = static_cast<float>(std::exp(static_cast<double>(x)));
    all.push_back({logit, e, static_cast<int64_t>(std::ldexp(e, 40))});
  }
  return drawn(all, threshold(all, sampling), static_cast<float>(sampling.minP),
               random);
}

Tensor Frame::sample(SampleOp op) {
  const Tensor &logits = get(op.getLogits());
  const Sampling &sampling = session.sampling;
  Tensor y = make(op, {logits.dim(0)});
  int64_t vocabulary = logits.dim(1);
  for (int64_t b = 0; b < logits.dim(0); ++b) {
    std::vector<float> row(logits.row(b), logits.row(b) + vocabulary);
    for (float &logit : row) {
      logit = std::isnan(logit) ? -INFINITY : logit;
    }
    int64_t ids = starts()[b] + symbols.s;
    if (op.getHistoryAttr()) {
      const Tensor &history = session.state(stateOf(op, op.getHistoryAttr()));
      auto penalty = static_cast<float>(sampling.repeatPenalty);
      const std::vector<float> plain = row;
      for (int64_t n = 0; n < std::min(ids, history.dim(1)); ++n) {
        int64_t id = history.i[b * history.dim(1) + n];
        if (id >= 0 && id < vocabulary) {
          float logit = plain[id];
          row[id] = logit > 0 ? logit / penalty : logit * penalty;
        }
      }
    }
    y.i[b] = sampleRow(row, sampling,
                       philox(sampling.seed, static_cast<uint64_t>(ids),
                              static_cast<uint32_t>(b)));
  }
  return y;
}
