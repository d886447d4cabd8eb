//===- utf8.cpp - UTF-8 text from untrusted bytes -------------------------===//
//
// One decoder state machine serves validity, replacement and streaming.
//
//===----------------------------------------------------------------------===//
#include "runtime/formats/utf8.h"

#include <algorithm>

using namespace rill::rt;

static constexpr char kReplacement[] = "\xef\xbf\xbd";

size_t rill::rt::utf8Sequence(std::string_view text, size_t &bad, bool &cut) {
  bad = 1;
  cut = false;
  if (text.empty()) {
    return 0;
  }
  uint8_t lead = static_cast<uint8_t>(text[0]);
  if (lead < 0x80) {
    return 1;
  }
  // The second byte of some leads is narrower than 80..bf (Unicode table 3-7).
  size_t length = lead >= 0xc2 && lead <= 0xdf   ? 2
                  : lead >= 0xe0 && lead <= 0xef ? 3
                  : lead >= 0xf0 && lead <= 0xf4 ? 4
                                                 : 0;
  if (length == 0) {
    return 0;
  }
  uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  for (size_t i = 1; i < length; ++i) {
    if (i == text.size()) {
      bad = i;
      cut = true;
      return 0;
    }
    uint8_t next = static_cast<uint8_t>(text[i]);
    if (next < low || next > high) {
      bad = i;
      return 0;
    }
    low = 0x80;
    high = 0xbf;
  }
  return length;
}

bool rill::rt::isUtf8(std::string_view text) {
  size_t bad;
  bool cut;
  while (!text.empty()) {
    size_t length = utf8Sequence(text, bad, cut);
    if (length == 0) {
      return false;
    }
    text.remove_prefix(length);
  }
  return true;
}

/// Replaces, stopping before a sequence that more bytes could complete; returns
/// the number of bytes consumed.
static size_t replaceInto(std::string &out, std::string_view text,
                          bool holdBack) {
  size_t at = 0, bad;
  bool cut;
  while (at < text.size()) {
    std::string_view rest = text.substr(at);
    size_t length = utf8Sequence(rest, bad, cut);
    if (length != 0) {
      out += rest.substr(0, length);
      at += length;
    } else if (cut && holdBack) {
      return at;
    } else {
      out += kReplacement;
      at += bad;
    }
  }
  return at;
}

std::string rill::rt::replaceInvalidUtf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  replaceInto(out, text, false);
  return out;
}

char32_t rill::rt::nextCodePoint(std::string_view text, size_t &at) {
  uint8_t lead = static_cast<uint8_t>(text[at++]);
  int more = lead < 0x80 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
  char32_t code = more == 0 ? lead : lead & (0x3f >> more);
  for (; more > 0 && at < text.size(); --more) {
    code = code << 6 | (static_cast<uint8_t>(text[at++]) & 0x3f);
  }
  return code;
}

void rill::rt::appendUtf8(std::string &out, char32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xe0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | code >> 18);
    out += static_cast<char>(0x80 | (code >> 12 & 0x3f));
    out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  }
}

bool rill::rt::isUnicodeSpace(char32_t code) {
  static constexpr char32_t kSpaces[] = {0x20,   0x85,   0xa0,   0x1680, 0x2028,
                                         0x2029, 0x202f, 0x205f, 0x3000};
  return (code >= 0x09 && code <= 0x0d) || (code >= 0x2000 && code <= 0x200a) ||
         std::binary_search(std::begin(kSpaces), std::end(kSpaces), code);
}

std::string Utf8Stream::push(std::string_view bytes) {
  held += bytes;
  std::string out;
  held.erase(0, replaceInto(out, held, true));
  return out;
}

std::string Utf8Stream::finish() {
  std::string out = replaceInvalidUtf8(held);
  held.clear();
  return out;
}
