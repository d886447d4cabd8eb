// Video (SIMD within a register) instructions that nvcc emits for its
// intrinsics: PTX ISA 9.7.18.
#include "Lanes.h"

namespace rill::emu {

namespace {

enum class Op : uint8_t { Add, Sub, Avrg, AbsDiff, Min, Max };

/// parts: 2 or 4 per register; ints: signed a, signed b, signed d, sat, sum.
Step simd(Warp &w, const Ins &i, Mask m) {
  const std::vector<int64_t> &n = w.program->infos[i.info].ints;
  unsigned bits = 32u / i.count;
  uint32_t low = bits == 16 ? 0xffff : 0xff;
  uint32_t *d = w.at<uint32_t>(i.d);
  const uint32_t *a = w.at<uint32_t>(i.a), *b = w.at<uint32_t>(i.b),
                 *c = w.at<uint32_t>(i.c);
  auto extend = [&](uint32_t v, bool sign) {
    int64_t x = v & low;
    return sign && (x >> (bits - 1)) ? x - (int64_t(1) << bits) : x;
  };
  for (Mask left = m; left; left &= left - 1) {
    int l = __builtin_ctz(left);
    uint32_t r = 0;
    int64_t sum = 0;
    for (unsigned k = 0; k < i.count; ++k) {
      int64_t x = extend(a[l] >> bits * k, n[0]);
      int64_t y = extend(b[l] >> bits * k, n[1]), v = 0;
      switch (static_cast<Op>(i.mode)) {
      case Op::Add:
        v = x + y;
        break;
      case Op::Sub:
        v = x - y;
        break;
      case Op::Avrg:
        v = (x + y + (x + y >= 0)) >> 1;
        break;
      case Op::AbsDiff:
        v = x > y ? x - y : y - x;
        break;
      case Op::Min:
        v = std::min(x, y);
        break;
      case Op::Max:
        v = std::max(x, y);
        break;
      }
      if (n[3]) {
        int64_t top = n[2] ? int64_t(low >> 1) : int64_t(low);
        v = std::clamp<int64_t>(v, n[2] ? -top - 1 : 0, top);
      }
      sum += v;
      r |= (static_cast<uint32_t>(v) & low) << bits * k;
    }
    d[l] = n[4] ? static_cast<uint32_t>(sum) + c[l] : r;
  }
  return Step::Next;
}

template <Op O, unsigned Parts>
void decodeSimd(Decode &d) {
  d.arity(4, 4);
  for (std::string_view p : d.ast.parts) {
    if (p != d.ast.parts[0] && p != "sat" && p != "add" &&
        parseType(p) == Type::None) {
      d.unsupported();
    }
  }
  d.ins.count = Parts;
  d.ins.mode = static_cast<uint8_t>(O);
  d.ins.a = d.src(d.op(1), Type::B32);
  d.ins.b = d.src(d.op(2), Type::B32);
  d.ins.c = d.src(d.op(3), Type::B32);
  d.ins.d = d.dst(d.op(0), Type::B32);
  d.info.ints = {isSigned(d.typeAt(1)), isSigned(d.typeAt(2)),
                 isSigned(d.typeAt(0)), d.has("sat"), d.has("add")};
  d.finish(simd, InsClass::Integer);
}

} // namespace

void addSimd(OpTable &t) {
  t["vadd2"] = decodeSimd<Op::Add, 2>;
  t["vadd4"] = decodeSimd<Op::Add, 4>;
  t["vsub2"] = decodeSimd<Op::Sub, 2>;
  t["vsub4"] = decodeSimd<Op::Sub, 4>;
  t["vavrg2"] = decodeSimd<Op::Avrg, 2>;
  t["vavrg4"] = decodeSimd<Op::Avrg, 4>;
  t["vabsdiff2"] = decodeSimd<Op::AbsDiff, 2>;
  t["vabsdiff4"] = decodeSimd<Op::AbsDiff, 4>;
  t["vmin2"] = decodeSimd<Op::Min, 2>;
  t["vmin4"] = decodeSimd<Op::Min, 4>;
  t["vmax2"] = decodeSimd<Op::Max, 2>;
  t["vmax4"] = decodeSimd<Op::Max, 4>;
}

} // namespace rill::emu
