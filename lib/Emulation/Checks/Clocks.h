// Happens-before between threads: stamps of accesses and views of what a
// thread knows of others (epochs of whole-block barriers plus vector clocks).
#ifndef LIB_EMULATION_CHECKS_CLOCKS_H
#define LIB_EMULATION_CHECKS_CLOCKS_H

#include <cstdint>
#include <memory>
#include <vector>

namespace rill::emu {

/// One remembered access. `cta` is a serial that no other block shares; 0
/// means no access.
struct Stamp {
  uint32_t cta = 0, epoch = 0, clock = 0, pc = 0;
  uint16_t tid = 0;
  bool strong = false; ///< atomic, volatile, or ordered
  bool async = false;  ///< written by the asynchronous proxy
  uint8_t mask = 15;   ///< bytes of the word
};

/// Epoch of stamps that no block barrier orders.
constexpr uint32_t kNoEpoch = ~0u;

/// Knowledge about other threads; sorted by block.
struct View {
  struct Entry {
    uint32_t cta = 0;
    uint32_t horizon = 0; ///< accesses of earlier epochs are ordered
    std::shared_ptr<std::vector<uint32_t>> clocks; ///< by thread
  };
  std::vector<Entry> entries;

  bool knows(const Stamp &s) const;
  Entry &entry(uint32_t cta);
  const Entry *find(uint32_t cta) const;
  /// Raises one thread's clock, and the horizon.
  void raise(uint32_t cta, uint32_t horizon, uint32_t tid, uint32_t clock);
  void join(const View &other);
};
using ViewPtr = std::shared_ptr<const View>;

/// a joined with b; either may be null. Returns one of them when possible.
ViewPtr joined(const ViewPtr &a, const ViewPtr &b);

/// The clock of one thread.
struct ThreadClock {
  uint32_t clock = 1;
  ViewPtr view;              ///< what it has acquired
  ViewPtr released;          ///< what its last release fence published
  uint8_t releasedScope = 0; ///< the fence's Scope
  ViewPtr toAcquire;         ///< read by relaxed loads, effective at a fence
  uint32_t proxyClock = 0;   ///< writes up to here are fenced for async reads
  uint32_t proxyEpoch = 0;   ///< what it knew at its own last proxy fence
  bool proxyFenced = false;
  ViewPtr proxyView;
};

} // namespace rill::emu
#endif
