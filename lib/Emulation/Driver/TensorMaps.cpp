// cuTensorMapEncodeTiled: the checks of the documentation, then our layout.
#include "../Core/TensorMap.h"
#include "State.h"

#include <cstring>

namespace rill::emu::cuda {

static uint8_t elementBytes(int type) {
  static constexpr uint8_t kBytes[] = {1, 2, 4, 4, 8, 8, 2, 4, 8, 2, 4, 4, 4};
  return type >= 0 && type < 13 ? kBytes[type] : 0;
}

RILL_CUDA_API CUresult
cuTensorMapEncodeTiled(CUtensorMap *out, int type, unsigned rank, void *address,
                       const uint64_t *dims, const uint64_t *strides,
                       const uint32_t *box, const uint32_t *elementStrides,
                       int interleave, int swizzle, int promotion, int fill) {
  return guarded("cuTensorMapEncodeTiled", true, [&](Driver &) -> CUresult {
    TensorMap t;
    uint8_t size = elementBytes(type);
    if (!out || reinterpret_cast<uintptr_t>(out) % 64 || !size || rank < 1 ||
        rank > 5 || !dims || !box || !elementStrides ||
        (rank > 1 && !strides) || interleave < 0 || interleave > 2 ||
        swizzle < 0 || swizzle > 3 || promotion < 0 || promotion > 3 ||
        fill < 0 || fill > 1) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    auto base = reinterpret_cast<uint64_t>(address);
    if (base == 0 || base % (interleave == 2 ? 32 : 16)) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    t.magic = TensorMap::kMagic;
    t.base = base;
    t.rank = static_cast<uint8_t>(rank);
    t.type = static_cast<uint8_t>(type);
    t.elementBytes = size;
    t.interleave = static_cast<uint8_t>(interleave);
    t.swizzle = static_cast<uint8_t>(swizzle);
    t.promotion = static_cast<uint8_t>(promotion);
    t.fill = static_cast<uint8_t>(fill);
    for (unsigned d = 0; d < rank; ++d) {
      if (dims[d] == 0 || dims[d] > (uint64_t(1) << 32) || box[d] == 0 ||
          box[d] > 256 || elementStrides[d] == 0 || elementStrides[d] > 8) {
        return CUDA_ERROR_INVALID_VALUE;
      }
      t.extent[d] =
          static_cast<uint32_t>(dims[d] == (uint64_t(1) << 32) ? ~0u : dims[d]);
      t.box[d] = static_cast<uint16_t>(box[d]);
      t.elementStride[d] = static_cast<uint8_t>(elementStrides[d]);
      if (d + 1 < rank) {
        if (strides[d] % (interleave == 2 ? 32 : 16) ||
            strides[d] >= (uint64_t(1) << 40)) {
          return CUDA_ERROR_INVALID_VALUE;
        }
        t.strides[d] = strides[d];
      }
    }
    // NaN exists in float types alone.
    if (fill && (type < 6 || type > 12)) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    uint32_t inner = box[0] * size;
    if (interleave == 0 && inner % 16) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    if (t.span() && interleave == 0 && inner > t.span()) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    std::memcpy(static_cast<void *>(out), &t, 128);
    return CUDA_SUCCESS;
  });
}

RILL_CUDA_API CUresult cuTensorMapReplaceAddress(CUtensorMap *map,
                                                 void *address) {
  return guarded("cuTensorMapReplaceAddress", true, [&](Driver &) -> CUresult {
    TensorMap t;
    if (!map || reinterpret_cast<uintptr_t>(address) % 16) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    std::memcpy(&t, map, 128);
    if (t.magic != TensorMap::kMagic) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    t.base = reinterpret_cast<uint64_t>(address);
    std::memcpy(static_cast<void *>(map), &t, 128);
    return CUDA_SUCCESS;
  });
}

RILL_CUDA_API CUresult cuTensorMapEncodeIm2col(...) {
  return CUDA_ERROR_NOT_SUPPORTED;
}

} // namespace rill::emu::cuda
