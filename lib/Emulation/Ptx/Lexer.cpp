// Cuts PTX text into tokens.
#include "Lexer.h"

namespace rill::emu {

static bool isWordStart(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         c == '$' || c == '%' || c == '.';
}

static bool isDigit(char c) { return c >= '0' && c <= '9'; }

static bool isWordPart(char c) { return isWordStart(c) || isDigit(c); }

void Lexer::failAt(const std::string &reason, uint32_t where) const {
  throw PtxError(
      std::string(file) + ":" + std::to_string(where) + ": " + reason, where);
}

void Lexer::fail(const std::string &reason) const {
  failAt(reason, token.line);
}

void Lexer::skipBlanks() {
  while (at < text.size()) {
    char c = text[at];
    if (c == '\n') {
      ++line;
      ++at;
    } else if (c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v') {
      ++at;
    } else if (c == '/' && at + 1 < text.size() && text[at + 1] == '/') {
      while (at < text.size() && text[at] != '\n') {
        ++at;
      }
    } else if (c == '/' && at + 1 < text.size() && text[at + 1] == '*') {
      uint32_t start = line;
      at += 2;
      while (at + 1 < text.size() &&
             !(text[at] == '*' && text[at + 1] == '/')) {
        line += text[at++] == '\n';
      }
      if (at + 1 >= text.size()) {
        failAt("comment is not closed", start);
      }
      at += 2;
    } else {
      return;
    }
  }
}

void Lexer::advance() {
  skipBlanks();
  token = Token();
  token.line = line;
  if (at >= text.size()) {
    return;
  }
  size_t start = at;
  char c = text[at];
  if (isWordStart(c)) {
    token.kind = Token::Word;
    while (at < text.size() &&
           (isWordPart(text[at]) ||
            (text[at] == ':' && at + 1 < text.size() && text[at + 1] == ':'))) {
      at += text[at] == ':' ? 2 : 1;
    }
  } else if (isDigit(c)) {
    token.kind = Token::Number;
    while (at < text.size() && isWordPart(text[at]) && text[at] != '%' &&
           text[at] != '$') {
      // The sign of a decimal exponent belongs to the number.
      bool exponent = (text[at] == 'e' || text[at] == 'E') && at > start &&
                      text.substr(start, 2) != "0x" &&
                      text.substr(start, 2) != "0f" &&
                      text.substr(start, 2) != "0d" && at + 1 < text.size() &&
                      (text[at + 1] == '-' || text[at + 1] == '+');
      at += exponent ? 2 : 1;
    }
  } else if (c == '"') {
    token.kind = Token::String;
    ++at;
    while (at < text.size() && text[at] != '"' && text[at] != '\n') {
      at += text[at] == '\\' && at + 1 < text.size() ? 2 : 1;
    }
    if (at >= text.size() || text[at] != '"') {
      failAt("string is not closed", line);
    }
    token.text = text.substr(start + 1, at - start - 1);
    ++at;
    return;
  } else {
    token.kind = Token::Punct;
    token.punct = c;
    ++at;
    if (static_cast<unsigned char>(c) < 0x20 ||
        static_cast<unsigned char>(c) >= 0x7f) {
      failAt("unexpected byte " + std::to_string(static_cast<unsigned char>(c)),
             line);
    }
  }
  token.text = text.substr(start, at - start);
}

void Lexer::expect(char c) {
  if (!accept(c)) {
    fail(std::string("expected '") + c + "', found '" +
         std::string(token.text) + "'");
  }
}

std::string_view Lexer::expectWord(const char *what) {
  if (token.kind != Token::Word) {
    fail(std::string("expected ") + what + ", found '" +
         std::string(token.text) + "'");
  }
  return take().text;
}

bool parseInteger(std::string_view s, uint64_t &value) {
  if (!s.empty() && (s.back() == 'U' || s.back() == 'u')) {
    s.remove_suffix(1);
  }
  unsigned base = 10;
  if (s.size() > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
    base = 16;
    s.remove_prefix(2);
  } else if (s.size() > 2 && s[0] == '0' && (s[1] == 'b' || s[1] == 'B')) {
    base = 2;
    s.remove_prefix(2);
  } else if (s.size() > 1 && s[0] == '0') {
    base = 8;
    s.remove_prefix(1);
  }
  if (s.empty()) {
    return false;
  }
  value = 0;
  for (char c : s) {
    unsigned digit = 99;
    if (isDigit(c)) {
      digit = static_cast<unsigned>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = static_cast<unsigned>(c - 'a') + 10;
    } else if (c >= 'A' && c <= 'F') {
      digit = static_cast<unsigned>(c - 'A') + 10;
    }
    if (digit >= base) {
      return false;
    }
    value = value * base + digit;
  }
  return true;
}

int64_t Lexer::expectInteger(const char *what) {
  bool minus = accept('-');
  uint64_t value = 0;
  if (token.kind != Token::Number || !parseInteger(token.text, value)) {
    fail(std::string("expected ") + what + ", found '" +
         std::string(token.text) + "'");
  }
  advance();
  return static_cast<int64_t>(minus ? 0 - value : value);
}

} // namespace rill::emu
