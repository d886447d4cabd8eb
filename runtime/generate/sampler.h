//===- sampler.h - From logits to a token -----------------------*- C++ -*-===//
//
// Penalty, temperature, top-k, top-p, min-p, and a draw by Philox4x32-10.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_GENERATE_SAMPLER_H
#define RILL_RUNTIME_GENERATE_SAMPLER_H

#include "runtime/generate/sampling.h"

#include <array>
#include <span>
#include <vector>

namespace rill::rt {

/// Philox4x32-10 (Salmon et al., SC 2011): four words for a key and counter.
std::array<uint32_t, 4> philox(uint64_t key, std::array<uint32_t, 4> counter);

/// The first index of the largest value; 0 when all are NaN.
int64_t firstLargest(std::span<const float> values);

/// Draws tokens for one sequence on the host: what the op rill.sample says
/// (docs/Reference), but for the last bits of exp. Owns its work space.
class Sampler {
public:
  Sampler(const SamplingParams &sampling, int64_t vocabulary);

  const SamplingParams &params() const { return sampling; }
  /// The token for `logits` [V]. `history` are all ids of prompt and output;
  /// the draw depends on (seed, index) alone.
  int64_t draw(std::span<const float> logits, std::span<const int64_t> history,
               int64_t index);

private:
  void penalise(std::span<const float> logits,
                std::span<const int64_t> history);
  /// The smallest logit that top-k and top-p keep.
  float leastKept();

  SamplingParams sampling;
  std::vector<float> values, sorted; ///< logits, penalised
  std::vector<float> powers;         ///< exp((l - largest) / temperature)
};

} // namespace rill::rt

#endif
