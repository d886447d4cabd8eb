//===- template_ast.h - The tree of a chat template -------------*- C++ -*-===//
//
// One node type for expressions, one for statements. Private to chat_template.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_FORMATS_TEMPLATE_AST_H
#define RILL_RUNTIME_FORMATS_TEMPLATE_AST_H

#include "runtime/formats/template_lexer.h"

#include <memory>

namespace rill::rt::tmpl {

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

/// `name=value` of a call; name is empty for a positional argument.
struct Argument {
  std::string name;
  ExprPtr value;
};

/// An expression. What the fields hold depends on the kind.
struct Expr {
  enum Kind {
    None,
    Bool,      ///< truth
    Integer,   ///< whole
    Float,     ///< number
    String,    ///< text
    Variable,  ///< text
    List,      ///< items (a tuple is a list too)
    Dict,      ///< items: key, value, key, value, ...
    Attribute, ///< items[0] . text
    Subscript, ///< items[0] [ items[1] ]
    Slice,  ///< items[0] [ items[1] : items[2] : items[3] ], parts may be null
    Call,   ///< items[0] ( arguments )
    Filter, ///< items[0] | text ( arguments )
    Test,   ///< items[0] is text ( arguments )
    Not,    ///< not items[0]
    Negative, ///< - items[0]
    Positive, ///< + items[0]
    Binary,   ///< items[0] text items[1]
    Compare,  ///< items[0] ops[0] items[1] ops[1] ...
    And,      ///< items[0], items[1]
    Or,
    Condition ///< items[0] if items[1] else items[2] (may be null)
  };
  Kind kind;
  int line;
  std::string text;
  bool truth = false;
  int64_t whole = 0;
  double number = 0;
  std::vector<ExprPtr> items;
  std::vector<std::string> ops;
  std::vector<Argument> arguments;
};

struct Stmt;
using Body = std::vector<std::unique_ptr<Stmt>>;

/// A statement.
struct Stmt {
  enum Kind {
    Text,     ///< text
    Print,    ///< value
    If,       ///< conditions and bodies in pairs; one more body is the else
    For,      ///< names in value [if condition]: bodies[0], else bodies[1]
    Set,      ///< names = value, or object.attribute = value
    SetBlock, ///< names[0] = output of bodies[0]
    Macro,    ///< text ( names, defaults ): bodies[0]
    Group,    ///< bodies[0] as it stands
    Break,
    Continue
  };
  Kind kind;
  int line;
  std::string text;
  std::string attribute; ///< Set: names[0] is then a namespace
  std::vector<std::string> names;
  ExprPtr value, condition;
  std::vector<ExprPtr> conditions; ///< If; Macro: defaults, null when none
  std::vector<Body> bodies;
};

/// Parses a template. Errors: TemplateInvalid, TemplateUnsupported (names the
/// construct), each with its line.
Result<Body> parseTemplate(std::string_view source, const std::string &name);

/// Whether the interpreter knows a filter or test of that name.
bool isFilter(std::string_view name);
bool isTest(std::string_view name);

} // namespace rill::rt::tmpl

#endif
