// f16 and bf16 arithmetic, scalar and packed: PTX ISA 9.7.4.
#include "Lanes.h"
#include "Numeric.h"

namespace rill::emu {

namespace {

struct F16 {
  static double widen(uint16_t v) { return halfToFloat(v); }
  static uint16_t narrow(double v) { return floatToHalf(v); }
};
struct BF16 {
  static double widen(uint16_t v) { return bf16ToFloat(v); }
  static uint16_t narrow(double v) { return floatToBf16(v); }
};

/// p + c rounded to odd, so that a later rounding sees no false tie.
double addOdd(double p, double c) {
  double s = p + c;
  if (!std::isfinite(s)) {
    return s;
  }
  double bb = s - p, err = (p - (s - bb)) + (c - bb);
  if (err != 0 && !(std::bit_cast<uint64_t>(s) & 1)) {
    s = std::nextafter(s, err > 0 ? INFINITY : -INFINITY);
  }
  return s;
}

enum class Op : uint8_t { Add, Sub, Mul, Fma, Min, Max, Ex2, Tanh, Neg, Abs };
enum Flags : uint8_t { kSat = 1, kRelu = 2, kFtz = 4, kNan = 8, kXor = 16 };

double pickMinMax(bool max, bool nan, double a, double b) {
  if (std::isnan(a) || std::isnan(b)) {
    return nan || (std::isnan(a) && std::isnan(b)) ? NAN
           : std::isnan(a)                         ? b
                                                   : a;
  }
  if (a == b) {
    return max == std::signbit(a) ? b : a;
  }
  return (max ? a > b : a < b) ? a : b;
}

template <class F>
double flushHalf(double v) {
  return std::fabs(v) < 6.103515625e-05 ? std::copysign(0.0, v) : v;
}

template <class F>
uint16_t compute(Op op, uint8_t flags, uint16_t ab, uint16_t bb, uint16_t cb) {
  if (op == Op::Neg) {
    return ab ^ 0x8000;
  }
  if (op == Op::Abs) {
    return ab & 0x7fff;
  }
  double a = F::widen(ab), b = F::widen(bb), c = F::widen(cb), r = 0;
  if (flags & kFtz) {
    a = flushHalf<F>(a);
    b = flushHalf<F>(b);
    c = flushHalf<F>(c);
  }
  switch (op) {
  case Op::Add:
    r = a + b;
    break;
  case Op::Sub:
    r = a - b;
    break;
  case Op::Mul:
    r = a * b;
    break;
  case Op::Fma:
    r = addOdd(a * b, c);
    break;
  case Op::Ex2:
    r = std::exp2(a);
    break;
  case Op::Tanh:
    r = std::tanh(a);
    break;
  default: {
    bool negative = std::signbit(a) != std::signbit(b);
    if (flags & kXor) {
      a = std::fabs(a);
      b = std::fabs(b);
    }
    r = pickMinMax(op == Op::Max, flags & kNan, a, b);
    r = (flags & kXor) && negative ? -r : r;
  }
  }
  if (flags & kSat) {
    r = saturate(r);
  }
  if ((flags & kRelu) && !(r > 0)) {
    r = std::isnan(r) ? r : 0.0;
  }
  if (flags & kFtz) {
    r = flushHalf<F>(r);
  }
  return F::narrow(r);
}

template <class F, bool Packed>
Step half(Warp &w, const Ins &i, Mask m) {
  uint32_t *d = w.at<uint32_t>(i.d);
  const uint32_t *a = w.at<uint32_t>(i.a);
  const uint32_t *b = i.b == kNoReg ? a : w.at<uint32_t>(i.b);
  const uint32_t *c = i.c == kNoReg ? a : w.at<uint32_t>(i.c);
  Op op = static_cast<Op>(i.mode);
  uint8_t flags = i.count;
  for (Mask left = m; left; left &= left - 1) {
    int l = __builtin_ctz(left);
    uint32_t r =
        compute<F>(op, flags, uint16_t(a[l]), uint16_t(b[l]), uint16_t(c[l]));
    if (Packed) {
      r |= uint32_t(compute<F>(op, flags, uint16_t(a[l] >> 16),
                               uint16_t(b[l] >> 16), uint16_t(c[l] >> 16)))
           << 16;
    }
    d[l] = r;
  }
  return Step::Next;
}

/// add/sub/fma.f32.{f16,bf16}: the narrow operands are widened (sm_100).
template <class F>
Step mixed(Warp &w, const Ins &i, Mask m) {
  uint32_t *d = w.at<uint32_t>(i.d);
  const uint32_t *a = w.at<uint32_t>(i.a), *b = w.at<uint32_t>(i.b);
  const uint32_t *c = i.c == kNoReg ? b : w.at<uint32_t>(i.c);
  Op op = static_cast<Op>(i.mode);
  bool sat = i.flag;
  each(m, [=](int l) {
    float x = static_cast<float>(F::widen(uint16_t(a[l])));
    float last = std::bit_cast<float>(c[l]);
    float r =
        op == Op::Add ? x + last
        : op == Op::Sub
            ? x - last
            : std::fma(x, static_cast<float>(F::widen(uint16_t(b[l]))), last);
    d[l] = std::bit_cast<uint32_t>(sat ? saturate(r) : r);
  });
  return Step::Next;
}

bool decodeMixed(Decode &d, Op op) {
  Type first = d.typeAt(0), second = d.typeAt(1);
  if (first != Type::F32 || (second != Type::F16 && second != Type::BF16)) {
    return false;
  }
  bool fma = op == Op::Fma;
  d.arity(fma ? 4 : 3, fma ? 4 : 3);
  d.ins.a = d.src(d.op(1), second);
  d.ins.b = d.src(d.op(2), fma ? second : Type::F32);
  if (fma) {
    d.ins.c = d.src(d.op(3), Type::F32);
  }
  d.ins.d = d.dst(d.op(0), Type::F32);
  d.ins.mode = static_cast<uint8_t>(op);
  d.ins.flag = d.has("sat");
  d.finish(second == Type::F16 ? mixed<F16> : mixed<BF16>, InsClass::Float);
  return true;
}

struct Row {
  std::string_view name;
  Op op;
  unsigned sources;
};
constexpr Row kRows[] = {{"add", Op::Add, 2}, {"sub", Op::Sub, 2},
                         {"mul", Op::Mul, 2}, {"fma", Op::Fma, 3},
                         {"min", Op::Min, 2}, {"max", Op::Max, 2},
                         {"ex2", Op::Ex2, 1}, {"tanh", Op::Tanh, 1},
                         {"neg", Op::Neg, 1}, {"abs", Op::Abs, 1}};

} // namespace

bool decodeHalfArithmetic(Decode &d) {
  const Row *row = nullptr;
  for (const Row &r : kRows) {
    if (r.name == d.ast.parts[0]) {
      row = &r;
    }
  }
  if (!row) {
    return false;
  }
  if (decodeMixed(d, row->op)) {
    return true;
  }
  Type t = d.type();
  bool packed = t == Type::F16x2 || t == Type::BF16x2;
  bool bf = t == Type::BF16 || t == Type::BF16x2;
  if (!packed && t != Type::F16 && t != Type::BF16) {
    return false;
  }
  if (d.has("rz") || d.has("rm") || d.has("rp") ||
      d.count() > row->sources + 1) {
    d.unsupported();
  }
  Type bits = packed ? Type::B32 : Type::B16;
  d.arity(row->sources + 1, row->sources + 1);
  d.ins.a = d.src(d.op(1), bits);
  d.ins.b = row->sources > 1 ? d.src(d.op(2), bits) : kNoReg;
  d.ins.c = row->sources > 2 ? d.src(d.op(3), bits) : kNoReg;
  d.ins.d = d.dst(d.op(0), bits);
  d.ins.mode = static_cast<uint8_t>(row->op);
  d.ins.count = static_cast<uint8_t>(
      (d.has("sat") ? kSat : 0) | (d.has("relu") ? kRelu : 0) |
      (d.has("ftz") && !bf ? kFtz : 0) | (d.has("NaN") ? kNan : 0) |
      (d.has("xorsign") ? kXor : 0));
  Handler h = bf ? (packed ? half<BF16, true> : half<BF16, false>)
                 : (packed ? half<F16, true> : half<F16, false>);
  d.finish(h, InsClass::Half);
  return true;
}

void addHalf(OpTable &) {
  // The names are shared with the integer and float families, which ask
  // decodeHalfArithmetic.
}

} // namespace rill::emu
