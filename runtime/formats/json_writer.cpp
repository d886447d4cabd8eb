//===- json_writer.cpp - Spelling JSON as Python does ---------------------===//
//
// writeJson and pythonFloat; independent of the locale.
//
//===----------------------------------------------------------------------===//
#include "runtime/formats/json.h"

#include <charconv>
#include <cmath>
#include <cstring>

using namespace rill::rt;

std::string rill::rt::pythonFloat(double value) {
  if (std::isnan(value)) {
    return "nan";
  }
  if (std::isinf(value)) {
    return value < 0 ? "-inf" : "inf";
  }
  // repr() uses the shortest digits that read back, in fixed form for
  // exponents -4 ... 15 and in scientific form outside.
  char digits[64];
  auto sci = std::to_chars(digits, digits + sizeof(digits), value,
                           std::chars_format::scientific);
  std::string_view text(digits, static_cast<size_t>(sci.ptr - digits));
  int exponent = 0;
  size_t e = text.find('e');
  const char *first = text.data() + e + (text[e + 1] == '+' ? 2 : 1);
  std::from_chars(first, text.data() + text.size(), exponent);
  if (value == 0 || (exponent >= -4 && exponent < 16)) {
    auto fixed = std::to_chars(digits, digits + sizeof(digits), value,
                               std::chars_format::fixed);
    std::string out(digits, fixed.ptr);
    return out.find('.') == std::string::npos ? out + ".0" : out;
  }
  return std::string(text);
}

/// Appends \uXXXX for one UTF-16 unit.
static void appendEscape(std::string &out, uint32_t unit) {
  out += format("\\u%04x", unit);
}

/// Decodes the sequence at `at` (valid UTF-8 by construction) and moves on.
static uint32_t nextCodePoint(std::string_view text, size_t &at) {
  uint8_t lead = static_cast<uint8_t>(text[at++]);
  int more = lead < 0x80 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
  uint32_t code = more == 0 ? lead : lead & (0x3f >> more);
  for (; more > 0 && at < text.size(); --more) {
    code = code << 6 | (static_cast<uint8_t>(text[at++]) & 0x3f);
  }
  return code;
}

static void writeString(std::string &out, std::string_view text, bool ascii) {
  out += '"';
  for (size_t at = 0; at < text.size();) {
    char c = text[at];
    static constexpr char kShort[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    const char *pair = nullptr;
    for (const char *p = kShort; *p; p += 2) {
      pair = *p == c ? p : pair;
    }
    if (pair) {
      out += '\\';
      out += pair[1];
      ++at;
    } else if (static_cast<uint8_t>(c) < 0x20) {
      appendEscape(out, static_cast<uint8_t>(c));
      ++at;
    } else if (static_cast<uint8_t>(c) < 0x7f ||
               (!ascii && static_cast<uint8_t>(c) != 0x7f)) {
      out += c;
      ++at;
    } else if (c == 0x7f) {
      out += c; // Python leaves DEL alone in both modes
      ++at;
    } else {
      uint32_t code = nextCodePoint(text, at);
      if (code >= 0x10000) {
        appendEscape(out, 0xd800 + ((code - 0x10000) >> 10));
        code = 0xdc00 + ((code - 0x10000) & 0x3ff);
      }
      appendEscape(out, code);
    }
  }
  out += '"';
}

static void writeValue(std::string &out, const JsonValue &value,
                       const JsonStyle &style, int level);

static void newLine(std::string &out, const JsonStyle &style, int level) {
  if (style.indent >= 0) {
    out += '\n';
    out.append(static_cast<size_t>(style.indent * level), ' ');
  }
}

/// The separator; json.dumps drops the blank of ", " before a line break.
static void separate(std::string &out, const JsonStyle &style, int level,
                     bool first) {
  if (!first) {
    out += style.indent >= 0 && style.comma == ", " ? "," : style.comma;
  }
  newLine(out, style, level);
}

static void writeContainer(std::string &out, const JsonValue &value,
                           const JsonStyle &style, int level) {
  const JsonValue::Array *array = value.asArray();
  const JsonValue::Object *object = value.asObject();
  size_t count = array ? array->size() : object->size();
  out += array ? '[' : '{';
  for (size_t i = 0; i < count; ++i) {
    separate(out, style, level + 1, i == 0);
    if (array) {
      writeValue(out, (*array)[i], style, level + 1);
    } else {
      writeString(out, (*object)[i].key, style.ascii);
      out += style.colon;
      writeValue(out, (*object)[i].value, style, level + 1);
    }
  }
  if (count != 0) {
    newLine(out, style, level);
  }
  out += array ? ']' : '}';
}

static void writeValue(std::string &out, const JsonValue &value,
                       const JsonStyle &style, int level) {
  if (value.isNull()) {
    out += "null";
  } else if (const bool *truth = value.asBool()) {
    out += *truth ? "true" : "false";
  } else if (const int64_t *whole = value.asInt()) {
    out += std::to_string(*whole);
  } else if (const double *number = value.asDouble()) {
    // json.dumps spells the three values JSON lacks like this.
    out += std::isnan(*number)   ? "NaN"
           : std::isinf(*number) ? (*number < 0 ? "-Infinity" : "Infinity")
                                 : pythonFloat(*number);
  } else if (const std::string *text = value.asString()) {
    writeString(out, *text, style.ascii);
  } else {
    writeContainer(out, value, style, level);
  }
}

std::string rill::rt::writeJson(const JsonValue &value,
                                const JsonStyle &style) {
  std::string out;
  writeValue(out, value, style, 0);
  return out;
}
