//===- template_value.cpp - Values of a chat template ---------------------===//
//
// Truth, equality, and the spelling of values as Python has them.
//
//===----------------------------------------------------------------------===//
#include "runtime/formats/template_value.h"

#include "runtime/formats/split_pattern.h"
#include "runtime/formats/utf8.h"

#include <algorithm>
#include <map>

using namespace rill::rt;
using namespace rill::rt::tmpl;

const Value *Dict::find(std::string_view key) const {
  for (const auto &[name, value] : members) {
    if (name.kind == Value::String && name.text->bytes == key) {
      return &value;
    }
  }
  return nullptr;
}

void Dict::set(const Value &key, const Value &value) {
  for (auto &[name, old] : members) {
    if (isEqual(name, key)) {
      old = value;
      return;
    }
  }
  members.emplace_back(key, value);
}

const Value *Scope::find(std::string_view name) const {
  for (const Scope *scope = this; scope; scope = scope->outer) {
    for (const auto &[known, value] : scope->variables) {
      if (known == name) {
        return &value;
      }
    }
  }
  return nullptr;
}

void Scope::set(const std::string &name, const Value &value) {
  for (auto &[known, old] : variables) {
    if (known == name) {
      old = value;
      return;
    }
  }
  variables.emplace_back(name, value);
}

//===----------------------------------------------------------------------===//
// Heap
//===----------------------------------------------------------------------===//

Value Heap::makeBool(bool truth) {
  Value value;
  value.kind = Value::Bool;
  value.truth = truth;
  return value;
}

Value Heap::makeInt(int64_t whole) {
  Value value;
  value.kind = Value::Integer;
  value.whole = whole;
  return value;
}

Value Heap::makeFloat(double number) {
  Value value;
  value.kind = Value::Float;
  value.number = number;
  return value;
}

Value Heap::makeNone() {
  Value value;
  value.kind = Value::None;
  return value;
}

Value Heap::makeText(Text text) {
  charge(2 * text.bytes.size() + sizeof(Text));
  Value value;
  value.kind = Value::String;
  value.text = &texts.emplace_back(std::move(text));
  return value;
}

Value Heap::makeList(std::vector<Value> items) {
  charge(items.size() * sizeof(Value) + sizeof(List));
  size_t weight = 1;
  for (const Value &item : items) {
    weight += std::min(weightOf(item), SIZE_MAX / 4 - weight);
  }
  charge(weight);
  Value value;
  value.kind = Value::ListKind;
  value.list = &lists.emplace_back(List{std::move(items), weight});
  return value;
}

void Heap::seal(const Value &dict) {
  size_t weight = 1;
  for (const auto &[key, item] : dict.dict->members) {
    weight += std::min(weightOf(key) + weightOf(item), SIZE_MAX / 4 - weight);
  }
  charge(weight + 2 * dict.dict->members.size() * sizeof(Value));
  dict.dict->weight = weight;
}

size_t rill::rt::tmpl::weightOf(const Value &value) {
  switch (value.kind) {
  case Value::String:
    return 1 + value.text->bytes.size() / 64;
  case Value::ListKind:
    return value.list->weight;
  case Value::DictKind:
    return value.dict->weight;
  default:
    return 1;
  }
}

Value Heap::makeDict(Value::Kind kind) {
  charge(sizeof(Dict));
  Value value;
  value.kind = kind;
  value.dict = &dicts.emplace_back();
  return value;
}

Value Heap::makeMacro(const Stmt *definition, Scope *scope) {
  charge(sizeof(Macro));
  Value value;
  value.kind = Value::MacroKind;
  value.macro = &macros.emplace_back(Macro{definition, scope});
  return value;
}

Value Heap::makeBuiltin(const char *name) {
  Value value = makeText(name, Text::kTemplate);
  value.kind = Value::Builtin;
  return value;
}

Scope *Heap::makeScope(Scope *outer) {
  charge(sizeof(Scope));
  Scope &scope = scopes.emplace_back();
  scope.outer = outer;
  return &scope;
}

Value Heap::fromJson(const JsonValue &json, char from) {
  if (json.isNull()) {
    return makeNone();
  }
  if (const bool *truth = json.asBool()) {
    return makeBool(*truth);
  }
  if (const int64_t *whole = json.asInt()) {
    return makeInt(*whole);
  }
  if (const double *number = json.asDouble()) {
    return makeFloat(*number);
  }
  if (const std::string *text = json.asString()) {
    return makeText(*text, from);
  }
  if (const JsonValue::Array *array = json.asArray()) {
    std::vector<Value> items;
    items.reserve(array->size());
    for (const JsonValue &item : *array) {
      items.push_back(fromJson(item, from));
    }
    return makeList(std::move(items));
  }
  Value dict = makeDict();
  for (const JsonMember &member : *json.asObject()) {
    // Keys of one object are distinct already.
    dict.dict->members.emplace_back(makeText(member.key, from),
                                    fromJson(member.value, from));
  }
  seal(dict);
  return dict;
}

//===----------------------------------------------------------------------===//
// Meaning
//===----------------------------------------------------------------------===//

bool rill::rt::tmpl::isTrue(const Value &value) {
  switch (value.kind) {
  case Value::Undefined:
  case Value::None:
    return false;
  case Value::Bool:
    return value.truth;
  case Value::Integer:
    return value.whole != 0;
  case Value::Float:
    return value.number != 0;
  case Value::String:
    return !value.text->bytes.empty();
  case Value::ListKind:
    return !value.list->items.empty();
  case Value::DictKind:
    return !value.dict->members.empty();
  default:
    return true;
  }
}

static bool isEqualTo(const Value &a, const Value &b, int depth);

/// Keys are strings or numbers, so their spelling tells them apart.
static bool isEqualDict(const Dict &a, const Dict &b, int depth) {
  std::map<std::string, const Value *> known;
  for (const auto &[key, value] : b.members) {
    known[toText(key).bytes] = &value;
  }
  return a.members.size() == b.members.size() &&
         std::all_of(a.members.begin(), a.members.end(),
                     [&](const auto &member) {
                       auto found = known.find(toText(member.first).bytes);
                       return found != known.end() &&
                              isEqualTo(member.second, *found->second, depth);
                     });
}

/// Compares with bounded depth; namespaces compare by identity.
static bool isEqualTo(const Value &a, const Value &b, int depth) {
  if (a.isNumber() && b.isNumber()) {
    return a.isWhole() && b.isWhole() ? a.asWhole() == b.asWhole()
                                      : a.asNumber() == b.asNumber();
  }
  if (a.kind != b.kind || depth > 1000) {
    return false;
  }
  switch (a.kind) {
  case Value::String:
    return a.text->bytes == b.text->bytes;
  case Value::ListKind: {
    const auto &x = a.list->items, &y = b.list->items;
    return x.size() == y.size() &&
           std::equal(x.begin(), x.end(), y.begin(),
                      [&](const Value &p, const Value &q) {
                        return isEqualTo(p, q, depth + 1);
                      });
  }
  case Value::DictKind:
    return isEqualDict(*a.dict, *b.dict, depth + 1);
  case Value::Namespace:
    return a.dict == b.dict;
  case Value::MacroKind:
    return a.macro == b.macro;
  default:
    return true;
  }
}

bool rill::rt::tmpl::isEqual(const Value &a, const Value &b) {
  return isEqualTo(a, b, 0);
}

const char *rill::rt::tmpl::kindName(const Value &value) {
  static constexpr const char *kNames[] = {
      "undefined", "None", "bool",      "int",   "float",   "str",
      "list",      "dict", "namespace", "macro", "function"};
  return kNames[value.kind];
}

/// Whether repr() writes a character as it is (str.isprintable).
static bool isPrintable(std::string_view character) {
  static const Result<SplitPattern> others =
      SplitPattern::compile("[\\p{C}\\p{Z}]", "printable characters");
  if (character == " " || !others.ok()) {
    return true;
  }
  auto found = others->findAll(character);
  return !found.ok() || found->empty();
}

/// repr() of a string; as Python, single quotes unless it holds only those.
static std::string quoted(const std::string &text) {
  char quote = text.find('\'') != std::string::npos &&
                       text.find('"') == std::string::npos
                   ? '"'
                   : '\'';
  std::string out(1, quote);
  for (size_t at = 0; at < text.size();) {
    size_t begin = at;
    char32_t code = nextCodePoint(text, at);
    std::string_view one(text.data() + begin, at - begin);
    if (code == static_cast<char32_t>(quote) || code == '\\') {
      out += '\\';
      out += one;
    } else if (code == '\n' || code == '\r' || code == '\t') {
      out += code == '\n' ? "\\n" : code == '\r' ? "\\r" : "\\t";
    } else if (code >= 0x20 && code < 0x7f) {
      out += one;
    } else if (isPrintable(one)) {
      out += one;
    } else {
      out += rill::rt::format(code < 0x100     ? "\\x%02x"
                              : code < 0x10000 ? "\\u%04x"
                                               : "\\U%08x",
                              static_cast<unsigned>(code));
    }
  }
  return out + quote;
}

static std::string repr(const Value &value, int depth) {
  if (value.kind == Value::String) {
    return quoted(value.text->bytes);
  }
  if (depth > 100) {
    return "...";
  }
  std::string out;
  if (value.kind == Value::ListKind) {
    for (const Value &item : value.list->items) {
      out += (out.empty() ? "" : ", ") + repr(item, depth + 1);
    }
    return "[" + out + "]";
  }
  if (value.kind == Value::DictKind) {
    for (const auto &[key, item] : value.dict->members) {
      out += (out.empty() ? "" : ", ") + repr(key, depth + 1) + ": " +
             repr(item, depth + 1);
    }
    return "{" + out + "}";
  }
  return toText(value).bytes;
}

Text rill::rt::tmpl::toText(const Value &value) {
  switch (value.kind) {
  case Value::Undefined:
    return {};
  case Value::None:
    return Text("None", Text::kTemplate);
  case Value::Bool:
    return Text(value.truth ? "True" : "False", Text::kTemplate);
  case Value::Integer:
    return Text(std::to_string(value.whole), Text::kTemplate);
  case Value::Float:
    return Text(pythonFloat(value.number), Text::kTemplate);
  case Value::String:
    return *value.text;
  default:
    // Lists and dicts may hold user text: all of the spelling counts as such.
    return Text(value.kind == Value::ListKind || value.kind == Value::DictKind
                    ? repr(value, 0)
                    : format("<%s>", kindName(value)),
                Text::kUser);
  }
}

std::optional<JsonValue> rill::rt::tmpl::toJson(const Value &value, int depth) {
  switch (value.kind) {
  case Value::None:
    return JsonValue();
  case Value::Bool:
    return JsonValue(value.truth);
  case Value::Integer:
    return JsonValue(value.whole);
  case Value::Float:
    return JsonValue(value.number);
  case Value::String:
    return JsonValue(value.text->bytes);
  case Value::ListKind: {
    JsonValue::Array items;
    for (const Value &item : value.list->items) {
      auto json = depth < 100 ? toJson(item, depth + 1) : std::nullopt;
      if (!json) {
        return std::nullopt;
      }
      items.push_back(std::move(*json));
    }
    return JsonValue(std::move(items));
  }
  case Value::DictKind: {
    JsonValue::Object members;
    for (const auto &[key, item] : value.dict->members) {
      auto json = depth < 100 ? toJson(item, depth + 1) : std::nullopt;
      if (!json || key.kind != Value::String) {
        return std::nullopt;
      }
      members.push_back({key.text->bytes, std::move(*json)});
    }
    return JsonValue(std::move(members));
  }
  default:
    return std::nullopt;
  }
}
