//===- split_pattern.h - Regular expressions of tokenizers ------*- C++ -*-===//
//
// Compiles the split patterns of tokenizer.json (Oniguruma's Ruby syntax) for
// PCRE2, so that both find the same pieces; syntax outside the common subset is
// refused.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_FORMATS_SPLIT_PATTERN_H
#define RILL_RUNTIME_FORMATS_SPLIT_PATTERN_H

#include "runtime/formats/status.h"

#include <vector>

namespace rill::rt {

/// Half-open byte range of a text.
struct TextRange {
  size_t begin, end;
};

/// A compiled pattern. Immutable; may be used by several threads.
class SplitPattern {
public:
  SplitPattern(SplitPattern &&other) noexcept;
  SplitPattern &operator=(SplitPattern &&other) noexcept;
  ~SplitPattern();

  /// Compiles a pattern; `where` stands for it in errors. Errors:
  /// TokenizerPattern (syntax), TokenizerUnsupported (known to Oniguruma, but
  /// outside the subset).
  static Result<SplitPattern> compile(std::string_view pattern,
                                      const std::string &where);
  /// A pattern that matches `text` literally.
  static Result<SplitPattern> compileLiteral(std::string_view text,
                                             const std::string &where);

  /// One word character as the tokenizers library's single_word understands it
  /// (Rust's \w).
  static Result<SplitPattern> compileWordCharacter();

  /// All leftmost, not overlapping matches in well-formed UTF-8 `text`; empty
  /// matches are left out. PatternLimit when one match needs too many steps.
  Result<std::vector<TextRange>> findAll(std::string_view text) const;

private:
  SplitPattern() = default;
  static Result<SplitPattern> build(const std::string &pcre,
                                    const std::string &where);

  void *code = nullptr;
};

/// `pattern` in PCRE2's spelling; what compile() does first.
Result<std::string> translatePattern(std::string_view pattern,
                                     const std::string &where);

} // namespace rill::rt

#endif
