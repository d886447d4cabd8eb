// The scalar types of PTX (ISA 9.0, section 5.2) and their sizes.
#ifndef LIB_EMULATION_PTX_TYPE_H
#define LIB_EMULATION_PTX_TYPE_H

#include <cstdint>
#include <string_view>

namespace rill::emu {

enum class Type : uint8_t {
  None,
  B8,
  B16,
  B32,
  B64,
  B128,
  U8,
  U16,
  U32,
  U64,
  S8,
  S16,
  S32,
  S64,
  F16,
  F16x2,
  BF16,
  BF16x2,
  F32,
  F32x2,
  F64,
  TF32,
  Pred,
  E4M3,
  E5M2,
  E4M3x2,
  E5M2x2,
  U8x4,
  S8x4,
  U16x2,
  S16x2
};

/// The type named without its dot ("u32"), or None.
Type parseType(std::string_view name);

/// Bytes one value takes in memory or a register; 0 for predicates.
unsigned typeSize(Type type);

inline bool isSigned(Type t) {
  return t == Type::S8 || t == Type::S16 || t == Type::S32 || t == Type::S64;
}
inline bool isFloat(Type t) { return t >= Type::F16 && t <= Type::TF32; }

} // namespace rill::emu
#endif
