// Facts about the chips that can be emulated: public specifications and the
// device attributes their drivers answer.
#ifndef LIB_EMULATION_DRIVER_CHIPS_H
#define LIB_EMULATION_DRIVER_CHIPS_H

#include <cstdint>
#include <string_view>

namespace rill::emu::cuda {

struct Chip {
  std::string_view arch; ///< "sm_90"
  const char *name;
  int major, minor;
  int smCount;
  int threadsPerSm, blocksPerSm;
  int sharedPerSm, sharedPerBlockOptin; ///< bytes
  int l2Bytes;
  int clockKhz, memoryClockKhz, busBits;
  uint64_t memoryBytes;
};

/// nullptr when the name is unknown.
const Chip *findChip(std::string_view arch);
/// The value of a CUdevice_attribute, or -1 when the number is none.
int chipAttribute(const Chip &chip, int attribute);

struct KernelNeeds {
  uint32_t threads = 0, registers = 0, shared = 0; ///< per thread; bytes
};
/// Blocks of a kernel that fit on one multiprocessor.
int residentBlocks(const Chip &chip, const KernelNeeds &needs);

} // namespace rill::emu::cuda
#endif
