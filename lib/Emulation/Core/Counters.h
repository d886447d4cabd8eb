// What a launch executed: instructions, memory transactions, bytes.
#ifndef LIB_EMULATION_CORE_COUNTERS_H
#define LIB_EMULATION_CORE_COUNTERS_H

#include "Program.h"

#include <array>

namespace rill::emu {

struct Counters {
  std::array<uint64_t, size_t(InsClass::Count)> instructions{}; ///< per warp
  uint64_t globalLoadRequests = 0, globalLoadSectors = 0;
  uint64_t globalStoreRequests = 0, globalStoreSectors = 0;
  uint64_t globalLoadBytes = 0, globalStoreBytes = 0;
  uint64_t sharedRequests = 0, sharedPasses = 0, sharedBytes = 0;
  uint64_t mma = 0, wgmma = 0;
  uint64_t asyncBytes = 0;
  uint64_t threads = 0;

  void add(const Counters &other);
  /// One JSON object.
  std::string json(const std::string &kernel) const;
};

/// 32-byte sectors that the active lanes touch.
unsigned countSectors(const uint64_t *addresses, Mask mask, unsigned bytes);
/// Passes over the 32 banks of shared memory.
unsigned countPasses(const uint32_t *addresses, Mask mask, unsigned bytes);

} // namespace rill::emu
#endif
