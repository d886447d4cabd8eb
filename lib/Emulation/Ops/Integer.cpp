// Integer arithmetic: PTX ISA 9.7.1 and 9.7.2 (carries).
#include "Lanes.h"
#include "Numeric.h"

#include <limits>

namespace rill::emu {

namespace {

template <class T>
using U = std::make_unsigned_t<T>;
template <class T>
using Wide = std::conditional_t<
    sizeof(T) == 8,
    std::conditional_t<std::is_signed_v<T>, __int128, unsigned __int128>,
    std::conditional_t<
        sizeof(T) == 4,
        std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>,
        std::conditional_t<std::is_signed_v<T>, int32_t, uint32_t>>>;

template <class T>
T wrap(U<T> v) {
  return static_cast<T>(v);
}

/// Products of 16-bit values must not overflow int.
template <class T>
U<T> mulLow(T a, T b) {
  return static_cast<U<T>>(uint64_t(U<T>(a)) * uint64_t(U<T>(b)));
}
template <class T>
T mulHigh(T a, T b) {
  return static_cast<T>((Wide<T>(a) * Wide<T>(b)) >> (sizeof(T) * 8));
}
int32_t clamp32(int64_t v) {
  return static_cast<int32_t>(v > INT32_MAX   ? INT32_MAX
                              : v < INT32_MIN ? INT32_MIN
                                              : v);
}

struct Add {
  template <class T>
  static T run(T a, T b) {
    return wrap<T>(static_cast<U<T>>(U<T>(a) + U<T>(b)));
  }
};
struct Sub {
  template <class T>
  static T run(T a, T b) {
    return wrap<T>(static_cast<U<T>>(U<T>(a) - U<T>(b)));
  }
};
struct AddSat {
  static int32_t run(int32_t a, int32_t b) { return clamp32(int64_t(a) + b); }
};
struct SubSat {
  static int32_t run(int32_t a, int32_t b) { return clamp32(int64_t(a) - b); }
};
struct MulLo {
  template <class T>
  static T run(T a, T b) {
    return wrap<T>(mulLow(a, b));
  }
};
struct MulHi {
  template <class T>
  static T run(T a, T b) {
    return mulHigh(a, b);
  }
};
struct MulWide {
  template <class T>
  static Wide<T> run(T a, T b) {
    return Wide<T>(a) * Wide<T>(b);
  }
};
struct MadLo {
  template <class T>
  static T run(T a, T b, T c) {
    return wrap<T>(static_cast<U<T>>(mulLow(a, b) + U<T>(c)));
  }
};
struct MadHi {
  template <class T>
  static T run(T a, T b, T c) {
    return Add::run<T>(mulHigh(a, b), c);
  }
};
struct MadHiSat {
  static int32_t run(int32_t a, int32_t b, int32_t c) {
    return clamp32(int64_t(mulHigh(a, b)) + c);
  }
};
struct Mul24Lo {
  template <class T>
  static T run(T a, T b) {
    return static_cast<T>(static_cast<uint64_t>(ext(a)) *
                          static_cast<uint64_t>(ext(b)));
  }
  template <class T>
  static int64_t ext(T v) {
    return std::is_signed_v<T> ? int32_t(uint32_t(v) << 8) >> 8
                               : int64_t(uint32_t(v) & 0xffffff);
  }
};
struct Mul24Hi {
  template <class T>
  static T run(T a, T b) {
    return static_cast<T>((Mul24Lo::ext(a) * Mul24Lo::ext(b)) >> 16);
  }
};
struct Mad24Lo {
  template <class T>
  static T run(T a, T b, T c) {
    return Add::run<T>(Mul24Lo::run(a, b), c);
  }
};
struct Mad24Hi {
  template <class T>
  static T run(T a, T b, T c) {
    return Add::run<T>(Mul24Hi::run(a, b), c);
  }
};
/// Division by zero gives all ones, as GPUs answer; PTX leaves it open.
struct Div {
  template <class T>
  static T run(T a, T b) {
    if (b == 0) {
      return wrap<T>(static_cast<U<T>>(~U<T>(0)));
    }
    if (std::is_signed_v<T> && b == static_cast<T>(-1)) {
      return Sub::run<T>(0, a);
    }
    return static_cast<T>(a / b);
  }
};
struct Rem {
  template <class T>
  static T run(T a, T b) {
    if (b == 0) {
      return a;
    }
    if (std::is_signed_v<T> && b == static_cast<T>(-1)) {
      return 0;
    }
    return static_cast<T>(a % b);
  }
};
struct Abs {
  template <class T>
  static T run(T a) {
    return a < 0 ? Sub::run<T>(0, a) : a;
  }
};
struct Neg {
  template <class T>
  static T run(T a) {
    return Sub::run<T>(0, a);
  }
};
struct Min {
  template <class T>
  static T run(T a, T b) {
    return b < a ? b : a;
  }
};
struct Max {
  template <class T>
  static T run(T a, T b) {
    return a < b ? b : a;
  }
};
template <class Op>
struct Relu {
  template <class T>
  static T run(T a, T b) {
    T r = Op::template run<T>(a, b);
    return r < 0 ? 0 : r;
  }
};
struct Sad {
  template <class T>
  static T run(T a, T b, T c) {
    U<T> d = a < b ? static_cast<U<T>>(U<T>(b) - U<T>(a))
                   : static_cast<U<T>>(U<T>(a) - U<T>(b));
    return wrap<T>(static_cast<U<T>>(d + U<T>(c)));
  }
};

template <class A, class B>
struct Dot4 {
  static uint32_t run(uint32_t a, uint32_t b, uint32_t c) {
    for (int i = 0; i < 32; i += 8) {
      c += static_cast<uint32_t>(int32_t(A(a >> i)) * int32_t(B(b >> i)));
    }
    return c;
  }
};
template <class A, class B, int High>
struct Dot2 {
  using A16 = std::conditional_t<std::is_signed_v<A>, int16_t, uint16_t>;
  static uint32_t run(uint32_t a, uint32_t b, uint32_t c) {
    for (int i = 0; i < 2; ++i) {
      c += static_cast<uint32_t>(int64_t(A16(a >> 16 * i)) *
                                 int64_t(B(b >> (8 * i + 16 * High))));
    }
    return c;
  }
};

/// Two 16-bit halves of a register at once.
template <class Op, class T>
struct Pair {
  static uint32_t run(uint32_t a, uint32_t b) {
    uint32_t lo = uint16_t(Op::template run<T>(T(a), T(b)));
    return lo | uint32_t(uint16_t(Op::template run<T>(T(a >> 16), T(b >> 16))))
                    << 16;
  }
};

template <class Op>
bool finishPair(Decode &d) {
  Type t = d.type();
  if (t != Type::U16x2 && t != Type::S16x2) {
    return false;
  }
  decodeBinary(d, Type::B32, Type::B32, Type::B32);
  d.finish(t == Type::U16x2 ? binary<Pair<Op, uint16_t>, uint32_t, uint32_t>
                            : binary<Pair<Op, int16_t>, uint32_t, uint32_t>,
           InsClass::Integer);
  return true;
}

template <class Op>
void finishBinary(Decode &d) {
  Type t = d.type();
  decodeBinary(d, t, t, t);
  d.finish(pickInteger(t, []<class T>() { return Handler(binary<Op, T, T>); }),
           InsClass::Integer);
}

template <class Op>
void finishUnary(Decode &d) {
  Type t = d.type();
  decodeUnary(d, t, t);
  d.finish(pickInteger(t, []<class T>() { return Handler(unary<Op, T, T>); }),
           InsClass::Integer);
}

Type widened(Decode &d, Type t) {
  switch (t) {
  case Type::U16:
    return Type::U32;
  case Type::S16:
    return Type::S32;
  case Type::U32:
    return Type::U64;
  case Type::S32:
    return Type::S64;
  default:
    d.unsupported();
  }
}

template <class F>
Handler pickNarrow(Type t, F f) {
  switch (t) {
  case Type::U16:
    return f.template operator()<uint16_t>();
  case Type::S16:
    return f.template operator()<int16_t>();
  case Type::U32:
    return f.template operator()<uint32_t>();
  case Type::S32:
    return f.template operator()<int32_t>();
  default:
    return nullptr;
  }
}

template <class T>
Step madWide(Warp &w, const Ins &i, Mask m) {
  using W = Wide<T>;
  Cell<W> *d = w.at<Cell<W>>(i.d);
  const Cell<T> *a = w.at<Cell<T>>(i.a), *b = w.at<Cell<T>>(i.b);
  const Cell<W> *c = w.at<Cell<W>>(i.c);
  each(m, [=](int l) {
    d[l] = toCell<W>(fromCell<T>(a[l]) * W(fromCell<T>(b[l]))) + c[l];
  });
  return Step::Next;
}

/// The condition code register is one bit per lane, Warp::carry.
enum CarryMode : uint8_t {
  kCarryIn = 1,
  kCarryOut = 2,
  kSubtract = 4,
  kMad = 8,
  kHigh = 16
};

template <class T>
Step carryOp(Warp &w, const Ins &i, Mask m) {
  Cell<T> *d = w.at<Cell<T>>(i.d);
  const Cell<T> *a = w.at<Cell<T>>(i.a), *b = w.at<Cell<T>>(i.b);
  for (Mask left = m; left; left &= left - 1) {
    int l = __builtin_ctz(left);
    using W = unsigned __int128;
    W x = fromCell<T>(a[l]), y = fromCell<T>(b[l]);
    W in = (i.mode & kCarryIn) ? (w.carry >> l & 1) : 0;
    if (i.mode & kMad) {
      using S = std::make_signed_t<T>;
      W product = i.flag ? W(__int128(S(T(x))) * __int128(S(T(y)))) : x * y;
      x = T((i.mode & kHigh) ? product >> (sizeof(T) * 8) : product);
      y = fromCell<T>(w.at<Cell<T>>(i.c)[l]);
    }
    W r = (i.mode & kSubtract) ? x - y - in : x + y + in;
    if (i.mode & kCarryOut) {
      Mask bit = static_cast<Mask>(r >> (sizeof(T) * 8) & 1) << l;
      w.carry = (w.carry & ~(Mask(1) << l)) | bit;
    }
    d[l] = toCell<T>(static_cast<T>(r));
  }
  return Step::Next;
}

void decodeCarry(Decode &d, uint8_t mode) {
  Type t = d.type();
  d.ins.flag = isSigned(t);
  if (d.has("hi")) {
    mode |= kHigh;
  }
  d.ins.mode = mode;
  if (mode & kMad) {
    decodeTernary(d, t, t, t, t);
  } else {
    decodeBinary(d, t, t, t);
  }
  d.finish(typeSize(t) == 4   ? Handler(carryOp<uint32_t>)
           : typeSize(t) == 8 ? Handler(carryOp<uint64_t>)
                              : nullptr,
           InsClass::Integer);
}

template <class Op, class Sat>
void decodeAddSub(Decode &d) {
  Type t = d.type();
  if (d.has("cc")) {
    decodeCarry(d, static_cast<uint8_t>(
                       kCarryOut | (std::is_same_v<Op, Sub> ? kSubtract : 0)));
  } else if (decodeFloatAddSub(d, std::is_same_v<Op, Sub>) ||
             decodeHalfArithmetic(d)) {
    return;
  } else if (d.has("sat") && t == Type::S32) {
    decodeBinary(d, t, t, t);
    d.finish(binary<Sat, int32_t, int32_t>, InsClass::Integer);
  } else if (!finishPair<Op>(d)) {
    finishBinary<Op>(d);
  }
}

void decodeMul(Decode &d) {
  Type t = d.type();
  if (decodeFloatMul(d) || decodeHalfArithmetic(d)) {
    return;
  }
  if (d.has("wide")) {
    decodeBinary(d, widened(d, t), t, t);
    d.finish(
        pickNarrow(
            t, []<class T>() { return Handler(binary<MulWide, Wide<T>, T>); }),
        InsClass::Integer);
  } else if (d.has("hi")) {
    finishBinary<MulHi>(d);
  } else if (d.has("lo")) {
    finishBinary<MulLo>(d);
  }
}

template <class Lo, class Hi>
void decodeMad(Decode &d) {
  Type t = d.type();
  if (d.has("cc")) {
    return decodeCarry(d, kMad | kCarryOut);
  }
  if (decodeFloatFma(d)) {
    return;
  }
  if (d.has("wide")) {
    Type wide = widened(d, t);
    decodeTernary(d, wide, t, t, wide);
    d.finish(pickNarrow(t, []<class T>() { return Handler(madWide<T>); }),
             InsClass::Integer);
    return;
  }
  decodeTernary(d, t, t, t, t);
  if (d.has("hi") && d.has("sat")) {
    d.finish(ternary<MadHiSat, int32_t, int32_t>, InsClass::Integer);
  } else if (d.has("hi")) {
    d.finish(
        pickInteger(t, []<class T>() { return Handler(ternary<Hi, T, T>); }),
        InsClass::Integer);
  } else {
    d.finish(
        pickInteger(t, []<class T>() { return Handler(ternary<Lo, T, T>); }),
        InsClass::Integer);
  }
}

template <class Lo, class Hi>
Handler pick24(Type t, bool hi) {
  if (t == Type::U32) {
    return hi ? binary<Hi, uint32_t, uint32_t> : binary<Lo, uint32_t, uint32_t>;
  }
  return hi ? binary<Hi, int32_t, int32_t> : binary<Lo, int32_t, int32_t>;
}

void decodeMul24(Decode &d) {
  Type t = d.type();
  decodeBinary(d, t, t, t);
  d.finish(pick24<Mul24Lo, Mul24Hi>(t, d.has("hi")), InsClass::Integer);
}

void decodeMad24(Decode &d) {
  Type t = d.type();
  decodeTernary(d, t, t, t, t);
  bool hi = d.has("hi");
  if (t == Type::U32) {
    d.finish(hi ? ternary<Mad24Hi, uint32_t, uint32_t>
                : ternary<Mad24Lo, uint32_t, uint32_t>,
             InsClass::Integer);
  } else {
    d.finish(hi ? ternary<Mad24Hi, int32_t, int32_t>
                : ternary<Mad24Lo, int32_t, int32_t>,
             InsClass::Integer);
  }
}

template <class Op>
void decodeMinMax(Decode &d) {
  if (decodeFloatMinMax(d, std::is_same_v<Op, Max>) ||
      decodeHalfArithmetic(d)) {
    return;
  }
  Type t = d.type();
  if (d.has("relu") && t == Type::S32) {
    decodeBinary(d, t, t, t);
    d.finish(binary<Relu<Op>, int32_t, int32_t>, InsClass::Integer);
  } else if (d.has("relu") && t == Type::S16x2) {
    decodeBinary(d, Type::B32, Type::B32, Type::B32);
    d.finish(binary<Pair<Relu<Op>, int16_t>, uint32_t, uint32_t>,
             InsClass::Integer);
  } else if (!finishPair<Op>(d)) {
    finishBinary<Op>(d);
  }
}

template <template <class, class> class Dot>
Handler pickDot(bool sa, bool sb) {
  if (sa) {
    return sb ? ternary<Dot<int8_t, int8_t>, uint32_t, uint32_t>
              : ternary<Dot<int8_t, uint8_t>, uint32_t, uint32_t>;
  }
  return sb ? ternary<Dot<uint8_t, int8_t>, uint32_t, uint32_t>
            : ternary<Dot<uint8_t, uint8_t>, uint32_t, uint32_t>;
}
template <class A, class B>
using Dot2Lo = Dot2<A, B, 0>;
template <class A, class B>
using Dot2Hi = Dot2<A, B, 1>;

void decodeDot(Decode &d) {
  bool sa = isSigned(d.typeAt(0)), sb = isSigned(d.typeAt(1));
  decodeTernary(d, Type::B32, Type::B32, Type::B32, Type::B32);
  Handler h = d.ast.parts[0] == "dp4a" ? pickDot<Dot4>(sa, sb)
              : d.has("hi")            ? pickDot<Dot2Hi>(sa, sb)
                                       : pickDot<Dot2Lo>(sa, sb);
  d.finish(h, InsClass::Integer);
}

} // namespace

void addInteger(OpTable &t) {
  t["add"] = decodeAddSub<Add, AddSat>;
  t["sub"] = decodeAddSub<Sub, SubSat>;
  t["addc"] = [](Decode &d) {
    decodeCarry(d,
                static_cast<uint8_t>(kCarryIn | (d.has("cc") ? kCarryOut : 0)));
  };
  t["subc"] = [](Decode &d) {
    decodeCarry(d, static_cast<uint8_t>(kCarryIn | kSubtract |
                                        (d.has("cc") ? kCarryOut : 0)));
  };
  t["madc"] = [](Decode &d) {
    decodeCarry(d, static_cast<uint8_t>(kCarryIn | kMad |
                                        (d.has("cc") ? kCarryOut : 0)));
  };
  t["mul"] = decodeMul;
  t["mad"] = decodeMad<MadLo, MadHi>;
  t["mul24"] = decodeMul24;
  t["mad24"] = decodeMad24;
  t["div"] = [](Decode &d) {
    if (!decodeFloatDiv(d)) {
      finishBinary<Div>(d);
    }
  };
  t["rem"] = finishBinary<Rem>;
  t["abs"] = [](Decode &d) {
    if (!decodeFloatUnary(d) && !decodeHalfArithmetic(d)) {
      finishUnary<Abs>(d);
    }
  };
  t["neg"] = [](Decode &d) {
    if (!decodeFloatUnary(d) && !decodeHalfArithmetic(d)) {
      finishUnary<Neg>(d);
    }
  };
  t["min"] = decodeMinMax<Min>;
  t["max"] = decodeMinMax<Max>;
  t["sad"] = [](Decode &d) {
    Type ty = d.type();
    decodeTernary(d, ty, ty, ty, ty);
    d.finish(
        pickInteger(ty, []<class T>() { return Handler(ternary<Sad, T, T>); }),
        InsClass::Integer);
  };
  t["dp4a"] = decodeDot;
  t["dp2a"] = decodeDot;
}

} // namespace rill::emu
