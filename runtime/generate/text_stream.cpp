//===- text_stream.cpp - Tokens to text as they come ----------------------===//
//
// Holds back only the longest tail that could still become a stop string.
//
//===----------------------------------------------------------------------===//
#include "runtime/generate/text_stream.h"

#include <algorithm>

using namespace rill::rt;

TextStream::TextStream(const Tokenizer &tokenizer,
                       std::vector<std::string> stops, bool showSpecial)
    : tokenizer(tokenizer), stops(std::move(stops)), showSpecial(showSpecial) {
  std::erase_if(this->stops, [](const std::string &s) { return s.empty(); });
}

std::string TextStream::release(std::string text, bool last) {
  held += text;
  size_t found = std::string::npos;
  for (const std::string &stop : stops) {
    found = std::min(found, held.find(stop));
  }
  if (found != std::string::npos) {
    done = true;
    return std::exchange(held, {}).substr(0, found);
  }
  size_t keep = 0;
  for (const std::string &stop : stops) {
    size_t most = last ? 0 : std::min(stop.size() - 1, held.size());
    for (size_t size = most; size > keep; --size) {
      if (held.ends_with(std::string_view(stop).substr(0, size))) {
        keep = size;
      }
    }
  }
  std::string out = held.substr(0, held.size() - keep);
  held.erase(0, held.size() - keep);
  return out;
}

std::string TextStream::push(int32_t id) {
  if (done || (tokenizer.isSpecial(id) && !showSpecial)) {
    return {};
  }
  return release(characters.push(tokenizer.bytesOf(id)), false);
}

std::string TextStream::finish() {
  return done ? std::string() : release(characters.finish(), true);
}
