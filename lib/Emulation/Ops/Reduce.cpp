// Reductions of asynchronous copies, element by element.
#include "Reduce.h"

#include "Numeric.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace rill::emu {

namespace {

template <class T>
T reduceInt(RedOp op, T old, T v) {
  using V = std::make_unsigned_t<T>;
  switch (op) {
  case RedOp::Add:
    return static_cast<T>(V(old) + V(v));
  case RedOp::Min:
    return std::min(old, v);
  case RedOp::Max:
    return std::max(old, v);
  case RedOp::And:
    return old & v;
  case RedOp::Or:
    return old | v;
  case RedOp::Xor:
    return old ^ v;
  case RedOp::Inc:
    return V(old) >= V(v) ? T(0) : static_cast<T>(old + 1);
  case RedOp::Dec:
    return old == 0 || V(old) > V(v) ? v : static_cast<T>(old - 1);
  default:
    return v;
  }
}

} // namespace

void reduceBytes(RedOp op, Type t, char *to, const char *from, size_t bytes) {
  unsigned n = typeSize(t) ? typeSize(t) : 1;
  if (op == RedOp::None) {
    std::memcpy(to, from, bytes);
    return;
  }
  for (size_t at = 0; at + n <= bytes; at += n) {
    auto with = [&](auto sample, auto f) {
      decltype(sample) a, b;
      std::memcpy(&a, to + at, n);
      std::memcpy(&b, from + at, n);
      a = f(a, b);
      std::memcpy(to + at, &a, n);
    };
    auto real = [op](double a, double b) {
      return op == RedOp::Add   ? a + b
             : op == RedOp::Min ? std::fmin(a, b)
                                : std::fmax(a, b);
    };
    switch (t) {
    case Type::F32:
      with(0.0f, [&](float a, float b) {
        return op == RedOp::Add ? a + b : float(real(a, b));
      });
      break;
    case Type::F64:
      with(0.0, [&](double a, double b) { return real(a, b); });
      break;
    case Type::F16:
      with(uint16_t(0), [&](uint16_t a, uint16_t b) {
        return floatToHalf(real(halfToFloat(a), halfToFloat(b)));
      });
      break;
    case Type::BF16:
      with(uint16_t(0), [&](uint16_t a, uint16_t b) {
        return floatToBf16(real(bf16ToFloat(a), bf16ToFloat(b)));
      });
      break;
    case Type::S32:
      with(int32_t(0),
           [&](int32_t a, int32_t b) { return reduceInt(op, a, b); });
      break;
    case Type::S64:
      with(int64_t(0),
           [&](int64_t a, int64_t b) { return reduceInt(op, a, b); });
      break;
    case Type::U64:
    case Type::B64:
      with(uint64_t(0),
           [&](uint64_t a, uint64_t b) { return reduceInt(op, a, b); });
      break;
    default:
      with(uint32_t(0),
           [&](uint32_t a, uint32_t b) { return reduceInt(op, a, b); });
    }
  }
}

RedOp reductionOf(const Decode &d) {
  static constexpr std::pair<std::string_view, RedOp> kNames[] = {
      {"add", RedOp::Add}, {"min", RedOp::Min}, {"max", RedOp::Max},
      {"and", RedOp::And}, {"or", RedOp::Or},   {"xor", RedOp::Xor},
      {"inc", RedOp::Inc}, {"dec", RedOp::Dec}};
  for (auto &[n, op] : kNames) {
    if (d.has(n)) {
      return op;
    }
  }
  d.unsupported();
}

} // namespace rill::emu
