// Names and sizes of PTX types.
#include "Type.h"

#include <array>

namespace rill::emu {

namespace {
struct Row {
  std::string_view name;
  Type type;
  uint8_t size;
};
constexpr std::array kRows = {
    Row{"b8", Type::B8, 1},         Row{"b16", Type::B16, 2},
    Row{"b32", Type::B32, 4},       Row{"b64", Type::B64, 8},
    Row{"b128", Type::B128, 16},    Row{"u8", Type::U8, 1},
    Row{"u16", Type::U16, 2},       Row{"u32", Type::U32, 4},
    Row{"u64", Type::U64, 8},       Row{"s8", Type::S8, 1},
    Row{"s16", Type::S16, 2},       Row{"s32", Type::S32, 4},
    Row{"s64", Type::S64, 8},       Row{"f16", Type::F16, 2},
    Row{"f16x2", Type::F16x2, 4},   Row{"bf16", Type::BF16, 2},
    Row{"bf16x2", Type::BF16x2, 4}, Row{"f32", Type::F32, 4},
    Row{"f32x2", Type::F32x2, 8},   Row{"f64", Type::F64, 8},
    Row{"tf32", Type::TF32, 4},     Row{"pred", Type::Pred, 0},
    Row{"e4m3", Type::E4M3, 1},     Row{"e5m2", Type::E5M2, 1},
    Row{"e4m3x2", Type::E4M3x2, 2}, Row{"e5m2x2", Type::E5M2x2, 2},
    Row{"u8x4", Type::U8x4, 4},     Row{"s8x4", Type::S8x4, 4},
    Row{"u16x2", Type::U16x2, 4},   Row{"s16x2", Type::S16x2, 4}};
} // namespace

Type parseType(std::string_view name) {
  for (const Row &row : kRows) {
    if (row.name == name) {
      return row.type;
    }
  }
  return Type::None;
}

unsigned typeSize(Type type) {
  for (const Row &row : kRows) {
    if (row.type == type) {
      return row.size;
    }
  }
  return 0;
}

} // namespace rill::emu
