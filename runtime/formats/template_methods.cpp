//===- template_methods.cpp - Attributes and methods of values ------------===//
//
// The methods of Python's str and dict that chat templates call. What changes a
// value in place is refused, as jinja2's sandbox does.
//
//===----------------------------------------------------------------------===//
#include "runtime/formats/template_eval.h"
#include "runtime/formats/utf8.h"

#include <algorithm>

using namespace rill::rt;
using namespace rill::rt::tmpl;

std::vector<size_t> rill::rt::tmpl::characterOffsets(const std::string &text) {
  std::vector<size_t> offsets;
  for (size_t i = 0; i < text.size(); ++i) {
    if ((text[i] & 0xc0) != 0x80) {
      offsets.push_back(i);
    }
  }
  offsets.push_back(text.size());
  return offsets;
}

/// str.isspace also holds for the four separators U+001C to U+001F.
static bool isPythonSpace(char32_t code) {
  return isUnicodeSpace(code) || (code >= 0x1c && code <= 0x1f);
}

Text rill::rt::tmpl::stripText(const Text &text, const Value *set, bool left,
                               bool right) {
  std::vector<size_t> offsets = characterOffsets(text.bytes);
  auto inSet = [&](size_t i) {
    size_t at = offsets[i];
    std::string_view one(text.bytes.data() + at, offsets[i + 1] - at);
    // Sets of characters are valid UTF-8, so a character is found whole.
    return set ? set->text->bytes.find(one) != std::string::npos
               : isPythonSpace(nextCodePoint(text.bytes, at));
  };
  size_t begin = 0, end = offsets.size() - 1;
  while (left && begin < end && inSet(begin)) {
    ++begin;
  }
  while (right && end > begin && inSet(end - 1)) {
    --end;
  }
  return text.slice(offsets[begin], offsets[end]);
}

Result<Value> Interpreter::attributeOf(const Value &object,
                                       const std::string &attribute, int line) {
  if (object.kind == Value::Undefined) {
    return fail(line, "attribute \"" + attribute + "\" of an undefined value");
  }
  if (object.isMapping() || object.kind == Value::Namespace) {
    static constexpr std::string_view kMethods[] = {
        "clear", "copy",    "fromkeys",   "get",    "items", "keys",
        "pop",   "popitem", "setdefault", "update", "values"};
    // A method of dict hides a key of that name, as it does in jinja2.
    if (object.isMapping() &&
        std::find(std::begin(kMethods), std::end(kMethods), attribute) !=
            std::end(kMethods)) {
      return unsupported(line, "the method \"" + attribute +
                                   "\" as a value (use [\"" + attribute +
                                   "\"] for a key of that name)");
    }
    const Value *value = object.dict->find(attribute);
    return value ? *value : Value();
  }
  return Value();
}

Result<Value> Interpreter::callMethod(const Value &object,
                                      const std::string &method,
                                      const Arguments &arguments, int line) {
  if (object.kind == Value::Undefined) {
    return fail(line, "method \"" + method + "\" of an undefined value");
  }
  RILL_TRY(spend(object.kind == Value::String ? weightOf(object)
                 : object.isMapping()         ? object.dict->members.size() / 4
                                              : 1,
                 line));
  if (object.kind == Value::String) {
    return callTextMethod(object, method, arguments, line);
  }
  if (object.isMapping() && arguments.named.empty()) {
    size_t count = arguments.positional.size();
    std::vector<Value> items;
    if (method == "get" && (count == 1 || count == 2)) {
      for (const auto &[key, value] : object.dict->members) {
        if (isEqual(key, arguments.positional[0])) {
          return value;
        }
      }
      return count == 2 ? arguments.positional[1] : heap.makeNone();
    }
    if (count == 0 &&
        (method == "items" || method == "keys" || method == "values")) {
      for (const auto &[key, value] : object.dict->members) {
        items.push_back(method == "items"  ? heap.makeList({key, value})
                        : method == "keys" ? key
                                           : value);
      }
      return heap.makeList(std::move(items));
    }
  }
  if (object.kind == Value::Namespace) {
    const Value *member = object.dict->find(method);
    if (member && member->kind == Value::MacroKind) {
      return callMacro(*member->macro, arguments, line);
    }
  }
  return unsupported(line, format("the method \"%s\" of %s", method.c_str(),
                                  kindName(object)));
}

Result<Value> Interpreter::split(const Text &text, const Arguments &arguments,
                                 bool fromRight, int line) {
  const Value *separator = arguments.get(0, "sep");
  const Value *limit = arguments.get(1, "maxsplit");
  int64_t most = limit && limit->isWhole() ? limit->asWhole() : -1;
  if (separator && separator->kind == Value::None) {
    separator = nullptr;
  }
  if (separator &&
      (separator->kind != Value::String || separator->text->bytes.empty())) {
    return fail(line, "split needs a separator that is not empty");
  }
  if (!separator && (most >= 0 || fromRight)) {
    return unsupported(line, "split at blanks with a limit");
  }
  std::vector<Value> parts;
  if (!separator) {
    Text rest = stripText(text, nullptr, true, true);
    std::vector<size_t> offsets = characterOffsets(rest.bytes);
    size_t begin = 0;
    for (size_t i = 0; i + 1 < offsets.size(); ++i) {
      size_t at = offsets[i];
      if (isPythonSpace(nextCodePoint(rest.bytes, at))) {
        if (offsets[i] > begin) {
          parts.push_back(heap.makeText(rest.slice(begin, offsets[i])));
        }
        begin = offsets[i + 1];
      }
    }
    if (begin < rest.bytes.size()) {
      parts.push_back(heap.makeText(rest.slice(begin, rest.bytes.size())));
    }
    return heap.makeList(std::move(parts));
  }
  const std::string &mark = separator->text->bytes;
  std::vector<size_t> found;
  if (fromRight) {
    size_t end = text.bytes.size();
    while ((most < 0 || static_cast<int64_t>(found.size()) < most) &&
           end >= mark.size()) {
      size_t at = text.bytes.rfind(mark, end - mark.size());
      if (at == std::string::npos) {
        break;
      }
      found.push_back(at);
      end = at;
    }
    std::reverse(found.begin(), found.end());
  } else {
    for (size_t at = text.bytes.find(mark);
         at != std::string::npos &&
         (most < 0 || static_cast<int64_t>(found.size()) < most);
         at = text.bytes.find(mark, at + mark.size())) {
      found.push_back(at);
    }
  }
  size_t begin = 0;
  for (size_t at : found) {
    parts.push_back(heap.makeText(text.slice(begin, at)));
    begin = at + mark.size();
  }
  parts.push_back(heap.makeText(text.slice(begin, text.bytes.size())));
  return heap.makeList(std::move(parts));
}

Result<Value> Interpreter::replace(const Text &text, const Arguments &arguments,
                                   int line) {
  const Value *from = arguments.get(0, "old"), *to = arguments.get(1, "new");
  if (!arguments.fits(2, {"old", "new"}) || !from || !to ||
      from->kind != Value::String || to->kind != Value::String) {
    return unsupported(line, "replace with other than two strings");
  }
  const std::string &mark = from->text->bytes;
  if (mark.empty()) {
    return unsupported(line, "replace of the empty string");
  }
  Text out;
  size_t begin = 0;
  for (size_t at = text.bytes.find(mark); at != std::string::npos;
       at = text.bytes.find(mark, begin)) {
    out.append(text.slice(begin, at));
    out.append(*to->text);
    begin = at + mark.size();
    // The result may be much longer than what goes in.
    if (out.bytes.size() > input.limits.maxOutput) {
      return templateError(ErrorCode::TemplateLimit, name, line,
                           "replace makes too much text");
    }
  }
  out.append(text.slice(begin, text.bytes.size()));
  return heap.makeText(std::move(out));
}

Result<Value> Interpreter::changeCase(const Text &text, const std::string &how,
                                      int line) {
  Text out = text;
  bool start = true;
  for (char &c : out.bytes) {
    if (static_cast<unsigned char>(c) >= 0x80) {
      return unsupported(line, "\"" + how + "\" of text that is not ASCII");
    }
    bool isUpper = c >= 'A' && c <= 'Z', isLower = c >= 'a' && c <= 'z';
    bool wantUpper = how == "upper" || (start && how != "lower");
    if (wantUpper && isLower) {
      c = static_cast<char>(c - 32);
    } else if (!wantUpper && isUpper) {
      c = static_cast<char>(c + 32);
    }
    start = how == "title" ? !(isUpper || isLower) : false;
  }
  return heap.makeText(std::move(out));
}

Result<Value> Interpreter::callTextMethod(const Value &object,
                                          const std::string &method,
                                          const Arguments &arguments,
                                          int line) {
  const Text &text = *object.text;
  const Value *first = arguments.get(0, "");
  size_t count = arguments.positional.size();
  bool plain = arguments.named.empty();
  bool oneText = plain && count == 1 && first->kind == Value::String;
  if (method == "split" || method == "rsplit") {
    return arguments.fits(2, {"sep", "maxsplit"})
               ? split(text, arguments, method == "rsplit", line)
               : fail(line, "split takes a separator and a limit");
  }
  if ((method == "strip" || method == "lstrip" || method == "rstrip") &&
      (oneText || (plain && count == 0))) {
    return heap.makeText(stripText(text, count ? first : nullptr,
                                   method != "rstrip", method != "lstrip"));
  }
  if (oneText && (method == "startswith" || method == "endswith")) {
    return heap.makeBool(method == "startswith"
                             ? text.bytes.starts_with(first->text->bytes)
                             : text.bytes.ends_with(first->text->bytes));
  }
  if (oneText && (method == "find" || method == "rfind")) {
    size_t at = method == "find" ? text.bytes.find(first->text->bytes)
                                 : text.bytes.rfind(first->text->bytes);
    if (at == std::string::npos) {
      return heap.makeInt(-1);
    }
    size_t characters = characterOffsets(text.bytes.substr(0, at)).size() - 1;
    return heap.makeInt(static_cast<int64_t>(characters));
  }
  if (method == "replace") {
    return replace(text, arguments, line);
  }
  if (plain && count == 0 &&
      (method == "upper" || method == "lower" || method == "title" ||
       method == "capitalize")) {
    return changeCase(text, method, line);
  }
  if (plain && count == 1 && method == "join") {
    Arguments separator;
    separator.positional.push_back(object);
    return join(*first, separator, line);
  }
  return unsupported(line, "the method \"" + method + "\" of str, as called");
}
