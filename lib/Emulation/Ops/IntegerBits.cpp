// Logic, shifts and bit fields: PTX ISA 9.7.1 (bit instructions) and 9.7.8.
#include "Lanes.h"

#include <algorithm>

namespace rill::emu {

namespace {

struct And {
  template <class T>
  static T run(T a, T b) {
    return static_cast<T>(a & b);
  }
};
struct Or {
  template <class T>
  static T run(T a, T b) {
    return static_cast<T>(a | b);
  }
};
struct Xor {
  template <class T>
  static T run(T a, T b) {
    return static_cast<T>(a ^ b);
  }
};
struct Not {
  template <class T>
  static T run(T a) {
    return static_cast<T>(~a);
  }
};
struct Cnot {
  template <class T>
  static T run(T a) {
    return a == 0;
  }
};
/// Shift amounts beyond the width give 0, or the sign.
struct Shl {
  template <class T>
  static T run(T a, uint32_t b) {
    return b >= sizeof(T) * 8 ? T(0) : static_cast<T>(uint64_t(a) << b);
  }
};
struct Shr {
  template <class T>
  static T run(T a, uint32_t b) {
    uint32_t n = std::min<uint32_t>(b, sizeof(T) * 8 - 1);
    return static_cast<T>(b >= sizeof(T) * 8 && std::is_unsigned_v<T> ? 0
                                                                      : a >> n);
  }
};
struct Popc {
  template <class T>
  static uint32_t run(T a) {
    return static_cast<uint32_t>(std::popcount(a));
  }
};
struct Clz {
  template <class T>
  static uint32_t run(T a) {
    return static_cast<uint32_t>(std::countl_zero(a));
  }
};
struct Brev {
  template <class T>
  static T run(T a) {
    T r = 0;
    for (size_t i = 0; i < sizeof(T) * 8; ++i) {
      r = static_cast<T>(r << 1 | (a >> i & 1));
    }
    return r;
  }
};
template <bool Shift>
struct Bfind {
  template <class T>
  static uint32_t run(T a) {
    using V = std::make_unsigned_t<T>;
    V v = static_cast<V>(a < 0 ? ~a : a);
    if (v == 0) {
      return ~0u;
    }
    uint32_t at = uint32_t(sizeof(T) * 8 - 1) -
                  static_cast<uint32_t>(std::countl_zero(v));
    return Shift ? uint32_t(sizeof(T) * 8 - 1) - at : at;
  }
};
struct Bfe {
  template <class T>
  static T run(T a, uint32_t b, uint32_t c) {
    uint32_t pos = b & 255, len = c & 255, msb = sizeof(T) * 8 - 1;
    if (len == 0) {
      return 0;
    }
    using V = std::make_unsigned_t<T>;
    uint32_t top = std::min(pos + len - 1, msb);
    bool sign = std::is_signed_v<T> && (V(a) >> top & 1);
    V d = 0;
    for (uint32_t i = 0; i <= msb; ++i) {
      bool bit = i < len && pos + i <= msb ? (V(a) >> (pos + i) & 1) : sign;
      d = static_cast<V>(d | V(bit) << i);
    }
    return static_cast<T>(d);
  }
};
template <class T>
T bitInsert(T a, T b, uint32_t c, uint32_t len) {
  uint32_t pos = c & 255, bits = sizeof(T) * 8;
  len &= 255;
  for (uint32_t i = 0; i < len && pos + i < bits; ++i) {
    T one = static_cast<T>(T(1) << (pos + i));
    b = static_cast<T>((b & ~one) | ((a >> i & 1) ? one : T(0)));
  }
  return b;
}
struct BmskClamp {
  static uint32_t run(uint32_t a, uint32_t b) {
    uint64_t width = std::min<uint64_t>(b, 32);
    uint64_t mask = (uint64_t(1) << width) - 1;
    return a >= 32 ? 0 : static_cast<uint32_t>(mask << a);
  }
};
struct BmskWrap {
  static uint32_t run(uint32_t a, uint32_t b) {
    uint64_t mask = (uint64_t(1) << (b & 31)) - 1;
    return static_cast<uint32_t>(mask << (a & 31));
  }
};
template <bool Wrap>
struct Szext {
  template <class T>
  static T run(T a, uint32_t b) {
    uint32_t n = Wrap ? b & 31 : std::min(b, 32u);
    if (n == 0) {
      return 0;
    }
    if (n >= 32) {
      return a;
    }
    return static_cast<T>(static_cast<T>(uint32_t(a) << (32 - n)) >> (32 - n));
  }
};
template <bool Left, bool Wrap>
struct Funnel {
  static uint32_t run(uint32_t a, uint32_t b, uint32_t c) {
    uint32_t n = Wrap ? c & 31 : std::min(c, 32u);
    uint64_t v = uint64_t(b) << 32 | a;
    return Left ? static_cast<uint32_t>(v << n >> 32)
                : static_cast<uint32_t>(v >> n);
  }
};
struct Prmt {
  static uint32_t byteOf(uint64_t v, uint32_t sel) {
    uint32_t b = static_cast<uint32_t>(v >> (sel & 7) * 8) & 255;
    return (sel & 8) ? ((b & 0x80) ? 0xffu : 0u) : b;
  }
  static uint32_t run(uint32_t a, uint32_t b, uint32_t c) {
    uint64_t v = uint64_t(b) << 32 | a;
    uint32_t d = 0;
    for (uint32_t i = 0; i < 4; ++i) {
      d |= byteOf(v, c >> 4 * i & 15) << 8 * i;
    }
    return d;
  }
};
/// The selector modes: two bits of c and a rule per result byte.
template <int Mode>
struct PrmtMode {
  static uint32_t run(uint32_t a, uint32_t b, uint32_t c) {
    static constexpr uint16_t table[6][4] = {
        {0x3210, 0x4321, 0x5432, 0x6543}, // f4e
        {0x5670, 0x6701, 0x7012, 0x0123}, // b4e
        {0x0000, 0x1111, 0x2222, 0x3333}, // rc8
        {0x3210, 0x3211, 0x3222, 0x3333}, // ecl
        {0x0000, 0x1110, 0x2210, 0x3210}, // ecr
        {0x1010, 0x3232, 0x1010, 0x3232}  // rc16
    };
    return Prmt::run(a, b, table[Mode][c & 3]);
  }
};

template <class Op>
void decodeLogic(Decode &d) {
  Type t = d.type();
  if (t == Type::Pred) {
    d.arity(3, 3);
    d.ins.a = d.predicate(d.op(1), d.ins.flag);
    d.ins.b = d.predicate(d.op(2), d.ins.flag2);
    d.ins.d = d.predicateOut(d.op(0));
    d.finish(
        [](Warp &w, const Ins &i, Mask m) {
          Mask a = i.flag ? ~w.predicate(i.a) : w.predicate(i.a);
          Mask b = i.flag2 ? ~w.predicate(i.b) : w.predicate(i.b);
          Mask &p = w.predicate(i.d);
          p = (p & ~m) | (Op::template run<Mask>(a, b) & m);
          return Step::Next;
        },
        InsClass::Compare);
    return;
  }
  decodeBinary(d, t, t, t);
  d.finish(pickBits(t, []<class T>() { return Handler(binary<Op, T, T>); }),
           InsClass::Integer);
}

void decodeNot(Decode &d) {
  Type t = d.type();
  if (t == Type::Pred) {
    d.arity(2, 2);
    d.ins.a = d.predicate(d.op(1), d.ins.flag);
    d.ins.d = d.predicateOut(d.op(0));
    d.finish(
        [](Warp &w, const Ins &i, Mask m) {
          Mask a = i.flag ? w.predicate(i.a) : ~w.predicate(i.a);
          Mask &p = w.predicate(i.d);
          p = (p & ~m) | (a & m);
          return Step::Next;
        },
        InsClass::Compare);
    return;
  }
  decodeUnary(d, t, t);
  d.finish(pickBits(t, []<class T>() { return Handler(unary<Not, T, T>); }),
           InsClass::Integer);
}

template <class Op>
void decodeShift(Decode &d) {
  Type t = d.type();
  decodeBinary(d, t, t, Type::U32);
  d.finish(
      pickInteger(
          t, []<class T>() { return Handler(binary<Op, T, T, uint32_t>); }),
      InsClass::Integer);
}

template <class Op>
void decodeCount(Decode &d) {
  Type t = d.type();
  decodeUnary(d, Type::U32, t);
  d.finish(typeSize(t) == 8 ? Handler(unary<Op, uint32_t, uint64_t>)
                            : Handler(unary<Op, uint32_t, uint32_t>),
           InsClass::Integer);
}

void decodeBfind(Decode &d) {
  Type t = d.type();
  decodeUnary(d, Type::U32, t);
  bool shift = d.has("shiftamt");
  d.finish(pickInteger(t,
                       [shift]<class T>() {
                         return shift
                                    ? Handler(unary<Bfind<true>, uint32_t, T>)
                                    : Handler(unary<Bfind<false>, uint32_t, T>);
                       }),
           InsClass::Integer);
}

void decodeBfe(Decode &d) {
  Type t = d.type();
  decodeTernary(d, t, t, Type::U32, Type::U32);
  d.finish(pickInteger(t,
                       []<class T>() {
                         return Handler(ternary<Bfe, T, T, uint32_t, uint32_t>);
                       }),
           InsClass::Integer);
}

template <class T>
Step bfi(Warp &w, const Ins &i, Mask m) {
  Cell<T> *d = w.at<Cell<T>>(i.d);
  const Cell<T> *a = w.at<Cell<T>>(i.a), *b = w.at<Cell<T>>(i.b);
  const uint32_t *c = w.at<uint32_t>(i.c);
  const uint32_t *n = w.at<uint32_t>(w.program->infos[i.info].regs[0]);
  each(m, [=](int l) { d[l] = bitInsert<T>(T(a[l]), T(b[l]), c[l], n[l]); });
  return Step::Next;
}

void decodeBfi(Decode &d) {
  Type t = d.type();
  d.arity(5, 5);
  d.ins.a = d.src(d.op(1), t);
  d.ins.b = d.src(d.op(2), t);
  d.ins.c = d.src(d.op(3), Type::U32);
  d.info.regs.push_back(d.src(d.op(4), Type::U32));
  d.ins.d = d.dst(d.op(0), t);
  d.finish(typeSize(t) == 8 ? Handler(bfi<uint64_t>) : Handler(bfi<uint32_t>),
           InsClass::Integer);
}

void decodeFunnel(Decode &d) {
  decodeTernary(d, Type::B32, Type::B32, Type::B32, Type::U32);
  bool wrap = d.has("wrap");
  using T = uint32_t;
  if (d.has("l")) {
    d.finish(wrap ? ternary<Funnel<true, true>, T, T>
                  : ternary<Funnel<true, false>, T, T>,
             InsClass::Integer);
  } else {
    d.finish(wrap ? ternary<Funnel<false, true>, T, T>
                  : ternary<Funnel<false, false>, T, T>,
             InsClass::Integer);
  }
}

uint32_t lop3(uint32_t a, uint32_t b, uint32_t c, uint32_t lut) {
  uint32_t d = 0;
  for (uint32_t k = 0; k < 8; ++k) {
    if (lut >> k & 1) {
      d |= ((k & 4) ? a : ~a) & ((k & 2) ? b : ~b) & ((k & 1) ? c : ~c);
    }
  }
  return d;
}

Step lop3Handler(Warp &w, const Ins &i, Mask m) {
  uint32_t *d = w.at<uint32_t>(i.d);
  const uint32_t *a = w.at<uint32_t>(i.a), *b = w.at<uint32_t>(i.b),
                 *c = w.at<uint32_t>(i.c);
  uint32_t lut = i.mode;
  each(m, [=](int l) { d[l] = lop3(a[l], b[l], c[l], lut); });
  return Step::Next;
}

/// lop3.BoolOp d|p, a, b, c, lut, q: p = (d != 0) BoolOp q.
Step lop3Predicate(Warp &w, const Ins &i, Mask m) {
  lop3Handler(w, i, m);
  const InsInfo &info = w.program->infos[i.info];
  const uint32_t *d = w.at<uint32_t>(i.d);
  Mask nonZero = 0;
  for (int l = 0; l < kLanes; ++l) {
    nonZero |= Mask(d[l] != 0) << l;
  }
  Mask q = w.predicate(info.regs[1]);
  q = i.flag ? ~q : q;
  Mask r = i.flag2 ? nonZero & q : nonZero | q;
  Mask &p = w.predicate(info.regs[0]);
  p = (p & ~m) | (r & m);
  return Step::Next;
}

void decodeLop3(Decode &d) {
  bool withPredicate = d.has("or") || d.has("and");
  d.arity(withPredicate ? 6 : 5, withPredicate ? 6 : 5);
  d.ins.a = d.src(d.op(1), Type::B32);
  d.ins.b = d.src(d.op(2), Type::B32);
  d.ins.c = d.src(d.op(3), Type::B32);
  d.ins.mode = static_cast<uint8_t>(d.integer(d.op(4)));
  if (!withPredicate) {
    d.ins.d = d.dst(d.op(0), Type::B32);
    return d.finish(lop3Handler, InsClass::Integer);
  }
  if (d.op(0).kind != Operand::Pair) {
    d.fail("expected d|p");
  }
  d.ins.d = d.dst(d.op(0).items[0], Type::B32);
  d.info.regs.push_back(d.predicateOut(d.op(0).items[1]));
  d.info.regs.push_back(d.predicate(d.op(5), d.ins.flag));
  d.ins.flag2 = d.has("and");
  d.finish(lop3Predicate, InsClass::Integer);
}

void decodePrmt(Decode &d) {
  decodeTernary(d, Type::B32, Type::B32, Type::B32, Type::B32);
  using T = uint32_t;
  Handler h = ternary<Prmt, T, T>;
  if (d.has("f4e")) {
    h = ternary<PrmtMode<0>, T, T>;
  } else if (d.has("b4e")) {
    h = ternary<PrmtMode<1>, T, T>;
  } else if (d.has("rc8")) {
    h = ternary<PrmtMode<2>, T, T>;
  } else if (d.has("ecl")) {
    h = ternary<PrmtMode<3>, T, T>;
  } else if (d.has("ecr")) {
    h = ternary<PrmtMode<4>, T, T>;
  } else if (d.has("rc16")) {
    h = ternary<PrmtMode<5>, T, T>;
  }
  d.finish(h, InsClass::Integer);
}

/// fns.b32 d, mask, base, offset: the n-th set bit from a base.
struct Fns {
  static uint32_t run(uint32_t mask, uint32_t base, int32_t offset) {
    if (offset == 0) {
      return base < 32 && (mask >> base & 1) ? base : ~0u;
    }
    int32_t at = static_cast<int32_t>(base), left = std::abs(offset);
    int32_t step = offset > 0 ? 1 : -1;
    for (; at >= 0 && at < 32; at += step) {
      if ((mask >> at & 1) && --left == 0) {
        return static_cast<uint32_t>(at);
      }
    }
    return ~0u;
  }
};

void decodeSzext(Decode &d) {
  Type t = d.type();
  decodeBinary(d, t, t, Type::U32);
  bool wrap = d.has("wrap");
  if (t == Type::S32) {
    d.finish(wrap ? binary<Szext<true>, int32_t, int32_t, uint32_t>
                  : binary<Szext<false>, int32_t, int32_t, uint32_t>,
             InsClass::Integer);
  } else {
    d.finish(wrap ? binary<Szext<true>, uint32_t, uint32_t>
                  : binary<Szext<false>, uint32_t, uint32_t>,
             InsClass::Integer);
  }
}

} // namespace

void addIntegerBits(OpTable &t) {
  t["and"] = decodeLogic<And>;
  t["or"] = decodeLogic<Or>;
  t["xor"] = decodeLogic<Xor>;
  t["not"] = decodeNot;
  t["cnot"] = [](Decode &d) {
    Type ty = d.type();
    decodeUnary(d, ty, ty);
    d.finish(pickBits(ty, []<class T>() { return Handler(unary<Cnot, T, T>); }),
             InsClass::Integer);
  };
  t["shl"] = decodeShift<Shl>;
  t["shr"] = decodeShift<Shr>;
  t["popc"] = decodeCount<Popc>;
  t["clz"] = decodeCount<Clz>;
  t["brev"] = [](Decode &d) {
    Type ty = d.type();
    decodeUnary(d, ty, ty);
    d.finish(pickBits(ty, []<class T>() { return Handler(unary<Brev, T, T>); }),
             InsClass::Integer);
  };
  t["bfind"] = decodeBfind;
  t["bfe"] = decodeBfe;
  t["bfi"] = decodeBfi;
  t["bmsk"] = [](Decode &d) {
    decodeBinary(d, Type::B32, Type::B32, Type::B32);
    d.finish(d.has("wrap") ? binary<BmskWrap, uint32_t, uint32_t>
                           : binary<BmskClamp, uint32_t, uint32_t>,
             InsClass::Integer);
  };
  t["szext"] = decodeSzext;
  t["shf"] = decodeFunnel;
  t["lop3"] = decodeLop3;
  t["prmt"] = decodePrmt;
  t["fns"] = [](Decode &d) {
    decodeTernary(d, Type::B32, Type::B32, Type::B32, Type::S32);
    d.finish(ternary<Fns, uint32_t, uint32_t, uint32_t, int32_t>,
             InsClass::Integer);
  };
}

} // namespace rill::emu
