// The 128 opaque bytes of a tensor map, as this emulator writes them.
#ifndef LIB_EMULATION_CORE_TENSORMAP_H
#define LIB_EMULATION_CORE_TENSORMAP_H

#include <cstdint>

namespace rill::emu {

/// Encoded by cuTensorMapEncodeTiled, read by cp.async.bulk.tensor.
struct TensorMap {
  static constexpr uint64_t kMagic = 0x70616d726f736e74ull;
  uint64_t magic = 0;
  uint64_t base = 0;        ///< device address
  uint64_t strides[4] = {}; ///< bytes, of dimensions 1 to 4
  uint32_t extent[5] = {};  ///< elements; 0 means 2^32
  uint16_t box[5] = {};     ///< elements
  uint8_t elementStride[5] = {};
  uint8_t rank = 0, type = 0, elementBytes = 0;
  uint8_t interleave = 0, swizzle = 0, promotion = 0, fill = 0;
  uint8_t im2col = 0;
  uint8_t reserved[34] = {};

  /// Bytes of a swizzle span: 32, 64 or 128; 0 without swizzle.
  uint32_t span() const {
    return swizzle == 0 ? 0 : swizzle <= 3 ? 16u << swizzle : 128;
  }
};
static_assert(sizeof(TensorMap) == 128);

} // namespace rill::emu
#endif
