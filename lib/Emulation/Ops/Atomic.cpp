// atom, red and fences: PTX ISA 9.7.13 (parallel synchronisation).
#include "../Checks/GlobalRaces.h"
#include "Lanes.h"
#include "Numeric.h"

namespace rill::emu {

namespace {

enum class Rmw : uint8_t { Add, Min, Max, And, Or, Xor, Exch, Inc, Dec, Cas };

double readAs(Type t, uint64_t bits) {
  switch (t) {
  case Type::F16:
    return halfToFloat(static_cast<uint16_t>(bits));
  case Type::BF16:
    return bf16ToFloat(static_cast<uint16_t>(bits));
  case Type::F32:
    return std::bit_cast<float>(static_cast<uint32_t>(bits));
  default:
    return std::bit_cast<double>(bits);
  }
}

uint64_t writeAs(Type t, double v) {
  switch (t) {
  case Type::F16:
    return floatToHalf(v);
  case Type::BF16:
    return floatToBf16(v);
  case Type::F32:
    return std::bit_cast<uint32_t>(static_cast<float>(v));
  default:
    return std::bit_cast<uint64_t>(v);
  }
}

uint64_t combineFloat(Rmw op, Type t, uint64_t old, uint64_t b) {
  double x = readAs(t, old), y = readAs(t, b);
  if (op == Rmw::Add) {
    return t == Type::F32 ? std::bit_cast<uint32_t>(static_cast<float>(x) +
                                                    static_cast<float>(y))
                          : writeAs(t, x + y);
  }
  if (std::isnan(x) || std::isnan(y)) {
    return std::isnan(x) ? b : old;
  }
  return (op == Rmw::Min ? y < x : y > x) ? b : old;
}

template <class T>
uint64_t combineInt(Rmw op, T old, T b, T c) {
  using V = std::make_unsigned_t<T>;
  switch (op) {
  case Rmw::Add:
    return static_cast<V>(V(old) + V(b));
  case Rmw::Min:
    return static_cast<V>(old < b ? old : b);
  case Rmw::Max:
    return static_cast<V>(old > b ? old : b);
  case Rmw::And:
    return static_cast<V>(old & b);
  case Rmw::Or:
    return static_cast<V>(old | b);
  case Rmw::Xor:
    return static_cast<V>(old ^ b);
  case Rmw::Exch:
    return static_cast<V>(b);
  case Rmw::Inc:
    return V(old) >= V(b) ? 0 : static_cast<V>(V(old) + 1);
  case Rmw::Dec:
    return V(old) == 0 || V(old) > V(b) ? V(b) : static_cast<V>(V(old) - 1);
  case Rmw::Cas:
    return static_cast<V>(old == b ? c : old);
  }
  return 0;
}

uint64_t combine(Rmw op, Type t, uint64_t old, uint64_t b, uint64_t c) {
  switch (t) {
  case Type::F16x2:
  case Type::BF16x2: {
    Type h = t == Type::F16x2 ? Type::F16 : Type::BF16;
    return combineFloat(op, h, old & 0xffff, b & 0xffff) |
           combineFloat(op, h, old >> 16 & 0xffff, b >> 16 & 0xffff) << 16;
  }
  case Type::F16:
  case Type::BF16:
  case Type::F32:
  case Type::F64:
    return combineFloat(op, t, old, b);
  case Type::S32:
    return combineInt<int32_t>(op, int32_t(old), int32_t(b), int32_t(c));
  case Type::S64:
    return combineInt<int64_t>(op, int64_t(old), int64_t(b), int64_t(c));
  case Type::U64:
  case Type::B64:
    return combineInt<uint64_t>(op, old, b, c);
  case Type::B16:
    return combineInt<uint16_t>(op, uint16_t(old), uint16_t(b), uint16_t(c));
  default:
    return combineInt<uint32_t>(op, uint32_t(old), uint32_t(b), uint32_t(c));
  }
}

uint64_t readReg(Warp &w, uint32_t reg, int l, unsigned bytes) {
  return bytes == 8 ? w.at<uint64_t>(reg)[l] : w.at<uint32_t>(reg)[l];
}

/// One lane's read-modify-write of `count` elements at a host pointer.
void apply(Warp &w, const Ins &i, int l, char *host) {
  const InsInfo &info = w.program->infos[i.info];
  Scheduler &s = *w.grid->scheduler;
  Type t = static_cast<Type>(info.ints[0]);
  for (unsigned e = 0; e < i.count; ++e, host += i.size) {
    uint64_t old = 0;
    std::memcpy(&old, host, i.size);
    uint64_t b = readReg(w, info.regs[e], l, i.size);
    uint64_t c = i.c == kNoReg ? 0 : readReg(w, i.c, l, i.size);
    uint64_t now = combine(static_cast<Rmw>(i.mode), t, old, b, c);
    if (std::memcmp(host, &now, i.size) != 0) {
      ++s.progress;
    }
    std::memcpy(host, &now, i.size);
    if (i.flag) {
      if (i.size == 8) {
        w.at<uint64_t>(info.regs2[e])[l] = old;
      } else {
        w.at<uint32_t>(info.regs2[e])[l] = static_cast<uint32_t>(old);
      }
    }
  }
}

void order(Warp &w, const Ins &i, int l, uint64_t key) {
  GlobalRaces *races = w.grid->scheduler->races.get();
  if (!races) {
    return;
  }
  // A relaxed read-modify-write reads and writes the word's history.
  Semantics load = i.sem == Semantics::Release ? Semantics::Relaxed : i.sem;
  Semantics store = i.sem == Semantics::Acquire ? Semantics::Relaxed : i.sem;
  races->afterLoad(w, l, key, load, i.scope);
  races->beforeStore(w, l, key, store, i.scope, true);
}

Step atomic(Warp &w, const Ins &i, Mask m) {
  Scheduler &s = *w.grid->scheduler;
  unsigned bytes = unsigned(i.size) * i.count;
  const uint64_t *wide = i.wideBase ? w.at<uint64_t>(i.a) : nullptr;
  const uint32_t *narrow = i.wideBase ? nullptr : w.at<uint32_t>(i.a);
  if (s.options.count) {
    ++w.grid->counters.globalStoreRequests;
  }
  for (Mask left = m; left; left &= left - 1) {
    int l = __builtin_ctz(left);
    uint64_t a = (wide ? wide[l] : narrow[l]) + static_cast<uint64_t>(i.imm);
    Space space = i.space == Space::Generic ? spaceOf(a) : i.space;
    if (i.space == Space::Generic && space == Space::Shared) {
      a &= ~kWindowMask;
    }
    if (space == Space::Shared) {
      uint32_t offset = 0;
      Cta &c = locateShared(w, l, a, bytes, bytes, offset);
      order(w, i, l, kSharedWindow | uint64_t(c.serial) << 24 | offset);
      checkShared(w, l, c, offset, bytes, Touch::Atomic, true);
      apply(w, i, l, c.shared.data() + offset);
      continue;
    }
    if (space != Space::Global) {
      s.fault(w, l, 717, Kind::Illegal, "atomic on local or parameter memory");
    }
    Translation t;
    uint64_t list[kLanes];
    list[l] = a;
    translateGlobal(w, Mask(1) << l, list, bytes, bytes, true, t);
    if (s.races) {
      s.races->publish(w, l);
      order(w, i, l, a);
    }
    if (s.options.checks & (kCheckRace | kCheckInit)) {
      checkGlobal(w, Mask(1) << l, list, bytes, Touch::Atomic, true);
    }
    apply(w, i, l, t.host(a, l));
  }
  // Spin loops on atomics must let the others run.
  return i.flag ? Step::Yield : Step::Next;
}

bool operationOf(const Decode &d, Rmw &op) {
  static constexpr std::pair<std::string_view, Rmw> kNames[] = {
      {"add", Rmw::Add},   {"min", Rmw::Min}, {"max", Rmw::Max},
      {"and", Rmw::And},   {"or", Rmw::Or},   {"xor", Rmw::Xor},
      {"exch", Rmw::Exch}, {"inc", Rmw::Inc}, {"dec", Rmw::Dec},
      {"cas", Rmw::Cas}};
  for (auto &[n, o] : kNames) {
    if (d.has(n)) {
      op = o;
      return true;
    }
  }
  return false;
}

void pushElements(Decode &d, const Operand &o, Type t, bool written,
                  std::vector<uint32_t> &out) {
  auto one = [&](const Operand &e) {
    out.push_back(written ? d.dst(e, t) : d.src(e, t));
  };
  if (o.kind == Operand::Vector) {
    for (const Operand &e : o.items) {
      one(e);
    }
  } else {
    one(o);
  }
}

void decodeAtomic(Decode &d, bool returns) {
  Rmw op;
  if (!operationOf(d, op)) {
    d.unsupported();
  }
  Type t = d.type();
  unsigned n = d.has("v2") ? 2 : d.has("v4") ? 4 : d.has("v8") ? 8 : 1;
  size_t first = returns ? 1 : 0;
  d.arity(first + 2, first + (op == Rmw::Cas ? 4 : 3));
  d.ins.size = static_cast<uint8_t>(typeSize(t));
  d.ins.count = static_cast<uint8_t>(n);
  if (typeSize(t) < 2 || typeSize(t) > 8) {
    d.unsupported();
  }
  d.address(d.op(first), d.space());
  pushElements(d, d.op(first + 1), t, false, d.info.regs);
  if (op == Rmw::Cas) {
    d.ins.c = d.src(d.op(first + 2), t);
  }
  if (returns) {
    pushElements(d, d.op(0), t, true, d.info.regs2);
  }
  if (d.info.regs.size() != n || (returns && d.info.regs2.size() != n)) {
    d.fail("the number of elements differs");
  }
  d.ins.flag = returns;
  d.ins.mode = static_cast<uint8_t>(op);
  d.info.ints.push_back(static_cast<int64_t>(t));
  d.ins.sem =
      d.semantics() == Semantics::Weak ? Semantics::Relaxed : d.semantics();
  d.ins.scope = d.scope();
  d.finish(atomic, InsClass::Atomic);
}

Step fenceHandler(Warp &w, const Ins &i, Mask m) {
  if (GlobalRaces *races = w.grid->scheduler->races.get()) {
    races->fence(w, m, i.scope);
  }
  return Step::Next;
}

/// fence.proxy.async: writes of this thread become visible to asynchronous
/// operations, and its own later ones see what it knows.
Step proxyFence(Warp &w, const Ins &, Mask m) {
  Cta &c = *w.cta;
  if (c.clocks.empty()) {
    return Step::Next;
  }
  for (Mask left = m; left; left &= left - 1) {
    ThreadClock &t = c.clocks[w.tid(__builtin_ctz(left))];
    t.proxyClock = t.clock++;
    t.proxyEpoch = c.epoch;
    t.proxyView = t.view;
    t.proxyFenced = true;
  }
  return Step::Next;
}

void decodeFence(Decode &d) {
  if (d.has("proxy")) {
    bool async = false;
    for (std::string_view p : d.ast.parts) {
      async |= p.substr(0, 5) == "async";
    }
    // The other proxies (alias, tensormap, const) have no caches here.
    return d.finish(async ? proxyFence : Handler([](Warp &, const Ins &, Mask) {
                      return Step::Next;
                    }),
                    InsClass::Fence);
  }
  d.ins.scope = d.has("cta") || d.ast.opcode == "membar.cta" ? Scope::Cta
                : d.has("cluster")                           ? Scope::Cluster
                : d.has("sys")                               ? Scope::Sys
                                                             : Scope::Gpu;
  if (d.has("mbarrier_init")) {
    d.ins.scope = Scope::Cluster;
  }
  d.finish(fenceHandler, InsClass::Fence);
}

} // namespace

void addAtomic(OpTable &t) {
  t["atom"] = [](Decode &d) { decodeAtomic(d, true); };
  t["red"] = [](Decode &d) {
    if (d.has("async")) {
      return decodeRedAsync(d);
    }
    decodeAtomic(d, false);
  };
  t["fence"] = decodeFence;
  t["membar"] = decodeFence;
}

} // namespace rill::emu
