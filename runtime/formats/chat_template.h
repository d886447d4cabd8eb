//===- chat_template.h - From messages to a prompt --------------*- C++ -*-===//
//
// A bounded interpreter for the part of Jinja that chat templates use. The
// result says for every piece whether it is the template's or the user's, so
// that user text cannot become special tokens.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_FORMATS_CHAT_TEMPLATE_H
#define RILL_RUNTIME_FORMATS_CHAT_TEMPLATE_H

#include "runtime/formats/json.h"
#include "runtime/formats/tokenizer.h"

namespace rill::rt {

/// What one rendering may use up. Exceeding any of it is TemplateLimit.
struct TemplateLimits {
  size_t maxSteps = 5'000'000;          ///< evaluated nodes and loop turns
  size_t maxOutput = size_t(16) << 20;  ///< bytes
  size_t maxMemory = size_t(256) << 20; ///< bytes of all values made
  int64_t maxRange = 100'000;           ///< items of one range()
  int maxDepth = 200; ///< macros and expressions inside others
};

/// What a template is rendered with.
struct ChatInput {
  /// List of {"role", "content", ...}. As in transformers, the reasoning of a
  /// message may stand under "reasoning_content", "thinking" or "reasoning"; a
  /// template finds it under the first two.
  JsonValue messages;
  JsonValue tools; ///< list, or null for none
  bool addGenerationPrompt = true;
  /// bos_token, eos_token and the like; their text counts as the template's.
  std::vector<std::pair<std::string, std::string>> tokens;
  /// More variables (keep_past_thinking, ...); their text is the user's.
  JsonValue::Object variables;
  /// Seconds since 1970 for strftime_now, shown in the local time zone.
  int64_t now = 0;
  TemplateLimits limits;
};

/// A parsed template. Immutable; may be used by several threads.
class ChatTemplate {
public:
  ChatTemplate(ChatTemplate &&) noexcept;
  ChatTemplate &operator=(ChatTemplate &&) noexcept;
  ~ChatTemplate();

  /// Parses `source` with the settings of transformers (trim_blocks,
  /// lstrip_blocks, loop controls, generation tags). `name` stands for it in
  /// errors: TemplateInvalid, TemplateUnsupported, with the line.
  static Result<ChatTemplate> parse(std::string_view source,
                                    const std::string &name);
  /// chat_template.jinja of a checkpoint folder, or else the chat_template of
  /// its tokenizer_config.json. FileUnreadable when there is neither.
  static Result<ChatTemplate> openFolder(const std::string &folder);

  /// The prompt, in pieces; neighbours differ in origin. Errors:
  /// TemplateRefused (raise_exception, with its text), TemplateFailed (the
  /// template does what jinja2 would raise for), TemplateLimit,
  /// TemplateUnsupported.
  Result<std::vector<TextSpan>> render(const ChatInput &input) const;

private:
  struct Tree;
  explicit ChatTemplate(std::unique_ptr<Tree> tree);
  std::unique_ptr<Tree> tree;
};

} // namespace rill::rt

#endif
