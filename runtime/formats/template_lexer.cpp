//===- template_lexer.cpp - Tokens of a chat template ---------------------===//
//
// Follows jinja2's lexer (version 3).
//
//===----------------------------------------------------------------------===//
#include "runtime/formats/template_lexer.h"

#include "runtime/formats/utf8.h"

#include <cstring>

using namespace rill::rt;
using namespace rill::rt::tmpl;

Error rill::rt::tmpl::templateError(ErrorCode code, const std::string &name,
                                    int line, std::string why) {
  return makeError(code, name + format(", line %d", line), std::move(why));
}

static bool isSpace(char c) { return c != '\0' && strchr(" \t\n\r\v\f", c); }
static bool isNameStart(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
static bool isDigit(char c) { return c >= '0' && c <= '9'; }

/// One kind of newline, and without the last one.
static std::string normalizeNewlines(std::string_view source) {
  std::string out;
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      out += '\n';
      i += i + 1 < source.size() && source[i + 1] == '\n';
    } else {
      out += source[i];
    }
  }
  if (out.ends_with('\n')) {
    out.pop_back();
  }
  return out;
}

namespace {
class Lexer {
public:
  Lexer(std::string source, const std::string &name)
      : source(std::move(source)), name(name) {}

  Result<std::vector<Token>> run() {
    while (at < source.size()) {
      size_t tag = source.find('{', at);
      while (tag != std::string::npos && !isTag(tag)) {
        tag = source.find('{', tag + 1);
      }
      tag = std::min(tag, source.size());
      emitText(tag);
      if (tag < source.size()) {
        RILL_TRY(readTag());
      }
    }
    push(Token::End, "");
    return std::move(tokens);
  }

private:
  bool isTag(size_t i) const {
    return i + 1 < source.size() && strchr("{%#", source[i + 1]) != nullptr;
  }
  Error fail(std::string why) const {
    return templateError(ErrorCode::TemplateInvalid, name, line,
                         std::move(why));
  }
  void push(Token::Kind kind, std::string text) {
    tokens.push_back({kind, std::move(text), line});
  }
  void moveTo(size_t next) {
    for (; at < next; ++at) {
      line += source[at] == '\n';
    }
  }

  /// Text up to `tag`, shortened by the tag's own strip mark.
  void emitText(size_t tag) {
    std::string_view text(source.data() + at, tag - at);
    char sign = tag + 2 < source.size() ? source[tag + 2] : '\0';
    if (tag < source.size() && sign == '-') {
      while (!text.empty() && isSpace(text.back())) {
        text.remove_suffix(1);
      }
    } else if (tag < source.size() && sign != '+' && source[tag + 1] != '{') {
      // lstrip_blocks: blanks between the line's begin and the tag.
      size_t begin = text.rfind('\n') + 1;
      bool blank = begin < text.size();
      for (char c : text.substr(begin)) {
        blank &= isSpace(c);
      }
      if (blank && (begin > 0 || lineStart)) {
        text = text.substr(0, begin);
      }
    }
    if (!text.empty()) {
      push(Token::Text, std::string(text));
    }
    if (tag > at) {
      lineStart = source[tag - 1] == '\n';
    }
    moveTo(tag);
  }

  Status readTag() {
    char kind = source[at + 1];
    moveTo(at + 2);
    if (at < source.size() && strchr("+-", source[at])) {
      moveTo(at + 1);
    }
    if (kind == '#') {
      size_t end = source.find("#}", at);
      if (end == std::string::npos) {
        return fail("a comment is not closed");
      }
      char sign = end > at ? source[end - 1] : '\0';
      moveTo(end + 2);
      afterTag(sign, true);
      return {};
    }
    push(kind == '{' ? Token::PrintBegin : Token::BlockBegin, "");
    return readInside(kind == '{' ? "}}" : "%}", kind == '%');
  }

  /// What a closing tag takes away behind it.
  void afterTag(char sign, bool isBlock) {
    size_t begin = at;
    if (sign == '-') {
      while (at < source.size() && isSpace(source[at])) {
        moveTo(at + 1);
      }
    } else if (isBlock && sign != '+' && at < source.size() &&
               source[at] == '\n') {
      moveTo(at + 1);
    }
    lineStart = at > begin && source[at - 1] == '\n';
  }

  Status readInside(const char *close, bool isBlock) {
    std::string open; // brackets not closed yet
    bool first = true;
    while (true) {
      while (at < source.size() && isSpace(source[at])) {
        moveTo(at + 1);
      }
      if (at >= source.size()) {
        return fail(std::string("the tag is not closed by ") + close);
      }
      std::string_view rest(source.data() + at, source.size() - at);
      bool sign = rest[0] == '-' || (isBlock && rest[0] == '+');
      if (open.empty() && rest.substr(sign).starts_with(close)) {
        char mark = sign ? rest[0] : '\0';
        push(isBlock ? Token::BlockEnd : Token::PrintEnd, "");
        moveTo(at + sign + 2);
        afterTag(mark, isBlock);
        return {};
      }
      RILL_TRY(readToken(rest, open));
      if (first && isBlock && tokens.back().text == "raw") {
        return templateError(ErrorCode::TemplateUnsupported, name, line,
                             "the statement \"raw\"");
      }
      first = false;
    }
  }

  Status readToken(std::string_view rest, std::string &open) {
    char c = rest[0];
    size_t length = 1;
    if (isNameStart(c)) {
      while (length < rest.size() &&
             (isNameStart(rest[length]) || isDigit(rest[length]))) {
        ++length;
      }
      push(Token::Name, std::string(rest.substr(0, length)));
    } else if (isDigit(c)) {
      readNumber(rest, length);
    } else if (c == '"' || c == '\'') {
      return readString(rest);
    } else {
      RILL_TRY(readOperator(rest, length, open));
    }
    moveTo(at + length);
    return {};
  }

  void readNumber(std::string_view rest, size_t &length) {
    auto digits = [&] {
      while (length < rest.size() && isDigit(rest[length])) {
        ++length;
      }
    };
    digits();
    bool isFloat = false;
    if (length + 1 < rest.size() && rest[length] == '.' &&
        isDigit(rest[length + 1])) {
      isFloat = true;
      ++length;
      digits();
    }
    size_t sign = length + 1;
    sign += sign < rest.size() && strchr("+-", rest[sign]) != nullptr;
    if (length < rest.size() && strchr("eE", rest[length]) &&
        sign < rest.size() && isDigit(rest[sign])) {
      isFloat = true;
      length = sign;
      digits();
    }
    push(isFloat ? Token::Float : Token::Integer,
         std::string(rest.substr(0, length)));
  }

  Status readOperator(std::string_view rest, size_t &length,
                      std::string &open) {
    static constexpr const char *kOperators[] = {
        "//", "**", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "~", "<",
        ">",  "=",  "(",  ")",  "[",  "]",  "{", "}", ".", ":", "|", ",", ";"};
    for (const char *op : kOperators) {
      if (rest.starts_with(op)) {
        length = strlen(op);
        push(Token::Operator, op);
        if (strchr("([{", op[0])) {
          open += op[0] == '(' ? ')' : op[0] == '[' ? ']' : '}';
        } else if (strchr(")]}", op[0])) {
          if (open.empty() || open.back() != op[0]) {
            return fail(std::string("unexpected ") + op);
          }
          open.pop_back();
        }
        return {};
      }
    }
    return fail(format("unexpected character 0x%02x",
                       static_cast<unsigned char>(rest[0])));
  }

  /// A quoted string with Python's escapes.
  Status readString(std::string_view rest) {
    char quote = rest[0];
    std::string value;
    size_t i = 1;
    while (i < rest.size() && rest[i] != quote) {
      if (rest[i] != '\\') {
        value += rest[i++];
        continue;
      }
      if (++i == rest.size()) {
        break;
      }
      static constexpr char kPlain[] = "n\nt\tr\rb\bf\fa\av\v\\\\''\"\"";
      const char *known = nullptr;
      for (const char *p = kPlain; *p; p += 2) {
        known = *p == rest[i] ? p : known;
      }
      size_t digits = rest[i] == 'x'   ? 2
                      : rest[i] == 'u' ? 4
                      : rest[i] == 'U' ? 8
                                       : 0;
      if (known) {
        value += known[1];
        ++i;
      } else if (rest[i] == '\n') {
        ++i;
      } else if (digits != 0) {
        RILL_TRY(readCode(rest.substr(i + 1), digits, value));
        i += digits + 1;
      } else if (isDigit(rest[i])) {
        return templateError(ErrorCode::TemplateUnsupported, name, line,
                             "an octal escape in a string");
      } else {
        value += '\\';
      }
    }
    if (i >= rest.size()) {
      return fail("a string is not closed");
    }
    push(Token::String, std::move(value));
    moveTo(at + i + 1);
    return {};
  }

  Status readCode(std::string_view rest, size_t digits, std::string &value) {
    char32_t code = 0;
    for (size_t i = 0; i < digits; ++i) {
      char c = i < rest.size() ? rest[i] : '\0';
      const char *hex = "0123456789abcdef";
      const char *digit =
          c ? strchr(hex, c >= 'A' && c <= 'F' ? c + 32 : c) : nullptr;
      if (!digit) {
        return fail("a character escape lacks digits");
      }
      code = code << 4 | static_cast<char32_t>(digit - hex);
    }
    if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) {
      return fail("a character escape names no character");
    }
    appendUtf8(value, code);
    return {};
  }

  std::string source;
  const std::string &name;
  std::vector<Token> tokens;
  size_t at = 0;
  int line = 1;
  bool lineStart = true; ///< the text before ended at a line's begin
};
} // namespace

Result<std::vector<Token>> rill::rt::tmpl::tokenize(std::string_view source,
                                                    const std::string &name) {
  if (!isUtf8(source)) {
    return templateError(ErrorCode::TemplateInvalid, name, 1,
                         "the template is not UTF-8");
  }
  return Lexer(normalizeNewlines(source), name).run();
}
