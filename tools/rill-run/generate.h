//===- generate.h - Answering prompts from the command line -----*- C++ -*-===//
//
// rill-run -p: one answer, streamed; without -p on a terminal, a chat.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_TOOLS_RILL_RUN_GENERATE_H
#define RILL_TOOLS_RILL_RUN_GENERATE_H

#include "tools/rill-run/observe.h"

#include "rill.h"
#include "runtime/formats/status.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace rill::tools {

struct GenerateFlags {
  std::optional<std::string> prompt;
  std::string promptFile, systemPrompt, messagesFile;
  std::string templateVariables; ///< a JSON object, or empty
  std::vector<std::string> images, stop;
  int64_t maxNewTokens = 256;
  std::optional<double> temperature, topP, minP, repeatPenalty;
  std::optional<int64_t> topK;
  std::string specType; ///< empty: as the artifact is
  int64_t specDraftMax = 0, specDraftMin = 1;
  std::optional<int64_t> specRows; ///< anchor and drafted tokens together
  uint64_t seed = 0;
  bool raw = false, ignoreEos = false, stats = false, tokens = false,
       countTokens = false, printPrompt = false, verbose = false;
};

/// Runs what the flags ask for; text goes to standard output. The observer is
/// told of answers and tokens.
rt::Status runGenerate(const rill_model *model, rill_session *session,
                       const GenerateFlags &flags, Observer &observer);

} // namespace rill::tools

#endif
