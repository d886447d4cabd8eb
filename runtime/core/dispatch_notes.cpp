//===- dispatch_notes.cpp - Layers and costs of dispatches ----------------===//
//
// Read when a session is profiled, and only then.
//
//===----------------------------------------------------------------------===//
#include "runtime/core/dispatch_notes.h"

using namespace rill::rt;

Status DispatchNotes::readPlan(const JsonField &entry) {
  RILL_ASSIGN(JsonField plan, entry.at("plan"));
  RILL_ASSIGN(int64_t section, plan.asInt(0, RILL_RT_MAX_SECTIONS));
  RILL_ASSIGN(JsonField list, entry.at("dispatches"));
  RILL_ASSIGN(auto items, list.items());
  std::vector<DispatchNote> notes;
  for (const JsonField &item : items) {
    RILL_ASSIGN(auto numbers, item.asInts());
    bool valid = numbers.size() == 6;
    for (size_t i = 0; valid && i < numbers.size(); ++i) {
      // Bytes of a cached row stand at 3; all else are numbers of lists.
      auto most = static_cast<int64_t>(i == 0   ? layers.size()
                                       : i == 3 ? uint64_t(1) << 48
                                                : programs.size());
      valid = numbers[i] >= 0 && numbers[i] < most;
    }
    if (!valid) {
      return item.error("is no layer, four programs and a row's bytes");
    }
    auto at = [&](size_t i) { return static_cast<size_t>(numbers[i]); };
    notes.push_back({at(0), at(1), at(2), at(4), at(5), numbers[3]});
  }
  plans[static_cast<uint32_t>(section)] = std::move(notes);
  return {};
}

Result<DispatchNotes> DispatchNotes::read(const Artifact &artifact) {
  if (!artifact.manifest().dispatches) {
    return DispatchNotes();
  }
  auto bytes = artifact.bytes(*artifact.manifest().dispatches);
  return parse({reinterpret_cast<const char *>(bytes.data()), bytes.size()},
               artifact.name() + ", dispatches");
}

Result<DispatchNotes> DispatchNotes::parse(std::string_view text,
                                           const std::string &name) {
  DispatchNotes notes;
  JsonLimits limits;
  limits.maxBytes = RILL_RT_MAX_MANIFEST;
  RILL_ASSIGN(JsonValue tree, parseJson(text, name, limits));
  JsonField root(tree, name);
  RILL_ASSIGN(std::string schema, root.stringOr("schema", ""));
  if (schema != "rill.dispatches/1") {
    return root.error("the schema is \"" + schema +
                      "\" but \"rill.dispatches/1\" is due");
  }
  RILL_ASSIGN(JsonField layers, root.at("layers"));
  RILL_ASSIGN(notes.layers, layers.asStrings());
  RILL_ASSIGN(JsonField programs, root.at("programs"));
  RILL_ASSIGN(auto texts, programs.items());
  for (const JsonField &text : texts) {
    RILL_ASSIGN(std::string words, text.asString());
    notes.programs.push_back(parseProgram(words));
    if (notes.programs.back().empty()) {
      return text.error("\"" + words + "\" is no shape program");
    }
  }
  RILL_ASSIGN(JsonField plans, root.at("plans"));
  RILL_ASSIGN(auto entries, plans.items());
  for (const JsonField &entry : entries) {
    RILL_TRY(notes.readPlan(entry));
  }
  return notes;
}

const std::vector<DispatchNote> *DispatchNotes::plan(uint32_t section) const {
  auto found = plans.find(section);
  return found == plans.end() ? nullptr : &found->second;
}

uint64_t DispatchNotes::value(size_t program, const Symbols &symbols) const {
  return static_cast<uint64_t>(
      runProgram(programs[program], symbols).value_or(0));
}

uint64_t DispatchNotes::bytes(const DispatchNote &note, const Symbols &symbols,
                              int64_t cached) const {
  return value(note.weightBytes, symbols) + value(note.stateBytes, symbols) +
         static_cast<uint64_t>(note.cachedRowBytes) *
             static_cast<uint64_t>(cached);
}

uint64_t DispatchNotes::flops(const DispatchNote &note, const Symbols &symbols,
                              int64_t cached) const {
  return value(note.flops, symbols) +
         value(note.cachedRowFlops, symbols) * static_cast<uint64_t>(cached);
}
