// cvt and cvt.pack: PTX ISA 9.7.9.21 and 9.7.9.22.
#include "Lanes.h"
#include "Numeric.h"

#include <limits>

namespace rill::emu {

namespace {

Round roundingOf(const Decode &d, bool toInteger) {
  if (d.has("rz") || d.has("rzi")) {
    return Round::Zero;
  }
  if (d.has("rm") || d.has("rmi")) {
    return Round::Down;
  }
  if (d.has("rp") || d.has("rpi")) {
    return Round::Up;
  }
  if (d.has("rna")) {
    return Round::NearestAway;
  }
  (void)toInteger;
  return Round::Nearest;
}

double roundToInteger(double v, Round mode) {
  switch (mode) {
  case Round::Zero:
    return std::trunc(v);
  case Round::Down:
    return std::floor(v);
  case Round::Up:
    return std::ceil(v);
  case Round::NearestAway:
    return std::round(v);
  default:
    return std::nearbyint(v);
  }
}

/// Everything an ordinary (one to one) conversion needs to know.
struct Plan {
  Type to, from;
  Round round;
  bool ftz, sat, relu, satfinite, integral; ///< integral: float to float .rni
};

/// A source value: exactly one of the three is meant.
struct Value {
  bool isFloat = false, negative = false;
  double f = 0;
  uint64_t magnitude = 0;
};

Value readInteger(uint64_t bits, Type t) {
  Value v;
  unsigned n = typeSize(t) * 8;
  int64_t s = static_cast<int64_t>(bits << (64 - n)) >> (64 - n);
  uint64_t u = n == 64 ? bits : bits & ((uint64_t(1) << n) - 1);
  v.negative = isSigned(t) && s < 0;
  v.magnitude = v.negative ? 0 - static_cast<uint64_t>(s) : u;
  return v;
}

double readFloat(uint64_t bits, Type t) {
  switch (t) {
  case Type::F16:
    return halfToFloat(static_cast<uint16_t>(bits));
  case Type::BF16:
    return bf16ToFloat(static_cast<uint16_t>(bits));
  case Type::F32:
  case Type::TF32:
    return std::bit_cast<float>(static_cast<uint32_t>(bits));
  default:
    return std::bit_cast<double>(bits);
  }
}

uint64_t integerFromInteger(const Value &v, const Plan &p) {
  unsigned n = typeSize(p.to) * 8;
  if (p.sat) {
    uint64_t top = isSigned(p.to) ? (uint64_t(1) << (n - 1)) - 1
                   : n == 64      ? ~uint64_t(0)
                                  : (uint64_t(1) << n) - 1;
    if (v.negative) {
      uint64_t low = isSigned(p.to) ? uint64_t(1) << (n - 1) : 0;
      return 0 - std::min(v.magnitude, low);
    }
    return std::min(v.magnitude, top);
  }
  return v.negative ? 0 - v.magnitude : v.magnitude;
}

/// Out of range clamps; NaN gives 0 for narrow integers and the most
/// negative (or 2^63) pattern of cvt to 64 bits.
uint64_t integerFromFloat(double f, const Plan &p) {
  unsigned n = typeSize(p.to) * 8;
  if (std::isnan(f)) {
    return n == 64 ? uint64_t(1) << 63 : 0;
  }
  f = roundToInteger(f, p.round);
  if (isSigned(p.to)) {
    double limit = std::ldexp(1.0, static_cast<int>(n) - 1);
    if (f >= limit) {
      return (uint64_t(1) << (n - 1)) - 1;
    }
    if (f < -limit) {
      return 0 - (uint64_t(1) << (n - 1));
    }
    return static_cast<uint64_t>(static_cast<int64_t>(f));
  }
  if (f <= 0) {
    return 0;
  }
  if (f >= std::ldexp(1.0, static_cast<int>(n))) {
    return n == 64 ? ~uint64_t(0) : (uint64_t(1) << n) - 1;
  }
  return static_cast<uint64_t>(f);
}

/// magnitude in f32 or f64 under a rounding mode, exactly once rounded.
double doubleFromInteger(const Value &v, int mantissa, Round mode) {
  uint64_t m = v.magnitude;
  int bits = 64 - std::countl_zero(m);
  double r = 0;
  if (bits <= mantissa + 1) {
    r = static_cast<double>(m);
  } else {
    int drop = bits - mantissa - 1;
    uint64_t kept = m >> drop, rest = m & ((uint64_t(1) << drop) - 1);
    uint64_t half = uint64_t(1) << (drop - 1);
    bool up = mode == Round::Nearest
                  ? rest > half || (rest == half && (kept & 1))
              : mode == Round::Up   ? !v.negative && rest
              : mode == Round::Down ? v.negative && rest
                                    : false;
    r = std::ldexp(static_cast<double>(kept + up), drop);
  }
  return v.negative ? -r : r;
}

uint64_t writeFloat(double f, const Plan &p) {
  if (p.integral) {
    f = std::copysign(roundToInteger(f, p.round), f);
  }
  if (p.sat) {
    f = saturate(f);
  }
  if (p.relu && !(f > 0) && !std::isnan(f)) {
    f = 0;
  }
  Round round = p.integral ? Round::Nearest : p.round;
  switch (p.to) {
  case Type::F16:
    return floatToHalf(f, round, p.satfinite);
  case Type::BF16:
    return floatToBf16(f, round, p.satfinite);
  case Type::F64:
    return std::bit_cast<uint64_t>(f);
  case Type::TF32: {
    uint32_t bits = floatToTf32(static_cast<float>(f), round);
    return p.satfinite && (bits & 0x7fffffff) == 0x7f800000
               ? (bits & 0x80000000) | 0x7f7fe000
               : bits;
  }
  default: {
    if (std::isnan(f)) {
      return p.from == Type::F32
                 ? std::bit_cast<uint32_t>(static_cast<float>(f))
                 : 0x7fffffff;
    }
    float r = static_cast<float>(
        roundTo(f, 23, -126, 3.4028234663852886e38, true, round));
    return std::bit_cast<uint32_t>(p.ftz ? flushDenormal(r) : r);
  }
  }
}

uint64_t convert(uint64_t bits, const Plan &p) {
  bool toFloat = isFloat(p.to);
  if (!isFloat(p.from)) {
    Value v = readInteger(bits, p.from);
    if (!toFloat) {
      return integerFromInteger(v, p);
    }
    int mantissa = p.to == Type::F64 ? 52 : p.to == Type::F32 ? 23 : 52;
    return writeFloat(doubleFromInteger(v, mantissa, p.round), p);
  }
  double f = readFloat(bits, p.from);
  if (p.ftz && p.from == Type::F32) {
    f = flushDenormal(static_cast<float>(f));
  }
  return toFloat ? writeFloat(f, p) : integerFromFloat(f, p);
}

/// The general path. The plan is kept as integers in the cold part.
Step cvt(Warp &w, const Ins &i, Mask m) {
  const std::vector<int64_t> &n = w.program->infos[i.info].ints;
  Plan p{Type(n[0]), Type(n[1]), Round(n[2]), bool(n[3]),
         bool(n[4]), bool(n[5]), bool(n[6]),  bool(n[7])};
  bool wideIn = n[8], wideOut = n[9];
  unsigned bytes = typeSize(p.to);
  for (Mask left = m; left; left &= left - 1) {
    int l = __builtin_ctz(left);
    uint64_t in = wideIn ? w.at<uint64_t>(i.a)[l] : w.at<uint32_t>(i.a)[l];
    uint64_t out = convert(in, p);
    // Sign or zero extension into a wider register.
    if (!isFloat(p.to) && bytes < 8) {
      unsigned shift = 64 - bytes * 8;
      out = isSigned(p.to) ? static_cast<uint64_t>(
                                 static_cast<int64_t>(out << shift) >> shift)
                           : out << shift >> shift;
    }
    if (wideOut) {
      w.at<uint64_t>(i.d)[l] = out;
    } else {
      w.at<uint32_t>(i.d)[l] = static_cast<uint32_t>(out);
    }
  }
  return Step::Next;
}

// The conversions that fill inner loops, vectorised.
struct WidenBf16 {
  static float run(uint16_t v) { return bf16ToFloat(v); }
};
struct SignExtend {
  static uint64_t run(int32_t v) { return uint64_t(int64_t(v)); }
};
struct ZeroExtend {
  static uint64_t run(uint32_t v) { return v; }
};
struct FromS32 {
  static float run(int32_t v) { return static_cast<float>(v); }
};
struct NarrowBf16 {
  static uint16_t run(float v) { return floatToBf16Fast(v); }
};
struct ToF32 {
  static float run(double v) { return static_cast<float>(v); }
};

Handler fastPath(const Plan &p, unsigned in, unsigned out) {
  bool modifiers = p.ftz || p.sat || p.relu || p.satfinite || p.integral ||
                   p.round != Round::Nearest;
  if (modifiers) {
    return nullptr;
  }
  if (p.to == Type::F32 && p.from == Type::BF16 && in == 2) {
    return unary<WidenBf16, float, uint16_t>;
  }
  if (p.to == Type::BF16 && p.from == Type::F32) {
    return unary<NarrowBf16, uint16_t, float>;
  }
  if (typeSize(p.to) == 8 && !isFloat(p.to) && in == 4 && out == 8) {
    if (p.from == Type::S32) {
      return unary<SignExtend, uint64_t, int32_t>;
    }
    if (p.from == Type::U32) {
      return unary<ZeroExtend, uint64_t, uint32_t>;
    }
  }
  if (p.to == Type::F32 && p.from == Type::S32 && in == 4) {
    return unary<FromS32, float, int32_t>;
  }
  return nullptr;
}

/// Two f32 (or the pair in a register) to a packed narrow type and back.
enum class PackKind : uint8_t {
  F16x2,
  BF16x2,
  E4M3x2,
  E5M2x2,
  E4M3FromHalf,
  E5M2FromHalf,
  HalfFromE4M3,
  HalfFromE5M2
};

uint32_t packTwo(PackKind k, float hi, float lo, Round r, bool relu,
                 bool satfinite) {
  if (relu) {
    hi = hi > 0 || std::isnan(hi) ? hi : 0.0f;
    lo = lo > 0 || std::isnan(lo) ? lo : 0.0f;
  }
  switch (k) {
  case PackKind::F16x2:
    return uint32_t(floatToHalf(hi, r, satfinite)) << 16 |
           floatToHalf(lo, r, satfinite);
  case PackKind::BF16x2:
    return uint32_t(floatToBf16(hi, r, satfinite)) << 16 |
           floatToBf16(lo, r, satfinite);
  case PackKind::E4M3x2:
  case PackKind::E4M3FromHalf:
    return uint32_t(floatToE4M3(hi)) << 8 | floatToE4M3(lo);
  default:
    return uint32_t(floatToE5M2(hi)) << 8 | floatToE5M2(lo);
  }
}

uint32_t unpackTwo(PackKind k, uint16_t v, bool relu) {
  auto get = [&](uint8_t b) {
    float f = k == PackKind::HalfFromE4M3 ? e4m3ToFloat(b) : e5m2ToFloat(b);
    return relu && f < 0 ? 0.0f : f;
  };
  return uint32_t(floatToHalf(get(uint8_t(v >> 8)))) << 16 |
         floatToHalf(get(uint8_t(v)));
}

Step cvtPacked(Warp &w, const Ins &i, Mask m) {
  uint32_t *d = w.at<uint32_t>(i.d);
  const uint32_t *a = w.at<uint32_t>(i.a);
  const uint32_t *b = i.b == kNoReg ? a : w.at<uint32_t>(i.b);
  PackKind k = static_cast<PackKind>(i.mode);
  Round r = static_cast<Round>(i.count);
  if (k == PackKind::BF16x2 && r == Round::Nearest && !i.flag && !i.flag2) {
    each(m, [=](int l) {
      d[l] = uint32_t(floatToBf16Fast(std::bit_cast<float>(a[l]))) << 16 |
             floatToBf16Fast(std::bit_cast<float>(b[l]));
    });
    return Step::Next;
  }
  for (Mask left = m; left; left &= left - 1) {
    int l = __builtin_ctz(left);
    if (k >= PackKind::HalfFromE4M3) {
      d[l] = unpackTwo(k, static_cast<uint16_t>(a[l]), i.flag);
    } else if (k >= PackKind::E4M3FromHalf) {
      d[l] = packTwo(k, halfToFloat(uint16_t(a[l] >> 16)),
                     halfToFloat(uint16_t(a[l])), r, i.flag, true);
    } else {
      d[l] = packTwo(k, std::bit_cast<float>(a[l]), std::bit_cast<float>(b[l]),
                     r, i.flag, i.flag2);
    }
  }
  return Step::Next;
}

bool decodePacked(Decode &d, Type to, Type from) {
  PackKind k;
  if (to == Type::F16x2 && from == Type::F32) {
    k = PackKind::F16x2;
  } else if (to == Type::BF16x2 && from == Type::F32) {
    k = PackKind::BF16x2;
  } else if (to == Type::E4M3x2) {
    k = from == Type::F32 ? PackKind::E4M3x2 : PackKind::E4M3FromHalf;
  } else if (to == Type::E5M2x2) {
    k = from == Type::F32 ? PackKind::E5M2x2 : PackKind::E5M2FromHalf;
  } else if (to == Type::F16x2 && from == Type::E4M3x2) {
    k = PackKind::HalfFromE4M3;
  } else if (to == Type::F16x2 && from == Type::E5M2x2) {
    k = PackKind::HalfFromE5M2;
  } else {
    return false;
  }
  if (d.has("rs")) {
    d.unsupported();
  }
  bool two = from == Type::F32;
  d.arity(two ? 3 : 2, two ? 3 : 2);
  Type bits = k >= PackKind::HalfFromE4M3 ? Type::B16 : Type::B32;
  d.ins.a = d.src(d.op(1), two ? Type::F32 : bits);
  if (two) {
    d.ins.b = d.src(d.op(2), Type::F32);
  }
  bool narrow = to == Type::E4M3x2 || to == Type::E5M2x2;
  d.ins.d = d.dst(d.op(0), narrow ? Type::B16 : Type::B32);
  d.ins.mode = static_cast<uint8_t>(k);
  d.ins.count = static_cast<uint8_t>(roundingOf(d, false));
  d.ins.flag = d.has("relu");
  d.ins.flag2 = d.has("satfinite");
  d.finish(cvtPacked, InsClass::Convert);
  return true;
}

/// cvt.pack.sat.{u16,s16,u8,s8,...}.s32 d, a, b{, c}.
Step cvtPack(Warp &w, const Ins &i, Mask m) {
  const std::vector<int64_t> &n = w.program->infos[i.info].ints;
  Type to = static_cast<Type>(n[0]);
  unsigned bits = static_cast<unsigned>(n[1]);
  Plan p{to, Type::S32, Round::Nearest, false, true, false, false, false};
  uint32_t *d = w.at<uint32_t>(i.d);
  const uint32_t *a = w.at<uint32_t>(i.a), *b = w.at<uint32_t>(i.b);
  const uint32_t *c = i.c == kNoReg ? nullptr : w.at<uint32_t>(i.c);
  uint32_t mask = (1u << bits) - 1;
  for (Mask left = m; left; left &= left - 1) {
    int l = __builtin_ctz(left);
    uint32_t hi = static_cast<uint32_t>(convert(a[l], p)) & mask;
    uint32_t lo = static_cast<uint32_t>(convert(b[l], p)) & mask;
    uint32_t rest = c ? c[l] << 2 * bits : 0;
    d[l] = hi << bits | lo | rest;
  }
  return Step::Next;
}

void decodeCvtPack(Decode &d) {
  Type to = d.typeAt(0);
  unsigned bits = typeSize(to) * 8;
  if (d.typeAt(1) != Type::S32 || bits > 16 || !d.has("sat")) {
    d.unsupported();
  }
  d.arity(3, 4);
  d.ins.a = d.src(d.op(1), Type::B32);
  d.ins.b = d.src(d.op(2), Type::B32);
  if (d.count() == 4) {
    d.ins.c = d.src(d.op(3), Type::B32);
  }
  d.ins.d = d.dst(d.op(0), Type::B32);
  d.info.ints = {static_cast<int64_t>(to), static_cast<int64_t>(bits)};
  d.finish(cvtPack, InsClass::Convert);
}

void decodeCvt(Decode &d) {
  if (d.has("pack")) {
    return decodeCvtPack(d);
  }
  Type to = d.typeAt(0), from = d.typeAt(1);
  if (to == Type::None || from == Type::None) {
    d.unsupported();
  }
  if (decodePacked(d, to, from)) {
    return;
  }
  if (to >= Type::E4M3 || from >= Type::E4M3 || to == Type::F16x2 ||
      to == Type::BF16x2 || from == Type::F16x2) {
    d.unsupported();
  }
  d.arity(2, 2);
  // The registers may be wider than the types.
  unsigned in = d.registerSize(d.op(1)), out = d.registerSize(d.op(0));
  if (in == 0) {
    in = typeSize(from);
  }
  d.ins.a = d.src(d.op(1), in == 8 ? Type::B64 : Type::B32);
  d.ins.d = d.dst(d.op(0), out == 8           ? Type::B64
                           : to == Type::None ? to
                           : out >= 4         ? Type::B32
                                              : Type::B16);
  bool toFloat = isFloat(to), fromFloat = isFloat(from);
  bool integral =
      toFloat && fromFloat &&
      (d.has("rni") || d.has("rzi") || d.has("rmi") || d.has("rpi"));
  Plan p{to,           from,          roundingOf(d, !toFloat), d.has("ftz"),
         d.has("sat"), d.has("relu"), d.has("satfinite"),      integral};
  if (typeSize(from) > in || typeSize(to) > out) {
    d.fail("a register is narrower than its type");
  }
  d.info.ints = {int64_t(p.to), int64_t(p.from), int64_t(p.round), p.ftz,
                 p.sat,         p.relu,          p.satfinite,      p.integral,
                 in == 8,       out == 8};
  Handler fast = fastPath(p, in, out);
  d.finish(fast ? fast : cvt, InsClass::Convert);
}

} // namespace

void addConvert(OpTable &t) { t["cvt"] = decodeCvt; }

} // namespace rill::emu
