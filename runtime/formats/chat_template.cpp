//===- chat_template.cpp - From messages to a prompt ----------------------===//
//
// The public face of the interpreter, and where a checkpoint keeps its
// template.
//
//===----------------------------------------------------------------------===//
#include "runtime/formats/chat_template.h"

#include "runtime/formats/mapped_file.h"
#include "runtime/formats/template_eval.h"

using namespace rill::rt;

struct ChatTemplate::Tree {
  std::string name;
  tmpl::Body body;
};

ChatTemplate::ChatTemplate(std::unique_ptr<Tree> tree)
    : tree(std::move(tree)) {}
ChatTemplate::ChatTemplate(ChatTemplate &&) noexcept = default;
ChatTemplate &ChatTemplate::operator=(ChatTemplate &&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

Result<ChatTemplate> ChatTemplate::parse(std::string_view source,
                                         const std::string &name) {
  if (source.size() > size_t(1) << 20) {
    return makeError(ErrorCode::FileTooLarge, name,
                     format("a template of %zu bytes, the limit is %d",
                            source.size(), 1 << 20));
  }
  RILL_ASSIGN(tmpl::Body body, tmpl::parseTemplate(source, name));
  auto tree = std::make_unique<Tree>();
  tree->name = name;
  tree->body = std::move(body);
  return ChatTemplate(std::move(tree));
}

Result<ChatTemplate> ChatTemplate::openFolder(const std::string &folder) {
  const std::string file = "chat_template.jinja";
  const std::string config = "tokenizer_config.json";
  if (fileExists(folder + "/" + file)) {
    RILL_ASSIGN(std::string path, resolveInFolder(folder, file));
    RILL_ASSIGN(std::string source, readTextFile(path, size_t(1) << 20));
    return parse(source, file);
  }
  if (fileExists(folder + "/" + config)) {
    RILL_ASSIGN(std::string path, resolveInFolder(folder, config));
    RILL_ASSIGN(JsonValue root, readJsonFile(path));
    if (auto field = JsonField(root, config).findValue("chat_template")) {
      RILL_ASSIGN(std::string source, field->asString());
      return parse(source, field->where());
    }
  }
  return makeError(ErrorCode::FileUnreadable, folder,
                   "holds no chat template (" + file +
                       ", or chat_template in " + config + ")",
                   "name one with --chat-template-file");
}

/// A message whose reasoning stands under "thinking" and "reasoning_content"
/// too, whatever it was passed as; members in the order transformers gives.
static JsonValue::Object withReasoning(const JsonValue::Object &message) {
  JsonValue::Object out;
  const JsonValue whole(message);
  const JsonValue *reasoning = nullptr;
  for (const char *key : {"reasoning_content", "thinking", "reasoning"}) {
    const JsonValue *value = whole.find(key);
    reasoning = !reasoning && value && !value->isNull() ? value : reasoning;
  }
  if (!reasoning) {
    return message;
  }
  const JsonValue *thinking = whole.find("thinking");
  out.push_back({"thinking", thinking ? *thinking : *reasoning});
  for (const JsonMember &member : message) {
    if (member.key != "thinking" && member.key != "reasoning_content") {
      out.push_back(member);
    } else if (member.key == "reasoning_content") {
      out.push_back({member.key, *reasoning});
    }
  }
  if (!whole.find("reasoning_content")) {
    out.push_back({"reasoning_content", *reasoning});
  }
  return out;
}

Result<std::vector<TextSpan>>
ChatTemplate::render(const ChatInput &input) const {
  ChatInput full = input;
  if (JsonValue::Array *messages = full.messages.asArray()) {
    for (JsonValue &message : *messages) {
      if (const JsonValue::Object *members = message.asObject()) {
        message = withReasoning(*members);
      }
    }
  }
  return tmpl::Interpreter(tree->name, full).run(tree->body);
}
