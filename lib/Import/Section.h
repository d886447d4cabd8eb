//===- Section.h - A JSON object read to its last key -----------*- C++ -*-===//
//
// What the config readers of all families share.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_LIB_IMPORT_SECTION_H
#define RILL_LIB_IMPORT_SECTION_H

#include "runtime/formats/json.h"

#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace rill::families {

/// No size of a configuration may be larger.
inline constexpr int64_t kMaxDim = 1 << 20;

/// A JSON object of which every key must be accounted for.
class Section {
public:
  /// Findings that are no errors are appended to `warnings`, which must
  /// outlive the section.
  Section(rt::JsonField field, std::vector<std::string> &warnings)
      : field(std::move(field)), warnings(warnings) {}

  /// The first of `keys` that is present and not null; all count as known.
  std::optional<rt::JsonField> first(std::initializer_list<const char *> keys);

  /// The value of the first key that is there, or `fallback`; JsonField error
  /// when neither is, or the value is no such number or outside its range.
  rt::Result<int64_t> integer(std::initializer_list<const char *> keys,
                              std::optional<int64_t> fallback, int64_t min,
                              int64_t max);
  rt::Result<double> number(std::initializer_list<const char *> keys,
                            double fallback);
  rt::Result<bool> boolean(std::initializer_list<const char *> keys,
                           bool fallback);

  /// The key, when present, must have this value: anything else is refused by
  /// name (ConfigUnsupported).
  rt::Status require(const char *key, const rt::JsonValue &only);
  rt::Status requireNone(const char *key);
  void ignore(std::initializer_list<const char *> keys);

  /// Reports the keys nobody asked for: as warnings, or the first one as
  /// ConfigUnknownKey, for the reason `why`, when `strict`.
  rt::Status
  finish(bool strict,
         const char *why = "the key is not known and --strict is given");

  rt::JsonField field;

private:
  std::vector<std::string> &warnings;
  std::set<std::string, std::less<>> known;
};

/// The RoPE base of rope_parameters, rope_theta or theta; `fallback` when none
/// is given. Scaled and other kinds of RoPE are refused by name.
rt::Result<double> readRopeTheta(Section &section, double fallback);

/// layer_types: a kind for each of `layers`, all of them of `known`
/// (ConfigUnsupported otherwise, JsonField for another number); nothing when
/// the key is absent.
rt::Result<std::optional<std::vector<std::string>>>
readLayerTypes(Section &section, int64_t layers,
               std::initializer_list<std::string_view> known);

/// eos_token_id, a number or a list; `fallback` when absent.
rt::Result<std::vector<int64_t>> readEndTokens(Section &section,
                                               std::vector<int64_t> fallback);

/// Key/value heads divide the heads and the head width is even; errors name
/// `field`, the object that holds them.
rt::Status checkHeads(const rt::JsonField &field, int64_t heads,
                      int64_t kvHeads, int64_t headDim);

} // namespace rill::families

#endif
