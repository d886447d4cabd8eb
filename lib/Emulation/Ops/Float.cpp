// f32 and f64 arithmetic: PTX ISA 9.7.3. Approximations are computed exactly
// and rounded once; directed rounding uses the host's rounding mode.
#include "Lanes.h"
#include "Numeric.h"

namespace rill::emu {

namespace {

struct Add {
  template <class T>
  static T run(T a, T b) {
    return a + b;
  }
};
struct Sub {
  template <class T>
  static T run(T a, T b) {
    return a - b;
  }
};
struct Mul {
  template <class T>
  static T run(T a, T b) {
    return a * b;
  }
};
struct Div {
  template <class T>
  static T run(T a, T b) {
    return a / b;
  }
};
struct Fma {
  template <class T>
  static T run(T a, T b, T c) {
    return std::fma(a, b, c);
  }
};
struct Abs {
  template <class T>
  static T run(T a) {
    return std::fabs(a);
  }
};
struct Neg {
  template <class T>
  static T run(T a) {
    return -a;
  }
};
struct Sqrt {
  template <class T>
  static T run(T a) {
    return std::sqrt(a);
  }
};
struct Rcp {
  template <class T>
  static T run(T a) {
    return T(1) / a;
  }
};
/// The rest in double: f32 results are then rounded exactly once but for
/// ties no test can see.
struct Rsqrt {
  template <class T>
  static T run(T a) {
    return static_cast<T>(1.0 / std::sqrt(static_cast<double>(a)));
  }
};
struct Sin {
  template <class T>
  static T run(T a) {
    return static_cast<T>(std::sin(static_cast<double>(a)));
  }
};
struct Cos {
  template <class T>
  static T run(T a) {
    return static_cast<T>(std::cos(static_cast<double>(a)));
  }
};
struct Lg2 {
  template <class T>
  static T run(T a) {
    return static_cast<T>(std::log2(static_cast<double>(a)));
  }
};
struct Ex2 {
  template <class T>
  static T run(T a) {
    return static_cast<T>(std::exp2(static_cast<double>(a)));
  }
};
struct Tanh {
  template <class T>
  static T run(T a) {
    return static_cast<T>(std::tanh(static_cast<double>(a)));
  }
};
/// A NaN operand gives the other one; -0 < +0.
template <bool IsMax>
struct MinMax {
  template <class T>
  static T run(T a, T b) {
    if (a != a) {
      return b;
    }
    if (b != b) {
      return a;
    }
    if (a == b) {
      return (IsMax ? std::signbit(a) : !std::signbit(a)) ? b : a;
    }
    return (IsMax ? a > b : a < b) ? a : b;
  }
};
template <bool IsMax>
struct MinMaxNan {
  template <class T>
  static T run(T a, T b) {
    if (a != a || b != b) {
      return std::bit_cast<T>(static_cast<Cell<T>>(
          sizeof(T) == 4 ? 0x7fffffffull : 0x7fffffffffffffffull));
    }
    return MinMax<IsMax>::run(a, b);
  }
};
template <class Op>
struct XorSign {
  static float run(float a, float b) {
    float r = std::fabs(Op::run(std::fabs(a), std::fabs(b)));
    return std::signbit(a) != std::signbit(b) ? -r : r;
  }
};

enum Flags : uint8_t { kFtz = 1, kSat = 2 };

/// NaN results of arithmetic are the canonical one (ISA 9.7.3: 0x7fffffff).
template <class T>
T canonical(T v) {
  if constexpr (sizeof(T) == 4) {
    return v == v ? v : std::bit_cast<float>(0x7fffffffu);
  } else {
    return v;
  }
}

template <class T>
T flush(T v) {
  if constexpr (sizeof(T) == 4) {
    return flushDenormal(v);
  }
  return v;
}

/// An operation with modifiers: ftz on both sides, sat, canonical NaN.
template <class Op, uint8_t F>
struct With {
  template <class T>
  static T in(T v) {
    return (F & kFtz) ? flush(v) : v;
  }
  template <class T>
  static T out(T v) {
    v = canonical((F & kFtz) ? flush(v) : v);
    return (F & kSat) ? static_cast<T>(saturate(v)) : v;
  }
  template <class T>
  static T run(T a) {
    return out(Op::run(in(a)));
  }
  template <class T>
  static T run(T a, T b) {
    return out(Op::run(in(a), in(b)));
  }
  template <class T>
  static T run(T a, T b, T c) {
    return out(Op::run(in(a), in(b), in(c)));
  }
};

int hostMode(Round r) {
  return r == Round::Zero   ? FE_TOWARDZERO
         : r == Round::Down ? FE_DOWNWARD
         : r == Round::Up   ? FE_UPWARD
                            : FE_TONEAREST;
}

/// Directed rounding: the operation under the host's mode, lane by lane.
template <class Op, class T, int Arity>
Step directed(Warp &w, const Ins &i, Mask m) {
  Cell<T> *d = w.at<Cell<T>>(i.d);
  const Cell<T> *a = w.at<Cell<T>>(i.a);
  const Cell<T> *b = Arity > 1 ? w.at<Cell<T>>(i.b) : a;
  const Cell<T> *c = Arity > 2 ? w.at<Cell<T>>(i.c) : a;
  bool ftz = i.flag, sat = i.flag2;
  std::fesetround(hostMode(static_cast<Round>(i.mode)));
  for (Mask left = m; left; left &= left - 1) {
    int l = __builtin_ctz(left);
    auto in = [ftz](T v) { return ftz ? flush(v) : v; };
    volatile T x = in(fromCell<T>(a[l])), y = in(fromCell<T>(b[l])),
               z = in(fromCell<T>(c[l]));
    volatile T r;
    if constexpr (Arity == 1) {
      r = Op::run(T(x));
    } else if constexpr (Arity == 2) {
      r = Op::run(T(x), T(y));
    } else {
      r = Op::run(T(x), T(y), T(z));
    }
    T v = canonical(in(r));
    d[l] = toCell<T>(sat ? static_cast<T>(saturate(v)) : v);
  }
  std::fesetround(FE_TONEAREST);
  return Step::Next;
}

Round roundingOf(const Decode &d) {
  return d.has("rz")   ? Round::Zero
         : d.has("rm") ? Round::Down
         : d.has("rp") ? Round::Up
                       : Round::Nearest;
}

uint8_t flagsOf(const Decode &d) {
  return static_cast<uint8_t>((d.has("ftz") ? kFtz : 0) |
                              (d.has("sat") ? kSat : 0));
}

template <class Op, int Arity, uint8_t F, class T>
Handler plain() {
  if constexpr (Arity == 1) {
    return unary<With<Op, F>, T, T>;
  } else if constexpr (Arity == 2) {
    return binary<With<Op, F>, T, T>;
  } else {
    return ternary<With<Op, F>, T, T>;
  }
}

/// Chooses the handler for type, rounding and modifiers.
template <class Op, int Arity>
void finishFloat(Decode &d) {
  Type t = d.type();
  if constexpr (Arity == 1) {
    decodeUnary(d, t, t);
  } else if constexpr (Arity == 2) {
    decodeBinary(d, t, t, t);
  } else {
    decodeTernary(d, t, t, t, t);
  }
  Round r = roundingOf(d);
  uint8_t f = flagsOf(d);
  InsClass cls = t == Type::F64 ? InsClass::Double : InsClass::Float;
  if (r != Round::Nearest) {
    d.ins.mode = static_cast<uint8_t>(r);
    d.ins.flag = f & kFtz;
    d.ins.flag2 = f & kSat;
    return d.finish(t == Type::F64 ? Handler(directed<Op, double, Arity>)
                                   : Handler(directed<Op, float, Arity>),
                    cls);
  }
  if (t == Type::F64) {
    return d.finish(plain<Op, Arity, 0, double>(), cls);
  }
  Handler h = nullptr;
  switch (f) {
  case 0:
    h = plain<Op, Arity, 0, float>();
    break;
  case kFtz:
    h = plain<Op, Arity, kFtz, float>();
    break;
  case kSat:
    h = plain<Op, Arity, kSat, float>();
    break;
  default:
    h = plain<Op, Arity, kFtz | kSat, float>();
  }
  d.finish(h, cls);
}

#if defined(__x86_64__)
/// fma.rn.f32 where the host has the instruction: elsewhere each lane would
/// call the library's software fma.
__attribute__((target("avx2,fma"))) Step fmaFast(Warp &w, const Ins &i,
                                                 Mask m) {
  uint32_t *d = w.at<uint32_t>(i.d);
  const float *a = w.at<float>(i.a), *b = w.at<float>(i.b),
              *c = w.at<float>(i.c);
  uint32_t out[kLanes];
  for (int l = 0; l < kLanes; ++l) {
    float v = __builtin_fmaf(a[l], b[l], c[l]);
    uint32_t bits;
    __builtin_memcpy(&bits, &v, 4);
    out[l] = v == v ? bits : 0x7fffffffu;
  }
  if (m == kAllLanes) {
    __builtin_memcpy(d, out, sizeof out);
    return Step::Next;
  }
  for (; m; m &= m - 1) {
    d[__builtin_ctz(m)] = out[__builtin_ctz(m)];
  }
  return Step::Next;
}
#endif

bool isF32orF64(const Decode &d) {
  Type t = d.type();
  return t == Type::F32 || t == Type::F64;
}

/// Two f32 in a 64-bit register (sm_100 and later).
template <class Op, int Arity>
Step packed(Warp &w, const Ins &i, Mask m) {
  uint64_t *d = w.at<uint64_t>(i.d);
  const uint64_t *a = w.at<uint64_t>(i.a), *b = w.at<uint64_t>(i.b);
  const uint64_t *c = Arity > 2 ? w.at<uint64_t>(i.c) : a;
  bool ftz = i.flag;
  std::fesetround(hostMode(static_cast<Round>(i.mode)));
  for (Mask left = m; left; left &= left - 1) {
    int l = __builtin_ctz(left);
    uint64_t r = 0;
    for (int h = 0; h < 64; h += 32) {
      auto get = [&](uint64_t v) {
        float f = std::bit_cast<float>(static_cast<uint32_t>(v >> h));
        return ftz ? flushDenormal(f) : f;
      };
      volatile float x = get(a[l]), y = get(b[l]), z = get(c[l]), v;
      if constexpr (Arity == 2) {
        v = Op::run(float(x), float(y));
      } else {
        v = Op::run(float(x), float(y), float(z));
      }
      float out = canonical(ftz ? flushDenormal(v) : float(v));
      r |= uint64_t(std::bit_cast<uint32_t>(out)) << h;
    }
    d[l] = r;
  }
  std::fesetround(FE_TONEAREST);
  return Step::Next;
}

template <class Op, int Arity>
bool finishPacked(Decode &d) {
  if (d.type() != Type::F32x2) {
    return false;
  }
  d.ins.mode = static_cast<uint8_t>(roundingOf(d));
  d.ins.flag = d.has("ftz");
  if constexpr (Arity == 2) {
    decodeBinary(d, Type::B64, Type::B64, Type::B64);
  } else {
    decodeTernary(d, Type::B64, Type::B64, Type::B64, Type::B64);
  }
  d.finish(packed<Op, Arity>, InsClass::Float);
  return true;
}

template <class Op>
void decodeSpecialFunction(Decode &d) {
  if (d.type() != Type::F32 && d.type() != Type::F64) {
    if (!decodeHalfArithmetic(d)) {
      d.unsupported();
    }
    return;
  }
  finishFloat<Op, 1>(d);
}

template <class Op>
Step minMax3(Warp &w, const Ins &i, Mask m) {
  uint32_t *d = w.at<uint32_t>(i.d);
  const uint32_t *a = w.at<uint32_t>(i.a), *b = w.at<uint32_t>(i.b),
                 *c = w.at<uint32_t>(i.c);
  each(m, [=](int l) {
    auto f = [](uint32_t v) { return std::bit_cast<float>(v); };
    d[l] = std::bit_cast<uint32_t>(
        canonical(Op::run(Op::run(f(a[l]), f(b[l])), f(c[l]))));
  });
  return Step::Next;
}

template <bool IsMax>
void finishMinMax(Decode &d) {
  bool nan = d.has("NaN"), xorSign = d.has("xorsign");
  if (d.count() == 4) {
    decodeTernary(d, Type::F32, Type::F32, Type::F32, Type::F32);
    if (xorSign || d.has("ftz")) {
      d.unsupported();
    }
    return d.finish(nan ? minMax3<MinMaxNan<IsMax>> : minMax3<MinMax<IsMax>>,
                    InsClass::Float);
  }
  if (xorSign) {
    nan ? finishFloat<XorSign<MinMaxNan<IsMax>>, 2>(d)
        : finishFloat<XorSign<MinMax<IsMax>>, 2>(d);
  } else {
    nan ? finishFloat<MinMaxNan<IsMax>, 2>(d)
        : finishFloat<MinMax<IsMax>, 2>(d);
  }
}

struct CopySign {
  template <class T>
  static T run(T a, T b) {
    return std::copysign(b, a);
  }
};

} // namespace

bool decodeFloatAddSub(Decode &d, bool subtract) {
  if (subtract ? finishPacked<Sub, 2>(d) : finishPacked<Add, 2>(d)) {
    return true;
  }
  if (!isF32orF64(d)) {
    return false;
  }
  // add.f32.bf16 and friends widen the second operand (sm_100).
  Type other = d.typeAt(1);
  if (other == Type::F16 || other == Type::BF16) {
    return false;
  }
  subtract ? finishFloat<Sub, 2>(d) : finishFloat<Add, 2>(d);
  return true;
}

bool decodeFloatMul(Decode &d) {
  if (finishPacked<Mul, 2>(d)) {
    return true;
  }
  if (isF32orF64(d)) {
    finishFloat<Mul, 2>(d);
    return true;
  }
  return false;
}

bool decodeFloatFma(Decode &d) {
  if (finishPacked<Fma, 3>(d)) {
    return true;
  }
  if (isF32orF64(d)) {
    finishFloat<Fma, 3>(d);
#if defined(__x86_64__)
    if (d.type() == Type::F32 && roundingOf(d) == Round::Nearest &&
        flagsOf(d) == 0 && __builtin_cpu_supports("fma") &&
        __builtin_cpu_supports("avx2")) {
      d.ins.run = fmaFast;
    }
#endif
    return true;
  }
  return false;
}

bool decodeFloatDiv(Decode &d) {
  if (isF32orF64(d)) {
    finishFloat<Div, 2>(d);
    return true;
  }
  return false;
}

bool decodeFloatMinMax(Decode &d, bool max) {
  if (!isF32orF64(d)) {
    return false;
  }
  if (d.type() == Type::F64) {
    max ? finishFloat<MinMax<true>, 2>(d) : finishFloat<MinMax<false>, 2>(d);
  } else {
    max ? finishMinMax<true>(d) : finishMinMax<false>(d);
  }
  return true;
}

bool decodeFloatUnary(Decode &d) {
  if (!isF32orF64(d)) {
    return false;
  }
  // abs and neg keep NaN payloads; no canonical form.
  Type t = d.type();
  bool negate = d.ast.parts[0] == "neg", ftz = d.has("ftz");
  decodeUnary(d, t, t);
  d.ins.flag = ftz;
  d.ins.flag2 = negate;
  if (t == Type::F64) {
    d.finish(negate ? unary<Neg, double, double> : unary<Abs, double, double>,
             InsClass::Double);
    return true;
  }
  d.finish(
      [](Warp &w, const Ins &i, Mask m) {
        uint32_t *r = w.at<uint32_t>(i.d);
        const uint32_t *a = w.at<uint32_t>(i.a);
        bool flushing = i.flag, neg = i.flag2;
        each(m, [=](int l) {
          uint32_t v = a[l];
          v = flushing && !(v & 0x7f800000) ? v & 0x80000000 : v;
          r[l] = neg ? v ^ 0x80000000 : v & 0x7fffffff;
        });
        return Step::Next;
      },
      InsClass::Float);
  return true;
}

void addFloat(OpTable &t) {
  t["fma"] = [](Decode &d) {
    if (!decodeFloatFma(d) && !decodeHalfArithmetic(d)) {
      d.unsupported();
    }
  };
  t["rcp"] = decodeSpecialFunction<Rcp>;
  t["sqrt"] = decodeSpecialFunction<Sqrt>;
  t["rsqrt"] = decodeSpecialFunction<Rsqrt>;
  t["sin"] = decodeSpecialFunction<Sin>;
  t["cos"] = decodeSpecialFunction<Cos>;
  t["lg2"] = decodeSpecialFunction<Lg2>;
  t["ex2"] = decodeSpecialFunction<Ex2>;
  t["tanh"] = decodeSpecialFunction<Tanh>;
  t["copysign"] = [](Decode &d) {
    Type ty = d.type();
    decodeBinary(d, ty, ty, ty);
    d.finish(ty == Type::F64 ? Handler(binary<CopySign, double, double>)
                             : Handler(binary<CopySign, float, float>),
             InsClass::Float);
  };
}

} // namespace rill::emu
