// The generic address space: windows of shared, local and parameter memory
// stand where no host allocation can.
#ifndef LIB_EMULATION_CORE_ADDRESS_H
#define LIB_EMULATION_CORE_ADDRESS_H

#include "Program.h"

namespace rill::emu {

constexpr uint64_t kSharedWindow = uint64_t(1) << 60;
constexpr uint64_t kLocalWindow = uint64_t(2) << 60;
constexpr uint64_t kParamWindow = uint64_t(3) << 60;
constexpr uint64_t kCodeWindow = uint64_t(4) << 60;
constexpr uint64_t kWindowMask = uint64_t(15) << 60;

/// A shared::cluster address is (rank + 1) << 24 | offset; below 1 << 24 it
/// is an offset in the CTA's own window.
constexpr uint32_t kClusterShift = 24;

inline Space spaceOf(uint64_t address) {
  switch (address >> 60) {
  case 1:
    return Space::Shared;
  case 2:
    return Space::Local;
  case 3:
    return Space::Param;
  default:
    return Space::Global;
  }
}

} // namespace rill::emu
#endif
