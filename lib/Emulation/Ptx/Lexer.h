// Cuts PTX text into tokens, one at a time.
#ifndef LIB_EMULATION_PTX_LEXER_H
#define LIB_EMULATION_PTX_LEXER_H

#include "Ast.h"

namespace rill::emu {

struct Token {
  enum Kind : uint8_t { End, Word, Number, String, Punct };
  Kind kind = End;
  char punct = 0;
  std::string_view text;
  uint32_t line = 1;
};

/// Words keep their dots and `::` ("ld.global.v4.f32", "%tid.x").
class Lexer {
public:
  Lexer(std::string_view text, std::string_view file) : text(text), file(file) {
    advance();
  }

  const Token &peek() const { return token; }
  Token take() {
    Token t = token;
    advance();
    return t;
  }
  bool isPunct(char c) const {
    return token.kind == Token::Punct && token.punct == c;
  }
  bool isWord(std::string_view w) const {
    return token.kind == Token::Word && token.text == w;
  }
  bool accept(char c) {
    if (!isPunct(c)) {
      return false;
    }
    advance();
    return true;
  }
  bool acceptWord(std::string_view w) {
    if (!isWord(w)) {
      return false;
    }
    advance();
    return true;
  }
  void expect(char c);
  std::string_view expectWord(const char *what);
  /// An integer literal with optional minus sign.
  int64_t expectInteger(const char *what);
  [[noreturn]] void fail(const std::string &reason) const;
  [[noreturn]] void failAt(const std::string &reason, uint32_t line) const;

private:
  void advance();
  void skipBlanks();

  std::string_view text, file;
  size_t at = 0;
  uint32_t line = 1;
  Token token;
};

/// The value of an integer literal (decimal, 0x, 0b, octal, trailing U);
/// false when the text is none.
bool parseInteger(std::string_view text, uint64_t &value);

} // namespace rill::emu
#endif
