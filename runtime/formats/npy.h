//===- npy.h - NumPy arrays as files ----------------------------*- C++ -*-===//
//
// Reads and writes .npy (format 1.0 to 3.0, little-endian, C order) for tools.
// NumPy has no bfloat16: u2 arrays stand for bf16 bits.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_FORMATS_NPY_H
#define RILL_RUNTIME_FORMATS_NPY_H

#include "runtime/formats/safetensors.h"

namespace rill::rt {

/// An array that owns its bytes (row-major, little-endian).
struct NpyArray {
  Dtype dtype;
  std::vector<int64_t> shape;
  std::vector<uint8_t> bytes;

  int64_t elements() const;
};

/// Reads `path`. f4, f8, i4, i8, u1 and i1 map to their dtypes, u2 to BF16.
/// Errors: FileUnreadable, NpyInvalid, NpyDtype.
Result<NpyArray> readNpy(const std::string &path);
/// Parses a file image; `name` stands for it in errors.
Result<NpyArray> parseNpy(std::span<const uint8_t> bytes,
                          const std::string &name);
/// Writes `path` in one step; `data` holds the bytes of the shape.
Status writeNpy(const std::string &path, Dtype dtype,
                const std::vector<int64_t> &shape, const void *data);

} // namespace rill::rt

#endif
