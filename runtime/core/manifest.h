//===- manifest.h - The manifest of an artifact -----------------*- C++ -*-===//
//
// JSON -> checked structures. Numbers of sections are checked by the reader.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_CORE_MANIFEST_H
#define RILL_RUNTIME_CORE_MANIFEST_H

#include "runtime/formats/json.h"

#include <optional>
#include <string>
#include <vector>

namespace rill::rt {

enum class ElementType : uint8_t { F32, BF16, I64, F16 };
/// Bytes of one element.
size_t elementBytes(ElementType type);
const char *elementName(ElementType type);

/// One dimension of a signature: a size, a symbol (0 S, 1 h, 2 w), or a
/// program over them.
struct SignatureDim {
  std::vector<int64_t> program; ///< pairs, never empty
  int symbol = -1;              ///< when the program is one symbol
};
struct Signature {
  std::string name;
  ElementType type;
  std::vector<SignatureDim> shape;
  int64_t limit = 0; ///< integer inputs: 0 <= value < limit; 0: none
};
struct MethodVariant {
  std::string target;
  int64_t min[3] = {1, 1, 1}, max[3] = {1, 1, 1};
  int64_t step[3] = {1, 1, 1};           ///< values are multiples of it
  bool bound[3] = {false, false, false}; ///< symbols that have a range
  uint32_t plan;                         ///< section
};
struct Method {
  std::string name;
  std::vector<Signature> inputs, outputs;
  bool appends;
  /// Ends a decode step: reads tokens and positions of the control block and
  /// leaves the next ones there; its output is the tokens, i64 [B].
  bool commits = false;
  std::vector<MethodVariant> variants;
};
struct StateInfo {
  std::string name;
  ElementType type;
  std::vector<int64_t> shape;
  bool rows, ring;
  int64_t rowDim, history;
  uint64_t bytes;
  int64_t capacity() const { return shape[rowDim]; }
};
struct WeightInfo {
  std::string name, file, from;
  ElementType type;
  std::vector<int64_t> shape;
  uint64_t bytes;
  std::optional<uint32_t> section;
  uint64_t offset = 0;
  std::optional<uint64_t> seed;
};
/// What runs once when a model is opened on the target: `method` has no inputs
/// and an output per packed weight, of `packed` bytes; no other plan reads the
/// weights `released`.
struct InitInfo {
  Method method;
  std::vector<uint64_t> packed;
  std::vector<size_t> released;

  const MethodVariant &variant() const { return method.variants[0]; }
};
/// Kind "elf" has `elf`; kind "cuda" has `ptx`, perhaps `cubin`, and the
/// threads of a block for each kernel.
struct TargetInfo {
  std::string arch, kind;
  std::optional<uint32_t> elf, ptx, cubin;
  std::vector<std::string> kernels;
  std::vector<int64_t> threads, shared;
  bool dependent = false;
  std::optional<InitInfo> init;
};
struct AssetInfo {
  std::string name, kind, file;
  uint32_t section;
};

/// The drafter of the methods draft_prefill, draft and draft_verify.
struct DraftInfo {
  std::string kind;  ///< "dflash"
  int64_t block;     ///< rows of the widest draft it was trained for
  int64_t maskToken; ///< 0 <= id < vocabulary
  std::vector<int64_t> taps;
};

struct Manifest {
  JsonValue tree;
  std::string contentId;
  int64_t batch;
  std::vector<StateInfo> states;
  std::vector<Method> methods;
  std::vector<TargetInfo> targets;
  std::vector<WeightInfo> weights;
  std::vector<AssetInfo> assets;
  std::optional<uint32_t> dispatches; ///< section: what profiles say of them
  std::vector<std::string> sectionHashes;
  std::optional<DraftInfo> draft;

  const Method *method(std::string_view name) const;
};

/// Parses and checks. Errors: JsonInvalid, JsonField, ArtifactRequires.
Result<Manifest> parseManifest(std::string_view text, const std::string &file);

} // namespace rill::rt

#endif
