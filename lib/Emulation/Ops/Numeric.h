// Conversions between f32 and the narrow float formats, and directed
// rounding: PTX ISA 5.2.2 and 9.7.9.
#ifndef LIB_EMULATION_OPS_NUMERIC_H
#define LIB_EMULATION_OPS_NUMERIC_H

#include <bit>
#include <cfenv>
#include <cmath>
#include <cstdint>

namespace rill::emu {

enum class Round : uint8_t { Nearest, Zero, Down, Up, NearestAway };

inline float halfToFloat(uint16_t h) {
  uint32_t sign = uint32_t(h & 0x8000) << 16, e = h >> 10 & 31, f = h & 1023;
  if (e == 31) {
    return std::bit_cast<float>(sign | 0x7f800000 | f << 13);
  }
  if (e == 0) {
    float v = std::ldexp(static_cast<float>(f), -24);
    return sign ? -v : v;
  }
  return std::bit_cast<float>(sign | (e + 112) << 23 | f << 13);
}
inline float bf16ToFloat(uint16_t h) {
  return std::bit_cast<float>(uint32_t(h) << 16);
}

/// Rounds a finite double to a binary format with `mantissa` stored bits,
/// least exponent `minExponent` (of the smallest normal) and a largest finite
/// value; overflow gives what the mode says (infinity when `hasInfinity`).
/// Returns the value; the caller packs the bits.
double roundTo(double v, int mantissa, int minExponent, double largest,
               bool hasInfinity, Round mode);

/// Bits of an f16/bf16 nearest to `v` (or by `mode`). `satfinite` clamps to
/// the largest finite value and keeps NaN; NaN becomes 0x7fff.
uint16_t floatToHalf(double v, Round mode = Round::Nearest,
                     bool satfinite = false);
uint16_t floatToBf16(double v, Round mode = Round::Nearest,
                     bool satfinite = false);
/// E4M3 (no infinity, NaN 0x7f) and E5M2, always satfinite as PTX demands.
uint8_t floatToE4M3(double v);
uint8_t floatToE5M2(double v);
float e4m3ToFloat(uint8_t v);
float e5m2ToFloat(uint8_t v);
/// The 19 bits of TF32, in a 32-bit register.
uint32_t floatToTf32(float v, Round mode);

/// RNE without branches; NaN is quietened, denormals are kept.
inline uint16_t floatToBf16Fast(float f) {
  uint32_t u = std::bit_cast<uint32_t>(f);
  uint32_t r = (u + 0x7fff + (u >> 16 & 1)) >> 16;
  return static_cast<uint16_t>((u & 0x7fffffff) > 0x7f800000 ? 0x7fff : r);
}

inline float flushDenormal(float f) {
  uint32_t u = std::bit_cast<uint32_t>(f);
  return (u & 0x7f800000) ? f : std::bit_cast<float>(u & 0x80000000);
}
inline float saturate(float f) {
  // NaN becomes +0 (PTX ISA 9.7.3).
  return f > 0.0f ? (f < 1.0f ? f : 1.0f) : 0.0f;
}
inline double saturate(double f) { return f > 0.0 ? (f < 1.0 ? f : 1.0) : 0.0; }

} // namespace rill::emu
#endif
