//===- tokenizer.cpp - Text to token ids and back -------------------------===//
//
// Encoding and decoding; the file itself is read in tokenizer_reader.cpp. The
// search for added tokens follows the tokenizers library (leftmost, longest,
// first those matched before normalisation).
//
//===----------------------------------------------------------------------===//
#include "runtime/formats/tokenizer.h"

#include "runtime/formats/nfc.h"
#include "runtime/formats/utf8.h"

using namespace rill::rt;

//===----------------------------------------------------------------------===//
// Added tokens
//===----------------------------------------------------------------------===//

void Tokenizer::addToTrie(size_t index) {
  Trie &trie = tries[added[index].normalized];
  size_t node = 0;
  for (char c : added[index].sought) {
    auto [child, isNew] = trie[node].next.try_emplace(c, trie.size());
    node = child->second;
    if (isNew) {
      trie.emplace_back();
    }
  }
  if (trie[node].token < 0) {
    trie[node].token = static_cast<int32_t>(index);
  }
}

const AddedToken *Tokenizer::longestAt(const Trie &trie, std::string_view text,
                                       size_t at) const {
  const AddedToken *best = nullptr;
  for (size_t node = 0; at < text.size(); ++at) {
    auto child = trie[node].next.find(text[at]);
    if (child == trie[node].next.end()) {
      break;
    }
    node = child->second;
    if (trie[node].token >= 0) {
      best = &added[static_cast<size_t>(trie[node].token)];
    }
  }
  return best;
}

/// The number of blanks (bytes) at the begin or the end of a text.
static size_t leadingSpace(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    size_t next = at;
    if (!isUnicodeSpace(nextCodePoint(text, next))) {
      break;
    }
    at = next;
  }
  return at;
}

static size_t trailingSpace(std::string_view text) {
  size_t end = text.size();
  while (end > 0) {
    size_t begin = end - 1;
    while (begin > 0 && (text[begin] & 0xc0) == 0x80) {
      --begin;
    }
    size_t next = begin;
    if (!isUnicodeSpace(nextCodePoint(text, next))) {
      break;
    }
    end = begin;
  }
  return text.size() - end;
}

bool Tokenizer::standsAlone(std::string_view text, size_t begin,
                            size_t end) const {
  // One word character at most is looked at on either side.
  auto isWord = [&](std::string_view one) {
    auto found = wordCharacter->findAll(one);
    return found.ok() && !found->empty();
  };
  size_t before = begin;
  while (before > 0 && (text[--before] & 0xc0) == 0x80) {
  }
  size_t after = end;
  if (after < text.size()) {
    nextCodePoint(text, after);
  }
  return !isWord(text.substr(before, begin - before)) &&
         !isWord(text.substr(end, after - end));
}

std::vector<Tokenizer::Found>
Tokenizer::findAdded(const Trie &trie, std::string_view text,
                     const Mask &isTemplate) const {
  std::vector<Found> found;
  size_t last = 0; // end of the token found before
  for (size_t at = 0; at < text.size();) {
    const AddedToken *token = longestAt(trie, text, at);
    if (!token) {
      ++at;
      continue;
    }
    size_t begin = at, end = at + token->sought.size();
    size_t users = 0;
    for (size_t i = begin; i < end; ++i) {
      users += !isTemplate[i];
    }
    if (token->special && users != 0) {
      // User text never becomes a special token. What it spells in full is
      // passed over whole, as the tokenizers library does on request.
      at = users == end - begin ? end : at + 1;
      continue;
    }
    at = end;
    if (token->singleWord && !standsAlone(text, begin, end)) {
      continue;
    }
    if (token->leftStrip) {
      begin = std::max(last, begin - trailingSpace(text.substr(0, begin)));
    }
    if (token->rightStrip) {
      end += leadingSpace(text.substr(end));
      at = std::max(at, end);
    }
    found.push_back({begin, end, token->id});
    last = end;
  }
  return found;
}

//===----------------------------------------------------------------------===//
// Encoding
//===----------------------------------------------------------------------===//

Status Tokenizer::encodePiece(int phase, std::string_view text,
                              const Mask &isTemplate,
                              std::vector<int32_t> &ids) const {
  if (text.empty()) {
    return {};
  }
  if (phase == 2) {
    RILL_ASSIGN(std::vector<std::string> list, words->split(std::string(text)));
    for (const std::string &word : list) {
      bpe.encodeWord(word, ids);
    }
    return {};
  }
  auto inner = [&](size_t begin, size_t end) {
    std::string piece(text.substr(begin, end - begin));
    Mask mask(isTemplate.begin() + static_cast<ptrdiff_t>(begin),
              isTemplate.begin() + static_cast<ptrdiff_t>(end));
    if (phase == 0 && isNfc) {
      normalizeNfc(piece, mask);
    }
    return encodePiece(phase + 1, piece, mask, ids);
  };
  size_t at = 0;
  for (const Found &token : findAdded(tries[phase], text, isTemplate)) {
    RILL_TRY(inner(at, std::max(at, token.begin)));
    ids.push_back(token.token);
    at = token.end;
  }
  return inner(at, text.size());
}

Result<std::vector<int32_t>>
Tokenizer::encode(std::span<const TextSpan> spans) const {
  std::string text;
  Mask isTemplate;
  for (const TextSpan &span : spans) {
    text += replaceInvalidUtf8(span.text);
    isTemplate.resize(text.size(), span.isTemplate);
  }
  std::vector<int32_t> ids;
  RILL_TRY(encodePiece(0, text, isTemplate, ids));
  return ids;
}

Result<std::vector<int32_t>> Tokenizer::encode(std::string_view text,
                                               bool isTemplate) const {
  TextSpan span{std::string(text), isTemplate};
  return encode({&span, 1});
}

//===----------------------------------------------------------------------===//
// Decoding
//===----------------------------------------------------------------------===//

std::string_view Tokenizer::bytesOf(int32_t id) const {
  return id >= 0 && id < size() ? bytes[static_cast<size_t>(id)]
                                : std::string_view();
}

bool Tokenizer::isSpecial(int32_t id) const {
  return id >= 0 && id < size() && special[static_cast<size_t>(id)];
}

std::optional<int32_t> Tokenizer::idOf(std::string_view content) const {
  for (const AddedToken &token : added) {
    if (token.content == content) {
      return token.id;
    }
  }
  std::optional<std::string> raw =
      isUtf8(content) ? bytesOfToken(content) : std::nullopt;
  return raw ? bpe.find(*raw) : std::nullopt;
}

std::string Tokenizer::decode(std::span<const int32_t> ids,
                              bool skipSpecial) const {
  std::string joined;
  for (int32_t id : ids) {
    if (!skipSpecial || !isSpecial(id)) {
      joined += bytesOf(id);
    }
  }
  return replaceInvalidUtf8(joined);
}
