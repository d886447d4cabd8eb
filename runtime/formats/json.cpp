//===- json.cpp - JSON with limits ----------------------------------------===//
//
// Builds the tree from nlohmann_json's event parser, which is iterative, so
// that hostile nesting costs no stack.
//
//===----------------------------------------------------------------------===//
#include "runtime/formats/json.h"

#include "runtime/formats/mapped_file.h"

#include <algorithm>
#include <nlohmann/json.hpp>

using namespace rill::rt;

namespace {

/// Receives the parser's events; every callback returns false to stop.
class TreeBuilder {
public:
  using number_integer_t = nlohmann::json::number_integer_t;
  using number_unsigned_t = nlohmann::json::number_unsigned_t;
  using number_float_t = nlohmann::json::number_float_t;
  using string_t = nlohmann::json::string_t;
  using binary_t = nlohmann::json::binary_t;

  explicit TreeBuilder(const JsonLimits &limits) : limits(limits) {}

  bool null() { return add(JsonValue()); }
  bool boolean(bool value) { return add(JsonValue(value)); }
  bool number_integer(number_integer_t value) {
    return add(JsonValue(static_cast<int64_t>(value)));
  }
  bool number_unsigned(number_unsigned_t value) {
    if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      return add(JsonValue(static_cast<double>(value)));
    }
    return add(JsonValue(static_cast<int64_t>(value)));
  }
  bool number_float(number_float_t value, const string_t &) {
    return add(JsonValue(static_cast<double>(value)));
  }
  bool string(string_t &value) { return add(JsonValue(std::move(value))); }
  bool binary(binary_t &) { return stop("binary values are not JSON"); }
  bool start_object(size_t) { return open(JsonValue(JsonValue::Object())); }
  bool start_array(size_t) { return open(JsonValue(JsonValue::Array())); }
  bool key(string_t &name) {
    pendingKeys.back() = std::move(name);
    return true;
  }
  bool end_array() { return close(); }
  bool end_object() {
    const JsonValue::Object &members = *stack.back().asObject();
    std::vector<std::string_view> keys;
    keys.reserve(members.size());
    for (const JsonMember &member : members) {
      keys.push_back(member.key);
    }
    std::sort(keys.begin(), keys.end());
    auto twice = std::adjacent_find(keys.begin(), keys.end());
    if (twice != keys.end()) {
      return stop("the key \"" + std::string(*twice) +
                  "\" occurs twice in one object");
    }
    return close();
  }
  bool parse_error(size_t position, const std::string &,
                   const nlohmann::detail::exception &error) {
    // nlohmann's texts read "[json.exception.ID] parse error at line L, column
    // C: reason; last read: 'bytes'" or "[json.exception.ID] reason".
    std::string_view text = error.what();
    text.remove_prefix(std::min(text.size(), text.find("] ") + 2));
    if (text.starts_with("parse error at")) {
      text.remove_prefix(text.find(": ") + 2);
    }
    std::string_view reason = text.substr(0, text.find("; last read"));
    return stop(rill::rt::format("byte %zu: ", position) + std::string(reason));
  }

  std::string failure;
  JsonValue root;

private:
  bool stop(std::string why) {
    if (failure.empty()) {
      failure = std::move(why);
    }
    return false;
  }
  bool count() {
    if (++values > limits.maxValues) {
      return stop(
          rill::rt::format("holds more than %zu values", limits.maxValues));
    }
    return true;
  }
  bool add(JsonValue value) { return count() && place(std::move(value)); }
  bool place(JsonValue value) {
    if (stack.empty()) {
      root = std::move(value);
      return true;
    }
    if (JsonValue::Array *array = stack.back().asArray()) {
      array->push_back(std::move(value));
    } else {
      stack.back().asObject()->push_back(
          {std::move(pendingKeys.back()), std::move(value)});
    }
    return true;
  }
  bool open(JsonValue container) {
    if (stack.size() == limits.maxDepth) {
      return stop(rill::rt::format("is nested deeper than %zu levels",
                                   limits.maxDepth));
    }
    if (!count()) {
      return false;
    }
    stack.push_back(std::move(container));
    pendingKeys.emplace_back();
    return true;
  }
  bool close() {
    JsonValue done = std::move(stack.back());
    stack.pop_back();
    pendingKeys.pop_back();
    return place(std::move(done));
  }

  const JsonLimits &limits;
  size_t values = 0;
  std::vector<JsonValue> stack;
  std::vector<std::string> pendingKeys;
};

} // namespace

Result<JsonValue> rill::rt::parseJson(std::string_view text,
                                      const std::string &name,
                                      const JsonLimits &limits) {
  if (text.size() > limits.maxBytes) {
    return makeError(ErrorCode::JsonInvalid, name,
                     format("has %zu bytes, the limit is %zu", text.size(),
                            limits.maxBytes));
  }
  TreeBuilder builder(limits);
  bool ok = nlohmann::json::sax_parse(text.data(), text.data() + text.size(),
                                      &builder);
  if (!ok || !builder.failure.empty()) {
    return makeError(ErrorCode::JsonInvalid, name, builder.failure,
                     "fetch the file again or correct it");
  }
  return std::move(builder.root);
}

Result<JsonValue> rill::rt::readJsonFile(const std::string &path,
                                         const JsonLimits &limits) {
  RILL_ASSIGN(MappedFile file, MappedFile::open(path));
  return parseJson(file.text(), path, limits);
}

const JsonValue *JsonValue::find(std::string_view key) const {
  if (const Object *members = asObject()) {
    for (const JsonMember &member : *members) {
      if (member.key == key) {
        return &member.value;
      }
    }
  }
  return nullptr;
}

const char *JsonValue::kindName() const {
  static constexpr const char *kNames[] = {
      "null", "bool", "integer", "number", "string", "array", "object"};
  return kNames[data.index()];
}

//===----------------------------------------------------------------------===//
// JsonField
//===----------------------------------------------------------------------===//

std::string JsonField::where() const {
  return path.empty() ? file : file + ", key " + path;
}

Error JsonField::error(std::string why) const {
  return makeError(ErrorCode::JsonField, where(), std::move(why));
}

Error JsonField::wrongKind(const char *expected) const {
  return error(
      format("is of kind %s, expected %s", value->kindName(), expected));
}

std::optional<JsonField> JsonField::find(std::string_view key) const {
  const JsonValue *member = value->find(key);
  if (!member) {
    return std::nullopt;
  }
  std::string sub =
      path.empty() ? std::string(key) : path + "." + std::string(key);
  return JsonField(*member, file, std::move(sub));
}

std::optional<JsonField> JsonField::findValue(std::string_view key) const {
  std::optional<JsonField> field = find(key);
  return field && field->isNull() ? std::nullopt : field;
}

Result<JsonField> JsonField::at(std::string_view key) const {
  if (!isObject()) {
    return wrongKind("object");
  }
  std::optional<JsonField> field = find(key);
  if (!field) {
    return error("lacks the key \"" + std::string(key) + "\"");
  }
  return *std::move(field);
}

Result<std::vector<JsonField>> JsonField::items() const {
  const JsonValue::Array *array = value->asArray();
  if (!array) {
    return wrongKind("array");
  }
  std::vector<JsonField> fields;
  fields.reserve(array->size());
  for (size_t i = 0; i < array->size(); ++i) {
    fields.emplace_back((*array)[i], file, path + format("[%zu]", i));
  }
  return fields;
}

Result<std::vector<std::pair<std::string, JsonField>>>
JsonField::members() const {
  const JsonValue::Object *object = value->asObject();
  if (!object) {
    return wrongKind("object");
  }
  std::vector<std::pair<std::string, JsonField>> fields;
  fields.reserve(object->size());
  for (const JsonMember &member : *object) {
    fields.emplace_back(
        member.key,
        JsonField(member.value, file,
                  path.empty() ? member.key : path + "." + member.key));
  }
  return fields;
}

Result<bool> JsonField::asBool() const {
  const bool *found = value->asBool();
  if (!found) {
    return wrongKind("bool");
  }
  return *found;
}

Result<int64_t> JsonField::asInt(int64_t min, int64_t max) const {
  const int64_t *found = value->asInt();
  if (!found) {
    return wrongKind("integer");
  }
  if (*found < min || *found > max) {
    return error(format(
        "is %lld, allowed are %lld to %lld", static_cast<long long>(*found),
        static_cast<long long>(min), static_cast<long long>(max)));
  }
  return *found;
}

Result<double> JsonField::asDouble() const {
  if (const double *found = value->asDouble()) {
    return *found;
  }
  if (const int64_t *found = value->asInt()) {
    return static_cast<double>(*found);
  }
  return wrongKind("number");
}

Result<std::string> JsonField::asString() const {
  const std::string *found = value->asString();
  if (!found) {
    return wrongKind("string");
  }
  return *found;
}

template <typename T>
static Result<std::vector<T>> collect(const JsonField &field,
                                      Result<T> (*read)(const JsonField &)) {
  RILL_ASSIGN(std::vector<JsonField> fields, field.items());
  std::vector<T> values;
  values.reserve(fields.size());
  for (const JsonField &item : fields) {
    RILL_ASSIGN(T value, read(item));
    values.push_back(std::move(value));
  }
  return values;
}

Result<std::vector<int64_t>> JsonField::asInts() const {
  return collect<int64_t>(*this,
                          [](const JsonField &item) { return item.asInt(); });
}

Result<std::vector<double>> JsonField::asDoubles() const {
  return collect<double>(*this,
                         [](const JsonField &item) { return item.asDouble(); });
}

Result<std::vector<std::string>> JsonField::asStrings() const {
  return collect<std::string>(
      *this, [](const JsonField &item) { return item.asString(); });
}

Result<bool> JsonField::boolOr(std::string_view key, bool fallback) const {
  std::optional<JsonField> field = findValue(key);
  return field ? field->asBool() : Result<bool>(fallback);
}

Result<int64_t> JsonField::intOr(std::string_view key, int64_t fallback,
                                 int64_t min, int64_t max) const {
  std::optional<JsonField> field = findValue(key);
  return field ? field->asInt(min, max) : Result<int64_t>(fallback);
}

Result<double> JsonField::doubleOr(std::string_view key,
                                   double fallback) const {
  std::optional<JsonField> field = findValue(key);
  return field ? field->asDouble() : Result<double>(fallback);
}

Result<std::string> JsonField::stringOr(std::string_view key,
                                        std::string fallback) const {
  std::optional<JsonField> field = findValue(key);
  return field ? field->asString() : Result<std::string>(std::move(fallback));
}
