//===- text_stream.h - Tokens to text as they come --------------*- C++ -*-===//
//
// Valid UTF-8 pieces of an answer, ended by stop strings.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_GENERATE_TEXT_STREAM_H
#define RILL_RUNTIME_GENERATE_TEXT_STREAM_H

#include "runtime/formats/tokenizer.h"
#include "runtime/formats/utf8.h"

namespace rill::rt {

/// Decodes generated tokens. A piece is given out once it is certain: whole
/// characters, and no begin of a stop string. The tokenizer must outlive it.
class TextStream {
public:
  /// Empty stop strings are ignored. Special tokens give text only with
  /// `showSpecial`.
  TextStream(const Tokenizer &tokenizer, std::vector<std::string> stops,
             bool showSpecial = false);

  /// Text that became certain with this token; nothing more after a stop.
  std::string push(int32_t id);
  /// What is still held back, when generation ends without a stop.
  std::string finish();
  /// Whether a stop string was met. Its text and all behind it is not given.
  bool stopped() const { return done; }

private:
  std::string release(std::string text, bool last);

  const Tokenizer &tokenizer;
  std::vector<std::string> stops;
  bool showSpecial;
  Utf8Stream characters;
  std::string held;
  bool done = false;
};

} // namespace rill::rt

#endif
