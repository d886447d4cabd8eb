// ldmatrix, stmatrix, movmatrix and mma.sync: PTX ISA 9.7.14. Fragment
// layouts: g = lane / 4, t = lane % 4.
#include "../Checks/Access.h"
#include "Lanes.h"
#include "Numeric.h"

namespace rill::emu {

namespace {

/// Shared addresses of the 8 * count rows, checked.
bool matrixRows(Warp &w, const Ins &i, unsigned count, bool write,
                char **rows) {
  const uint32_t *narrow = i.wideBase ? nullptr : w.at<uint32_t>(i.a);
  const uint64_t *wide = i.wideBase ? w.at<uint64_t>(i.a) : nullptr;
  uint32_t offsets[kLanes] = {};
  Mask used = count == 4 ? kAllLanes : (Mask(1) << 8 * count) - 1;
  Scheduler &s = *w.grid->scheduler;
  for (int l = 0; l < int(count) * 8; ++l) {
    uint64_t a = narrow ? uint32_t(narrow[l] + uint32_t(i.imm))
                        : wide[l] + uint64_t(i.imm);
    if (i.space == Space::Generic) {
      a &= ~kWindowMask;
    }
    Cta &c = locateShared(w, l, a, 16, 16, offsets[l]);
    checkShared(w, l, c, offsets[l], 16, write ? Touch::Write : Touch::Read);
    rows[l] = c.shared.data() + offsets[l];
  }
  if (s.options.count) {
    w.countShared(offsets, used, 16);
  }
  return true;
}

Step loadMatrix(Warp &w, const Ins &i, Mask m) {
  if (!w.need(kAllLanes)) {
    return Step::Park;
  }
  const InsInfo &info = w.program->infos[i.info];
  char *rows[kLanes];
  matrixRows(w, i, i.count, false, rows);
  for (unsigned q = 0; q < i.count; ++q) {
    uint32_t *d = w.at<uint32_t>(info.regs[q]);
    for (int l = 0; l < kLanes; ++l) {
      int g = l >> 2, t = l & 3;
      uint16_t lo, hi;
      if (i.flag) {
        std::memcpy(&lo, rows[8 * q + 2 * t] + 2 * g, 2);
        std::memcpy(&hi, rows[8 * q + 2 * t + 1] + 2 * g, 2);
        d[l] = uint32_t(hi) << 16 | lo;
      } else {
        std::memcpy(d + l, rows[8 * q + g] + 4 * t, 4);
      }
    }
  }
  (void)m;
  return Step::Next;
}

Step storeMatrix(Warp &w, const Ins &i, Mask m) {
  if (!w.need(kAllLanes)) {
    return Step::Park;
  }
  const InsInfo &info = w.program->infos[i.info];
  char *rows[kLanes];
  matrixRows(w, i, i.count, true, rows);
  for (unsigned q = 0; q < i.count; ++q) {
    const uint32_t *a = w.at<uint32_t>(info.regs[q]);
    for (int l = 0; l < kLanes; ++l) {
      int g = l >> 2, t = l & 3;
      if (i.flag) {
        uint16_t lo = uint16_t(a[l]), hi = uint16_t(a[l] >> 16);
        std::memcpy(rows[8 * q + 2 * t] + 2 * g, &lo, 2);
        std::memcpy(rows[8 * q + 2 * t + 1] + 2 * g, &hi, 2);
      } else {
        std::memcpy(rows[8 * q + g] + 4 * t, a + l, 4);
      }
    }
  }
  (void)m;
  ++w.grid->scheduler->progress;
  return Step::Next;
}

Step moveMatrix(Warp &w, const Ins &i, Mask) {
  if (!w.need(kAllLanes)) {
    return Step::Park;
  }
  const uint32_t *a = w.at<uint32_t>(i.a);
  uint32_t *d = w.at<uint32_t>(i.d), in[kLanes];
  std::memcpy(in, a, sizeof in);
  auto element = [&](int row, int col) {
    return uint16_t(in[row * 4 + col / 2] >> 16 * (col & 1));
  };
  for (int l = 0; l < kLanes; ++l) {
    int g = l >> 2, t = l & 3;
    d[l] = uint32_t(element(2 * t + 1, g)) << 16 | element(2 * t, g);
  }
  return Step::Next;
}

void pushList(Decode &d, const Operand &o, Type t, bool written,
              std::vector<uint32_t> &out) {
  auto one = [&](const Operand &e) {
    out.push_back(written ? d.dst(e, t) : d.src(e, t));
  };
  if (o.kind == Operand::Vector) {
    for (const Operand &e : o.items) {
      one(e);
    }
  } else {
    one(o);
  }
}

void decodeMatrixMove(Decode &d, bool load) {
  d.arity(2, 2);
  unsigned n = d.has("x4") ? 4 : d.has("x2") ? 2 : 1;
  if (!d.has("m8n8") || !d.has("b16")) {
    d.unsupported();
  }
  d.ins.count = static_cast<uint8_t>(n);
  d.ins.flag = d.has("trans");
  d.address(d.op(load ? 1 : 0), d.space());
  pushList(d, d.op(load ? 0 : 1), Type::B32, load, d.info.regs);
  if (d.info.regs.size() != n) {
    d.fail("the number of registers differs from the shape");
  }
  d.finish(load ? loadMatrix : storeMatrix,
           load ? InsClass::SharedLoad : InsClass::SharedStore);
}

enum class Element : uint8_t { BF16, F16, TF32, S8, U8, E4M3, E5M2, F64 };

float narrowToFloat(Element e, uint32_t bits) {
  switch (e) {
  case Element::BF16:
    return bf16ToFloat(static_cast<uint16_t>(bits));
  case Element::F16:
    return halfToFloat(static_cast<uint16_t>(bits));
  case Element::E4M3:
    return e4m3ToFloat(static_cast<uint8_t>(bits));
  case Element::E5M2:
    return e5m2ToFloat(static_cast<uint8_t>(bits));
  case Element::S8:
    return static_cast<float>(static_cast<int8_t>(bits));
  case Element::U8:
    return static_cast<float>(static_cast<uint8_t>(bits));
  default:
    return std::bit_cast<float>(bits & 0xffffe000);
  }
}

/// One of 65536 values of f16, looked up.
const float *halfTable() {
  static const std::vector<float> table = [] {
    std::vector<float> t(65536);
    for (uint32_t v = 0; v < 65536; ++v) {
      t[v] = halfToFloat(static_cast<uint16_t>(v));
    }
    return t;
  }();
  return table.data();
}

int bitsOf(Element e) {
  return e == Element::BF16 || e == Element::F16 ? 16
         : e == Element::TF32                    ? 32
                                                 : 8;
}

/// Spreads the fragments of A (16 x k, rows major) or B (k x 8) as floats.
void spreadA(Warp &w, const std::vector<uint32_t> &regs, size_t first,
             size_t count, Element e, int k, float *out) {
  int bits = bitsOf(e), per = 32 / bits;
  const float *table = e == Element::F16 ? halfTable() : nullptr;
  for (size_t i = 0; i < count; ++i) {
    const uint32_t *r = w.at<uint32_t>(regs[first + i]);
    int rowAdd = 8 * int(i & 1), kAdd = 4 * per * int(i >> 1);
    for (int l = 0; l < kLanes; ++l) {
      int g = l >> 2, t = l & 3;
      float *to = out + (g + rowAdd) * k + per * t + kAdd;
      if (e == Element::BF16) {
        to[0] = std::bit_cast<float>(r[l] << 16);
        to[1] = std::bit_cast<float>(r[l] & 0xffff0000);
      } else if (table) {
        to[0] = table[r[l] & 0xffff];
        to[1] = table[r[l] >> 16];
      } else {
        for (int h = 0; h < per; ++h) {
          to[h] = narrowToFloat(e, bits == 32 ? r[l] : r[l] >> 8 * h & 255);
        }
      }
    }
  }
}

void spreadB(Warp &w, const std::vector<uint32_t> &regs, size_t first,
             size_t count, Element e, float *out) {
  int bits = bitsOf(e), per = 32 / bits;
  const float *table = e == Element::F16 ? halfTable() : nullptr;
  for (size_t i = 0; i < count; ++i) {
    const uint32_t *r = w.at<uint32_t>(regs[first + i]);
    int kAdd = 4 * per * int(i);
    for (int l = 0; l < kLanes; ++l) {
      int g = l >> 2, t = l & 3;
      float *to = out + (per * t + kAdd) * 8 + g;
      if (e == Element::BF16) {
        to[0] = std::bit_cast<float>(r[l] << 16);
        to[8] = std::bit_cast<float>(r[l] & 0xffff0000);
      } else if (table) {
        to[0] = table[r[l] & 0xffff];
        to[8] = table[r[l] >> 16];
      } else {
        for (int h = 0; h < per; ++h) {
          to[8 * h] = narrowToFloat(e, bits == 32 ? r[l] : r[l] >> 8 * h & 255);
        }
      }
    }
  }
}

/// acc[16][8] += a[16][k] b[k][8], k in order.
void multiply(const float *a, const float *b, float *acc, int k) {
  for (int r = 0; r < 16; ++r) {
    float row[8];
    std::memcpy(row, acc + 8 * r, sizeof row);
    for (int x = 0; x < k; ++x) {
      float v = a[r * k + x];
      for (int c = 0; c < 8; ++c) {
        row[c] += v * b[8 * x + c];
      }
    }
    std::memcpy(acc + 8 * r, row, sizeof row);
  }
}

void multiplyInt(const float *a, const float *b, int64_t *acc, int k) {
  for (int r = 0; r < 16; ++r) {
    for (int x = 0; x < k; ++x) {
      for (int c = 0; c < 8; ++c) {
        acc[8 * r + c] += int32_t(a[r * k + x]) * int32_t(b[8 * x + c]);
      }
    }
  }
}

/// info.regs: d, a, b, c one after another; ints: their counts and k.
Step mma(Warp &w, const Ins &i, Mask) {
  if (!w.need(kAllLanes)) {
    return Step::Park;
  }
  const InsInfo &info = w.program->infos[i.info];
  size_t nd = size_t(info.ints[0]), na = size_t(info.ints[1]),
         nb = size_t(info.ints[2]);
  int k = int(info.ints[3]);
  Element ea = Element(info.ints[4]), eb = Element(info.ints[5]);
  float a[16 * 32], b[32 * 8];
  spreadA(w, info.regs, nd, na, ea, k, a);
  spreadB(w, info.regs, nd + na, nb, eb, b);
  const uint32_t *d = info.regs.data(), *c = d + nd + na + nb;
  ++w.grid->counters.mma;
  auto at = [](int l, size_t reg) {
    return ((l >> 2) + 8 * int(reg >> 1)) * 8 + 2 * (l & 3) + int(reg & 1);
  };
  if (ea == Element::S8 || ea == Element::U8) {
    int64_t acc[128];
    for (size_t r = 0; r < 4; ++r) {
      for (int l = 0; l < kLanes; ++l) {
        acc[at(l, r)] = w.at<int32_t>(c[r])[l];
      }
    }
    multiplyInt(a, b, acc, k);
    for (size_t r = 0; r < 4; ++r) {
      for (int l = 0; l < kLanes; ++l) {
        int64_t v = acc[at(l, r)];
        v = i.flag2 ? std::clamp<int64_t>(v, INT32_MIN, INT32_MAX) : v;
        w.at<uint32_t>(d[r])[l] = static_cast<uint32_t>(v);
      }
    }
    return Step::Next;
  }
  float acc[128];
  for (size_t r = 0; r < 4; ++r) {
    for (int l = 0; l < kLanes; ++l) {
      acc[at(l, r)] = i.flag ? halfToFloat(uint16_t(
                                   w.at<uint32_t>(c[r / 2])[l] >> 16 * (r & 1)))
                             : w.at<float>(c[r])[l];
    }
  }
  multiply(a, b, acc, k);
  for (int l = 0; l < kLanes; ++l) {
    if (i.flag) {
      for (size_t r = 0; r < 2; ++r) {
        w.at<uint32_t>(d[r])[l] = uint32_t(floatToHalf(acc[at(l, 2 * r + 1)]))
                                      << 16 |
                                  floatToHalf(acc[at(l, 2 * r)]);
      }
    } else {
      for (size_t r = 0; r < 4; ++r) {
        w.at<float>(d[r])[l] = acc[at(l, r)];
      }
    }
  }
  return Step::Next;
}

/// m8n8k4 f64: A row g k t; B k t col g; C row g cols 2t, 2t+1.
Step mmaDouble(Warp &w, const Ins &i, Mask) {
  if (!w.need(kAllLanes)) {
    return Step::Park;
  }
  const std::vector<uint32_t> &r = w.program->infos[i.info].regs;
  ++w.grid->counters.mma;
  const double *a = w.at<double>(r[2]), *b = w.at<double>(r[3]);
  double out[2][kLanes];
  for (int l = 0; l < kLanes; ++l) {
    for (int h = 0; h < 2; ++h) {
      int col = 2 * (l & 3) + h;
      double v = w.at<double>(r[4 + size_t(h)])[l];
      for (int k = 0; k < 4; ++k) {
        v = std::fma(a[(l & ~3) + k], b[col * 4 + k], v);
      }
      out[h][l] = v;
    }
  }
  std::memcpy(w.at<double>(r[0]), out[0], sizeof out[0]);
  std::memcpy(w.at<double>(r[1]), out[1], sizeof out[1]);
  return Step::Next;
}

bool elementOf(Type t, Element &e) {
  switch (t) {
  case Type::BF16:
    e = Element::BF16;
    return true;
  case Type::F16:
    e = Element::F16;
    return true;
  case Type::TF32:
    e = Element::TF32;
    return true;
  case Type::S8:
    e = Element::S8;
    return true;
  case Type::U8:
    e = Element::U8;
    return true;
  case Type::E4M3:
    e = Element::E4M3;
    return true;
  case Type::E5M2:
    e = Element::E5M2;
    return true;
  default:
    return false;
  }
}

void decodeMma(Decode &d) {
  d.arity(4, 4);
  if (d.has("sp") || d.has("block_scale") || !d.has("row") || !d.has("col")) {
    d.unsupported();
  }
  Type td = d.typeAt(0), ta = d.typeAt(1), tb = d.typeAt(2), tc = d.typeAt(3);
  if (ta == Type::F64) {
    if (!d.has("m8n8k4")) {
      d.unsupported();
    }
    for (size_t k : {size_t(0), size_t(1), size_t(2), size_t(3)}) {
      pushList(d, d.op(k), Type::F64, k == 0, d.info.regs);
    }
    if (d.info.regs.size() != 6) {
      d.fail("wrong number of registers");
    }
    return d.finish(mmaDouble, InsClass::Matrix);
  }
  Element ea, eb;
  if (!elementOf(ta, ea) || !elementOf(tb, eb) || td != tc) {
    d.unsupported();
  }
  int k = d.has("m16n8k4")    ? 4
          : d.has("m16n8k8")  ? 8
          : d.has("m16n8k16") ? 16
          : d.has("m16n8k32") ? 32
                              : 0;
  int bits = bitsOf(ea);
  // One row of A takes k * bits; a quad of lanes holds 128 bits per register.
  size_t na = size_t(k * bits) / 128 * 2, nb = size_t(k * bits) / 128;
  bool half = td == Type::F16, integers = td == Type::S32;
  bool known = bits == 16   ? k == 8 || k == 16
               : bits == 32 ? k == 4 || k == 8
                            : k == 16 || k == 32;
  if (!known || bitsOf(eb) != bits || (td != Type::F32 && !half && !integers) ||
      integers != (ea == Element::S8 || ea == Element::U8)) {
    d.unsupported();
  }
  size_t nd = half ? 2 : 4;
  Type acc = integers ? Type::S32 : half ? Type::B32 : Type::F32;
  pushList(d, d.op(0), acc, true, d.info.regs);
  pushList(d, d.op(1), Type::B32, false, d.info.regs);
  pushList(d, d.op(2), Type::B32, false, d.info.regs);
  pushList(d, d.op(3), acc, false, d.info.regs);
  auto size = [&](size_t n) {
    return d.op(n).kind == Operand::Vector ? d.op(n).items.size() : 1;
  };
  if (size(0) != nd || size(1) != na || size(2) != nb || size(3) != nd) {
    d.fail("wrong number of registers for the shape");
  }
  d.info.ints = {int64_t(nd), int64_t(na), int64_t(nb),
                 k,           int64_t(ea), int64_t(eb)};
  d.ins.flag = half;
  d.ins.flag2 = d.has("satfinite");
  d.finish(mma, InsClass::Matrix);
}

} // namespace

void addMatrix(OpTable &t) {
  t["ldmatrix"] = [](Decode &d) { decodeMatrixMove(d, true); };
  t["stmatrix"] = [](Decode &d) { decodeMatrixMove(d, false); };
  t["movmatrix"] = [](Decode &d) {
    d.arity(2, 2);
    d.ins.a = d.src(d.op(1), Type::B32);
    d.ins.d = d.dst(d.op(0), Type::B32);
    d.finish(moveMatrix, InsClass::Collective);
  };
  t["mma"] = decodeMma;
}

} // namespace rill::emu
