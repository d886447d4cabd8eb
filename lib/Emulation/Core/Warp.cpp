// Groups of lanes: splitting, moving, ending; local memory.
#include "Machine.h"
#include "Scheduler.h"

namespace rill::emu {

void Warp::move(Mask lanes, uint32_t to) {
  Group &g = groups[current];
  g.lanes &= ~lanes;
  for (uint32_t i = 0; i < groupCount; ++i) {
    if (i != current && groups[i].pc == to &&
        groups[i].state != Group::Blocked && groups[i].lanes) {
      groups[i].lanes |= lanes;
      groups[i].state = Group::Ready;
      return;
    }
  }
  if (g.lanes == 0) {
    g = {to, lanes, Group::Ready};
    return;
  }
  groups[groupCount++] = {to, lanes, Group::Ready};
}

void Warp::kill(Mask lanes) {
  groups[current].lanes &= ~lanes;
  live &= ~lanes;
  cta->liveThreads -= static_cast<uint32_t>(std::popcount(lanes));
  grid->scheduler->progress++;
}

char *Warp::localMemory(int lane) {
  // Frames of the deepest chain of calls, plus room for recursion.
  size_t bytes = size_t(64) << 10;
  while (bytes < program->maxFrame * size_t(2)) {
    bytes *= 2;
  }
  if (local.empty()) {
    local.resize(bytes * kLanes);
  }
  return local.data() + bytes * static_cast<size_t>(lane);
}

void Warp::countGlobal(const uint64_t *addresses, Mask mask,
                       const unsigned *bytes, bool load) {
  Counters &c = grid->counters;
  Coverage touched = grid->traffic->global(pc, addresses, mask, bytes, load);
  (load ? c.globalLoadRequests : c.globalStoreRequests) += 1;
  (load ? c.globalLoadSectors : c.globalStoreSectors) += touched.sectors;
  (load ? c.globalLoadBytes : c.globalStoreBytes) += touched.bytes;
  for (Mask left = mask; left; left &= left - 1) {
    (load ? c.globalLoadLaneBytes : c.globalStoreLaneBytes) +=
        bytes[__builtin_ctz(left)];
  }
}

void Warp::countShared(const uint32_t *offsets, Mask mask, unsigned bytes) {
  Counters &c = grid->counters;
  Passes passes = grid->traffic->shared(pc, offsets, mask, bytes);
  ++c.sharedRequests;
  c.sharedPasses += passes.taken;
  c.sharedLeastPasses += passes.least;
  c.sharedBytes += uint64_t(std::popcount(mask)) * bytes;
}

} // namespace rill::emu
