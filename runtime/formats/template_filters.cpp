//===- template_filters.cpp - Filters and tests ---------------------------===//
//
// Those that chat templates use; the parser refuses all others by name.
//
//===----------------------------------------------------------------------===//
#include "runtime/formats/template_eval.h"

#include <algorithm>
#include <charconv>
#include <cmath>

using namespace rill::rt;
using namespace rill::rt::tmpl;

static constexpr std::string_view kListFilters[] = {
    "first", "last", "list", "reverse", "items", "dictsort", "length", "count"};
static constexpr std::string_view kTextFilters[] = {
    "trim", "upper", "lower", "title", "capitalize", "replace", "indent"};
static constexpr std::string_view kOtherFilters[] = {
    "default", "d",      "tojson",     "string",     "safe", "join",  "map",
    "select",  "reject", "selectattr", "rejectattr", "int",  "float", "abs"};
static constexpr std::string_view kTests[] = {
    "defined",  "undefined", "none",    "string",      "mapping", "sequence",
    "iterable", "number",    "integer", "float",       "boolean", "true",
    "false",    "eq",        "equalto", "==",          "ne",      "!=",
    "in",       "odd",       "even",    "divisibleby", "lt",      "le",
    "gt",       "ge",        "lower",   "upper"};

template <size_t N>
static bool isOneOf(const std::string_view (&names)[N], std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

bool rill::rt::tmpl::isFilter(std::string_view name) {
  return isOneOf(kListFilters, name) || isOneOf(kTextFilters, name) ||
         isOneOf(kOtherFilters, name);
}

bool rill::rt::tmpl::isTest(std::string_view name) {
  return isOneOf(kTests, name);
}

//===----------------------------------------------------------------------===//
// Filters
//===----------------------------------------------------------------------===//

Result<Value> Interpreter::applyFilter(const std::string &filter,
                                       const Value &value,
                                       const Arguments &arguments, int line) {
  if (filter == "string" || filter == "tojson" ||
      isOneOf(kTextFilters, filter)) {
    RILL_TRY(spend(weightOf(value), line));
  }
  if (filter == "default" || filter == "d") {
    const Value *fallback = arguments.get(0, "default_value");
    const Value *loose = arguments.get(1, "boolean");
    bool missing = value.kind == Value::Undefined ||
                   (loose && isTrue(*loose) && !isTrue(value));
    return !missing   ? value
           : fallback ? *fallback
                      : heap.makeText("", Text::kTemplate);
  }
  if (filter == "tojson") {
    return applyJson(value, arguments, line);
  }
  if (filter == "string") {
    return heap.makeText(toText(value));
  }
  if (filter == "safe") {
    return value;
  }
  if (filter == "join") {
    return join(value, arguments, line);
  }
  if (filter == "map") {
    return applyMap(value, arguments, line);
  }
  if (filter == "select" || filter == "reject" || filter == "selectattr" ||
      filter == "rejectattr") {
    return applySelect(filter, value, arguments, line);
  }
  if (filter == "int" || filter == "float" || filter == "abs") {
    return applyNumber(filter, value, arguments, line);
  }
  return isOneOf(kListFilters, filter)
             ? applyListFilter(filter, value, arguments, line)
             : applyTextFilter(filter, value, arguments, line);
}

/// transformers' tojson: json.dumps with the text kept as it is.
Result<Value> Interpreter::applyJson(const Value &value,
                                     const Arguments &arguments, int line) {
  if (!arguments.fits(0, {"ensure_ascii", "indent"})) {
    return unsupported(line, "tojson with other than ensure_ascii and indent");
  }
  JsonStyle style;
  const Value *ascii = arguments.get(0, "ensure_ascii");
  style.ascii = ascii && isTrue(*ascii);
  if (const Value *indent = arguments.get(0, "indent");
      indent && indent->kind != Value::None) {
    if (!indent->isWhole() || indent->asWhole() < 0 || indent->asWhole() > 16) {
      return unsupported(line, "tojson with an indent that is not 0 to 16");
    }
    style.indent = static_cast<int>(indent->asWhole());
  }
  std::optional<JsonValue> json = toJson(value);
  if (!json) {
    return fail(line, format("%s cannot be written as JSON", kindName(value)));
  }
  return heap.makeText(writeJson(*json, style), Text::kUser);
}

Result<Value> Interpreter::join(const Value &value, const Arguments &arguments,
                                int line) {
  const Value *separator = arguments.get(0, "d");
  if (!arguments.fits(1, {"d"})) {
    return unsupported(line, "join by an attribute");
  }
  RILL_ASSIGN(std::vector<Value> items, itemsOf(value, line));
  Text out;
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0 && separator) {
      out.append(toText(*separator));
    }
    out.append(toText(items[i]));
    if (out.bytes.size() > input.limits.maxOutput) {
      return templateError(ErrorCode::TemplateLimit, name, line,
                           "join makes too much text");
    }
  }
  return heap.makeText(std::move(out));
}

Result<Value> Interpreter::applyListFilter(const std::string &filter,
                                           const Value &value,
                                           const Arguments &arguments,
                                           int line) {
  if (!arguments.positional.empty() || !arguments.named.empty()) {
    return unsupported(line, "arguments of the filter " + filter);
  }
  if (filter == "items" || filter == "dictsort") {
    if (value.kind == Value::Undefined && filter == "items") {
      return heap.makeList({});
    }
    if (!value.isMapping()) {
      return fail(line, filter + " of " + kindName(value));
    }
    auto members = value.dict->members;
    if (filter == "dictsort") {
      // Case does not count; equal keys keep their order.
      std::vector<std::pair<std::string, size_t>> order;
      for (const auto &[key, item] : members) {
        std::string text = toText(key).bytes;
        for (char &c : text) {
          c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
        }
        order.emplace_back(std::move(text), order.size());
      }
      std::sort(order.begin(), order.end());
      for (size_t i = 0; i < order.size(); ++i) {
        members[i] = value.dict->members[order[i].second];
      }
    }
    std::vector<Value> pairs;
    for (const auto &[key, item] : members) {
      pairs.push_back(heap.makeList({key, item}));
    }
    return heap.makeList(std::move(pairs));
  }
  RILL_ASSIGN(std::vector<Value> items, itemsOf(value, line));
  if (filter == "length" || filter == "count") {
    return heap.makeInt(static_cast<int64_t>(items.size()));
  }
  if (filter == "first" || filter == "last") {
    return items.empty() ? Value()
                         : (filter == "first" ? items.front() : items.back());
  }
  if (filter == "reverse") {
    std::reverse(items.begin(), items.end());
    if (value.kind == Value::String) {
      return join(heap.makeList(std::move(items)), {}, line);
    }
  }
  return heap.makeList(std::move(items));
}

Result<Value> Interpreter::applyMap(const Value &value,
                                    const Arguments &arguments, int line) {
  RILL_ASSIGN(std::vector<Value> items, itemsOf(value, line));
  const Value *attribute = arguments.get(99, "attribute");
  const Value *filter =
      arguments.positional.empty() ? nullptr : &arguments.positional[0];
  Arguments rest;
  if (filter) {
    rest.positional.assign(arguments.positional.begin() + 1,
                           arguments.positional.end());
  }
  bool byFilter = filter && filter->kind == Value::String &&
                  isFilter(filter->text->bytes) && arguments.named.empty();
  bool byAttribute = !filter && attribute && arguments.named.size() == 1 &&
                     attribute->kind == Value::String &&
                     attribute->text->bytes.find('.') == std::string::npos;
  if (!byFilter && !byAttribute) {
    return unsupported(line, "map with these arguments");
  }
  for (Value &item : items) {
    RILL_TRY(step(line));
    RILL_ASSIGN(item, byFilter
                          ? applyFilter(filter->text->bytes, item, rest, line)
                          : attributeOf(item, attribute->text->bytes, line));
  }
  return heap.makeList(std::move(items));
}

Result<Value> Interpreter::applySelect(const std::string &filter,
                                       const Value &value,
                                       const Arguments &arguments, int line) {
  bool byAttribute = filter.ends_with("attr");
  size_t testAt = byAttribute ? 1 : 0;
  const auto &given = arguments.positional;
  bool isGood = arguments.named.empty() && given.size() >= testAt;
  for (size_t i = 0; isGood && i <= testAt && i < given.size(); ++i) {
    isGood = given[i].kind == Value::String;
  }
  std::string test =
      isGood && given.size() > testAt ? given[testAt].text->bytes : "";
  if (!isGood || (!test.empty() && !isTest(test))) {
    return unsupported(line, filter + " with these arguments");
  }
  Arguments rest;
  if (given.size() > testAt + 1) {
    rest.positional.assign(given.begin() + static_cast<ptrdiff_t>(testAt) + 1,
                           given.end());
  }
  RILL_ASSIGN(std::vector<Value> items, itemsOf(value, line));
  std::vector<Value> kept;
  for (const Value &item : items) {
    RILL_TRY(step(line));
    Value subject = item;
    if (byAttribute) {
      RILL_ASSIGN(subject, attributeOf(item, given[0].text->bytes, line));
    }
    bool holds = isTrue(subject);
    if (!test.empty()) {
      RILL_ASSIGN(holds, applyTest(test, subject, rest, line));
    }
    if (holds == filter.starts_with("select")) {
      kept.push_back(item);
    }
  }
  return heap.makeList(std::move(kept));
}

Result<Value> Interpreter::applyTextFilter(const std::string &filter,
                                           const Value &value,
                                           const Arguments &arguments,
                                           int line) {
  Text text = toText(value);
  if (filter == "trim") {
    const Value *set = arguments.get(0, "chars");
    if (set && set->kind != Value::String) {
      return unsupported(line, "trim with these arguments");
    }
    return heap.makeText(stripText(text, set, true, true));
  }
  if (filter == "replace") {
    return replace(text, arguments, line);
  }
  if (filter != "indent") {
    return changeCase(text, filter, line);
  }
  const Value *width = arguments.get(0, "width");
  const Value *first = arguments.get(1, "first");
  if (!arguments.fits(2, {"width", "first"}) ||
      (width &&
       (!width->isWhole() || width->asWhole() < 0 || width->asWhole() > 256))) {
    return unsupported(line, "indent with these arguments");
  }
  Text blanks(
      std::string(width ? static_cast<size_t>(width->asWhole()) : 4, ' '),
      Text::kTemplate);
  Text out;
  if (first && isTrue(*first)) {
    out.append(blanks);
  }
  for (size_t begin = 0; begin <= text.bytes.size();) {
    size_t end = std::min(text.bytes.find('\n', begin), text.bytes.size());
    // Empty lines stay empty.
    if (begin > 0 && end > begin) {
      out.append(blanks);
    }
    out.append(text.slice(begin, std::min(end + 1, text.bytes.size())));
    begin = end + 1;
    heap.charge(blanks.bytes.size());
    RILL_TRY(step(line));
  }
  return heap.makeText(std::move(out));
}

Result<Value> Interpreter::applyNumber(const std::string &filter,
                                       const Value &value,
                                       const Arguments &arguments, int line) {
  if (!arguments.fits(0, {})) {
    return unsupported(line, "arguments of the filter " + filter);
  }
  if (filter == "abs") {
    if (value.isWhole() && value.asWhole() != INT64_MIN) {
      return heap.makeInt(std::abs(value.asWhole()));
    }
    return value.kind == Value::Float
               ? Outcome(heap.makeFloat(std::fabs(value.number)))
               : fail(line, "abs of no number");
  }
  double number = value.isNumber() ? value.asNumber() : 0;
  int64_t whole = value.isWhole() ? value.asWhole() : 0;
  if (value.kind == Value::String) {
    Text digits = stripText(*value.text, nullptr, true, true);
    const char *begin = digits.bytes.data();
    const char *end = begin + digits.bytes.size();
    auto read = std::from_chars(begin, end, number);
    number = read.ec == std::errc() && read.ptr == end ? number : 0;
    auto readWhole = std::from_chars(begin, end, whole);
    whole = readWhole.ec == std::errc() && readWhole.ptr == end ? whole : 0;
  }
  if (filter == "float") {
    return heap.makeFloat(number);
  }
  if (value.isWhole() || whole != 0) {
    return heap.makeInt(whole);
  }
  return std::fabs(number) < 9e18
             ? Outcome(heap.makeInt(static_cast<int64_t>(number)))
             : unsupported(line, "an integer beyond 64 bits");
}

//===----------------------------------------------------------------------===//
// Tests
//===----------------------------------------------------------------------===//

Result<bool> Interpreter::applyTest(const std::string &test, const Value &value,
                                    const Arguments &arguments, int line) {
  const Value *other = arguments.get(0, "");
  Value::Kind kind = value.kind;
  if (other && arguments.fits(1, {})) {
    static constexpr std::pair<const char *, const char *> kCompare[] = {
        {"eq", "=="}, {"equalto", "=="}, {"==", "=="}, {"ne", "!="},
        {"!=", "!="}, {"in", "in"},      {"lt", "<"},  {"le", "<="},
        {"gt", ">"},  {"ge", ">="}};
    for (auto [name, op] : kCompare) {
      if (test == name) {
        RILL_ASSIGN(Value result, compare(op, value, *other, line));
        return result.truth;
      }
    }
    if (test == "divisibleby" && value.isWhole() && other->isWhole() &&
        other->asWhole() != 0) {
      return other->asWhole() == -1 || value.asWhole() % other->asWhole() == 0;
    }
  }
  if (other || !arguments.named.empty()) {
    return unsupported(line, "arguments of the test " + test);
  }
  if ((test == "odd" || test == "even") && value.isWhole()) {
    return (value.asWhole() % 2 != 0) == (test == "odd");
  }
  if ((test == "lower" || test == "upper") && kind == Value::String) {
    RILL_ASSIGN(Value changed, changeCase(*value.text, test, line));
    bool letters = std::any_of(
        value.text->bytes.begin(), value.text->bytes.end(), [](char c) {
          return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        });
    return letters && isEqual(changed, value);
  }
  bool iterable = kind == Value::String || kind == Value::ListKind ||
                  kind == Value::DictKind;
  const std::pair<const char *, bool> known[] = {
      {"defined", kind != Value::Undefined},
      {"undefined", kind == Value::Undefined},
      {"none", kind == Value::None},
      {"string", kind == Value::String},
      {"mapping", kind == Value::DictKind},
      {"sequence", iterable || kind == Value::Undefined},
      {"iterable", iterable || kind == Value::Undefined},
      {"number", value.isNumber()},
      {"integer", kind == Value::Integer},
      {"float", kind == Value::Float},
      {"boolean", kind == Value::Bool},
      {"true", kind == Value::Bool && value.truth},
      {"false", kind == Value::Bool && !value.truth}};
  for (auto [name, holds] : known) {
    if (test == name) {
      return holds;
    }
  }
  return fail(line, "the test " + test + " of " + kindName(value));
}
