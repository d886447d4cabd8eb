//===- speculation.h - What drafting costs and gives ------------*- C++ -*-===//
//
// With a fixed acceptance length, for models without words; and on prompts,
// with and without drafts.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_TOOLS_RILL_BENCH_SPECULATION_H
#define RILL_TOOLS_RILL_BENCH_SPECULATION_H

#include "rill.h"
#include "runtime/formats/json.h"

#include <string>

namespace rill::tools {

struct SpecBench {
  int64_t width = 8;   ///< rows of a verify
  int64_t length = 4;  ///< tokens every verify commits
  int64_t depth = 128; ///< context before
  int64_t tokens = 64; ///< of one repetition
  int repeat = 3;
};

/// Decodes with drafts that commit `length` tokens whatever matches, and
/// plainly, in turn; medians over the repetitions. The result has, in seconds,
/// decode, draft, verify (each of one call) and token (with drafts), and
/// outside: the share of the loop that is in neither method.
rt::Result<rt::JsonValue> benchSynthetic(const rill_model *model,
                                         rill_session *session,
                                         const SpecBench &options);

struct PromptBench {
  std::string file;           ///< JSON lines
  bool off = true, on = true; ///< without drafts, with drafts
  int64_t width = 0;          ///< rows of a verify at most; 0: all there are
  int repeat = 3;
};

/// Answers every prompt of a JSON-lines file ({"prompt": text, "image": file
/// beside it or absent}), greedily, with drafts and without, in turn. The
/// result has tokens, plain and drafted seconds of decoding (0 where not
/// asked), equal (answers alike in both), mean_length, and lengths: verifies
/// by tokens committed.
rt::Result<rt::JsonValue> benchPrompts(const rill_model *model,
                                       rill_session *session,
                                       const PromptBench &options);

} // namespace rill::tools

#endif
