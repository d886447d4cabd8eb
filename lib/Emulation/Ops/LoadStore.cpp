// ld, st, prefetch and address conversion: PTX ISA 9.7.9.
#include "../Checks/GlobalRaces.h"
#include "Lanes.h"

namespace rill::emu {

namespace {

/// Per-lane addresses of a memory operand.
void gather(Warp &w, const Ins &i, Mask m, uint64_t *out) {
  if (i.a == kNoReg) {
    for (int l = 0; l < kLanes; ++l) {
      out[l] = w.frame[l] + static_cast<uint64_t>(i.imm);
    }
    return;
  }
  uint64_t offset = static_cast<uint64_t>(i.imm);
  if (i.wideBase) {
    const uint64_t *a = w.at<uint64_t>(i.a);
    for (int l = 0; l < kLanes; ++l) {
      out[l] = a[l] + offset;
    }
  } else {
    const uint32_t *a = w.at<uint32_t>(i.a);
    for (int l = 0; l < kLanes; ++l) {
      out[l] = static_cast<uint32_t>(a[l] + static_cast<uint32_t>(offset));
    }
  }
}

/// Copies one element between memory and a register.
template <class T, class R>
inline void loadElement(R *reg, int l, const char *from) {
  if constexpr (sizeof(T) == 16) {
    std::memcpy(reinterpret_cast<char *>(reg) + 16 * l, from, 16);
  } else {
    T v;
    std::memcpy(&v, from, sizeof v);
    // Signed types extend into wider registers.
    reg[l] = static_cast<R>(
        std::conditional_t<std::is_signed_v<T>, std::make_signed_t<R>, R>(v));
  }
}
template <class T, class R>
inline void storeElement(const R *reg, int l, char *to) {
  if constexpr (sizeof(T) == 16) {
    std::memcpy(to, reinterpret_cast<const char *>(reg) + 16 * l, 16);
  } else {
    T v = static_cast<T>(reg[l]);
    std::memcpy(to, &v, sizeof v);
  }
}

struct B128 {
  uint64_t v[2];
};

template <class T, class R>
void moveLanes(Warp &w, const Ins &i, Mask m, const uint64_t *a,
               const Translation &t, bool load) {
  const uint32_t *regs = w.program->infos[i.info].regs.data();
  for (unsigned e = 0; e < i.count; ++e) {
    R *reg = w.at<R>(regs[e]);
    if (t.uniform && load) {
      int64_t delta = t.delta + static_cast<int64_t>(e * sizeof(T));
      each(m, [=](int l) {
        loadElement<T, R>(
            reg, l,
            reinterpret_cast<const char *>(static_cast<int64_t>(a[l]) + delta));
      });
      continue;
    }
    for (Mask left = m; left; left &= left - 1) {
      int l = __builtin_ctz(left);
      char *host = t.host(a[l], l) + e * sizeof(T);
      if (load) {
        loadElement<T, R>(reg, l, host);
      } else {
        storeElement<T, R>(reg, l, host);
      }
    }
  }
}

using MoveFn = void (*)(Warp &, const Ins &, Mask, const uint64_t *,
                        const Translation &, bool);

/// The element routine for size, sign and register width; index in
/// Ins::mode.
template <class T>
MoveFn moveFor(unsigned registerSize) {
  if constexpr (sizeof(T) == 16) {
    return moveLanes<B128, uint64_t>;
  } else if constexpr (sizeof(T) == 8) {
    return moveLanes<T, uint64_t>;
  } else {
    return registerSize == 8 ? moveLanes<T, uint64_t> : moveLanes<T, uint32_t>;
  }
}

MoveFn pickMove(Type t, unsigned registerSize) {
  bool s = isSigned(t);
  switch (typeSize(t)) {
  case 1:
    return s ? moveFor<int8_t>(registerSize) : moveFor<uint8_t>(registerSize);
  case 2:
    return s ? moveFor<int16_t>(registerSize) : moveFor<uint16_t>(registerSize);
  case 4:
    return s ? moveFor<int32_t>(registerSize) : moveFor<uint32_t>(registerSize);
  case 8:
    return moveFor<uint64_t>(8);
  default:
    return moveFor<B128>(16);
  }
}

MoveFn moveOf(Warp &w, const Ins &i) {
  return reinterpret_cast<MoveFn>(w.program->infos[i.info].ints[0]);
}

/// Weak stores under race checks go to the delay buffer.
void storeDelayed(Warp &w, const Ins &i, Mask m, const uint64_t *a,
                  const Translation &t, unsigned bytes) {
  GlobalRaces &races = *w.grid->scheduler->races;
  alignas(16) char image[kLanes][32];
  uint64_t fake[kLanes];
  Translation self;
  self.uniform = true;
  for (int l = 0; l < kLanes; ++l) {
    fake[l] = reinterpret_cast<uint64_t>(image[l]);
  }
  moveOf(w, i)(w, i, m, fake, self, false);
  for (Mask left = m; left; left &= left - 1) {
    int l = __builtin_ctz(left);
    for (unsigned at = 0; at < bytes; at += 16) {
      races.delay(w, l, a[l] + at, t.host(a[l], l) + at, image[l] + at,
                  std::min(bytes - at, 16u));
    }
  }
}

/// Loads under race checks see the thread's own delayed stores.
void loadOverlaid(Warp &w, const Ins &i, Mask m, const uint64_t *a,
                  const Translation &t, unsigned bytes) {
  GlobalRaces &races = *w.grid->scheduler->races;
  alignas(16) char image[kLanes][32];
  uint64_t fake[kLanes];
  Translation self;
  self.uniform = true;
  for (int l = 0; l < kLanes; ++l) {
    fake[l] = reinterpret_cast<uint64_t>(image[l]);
    if (m >> l & 1) {
      std::memcpy(image[l], t.host(a[l], l), bytes);
      for (unsigned at = 0; at < bytes; at += 16) {
        races.overlay(w, l, a[l] + at, image[l] + at,
                      std::min(bytes - at, 16u));
      }
    }
  }
  moveOf(w, i)(w, i, m, fake, self, true);
}

Step globalAccess(Warp &w, const Ins &i, Mask m, const uint64_t *a, bool load) {
  Scheduler &s = *w.grid->scheduler;
  unsigned bytes = unsigned(i.size) * i.count;
  Translation t;
  translateGlobal(w, m, a, bytes, bytes, !load, t);
  if (s.options.count) {
    unsigned each[kLanes];
    std::fill(each, each + kLanes, bytes);
    w.countGlobal(a, m, each, load);
  }
  bool strong = i.sem != Semantics::Weak;
  if (s.options.checks & (kCheckRace | kCheckInit)) {
    if (s.races && !load && strong) {
      for (Mask left = m; left; left &= left - 1) {
        int l = __builtin_ctz(left);
        s.races->publish(w, l);
        s.races->beforeStore(w, l, a[l], i.sem, i.scope, false);
      }
    }
    if (s.races && load && strong) {
      for (Mask left = m; left; left &= left - 1) {
        int l = __builtin_ctz(left);
        s.races->afterLoad(w, l, a[l], i.sem, i.scope);
      }
    }
    checkGlobal(w, m, a, bytes, load ? Touch::Read : Touch::Write, strong);
    if (s.races && s.races->delays && !strong) {
      if (load) {
        loadOverlaid(w, i, m, a, t, bytes);
      } else {
        storeDelayed(w, i, m, a, t, bytes);
        ++s.progress;
      }
      return Step::Next;
    }
  }
  moveOf(w, i)(w, i, m, a, t, load);
  if (!load) {
    ++s.progress;
  }
  return strong && load ? Step::Yield : Step::Next;
}

Step sharedAccess(Warp &w, const Ins &i, Mask m, uint64_t *a, bool load) {
  Scheduler &s = *w.grid->scheduler;
  unsigned bytes = unsigned(i.size) * i.count;
  Translation t;
  uint32_t end = w.grid->sharedSize;
  uint64_t bad = 0;
  for (Mask left = m; left; left &= left - 1) {
    uint64_t v = a[__builtin_ctz(left)];
    bad |= uint64_t(v - kSharedBase > uint64_t(end) - kSharedBase - bytes) |
           (v & (bytes - 1));
  }
  if (end < kSharedBase + bytes) {
    bad = 1;
  }
  t.uniform = !bad;
  t.delta = reinterpret_cast<int64_t>(w.cta->shared.data());
  uint32_t offset[kLanes] = {};
  bool strong = i.sem != Semantics::Weak;
  if (bad || s.memcheck() || s.racecheck() || s.options.count) {
    for (Mask left = m; left; left &= left - 1) {
      int l = __builtin_ctz(left);
      Cta &c = locateShared(w, l, a[l], bytes, bytes, offset[l]);
      t.each[l] = reinterpret_cast<int64_t>(c.shared.data()) + offset[l] -
                  static_cast<int64_t>(a[l]);
      if (s.races && strong) {
        uint64_t key = kSharedWindow | uint64_t(c.serial) << 24 | offset[l];
        if (load) {
          s.races->afterLoad(w, l, key, i.sem, i.scope);
        } else {
          s.races->beforeStore(w, l, key, i.sem, i.scope, false);
        }
      }
      checkShared(w, l, c, offset[l], bytes, load ? Touch::Read : Touch::Write,
                  strong);
      if (!load && !c.mbarriers.empty()) {
        auto it = c.mbarriers.upper_bound(offset[l] + bytes - 1);
        if (it != c.mbarriers.begin() && std::prev(it)->first + 8 > offset[l]) {
          s.find(w, l, Kind::MbarrierMisuse,
                 "store over a live mbarrier object");
        }
      }
    }
  }
  if (s.options.count) {
    w.countShared(offset, m, bytes);
  }
  moveOf(w, i)(w, i, m, a, t, load);
  if (!load) {
    ++s.progress;
  }
  return strong && load ? Step::Yield : Step::Next;
}

Step localAccess(Warp &w, const Ins &i, Mask m, const uint64_t *a, bool load) {
  unsigned bytes = unsigned(i.size) * i.count;
  char *base = w.localMemory(0);
  size_t stride = static_cast<size_t>(w.localMemory(1) - base);
  Translation t;
  t.uniform = false;
  for (Mask left = m; left; left &= left - 1) {
    int l = __builtin_ctz(left);
    if (a[l] > stride - bytes || (a[l] & (std::min(bytes, 16u) - 1))) {
      bool outside = a[l] > stride - bytes;
      w.grid->scheduler->fault(
          w, l, outside ? 700 : 716,
          outside ? Kind::OutOfBounds : Kind::Misaligned,
          "local address " + std::to_string(a[l]) +
              (outside ? " is outside the frame" : " is not aligned"));
    }
    t.each[l] = reinterpret_cast<int64_t>(base + stride * size_t(l));
  }
  moveOf(w, i)(w, i, m, a, t, load);
  return Step::Next;
}

Step paramAccess(Warp &w, const Ins &i, Mask m, const uint64_t *a, bool load) {
  unsigned bytes = unsigned(i.size) * i.count;
  const std::vector<char> &params = w.grid->config.params;
  for (Mask left = m; left; left &= left - 1) {
    int l = __builtin_ctz(left);
    if (a[l] + bytes > params.size() || a[l] + bytes < bytes || !load) {
      w.grid->scheduler->fault(w, l, 700, Kind::OutOfBounds,
                               load ? "read outside the kernel's parameters"
                                    : "write to the kernel's parameters");
    }
  }
  Translation t;
  t.delta = reinterpret_cast<int64_t>(params.data());
  moveOf(w, i)(w, i, m, a, t, load);
  return Step::Next;
}

Step bySpace(Warp &w, const Ins &i, Mask m, uint64_t *a, Space space,
             bool load) {
  switch (space) {
  case Space::Shared:
    return sharedAccess(w, i, m, a, load);
  case Space::Local:
    return localAccess(w, i, m, a, load);
  case Space::Param:
    return paramAccess(w, i, m, a, load);
  default:
    return globalAccess(w, i, m, a, load);
  }
}

/// Generic addresses choose their window lane by lane.
Step genericAccess(Warp &w, const Ins &i, Mask m, uint64_t *a, bool load) {
  Step step = Step::Next;
  while (m) {
    Space space = spaceOf(a[__builtin_ctz(m)]);
    Mask same = 0;
    for (Mask left = m; left; left &= left - 1) {
      int l = __builtin_ctz(left);
      if (spaceOf(a[l]) == space) {
        same |= Mask(1) << l;
        a[l] = space == Space::Global ? a[l] : a[l] & ~kWindowMask;
      }
    }
    // Keep the addresses of the other lanes for the next round.
    Step s = bySpace(w, i, same, a, space, load);
    step = s == Step::Yield ? s : step;
    m &= ~same;
  }
  return step;
}

template <bool Load>
Step access(Warp &w, const Ins &i, Mask m) {
  uint64_t a[kLanes];
  gather(w, i, m, a);
  if (i.space == Space::Generic) {
    return genericAccess(w, i, m, a, Load);
  }
  return bySpace(w, i, m, a, i.space, Load);
}

/// Kernel parameters at a constant offset are the same for all lanes.
Step loadParam(Warp &w, const Ins &i, Mask m) {
  const std::vector<char> &params = w.grid->config.params;
  const InsInfo &info = w.program->infos[i.info];
  Translation t;
  uint64_t a[kLanes];
  for (int l = 0; l < kLanes; ++l) {
    a[l] = static_cast<uint64_t>(i.imm);
  }
  if (static_cast<uint64_t>(i.imm) + uint64_t(i.size) * i.count >
      params.size()) {
    return paramAccess(w, i, m, a, true);
  }
  t.delta = reinterpret_cast<int64_t>(params.data());
  reinterpret_cast<MoveFn>(info.ints[0])(w, i, m, a, t, true);
  return Step::Next;
}

unsigned vectorCount(const Decode &d) {
  return d.has("v8") ? 8 : d.has("v4") ? 4 : d.has("v2") ? 2 : 1;
}

InsClass classOf(Space s, bool load) {
  switch (s) {
  case Space::Shared:
    return load ? InsClass::SharedLoad : InsClass::SharedStore;
  case Space::Local:
    return InsClass::LocalAccess;
  case Space::Param:
    return InsClass::ParamAccess;
  default:
    return load ? InsClass::Load : InsClass::Store;
  }
}

/// One register of a load or store of type t; returns the bytes of its cell
/// in the register file.
unsigned decodeElement(Decode &d, const Operand &o, Type t, bool load) {
  unsigned size = typeSize(t), bytes = d.registerSize(o);
  if (bytes == 0 || o.kind == Operand::Sink) {
    bytes = std::max(size, 4u);
  }
  if (bytes < size) {
    d.fail("the register has " + std::to_string(bytes) +
           " bytes, the element " + std::to_string(size));
  }
  unsigned cell = bytes >= 16 ? 16 : bytes == 8 ? 8 : 4;
  Type as = cell == 16 ? Type::B128 : cell == 8 ? Type::B64 : t;
  if (cell == 4 && size > 4) {
    d.unsupported();
  }
  if (cell == 4) {
    as = isFloat(t) || size == 4 ? t : bytes >= 4 ? Type::B32 : Type::B16;
  }
  d.info.regs.push_back(load ? d.dst(o, bytes == 1 ? Type::B8 : as)
                             : d.src(o, as));
  return cell;
}

void decodeAccess(Decode &d, bool load) {
  // The last operand may be a cache policy, which changes no value.
  d.arity(2, 3);
  Type t = d.type();
  unsigned n = vectorCount(d), size = typeSize(t);
  if (size == 0 || size * n > 32 || t == Type::F16x2) {
    if (t != Type::F16x2 && t != Type::BF16x2) {
      d.unsupported();
    }
  }
  const Operand &value = d.op(load ? 0 : 1);
  std::vector<const Operand *> elements;
  if (value.kind == Operand::Vector) {
    for (const Operand &o : value.items) {
      elements.push_back(&o);
    }
  } else {
    elements.push_back(&value);
  }
  if (elements.size() != n) {
    d.fail("has " + std::to_string(elements.size()) + " elements, expected " +
           std::to_string(n));
  }
  Space space = d.space();
  d.ins.sem = d.semantics();
  d.ins.scope = d.scope();
  d.ins.size = static_cast<uint8_t>(size);
  d.ins.count = static_cast<uint8_t>(n);
  d.address(d.op(load ? 1 : 0), space == Space::Const ? Space::Global : space);
  // param addresses in a register are generic ones of kernel parameters or
  // frames.
  if (space == Space::Param && d.ins.a != kNoReg) {
    d.ins.space = Space::Generic;
  }
  unsigned width = 0;
  for (const Operand *o : elements) {
    unsigned cell = decodeElement(d, *o, t, load);
    if (width && width != cell) {
      d.fail("the elements' registers differ in width");
    }
    width = cell;
  }
  d.info.ints.push_back(reinterpret_cast<int64_t>(pickMove(t, width)));
  bool fast = load && d.ins.space == Space::Param && d.ins.a == kNoReg;
  d.finish(fast   ? loadParam
           : load ? access<true>
                  : access<false>,
           classOf(d.ins.space, load));
}

/// prefetch, discard, applypriority: checked, without effect.
void decodePrefetch(Decode &d) {
  d.arity(1, 3);
  if (d.has("tensormap")) {
    return decodeTensorPrefetch(d);
  }
  if (d.op(0).kind != Operand::Memory) {
    d.unsupported();
  }
  d.address(d.op(0), d.space());
  d.finish([](Warp &, const Ins &, Mask) { return Step::Next; },
           InsClass::Load);
}

/// createpolicy: a cache policy changes no value; its bits are opaque.
void decodeCreatePolicy(Decode &d) {
  d.arity(1, 4);
  for (size_t i = 1; i < d.count(); ++i) {
    if (d.op(i).kind == Operand::Register) {
      d.src(d.op(i), d.registerSize(d.op(i)) == 8 ? Type::B64 : Type::B32);
    }
  }
  d.ins.d = d.dst(d.op(0), Type::B64);
  d.finish(
      [](Warp &w, const Ins &i, Mask m) {
        uint64_t *to = w.at<uint64_t>(i.d);
        each(m, [=](int l) { to[l] = 0; });
        return Step::Next;
      },
      InsClass::Special);
}

/// cvta and cvta.to: the windows are added and removed.
Step cvtaHandler(Warp &w, const Ins &i, Mask m) {
  const uint64_t *a = w.at<uint64_t>(i.a);
  uint64_t *d = w.at<uint64_t>(i.d), window = static_cast<uint64_t>(i.imm);
  bool to = i.flag;
  each(m, [=](int l) {
    d[l] = to ? (window ? a[l] & ~kWindowMask : a[l]) : a[l] | window;
  });
  return Step::Next;
}
Step cvtaNarrow(Warp &w, const Ins &i, Mask m) {
  const uint32_t *a = w.at<uint32_t>(i.a);
  uint32_t *d = w.at<uint32_t>(i.d);
  each(m, [=](int l) { d[l] = a[l]; });
  return Step::Next;
}

uint64_t windowOf(Space s) {
  return s == Space::Shared  ? kSharedWindow
         : s == Space::Local ? kLocalWindow
                             : 0;
}

/// mov and cvta of variables in frames: an address per lane.
Step frameAddress(Warp &w, const Ins &i, Mask m) {
  uint64_t *d = w.at<uint64_t>(i.d);
  for (Mask left = m; left; left &= left - 1) {
    int l = __builtin_ctz(left);
    d[l] = (w.frame[l] + static_cast<uint64_t>(i.imm)) |
           (i.flag ? kLocalWindow : 0);
  }
  return Step::Next;
}

void decodeCvta(Decode &d) {
  d.arity(2, 2);
  Space s = d.space();
  if (d.op(1).kind == Operand::Variable && decodeVariableAddress(d, true)) {
    return;
  }
  if (d.type() == Type::U32) {
    d.ins.a = d.src(d.op(1), Type::U32);
    d.ins.d = d.dst(d.op(0), Type::U32);
    return d.finish(cvtaNarrow, InsClass::Move);
  }
  d.ins.a = d.src(d.op(1), Type::U64);
  d.ins.d = d.dst(d.op(0), Type::U64);
  d.ins.imm = static_cast<int64_t>(windowOf(s));
  d.ins.flag = d.has("to");
  d.finish(cvtaHandler, InsClass::Move);
}

/// isspacep.space p, a.
void decodeIsSpace(Decode &d) {
  d.arity(2, 2);
  Space s = d.space();
  d.ins.a = d.src(d.op(1), Type::U64);
  d.ins.d = d.predicateOut(d.op(0));
  d.ins.mode = static_cast<uint8_t>(s == Space::Const ? Space::Global : s);
  d.ins.flag = s == Space::Const;
  d.finish(
      [](Warp &w, const Ins &i, Mask m) {
        const uint64_t *a = w.at<uint64_t>(i.a);
        Mask r = 0;
        for (int l = 0; l < kLanes; ++l) {
          bool is = spaceOf(a[l]) == static_cast<Space>(i.mode);
          if (i.flag || (is && i.mode == uint8_t(Space::Global))) {
            Allocation *x = w.grid->scheduler->memory.find(a[l]);
            is = is && (x && x->readOnly) == i.flag;
          }
          r |= Mask(is) << l;
        }
        Mask &p = w.predicate(i.d);
        p = (p & ~m) | (r & m);
        return Step::Next;
      },
      InsClass::Compare);
}

} // namespace

bool decodeVariableAddress(Decode &d, bool generic) {
  const Operand &o = d.op(1);
  const Variable &var =
      o.moduleVar ? d.owner.module.vars[o.index] : d.fn.vars[o.index];
  if (o.moduleVar || var.space == Space::Shared) {
    return false;
  }
  uint64_t offset = d.owner.variableAddress(d.fn, o);
  bool kernelParam = d.fn.isKernel && o.index < d.fn.params.size();
  d.ins.d = d.dst(d.op(0), Type::U64);
  if (kernelParam) {
    // Parameters of a kernel have one address for all threads.
    d.ins.a = d.owner.constant(offset | kParamWindow, true);
    d.finish(cvtaHandler, InsClass::Move);
    return true;
  }
  d.ins.imm = static_cast<int64_t>(offset);
  // Addresses of function parameters are used by ld.param as generic ones.
  d.ins.flag = generic || var.space == Space::Param;
  d.finish(frameAddress, InsClass::Move);
  return true;
}

void addLoadStore(OpTable &t) {
  t["ld"] = [](Decode &d) { decodeAccess(d, true); };
  t["ldu"] = [](Decode &d) { decodeAccess(d, true); };
  t["st"] = [](Decode &d) {
    d.has("async") ? decodeRedAsync(d) : decodeAccess(d, false);
  };
  t["prefetch"] = decodePrefetch;
  t["prefetchu"] = decodePrefetch;
  t["discard"] = decodePrefetch;
  t["applypriority"] = decodePrefetch;
  t["createpolicy"] = decodeCreatePolicy;
  t["cvta"] = decodeCvta;
  t["isspacep"] = decodeIsSpace;
}

} // namespace rill::emu
