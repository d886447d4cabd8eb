// mov (plain, pack, unpack, special registers) and clocks: PTX ISA 9.7.9.
#include "../Core/Address.h"
#include "Lanes.h"

#include <chrono>

namespace rill::emu {

namespace {

template <class C>
Step move(Warp &w, const Ins &i, Mask m) {
  C *d = w.at<C>(i.d);
  const C *a = w.at<C>(i.a);
  each(m, [=](int l) { d[l] = a[l]; });
  return Step::Next;
}

Step move128(Warp &w, const Ins &i, Mask m) {
  for (Mask left = m; left; left &= left - 1) {
    int l = __builtin_ctz(left);
    std::memcpy(w.regs + i.d + 16 * l, w.regs + i.a + 16 * l, 16);
  }
  return Step::Next;
}

Step movePredicate(Warp &w, const Ins &i, Mask m) {
  Mask a = i.a == kNoReg ? (i.imm ? kAllLanes : 0) : w.predicate(i.a);
  a = i.flag ? ~a : a;
  Mask &p = w.predicate(i.d);
  p = (p & ~m) | (a & m);
  return Step::Next;
}

/// mov.pred p, %is_explicit_cluster.
Step specialToPredicate(Warp &w, const Ins &i, Mask m) {
  const uint32_t *a = w.at<uint32_t>(i.a);
  Mask &p = w.predicate(i.d);
  for (Mask left = m; left; left &= left - 1) {
    int l = __builtin_ctz(left);
    p = (p & ~(Mask(1) << l)) | Mask(a[l] != 0) << l;
  }
  return Step::Next;
}

/// Reads `bytes` of an element register.
uint64_t readPart(Warp &w, uint32_t reg, int l, unsigned bytes) {
  uint64_t v = bytes == 8 ? w.at<uint64_t>(reg)[l] : w.at<uint32_t>(reg)[l];
  return bytes >= 8 ? v : v & ((uint64_t(1) << bytes * 8) - 1);
}

/// {a, b, ...} -> one register. size: bytes of a part.
Step pack(Warp &w, const Ins &i, Mask m) {
  const InsInfo &info = w.program->infos[i.info];
  unsigned part = i.size, total = part * i.count;
  for (Mask left = m; left; left &= left - 1) {
    int l = __builtin_ctz(left);
    uint64_t v[2] = {0, 0};
    for (unsigned e = 0; e < i.count; ++e) {
      unsigned bit = e * part * 8;
      v[bit / 64] |= readPart(w, info.regs[e], l, part) << bit % 64;
    }
    if (total == 16) {
      std::memcpy(w.regs + i.d + 16 * l, v, 16);
    } else if (total == 8) {
      w.at<uint64_t>(i.d)[l] = v[0];
    } else {
      w.at<uint32_t>(i.d)[l] = static_cast<uint32_t>(v[0]);
    }
  }
  return Step::Next;
}

Step unpack(Warp &w, const Ins &i, Mask m) {
  const InsInfo &info = w.program->infos[i.info];
  unsigned part = i.size, total = part * i.count;
  for (Mask left = m; left; left &= left - 1) {
    int l = __builtin_ctz(left);
    uint64_t v[2] = {0, 0};
    if (total == 16) {
      std::memcpy(v, w.regs + i.a + 16 * l, 16);
    } else {
      v[0] = readPart(w, i.a, l, total);
    }
    for (unsigned e = 0; e < i.count; ++e) {
      unsigned bit = e * part * 8;
      uint64_t x = v[bit / 64] >> bit % 64;
      if (part == 8) {
        w.at<uint64_t>(info.regs[e])[l] = x;
      } else {
        w.at<uint32_t>(info.regs[e])[l] =
            static_cast<uint32_t>(x & ((uint64_t(1) << part * 8) - 1));
      }
    }
  }
  return Step::Next;
}

Type bitsOf(unsigned bytes) {
  return bytes == 1   ? Type::B8
         : bytes == 2 ? Type::B16
         : bytes == 4 ? Type::B32
         : bytes == 8 ? Type::B64
                      : Type::B128;
}

void decodeVectorMove(Decode &d, Type t) {
  bool packs = d.op(1).kind == Operand::Vector;
  const Operand &v = d.op(packs ? 1 : 0);
  const Operand &whole = d.op(packs ? 0 : 1);
  size_t n = v.items.size();
  if ((n != 2 && n != 4) || typeSize(t) % n) {
    d.unsupported();
  }
  d.ins.count = static_cast<uint8_t>(n);
  d.ins.size = static_cast<uint8_t>(typeSize(t) / n);
  Type part = bitsOf(d.ins.size);
  if (packs) {
    for (const Operand &o : v.items) {
      d.info.regs.push_back(d.src(o, part));
    }
    d.ins.d = d.dst(whole, bitsOf(typeSize(t)));
  } else {
    d.ins.a = d.src(whole, bitsOf(typeSize(t)));
    for (const Operand &o : v.items) {
      d.info.regs.push_back(d.dst(
          o, part == Type::B8 && d.registerSize(o) == 2 ? Type::B16 : part));
    }
  }
  d.finish(packs ? pack : unpack, InsClass::Move);
}

/// Clocks count executed warp instructions; globaltimer is real time.
Step clockHandler(Warp &w, const Ins &i, Mask m) {
  uint64_t v = w.executed * 4;
  if (i.mode == 2) {
    v = static_cast<uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(
            std::chrono::system_clock::now().time_since_epoch())
            .count());
  } else if (i.mode == 3) {
    v = w.grid->id;
  }
  v = i.flag2 ? v >> 32 : v;
  w.executed += 4;
  for (Mask left = m; left; left &= left - 1) {
    int l = __builtin_ctz(left);
    if (i.flag) {
      w.at<uint64_t>(i.d)[l] = v;
    } else {
      w.at<uint32_t>(i.d)[l] = static_cast<uint32_t>(v);
    }
  }
  // Loops that wait for time to pass must let others run.
  return Step::Yield;
}

bool decodeClock(Decode &d, Type t) {
  std::string_view n = d.op(1).name;
  bool clock = n == "%clock" || n == "%clock64" || n == "%clock_hi";
  bool timer =
      n == "%globaltimer" || n == "%globaltimer_lo" || n == "%globaltimer_hi";
  bool grid = n == "%gridid" && typeSize(t) == 8;
  if (!clock && !timer && !grid) {
    return false;
  }
  d.ins.mode = timer ? 2 : grid ? 3 : 1;
  d.ins.flag = typeSize(t) == 8;
  d.ins.flag2 = n == "%clock_hi" || n == "%globaltimer_hi";
  d.ins.d = d.dst(d.op(0), t);
  d.finish(clockHandler, InsClass::Special);
  return true;
}

/// %envreg, %pm and activemask-like values that depend on nothing here.
bool decodeFunctionAddress(Decode &d) {
  int index = d.owner.functionIndex(d.op(1).name);
  if (index < 0) {
    return false;
  }
  uint64_t number = d.owner.module.functionIndex.at(d.op(1).name);
  d.ins.a = d.owner.constant(kCodeWindow | number, true);
  d.ins.d = d.dst(d.op(0), Type::U64);
  d.finish(move<uint64_t>, InsClass::Move);
  return true;
}

void decodeMov(Decode &d) {
  d.arity(2, 2);
  Type t = d.type();
  if (t == Type::Pred) {
    const Operand &o = d.op(1);
    if (o.kind == Operand::Name && o.name == "%is_explicit_cluster") {
      d.ins.a = d.owner.special(o.name);
      d.ins.d = d.predicateOut(d.op(0));
      return d.finish(specialToPredicate, InsClass::Move);
    }
    if (o.kind == Operand::Integer) {
      d.ins.imm = static_cast<int64_t>(o.bits);
    } else {
      d.ins.a = d.predicate(o, d.ins.flag);
    }
    d.ins.d = d.predicateOut(d.op(0));
    return d.finish(movePredicate, InsClass::Move);
  }
  if (d.op(0).kind == Operand::Vector || d.op(1).kind == Operand::Vector) {
    return decodeVectorMove(d, t);
  }
  if (d.op(1).kind == Operand::Variable && typeSize(t) == 8 &&
      decodeVariableAddress(d, false)) {
    return;
  }
  if (d.op(1).kind == Operand::Name &&
      (decodeClock(d, t) || decodeFunctionAddress(d))) {
    return;
  }
  d.ins.a = d.src(d.op(1), t);
  d.ins.d = d.dst(d.op(0), t);
  d.finish(typeSize(t) == 16  ? move128
           : typeSize(t) == 8 ? move<uint64_t>
                              : move<uint32_t>,
           InsClass::Move);
}

} // namespace

void addMove(OpTable &t) { t["mov"] = decodeMov; }

} // namespace rill::emu
