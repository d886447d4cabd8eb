//===- template_eval.h - Running a chat template ----------------*- C++ -*-===//
//
// The interpreter of one rendering. Private to chat_template.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_FORMATS_TEMPLATE_EVAL_H
#define RILL_RUNTIME_FORMATS_TEMPLATE_EVAL_H

#include "runtime/formats/chat_template.h"
#include "runtime/formats/template_value.h"

namespace rill::rt::tmpl {

/// Evaluated arguments of a call, filter or test.
struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;

  /// The argument at `index` or called `name`; null when absent.
  const Value *get(size_t index, std::string_view name) const;
  /// Positional count at most `most` and only these names.
  bool fits(size_t most, std::initializer_list<std::string_view> names) const;
};

/// Runs one template once.
class Interpreter {
public:
  Interpreter(const std::string &name, const ChatInput &input)
      : name(name), input(input), heap(input.limits.maxMemory) {}

  Result<std::vector<TextSpan>> run(const Body &body);

private:
  using Outcome = Result<Value>;
  enum class Flow { Next, Break, Continue };

  // template_eval.cpp
  Status step(int line);
  Status spend(size_t work, int line);
  Error fail(int line, std::string why) const;
  Error unsupported(int line, std::string why) const;
  void defineGlobals(Scope &scope);
  Status print(const Text &text, int line);
  Status execute(const Body &body, Scope &scope, Flow &flow);
  Status executeOne(const Stmt &stmt, Scope &scope, Flow &flow);
  Status executeIf(const Stmt &stmt, Scope &scope, Flow &flow);
  Status executeFor(const Stmt &stmt, Scope &scope);
  Status executeSet(const Stmt &stmt, Scope &scope);
  Status bind(const std::vector<std::string> &names, const Value &value,
              Scope &scope, int line);
  Result<Text> capture(const Body &body, Scope &scope);
  Result<std::vector<Value>> itemsOf(const Value &value, int line);
  Value loopValue(const std::vector<Value> &items, size_t index);

  Outcome evaluate(const Expr &expr, Scope &scope);
  Outcome evaluateNode(const Expr &expr, Scope &scope);
  Outcome evaluateCollection(const Expr &expr, Scope &scope);
  Outcome evaluateAttribute(const Expr &expr, Scope &scope);
  Outcome evaluateSubscript(const Expr &expr, Scope &scope);
  Outcome evaluateSlice(const Expr &expr, Scope &scope);
  Outcome evaluateCompare(const Expr &expr, Scope &scope);
  Outcome evaluateBinary(const Expr &expr, Scope &scope);
  Outcome arithmetic(const std::string &op, const Value &a, const Value &b,
                     int line);
  Outcome wholeArithmetic(char op, int64_t x, int64_t y, int line);
  Outcome compare(const std::string &op, const Value &a, const Value &b,
                  int line);
  Result<bool> contains(const Value &inner, const Value &outer, int line);
  Outcome evaluateCall(const Expr &expr, Scope &scope);
  Outcome callMacro(const Macro &macro, const Arguments &arguments, int line);
  Outcome callBuiltin(const std::string &function, const Arguments &arguments,
                      int line);
  Outcome makeRange(const Arguments &arguments, int line);
  Result<Arguments> evaluateArguments(const Expr &expr, Scope &scope);

  // template_filters.cpp
  Outcome applyFilter(const std::string &filter, const Value &value,
                      const Arguments &arguments, int line);
  Outcome applyListFilter(const std::string &filter, const Value &value,
                          const Arguments &arguments, int line);
  Outcome applySelect(const std::string &filter, const Value &value,
                      const Arguments &arguments, int line);
  Outcome applyMap(const Value &value, const Arguments &arguments, int line);
  Outcome applyTextFilter(const std::string &filter, const Value &value,
                          const Arguments &arguments, int line);
  Outcome applyJson(const Value &value, const Arguments &arguments, int line);
  Outcome applyNumber(const std::string &filter, const Value &value,
                      const Arguments &arguments, int line);
  Outcome join(const Value &value, const Arguments &arguments, int line);
  Result<bool> applyTest(const std::string &test, const Value &value,
                         const Arguments &arguments, int line);

  // template_methods.cpp
  Outcome callMethod(const Value &object, const std::string &method,
                     const Arguments &arguments, int line);
  Outcome callTextMethod(const Value &object, const std::string &method,
                         const Arguments &arguments, int line);
  Outcome split(const Text &text, const Arguments &arguments, bool fromRight,
                int line);
  Outcome replace(const Text &text, const Arguments &arguments, int line);
  Outcome changeCase(const Text &text, const std::string &how, int line);
  Outcome attributeOf(const Value &object, const std::string &attribute,
                      int line);

  const std::string &name;
  const ChatInput &input;
  Heap heap;
  Text output;
  size_t steps = 0, captured = 0;
  int depth = 0;
};

/// A text without the characters of `set` (Unicode blanks when empty is null)
/// at its begin or end.
Text stripText(const Text &text, const Value *set, bool left, bool right);
/// Byte offsets of the characters of a text, and its length at the end.
std::vector<size_t> characterOffsets(const std::string &text);

} // namespace rill::rt::tmpl

#endif
