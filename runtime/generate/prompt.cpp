//===- prompt.cpp - From rendered text and pictures to segments -----------===//
//
// Markers are special tokens, so expanding ids gives what expanding the text
// and tokenising it would.
//
//===----------------------------------------------------------------------===//
#include "runtime/generate/prompt.h"

using namespace rill::rt;

static Result<int32_t> tokenCalled(const Tokenizer &tokenizer,
                                   const std::string &name) {
  std::optional<int32_t> id = tokenizer.idOf(name);
  if (!id) {
    return makeError(ErrorCode::PromptInvalid, "tokenizer",
                     "it has no token \"" + name + "\"");
  }
  return *id;
}

Result<ImageTokens> ImageTokens::find(const Tokenizer &tokenizer,
                                      const std::string &imageToken) {
  ImageTokens tokens;
  RILL_ASSIGN(tokens.image, tokenCalled(tokenizer, imageToken));
  RILL_ASSIGN(tokens.start, tokenCalled(tokenizer, "<|image_start|>"));
  RILL_ASSIGN(tokens.end, tokenCalled(tokenizer, "<|image_end|>"));
  RILL_ASSIGN(tokens.thumbnail, tokenCalled(tokenizer, "<|img_thumbnail|>"));
  return tokens;
}

namespace {
class PromptBuilder {
public:
  PromptBuilder(const Tokenizer &tokenizer, const ImageProcessorConfig &config,
                const ImageTokens &tokens)
      : tokenizer(tokenizer), config(config), tokens(tokens) {}

  void text(int32_t id) {
    if (segments.empty() || segments.back().image >= 0) {
      segments.emplace_back();
    }
    segments.back().ids.push_back(id);
  }

  Status picture(const ImagePlan &plan, int64_t index) {
    marker(tokens.start);
    for (int64_t crop = 0; crop < plan.crops(); ++crop) {
      if (plan.tiled && crop < plan.rows * plan.columns) {
        RILL_TRY(tileMarker(crop / plan.columns + 1, crop % plan.columns + 1));
      } else if (plan.tiled) {
        marker(tokens.thumbnail);
      }
      PromptSegment segment;
      segment.image = index;
      segment.crop = crop;
      segment.ids.assign(static_cast<size_t>(cropTokens(config, plan, crop)),
                         tokens.image);
      segments.push_back(std::move(segment));
    }
    marker(tokens.end);
    return {};
  }

  std::vector<PromptSegment> segments;

private:
  void marker(int32_t id) {
    if (config.useSpecialTokens) {
      text(id);
    }
  }
  Status tileMarker(int64_t row, int64_t column) {
    if (config.useSpecialTokens) {
      RILL_ASSIGN(
          int32_t id,
          tokenCalled(tokenizer, format("<|img_row_%lld_col_%lld|>",
                                        static_cast<long long>(row),
                                        static_cast<long long>(column))));
      text(id);
    }
    return {};
  }

  const Tokenizer &tokenizer;
  const ImageProcessorConfig &config;
  const ImageTokens &tokens;
};
} // namespace

Result<std::vector<PromptSegment>>
rill::rt::makePrompt(const Tokenizer &tokenizer,
                     const ImageProcessorConfig &config,
                     const ImageTokens &tokens, std::span<const TextSpan> spans,
                     std::span<const ImagePlan> images) {
  RILL_ASSIGN(std::vector<int32_t> ids, tokenizer.encode(spans));
  PromptBuilder builder(tokenizer, config, tokens);
  size_t next = 0;
  for (int32_t id : ids) {
    if (id != tokens.image) {
      builder.text(id);
    } else if (next++ < images.size()) {
      RILL_TRY(
          builder.picture(images[next - 1], static_cast<int64_t>(next - 1)));
    }
  }
  if (next != images.size()) {
    return makeError(ErrorCode::PromptInvalid, "prompt",
                     format("has %zu picture placeholders for %zu pictures",
                            next, images.size()),
                     "give one --image for each <image> of the prompt");
  }
  return std::move(builder.segments);
}

std::vector<int32_t>
rill::rt::promptIds(std::span<const PromptSegment> segments) {
  std::vector<int32_t> ids;
  for (const PromptSegment &segment : segments) {
    ids.insert(ids.end(), segment.ids.begin(), segment.ids.end());
  }
  return ids;
}
