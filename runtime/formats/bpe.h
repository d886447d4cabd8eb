//===- bpe.h - Byte-level byte-pair encoding --------------------*- C++ -*-===//
//
// Vocabulary and merges over raw bytes; the printable spelling of bytes in
// tokenizer.json is undone when the file is read.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_FORMATS_BPE_H
#define RILL_RUNTIME_FORMATS_BPE_H

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace rill::rt {

/// The byte that a character of the byte-level alphabet stands for, or nothing.
std::optional<uint8_t> byteOfCharacter(char32_t code);
/// The bytes that `token` spells in the byte-level alphabet, or nothing when it
/// holds another character. `token` must be well-formed UTF-8.
std::optional<std::string> bytesOfToken(std::string_view token);

/// The merge table. Filled once, then immutable.
class Bpe {
public:
  /// Adds a token; false when its bytes are known already.
  bool addToken(std::string bytes, int32_t id);
  std::optional<int32_t> find(std::string_view bytes) const;
  /// Adds the next merge (in order of rank). False when a side or the result is
  /// no token. A pair given twice keeps its last rank.
  bool addMerge(std::string_view left, std::string_view right);

  /// Whole words that are tokens are taken as they are.
  bool ignoreMerges = false;

  /// Appends the ids of one word (raw bytes). Every single byte must be a
  /// token.
  void encodeWord(std::string_view word, std::vector<int32_t> &ids) const;

private:
  struct Merge {
    int32_t rank, result;
  };
  const Merge *merge(int32_t left, int32_t right) const;
  void mergeSymbols(std::vector<int32_t> &symbols) const;

  std::unordered_map<std::string, int32_t> tokens;
  std::unordered_map<uint64_t, Merge> merges;
  int32_t rank = 0;
  int32_t byteIds[256] = {};
};

} // namespace rill::rt

#endif
