//===- split_pattern.cpp - Regular expressions of tokenizers --------------===//
//
// Translation is needed because the engines differ in what \s and \d mean and
// in rarely used syntax.
//
//===----------------------------------------------------------------------===//
#include "runtime/formats/split_pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <cstring>
#include <memory>
#include <pcre2.h>

using namespace rill::rt;

/// Steps one match may take, and memory for it in KiB.
static constexpr uint32_t kMatchLimit = 20'000'000;
static constexpr uint32_t kHeapLimitKib = 64 * 1024;

/// Members of Unicode White_Space, for use inside a class.
static constexpr char kSpace[] =
    "\\t-\\r\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}"
    "\\x{2029}\\x{202f}\\x{205f}\\x{3000}";

//===----------------------------------------------------------------------===//
// Translation
//===----------------------------------------------------------------------===//

namespace {
class Translator {
public:
  Translator(std::string_view text, const std::string &where)
      : text(text), where(where) {}

  Result<std::string> run() {
    while (at < text.size()) {
      char c = text[at];
      if (c == '\\') {
        RILL_TRY(escape(false));
      } else if (c == '[') {
        RILL_TRY(charClass());
      } else if (c == '(') {
        RILL_TRY(group());
      } else if (c == '{') {
        RILL_TRY(repeat());
      } else if (strchr("^$", c)) {
        return unsupported("anchors");
      } else {
        // '#' and blanks are plain: extended mode is never switched on.
        out += c;
        ++at;
      }
    }
    return out;
  }

private:
  Error unsupported(const std::string &what) const {
    return makeError(ErrorCode::TokenizerUnsupported, where,
                     what + format(" at byte %zu of the pattern ", at) +
                         std::string(text));
  }
  Error invalid(const char *why) const {
    return makeError(ErrorCode::TokenizerPattern, where,
                     std::string(why) + " in the pattern " + std::string(text));
  }

  /// \r \n \t \s \S \d \p{..} \P{..} and escaped punctuation.
  Status escape(bool inClass) {
    if (at + 1 >= text.size()) {
      return invalid("a lone backslash ends");
    }
    char c = text[at + 1];
    if (strchr("rnt", c)) {
      out += {'\\', c};
    } else if (c == 's') {
      out += inClass ? std::string(kSpace) : std::string("[") + kSpace + "]";
    } else if (c == 'S' && !inClass) {
      out += std::string("[^") + kSpace + "]";
    } else if (c == 'd') {
      out += "\\p{Nd}";
    } else if (c == 'p' || c == 'P') {
      return property();
    } else if (c != '\0' && strchr("\\.[](){}*+?|^$-/'\"#&~!<>=: ", c)) {
      out += {'\\', c};
    } else {
      return unsupported(std::string("the escape \\") + c);
    }
    at += 2;
    return {};
  }

  /// General categories only; scripts and binary properties differ by version.
  Status property() {
    size_t end = text.find('}', at);
    if (text.substr(at + 2, 1) != "{" || end == std::string_view::npos) {
      return invalid("a property without {name}");
    }
    std::string name(text.substr(at + 3, end - at - 3));
    static constexpr char kNames[] =
        " L Lu Ll Lt Lm Lo M Mn Mc Me N Nd Nl No P Pc Pd Ps Pe Pi Pf Po S Sm "
        "Sc Sk So Z Zs Zl Zp C Cc Cf Co Cn ";
    if (name.find(' ') != std::string::npos ||
        std::string_view(kNames).find(" " + name + " ") ==
            std::string_view::npos) {
      return unsupported("the property \\p{" + name + "}");
    }
    out += text.substr(at, end + 1 - at);
    at = end + 1;
    return {};
  }

  Status charClass() {
    size_t begin = at;
    out += '[';
    ++at;
    if (text.substr(at).starts_with('^')) {
      out += '^';
      ++at;
    }
    if (text.substr(at).starts_with(']')) {
      return unsupported("an empty class");
    }
    while (at < text.size() && text[at] != ']') {
      if (text[at] == '\\') {
        RILL_TRY(escape(true));
      } else if (text[at] == '[') {
        return unsupported("a class inside a class");
      } else if (text.substr(at).starts_with("&&")) {
        return unsupported("the intersection of classes");
      } else {
        out += text[at++];
      }
    }
    if (at == text.size()) {
      at = begin;
      return invalid("a class is not closed");
    }
    out += ']';
    ++at;
    return {};
  }

  Status group() {
    static constexpr const char *kOpen[] = {"(?:",  "(?i:", "(?=", "(?!",
                                            "(?<=", "(?<!", "(?>"};
    if (!text.substr(at).starts_with("(?")) {
      out += "(?:"; // captures are never read
      ++at;
      return {};
    }
    for (const char *open : kOpen) {
      if (text.substr(at).starts_with(open)) {
        out += open;
        at += strlen(open);
        return {};
      }
    }
    return unsupported("the group " + std::string(text.substr(at, 4)));
  }

  /// {m}, {m,} and {m,n}; a following '+' would be possessive in PCRE2 only.
  Status repeat() {
    size_t end = text.find('}', at);
    std::string_view body =
        end == std::string_view::npos ? "" : text.substr(at + 1, end - at - 1);
    if (body.empty() || body[0] < '0' || body[0] > '9' ||
        body.find_first_not_of("0123456789,") != std::string_view::npos) {
      return unsupported("the repetition {" + std::string(body));
    }
    if (text.substr(end + 1).starts_with('+')) {
      return unsupported("a repetition of a repetition");
    }
    out += text.substr(at, end + 1 - at);
    at = end + 1;
    return {};
  }

  std::string_view text;
  const std::string &where;
  size_t at = 0;
  std::string out;
};
} // namespace

Result<std::string> rill::rt::translatePattern(std::string_view pattern,
                                               const std::string &where) {
  return Translator(pattern, where).run();
}

//===----------------------------------------------------------------------===//
// Matching
//===----------------------------------------------------------------------===//

SplitPattern::SplitPattern(SplitPattern &&other) noexcept
    : code(std::exchange(other.code, nullptr)) {}

SplitPattern &SplitPattern::operator=(SplitPattern &&other) noexcept {
  std::swap(code, other.code);
  return *this;
}

SplitPattern::~SplitPattern() {
  pcre2_code_free(static_cast<pcre2_code *>(code));
}

Result<SplitPattern> SplitPattern::build(const std::string &pcre,
                                         const std::string &where) {
  int error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code *compiled =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pcre.data()), pcre.size(),
                    PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error,
                    &offset, nullptr);
  if (!compiled) {
    PCRE2_UCHAR message[256];
    pcre2_get_error_message(error, message, sizeof(message));
    return makeError(ErrorCode::TokenizerPattern, where,
                     std::string(reinterpret_cast<char *>(message)) +
                         format(" at byte %zu of ", offset) + pcre);
  }
  // Without the just-in-time compiler matching is slower, not different.
  pcre2_jit_compile(compiled, PCRE2_JIT_COMPLETE);
  SplitPattern pattern;
  pattern.code = compiled;
  return pattern;
}

Result<SplitPattern> SplitPattern::compile(std::string_view pattern,
                                           const std::string &where) {
  RILL_ASSIGN(std::string pcre, translatePattern(pattern, where));
  return build(pcre, where);
}

Result<SplitPattern> SplitPattern::compileLiteral(std::string_view text,
                                                  const std::string &where) {
  std::string pcre;
  for (char c : text) {
    if (!isalnum(static_cast<unsigned char>(c)) &&
        static_cast<unsigned char>(c) < 0x80) {
      pcre += '\\';
    }
    pcre += c;
  }
  return build(pcre, where);
}

Result<SplitPattern> SplitPattern::compileWordCharacter() {
  return build("[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}]",
               "word characters");
}

namespace {
/// What one search needs; freed together.
struct MatchState {
  pcre2_match_context *context = pcre2_match_context_create(nullptr);
  pcre2_jit_stack *stack =
      pcre2_jit_stack_create(32 * 1024, kHeapLimitKib * 1024, nullptr);
  pcre2_match_data *data = pcre2_match_data_create(1, nullptr);

  MatchState() {
    if (context) {
      pcre2_set_match_limit(context, kMatchLimit);
      pcre2_set_heap_limit(context, kHeapLimitKib);
      pcre2_jit_stack_assign(context, nullptr, stack);
    }
  }
  MatchState(const MatchState &) = delete;
  ~MatchState() {
    pcre2_match_data_free(data);
    pcre2_jit_stack_free(stack);
    pcre2_match_context_free(context);
  }
};
} // namespace

Result<std::vector<TextRange>>
SplitPattern::findAll(std::string_view text) const {
  MatchState state;
  if (!state.context || !state.stack || !state.data) {
    return makeError(ErrorCode::OutOfMemory, "tokenizer",
                     "no memory for a pattern search");
  }
  std::vector<TextRange> found;
  size_t at = 0;
  while (at < text.size()) {
    int rc = pcre2_match(static_cast<pcre2_code *>(code),
                         reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
                         at, PCRE2_NO_UTF_CHECK, state.data, state.context);
    if (rc == PCRE2_ERROR_NOMATCH) {
      break;
    }
    if (rc < 0) {
      PCRE2_UCHAR message[256];
      pcre2_get_error_message(rc, message, sizeof(message));
      return makeError(ErrorCode::PatternLimit,
                       format("text byte %zu of %zu", at, text.size()),
                       reinterpret_cast<char *>(message),
                       "shorten the text or break it into lines");
    }
    const PCRE2_SIZE *range = pcre2_get_ovector_pointer(state.data);
    if (range[1] > range[0]) {
      found.push_back({range[0], range[1]});
      at = range[1];
    } else {
      // An empty match: go on behind the next character.
      at = range[1] + 1;
      while (at < text.size() && (text[at] & 0xc0) == 0x80) {
        ++at;
      }
    }
  }
  return found;
}
