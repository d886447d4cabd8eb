// mbarrier.*: PTX ISA 9.7.13.15.
#include "Mbarrier.h"

#include "../Checks/GlobalRaces.h"
#include "Lanes.h"
#include "Reduce.h"

namespace rill::emu {

Mbarrier &mbarrierAt(Warp &w, int lane, Cta &cta, uint32_t offset) {
  auto it = cta.mbarriers.find(offset);
  if (it == cta.mbarriers.end()) {
    w.grid->scheduler->fault(w, lane, 719, Kind::MbarrierMisuse,
                             "no initialised mbarrier at shared offset " +
                                 std::to_string(offset));
  }
  return it->second;
}

void advance(Cta &cta, Mbarrier &b) {
  if (b.pending != 0 || b.tx != 0) {
    return;
  }
  ++b.phase;
  b.pending = b.expected;
  if (!cta.clocks.empty()) {
    b.completed = std::make_shared<View>(std::move(b.gathering));
    b.gathering = View();
  }
  ++cta.grid->scheduler->progress;
}

void arrive(Warp &w, int lane, Cta &cta, Mbarrier &b, uint32_t count,
            bool ordered) {
  if (count > b.pending) {
    w.grid->scheduler->fault(w, lane, 719, Kind::MbarrierMisuse,
                             std::to_string(count) + " arrivals where only " +
                                 std::to_string(b.pending) + " of " +
                                 std::to_string(b.expected) + " are missing");
  }
  if (!w.cta->clocks.empty() && ordered) {
    GlobalRaces::release(w, lane, b.gathering);
    if (w.grid->scheduler->races && &cta != w.cta) {
      w.grid->scheduler->races->publish(w, lane);
    }
  }
  b.pending -= count;
  ++w.grid->scheduler->progress;
  advance(cta, b);
}

void expectBytes(Warp &w, int lane, Mbarrier &b, int64_t bytes) {
  b.tx += bytes;
  if (b.tx > (1 << 20) - 1) {
    w.grid->scheduler->fault(w, lane, 719, Kind::MbarrierMisuse,
                             "the transaction count exceeds 2^20 - 1 bytes");
  }
}

void completeBytes(Cta &cta, uint32_t offset, int64_t bytes) {
  auto it = cta.mbarriers.find(offset);
  if (it == cta.mbarriers.end()) {
    return;
  }
  it->second.tx -= bytes;
  advance(cta, it->second);
}

Stamp asyncStamp(Cta &writer, Cta &cta, Mbarrier &b, uint32_t pc) {
  Stamp s;
  if (cta.clocks.empty()) {
    return s;
  }
  s.cta = cta.serial;
  s.epoch = kNoEpoch;
  s.tid = static_cast<uint16_t>(cta.clocks.size() + b.slot);
  s.clock = ++b.asyncClock;
  s.pc = pc;
  s.async = true;
  b.gathering.raise(cta.serial, 0, s.tid, s.clock);
  (void)writer;
  return s;
}

namespace {

struct Where {
  Cta *cta;
  uint32_t offset;
};

Where locate(Warp &w, const Ins &i, int l) {
  uint64_t a = i.wideBase ? w.at<uint64_t>(i.a)[l] + uint64_t(i.imm)
                          : uint32_t(w.at<uint32_t>(i.a)[l] + uint32_t(i.imm));
  if (i.space == Space::Generic) {
    a &= ~kWindowMask;
  }
  Where at;
  at.cta = &locateShared(w, l, a, 8, 8, at.offset);
  return at;
}

Step init(Warp &w, const Ins &i, Mask m) {
  for (Mask left = m; left; left &= left - 1) {
    int l = __builtin_ctz(left);
    Where at = locate(w, i, l);
    Scheduler &s = *w.grid->scheduler;
    uint32_t count = w.at<uint32_t>(i.b)[l];
    if (count == 0 || count > (1u << 20) - 1) {
      s.fault(w, l, 719, Kind::MbarrierMisuse,
              "arrival count " + std::to_string(count) + " out of range");
    }
    checkShared(w, l, *at.cta, at.offset, 8, Touch::Write);
    auto old = at.cta->mbarriers.find(at.offset);
    if (old != at.cta->mbarriers.end() &&
        (old->second.pending != old->second.expected || old->second.tx)) {
      s.find(w, l, Kind::MbarrierMisuse,
             "initialised again in the middle of a phase");
    }
    uint32_t slot = old != at.cta->mbarriers.end()
                        ? old->second.slot
                        : static_cast<uint32_t>(at.cta->mbarriers.size());
    uint32_t clock =
        old != at.cta->mbarriers.end() ? old->second.asyncClock : 0;
    Mbarrier b;
    b.expected = b.pending = count;
    b.slot = slot;
    b.asyncClock = clock;
    b.initPc = w.pc;
    at.cta->mbarriers[at.offset] = std::move(b);
    uint64_t bits = 0x6d62617272000000ull | count;
    std::memcpy(at.cta->shared.data() + at.offset, &bits, 8);
    ++s.progress;
  }
  return Step::Next;
}

Step invalidate(Warp &w, const Ins &i, Mask m) {
  for (Mask left = m; left; left &= left - 1) {
    int l = __builtin_ctz(left);
    Where at = locate(w, i, l);
    mbarrierAt(w, l, *at.cta, at.offset);
    at.cta->mbarriers.erase(at.offset);
  }
  return Step::Next;
}

/// The opaque state: only its phase matters to test_wait and try_wait.
uint64_t stateOf(const Mbarrier &b) {
  return (b.phase & 1) << 63 | uint64_t(b.pending);
}

/// mode bits: 1 expect_tx, 2 noComplete, 4 drop. ints[0]: no order.
Step arriveHandler(Warp &w, const Ins &i, Mask m) {
  for (Mask left = m; left; left &= left - 1) {
    int l = __builtin_ctz(left);
    Where at = locate(w, i, l);
    Mbarrier &b = mbarrierAt(w, l, *at.cta, at.offset);
    if (i.d != kNoReg) {
      w.at<uint64_t>(i.d)[l] = stateOf(b);
    }
    uint32_t count = 1;
    if (i.mode & 1) {
      expectBytes(w, l, b, w.at<uint32_t>(i.b)[l]);
    } else if (i.b != kNoReg) {
      count = w.at<uint32_t>(i.b)[l];
    }
    if ((i.mode & 2) && count >= b.pending) {
      w.grid->scheduler->fault(w, l, 719, Kind::MbarrierMisuse,
                               "arrive.noComplete would complete the phase");
    }
    if (i.mode & 4) {
      if (b.expected < count) {
        w.grid->scheduler->fault(w, l, 719, Kind::MbarrierMisuse,
                                 "arrive_drop of more than are expected");
      }
      b.expected -= count;
    }
    arrive(w, l, *at.cta, b, count, !i.flag);
  }
  return Step::Next;
}

Step expectHandler(Warp &w, const Ins &i, Mask m) {
  for (Mask left = m; left; left &= left - 1) {
    int l = __builtin_ctz(left);
    Where at = locate(w, i, l);
    expectBytes(w, l, mbarrierAt(w, l, *at.cta, at.offset),
                w.at<uint32_t>(i.b)[l]);
  }
  return Step::Next;
}

Step completeHandler(Warp &w, const Ins &i, Mask m) {
  for (Mask left = m; left; left &= left - 1) {
    int l = __builtin_ctz(left);
    Where at = locate(w, i, l);
    mbarrierAt(w, l, *at.cta, at.offset);
    completeBytes(*at.cta, at.offset, w.at<uint32_t>(i.b)[l]);
  }
  return Step::Next;
}

/// test_wait and try_wait: flag = by parity, flag2 = relaxed. A miss ends the
/// turn, so that spinning costs little.
Step waitHandler(Warp &w, const Ins &i, Mask m) {
  Mask ready = 0;
  for (Mask left = m; left; left &= left - 1) {
    int l = __builtin_ctz(left);
    Where at = locate(w, i, l);
    Mbarrier &b = mbarrierAt(w, l, *at.cta, at.offset);
    uint64_t parity =
        i.flag ? w.at<uint32_t>(i.b)[l] & 1 : w.at<uint64_t>(i.b)[l] >> 63;
    if ((b.phase & 1) == parity) {
      continue;
    }
    ready |= Mask(1) << l;
    if (!w.cta->clocks.empty() && !i.flag2) {
      GlobalRaces::acquire(w, l, b.completed);
    }
  }
  Mask &p = w.predicate(i.d);
  p = (p & ~m) | ready;
  return ready == m ? Step::Next : Step::Yield;
}

Step pendingCount(Warp &w, const Ins &i, Mask m) {
  const uint64_t *a = w.at<uint64_t>(i.a);
  uint32_t *d = w.at<uint32_t>(i.d);
  each(m, [=](int l) { d[l] = static_cast<uint32_t>(a[l] & 0xfffff); });
  return Step::Next;
}

void decodeArrive(Decode &d) {
  bool tx = d.has("expect_tx");
  d.ins.mode =
      static_cast<uint8_t>((tx ? 1 : 0) | (d.has("noComplete") ? 2 : 0) |
                           (d.has("arrive_drop") ? 4 : 0));
  d.ins.flag = d.has("relaxed");
  size_t at = 0;
  if (d.op(0).kind != Operand::Memory) {
    if (d.op(0).kind != Operand::Sink) {
      d.ins.d = d.dst(d.op(0), Type::B64);
    }
    ++at;
  }
  d.address(d.op(at++), d.space());
  if (at < d.count()) {
    d.ins.b = d.src(d.op(at++), Type::U32);
  } else if (tx) {
    d.fail("expect_tx needs a byte count");
  }
  d.finish(arriveHandler, InsClass::Async);
}

void decodeWait(Decode &d) {
  // p, [addr], state or parity {, time}
  d.arity(3, 4);
  d.ins.flag = d.has("parity");
  d.ins.flag2 = d.has("relaxed");
  d.address(d.op(1), d.space());
  d.ins.b = d.src(d.op(2), d.ins.flag ? Type::U32 : Type::B64);
  d.ins.d = d.predicateOut(d.op(0));
  d.finish(waitHandler, InsClass::Async);
}

void decodeMbarrier(Decode &d) {
  std::string_view what = d.ast.parts.size() > 1 ? d.ast.parts[1] : "";
  if (what == "init") {
    d.arity(2, 2);
    d.address(d.op(0), d.space());
    d.ins.b = d.src(d.op(1), Type::U32);
    d.finish(init, InsClass::Async);
  } else if (what == "inval") {
    d.arity(1, 1);
    d.address(d.op(0), d.space());
    d.finish(invalidate, InsClass::Async);
  } else if (what == "arrive" || what == "arrive_drop") {
    decodeArrive(d);
  } else if (what == "expect_tx" || what == "complete_tx") {
    d.arity(2, 2);
    d.address(d.op(0), d.space());
    d.ins.b = d.src(d.op(1), Type::U32);
    d.finish(what == "expect_tx" ? expectHandler : completeHandler,
             InsClass::Async);
  } else if (what == "test_wait" || what == "try_wait") {
    decodeWait(d);
  } else if (what == "pending_count") {
    d.arity(2, 2);
    d.ins.a = d.src(d.op(1), Type::B64);
    d.ins.d = d.dst(d.op(0), Type::U32);
    d.finish(pendingCount, InsClass::Async);
  }
}

/// st.async and red.async [addr], value(s), [mbar]. info.regs: the values;
/// mode: the reduction; ints: type, wide address, wide barrier, its offset.
Step asyncStore(Warp &w, const Ins &i, Mask m) {
  const InsInfo &info = w.program->infos[i.info];
  auto op = static_cast<RedOp>(i.mode);
  unsigned bytes = unsigned(i.size) * i.count;
  for (Mask left = m; left; left &= left - 1) {
    int l = __builtin_ctz(left);
    uint64_t a = info.ints[1] ? w.at<uint64_t>(i.a)[l] : w.at<uint32_t>(i.a)[l];
    uint64_t bar =
        info.ints[2] ? w.at<uint64_t>(i.c)[l] : w.at<uint32_t>(i.c)[l];
    a += static_cast<uint64_t>(i.imm);
    bar += static_cast<uint64_t>(info.ints[3]);
    uint32_t at = 0, barAt = 0;
    Cta &c = locateShared(w, l, a, bytes, bytes, at);
    Cta &bc = locateShared(w, l, bar, 8, 8, barAt);
    Mbarrier &b = mbarrierAt(w, l, bc, barAt);
    char values[32];
    for (unsigned e = 0; e < i.count; ++e) {
      uint64_t v = i.size == 8 ? w.at<uint64_t>(info.regs[e])[l]
                               : w.at<uint32_t>(info.regs[e])[l];
      std::memcpy(values + e * i.size, &v, i.size);
    }
    checkShared(w, l, c, at, bytes,
                op == RedOp::None ? Touch::Write : Touch::Atomic, true);
    if (!w.cta->clocks.empty()) {
      GlobalRaces::release(w, l, b.gathering);
    }
    reduceBytes(op, static_cast<Type>(info.ints[0]), c.shared.data() + at,
                values, bytes);
    completeBytes(bc, barAt, bytes);
  }
  return Step::Next;
}

} // namespace

void decodeRedAsync(Decode &d) {
  bool store = d.ast.parts[0] == "st";
  d.arity(3, 3);
  Type t = d.type();
  d.owner.program->usesCluster = true;
  d.ins.size = static_cast<uint8_t>(typeSize(t));
  d.ins.count = d.has("v4") ? 4 : d.has("v2") ? 2 : 1;
  if (d.ins.size < 4 || (!store && d.ins.count > 1) ||
      d.ins.size * d.ins.count > 32) {
    d.unsupported();
  }
  int64_t offset = 0, barOffset = 0;
  d.ins.a = d.addressOperand(d.op(0), offset);
  d.ins.imm = offset;
  bool wide = d.ins.wideBase;
  d.ins.c = d.addressOperand(d.op(2), barOffset);
  d.info.ints = {int64_t(t), wide, d.ins.wideBase, barOffset};
  const Operand &value = d.op(1);
  if (value.kind == Operand::Vector) {
    for (const Operand &o : value.items) {
      d.info.regs.push_back(d.src(o, t));
    }
  } else {
    d.info.regs.push_back(d.src(value, t));
  }
  if (d.info.regs.size() != d.ins.count) {
    d.fail("has " + std::to_string(d.info.regs.size()) +
           " elements, expected " + std::to_string(d.ins.count));
  }
  d.ins.mode = static_cast<uint8_t>(store ? RedOp::None : reductionOf(d));
  d.finish(asyncStore, InsClass::Async);
}

void addMbarrier(OpTable &t) {
  t["mbarrier"] = [](Decode &d) {
    decodeMbarrier(d);
    // A parameter's name has no address register.
    if (d.ins.run && d.ins.a == kNoReg) {
      d.fail("expected an address in shared memory");
    }
  };
}

} // namespace rill::emu
