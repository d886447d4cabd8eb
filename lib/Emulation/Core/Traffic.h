// Memory traffic of a launch, by instruction and by operand. Only filled when
// counters are asked for.
#ifndef LIB_EMULATION_CORE_TRAFFIC_H
#define LIB_EMULATION_CORE_TRAFFIC_H

#include "Memory.h"
#include "Program.h"

#include <map>

namespace rill::emu {

/// What the lanes of one request touch in global memory together.
struct Coverage {
  uint64_t bytes = 0;   ///< different bytes: a broadcast word counts once
  uint64_t sectors = 0; ///< different 32-byte sectors
};
/// Lane l touches bytes[l] bytes from addresses[l]; 0: none.
Coverage coverage(const uint64_t *addresses, Mask mask, const unsigned *bytes);

/// Passes over the 32 banks of shared memory.
struct Passes {
  unsigned taken = 0; ///< lanes that read one word meet no conflict
  /// One for every part of the warp that goes by itself and has active lanes:
  /// the warp, half of it for 8-byte accesses, a quarter for 16-byte ones.
  unsigned least = 0;
};
Passes countPasses(const uint32_t *addresses, Mask mask, unsigned bytes);

class Traffic {
public:
  /// The launch's operands: the 8-byte parameters that are device addresses.
  /// An operand reaches to the next one's address or its allocation's end.
  Traffic(const DeviceMemory &memory, const std::vector<char> &params);

  /// A request to global memory; what all its lanes touch.
  Coverage global(uint32_t pc, const uint64_t *addresses, Mask mask,
                  const unsigned *bytes, bool load);
  Passes shared(uint32_t pc, const uint32_t *offsets, Mask mask,
                unsigned bytes);
  /// Members of a JSON object, a comma before each.
  std::string json(const Program &program) const;

private:
  struct Operand {
    int parameter = -1; ///< -1: memory that no parameter leads to
    uint64_t low = 0, high = 0;
    std::vector<bool> read; ///< by sector from low / 32
    uint64_t readSectors = 0;
  };
  struct Requests {
    uint64_t requests = 0, sectors = 0, bytes = 0;
  };
  struct SharedRequests {
    uint64_t requests = 0, passes = 0, least = 0;
  };

  Operand &operandOf(uint64_t address);
  static void mark(Operand &operand, uint64_t address, unsigned bytes);

  const DeviceMemory &memory;
  std::map<uint64_t, Operand> operands;                       ///< by low
  std::map<std::pair<uint32_t, uint64_t>, Requests> requests; ///< pc, low
  std::map<uint32_t, SharedRequests> sharedRequests;          ///< by pc
};

} // namespace rill::emu
#endif
