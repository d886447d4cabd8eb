//===- sampling.h - Settings of one generation ------------------*- C++ -*-===//
//
// What generation_config.json says.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_GENERATE_SAMPLING_H
#define RILL_RUNTIME_GENERATE_SAMPLING_H

#include "runtime/formats/json.h"
#include "runtime/formats/sampling_params.h"

namespace rill::rt {

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
