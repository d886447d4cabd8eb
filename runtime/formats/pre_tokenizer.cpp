//===- pre_tokenizer.cpp - From text to words -----------------------------===//
//
// The five split behaviours follow the tokenizers library.
//
//===----------------------------------------------------------------------===//
#include "runtime/formats/pre_tokenizer.h"

using namespace rill::rt;

/// What ByteLevel itself splits by when use_regex is set (GPT-2).
static constexpr char kByteLevelPattern[] =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

static Error unsupported(const JsonField &field, std::string why) {
  return makeError(ErrorCode::TokenizerUnsupported, field.where(),
                   std::move(why));
}

/// Every key of an object must be one of `known`.
static Status checkKeys(const JsonField &section,
                        std::initializer_list<std::string_view> known) {
  RILL_ASSIGN(auto members, section.members());
  for (const auto &[key, value] : members) {
    bool found = false;
    for (std::string_view name : known) {
      found |= key == name;
    }
    if (!found) {
      return unsupported(value, "the field \"" + key + "\" is not known");
    }
  }
  return {};
}

Result<PreTokenizer> PreTokenizer::parse(const JsonField &section) {
  PreTokenizer made;
  RILL_TRY(made.add(section));
  return made;
}

Status PreTokenizer::add(const JsonField &section) {
  RILL_ASSIGN(JsonField typeField, section.at("type"));
  RILL_ASSIGN(std::string type, typeField.asString());
  if (byteLevel) {
    return unsupported(section, "a step after ByteLevel");
  }
  if (type == "Sequence") {
    RILL_TRY(checkKeys(section, {"type", "pretokenizers"}));
    RILL_ASSIGN(JsonField list, section.at("pretokenizers"));
    RILL_ASSIGN(auto items, list.items());
    for (const JsonField &item : items) {
      RILL_ASSIGN(JsonField inner, item.at("type"));
      if (inner.get().asString() && *inner.get().asString() == "Sequence") {
        return unsupported(item, "a Sequence inside a Sequence");
      }
      RILL_TRY(add(item));
    }
    return {};
  }
  if (type == "Split") {
    return addSplit(section);
  }
  if (type == "Digits") {
    RILL_TRY(checkKeys(section, {"type", "individual_digits"}));
    RILL_ASSIGN(bool single, section.boolOr("individual_digits", false));
    // Rust's char::is_numeric.
    RILL_ASSIGN(SplitPattern pattern,
                SplitPattern::compile("\\p{N}", section.where()));
    steps.push_back(Step{std::move(pattern),
                         single ? Behaviour::Isolated : Behaviour::Contiguous,
                         false});
    return {};
  }
  if (type == "ByteLevel") {
    return addByteLevel(section);
  }
  return unsupported(typeField, "the pre-tokenizer \"" + type + "\"");
}

Status PreTokenizer::addByteLevel(const JsonField &section) {
  RILL_TRY(checkKeys(
      section, {"type", "add_prefix_space", "trim_offsets", "use_regex"}));
  RILL_ASSIGN(bool prefix, section.boolOr("add_prefix_space", true));
  RILL_ASSIGN(bool regex, section.boolOr("use_regex", true));
  if (prefix) {
    steps.push_back(std::nullopt);
  }
  if (regex) {
    RILL_ASSIGN(SplitPattern pattern,
                SplitPattern::compile(kByteLevelPattern, section.where()));
    steps.push_back(Step{std::move(pattern), Behaviour::Isolated, false});
  }
  byteLevel = true;
  return {};
}

Status PreTokenizer::addSplit(const JsonField &section) {
  RILL_TRY(checkKeys(section, {"type", "pattern", "behavior", "invert"}));
  RILL_ASSIGN(JsonField patternField, section.at("pattern"));
  RILL_TRY(checkKeys(patternField, {"Regex", "String"}));
  RILL_ASSIGN(JsonField behaviourField, section.at("behavior"));
  RILL_ASSIGN(std::string name, behaviourField.asString());
  static constexpr std::pair<const char *, Behaviour> kBehaviours[] = {
      {"Isolated", Behaviour::Isolated},
      {"Removed", Behaviour::Removed},
      {"MergedWithPrevious", Behaviour::Previous},
      {"MergedWithNext", Behaviour::Next},
      {"Contiguous", Behaviour::Contiguous}};
  const Behaviour *behaviour = nullptr;
  for (const auto &[known, value] : kBehaviours) {
    behaviour = name == known ? &value : behaviour;
  }
  if (!behaviour) {
    return unsupported(behaviourField, "the behavior \"" + name + "\"");
  }
  RILL_ASSIGN(bool invert, section.boolOr("invert", false));
  std::optional<JsonField> regex = patternField.find("Regex");
  RILL_ASSIGN(JsonField spelling,
              regex ? Result<JsonField>(*regex) : patternField.at("String"));
  RILL_ASSIGN(std::string text, spelling.asString());
  RILL_ASSIGN(SplitPattern pattern,
              regex ? SplitPattern::compile(text, spelling.where())
                    : SplitPattern::compileLiteral(text, spelling.where()));
  steps.push_back(Step{std::move(pattern), *behaviour, invert});
  return {};
}

namespace {
struct Piece {
  TextRange range;
  bool match;
};
} // namespace

/// Matches and what lies between them, in order.
static std::vector<Piece> cover(const std::vector<TextRange> &matches,
                                size_t size, bool invert) {
  std::vector<Piece> pieces;
  size_t at = 0;
  for (const TextRange &match : matches) {
    if (match.begin > at) {
      pieces.push_back({{at, match.begin}, invert});
    }
    pieces.push_back({match, !invert});
    at = match.end;
  }
  if (at < size) {
    pieces.push_back({{at, size}, invert});
  }
  return pieces;
}

Result<std::vector<std::string>> PreTokenizer::apply(const Step &step,
                                                     const std::string &word) {
  RILL_ASSIGN(std::vector<TextRange> matches, step.pattern.findAll(word));
  std::vector<Piece> pieces = cover(matches, word.size(), step.invert);
  std::vector<TextRange> kept;
  bool before = false; // whether the piece before was a match
  for (size_t i = 0; i < pieces.size(); ++i) {
    const Piece &piece = pieces[i];
    bool join = false;
    switch (step.behaviour) {
    case Behaviour::Isolated:
      break;
    case Behaviour::Removed:
      if (piece.match) {
        continue;
      }
      break;
    case Behaviour::Previous:
      // A match joins what stands before it, unless that is a match too.
      join = piece.match && !before;
      break;
    case Behaviour::Next:
      // Text joins the match before it; a match begins anew.
      join = !piece.match && before;
      break;
    case Behaviour::Contiguous:
      join = i > 0 && piece.match == before;
      break;
    }
    before = piece.match;
    if (join && !kept.empty()) {
      kept.back().end = piece.range.end;
    } else {
      kept.push_back(piece.range);
    }
  }
  std::vector<std::string> words;
  words.reserve(kept.size());
  for (const TextRange &range : kept) {
    words.push_back(word.substr(range.begin, range.end - range.begin));
  }
  return words;
}

Result<std::vector<std::string>>
PreTokenizer::split(const std::string &text) const {
  std::vector<std::string> words;
  if (!text.empty()) {
    words.push_back(text);
  }
  for (const std::optional<Step> &step : steps) {
    std::vector<std::string> next;
    for (std::string &word : words) {
      if (!step) {
        next.push_back(word.starts_with(' ') ? word : " " + word);
        continue;
      }
      RILL_ASSIGN(std::vector<std::string> parts, apply(*step, word));
      next.insert(next.end(), std::make_move_iterator(parts.begin()),
                  std::make_move_iterator(parts.end()));
    }
    words = std::move(next);
  }
  return words;
}
