//===- sampling_params.h - Values of rill.sample ----------------*- C++ -*-===//
//
// What a draw depends on besides logits and history, with its limits.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_FORMATS_SAMPLING_PARAMS_H
#define RILL_RUNTIME_FORMATS_SAMPLING_PARAMS_H

#include "runtime/formats/status.h"

#include <cstdint>

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

} // namespace rill::rt

#endif
