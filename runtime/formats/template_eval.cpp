//===- template_eval.cpp - Running a chat template ------------------------===//
//
// Statements and expressions. Every step, level, range and byte is counted.
//
//===----------------------------------------------------------------------===//
#include "runtime/formats/template_eval.h"

#include <algorithm>
#include <cmath>
#include <ctime>

using namespace rill::rt;
using namespace rill::rt::tmpl;

//===----------------------------------------------------------------------===//
// Limits and errors
//===----------------------------------------------------------------------===//

Error Interpreter::fail(int line, std::string why) const {
  return templateError(ErrorCode::TemplateFailed, name, line, std::move(why));
}

Error Interpreter::unsupported(int line, std::string why) const {
  return templateError(ErrorCode::TemplateUnsupported, name, line,
                       std::move(why));
}

Status Interpreter::step(int line) {
  const TemplateLimits &limits = input.limits;
  std::string why;
  if (++steps > limits.maxSteps) {
    why = format("takes more than %zu steps", limits.maxSteps);
  } else if (heap.exhausted()) {
    why = format("needs more than %zu bytes of memory", limits.maxMemory);
  } else if (depth > limits.maxDepth) {
    why = format("is nested deeper than %d levels", limits.maxDepth);
  }
  return why.empty()
             ? Status()
             : Status(templateError(ErrorCode::TemplateLimit, name, line, why));
}

/// Counts work that goes through a whole value at once.
Status Interpreter::spend(size_t work, int line) {
  steps += std::min(work, input.limits.maxSteps);
  return step(line);
}

Status Interpreter::print(const Text &text, int line) {
  captured += text.bytes.size();
  if (output.bytes.size() + text.bytes.size() > input.limits.maxOutput ||
      captured > 4 * input.limits.maxOutput) {
    return templateError(
        ErrorCode::TemplateLimit, name, line,
        format("writes more than %zu bytes", input.limits.maxOutput));
  }
  output.append(text);
  return {};
}

//===----------------------------------------------------------------------===//
// Statements
//===----------------------------------------------------------------------===//

void Interpreter::defineGlobals(Scope &scope) {
  for (const char *function :
       {"range", "namespace", "dict", "raise_exception", "strftime_now"}) {
    scope.set(function, heap.makeBuiltin(function));
  }
  scope.set("messages", heap.fromJson(input.messages, Text::kUser));
  scope.set("tools", heap.fromJson(input.tools, Text::kUser));
  scope.set("add_generation_prompt", heap.makeBool(input.addGenerationPrompt));
  for (const auto &[token, text] : input.tokens) {
    scope.set(token, heap.makeText(text, Text::kTemplate));
  }
  for (const JsonMember &member : input.variables) {
    scope.set(member.key, heap.fromJson(member.value, Text::kUser));
  }
}

Result<std::vector<TextSpan>> Interpreter::run(const Body &body) {
  Scope *globals = heap.makeScope(nullptr);
  defineGlobals(*globals);
  Flow flow = Flow::Next;
  // The template's own variables hide the renderer's.
  RILL_TRY(execute(body, *heap.makeScope(globals), flow));
  std::vector<TextSpan> spans;
  for (size_t i = 0; i < output.bytes.size(); ++i) {
    bool isTemplate = output.origin[i] == Text::kTemplate;
    if (spans.empty() || spans.back().isTemplate != isTemplate) {
      spans.push_back({"", isTemplate});
    }
    spans.back().text += output.bytes[i];
  }
  return spans;
}

Status Interpreter::execute(const Body &body, Scope &scope, Flow &flow) {
  for (const std::unique_ptr<Stmt> &stmt : body) {
    RILL_TRY(step(stmt->line));
    RILL_TRY(executeOne(*stmt, scope, flow));
    if (flow != Flow::Next) {
      break;
    }
  }
  return {};
}

Status Interpreter::executeOne(const Stmt &stmt, Scope &scope, Flow &flow) {
  switch (stmt.kind) {
  case Stmt::Text:
    return print(Text(stmt.text, Text::kTemplate), stmt.line);
  case Stmt::Print: {
    RILL_ASSIGN(Value value, evaluate(*stmt.value, scope));
    return print(toText(value), stmt.line);
  }
  case Stmt::If:
    return executeIf(stmt, scope, flow);
  case Stmt::For:
    return executeFor(stmt, scope);
  case Stmt::Set:
    return executeSet(stmt, scope);
  case Stmt::SetBlock: {
    RILL_ASSIGN(Text text, capture(stmt.bodies[0], *heap.makeScope(&scope)));
    scope.set(stmt.names[0], heap.makeText(std::move(text)));
    return {};
  }
  case Stmt::Macro:
    scope.set(stmt.text, heap.makeMacro(&stmt, &scope));
    return {};
  case Stmt::Group:
    return execute(stmt.bodies[0], *heap.makeScope(&scope), flow);
  case Stmt::Break:
    flow = Flow::Break;
    return {};
  case Stmt::Continue:
    flow = Flow::Continue;
    return {};
  }
  return {};
}

Status Interpreter::executeIf(const Stmt &stmt, Scope &scope, Flow &flow) {
  for (size_t i = 0; i < stmt.conditions.size(); ++i) {
    RILL_ASSIGN(Value condition, evaluate(*stmt.conditions[i], scope));
    if (isTrue(condition)) {
      return execute(stmt.bodies[i], scope, flow);
    }
  }
  if (stmt.bodies.size() > stmt.conditions.size()) {
    return execute(stmt.bodies.back(), scope, flow);
  }
  return {};
}

Status Interpreter::bind(const std::vector<std::string> &names,
                         const Value &value, Scope &scope, int line) {
  if (names.size() == 1) {
    scope.set(names[0], value);
    return {};
  }
  RILL_ASSIGN(std::vector<Value> items, itemsOf(value, line));
  if (items.size() != names.size()) {
    return fail(line,
                format("%zu values for %zu names", items.size(), names.size()));
  }
  for (size_t i = 0; i < names.size(); ++i) {
    scope.set(names[i], items[i]);
  }
  return {};
}

Status Interpreter::executeSet(const Stmt &stmt, Scope &scope) {
  RILL_ASSIGN(Value value, evaluate(*stmt.value, scope));
  if (stmt.attribute.empty()) {
    return bind(stmt.names, value, scope, stmt.line);
  }
  const Value *object = scope.find(stmt.names[0]);
  if (!object || object->kind != Value::Namespace) {
    return fail(stmt.line, "cannot assign attribute on \"" + stmt.names[0] +
                               "\", which is no namespace");
  }
  heap.charge(sizeof(Value));
  object->dict->set(heap.makeText(stmt.attribute, Text::kTemplate), value);
  return {};
}

Result<std::vector<Value>> Interpreter::itemsOf(const Value &value, int line) {
  switch (value.kind) {
  case Value::Undefined:
    return std::vector<Value>();
  case Value::ListKind:
    RILL_TRY(spend(value.list->items.size() / 4, line));
    return value.list->items;
  case Value::DictKind: {
    RILL_TRY(spend(value.dict->members.size() / 4, line));
    std::vector<Value> keys;
    for (const auto &[key, item] : value.dict->members) {
      keys.push_back(key);
    }
    return keys;
  }
  case Value::String: {
    std::vector<Value> characters;
    std::vector<size_t> offsets = characterOffsets(value.text->bytes);
    for (size_t i = 0; i + 1 < offsets.size(); ++i) {
      characters.push_back(
          heap.makeText(value.text->slice(offsets[i], offsets[i + 1])));
      RILL_TRY(step(line));
    }
    return characters;
  }
  default:
    return fail(line, format("%s is not iterable", kindName(value)));
  }
}

Value Interpreter::loopValue(const std::vector<Value> &items, size_t index) {
  Value loop = heap.makeDict();
  auto set = [&](const char *key, Value value) {
    loop.dict->members.emplace_back(heap.makeText(key, Text::kTemplate), value);
  };
  int64_t at = static_cast<int64_t>(index);
  int64_t count = static_cast<int64_t>(items.size());
  set("index", heap.makeInt(at + 1));
  set("index0", heap.makeInt(at));
  set("revindex", heap.makeInt(count - at));
  set("revindex0", heap.makeInt(count - at - 1));
  set("first", heap.makeBool(at == 0));
  set("last", heap.makeBool(at + 1 == count));
  set("length", heap.makeInt(count));
  set("previtem", index > 0 ? items[index - 1] : Value());
  set("nextitem", index + 1 < items.size() ? items[index + 1] : Value());
  heap.charge(10 * sizeof(Value));
  return loop;
}

Status Interpreter::executeFor(const Stmt &stmt, Scope &scope) {
  RILL_ASSIGN(Value value, evaluate(*stmt.value, scope));
  RILL_ASSIGN(std::vector<Value> items, itemsOf(value, stmt.line));
  if (stmt.condition) {
    std::vector<Value> kept;
    for (const Value &item : items) {
      Scope *inner = heap.makeScope(&scope);
      RILL_TRY(bind(stmt.names, item, *inner, stmt.line));
      RILL_ASSIGN(Value keep, evaluate(*stmt.condition, *inner));
      if (isTrue(keep)) {
        kept.push_back(item);
      }
    }
    items = std::move(kept);
  }
  if (items.empty()) {
    Flow flow = Flow::Next;
    return stmt.bodies.size() > 1
               ? execute(stmt.bodies[1], *heap.makeScope(&scope), flow)
               : Status();
  }
  for (size_t i = 0; i < items.size(); ++i) {
    RILL_TRY(step(stmt.line));
    Scope *inner = heap.makeScope(&scope);
    inner->set("loop", loopValue(items, i));
    RILL_TRY(bind(stmt.names, items[i], *inner, stmt.line));
    Flow flow = Flow::Next;
    RILL_TRY(execute(stmt.bodies[0], *inner, flow));
    if (flow == Flow::Break) {
      break;
    }
  }
  return {};
}

Result<Text> Interpreter::capture(const Body &body, Scope &scope) {
  Text outer = std::exchange(output, {});
  Flow flow = Flow::Next;
  ++depth;
  Status status = step(0);
  if (status.ok()) {
    status = execute(body, scope, flow);
  }
  --depth;
  Text made = std::exchange(output, std::move(outer));
  RILL_TRY(std::move(status));
  return made;
}

//===----------------------------------------------------------------------===//
// Expressions
//===----------------------------------------------------------------------===//

Result<Value> Interpreter::evaluate(const Expr &expr, Scope &scope) {
  ++depth;
  Status status = step(expr.line);
  Outcome value =
      status.ok() ? evaluateNode(expr, scope) : Outcome(std::move(status));
  --depth;
  return value;
}

Result<Value> Interpreter::evaluateNode(const Expr &expr, Scope &scope) {
  switch (expr.kind) {
  case Expr::None:
    return heap.makeNone();
  case Expr::Bool:
    return heap.makeBool(expr.truth);
  case Expr::Integer:
    return heap.makeInt(expr.whole);
  case Expr::Float:
    return heap.makeFloat(expr.number);
  case Expr::String:
    return heap.makeText(expr.text, Text::kTemplate);
  case Expr::Variable: {
    const Value *value = scope.find(expr.text);
    return value ? *value : Value();
  }
  case Expr::List:
  case Expr::Dict:
    return evaluateCollection(expr, scope);
  case Expr::Attribute:
    return evaluateAttribute(expr, scope);
  case Expr::Subscript:
    return evaluateSubscript(expr, scope);
  case Expr::Slice:
    return evaluateSlice(expr, scope);
  case Expr::Call:
    return evaluateCall(expr, scope);
  case Expr::Compare:
    return evaluateCompare(expr, scope);
  case Expr::Filter:
  case Expr::Test: {
    RILL_ASSIGN(Value value, evaluate(*expr.items[0], scope));
    RILL_ASSIGN(Arguments arguments, evaluateArguments(expr, scope));
    if (expr.kind == Expr::Filter) {
      return applyFilter(expr.text, value, arguments, expr.line);
    }
    RILL_ASSIGN(bool holds, applyTest(expr.text, value, arguments, expr.line));
    return heap.makeBool(holds);
  }
  case Expr::And:
  case Expr::Or: {
    RILL_ASSIGN(Value left, evaluate(*expr.items[0], scope));
    return isTrue(left) == (expr.kind == Expr::Or)
               ? Outcome(left)
               : evaluate(*expr.items[1], scope);
  }
  case Expr::Condition: {
    RILL_ASSIGN(Value condition, evaluate(*expr.items[1], scope));
    if (isTrue(condition)) {
      return evaluate(*expr.items[0], scope);
    }
    return expr.items[2] ? evaluate(*expr.items[2], scope) : Value();
  }
  case Expr::Not: {
    RILL_ASSIGN(Value value, evaluate(*expr.items[0], scope));
    return heap.makeBool(!isTrue(value));
  }
  case Expr::Negative:
  case Expr::Positive: {
    RILL_ASSIGN(Value value, evaluate(*expr.items[0], scope));
    return arithmetic(expr.kind == Expr::Negative ? "-" : "+", heap.makeInt(0),
                      value, expr.line);
  }
  case Expr::Binary:
    return evaluateBinary(expr, scope);
  }
  return Value();
}

Result<Value> Interpreter::evaluateCollection(const Expr &expr, Scope &scope) {
  std::vector<Value> items;
  for (const ExprPtr &item : expr.items) {
    RILL_ASSIGN(Value value, evaluate(*item, scope));
    items.push_back(value);
  }
  if (expr.kind == Expr::List) {
    return heap.makeList(std::move(items));
  }
  Value dict = heap.makeDict();
  for (size_t i = 0; i + 1 < items.size(); i += 2) {
    if (items[i].kind != Value::String && !items[i].isNumber()) {
      return unsupported(expr.line,
                         format("a key that is a %s", kindName(items[i])));
    }
    dict.dict->set(items[i], items[i + 1]);
  }
  heap.seal(dict);
  return dict;
}

Result<Value> Interpreter::evaluateAttribute(const Expr &expr, Scope &scope) {
  RILL_ASSIGN(Value object, evaluate(*expr.items[0], scope));
  return attributeOf(object, expr.text, expr.line);
}

Result<Value> Interpreter::evaluateSubscript(const Expr &expr, Scope &scope) {
  RILL_ASSIGN(Value object, evaluate(*expr.items[0], scope));
  RILL_ASSIGN(Value key, evaluate(*expr.items[1], scope));
  if (object.kind == Value::Undefined) {
    return fail(expr.line, "subscript of an undefined value");
  }
  if (object.isMapping() || object.kind == Value::Namespace) {
    for (const auto &[name, value] : object.dict->members) {
      if (isEqual(name, key)) {
        return value;
      }
    }
    return Value();
  }
  if (!key.isWhole()) {
    return Value();
  }
  int64_t index = key.asWhole();
  if (object.kind == Value::ListKind) {
    int64_t size = static_cast<int64_t>(object.list->items.size());
    index += index < 0 ? size : 0;
    return index >= 0 && index < size
               ? object.list->items[static_cast<size_t>(index)]
               : Value();
  }
  if (object.kind == Value::String) {
    RILL_TRY(spend(object.text->bytes.size() / 64, expr.line));
    std::vector<size_t> offsets = characterOffsets(object.text->bytes);
    int64_t size = static_cast<int64_t>(offsets.size()) - 1;
    index += index < 0 ? size : 0;
    if (index < 0 || index >= size) {
      return Value();
    }
    size_t at = static_cast<size_t>(index);
    return heap.makeText(object.text->slice(offsets[at], offsets[at + 1]));
  }
  return Value();
}

Result<Value> Interpreter::evaluateSlice(const Expr &expr, Scope &scope) {
  RILL_ASSIGN(Value object, evaluate(*expr.items[0], scope));
  std::optional<int64_t> parts[3];
  for (size_t i = 0; i < 3; ++i) {
    if (expr.items[i + 1]) {
      RILL_ASSIGN(Value part, evaluate(*expr.items[i + 1], scope));
      if (part.isWhole()) {
        parts[i] = part.asWhole();
      } else if (part.kind != Value::None) {
        return fail(expr.line, "slice borders must be whole numbers");
      }
    }
  }
  bool isText = object.kind == Value::String;
  if (!isText && object.kind != Value::ListKind) {
    return fail(expr.line, format("%s cannot be sliced", kindName(object)));
  }
  std::vector<size_t> offsets;
  RILL_TRY(spend(isText ? object.text->bytes.size() / 64
                        : object.list->items.size() / 4,
                 expr.line));
  if (isText) {
    offsets = characterOffsets(object.text->bytes);
  }
  int64_t size = isText ? static_cast<int64_t>(offsets.size()) - 1
                        : static_cast<int64_t>(object.list->items.size());
  int64_t stride = parts[2].value_or(1);
  if (stride == 0) {
    return fail(expr.line, "the step of a slice is zero");
  }
  // Python's slice.indices().
  int64_t low = stride > 0 ? 0 : -1, high = stride > 0 ? size : size - 1;
  auto border = [&](std::optional<int64_t> part, int64_t fallback) {
    int64_t at = !part       ? fallback
                 : *part < 0 ? std::max(*part, -size - 1) + size
                             : *part;
    return std::clamp(at, low, high);
  };
  int64_t begin = border(parts[0], stride > 0 ? low : high);
  int64_t end = border(parts[1], stride > 0 ? high : low);
  stride = std::clamp(stride, -size - 1, size + 1);
  Text text;
  std::vector<Value> items;
  for (int64_t i = begin; stride > 0 ? i < end : i > end; i += stride) {
    size_t at = static_cast<size_t>(i);
    if (isText) {
      text.append(object.text->slice(offsets[at], offsets[at + 1]));
    } else {
      items.push_back(object.list->items[at]);
    }
  }
  return isText ? heap.makeText(std::move(text))
                : heap.makeList(std::move(items));
}

Result<bool> Interpreter::contains(const Value &inner, const Value &outer,
                                   int line) {
  switch (outer.kind) {
  case Value::Undefined:
    return false;
  case Value::String:
    if (inner.kind != Value::String) {
      return fail(line, format("\"in\" of %s in str", kindName(inner)));
    }
    return outer.text->bytes.find(inner.text->bytes) != std::string::npos;
  case Value::ListKind:
    return std::any_of(outer.list->items.begin(), outer.list->items.end(),
                       [&](const Value &v) { return isEqual(v, inner); });
  case Value::DictKind:
    return std::any_of(
        outer.dict->members.begin(), outer.dict->members.end(),
        [&](const auto &member) { return isEqual(member.first, inner); });
  default:
    return fail(line, format("%s is not iterable", kindName(outer)));
  }
}

Result<Value> Interpreter::compare(const std::string &op, const Value &a,
                                   const Value &b, int line) {
  RILL_TRY(spend(weightOf(a) / 4 + weightOf(b) / 4, line));
  if (op == "==" || op == "!=") {
    return heap.makeBool(isEqual(a, b) == (op == "=="));
  }
  if (op == "in" || op == "not in") {
    RILL_ASSIGN(bool inside, contains(a, b, line));
    return heap.makeBool(inside == (op == "in"));
  }
  int order = 0;
  if (a.kind == Value::String && b.kind == Value::String) {
    order = a.text->bytes.compare(b.text->bytes);
  } else if (a.isWhole() && b.isWhole()) {
    order = a.asWhole() < b.asWhole() ? -1 : a.asWhole() > b.asWhole();
  } else if (a.isNumber() && b.isNumber()) {
    order = a.asNumber() < b.asNumber() ? -1 : a.asNumber() > b.asNumber();
  } else {
    return fail(line, format("%s %s %s cannot be ordered", kindName(a),
                             op.c_str(), kindName(b)));
  }
  return heap.makeBool(op == "<"    ? order < 0
                       : op == "<=" ? order <= 0
                       : op == ">"  ? order > 0
                                    : order >= 0);
}

Result<Value> Interpreter::evaluateCompare(const Expr &expr, Scope &scope) {
  RILL_ASSIGN(Value left, evaluate(*expr.items[0], scope));
  Value result;
  for (size_t i = 0; i < expr.ops.size(); ++i) {
    RILL_ASSIGN(Value right, evaluate(*expr.items[i + 1], scope));
    RILL_ASSIGN(result, compare(expr.ops[i], left, right, expr.line));
    if (!isTrue(result)) {
      return result;
    }
    left = right;
  }
  return result;
}

Result<Value> Interpreter::evaluateBinary(const Expr &expr, Scope &scope) {
  RILL_ASSIGN(Value a, evaluate(*expr.items[0], scope));
  RILL_ASSIGN(Value b, evaluate(*expr.items[1], scope));
  if (expr.text == "~") {
    Text text = toText(a);
    text.append(toText(b));
    return heap.makeText(std::move(text));
  }
  return arithmetic(expr.text, a, b, expr.line);
}

Result<Value> Interpreter::wholeArithmetic(char op, int64_t x, int64_t y,
                                           int line) {
  int64_t result = 0;
  bool over = false;
  if (op == '+') {
    over = __builtin_add_overflow(x, y, &result);
  } else if (op == '-') {
    over = __builtin_sub_overflow(x, y, &result);
  } else if (op == '*') {
    over = __builtin_mul_overflow(x, y, &result);
  } else {
    // Python's // and % round towards minus infinity.
    over = x == INT64_MIN && y == -1;
    if (!over) {
      int64_t quotient = x / y - (x % y != 0 && (x < 0) != (y < 0));
      result = op == '/' ? quotient : x - quotient * y;
    }
  }
  if (over) {
    return unsupported(line, "an integer beyond 64 bits");
  }
  return heap.makeInt(result);
}

Result<Value> Interpreter::arithmetic(const std::string &op, const Value &a,
                                      const Value &b, int line) {
  if (op == "+" && a.kind == Value::String && b.kind == Value::String) {
    Text text = *a.text;
    text.append(*b.text);
    return heap.makeText(std::move(text));
  }
  if (op == "+" && a.kind == Value::ListKind && b.kind == Value::ListKind) {
    std::vector<Value> items = a.list->items;
    items.insert(items.end(), b.list->items.begin(), b.list->items.end());
    return heap.makeList(std::move(items));
  }
  if (!a.isNumber() || !b.isNumber()) {
    return fail(line, format("%s %s %s is not possible", kindName(a),
                             op.c_str(), kindName(b)));
  }
  bool divides = op == "/" || op == "//" || op == "%";
  if (divides && b.asNumber() == 0) {
    return fail(line, "division by zero");
  }
  if (a.isWhole() && b.isWhole() && op != "/") {
    return wholeArithmetic(op[0], a.asWhole(), b.asWhole(), line);
  }
  double x = a.asNumber(), y = b.asNumber();
  return heap.makeFloat(op == "+"    ? x + y
                        : op == "-"  ? x - y
                        : op == "*"  ? x * y
                        : op == "/"  ? x / y
                        : op == "//" ? std::floor(x / y)
                                     : x - std::floor(x / y) * y);
}

//===----------------------------------------------------------------------===//
// Calls
//===----------------------------------------------------------------------===//

const Value *Arguments::get(size_t index, std::string_view key) const {
  if (index < positional.size()) {
    return &positional[index];
  }
  for (const auto &[name, value] : named) {
    if (name == key) {
      return &value;
    }
  }
  return nullptr;
}

bool Arguments::fits(size_t most,
                     std::initializer_list<std::string_view> names) const {
  return positional.size() <= most &&
         std::all_of(named.begin(), named.end(), [&](const auto &argument) {
           return std::find(names.begin(), names.end(), argument.first) !=
                  names.end();
         });
}

Result<Arguments> Interpreter::evaluateArguments(const Expr &expr,
                                                 Scope &scope) {
  Arguments arguments;
  for (const Argument &argument : expr.arguments) {
    RILL_ASSIGN(Value value, evaluate(*argument.value, scope));
    if (argument.name.empty()) {
      arguments.positional.push_back(value);
    } else {
      arguments.named.emplace_back(argument.name, value);
    }
  }
  return arguments;
}

Result<Value> Interpreter::evaluateCall(const Expr &expr, Scope &scope) {
  const Expr &callee = *expr.items[0];
  if (callee.kind == Expr::Attribute) {
    RILL_ASSIGN(Value object, evaluate(*callee.items[0], scope));
    RILL_ASSIGN(Arguments arguments, evaluateArguments(expr, scope));
    return callMethod(object, callee.text, arguments, expr.line);
  }
  RILL_ASSIGN(Value function, evaluate(callee, scope));
  if (function.kind == Value::Undefined && callee.kind == Expr::Variable) {
    return unsupported(expr.line, "the function \"" + callee.text + "\"");
  }
  RILL_ASSIGN(Arguments arguments, evaluateArguments(expr, scope));
  if (function.kind == Value::MacroKind) {
    return callMacro(*function.macro, arguments, expr.line);
  }
  if (function.kind == Value::Builtin) {
    return callBuiltin(function.text->bytes, arguments, expr.line);
  }
  return fail(expr.line, format("%s cannot be called", kindName(function)));
}

Result<Value> Interpreter::callMacro(const Macro &macro,
                                     const Arguments &arguments, int line) {
  const Stmt &definition = *macro.definition;
  if (arguments.positional.size() > definition.names.size()) {
    return fail(line, "too many arguments for the macro " + definition.text);
  }
  for (const auto &[key, value] : arguments.named) {
    if (std::find(definition.names.begin(), definition.names.end(), key) ==
        definition.names.end()) {
      return fail(line,
                  "the macro " + definition.text + " has no parameter " + key);
    }
  }
  Scope *scope = heap.makeScope(macro.scope);
  for (size_t i = 0; i < definition.names.size(); ++i) {
    const Value *given = arguments.get(i, definition.names[i]);
    Value value = given ? *given : Value();
    if (!given && definition.conditions[i]) {
      RILL_ASSIGN(value, evaluate(*definition.conditions[i], *scope));
    }
    scope->set(definition.names[i], value);
  }
  RILL_ASSIGN(Text text, capture(definition.bodies[0], *scope));
  return heap.makeText(std::move(text));
}

Result<Value> Interpreter::makeRange(const Arguments &arguments, int line) {
  int64_t parts[3] = {0, 0, 1};
  size_t count = arguments.positional.size();
  if (count < 1 || count > 3 || !arguments.named.empty()) {
    return fail(line, "range takes one to three numbers");
  }
  for (size_t i = 0; i < count; ++i) {
    if (!arguments.positional[i].isWhole()) {
      return fail(line, "range takes whole numbers");
    }
    parts[count == 1 ? 1 : i] = arguments.positional[i].asWhole();
  }
  auto [begin, end, stride] = parts;
  if (stride == 0) {
    return fail(line, "the step of a range is zero");
  }
  std::vector<Value> items;
  for (int64_t at = begin; stride > 0 ? at < end : at > end;) {
    if (static_cast<int64_t>(items.size()) == input.limits.maxRange) {
      return templateError(
          ErrorCode::TemplateLimit, name, line,
          format("a range has more than %lld items",
                 static_cast<long long>(input.limits.maxRange)));
    }
    items.push_back(heap.makeInt(at));
    if (__builtin_add_overflow(at, stride, &at)) {
      break;
    }
  }
  return heap.makeList(std::move(items));
}

/// strftime in the C locale's fields, whatever the program's locale is.
static std::string formatTime(const std::string &pattern, int64_t now) {
  time_t seconds = static_cast<time_t>(now);
  struct tm parts;
  localtime_r(&seconds, &parts);
  char buffer[512];
  locale_t plain = newlocale(LC_ALL_MASK, "C", nullptr);
  size_t size =
      plain ? strftime_l(buffer, sizeof(buffer), pattern.c_str(), &parts, plain)
            : 0;
  if (plain) {
    freelocale(plain);
  }
  return std::string(buffer, size);
}

Result<Value> Interpreter::callBuiltin(const std::string &function,
                                       const Arguments &arguments, int line) {
  if (function == "range") {
    return makeRange(arguments, line);
  }
  if (function == "namespace" || function == "dict") {
    Value made =
        heap.makeDict(function == "dict" ? Value::DictKind : Value::Namespace);
    if (!arguments.positional.empty()) {
      return unsupported(line, function + " of positional arguments");
    }
    for (const auto &[key, value] : arguments.named) {
      heap.charge(2 * sizeof(Value));
      made.dict->set(heap.makeText(key, Text::kTemplate), value);
    }
    if (function == "dict") {
      heap.seal(made);
    }
    return made;
  }
  const Value *text = arguments.get(0, "");
  if (!text || arguments.positional.size() != 1 || !arguments.named.empty() ||
      text->kind != Value::String) {
    return fail(line, function + " takes one string");
  }
  if (function == "strftime_now") {
    return heap.makeText(formatTime(text->text->bytes, input.now),
                         Text::kTemplate);
  }
  return templateError(ErrorCode::TemplateRefused, name, line,
                       text->text->bytes);
}
