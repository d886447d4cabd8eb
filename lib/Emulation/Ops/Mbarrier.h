// mbarrier objects: what arrivals, transactions and waits do to them.
#ifndef LIB_EMULATION_OPS_MBARRIER_H
#define LIB_EMULATION_OPS_MBARRIER_H

#include "../Core/Machine.h"

namespace rill::emu {

/// The object at a shared offset; ends the launch when none is initialised.
Mbarrier &mbarrierAt(Warp &w, int lane, Cta &cta, uint32_t offset);

/// `count` arrivals by a lane (release semantics when `ordered`).
void arrive(Warp &w, int lane, Cta &cta, Mbarrier &b, uint32_t count,
            bool ordered);
void expectBytes(Warp &w, int lane, Mbarrier &b, int64_t bytes);
/// Bytes of an asynchronous copy have landed.
void completeBytes(Cta &cta, uint32_t offset, int64_t bytes);
/// The stamp of an asynchronous write that completes on this barrier.
Stamp asyncStamp(Cta &writer, Cta &cta, Mbarrier &b, uint32_t pc);
/// Completes the phase when nothing is missing.
void advance(Cta &cta, Mbarrier &b);

} // namespace rill::emu
#endif
