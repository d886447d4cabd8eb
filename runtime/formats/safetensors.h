//===- safetensors.h - Named tensors in mapped files ------------*- C++ -*-===//
//
// Reads one safetensors file or a sharded folder without copying, and writes
// small files for tools and tests. Source: the safetensors format (8 bytes
// header length, JSON header, data).
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_FORMATS_SAFETENSORS_H
#define RILL_RUNTIME_FORMATS_SAFETENSORS_H

#include "runtime/formats/json.h"
#include "runtime/formats/mapped_file.h"

#include <map>
#include <vector>

namespace rill::rt {

/// Element types the reader knows. Sub-byte types are refused by name.
enum class Dtype : uint8_t {
  Bool,
  U8,
  I8,
  F8E4M3,
  F8E5M2,
  U16,
  I16,
  F16,
  BF16,
  U32,
  I32,
  F32,
  U64,
  I64,
  F64
};

/// Bytes of one element, 1 to 8.
size_t dtypeBytes(Dtype dtype);
/// The format's own spelling, "BF16".
const char *dtypeName(Dtype dtype);
/// The dtype spelt `name`, if it is one of the enumeration.
std::optional<Dtype> dtypeFromName(std::string_view name);

/// One tensor of a store. `data` points into the mapped file and has no
/// alignment beyond one byte; row-major, little-endian.
struct TensorInfo {
  std::string name;
  Dtype dtype;
  std::vector<int64_t> shape;
  uint32_t file;   ///< index into TensorStore::files()
  uint64_t offset; ///< of the first byte, from the begin of that file
  uint64_t bytes;
  const uint8_t *data;

  /// Product of the shape; 1 for a scalar.
  int64_t elements() const;
};

/// All tensors of one file or of one checkpoint folder. Owns the mappings;
/// every TensorInfo is valid as long as the store.
class TensorStore {
public:
  /// Opens one file.
  static Result<TensorStore> openFile(const std::string &path);
  /// Opens `folder`/model.safetensors, or else the shards named by
  /// `folder`/model.safetensors.index.json.
  static Result<TensorStore> openFolder(const std::string &folder);

  /// Ordered by name.
  const std::vector<TensorInfo> &tensors() const { return all; }
  /// The tensor of that name, or null.
  const TensorInfo *find(std::string_view name) const;
  const std::vector<MappedFile> &files() const { return mappings; }
  /// File names as written in the checkpoint (relative to its folder).
  const std::vector<std::string> &fileNames() const { return names; }
  /// The __metadata__ strings of all files, the last one winning.
  const std::map<std::string, std::string> &metadata() const { return meta; }

private:
  Status addFile(const std::string &path, std::string name);
  Status finish();

  std::vector<TensorInfo> all;
  std::vector<MappedFile> mappings;
  std::vector<std::string> names;
  std::map<std::string, std::string> meta;
};

/// Parses header and layout of a whole file image; `name` stands for it in
/// errors. What addFile does, without a file: for tests and fuzzing.
Status parseSafetensors(std::span<const uint8_t> bytes, const std::string &name,
                        uint32_t file, std::vector<TensorInfo> &tensors,
                        std::map<std::string, std::string> &metadata);

/// Tensor name -> file name, as an index gives them.
using WeightMap = std::map<std::string, std::string>;
/// Reads weight_map of an index. JsonField when it is missing or empty.
Result<WeightMap> parseWeightMap(const JsonField &root);

/// Index of the first NaN or infinity of a floating-point tensor; nothing for
/// other dtypes and for finite tensors.
std::optional<int64_t> findNonFinite(const TensorInfo &tensor);

/// A tensor to write; the data stay the caller's.
struct TensorToWrite {
  std::string name;
  Dtype dtype;
  std::vector<int64_t> shape;
  const void *data;
};

/// Writes a file with the tensors in the order given, the header padded with
/// blanks to a multiple of 8 (`headerPad` more bytes for tests that want odd
/// data offsets). Replaces `path` in one step.
Status writeSafetensors(const std::string &path,
                        const std::vector<TensorToWrite> &tensors,
                        const std::map<std::string, std::string> &metadata = {},
                        size_t headerPad = 0);

} // namespace rill::rt

#endif
