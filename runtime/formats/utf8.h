//===- utf8.h - UTF-8 text from untrusted bytes -----------------*- C++ -*-===//
//
// Replacement of invalid bytes as Python's errors="replace" does it, whole and
// piece by piece, and code points.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_FORMATS_UTF8_H
#define RILL_RUNTIME_FORMATS_UTF8_H

#include <cstdint>
#include <string>
#include <string_view>

namespace rill::rt {

/// Length of the well-formed sequence at the begin of `text` (1 to 4), or 0
/// when it is ill-formed or cut off; then `bad` receives the number of bytes
/// that one U+FFFD replaces (at least 1), and `cut` whether more bytes could
/// still complete the sequence.
size_t utf8Sequence(std::string_view text, size_t &bad, bool &cut);

/// Whether all of `text` is well-formed UTF-8 (no surrogates).
bool isUtf8(std::string_view text);

/// `text` with each maximal ill-formed part replaced by U+FFFD.
std::string replaceInvalidUtf8(std::string_view text);

/// The code point at `at` of well-formed `text`; moves `at` behind it.
char32_t nextCodePoint(std::string_view text, size_t &at);

/// Appends the UTF-8 of `code`.
void appendUtf8(std::string &out, char32_t code);

/// Unicode White_Space.
bool isUnicodeSpace(char32_t code);

/// Turns a stream of byte pieces into valid text, holding back a sequence that
/// is not complete yet. All results joined equal replaceInvalidUtf8 of all
/// bytes joined.
class Utf8Stream {
public:
  /// Text that is certain after these bytes.
  std::string push(std::string_view bytes);
  /// What was held back, replaced; the stream is empty afterwards.
  std::string finish();

private:
  std::string held;
};

} // namespace rill::rt

#endif
