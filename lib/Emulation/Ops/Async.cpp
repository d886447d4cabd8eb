// cp.async (non-bulk): PTX ISA 9.7.9.25.3. A copy happens at the wait that
// forces it, never earlier; with a seed sometimes at once.
#include "../Checks/GlobalRaces.h"
#include "Lanes.h"
#include "Mbarrier.h"

namespace rill::emu {

namespace {

uint64_t addressAt(Warp &w, uint32_t reg, bool wide, int l, int64_t offset) {
  return wide ? w.at<uint64_t>(reg)[l] + static_cast<uint64_t>(offset)
              : uint32_t(w.at<uint32_t>(reg)[l] + uint32_t(offset));
}

void perform(Warp &w, const PendingCopy &c, const Stamp &stamp) {
  Cta &cta = *w.cta;
  char *to = cta.shared.data() + c.destination;
  const char *from = reinterpret_cast<const char *>(c.source);
  if (c.sourceBytes) {
    std::memcpy(to, from, c.sourceBytes);
  }
  std::memset(to + c.sourceBytes, 0, size_t(c.bytes - c.sourceBytes));
  endAsyncWrite(cta, c.destination, c.bytes, stamp);
  w.grid->counters.asyncBytes += c.sourceBytes;
}

/// ints: wide destination, wide source, source offset. c: source size.
/// flag2: c is a predicate (ignore-src).
Step issue(Warp &w, const Ins &i, Mask m) {
  const InsInfo &info = w.program->infos[i.info];
  Scheduler &s = *w.grid->scheduler;
  bool now = s.seeded() && s.random(8) == 0;
  uint64_t sources[kLanes];
  uint32_t destinations[kLanes];
  unsigned bytes[kLanes];
  for (Mask left = m; left; left &= left - 1) {
    int l = __builtin_ctz(left);
    PendingCopy c;
    c.lane = static_cast<uint8_t>(l);
    c.bytes = c.sourceBytes = i.size;
    c.group = w.copyGroup[l];
    c.pc = w.pc;
    uint64_t to = addressAt(w, i.a, info.ints[0], l, i.imm);
    sources[l] = addressAt(w, i.b, info.ints[1], l, info.ints[2]);
    if (i.space == Space::Generic) {
      to &= ~kWindowMask;
    }
    if (i.c != kNoReg) {
      uint32_t n = i.flag2
                       ? ((w.predicate(i.c) >> l & 1) != i.flag ? 0 : i.size)
                       : w.at<uint32_t>(i.c)[l];
      if (n > i.size) {
        s.fault(w, l, 719, Kind::Illegal, "source size exceeds the copy's");
      }
      c.sourceBytes = static_cast<uint8_t>(n);
    }
    locateShared(w, l, to, i.size, i.size, c.destination);
    if (c.sourceBytes) {
      c.source = reinterpret_cast<uint64_t>(
          translateOne(w, l, sources[l], c.sourceBytes, i.size, false));
      if (s.options.checks & (kCheckRace | kCheckInit)) {
        checkGlobal(w, Mask(1) << l, sources, c.sourceBytes, Touch::Read,
                    false);
      }
      if (s.races) {
        s.races->publish(w, l);
      }
    }
    destinations[l] = c.destination;
    bytes[l] = c.sourceBytes;
    beginAsyncWrite(w, l, *w.cta, c.destination, i.size);
    if (now && !s.memcheck()) {
      perform(w, c, Stamp());
    } else {
      w.copies.push_back(c);
    }
  }
  if (s.options.count) {
    w.countGlobal(sources, m, bytes, true);
    w.countShared(destinations, m, i.size);
  }
  return Step::Next;
}

void decodeIssue(Decode &d) {
  // [dst], [src], size {, source size or predicate} {, policy}
  d.arity(3, 5);
  int64_t size = d.integer(d.op(2));
  if (size != 4 && size != 8 && size != 16) {
    d.fail("the copy must be 4, 8 or 16 bytes");
  }
  d.ins.size = static_cast<uint8_t>(size);
  d.address(d.op(0), d.has("shared") || d.has("shared::cta") ? Space::Shared
                                                             : Space::Generic);
  bool wideTo = d.ins.wideBase;
  int64_t offset = 0;
  d.ins.b = d.addressOperand(d.op(1), offset);
  d.info.ints = {wideTo, d.ins.wideBase, offset};
  if (d.count() > 3 && !(d.count() == 4 && d.has("L2::cache_hint"))) {
    const Operand &o = d.op(3);
    if (o.kind == Operand::Register && d.owner.types[o.index] == Type::Pred) {
      d.ins.flag2 = true;
      d.ins.c = d.predicate(o, d.ins.flag);
    } else {
      d.ins.c = d.src(o, Type::U32);
    }
  }
  d.finish(issue, InsClass::Async);
}

Step commit(Warp &w, const Ins &, Mask m) {
  each(m, [&](int l) { ++w.copyGroup[l]; });
  return Step::Next;
}

/// Performs copies of lanes up to a group; stamps them as writes now.
void drain(Warp &w, Mask m, int64_t keep, bool uncommitted) {
  if (w.copies.empty()) {
    return;
  }
  Scheduler &s = *w.grid->scheduler;
  size_t kept = 0;
  for (size_t k = 0; k < w.copies.size(); ++k) {
    PendingCopy c = w.copies[k];
    bool mine = m >> c.lane & 1;
    int64_t open = int64_t(w.copyGroup[c.lane]) - int64_t(c.group);
    // open 0: not committed; 1: the last committed group.
    bool due =
        mine && ((uncommitted && open == 0) || (open > keep && open > 0));
    if (!due) {
      w.copies[kept++] = c;
      continue;
    }
    Stamp stamp;
    if (s.racecheck()) {
      stamp = stampOf(w, c.lane, false);
      stamp.pc = c.pc;
    }
    perform(w, c, stamp);
  }
  w.copies.resize(kept);
}

Step waitGroup(Warp &w, const Ins &i, Mask m) {
  drain(w, m, i.imm, i.flag);
  return Step::Next;
}

/// cp.async.mbarrier.arrive{.noinc}: the arrival follows the copies.
Step arriveOn(Warp &w, const Ins &i, Mask m) {
  for (Mask left = m; left; left &= left - 1) {
    int l = __builtin_ctz(left);
    uint64_t a = addressAt(w, i.a, i.wideBase, l, i.imm);
    if (i.space == Space::Generic) {
      a &= ~kWindowMask;
    }
    uint32_t offset = 0;
    Cta &cta = locateShared(w, l, a, 8, 8, offset);
    Mbarrier &b = mbarrierAt(w, l, cta, offset);
    if (!i.flag) {
      ++b.pending;
    }
    // The copies of this lane so far leave its list and finish later.
    auto mine = std::make_shared<std::vector<PendingCopy>>();
    std::erase_if(w.copies, [&](const PendingCopy &c) {
      if (c.lane != l) {
        return false;
      }
      mine->push_back(c);
      return true;
    });
    AsyncOp op;
    op.cta = &cta;
    op.pc = w.pc;
    op.what = "cp.async.mbarrier.arrive";
    op.mbarrier = true;
    Warp *warp = &w;
    op.finish = [warp, &cta, offset, mine, l] {
      auto it = cta.mbarriers.find(offset);
      if (it == cta.mbarriers.end()) {
        return;
      }
      Mbarrier &bar = it->second;
      for (const PendingCopy &c : *mine) {
        perform(*warp, c, asyncStamp(*warp->cta, cta, bar, c.pc));
      }
      if (bar.pending) {
        --bar.pending;
        advance(cta, bar);
      }
      (void)l;
    };
    w.grid->scheduler->enqueue(std::move(op));
  }
  return Step::Next;
}

} // namespace

void addAsync(OpTable &t) {
  t["cp"] = [](Decode &d) {
    if (d.has("bulk")) {
      return decodeBulk(d);
    }
    if (d.has("commit_group")) {
      d.arity(0, 0);
      return d.finish(commit, InsClass::Async);
    }
    if (d.has("wait_group") || d.has("wait_all")) {
      bool all = d.has("wait_all");
      d.ins.imm = all ? 0 : d.integer(d.op(0));
      d.ins.flag = all;
      return d.finish(waitGroup, InsClass::Async);
    }
    if (d.has("mbarrier")) {
      d.arity(1, 1);
      d.ins.flag = d.has("noinc");
      d.address(d.op(0), d.space());
      return d.finish(arriveOn, InsClass::Async);
    }
    if (!d.has("async")) {
      d.unsupported();
    }
    decodeIssue(d);
  };
}

} // namespace rill::emu
