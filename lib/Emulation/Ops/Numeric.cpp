// Rounding to the narrow float formats.
#include "Numeric.h"

namespace rill::emu {

static double roundInteger(double v, Round mode) {
  switch (mode) {
  case Round::Zero:
    return std::trunc(v);
  case Round::Down:
    return std::floor(v);
  case Round::Up:
    return std::ceil(v);
  case Round::NearestAway:
    return std::round(v);
  case Round::Nearest:
    break;
  }
  double down = std::floor(v), rest = v - down;
  if (rest > 0.5 || (rest == 0.5 && std::fmod(down, 2.0) != 0.0)) {
    return down + 1.0;
  }
  return down;
}

double roundTo(double v, int mantissa, int minExponent, double largest,
               bool hasInfinity, Round mode) {
  if (v == 0.0 || std::isinf(v) || std::isnan(v)) {
    return v;
  }
  int e = std::ilogb(v);
  int quantum = (e < minExponent ? minExponent : e) - mantissa;
  double r = std::ldexp(roundInteger(std::ldexp(v, -quantum), mode), quantum);
  if (std::fabs(r) > largest) {
    bool keep = mode == Round::Zero || (mode == Round::Down && v > 0) ||
                (mode == Round::Up && v < 0) || !hasInfinity;
    r = std::copysign(keep ? largest : INFINITY, v);
  }
  return r == 0.0 ? std::copysign(0.0, v) : r;
}

/// Packs a value that the format holds exactly.
static uint32_t pack(double v, int mantissa, int exponentBits, int bias) {
  uint32_t sign = std::signbit(v) ? 1u : 0u;
  uint32_t top = sign << (mantissa + exponentBits);
  double a = std::fabs(v);
  if (a == 0.0) {
    return top;
  }
  if (std::isinf(a)) {
    return top | ((1u << exponentBits) - 1) << mantissa;
  }
  int e = std::ilogb(a);
  if (e < 1 - bias) {
    return top | static_cast<uint32_t>(std::ldexp(a, mantissa + bias - 1));
  }
  uint32_t f = static_cast<uint32_t>(std::ldexp(a, mantissa - e)) &
               ((1u << mantissa) - 1);
  return top | static_cast<uint32_t>(e + bias) << mantissa | f;
}

uint16_t floatToHalf(double v, Round mode, bool satfinite) {
  if (std::isnan(v)) {
    return 0x7fff;
  }
  if (satfinite && std::fabs(v) > 65504.0) {
    return static_cast<uint16_t>((std::signbit(v) ? 0x8000 : 0) | 0x7bff);
  }
  return static_cast<uint16_t>(
      pack(roundTo(v, 10, -14, 65504.0, true, mode), 10, 5, 15));
}

uint16_t floatToBf16(double v, Round mode, bool satfinite) {
  constexpr double kLargest = 3.3895313892515355e38;
  if (std::isnan(v)) {
    return 0x7fff;
  }
  if (satfinite && std::fabs(v) > kLargest) {
    return static_cast<uint16_t>((std::signbit(v) ? 0x8000 : 0) | 0x7f7f);
  }
  return static_cast<uint16_t>(
      pack(roundTo(v, 7, -126, kLargest, true, mode), 7, 8, 127));
}

uint8_t floatToE4M3(double v) {
  if (std::isnan(v)) {
    return 0x7f;
  }
  if (std::isinf(v)) {
    v = std::copysign(448.0, v);
  }
  return static_cast<uint8_t>(
      pack(roundTo(v, 3, -6, 448.0, false, Round::Nearest), 3, 4, 7));
}

uint8_t floatToE5M2(double v) {
  if (std::isnan(v)) {
    return 0x7f;
  }
  if (std::isinf(v)) {
    v = std::copysign(57344.0, v);
  }
  return static_cast<uint8_t>(
      pack(roundTo(v, 2, -14, 57344.0, false, Round::Nearest), 2, 5, 15));
}

float e4m3ToFloat(uint8_t v) {
  int e = v >> 3 & 15, f = v & 7;
  float sign = v & 0x80 ? -1.0f : 1.0f;
  if (e == 15 && f == 7) {
    return NAN;
  }
  return sign * (e == 0 ? std::ldexp(static_cast<float>(f), -9)
                        : std::ldexp(static_cast<float>(8 + f), e - 10));
}

float e5m2ToFloat(uint8_t v) {
  return halfToFloat(static_cast<uint16_t>(v << 8));
}

uint32_t floatToTf32(float v, Round mode) {
  uint32_t u = std::bit_cast<uint32_t>(v);
  if ((u & 0x7f800000) == 0x7f800000) {
    return (u & 0x7fffff) ? 0x7fffffff : u;
  }
  uint32_t add = mode == Round::Zero      ? 0
                 : mode == Round::Nearest ? 0xfff + (u >> 13 & 1)
                                          : 0x1000;
  return (u + add) & 0xffffe000;
}

} // namespace rill::emu
