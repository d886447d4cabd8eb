// Comparison and selection: PTX ISA 9.7.5 and 9.7.6.
#include "Lanes.h"
#include "Numeric.h"

namespace rill::emu {

namespace {

enum class Cmp : uint8_t {
  Eq,
  Ne,
  Lt,
  Le,
  Gt,
  Ge,
  Equ,
  Neu,
  Ltu,
  Leu,
  Gtu,
  Geu,
  Num,
  Nan
};

template <Cmp C>
struct Compare {
  template <class T>
  static bool run(T a, T b) {
    bool unordered = a != a || b != b;
    switch (C) {
    case Cmp::Eq:
      return a == b;
    case Cmp::Ne:
      return !unordered && a != b;
    case Cmp::Lt:
      return a < b;
    case Cmp::Le:
      return a <= b;
    case Cmp::Gt:
      return a > b;
    case Cmp::Ge:
      return a >= b;
    case Cmp::Equ:
      return unordered || a == b;
    case Cmp::Neu:
      return unordered || a != b;
    case Cmp::Ltu:
      return unordered || a < b;
    case Cmp::Leu:
      return unordered || a <= b;
    case Cmp::Gtu:
      return unordered || a > b;
    case Cmp::Geu:
      return unordered || a >= b;
    case Cmp::Num:
      return !unordered;
    case Cmp::Nan:
      return unordered;
    }
  }
};

/// The bits of lanes where the comparison holds.
using CompareFn = Mask (*)(const Warp &, const char *, const char *, bool);

template <class T, Cmp C>
Mask compareLanes(const Warp &, const char *pa, const char *pb, bool ftz) {
  const Cell<T> *a = reinterpret_cast<const Cell<T> *>(pa);
  const Cell<T> *b = reinterpret_cast<const Cell<T> *>(pb);
  uint8_t bits[kLanes];
  for (int l = 0; l < kLanes; ++l) {
    T x = fromCell<T>(a[l]), y = fromCell<T>(b[l]);
    if constexpr (std::is_same_v<T, float>) {
      x = ftz ? flushDenormal(x) : x;
      y = ftz ? flushDenormal(y) : y;
    }
    bits[l] = Compare<C>::run(x, y);
  }
  Mask out = 0;
  for (int l = 0; l < kLanes; ++l) {
    out |= Mask(bits[l]) << l;
  }
  return out;
}

/// 16-bit floats: bits 0-15, or 16-31 when High.
template <bool BF, bool High, Cmp C>
Mask compareHalves(const Warp &, const char *pa, const char *pb, bool) {
  const uint32_t *a = reinterpret_cast<const uint32_t *>(pa);
  const uint32_t *b = reinterpret_cast<const uint32_t *>(pb);
  Mask out = 0;
  for (int l = 0; l < kLanes; ++l) {
    uint16_t x = uint16_t(a[l] >> (High ? 16 : 0));
    uint16_t y = uint16_t(b[l] >> (High ? 16 : 0));
    out |= Mask(Compare<C>::run(BF ? bf16ToFloat(x) : halfToFloat(x),
                                BF ? bf16ToFloat(y) : halfToFloat(y)))
           << l;
  }
  return out;
}

template <class F>
CompareFn pickCompare(Cmp c, F f) {
  switch (c) {
#define RILL_CASE(name)                                                        \
  case Cmp::name:                                                              \
    return f.template operator()<Cmp::name>();
    RILL_CASE(Eq)
    RILL_CASE(Ne)
    RILL_CASE(Lt)
    RILL_CASE(Le)
    RILL_CASE(Gt)
    RILL_CASE(Ge)
    RILL_CASE(Equ)
    RILL_CASE(Neu)
    RILL_CASE(Ltu)
    RILL_CASE(Leu)
    RILL_CASE(Gtu)
    RILL_CASE(Geu)
    RILL_CASE(Num)
    RILL_CASE(Nan)
#undef RILL_CASE
  }
  return nullptr;
}

template <class T>
CompareFn compareOf(Cmp c) {
  return pickCompare(c, []<Cmp C>() { return CompareFn(compareLanes<T, C>); });
}
template <bool BF, bool High>
CompareFn compareHalfOf(Cmp c) {
  return pickCompare(
      c, []<Cmp C>() { return CompareFn(compareHalves<BF, High, C>); });
}

CompareFn compareOf(Cmp c, Type t, bool high) {
  switch (t) {
  case Type::U16:
  case Type::B16:
    return compareOf<uint16_t>(c);
  case Type::U32:
  case Type::B32:
    return compareOf<uint32_t>(c);
  case Type::U64:
  case Type::B64:
    return compareOf<uint64_t>(c);
  case Type::S16:
    return compareOf<int16_t>(c);
  case Type::S32:
    return compareOf<int32_t>(c);
  case Type::S64:
    return compareOf<int64_t>(c);
  case Type::F32:
    return compareOf<float>(c);
  case Type::F64:
    return compareOf<double>(c);
  case Type::F16:
    return compareHalfOf<false, false>(c);
  case Type::BF16:
    return compareHalfOf<true, false>(c);
  case Type::F16x2:
    return high ? compareHalfOf<false, true>(c)
                : compareHalfOf<false, false>(c);
  case Type::BF16x2:
    return high ? compareHalfOf<true, true>(c) : compareHalfOf<true, false>(c);
  default:
    return nullptr;
  }
}

/// `lo ls hi hs` are the unsigned spellings.
Cmp comparisonOf(const Decode &d) {
  static constexpr std::pair<std::string_view, Cmp> kNames[] = {
      {"eq", Cmp::Eq},   {"ne", Cmp::Ne},   {"lt", Cmp::Lt},
      {"le", Cmp::Le},   {"gt", Cmp::Gt},   {"ge", Cmp::Ge},
      {"lo", Cmp::Lt},   {"ls", Cmp::Le},   {"hi", Cmp::Gt},
      {"hs", Cmp::Ge},   {"equ", Cmp::Equ}, {"neu", Cmp::Neu},
      {"ltu", Cmp::Ltu}, {"leu", Cmp::Leu}, {"gtu", Cmp::Gtu},
      {"geu", Cmp::Geu}, {"num", Cmp::Num}, {"nan", Cmp::Nan}};
  for (auto &[name, cmp] : kNames) {
    if (d.ast.parts.size() > 1 && d.ast.parts[1] == name) {
      return cmp;
    }
  }
  d.unsupported();
}

enum Bool : uint8_t { kPlain, kAnd, kOr, kXor };

Bool boolOf(const Decode &d) {
  return d.has("and") ? kAnd : d.has("or") ? kOr : d.has("xor") ? kXor : kPlain;
}

Mask combine(Bool op, Mask a, Mask q) {
  return op == kAnd ? a & q : op == kOr ? a | q : op == kXor ? a ^ q : a;
}

/// The compare function travels in Ins::imm; a second one (for the high
/// halves of packed types) in info.ints[0].
Mask runCompare(Warp &w, const Ins &i, int64_t fn) {
  return reinterpret_cast<CompareFn>(fn)(w, w.regs + i.a, w.regs + i.b, i.flag);
}

Step setp(Warp &w, const Ins &i, Mask m) {
  Mask r = runCompare(w, i, i.imm);
  Mask &p = w.predicate(i.d);
  p = (p & ~m) | (r & m);
  return Step::Next;
}

/// setp with a second result and a combining predicate.
Step setpFull(Warp &w, const Ins &i, Mask m) {
  const InsInfo &info = w.program->infos[i.info];
  Mask r = runCompare(w, i, i.imm);
  Mask second = info.ints.empty() ? ~r : runCompare(w, i, info.ints[0]);
  Mask q = kAllLanes;
  if (i.c != kNoReg) {
    q = w.predicate(i.c);
    q = i.flag2 ? ~q : q;
  }
  Bool op = static_cast<Bool>(i.mode);
  r = combine(op, r, q);
  second = combine(op, second, q);
  Mask &p = w.predicate(i.d);
  p = (p & ~m) | (r & m);
  if (!info.regs.empty()) {
    Mask &p2 = w.predicate(info.regs[0]);
    p2 = (p2 & ~m) | (second & m);
  }
  return Step::Next;
}

void decodeSetp(Decode &d) {
  d.arity(3, 4);
  Type t = d.type();
  Cmp c = comparisonOf(d);
  d.ins.a = d.src(d.op(1), t);
  d.ins.b = d.src(d.op(2), t);
  d.ins.flag = d.has("ftz");
  d.ins.mode = boolOf(d);
  CompareFn fn = compareOf(c, t, false), high = compareOf(c, t, true);
  if (!fn) {
    d.unsupported();
  }
  d.ins.imm = reinterpret_cast<int64_t>(fn);
  const Operand &out = d.op(0);
  bool pair = out.kind == Operand::Pair;
  if (d.count() == 4) {
    d.ins.c = d.predicate(d.op(3), d.ins.flag2);
  }
  d.ins.d = d.predicateOut(pair ? out.items[0] : out);
  if (pair) {
    d.info.regs.push_back(d.predicateOut(out.items[1]));
  }
  if (t == Type::F16x2 || t == Type::BF16x2) {
    d.info.ints.push_back(reinterpret_cast<int64_t>(high));
  }
  d.finish(pair || d.count() == 4 ? setpFull : setp, InsClass::Compare);
}

/// set.CmpOp.dtype.stype: all ones (or 1.0) where true.
Step setValue(Warp &w, const Ins &i, Mask m) {
  const InsInfo &info = w.program->infos[i.info];
  Mask r = runCompare(w, i, i.imm), q = kAllLanes;
  if (i.c != kNoReg) {
    q = i.flag2 ? ~w.predicate(i.c) : w.predicate(i.c);
  }
  Bool op = static_cast<Bool>(i.mode);
  r = combine(op, r, q);
  uint32_t *d = w.at<uint32_t>(i.d);
  uint32_t yes = static_cast<uint32_t>(info.ints[0]);
  bool packed = info.ints.size() > 1;
  Mask high = packed ? combine(op, runCompare(w, i, info.ints[1]), q) : 0;
  each(m, [=](int l) {
    uint32_t v = (r >> l & 1) ? yes : 0;
    d[l] = packed ? (v & 0xffff) | ((high >> l & 1) ? yes << 16 : 0) : v;
  });
  return Step::Next;
}

void decodeSet(Decode &d) {
  d.arity(3, 4);
  Type td = d.typeAt(0), ts = d.typeAt(1);
  if (ts == Type::None) {
    ts = td;
  }
  Cmp c = comparisonOf(d);
  d.ins.a = d.src(d.op(1), ts);
  d.ins.b = d.src(d.op(2), ts);
  d.ins.flag = d.has("ftz");
  d.ins.mode = boolOf(d);
  if (d.count() == 4) {
    d.ins.c = d.predicate(d.op(3), d.ins.flag2);
  }
  d.ins.d = d.dst(d.op(0), td);
  CompareFn fn = compareOf(c, ts, false);
  if (!fn) {
    d.unsupported();
  }
  d.ins.imm = reinterpret_cast<int64_t>(fn);
  bool packed = ts == Type::F16x2 || ts == Type::BF16x2;
  uint32_t one = td == Type::F32                          ? 0x3f800000
                 : td == Type::F16 || td == Type::F16x2   ? 0x3c00
                 : td == Type::BF16 || td == Type::BF16x2 ? 0x3f80
                 : typeSize(td) == 2 || packed            ? 0xffff
                                                          : ~0u;
  d.info.ints.push_back(one);
  if (packed) {
    d.info.ints.push_back(reinterpret_cast<int64_t>(compareOf(c, ts, true)));
  }
  d.finish(setValue, InsClass::Compare);
}

template <class C>
Step selp(Warp &w, const Ins &i, Mask m) {
  C *d = w.at<C>(i.d);
  const C *a = w.at<C>(i.a), *b = w.at<C>(i.b);
  Mask p = i.flag ? ~w.predicate(i.c) : w.predicate(i.c);
  each(m, [=](int l) { d[l] = (p >> l & 1) ? a[l] : b[l]; });
  return Step::Next;
}

void decodeSelp(Decode &d) {
  d.arity(4, 4);
  Type t = d.type();
  d.ins.a = d.src(d.op(1), t);
  d.ins.b = d.src(d.op(2), t);
  d.ins.c = d.predicate(d.op(3), d.ins.flag);
  d.ins.d = d.dst(d.op(0), t);
  d.finish(typeSize(t) == 8 ? selp<uint64_t> : selp<uint32_t>,
           InsClass::Compare);
}

template <class C>
Step slct(Warp &w, const Ins &i, Mask m) {
  C *d = w.at<C>(i.d);
  const C *a = w.at<C>(i.a), *b = w.at<C>(i.b);
  const uint32_t *c = w.at<uint32_t>(i.c);
  bool isFloat = i.flag, ftz = i.flag2;
  each(m, [=](int l) {
    float f = std::bit_cast<float>(c[l]);
    bool first =
        isFloat ? (ftz ? flushDenormal(f) : f) >= 0.0f : int32_t(c[l]) >= 0;
    d[l] = first ? a[l] : b[l];
  });
  return Step::Next;
}

void decodeSlct(Decode &d) {
  d.arity(4, 4);
  Type t = d.typeAt(0), tc = d.typeAt(1);
  d.ins.a = d.src(d.op(1), t);
  d.ins.b = d.src(d.op(2), t);
  d.ins.c = d.src(d.op(3), tc);
  d.ins.d = d.dst(d.op(0), t);
  d.ins.flag = tc == Type::F32;
  d.ins.flag2 = d.has("ftz");
  d.finish(typeSize(t) == 8 ? slct<uint64_t> : slct<uint32_t>,
           InsClass::Compare);
}

enum class Test : uint8_t {
  Finite,
  Infinite,
  Number,
  NotANumber,
  Normal,
  Subnormal
};

template <class T>
Step testp(Warp &w, const Ins &i, Mask m) {
  const Cell<T> *a = w.at<Cell<T>>(i.a);
  Mask r = 0;
  for (int l = 0; l < kLanes; ++l) {
    T v = fromCell<T>(a[l]);
    bool t = false;
    switch (static_cast<Test>(i.mode)) {
    case Test::Finite:
      t = std::isfinite(v);
      break;
    case Test::Infinite:
      t = std::isinf(v);
      break;
    case Test::Number:
      t = !std::isnan(v);
      break;
    case Test::NotANumber:
      t = std::isnan(v);
      break;
    case Test::Normal:
      t = std::isnormal(v);
      break;
    case Test::Subnormal:
      t = std::fpclassify(v) == FP_SUBNORMAL;
      break;
    }
    r |= Mask(t) << l;
  }
  Mask &p = w.predicate(i.d);
  p = (p & ~m) | (r & m);
  return Step::Next;
}

void decodeTestp(Decode &d) {
  d.arity(2, 2);
  Type t = d.type();
  d.ins.a = d.src(d.op(1), t);
  d.ins.d = d.predicateOut(d.op(0));
  Test test = d.has("finite")       ? Test::Finite
              : d.has("infinite")   ? Test::Infinite
              : d.has("number")     ? Test::Number
              : d.has("notanumber") ? Test::NotANumber
              : d.has("normal")     ? Test::Normal
                                    : Test::Subnormal;
  d.ins.mode = static_cast<uint8_t>(test);
  d.finish(t == Type::F64 ? testp<double> : testp<float>, InsClass::Compare);
}

} // namespace

void addCompare(OpTable &t) {
  t["setp"] = decodeSetp;
  t["set"] = decodeSet;
  t["selp"] = decodeSelp;
  t["slct"] = decodeSlct;
  t["testp"] = decodeTestp;
}

} // namespace rill::emu
