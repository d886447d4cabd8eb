//===- tokenizer_reader.cpp - Reading tokenizer.json ----------------------===//
//
// Every field of the file is either used or checked to ask for nothing.
//
//===----------------------------------------------------------------------===//
#include "runtime/formats/mapped_file.h"
#include "runtime/formats/nfc.h"
#include "runtime/formats/tokenizer.h"
#include "runtime/formats/utf8.h"

#include <algorithm>

using namespace rill::rt;

namespace rill::rt {
/// Fills one Tokenizer from one file.
class TokenizerReader {
public:
  explicit TokenizerReader(const JsonField &root) : root(root) {}
  Result<Tokenizer> read();

private:
  Status readSections();
  Status readModel(const JsonField &model);
  Status readVocabulary(const JsonField &vocab);
  Status readMerges(const JsonField &merges);
  Status readAdded(const JsonField &list);
  Status readAddedToken(const JsonField &entry);
  Status readNormalizer(const JsonField &section);
  Status addId(const JsonField &field, int32_t id, const std::string &content,
               std::string raw);
  Status finish();

  const JsonField &root;
  Tokenizer out;
  std::vector<std::optional<std::string>> contents; ///< by id, as spelt
};
} // namespace rill::rt

/// More ids than any vocabulary has; bounds what a file can make us allocate.
static constexpr int64_t kMaxId = (1 << 22) - 1;

static Error unsupported(const JsonField &field, std::string why) {
  return makeError(ErrorCode::TokenizerUnsupported, field.where(),
                   std::move(why));
}

static Error invalid(const JsonField &field, std::string why) {
  return makeError(ErrorCode::TokenizerInvalid, field.where(), std::move(why));
}

/// The field must be absent, null, false, "" or an empty list.
static Status mustBeOff(const JsonField &parent, const char *key) {
  std::optional<JsonField> field = parent.findValue(key);
  if (!field) {
    return {};
  }
  const JsonValue &value = field->get();
  const std::string *text = value.asString();
  const bool *flag = value.asBool();
  if ((text && text->empty()) || (flag && !*flag)) {
    return {};
  }
  return unsupported(*field, std::string("\"") + key + "\" is set");
}

Status TokenizerReader::addId(const JsonField &field, int32_t id,
                              const std::string &content, std::string raw) {
  size_t index = static_cast<size_t>(id);
  if (index >= contents.size()) {
    contents.resize(index + 1);
    out.bytes.resize(index + 1);
    out.special.resize(index + 1);
  }
  if (contents[index] && *contents[index] != content) {
    return invalid(field, format("id %d means \"", id) + *contents[index] +
                              "\" and \"" + content + "\"");
  }
  contents[index] = content;
  out.bytes[index] = std::move(raw);
  return {};
}

Status TokenizerReader::readVocabulary(const JsonField &vocab) {
  RILL_ASSIGN(auto members, vocab.members());
  for (const auto &[content, field] : members) {
    RILL_ASSIGN(int64_t wide, field.asInt(0, kMaxId));
    int32_t id = static_cast<int32_t>(wide);
    std::optional<std::string> raw = bytesOfToken(content);
    // A token outside the byte alphabet can only be an added token; finish()
    // refuses it when it is none.
    RILL_TRY(addId(field, id, content, raw.value_or(content)));
    if (raw && !raw->empty() && !out.bpe.addToken(*raw, id)) {
      return invalid(field, "two tokens stand for the same bytes");
    }
  }
  for (uint32_t byte = 0; byte < 256; ++byte) {
    std::string one(1, static_cast<char>(byte));
    if (!out.bpe.find(one)) {
      return unsupported(vocab, format("no token for the byte 0x%02x", byte));
    }
  }
  return {};
}

Status TokenizerReader::readMerges(const JsonField &merges) {
  const JsonValue::Array *list = merges.get().asArray();
  if (!list) {
    return merges.error("is not a list");
  }
  for (size_t i = 0; i < list->size(); ++i) {
    // "left right", or since 0.20 ["left", "right"].
    std::string left, right;
    if (const std::string *text = (*list)[i].asString()) {
      size_t blank = text->find(' ');
      left = text->substr(0, blank);
      right = blank == std::string::npos ? "" : text->substr(blank + 1);
    } else if (const JsonValue::Array *pair = (*list)[i].asArray();
               pair && pair->size() == 2 && (*pair)[0].asString() &&
               (*pair)[1].asString()) {
      left = *(*pair)[0].asString();
      right = *(*pair)[1].asString();
    } else {
      return merges.error(format("entry %zu is no pair of tokens", i));
    }
    std::optional<std::string> a = bytesOfToken(left), b = bytesOfToken(right);
    if (!a || !b || !out.bpe.addMerge(*a, *b)) {
      return invalid(merges, format("merge %zu joins \"", i) + left +
                                 "\" and \"" + right +
                                 "\", of which one or the result is no token");
    }
  }
  return {};
}

Status TokenizerReader::readModel(const JsonField &model) {
  RILL_ASSIGN(std::string type, model.stringOr("type", "BPE"));
  if (type != "BPE") {
    return unsupported(model, "the model is " + type + ", not BPE");
  }
  RILL_ASSIGN(auto members, model.members());
  for (const auto &[key, field] : members) {
    static constexpr std::string_view kKnown[] = {"type",
                                                  "dropout",
                                                  "unk_token",
                                                  "fuse_unk",
                                                  "byte_fallback",
                                                  "ignore_merges",
                                                  "vocab",
                                                  "merges",
                                                  "continuing_subword_prefix",
                                                  "end_of_word_suffix"};
    if (std::find(std::begin(kKnown), std::end(kKnown), key) ==
        std::end(kKnown)) {
      return unsupported(field, "the field is not known");
    }
  }
  // unk_token and fuse_unk never matter: every byte is a token.
  RILL_TRY(mustBeOff(model, "dropout"));
  RILL_TRY(mustBeOff(model, "byte_fallback"));
  RILL_TRY(mustBeOff(model, "continuing_subword_prefix"));
  RILL_TRY(mustBeOff(model, "end_of_word_suffix"));
  RILL_ASSIGN(out.bpe.ignoreMerges, model.boolOr("ignore_merges", false));
  RILL_ASSIGN(JsonField vocab, model.at("vocab"));
  RILL_TRY(readVocabulary(vocab));
  RILL_ASSIGN(JsonField merges, model.at("merges"));
  return readMerges(merges);
}

Status TokenizerReader::readAddedToken(const JsonField &entry) {
  RILL_ASSIGN(JsonField idField, entry.at("id"));
  RILL_ASSIGN(int64_t id, idField.asInt(0, kMaxId));
  RILL_ASSIGN(JsonField contentField, entry.at("content"));
  RILL_ASSIGN(std::string content, contentField.asString());
  if (content.empty()) {
    return invalid(contentField, "an added token is empty");
  }
  AddedToken token{static_cast<int32_t>(id),
                   content,
                   content,
                   false,
                   false,
                   false,
                   false,
                   false};
  RILL_ASSIGN(token.singleWord, entry.boolOr("single_word", false));
  RILL_ASSIGN(token.leftStrip, entry.boolOr("lstrip", false));
  RILL_ASSIGN(token.rightStrip, entry.boolOr("rstrip", false));
  RILL_ASSIGN(token.special, entry.boolOr("special", false));
  RILL_ASSIGN(token.normalized, entry.boolOr("normalized", !token.special));
  for (const AddedToken &other : out.added) {
    if (other.content == content) {
      return invalid(contentField, "\"" + content + "\" is added twice");
    }
  }
  std::optional<std::string> raw = bytesOfToken(content);
  std::optional<int32_t> known = raw ? out.bpe.find(*raw) : std::nullopt;
  if (known && *known != token.id &&
      contents[static_cast<size_t>(*known)] == content) {
    return invalid(idField, "\"" + content +
                                format("\" has the id %d here and %d in the "
                                       "vocabulary",
                                       token.id, *known));
  }
  if (token.normalized && out.isNfc) {
    std::vector<bool> unused(token.sought.size());
    normalizeNfc(token.sought, unused);
  }
  // The tokenizers library decodes to the normalised spelling too.
  RILL_TRY(addId(idField, token.id, content,
                 bytesOfToken(token.sought).value_or(token.sought)));
  out.special[static_cast<size_t>(id)] = token.special;
  out.added.push_back(std::move(token));
  return {};
}

Status TokenizerReader::readAdded(const JsonField &list) {
  RILL_ASSIGN(auto items, list.items());
  for (const JsonField &item : items) {
    RILL_TRY(readAddedToken(item));
  }
  // Special tokens first, as the tokenizers library searches them: it matters
  // when normalisation makes two tokens equal.
  for (bool special : {true, false}) {
    for (size_t i = 0; i < out.added.size(); ++i) {
      if (out.added[i].special == special) {
        out.addToTrie(i);
      }
    }
  }
  return {};
}

/// The type of a section must be one of `known`; a Sequence holds such.
static Status checkTypes(const JsonField &section, const char *listKey,
                         std::initializer_list<std::string_view> known) {
  RILL_ASSIGN(JsonField typeField, section.at("type"));
  RILL_ASSIGN(std::string type, typeField.asString());
  if (type == "Sequence") {
    RILL_ASSIGN(JsonField list, section.at(listKey));
    RILL_ASSIGN(auto items, list.items());
    for (const JsonField &item : items) {
      RILL_ASSIGN(JsonField inner, item.at("type"));
      RILL_ASSIGN(std::string name, inner.asString());
      if (std::find(known.begin(), known.end(), name) == known.end()) {
        return unsupported(inner, "\"" + name + "\" is not known here");
      }
    }
    return {};
  }
  if (std::find(known.begin(), known.end(), type) == known.end()) {
    return unsupported(typeField, "\"" + type + "\" is not known here");
  }
  return {};
}

/// NFC alone or a Sequence of nothing but NFC (NFC twice is NFC).
Status TokenizerReader::readNormalizer(const JsonField &section) {
  RILL_ASSIGN(JsonField typeField, section.at("type"));
  RILL_ASSIGN(std::string type, typeField.asString());
  bool isSequence = type == "Sequence";
  RILL_ASSIGN(auto members, section.members());
  for (const auto &[key, field] : members) {
    if (key != "type" && !(isSequence && key == "normalizers")) {
      return unsupported(field, "the field is not known");
    }
  }
  if (isSequence) {
    RILL_ASSIGN(JsonField list, section.at("normalizers"));
    RILL_ASSIGN(auto items, list.items());
    for (const JsonField &item : items) {
      RILL_TRY(readNormalizer(item));
    }
    return {};
  }
  if (type != "NFC") {
    return unsupported(typeField, "the normalizer is " + type + ", not NFC");
  }
  out.isNfc = true;
  return {};
}

Status TokenizerReader::readSections() {
  RILL_ASSIGN(auto members, root.members());
  for (const auto &[key, field] : members) {
    // Truncation and padding are defaults of another program's calls, and the
    // post-processor adds tokens that the template writes itself.
    static constexpr std::string_view kKnown[] = {
        "version",        "truncation", "padding",
        "added_tokens",   "normalizer", "pre_tokenizer",
        "post_processor", "decoder",    "model"};
    if (std::find(std::begin(kKnown), std::end(kKnown), key) ==
        std::end(kKnown)) {
      return unsupported(field, "the section is not known");
    }
  }
  if (std::optional<JsonField> post = root.findValue("post_processor")) {
    RILL_TRY(
        checkTypes(*post, "processors", {"ByteLevel", "TemplateProcessing"}));
  }
  if (std::optional<JsonField> normalizer = root.findValue("normalizer")) {
    RILL_TRY(readNormalizer(*normalizer));
  }
  RILL_ASSIGN(JsonField decoder, root.at("decoder"));
  RILL_TRY(checkTypes(decoder, "decoders", {"ByteLevel"}));
  RILL_ASSIGN(JsonField splitting, root.at("pre_tokenizer"));
  RILL_ASSIGN(PreTokenizer words, PreTokenizer::parse(splitting));
  if (!words.isByteLevel()) {
    return unsupported(splitting, "holds no ByteLevel step");
  }
  out.words.emplace(std::move(words));
  RILL_ASSIGN(SplitPattern wordCharacter, SplitPattern::compileWordCharacter());
  out.wordCharacter.emplace(std::move(wordCharacter));
  return {};
}

Status TokenizerReader::finish() {
  std::vector<bool> isAdded(contents.size());
  for (const AddedToken &token : out.added) {
    isAdded[static_cast<size_t>(token.id)] = true;
  }
  for (size_t id = 0; id < contents.size(); ++id) {
    if (!contents[id]) {
      return invalid(root, format("no token has the id %zu, but %zu ids are "
                                  "used",
                                  id, contents.size()));
    }
    if (!isAdded[id] && !bytesOfToken(*contents[id])) {
      return unsupported(root, "the token \"" + *contents[id] +
                                   "\" is not byte-level");
    }
  }
  return {};
}

Result<Tokenizer> TokenizerReader::read() {
  RILL_TRY(readSections());
  RILL_ASSIGN(JsonField model, root.at("model"));
  RILL_TRY(readModel(model));
  if (std::optional<JsonField> list = root.findValue("added_tokens")) {
    RILL_TRY(readAdded(*list));
  }
  RILL_TRY(finish());
  return std::move(out);
}

Result<Tokenizer> Tokenizer::parse(std::string_view json,
                                   const std::string &name) {
  RILL_ASSIGN(JsonValue value, parseJson(json, name));
  JsonField root(value, name);
  return TokenizerReader(root).read();
}

Result<Tokenizer> Tokenizer::open(const std::string &path) {
  RILL_ASSIGN(MappedFile file, MappedFile::open(path));
  return parse(file.text(), path);
}
