// Translation and checks of global and shared accesses.
#include "Access.h"

#include "../Core/Scheduler.h"
#include "GlobalRaces.h"

#include <algorithm>

namespace rill::emu {

static std::string hex(uint64_t v) {
  char text[32];
  snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(v));
  return text;
}

[[noreturn]] static void faultGlobal(Warp &w, int lane, uint64_t a,
                                     uint64_t bytes, bool write) {
  Scheduler &s = *w.grid->scheduler;
  bool freed = !s.memory.find(a) && s.memory.findFreed(a);
  s.fault(w, lane, 700, freed ? Kind::UseAfterFree : Kind::OutOfBounds,
          std::string(write ? "write" : "read") + " of " +
              std::to_string(bytes) + " bytes at " + hex(a) + ": " +
              s.memory.describe(a));
}

[[noreturn]] static void faultAlign(Warp &w, int lane, uint64_t a,
                                    unsigned align, const char *space) {
  w.grid->scheduler->fault(w, lane, 716, Kind::Misaligned,
                           std::string(space) + " address " + hex(a) +
                               " is not aligned to " + std::to_string(align) +
                               " bytes");
}

static int64_t translateSlow(Warp &w, int lane, uint64_t a, uint64_t bytes,
                             bool write, Allocation *&found) {
  Scheduler &s = *w.grid->scheduler;
  Allocation *allocation = s.memory.find(a);
  if (!allocation || !allocation->holds(a, bytes)) {
    faultGlobal(w, lane, a, bytes, write);
  }
  if (write && allocation->readOnly) {
    s.fault(w, lane, 700, Kind::ReadOnlyWrite,
            "write to constant memory at " + hex(a) + ": " +
                s.memory.describe(a));
  }
  found = allocation;
  return allocation->delta;
}

void translateGlobal(Warp &w, Mask m, const uint64_t *addresses, unsigned bytes,
                     unsigned align, bool write, Translation &out) {
  Grid::Window &window = w.grid->windows[w.pc];
  uint64_t low = window.low, span = window.high - window.low - bytes;
  uint64_t bad = 0;
  if (window.high < window.low + bytes) {
    bad = 1;
  } else if (m == kAllLanes) {
    for (int l = 0; l < kLanes; ++l) {
      bad |= uint64_t(addresses[l] - low > span) | (addresses[l] & (align - 1));
    }
  } else {
    for (Mask left = m; left; left &= left - 1) {
      uint64_t a = addresses[__builtin_ctz(left)];
      bad |= uint64_t(a - low > span) | (a & (align - 1));
    }
  }
  if (!bad) {
    out.uniform = true;
    out.delta = window.delta;
    return;
  }
  out.uniform = false;
  Allocation *first = nullptr, *found = nullptr;
  bool same = true;
  for (Mask left = m; left; left &= left - 1) {
    int l = __builtin_ctz(left);
    uint64_t a = addresses[l];
    if (a & (align - 1)) {
      faultAlign(w, l, a, align, "global");
    }
    out.each[l] = translateSlow(w, l, a, bytes, write, found);
    same = same && (!first || first == found);
    first = first ? first : found;
  }
  if (first && same) {
    window.low = first->address;
    window.high = first->address + first->size;
    window.delta = first->delta;
    window.allocation = first;
    out.uniform = true;
    out.delta = first->delta;
  }
}

char *translateOne(Warp &w, int lane, uint64_t a, uint64_t bytes,
                   unsigned align, bool write) {
  if (a & (align - 1)) {
    faultAlign(w, lane, a, align, "global");
  }
  Allocation *found = nullptr;
  int64_t delta =
      translateSlow(w, lane, a, std::max<uint64_t>(bytes, 1), write, found);
  return reinterpret_cast<char *>(static_cast<int64_t>(a) + delta);
}

Cta &locateShared(Warp &w, int lane, uint64_t address, unsigned bytes,
                  unsigned align, uint32_t &offset) {
  Cta *cta = w.cta;
  Scheduler &s = *w.grid->scheduler;
  uint64_t local = address;
  if (address >> kClusterShift) {
    uint64_t rank = (address >> kClusterShift) - 1;
    local = address & ((1u << kClusterShift) - 1);
    if (!cta->cluster || rank >= cta->cluster->size()) {
      s.fault(w, lane, 700, Kind::OutOfBounds,
              "shared address " + hex(address) +
                  " names no block of this cluster");
    }
    Cta *peer = (*cta->cluster)[rank];
    if (!peer->active) {
      s.fault(w, lane, 700, Kind::SharedLifetime,
              "shared memory of a block that has exited (rank " +
                  std::to_string(rank) + ")");
    }
    cta = peer;
  }
  uint32_t end = w.grid->sharedSize;
  if (local < kSharedBase || local + bytes > end) {
    s.fault(w, lane, 700, Kind::OutOfBounds,
            "shared address " + hex(local) + " is outside the block's " +
                std::to_string(end - kSharedBase) + " bytes at " +
                hex(kSharedBase) + " (access of " + std::to_string(bytes) +
                " bytes)");
  }
  if (local & (align - 1)) {
    faultAlign(w, lane, local, align, "shared");
  }
  offset = static_cast<uint32_t>(local);
  return *cta;
}

Stamp stampOf(Warp &w, int lane, bool strong) {
  Stamp s;
  Cta &c = *w.cta;
  s.cta = c.serial;
  s.epoch = c.epoch;
  s.tid = static_cast<uint16_t>(w.tid(lane));
  s.clock = c.clocks.empty() ? 0 : c.clocks[s.tid].clock;
  s.pc = w.pc;
  s.strong = strong;
  return s;
}

bool isOrdered(Warp &w, int lane, const Stamp &s) {
  if (s.cta == 0) {
    return true;
  }
  Cta &c = *w.cta;
  uint32_t tid = w.tid(lane);
  if (s.cta == c.serial && s.epoch != kNoEpoch &&
      (s.tid == tid || s.epoch < c.epoch)) {
    return true;
  }
  if (s.cta != c.serial && w.grid->scheduler->gridOf(s) != w.grid->id) {
    // A programmatic launch knows its primary after griddepcontrol.wait.
    return !w.grid->config.programmatic || c.waitedPrimary;
  }
  const ViewPtr &view = c.clocks[tid].view;
  return view && view->knows(s);
}

static void reportRace(Warp &w, int lane, const Stamp &other, bool write,
                       bool otherWrote, const std::string &where) {
  Scheduler &s = *w.grid->scheduler;
  s.find(w, lane, Kind::Race,
         std::string(write ? "write" : "read") + " of " + where +
             " is not ordered after an earlier " +
             (other.async ? "asynchronous " : "") +
             (otherWrote ? "write" : "read"),
         {}, {s.placeOf(other)});
}

uint8_t wordMask(uint64_t word, uint64_t at, uint64_t bytes) {
  uint8_t mask = 0;
  for (uint64_t b = 0; b < 4; ++b) {
    if (word + b >= at && word + b < at + bytes) {
      mask = static_cast<uint8_t>(mask | 1u << b);
    }
  }
  return mask;
}

/// Whether the write was made visible to the asynchronous proxy.
static bool proxyFenced(Warp &w, int lane, Cta &target, const Stamp &write) {
  if (write.async || write.cta == 0) {
    return true;
  }
  if (write.cta == target.serial && write.tid < target.clocks.size() &&
      target.clocks[write.tid].proxyClock >= write.clock) {
    return true;
  }
  const ThreadClock &me = w.cta->clocks[w.tid(lane)];
  if (!me.proxyFenced) {
    return false;
  }
  bool own = write.cta == w.cta->serial;
  return (own && write.epoch < me.proxyEpoch) ||
         (me.proxyView && me.proxyView->knows(write));
}

static void checkWord(Warp &w, int lane, Cta &cta, uint32_t word, Touch touch,
                      bool strong, uint8_t mask) {
  SharedShadow::Accesses &a = cta.shadow.words[word];
  bool writes = touch == Touch::Write || touch == Touch::Atomic ||
                touch == Touch::AsyncWrite;
  bool async = touch == Touch::AsyncRead || touch == Touch::AsyncWrite;
  auto where = [&] { return "shared word " + hex(word * 4); };
  auto conflicts = [&](const Stamp &s) {
    return s.cta && (s.mask & mask) && !(s.strong && strong) &&
           !isOrdered(w, lane, s);
  };
  if (conflicts(a.write) || conflicts(a.write2)) {
    reportRace(w, lane, conflicts(a.write) ? a.write : a.write2, writes, true,
               where());
  } else if (touch == Touch::AsyncRead && !proxyFenced(w, lane, cta, a.write)) {
    Scheduler &s = *w.grid->scheduler;
    s.find(w, lane, Kind::MissingProxyFence,
           "asynchronous read of " + where() +
               " without fence.proxy.async after the write",
           {}, {s.placeOf(a.write)});
  }
  if (writes) {
    if (conflicts(a.read)) {
      reportRace(w, lane, a.read, true, false, where());
    } else if (a.more) {
      for (const Stamp &s : cta.shadow.readers[a.more - 1].stamps) {
        if (conflicts(s)) {
          reportRace(w, lane, s, true, false, where());
          break;
        }
      }
    }
  }
  Stamp now = stampOf(w, lane, strong);
  now.async = async;
  now.mask = mask;
  if (writes) {
    if (a.write.cta && (a.write.mask & ~mask)) {
      a.write2 = a.write;
    }
    a.write = now;
    if (touch == Touch::Write && mask == 15) {
      a.read = Stamp();
      a.more = 0;
    }
    if (touch != Touch::Atomic) {
      return;
    }
  }
  if (touch == Touch::AsyncWrite) {
    return;
  }
  // Remember this reader; forget those it is ordered after.
  if (!a.read.cta || a.read.tid == now.tid || isOrdered(w, lane, a.read)) {
    a.read = now;
    if (a.more) {
      auto &list = cta.shadow.readers[a.more - 1].stamps;
      std::erase_if(list, [&](const Stamp &s) {
        return s.tid == now.tid || isOrdered(w, lane, s);
      });
    }
    return;
  }
  if (!a.more) {
    cta.shadow.readers.emplace_back();
    a.more = static_cast<uint32_t>(cta.shadow.readers.size());
  }
  auto &list = cta.shadow.readers[a.more - 1].stamps;
  for (Stamp &s : list) {
    if (s.tid == now.tid && s.cta == now.cta) {
      s = now;
      return;
    }
  }
  list.push_back(now);
}

void checkShared(Warp &w, int lane, Cta &cta, uint32_t offset, unsigned bytes,
                 Touch touch, bool strong) {
  SharedShadow &sh = cta.shadow;
  if (!sh.enabled) {
    return;
  }
  Scheduler &s = *w.grid->scheduler;
  bool reads = touch == Touch::Read || touch == Touch::Atomic ||
               touch == Touch::AsyncRead;
  bool writes = touch != Touch::Read && touch != Touch::AsyncRead;
  if (sh.pendingCount && SharedShadow::any(sh.pending, offset, bytes)) {
    s.find(w, lane, Kind::PendingAccess,
           std::string(reads ? "read" : "write") + " of shared bytes at " +
               hex(offset) + " that an asynchronous copy has not yet written");
  } else if (reads && !SharedShadow::all(sh.initialized, offset, bytes)) {
    s.find(w, lane, Kind::Uninitialized,
           "read of shared memory at " + hex(offset) +
               " that nobody has written");
    SharedShadow::set(sh.initialized, offset, bytes, true);
  }
  if (writes && sh.readingCount &&
      SharedShadow::any(sh.reading, offset, bytes)) {
    s.find(w, lane, Kind::PendingAccess,
           "write of shared bytes at " + hex(offset) +
               " that an asynchronous operation is still reading");
  }
  if (writes && touch != Touch::AsyncWrite) {
    SharedShadow::set(sh.initialized, offset, bytes, true);
  }
  if (!sh.words.empty()) {
    for (uint32_t word = offset / 4; word <= (offset + bytes - 1) / 4; ++word) {
      checkWord(w, lane, cta, word, touch, strong,
                wordMask(word * 4, offset, bytes));
    }
  }
}

void beginAsyncWrite(Warp &w, int lane, Cta &cta, uint32_t offset,
                     uint32_t bytes) {
  SharedShadow &sh = cta.shadow;
  if (!sh.enabled) {
    return;
  }
  checkShared(w, lane, cta, offset, bytes, Touch::AsyncWrite);
  SharedShadow::set(sh.pending, offset, bytes, true);
  ++sh.pendingCount;
}

void endAsyncWrite(Cta &cta, uint32_t offset, uint32_t bytes,
                   const Stamp &stamp) {
  SharedShadow &sh = cta.shadow;
  if (!sh.enabled) {
    return;
  }
  SharedShadow::set(sh.pending, offset, bytes, false);
  SharedShadow::set(sh.initialized, offset, bytes, true);
  --sh.pendingCount;
  if (!sh.words.empty() && stamp.cta) {
    for (uint32_t word = offset / 4; word <= (offset + bytes - 1) / 4; ++word) {
      sh.words[word].write = stamp;
      sh.words[word].write2 = Stamp();
      sh.words[word].read = Stamp();
      sh.words[word].more = 0;
    }
  }
}

void checkGlobal(Warp &w, Mask m, const uint64_t *addresses, unsigned bytes,
                 Touch touch, bool strong) {
  Scheduler &s = *w.grid->scheduler;
  bool reads = touch != Touch::Write && touch != Touch::AsyncWrite;
  if (s.options.checks & kCheckInit) {
    for (Mask left = m; left; left &= left - 1) {
      int l = __builtin_ctz(left);
      Allocation *a = s.memory.find(addresses[l]);
      if (!a || a->written.empty()) {
        continue;
      }
      uint64_t at = addresses[l] - a->address;
      bool known = true;
      for (uint64_t b = at; b < at + bytes; ++b) {
        known = known && (a->written[b >> 3] >> (b & 7) & 1);
        a->written[b >> 3] |= static_cast<uint8_t>(1u << (b & 7));
      }
      if (reads && !known) {
        s.find(w, l, Kind::Uninitialized,
               "read of global memory that nobody has written: " +
                   s.memory.describe(addresses[l]));
      }
    }
  }
  if (s.races) {
    for (Mask left = m; left; left &= left - 1) {
      int l = __builtin_ctz(left);
      s.races->access(w, l, addresses[l], bytes, touch, strong);
    }
  }
}

} // namespace rill::emu
