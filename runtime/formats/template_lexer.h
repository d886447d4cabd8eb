//===- template_lexer.h - Tokens of a chat template -------------*- C++ -*-===//
//
// Cuts a Jinja template into text and tokens, with the whitespace rules of
// trim_blocks and lstrip_blocks that transformers uses. Private to
// chat_template.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_FORMATS_TEMPLATE_LEXER_H
#define RILL_RUNTIME_FORMATS_TEMPLATE_LEXER_H

#include "runtime/formats/status.h"

#include <vector>

namespace rill::rt::tmpl {

/// One token. Text stands outside tags; the Begin and End kinds are the tags
/// themselves; the rest stands inside them.
struct Token {
  enum Kind {
    Text,
    BlockBegin,
    BlockEnd,
    PrintBegin,
    PrintEnd,
    Name,
    Integer,
    Float,
    String,
    Operator,
    End
  };
  Kind kind;
  std::string text; ///< text, name, operator, or a string without its quotes
  int line;         ///< 1-based
};

/// All tokens of a template, ended by End. Errors: TemplateInvalid,
/// TemplateUnsupported (raw blocks), each with its line.
Result<std::vector<Token>> tokenize(std::string_view source,
                                    const std::string &name);

/// An error at a line of the template.
Error templateError(ErrorCode code, const std::string &name, int line,
                    std::string why);

} // namespace rill::rt::tmpl

#endif
