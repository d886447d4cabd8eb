//===- sampling_params.cpp - Values of rill.sample ------------------------===//
//
// Ranges are checked with comparisons that a NaN fails.
//
//===----------------------------------------------------------------------===//
#include "runtime/formats/sampling_params.h"

#include "runtime/formats/json.h"

using namespace rill::rt;

static Status check(const char *name, double value, bool good,
                    const char *range) {
  if (good) {
    return {};
  }
  return makeError(ErrorCode::SamplingInvalid, name,
                   "is " + pythonFloat(value) + ", allowed is " + range);
}

Status SamplingParams::validate() const {
  RILL_TRY(check("temperature", temperature,
                 temperature >= 0 && temperature <= 100, "0 to 100"));
  RILL_TRY(check("top-k", static_cast<double>(topK),
                 topK >= 0 && topK <= INT32_MAX, "0 or more"));
  RILL_TRY(check("top-p", topP, topP > 0 && topP <= 1, "above 0, at most 1"));
  RILL_TRY(check("min-p", minP, minP >= 0 && minP < 1, "0 to below 1"));
  return check("repeat-penalty", repeatPenalty,
               repeatPenalty > 0 && repeatPenalty <= 100,
               "above 0, at most 100");
}
