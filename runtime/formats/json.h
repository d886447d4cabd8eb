//===- json.h - JSON with limits --------------------------------*- C++ -*-===//
//
// A small document tree, and a cursor that knows where it stands so that every
// error names file and key. Nothing here knows any particular file format.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_FORMATS_JSON_H
#define RILL_RUNTIME_FORMATS_JSON_H

#include "runtime/formats/status.h"

#include <limits>
#include <span>
#include <variant>
#include <vector>

namespace rill::rt {

struct JsonMember;

/// A JSON value that owns its children. Objects keep the order of their keys
/// and hold each key once. Whole numbers within int64 are integers; everything
/// else numeric is a double.
class JsonValue {
public:
  using Array = std::vector<JsonValue>;
  using Object = std::vector<JsonMember>;

  JsonValue();
  JsonValue(bool value);
  JsonValue(int value);
  JsonValue(int64_t value);
  JsonValue(double value);
  JsonValue(std::string value);
  JsonValue(const char *value);
  JsonValue(Array value);
  JsonValue(Object value);

  bool isNull() const { return std::holds_alternative<std::monostate>(data); }
  const bool *asBool() const { return std::get_if<bool>(&data); }
  const int64_t *asInt() const { return std::get_if<int64_t>(&data); }
  const double *asDouble() const { return std::get_if<double>(&data); }
  const std::string *asString() const {
    return std::get_if<std::string>(&data);
  }
  const Array *asArray() const { return std::get_if<Array>(&data); }
  Array *asArray() { return std::get_if<Array>(&data); }
  const Object *asObject() const { return std::get_if<Object>(&data); }
  Object *asObject() { return std::get_if<Object>(&data); }

  /// The member `key` of an object, or null. Linear in the number of members.
  const JsonValue *find(std::string_view key) const;
  /// "null", "bool", "integer", "number", "string", "array" or "object".
  const char *kindName() const;

private:
  std::variant<std::monostate, bool, int64_t, double, std::string, Array,
               Object>
      data;
};

/// One key and its value.
struct JsonMember {
  std::string key;
  JsonValue value;
};

inline JsonValue::JsonValue() = default;
inline JsonValue::JsonValue(bool value) : data(value) {}
inline JsonValue::JsonValue(int value) : data(static_cast<int64_t>(value)) {}
inline JsonValue::JsonValue(int64_t value) : data(value) {}
inline JsonValue::JsonValue(double value) : data(value) {}
inline JsonValue::JsonValue(std::string value) : data(std::move(value)) {}
inline JsonValue::JsonValue(const char *value) : data(std::string(value)) {}
inline JsonValue::JsonValue(Array value) : data(std::move(value)) {}
inline JsonValue::JsonValue(Object value) : data(std::move(value)) {}

struct JsonLimits {
  size_t maxBytes = size_t(256) << 20; ///< of text
  size_t maxDepth = 32;                ///< nested arrays and objects
  size_t maxValues = size_t(8) << 20;  ///< values of any kind
};

/// Parses one whole JSON text (RFC 8259, UTF-8). `name` stands for the text in
/// errors: JsonInvalid with byte and reason, for bad grammar, bad UTF-8, lone
/// surrogates, a key twice in one object, anything after the value, or a limit
/// exceeded.
Result<JsonValue> parseJson(std::string_view text, const std::string &name,
                            const JsonLimits &limits = {});

/// Maps and parses a file.
Result<JsonValue> readJsonFile(const std::string &path,
                               const JsonLimits &limits = {});

/// How writeJson spells a value.
struct JsonStyle {
  std::string_view comma = ", "; ///< between items
  std::string_view colon = ": "; ///< after a key
  int indent = -1;               ///< spaces per level; < 0: one line
  bool ascii = false;            ///< \uXXXX for everything above U+007F
};

/// Spells a value as Python's json.dumps does: floats shortest and with ".0" or
/// an exponent, control characters escaped.
std::string writeJson(const JsonValue &value, const JsonStyle &style = {});
/// A double as Python's repr() spells it ("1.0", "1e-05", "inf").
std::string pythonFloat(double value);

/// A value together with the file and key path it was found at; the tree and
/// the file name must outlive it. Cheap to copy but for the path.
class JsonField {
public:
  JsonField(const JsonValue &value, std::string file, std::string path = {})
      : value(&value), file(std::move(file)), path(std::move(path)) {}

  const JsonValue &get() const { return *value; }
  const std::string &keyPath() const { return path; }
  bool isNull() const { return value->isNull(); }
  bool isObject() const { return value->asObject(); }
  bool isArray() const { return value->asArray(); }

  /// The member `key`, or nothing when absent (null counts as present).
  std::optional<JsonField> find(std::string_view key) const;
  /// The member `key` when it is present and not null.
  std::optional<JsonField> findValue(std::string_view key) const;
  /// The member `key`; JsonField error when absent or when this is no object.
  Result<JsonField> at(std::string_view key) const;
  /// Items of an array, each with its index in the path.
  Result<std::vector<JsonField>> items() const;
  /// Members of an object in file order.
  Result<std::vector<std::pair<std::string, JsonField>>> members() const;

  /// The value as a type; JsonField error naming file, key and found kind.
  Result<bool> asBool() const;
  Result<int64_t>
  asInt(int64_t min = std::numeric_limits<int64_t>::min(),
        int64_t max = std::numeric_limits<int64_t>::max()) const;
  /// Accepts integers too; finite by construction of the parser.
  Result<double> asDouble() const;
  Result<std::string> asString() const;
  Result<std::vector<int64_t>> asInts() const;
  Result<std::vector<double>> asDoubles() const;
  Result<std::vector<std::string>> asStrings() const;

  /// Members with a default for absent or null keys.
  Result<bool> boolOr(std::string_view key, bool fallback) const;
  Result<int64_t>
  intOr(std::string_view key, int64_t fallback,
        int64_t min = std::numeric_limits<int64_t>::min(),
        int64_t max = std::numeric_limits<int64_t>::max()) const;
  Result<double> doubleOr(std::string_view key, double fallback) const;
  Result<std::string> stringOr(std::string_view key,
                               std::string fallback) const;

  /// "file, key a.b[2]" for the `where` of an error.
  std::string where() const;
  /// A JsonField error at this place.
  Error error(std::string why) const;

private:
  Error wrongKind(const char *expected) const;

  const JsonValue *value;
  std::string file, path;
};

} // namespace rill::rt

#endif
