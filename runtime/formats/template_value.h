//===- template_value.h - Values of a chat template -------------*- C++ -*-===//
//
// What expressions give. Strings carry for every byte whether it comes from
// the template or from the user. Private to chat_template.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_FORMATS_TEMPLATE_VALUE_H
#define RILL_RUNTIME_FORMATS_TEMPLATE_VALUE_H

#include "runtime/formats/json.h"
#include "runtime/formats/template_ast.h"

#include <deque>

namespace rill::rt::tmpl {

/// UTF-8 text and the origin of each byte.
struct Text {
  static constexpr char kTemplate = 't', kUser = 'u';

  std::string bytes;
  std::string origin; ///< as long as bytes

  Text() = default;
  Text(std::string bytes, char from)
      : bytes(std::move(bytes)), origin(this->bytes.size(), from) {}

  void append(const Text &other) {
    bytes += other.bytes;
    origin += other.origin;
  }
  Text slice(size_t begin, size_t end) const {
    Text part;
    part.bytes = bytes.substr(begin, end - begin);
    part.origin = origin.substr(begin, end - begin);
    return part;
  }
};

struct List;
struct Dict;
struct Macro;

/// A value; the objects it points to belong to the Heap.
struct Value {
  enum Kind {
    Undefined,
    None,
    Bool,
    Integer,
    Float,
    String,
    ListKind,
    DictKind,
    Namespace, ///< a Dict that set may change
    MacroKind,
    Builtin ///< a function of the renderer, by its name in `text`
  };
  Kind kind = Undefined;
  union {
    bool truth;
    int64_t whole;
    double number;
    const Text *text;
    const List *list;
    Dict *dict;
    const Macro *macro;
  };

  Value() : whole(0) {}
  bool isNumber() const {
    return kind == Bool || kind == Integer || kind == Float;
  }
  double asNumber() const {
    return kind == Float  ? number
           : kind == Bool ? static_cast<double>(truth)
                          : static_cast<double>(whole);
  }
  int64_t asWhole() const {
    return kind == Bool ? static_cast<int64_t>(truth) : whole;
  }
  bool isWhole() const { return kind == Bool || kind == Integer; }
  bool isMapping() const { return kind == DictKind; }
};

/// Lists and dicts may share items, so that a small program can build values
/// that are huge when spelt out: the weight is the number of values (and of 64
/// bytes of text) that are seen then.
struct List {
  std::vector<Value> items;
  size_t weight = 1;
};

/// Keys in order of insertion.
struct Dict {
  std::vector<std::pair<Value, Value>> members;
  size_t weight = 1; ///< 1 for a namespace, which is never spelt out

  const Value *find(std::string_view key) const;
  void set(const Value &key, const Value &value);
};

struct Scope;

struct Macro {
  const Stmt *definition;
  Scope *scope; ///< where it was defined
};

/// The variables of one block.
struct Scope {
  Scope *outer = nullptr;
  std::vector<std::pair<std::string, Value>> variables;

  const Value *find(std::string_view name) const;
  void set(const std::string &name, const Value &value);
};

/// Owns everything one rendering makes and counts it.
class Heap {
public:
  explicit Heap(size_t maxBytes) : left(maxBytes) {}

  Value makeBool(bool value);
  Value makeInt(int64_t value);
  Value makeFloat(double value);
  Value makeNone();
  Value makeText(Text text);
  Value makeText(std::string text, char from) {
    return makeText(Text(std::move(text), from));
  }
  Value makeList(std::vector<Value> items);
  Value makeDict(Value::Kind kind = Value::DictKind);
  /// Weighs a dict whose members are complete.
  void seal(const Value &dict);
  Value makeMacro(const Stmt *definition, Scope *scope);
  Value makeBuiltin(const char *name);
  Scope *makeScope(Scope *outer);
  /// A JSON value with all text of one origin.
  Value fromJson(const JsonValue &value, char from);

  /// Whether more was made than allowed; the values made are valid still.
  bool exhausted() const { return left == 0; }
  /// Counts bytes that are made elsewhere.
  void charge(size_t bytes) { left -= std::min(left, bytes); }

private:
  size_t left;
  std::deque<Text> texts;
  std::deque<List> lists;
  std::deque<Dict> dicts;
  std::deque<Macro> macros;
  std::deque<Scope> scopes;
};

/// What it costs to go through all of a value.
size_t weightOf(const Value &value);
/// Python's truth of a value.
bool isTrue(const Value &value);
/// Python's == (undefined equals undefined alone). Costs the weights.
bool isEqual(const Value &a, const Value &b);
/// The kind as Python names it, for errors.
const char *kindName(const Value &value);
/// str() of a value; strings keep their origin. `from` marks what is made.
Text toText(const Value &value);
/// A value as JSON; nothing for kinds JSON lacks.
std::optional<JsonValue> toJson(const Value &value, int depth = 0);

} // namespace rill::rt::tmpl

#endif
