//===- generator.h - From messages to streamed text -------------*- C++ -*-===//
//
// Prompt, prefill in chunks, decode loop. Works through the C API of librill
// and the assets of the artifact.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_GENERATE_GENERATOR_H
#define RILL_RUNTIME_GENERATE_GENERATOR_H

#include "rill.h"
#include "runtime/formats/chat_template.h"
#include "runtime/formats/json.h"
#include "runtime/formats/tokenizer.h"
#include "runtime/generate/decoder.h"
#include "runtime/generate/prompt.h"
#include "runtime/generate/text_stream.h"

#include <atomic>
#include <functional>
#include <memory>

namespace rill::rt {

struct GenerateOptions {
  SamplingParams sampling;
  SpecOptions spec;
  int64_t maxNewTokens = 256;
  std::vector<std::string> stop;
  bool ignoreEos = false;
  /// Told of every token that is drawn, in order; null: not asked for.
  std::function<void(int64_t id)> token;
  /// Read before every token and every chunk of the prompt; null: never.
  const std::atomic<bool> *cancelled = nullptr;
};

/// Why generation ended.
enum class StopReason { EndToken, StopString, Limit, Context, Cancelled };

struct Generated {
  std::vector<int64_t> ids; ///< the end token is not among them
  std::string text;         ///< special tokens left out, stop string cut off
  StopReason reason = StopReason::Limit;
  double promptSeconds = 0, decodeSeconds = 0;
  SpecStats spec;
};

/// Text generation with one session. The model and session are the caller's
/// and must outlive it.
class Generator {
public:
  /// Reads tokenizer, template and generation settings from the artifact.
  static Result<std::unique_ptr<Generator>> create(const rill_model *model,
                                                   rill_session *session);

  /// Decodes and plans a picture and runs vision_encoder on its crops; the
  /// features wait for the next prompt. `name` stands for it in errors.
  Status addPicture(std::span<const uint8_t> bytes, const std::string &name);
  /// As addPicture, for pixels.
  Status addImage(Image image);
  void clearPictures() { pictures.clear(); }
  size_t pictureCount() const { return pictures.size(); }

  /// Renders messages with the chat template of the artifact.
  Result<std::vector<TextSpan>> render(const ChatInput &input) const;
  /// Segments of a rendered prompt or of raw text, pictures in order.
  Result<std::vector<PromptSegment>>
  prompt(std::span<const TextSpan> spans) const;

  /// Streams valid UTF-8 pieces to `text`, which returns false to cancel.
  /// The session is reset first. Errors: ContextFull when the prompt does not
  /// fit.
  Result<Generated> generate(std::span<const PromptSegment> prompt,
                             const GenerateOptions &options,
                             const std::function<bool(std::string_view)> &text);

  const Tokenizer &tokenizer() const { return *words; }
  bool hasDrafter() const { return decoder->hasDrafter(); }
  /// What generation_config.json of the artifact says.
  const GenerationConfig &defaults() const { return generation; }

private:
  struct Picture {
    ImagePlan plan;
    std::vector<std::vector<uint8_t>> crops; ///< feature rows of each
  };

  Status readAssets();
  Status readProcessor();
  Result<std::string_view> asset(std::string_view file) const;
  Result<std::vector<uint8_t>> encodeCrop(ImageCrop &crop);
  Status prefill(std::span<const PromptSegment> prompt,
                 std::span<const int64_t> ids, const GenerateOptions &options);

  const rill_model *model = nullptr;
  rill_session *session = nullptr;
  JsonValue manifest;
  GenerationConfig generation;
  std::optional<Decoder> decoder;
  std::optional<Tokenizer> words;
  std::optional<ChatTemplate> chat;
  std::optional<ImageProcessorConfig> processor;
  ImageTokens markers;
  std::vector<std::pair<std::string, std::string>> templateTokens;
  std::vector<Picture> pictures;
  std::vector<int64_t> ends;
};

} // namespace rill::rt

#endif
