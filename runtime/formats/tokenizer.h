//===- tokenizer.h - Text to token ids and back -----------------*- C++ -*-===//
//
// Byte-level BPE, driven by tokenizer.json alone. What the file asks for and
// is not known here is refused by name.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_FORMATS_TOKENIZER_H
#define RILL_RUNTIME_FORMATS_TOKENIZER_H

#include "runtime/formats/bpe.h"
#include "runtime/formats/pre_tokenizer.h"

#include <map>
#include <span>

namespace rill::rt {

/// A piece of a prompt. Special tokens are recognised in template text only;
/// user text that spells one stays text.
struct TextSpan {
  std::string text;
  bool isTemplate;
};

/// One entry of added_tokens.
struct AddedToken {
  int32_t id;
  std::string content;
  std::string sought; ///< `content`, normalised when `normalized`
  bool singleWord, leftStrip, rightStrip, normalized, special;
};

/// Immutable once read; may be used by several threads.
class Tokenizer {
public:
  /// Parses the text of a tokenizer.json; `name` stands for it in errors.
  /// Errors: JsonInvalid, JsonField, TokenizerInvalid (id gaps, clashing
  /// tokens, merges of unknown tokens), TokenizerPattern, TokenizerUnsupported.
  static Result<Tokenizer> parse(std::string_view json,
                                 const std::string &name);
  static Result<Tokenizer> open(const std::string &path);

  /// Token ids of a prompt. The text between two recognised tokens is cut into
  /// words as one text, whatever spans it comes from. Invalid UTF-8 becomes
  /// U+FFFD first. No token is added. PatternLimit for text the split pattern
  /// cannot manage.
  Result<std::vector<int32_t>> encode(std::span<const TextSpan> spans) const;
  /// One span.
  Result<std::vector<int32_t>> encode(std::string_view text,
                                      bool isTemplate) const;

  /// Text of ids; ids outside the vocabulary give nothing. Special tokens are
  /// left out when `skipSpecial`.
  std::string decode(std::span<const int32_t> ids, bool skipSpecial) const;
  /// Raw bytes of one token, possibly part of a character; empty outside the
  /// vocabulary. Valid as long as the tokenizer.
  std::string_view bytesOf(int32_t id) const;
  /// The id of a token by its content (as spelt in added_tokens).
  std::optional<int32_t> idOf(std::string_view content) const;
  /// Whether the file marks the token as special.
  bool isSpecial(int32_t id) const;
  /// Number of ids, 0 ... size()-1.
  int32_t size() const { return static_cast<int32_t>(bytes.size()); }
  const std::vector<AddedToken> &addedTokens() const { return added; }

private:
  friend class TokenizerReader;
  struct Node {
    std::map<char, size_t> next; ///< index into the trie
    int32_t token = -1;          ///< index into `added`
  };
  using Trie = std::vector<Node>; ///< the root first
  struct Found {
    size_t begin, end;
    int32_t token;
  };
  using Mask = std::vector<bool>;

  const AddedToken *longestAt(const Trie &trie, std::string_view text,
                              size_t at) const;
  /// Of tokens that are sought by the same spelling the first is found.
  void addToTrie(size_t index);
  bool standsAlone(std::string_view text, size_t begin, size_t end) const;
  std::vector<Found> findAdded(const Trie &trie, std::string_view text,
                               const Mask &isTemplate) const;
  Status encodePiece(int phase, std::string_view text, const Mask &isTemplate,
                     std::vector<int32_t> &ids) const;

  Bpe bpe;
  bool isNfc = false; ///< whether the normalizer is NFC; else there is none
  std::optional<PreTokenizer> words;
  std::optional<SplitPattern> wordCharacter;
  std::vector<AddedToken> added;
  Trie tries[2] = {Trie(1),
                   Trie(1)}; ///< tokens matched before and after normalisation
  std::vector<std::string> bytes;
  std::vector<bool> special;
};

} // namespace rill::rt

#endif
