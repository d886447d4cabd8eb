//===- Section.cpp - A JSON object read to its last key -------------------===//
//
// Every key is read, listed as without effect, or reported.
//
//===----------------------------------------------------------------------===//
#include "Section.h"

#include <algorithm>

using namespace rill;
using namespace rill::families;
using rt::JsonField;

std::optional<JsonField>
Section::first(std::initializer_list<const char *> keys) {
  std::optional<JsonField> found;
  for (const char *key : keys) {
    known.insert(key);
    auto value = field.findValue(key);
    if (value && !found) {
      found = value;
    } else if (value &&
               rt::writeJson(value->get()) != rt::writeJson(found->get())) {
      warnings.push_back(value->where() + " differs from " + found->keyPath() +
                         ", which is used");
    }
  }
  return found;
}

rt::Result<int64_t> Section::integer(std::initializer_list<const char *> keys,
                                     std::optional<int64_t> fallback,
                                     int64_t min, int64_t max) {
  if (auto value = first(keys)) {
    return value->asInt(min, max);
  }
  if (fallback) {
    return *fallback;
  }
  return field.error(std::string("the key \"") + *keys.begin() +
                     "\" is missing");
}

rt::Result<double> Section::number(std::initializer_list<const char *> keys,
                                   double fallback) {
  auto value = first(keys);
  return value ? value->asDouble() : rt::Result<double>(fallback);
}

rt::Result<bool> Section::boolean(std::initializer_list<const char *> keys,
                                  bool fallback) {
  auto value = first(keys);
  return value ? value->asBool() : rt::Result<bool>(fallback);
}

rt::Status Section::require(const char *key, const rt::JsonValue &only) {
  auto value = first({key});
  if (value && rt::writeJson(value->get()) != rt::writeJson(only)) {
    return rt::makeError(rt::ErrorCode::ConfigUnsupported, value->where(),
                         "is " + rt::writeJson(value->get()) + " but only " +
                             rt::writeJson(only) + " is supported");
  }
  return {};
}

rt::Status Section::requireNone(const char *key) {
  auto value = first({key});
  if (value) {
    return rt::makeError(rt::ErrorCode::ConfigUnsupported, value->where(),
                         "is " + rt::writeJson(value->get()) +
                             " but must be absent or null");
  }
  return {};
}

void Section::ignore(std::initializer_list<const char *> keys) {
  known.insert(keys.begin(), keys.end());
}

rt::Status Section::finish(bool strict, const char *why) {
  // Every transformers class may write the bookkeeping of PretrainedConfig; it
  // has no effect on the values.
  ignore({"output_hidden_states", "output_attentions", "return_dict",
          "chunk_size_feed_forward", "is_encoder_decoder", "id2label",
          "label2id", "problem_type"});
  auto members = field.members();
  if (!members.ok()) {
    return members.takeStatus();
  }
  for (auto &[key, value] : *members) {
    if (known.count(key)) {
      continue;
    }
    if (strict) {
      return rt::makeError(rt::ErrorCode::ConfigUnknownKey, value.where(), why);
    }
    warnings.push_back(value.where() + " is not known and not used");
  }
  return {};
}

rt::Result<double> rill::families::readRopeTheta(Section &section,
                                                 double fallback) {
  auto parameters = section.first({"rope_parameters"});
  RILL_TRY(section.requireNone("rope_scaling"));
  std::optional<JsonField> theta;
  if (parameters) {
    if (auto type = parameters->findValue("rope_type")) {
      RILL_ASSIGN(std::string name, type->asString());
      if (name != "default") {
        return rt::makeError(rt::ErrorCode::ConfigUnsupported, type->where(),
                             "is \"" + name +
                                 "\" but only \"default\" is supported");
      }
    }
    RILL_ASSIGN(auto members, parameters->members());
    for (auto &[key, value] : members) {
      if (key != "rope_type" && key != "rope_theta") {
        return rt::makeError(rt::ErrorCode::ConfigUnsupported, value.where(),
                             "RoPE scaling is not supported");
      }
    }
    theta = parameters->findValue("rope_theta");
  }
  auto flat = section.first({"rope_theta", "theta"});
  if (!theta) {
    theta = flat;
  }
  double base = fallback;
  if (theta) {
    RILL_ASSIGN(base, theta->asDouble());
    if (!(base > 0)) {
      return theta->error("the RoPE base is not positive");
    }
  }
  return base;
}

rt::Result<std::optional<std::vector<std::string>>>
rill::families::readLayerTypes(Section &section, int64_t layers,
                               std::initializer_list<std::string_view> known) {
  auto types = section.first({"layer_types"});
  if (!types) {
    return std::optional<std::vector<std::string>>();
  }
  RILL_ASSIGN(auto list, types->asStrings());
  if (static_cast<int64_t>(list.size()) != layers) {
    return types->error(
        rt::format("has %zu entries but num_hidden_layers is %lld", list.size(),
                   (long long)layers));
  }
  for (size_t i = 0; i < list.size(); ++i) {
    if (std::find(known.begin(), known.end(), list[i]) == known.end()) {
      std::string names;
      for (std::string_view name : known) {
        names += (names.empty() ? "" : " or ") + std::string(name);
      }
      return rt::makeError(rt::ErrorCode::ConfigUnsupported, types->where(),
                           rt::format("layer %zu is \"", i) + list[i] +
                               "\", not " + names);
    }
  }
  return std::optional(std::move(list));
}

rt::Result<std::vector<int64_t>>
rill::families::readEndTokens(Section &section, std::vector<int64_t> fallback) {
  auto eos = section.first({"eos_token_id"});
  if (!eos) {
    return fallback;
  }
  if (eos->isArray()) {
    return eos->asInts();
  }
  RILL_ASSIGN(int64_t id, eos->asInt(0, 1 << 24));
  return std::vector<int64_t>{id};
}

rt::Status rill::families::checkHeads(const JsonField &field, int64_t heads,
                                      int64_t kvHeads, int64_t headDim) {
  if (heads % kvHeads != 0) {
    return field.error(
        rt::format("%lld key/value heads do not divide %lld heads",
                   (long long)kvHeads, (long long)heads));
  }
  if (headDim % 2 != 0) {
    return rt::makeError(
        rt::ErrorCode::ConfigUnsupported, field.where(),
        rt::format("head width %lld is odd", (long long)headDim));
  }
  return {};
}
