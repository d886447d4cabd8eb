// Happens-before on global memory.
#include "GlobalRaces.h"

#include "../Core/Scheduler.h"

#include <algorithm>

namespace rill::emu {

GlobalRaces::Word &GlobalRaces::word(uint64_t address) {
  uint64_t key = address / kPage;
  if (key != lastKey) {
    std::unique_ptr<Page> &page = pages[key];
    if (!page) {
      page = std::make_unique<Page>();
    }
    lastKey = key;
    lastPage = page.get();
  }
  return lastPage->words[address % kPage / 4];
}

void GlobalRaces::checkWord(Warp &w, int lane, uint64_t address, Touch touch,
                            bool strong, uint8_t mask) {
  Word &x = word(address);
  bool writes = touch != Touch::Read && touch != Touch::AsyncRead;
  auto conflicts = [&](const Stamp &s) {
    return s.cta && (s.mask & mask) && !(s.strong && strong) &&
           !isOrdered(w, lane, s);
  };
  auto report = [&](const Stamp &s, bool wrote) {
    bool other = scheduler.gridOf(s) != w.grid->id;
    scheduler.find(w, lane, other ? Kind::DependentLaunch : Kind::Race,
                   std::string(writes ? "write" : "read") +
                       " of global memory is not ordered after an earlier " +
                       (wrote ? "write" : "read") + ": " +
                       scheduler.memory.describe(address),
                   {}, {scheduler.placeOf(s)});
  };
  if (conflicts(x.write)) {
    report(x.write, true);
  } else if (conflicts(x.write2)) {
    report(x.write2, true);
  }
  if (writes) {
    if (conflicts(x.read)) {
      report(x.read, false);
    } else if (conflicts(x.read2)) {
      report(x.read2, false);
    }
  }
  Stamp now = stampOf(w, lane, strong);
  now.mask = mask;
  if (writes) {
    if (x.write.cta && (x.write.mask & ~mask)) {
      x.write2 = x.write;
    }
    x.write = now;
    if (touch != Touch::Atomic) {
      if (mask == 15) {
        x.read = x.read2 = Stamp();
      }
      return;
    }
  }
  // Two readers of different blocks are kept: the first unordered one and
  // the latest.
  if (!x.read.cta || isOrdered(w, lane, x.read)) {
    x.read = now;
  } else {
    x.read2 = now;
  }
}

void GlobalRaces::access(Warp &w, int lane, uint64_t address, unsigned bytes,
                         Touch touch, bool strong) {
  for (uint64_t a = address & ~uint64_t(3); a < address + bytes; a += 4) {
    checkWord(w, lane, a, touch, strong, wordMask(a, address, bytes));
  }
}

bool GlobalRaces::reaches(const Sync &s, Warp &w) const {
  if (s.scope == Scope::Gpu || s.scope == Scope::Sys) {
    return true;
  }
  if (s.cta == w.cta->serial) {
    return true;
  }
  if (s.scope == Scope::Cluster && w.cta->cluster) {
    for (Cta *c : *w.cta->cluster) {
      if (c->serial == s.cta) {
        return true;
      }
    }
  }
  return false;
}

std::vector<GlobalRaces::Range> GlobalRaces::footprint() const {
  std::map<uint64_t, const Page *> sorted;
  for (auto &[key, page] : pages) {
    sorted[key] = page.get();
  }
  std::vector<Range> out;
  for (auto &[key, page] : sorted) {
    for (uint64_t i = 0; i < kPage / 4; ++i) {
      const Word &x = page->words[i];
      if (!x.write.cta && !x.read.cta) {
        continue;
      }
      uint64_t at = key * kPage + i * 4;
      bool written = x.write.cta != 0;
      if (!out.empty() && out.back().end == at &&
          out.back().written == written) {
        out.back().end += 4;
      } else {
        out.push_back({at, at + 4, written});
      }
    }
  }
  return out;
}

void GlobalRaces::release(Warp &w, int lane, View &into) {
  Cta &c = *w.cta;
  uint32_t tid = w.tid(lane);
  ThreadClock &t = c.clocks[tid];
  if (t.view) {
    into.join(*t.view);
  }
  into.raise(c.serial, c.epoch, tid, t.clock);
  ++t.clock;
}

void GlobalRaces::acquire(Warp &w, int lane, const ViewPtr &from) {
  ThreadClock &t = w.cta->clocks[w.tid(lane)];
  t.view = joined(t.view, from);
}

void GlobalRaces::afterLoad(Warp &w, int lane, uint64_t key, Semantics sem,
                            Scope scope) {
  auto it = syncs.find(key);
  if (it == syncs.end() || !reaches(it->second, w) ||
      (scope == Scope::Cta && it->second.cta != w.cta->serial)) {
    return;
  }
  ThreadClock &t = w.cta->clocks[w.tid(lane)];
  if (sem == Semantics::Acquire || sem == Semantics::AcqRel) {
    t.view = joined(t.view, it->second.view);
  } else if (sem != Semantics::Weak) {
    t.toAcquire = joined(t.toAcquire, it->second.view);
  }
}

void GlobalRaces::beforeStore(Warp &w, int lane, uint64_t key, Semantics sem,
                              Scope scope, bool readModifyWrite) {
  ThreadClock &t = w.cta->clocks[w.tid(lane)];
  ViewPtr out;
  if (sem == Semantics::Release || sem == Semantics::AcqRel) {
    publish(w, lane);
    auto view = std::make_shared<View>();
    release(w, lane, *view);
    out = view;
  } else if (sem == Semantics::Relaxed) {
    out = t.released;
    scope = std::min(scope, static_cast<Scope>(t.releasedScope));
  }
  auto it = syncs.find(key);
  if (readModifyWrite && it != syncs.end()) {
    // A read-modify-write continues the release sequence it joins.
    it->second.view = joined(it->second.view, out);
    if (out) {
      it->second.scope = std::max(it->second.scope, scope);
      it->second.cta = w.cta->serial;
    }
  } else if (out) {
    syncs[key] = {out, scope, w.cta->serial};
  } else if (it != syncs.end()) {
    syncs.erase(it);
  }
}

void GlobalRaces::fence(Warp &w, Mask m, Scope scope) {
  for (Mask left = m; left; left &= left - 1) {
    int l = __builtin_ctz(left);
    ThreadClock &t = w.cta->clocks[w.tid(l)];
    t.view = joined(t.view, t.toAcquire);
    t.toAcquire = nullptr;
    if (scope != Scope::Cta) {
      publish(w, l);
    }
    auto view = std::make_shared<View>();
    release(w, l, *view);
    t.released = view;
    t.releasedScope = static_cast<uint8_t>(scope);
  }
}

void GlobalRaces::delay(Warp &w, int lane, uint64_t address, char *host,
                        const void *data, unsigned bytes) {
  Buffer &b = buffers[w.cta->serial];
  Held h;
  h.address = address;
  h.host = host;
  h.bytes = static_cast<uint8_t>(bytes);
  std::memcpy(h.data, data, bytes);
  h.stamp = stampOf(w, lane, false);
  ++b.granules[address / 16];
  b.stores.push_back(h);
  if (b.stores.size() > 8192) {
    // Hardware buffers are finite too.
    for (size_t i = 0; i < 4096; ++i) {
      write(b, i);
    }
    b.stores.erase(b.stores.begin(), b.stores.begin() + 4096);
  }
}

void GlobalRaces::overlay(Warp &w, int lane, uint64_t address, void *data,
                          unsigned bytes) {
  auto it = buffers.find(w.cta->serial);
  if (it == buffers.end() || it->second.stores.empty()) {
    return;
  }
  Buffer &b = it->second;
  if (!b.granules.count(address / 16)) {
    return;
  }
  for (const Held &h : b.stores) {
    if (h.address + h.bytes <= address || h.address >= address + bytes ||
        !isOrdered(w, lane, h.stamp)) {
      continue;
    }
    uint64_t from = std::max(h.address, address);
    uint64_t to = std::min(h.address + h.bytes, address + bytes);
    std::memcpy(static_cast<char *>(data) + (from - address),
                h.data + (from - h.address), to - from);
  }
}

void GlobalRaces::write(Buffer &b, size_t index) {
  Held &h = b.stores[index];
  std::memcpy(h.host, h.data, h.bytes);
  auto it = b.granules.find(h.address / 16);
  if (--it->second == 0) {
    b.granules.erase(it);
  }
}

void GlobalRaces::publish(Warp &w, int lane) {
  auto it = buffers.find(w.cta->serial);
  if (it == buffers.end()) {
    return;
  }
  Buffer &b = it->second;
  size_t kept = 0;
  for (size_t i = 0; i < b.stores.size(); ++i) {
    if (isOrdered(w, lane, b.stores[i].stamp)) {
      write(b, i);
    } else {
      b.stores[kept++] = b.stores[i];
    }
  }
  b.stores.resize(kept);
}

void GlobalRaces::publishAll(Cta &cta) {
  auto it = buffers.find(cta.serial);
  if (it == buffers.end()) {
    return;
  }
  for (size_t i = 0; i < it->second.stores.size(); ++i) {
    write(it->second, i);
  }
  buffers.erase(it);
}

void GlobalRaces::publishGrid(Grid &) {
  for (auto &[serial, b] : buffers) {
    for (size_t i = 0; i < b.stores.size(); ++i) {
      write(b, i);
    }
  }
  buffers.clear();
}

} // namespace rill::emu
