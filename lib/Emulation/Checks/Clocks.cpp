// Joins and queries of views.
#include "Clocks.h"

#include <algorithm>

namespace rill::emu {

static bool before(const View::Entry &e, uint32_t cta) { return e.cta < cta; }

const View::Entry *View::find(uint32_t cta) const {
  auto it = std::lower_bound(entries.begin(), entries.end(), cta, before);
  return it != entries.end() && it->cta == cta ? &*it : nullptr;
}

View::Entry &View::entry(uint32_t cta) {
  auto it = std::lower_bound(entries.begin(), entries.end(), cta, before);
  if (it == entries.end() || it->cta != cta) {
    it = entries.insert(it, Entry{cta, 0, nullptr});
  }
  return *it;
}

bool View::knows(const Stamp &s) const {
  const Entry *e = find(s.cta);
  if (!e) {
    return false;
  }
  return (s.epoch != kNoEpoch && s.epoch < e->horizon) ||
         (e->clocks && s.tid < e->clocks->size() &&
          (*e->clocks)[s.tid] >= s.clock);
}

/// A vector that nobody else sees, with room for `size` clocks.
static std::vector<uint32_t> &
own(std::shared_ptr<std::vector<uint32_t>> &clocks, size_t size) {
  if (!clocks) {
    clocks = std::make_shared<std::vector<uint32_t>>(size);
  } else if (clocks.use_count() > 1) {
    clocks = std::make_shared<std::vector<uint32_t>>(*clocks);
  }
  if (clocks->size() < size) {
    clocks->resize(size);
  }
  return *clocks;
}

void View::raise(uint32_t cta, uint32_t horizon, uint32_t tid, uint32_t clock) {
  Entry &e = entry(cta);
  e.horizon = std::max(e.horizon, horizon);
  uint32_t &c = own(e.clocks, tid + 1)[tid];
  c = std::max(c, clock);
}

void View::join(const View &other) {
  for (const Entry &o : other.entries) {
    Entry &e = entry(o.cta);
    e.horizon = std::max(e.horizon, o.horizon);
    if (!o.clocks || e.clocks == o.clocks) {
      continue;
    }
    if (!e.clocks) {
      e.clocks = o.clocks;
      continue;
    }
    std::vector<uint32_t> &mine = own(e.clocks, o.clocks->size());
    for (size_t i = 0; i < o.clocks->size(); ++i) {
      mine[i] = std::max(mine[i], (*o.clocks)[i]);
    }
  }
}

ViewPtr joined(const ViewPtr &a, const ViewPtr &b) {
  if (!b || a == b) {
    return a;
  }
  if (!a) {
    return b;
  }
  auto out = std::make_shared<View>(*a);
  out->join(*b);
  return out;
}

} // namespace rill::emu
