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

namespace {
/// A device attribute: the same for all chips, or a member of the table.
struct AttributeRow {
  int number, value;
  int Chip::*member = nullptr;
};
constexpr AttributeRow kAttributes[] = {
    {1, 1024}, // threads per block
    {2, 1024}, // block dimensions
    {3, 1024},
    {4, 64},
    {5, 0x7fffffff}, // grid dimensions
    {6, 65535},
    {7, 65535},
    {8, 49152},       // shared memory per block
    {9, 65536},       // constant memory
    {10, 32},         // warp size
    {11, 0x7fffffff}, // pitch
    {12, 65536},      // registers per block
    {13, 0, &Chip::clockKhz},
    {14, 512}, // texture alignment
    {16, 0, &Chip::smCount},
    {19, 1}, // can map host memory
    {31, 1}, // concurrent kernels
    {32, 0}, // ECC
    {36, 0, &Chip::memoryClockKhz},
    {37, 0, &Chip::busBits},
    {38, 0, &Chip::l2Bytes},
    {39, 0, &Chip::threadsPerSm},
    {40, 3}, // asynchronous engines
    {41, 1}, // unified addressing
    {75, 0, &Chip::major},
    {76, 0, &Chip::minor},
    {78, 1}, // stream priorities
    {79, 1}, // global L1 cache
    {80, 1}, // local L1 cache
    {81, 0, &Chip::sharedPerSm},
    {82, 65536}, // registers per multiprocessor
    {83, 0},     // managed memory
    {89, 1},     // concurrent managed access
    {90, 1},     // compute preemption
    {91, 1},     // host pointers of registered memory
    {95, 1},     // cooperative launch
    {97, 0, &Chip::sharedPerBlockOptin},
    {99, 1}, // host register
    {106, 0, &Chip::blocksPerSm},
    {111, 1024}, // reserved shared memory per block
    {115, 1},    // memory pools
    {132, 0}};   // multicast
} // namespace

int chipAttribute(const Chip &c, int attribute) {
  for (const AttributeRow &row : kAttributes) {
    if (row.number == attribute) {
      return row.member ? c.*row.member : row.value;
    }
  }
  switch (attribute) {
  case 108: // persisting L2
    return c.l2Bytes / 4 * 3;
  case 120: // cluster launch
  case 127: // tensor map access
    return c.major >= 9;
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
