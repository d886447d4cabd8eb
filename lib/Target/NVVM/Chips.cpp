//===- Chips.cpp - What is known of the CUDA chips ------------------------===//
//
// The one place that tells chips apart. Source: CUDA C++ programming guide,
// compute capabilities; multiprocessors of A100, H200, B200, B300, RTX 5090.
//
//===----------------------------------------------------------------------===//
#include "rill/Target/NVVM/NVVM.h"

using namespace rill;
using namespace rill::nvvm;

static constexpr int64_t kKiB = 1024;

static constexpr cubin::SmLimits limits(int threads, int blocks,
                                        int sharedKiB) {
  return {threads, blocks, 65536, static_cast<int>(sharedKiB * kKiB), 1024};
}

static const Chip kChips[] = {
    {"sm_80", "sm_80", true, 108, limits(2048, 32, 164), 163 * kKiB, false, 0,
     0},
    {"sm_90a", "sm_90a", true, 132, limits(2048, 32, 228), 227 * kKiB, true,
     2048, 48},
    {"sm_100a", "sm_100a", true, 148, limits(2048, 32, 228), 227 * kKiB, true,
     0, 0},
    {"sm_103a", "sm_103a", true, 148, limits(2048, 32, 228), 227 * kKiB, true,
     0, 0},
    {"sm_120a", "sm_120a", true, 170, limits(1536, 24, 100), 99 * kKiB, true, 0,
     0},
    // PTX for chips that have no row: assembled by the driver, on request.
    {"compute_80", "sm_80", false, 108, limits(2048, 32, 164), 99 * kKiB, false,
     0, 0},
    {"compute_90", "sm_90", false, 132, limits(2048, 32, 228), 99 * kKiB, true,
     0, 0},
    {"compute_120", "sm_120", false, 170, limits(1536, 24, 100), 99 * kKiB,
     true, 0, 0}};

llvm::ArrayRef<Chip> rill::nvvm::chips() { return kChips; }

const Chip *rill::nvvm::lookupChip(llvm::StringRef target) {
  for (const Chip &chip : kChips) {
    if (target == chip.name) {
      return &chip;
    }
  }
  return nullptr;
}
