//===- prompt.h - From rendered text and pictures to segments ---*- C++ -*-===//
//
// Tokenises a rendered chat and puts every picture's crops where the template
// wrote its placeholder (lfm2_5_vl.md 4.5).
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_GENERATE_PROMPT_H
#define RILL_RUNTIME_GENERATE_PROMPT_H

#include "runtime/formats/tokenizer.h"
#include "runtime/generate/image_processor.h"

namespace rill::rt {

/// A run of token ids, or the feature rows of one crop.
struct PromptSegment {
  std::vector<int32_t> ids; ///< the placeholder id repeated, for a crop
  int64_t image = -1;       ///< index of the picture; < 0 for text
  int64_t crop = 0;         ///< index of the crop within the picture
};

/// Token ids that stand around pictures.
struct ImageTokens {
  int32_t image = -1; ///< placeholder
  int32_t start = -1, end = -1, thumbnail = -1;

  /// Looks the tokens up by the names LFM2-VL uses; `imageToken` is the
  /// placeholder's. PromptInvalid names one that the tokenizer lacks.
  static Result<ImageTokens> find(const Tokenizer &tokenizer,
                                  const std::string &imageToken = "<image>");
};

/// The prompt of a rendered chat: text segments and crops in order, neighbours
/// of one kind joined. PromptInvalid when placeholders and pictures differ in
/// number or a marker is no token.
Result<std::vector<PromptSegment>>
makePrompt(const Tokenizer &tokenizer, const ImageProcessorConfig &config,
           const ImageTokens &tokens, std::span<const TextSpan> spans,
           std::span<const ImagePlan> images);

/// All ids of a prompt joined, placeholders included.
std::vector<int32_t> promptIds(std::span<const PromptSegment> segments);

} // namespace rill::rt

#endif
