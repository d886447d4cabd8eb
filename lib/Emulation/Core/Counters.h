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
  /// Different bytes of each request, and bytes of all its lanes.
  uint64_t globalLoadBytes = 0, globalStoreBytes = 0;
  uint64_t globalLoadLaneBytes = 0, globalStoreLaneBytes = 0;
  uint64_t sharedRequests = 0, sharedPasses = 0, sharedLeastPasses = 0;
  uint64_t sharedBytes = 0; ///< of all lanes
  uint64_t mma = 0, wgmma = 0;
  uint64_t asyncBytes = 0;
  uint64_t threads = 0;

  void add(const Counters &other);
  /// One JSON object; `more` are further members (Traffic::json).
  std::string json(const std::string &kernel,
                   const std::string &more = {}) const;
};

} // namespace rill::emu
#endif
