// Tables of chips and device attributes.
#include "Chips.h"

#include <algorithm>

namespace rill::emu::cuda {

static constexpr Chip kChips[] = {
    {"sm_80", "NVIDIA A100 (emulated)", 8, 0, 108, 2048, 32, 167936, 166912,
     41943040, 1410000, 1215000, 5120, 40ull << 30},
    {"sm_90", "NVIDIA H200 (emulated)", 9, 0, 132, 2048, 32, 233472, 232448,
     62914560, 1980000, 3201000, 6144, 141ull << 30},
    {"sm_100", "NVIDIA B200 (emulated)", 10, 0, 148, 2048, 32, 233472, 232448,
     132644864, 1965000, 3996000, 8192, 180ull << 30},
    {"sm_103", "NVIDIA B300 (emulated)", 10, 3, 148, 2048, 32, 233472, 232448,
     132644864, 1920000, 3996000, 8192, 270ull << 30},
    {"sm_120", "NVIDIA GeForce RTX 5090 (emulated)", 12, 0, 170, 1536, 24,
     102400, 101376, 100663296, 2407000, 14001000, 512, 32ull << 30}};

const Chip *findChip(std::string_view arch) {
  if (!arch.empty() && (arch.back() == 'a' || arch.back() == 'f')) {
    arch.remove_suffix(1);
  }
  for (const Chip &c : kChips) {
    if (c.arch == arch) {
      return &c;
    }
  }
  return nullptr;
}

int chipAttribute(const Chip &c, int attribute) {
  bool hopper = c.major >= 9;
  switch (attribute) {
  case 1: // threads per block
  case 2:
  case 3:
    return 1024;
  case 4: // block dimension z
    return 64;
  case 5:
    return 0x7fffffff;
  case 6:
  case 7:
    return 65535;
  case 8: // shared memory per block
    return 49152;
  case 9: // constant memory
    return 65536;
  case 10: // warp size
    return 32;
  case 11: // pitch
    return 0x7fffffff;
  case 12: // registers per block
  case 82: // registers per multiprocessor
    return 65536;
  case 13:
    return c.clockKhz;
  case 14: // texture alignment
    return 512;
  case 16:
    return c.smCount;
  case 19:  // can map host memory
  case 31:  // concurrent kernels
  case 41:  // unified addressing
  case 78:  // stream priorities
  case 79:  // global L1 cache
  case 80:  // local L1 cache
  case 89:  // concurrent managed access
  case 90:  // compute preemption
  case 91:  // host pointers of registered memory
  case 95:  // cooperative launch
  case 99:  // host register
  case 111: // sparse arrays
  case 115: // memory pools
    return 1;
  case 32: // ECC
    return 0;
  case 36:
    return c.memoryClockKhz;
  case 37:
    return c.busBits;
  case 38:
    return c.l2Bytes;
  case 39:
    return c.threadsPerSm;
  case 40: // asynchronous engines
    return 3;
  case 75:
    return c.major;
  case 76:
    return c.minor;
  case 81:
    return c.sharedPerSm;
  case 83: // managed memory
    return 0;
  case 97:
    return c.sharedPerBlockOptin;
  case 106:
    return c.blocksPerSm;
  case 108: // persisting L2
    return c.l2Bytes / 4 * 3;
  case 110: // reserved shared memory per block
    return 1024;
  case 120: // cluster launch
    return hopper;
  case 127: // tensor map access
    return hopper;
  case 132: // multicast
    return 0;
  default:
    // Known numbers without a meaning here answer 0, as drivers do.
    return attribute >= 1 && attribute <= 147 ? 0 : -1;
  }
}

int residentBlocks(const Chip &c, const KernelNeeds &k) {
  if (k.threads == 0 || k.threads > 1024) {
    return 0;
  }
  int warps = static_cast<int>((k.threads + 31) / 32);
  int byThreads = c.threadsPerSm / 32 / warps;
  uint32_t registers = (std::max(k.registers, 16u) + 7) / 8 * 8;
  // Registers are handed out per warp in units of 256.
  int perWarp = static_cast<int>((registers * 32 + 255) / 256 * 256);
  int byRegisters = 65536 / perWarp / 4 * 4 / warps;
  uint32_t shared = (k.shared + 1024 + 127) / 128 * 128;
  int byShared = static_cast<int>(uint32_t(c.sharedPerSm) / shared);
  return std::max(0,
                  std::min({byThreads, byRegisters, byShared, c.blocksPerSm}));
}

} // namespace rill::emu::cuda
