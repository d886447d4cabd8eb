//===- sampling.h - Settings of one generation ------------------*- C++ -*-===//
//
// Sampling values with their limits, and generation_config.json. The sampler
// itself is the method `step` of the artifact.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_GENERATE_SAMPLING_H
#define RILL_RUNTIME_GENERATE_SAMPLING_H

#include "runtime/formats/json.h"

namespace rill::rt {

/// What rill.sample is given. The defaults are greedy decoding.
struct SamplingParams {
  double temperature = 0;   ///< 0 is greedy; at most 100
  int64_t topK = 0;         ///< 0 is off
  double topP = 1;          ///< 1 is off; above 0
  double minP = 0;          ///< 0 is off; below 1
  double repeatPenalty = 1; ///< 1 is off; above 0, at most 100
  uint64_t seed = 0;

  /// SamplingInvalid names the value that is out of its range or no number.
  Status validate() const;
};

/// Values of generation_config.json that this runtime knows.
struct GenerationConfig {
  SamplingParams sampling;
  std::vector<int32_t> eosTokens;
  std::optional<int32_t> bosToken, padToken;

  /// Fields that are absent keep their defaults; without do_sample the
  /// temperature is 0, as in transformers.
  static Result<GenerationConfig> parse(const JsonField &root);
};

} // namespace rill::rt

#endif
