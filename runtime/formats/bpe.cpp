//===- bpe.cpp - Byte-level byte-pair encoding ----------------------------===//
//
// Merges the pair of lowest rank, leftmost first, until none is left; a heap
// keeps this O(n log n) for hostile words.
//
//===----------------------------------------------------------------------===//
#include "runtime/formats/bpe.h"

#include "runtime/formats/utf8.h"

#include <array>
#include <queue>
#include <tuple>

using namespace rill::rt;

/// Printable Latin-1 stands for itself; the other bytes, in order, for U+0100
/// and up (GPT-2's bytes_to_unicode).
static bool standsForItself(uint32_t byte) {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) ||
         (byte >= 0xae && byte <= 0xff);
}

std::optional<uint8_t> rill::rt::byteOfCharacter(char32_t code) {
  static constexpr size_t kOthers = 68;
  static const std::array<uint8_t, kOthers> others = [] {
    std::array<uint8_t, kOthers> bytes = {};
    size_t count = 0;
    for (uint32_t byte = 0; byte < 256; ++byte) {
      if (!standsForItself(byte)) {
        bytes[count++] = static_cast<uint8_t>(byte);
      }
    }
    return bytes;
  }();
  if (code < 0x100) {
    return standsForItself(code) ? std::optional(static_cast<uint8_t>(code))
                                 : std::nullopt;
  }
  if (code < 0x100 + kOthers) {
    return others[code - 0x100];
  }
  return std::nullopt;
}

std::optional<std::string> rill::rt::bytesOfToken(std::string_view token) {
  std::string bytes;
  for (size_t at = 0; at < token.size();) {
    std::optional<uint8_t> byte = byteOfCharacter(nextCodePoint(token, at));
    if (!byte) {
      return std::nullopt;
    }
    bytes += static_cast<char>(*byte);
  }
  return bytes;
}

bool Bpe::addToken(std::string bytes, int32_t id) {
  if (bytes.size() == 1) {
    byteIds[static_cast<uint8_t>(bytes[0])] = id;
  }
  return tokens.emplace(std::move(bytes), id).second;
}

std::optional<int32_t> Bpe::find(std::string_view bytes) const {
  auto at = tokens.find(std::string(bytes));
  return at == tokens.end() ? std::nullopt : std::optional(at->second);
}

static uint64_t pairKey(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 |
         static_cast<uint32_t>(right);
}

bool Bpe::addMerge(std::string_view left, std::string_view right) {
  std::optional<int32_t> a = find(left), b = find(right);
  std::optional<int32_t> both = find(std::string(left) + std::string(right));
  if (!a || !b || !both) {
    return false;
  }
  merges[pairKey(*a, *b)] = {rank++, *both};
  return true;
}

const Bpe::Merge *Bpe::merge(int32_t left, int32_t right) const {
  auto at = merges.find(pairKey(left, right));
  return at == merges.end() ? nullptr : &at->second;
}

void Bpe::mergeSymbols(std::vector<int32_t> &symbols) const {
  // Symbols form a list; a merge keeps the left one and drops the right one
  // (id < 0). Heap entries that no longer describe the list are skipped.
  size_t count = symbols.size();
  std::vector<uint32_t> next(count), previous(count);
  using Entry = std::tuple<int32_t, uint32_t, int32_t, int32_t>;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<Entry>> heap;
  auto offer = [&](uint32_t left) {
    uint32_t right = next[left];
    if (right < count) {
      if (const Merge *found = merge(symbols[left], symbols[right])) {
        heap.push({found->rank, left, symbols[left], symbols[right]});
      }
    }
  };
  for (uint32_t i = 0; i < count; ++i) {
    next[i] = i + 1;
    previous[i] = i == 0 ? static_cast<uint32_t>(count) : i - 1;
  }
  for (uint32_t i = 0; i + 1 < count; ++i) {
    offer(i);
  }
  while (!heap.empty()) {
    auto [order, left, a, b] = heap.top();
    heap.pop();
    uint32_t right = next[left];
    if (symbols[left] != a || right >= count || symbols[right] != b) {
      continue;
    }
    symbols[left] = merge(a, b)->result;
    symbols[right] = -1;
    next[left] = next[right];
    if (next[left] < count) {
      previous[next[left]] = left;
    }
    offer(left);
    if (previous[left] < count) {
      offer(previous[left]);
    }
  }
  std::erase(symbols, -1);
}

void Bpe::encodeWord(std::string_view word, std::vector<int32_t> &ids) const {
  if (ignoreMerges) {
    if (std::optional<int32_t> whole = find(word)) {
      ids.push_back(*whole);
      return;
    }
  }
  std::vector<int32_t> symbols;
  symbols.reserve(word.size());
  for (char c : word) {
    symbols.push_back(byteIds[static_cast<uint8_t>(c)]);
  }
  mergeSymbols(symbols);
  ids.insert(ids.end(), symbols.begin(), symbols.end());
}
