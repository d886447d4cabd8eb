//===- dispatch_notes.h - Layers and costs of dispatches --------*- C++ -*-===//
//
// What an artifact says of each dispatch of its plans, for profiles.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_CORE_DISPATCH_NOTES_H
#define RILL_RUNTIME_CORE_DISPATCH_NOTES_H

#include "runtime/core/artifact.h"
#include "runtime/core/shape_program.h"

#include <map>

namespace rill::rt {

/// One dispatch. Numbers of layers and programs, both checked.
struct DispatchNote {
  size_t layer;
  size_t weightBytes, stateBytes, flops, cachedRowFlops;
  int64_t cachedRowBytes;
};

/// The notes of a file.
class DispatchNotes {
public:
  /// Reads the section; without one there are no notes. Errors: JsonInvalid,
  /// JsonField.
  static Result<DispatchNotes> read(const Artifact &artifact);
  /// The same for the section's text; `name` stands for it in errors.
  static Result<DispatchNotes> parse(std::string_view text,
                                     const std::string &name);

  /// Of the dispatches of a plan, by its section; null: none.
  const std::vector<DispatchNote> *plan(uint32_t section) const;
  const std::string &layer(const DispatchNote &note) const {
    return layers[note.layer];
  }
  /// Bytes of weights and states that a call reads, `cached` rows of keys and
  /// values standing in front of it in all sequences together.
  uint64_t bytes(const DispatchNote &note, const Symbols &symbols,
                 int64_t cached) const;
  /// Multiply-adds count as two.
  uint64_t flops(const DispatchNote &note, const Symbols &symbols,
                 int64_t cached) const;

private:
  Status readPlan(const JsonField &entry);
  uint64_t value(size_t program, const Symbols &symbols) const;

  std::vector<std::string> layers;
  std::vector<std::vector<int64_t>> programs;
  std::map<uint32_t, std::vector<DispatchNote>> plans;
};

} // namespace rill::rt

#endif
