// wgmma: PTX ISA 9.7.15. Each warp computes its own 16 rows at issue; the
// accumulators and operands stay "in flight" until a wait retires the group.
#include "../Checks/Access.h"
#include "Lanes.h"
#include "Numeric.h"

namespace rill::emu {

namespace {

enum class Element : uint8_t { BF16, F16, TF32, E4M3, E5M2, S8, U8 };

unsigned bytesOf(Element e) {
  return e == Element::TF32 ? 4 : e <= Element::F16 ? 2 : 1;
}

float widen(Element e, const char *p) {
  uint32_t v = 0;
  std::memcpy(&v, p, bytesOf(e));
  switch (e) {
  case Element::BF16:
    return bf16ToFloat(static_cast<uint16_t>(v));
  case Element::F16:
    return halfToFloat(static_cast<uint16_t>(v));
  case Element::TF32:
    return std::bit_cast<float>(v & 0xffffe000);
  case Element::E4M3:
    return e4m3ToFloat(static_cast<uint8_t>(v));
  case Element::E5M2:
    return e5m2ToFloat(static_cast<uint8_t>(v));
  case Element::S8:
    return static_cast<float>(static_cast<int8_t>(v));
  default:
    return static_cast<float>(v);
  }
}

/// A shared-memory matrix descriptor: PTX ISA 9.7.15.5.1.
struct Descriptor {
  uint32_t start, leading, stride, span, base;
  explicit Descriptor(uint64_t d)
      : start(uint32_t(d & 0x3fff) << 4),
        leading(uint32_t(d >> 16 & 0x3fff) << 4),
        stride(uint32_t(d >> 32 & 0x3fff) << 4), base(uint32_t(d >> 49 & 7)) {
    uint32_t mode = uint32_t(d >> 62);
    span = mode == 0 ? 0 : mode == 1 ? 128 : mode == 2 ? 64 : 32;
  }
  /// Byte address of element (mn, k); `bytes` per element.
  uint32_t address(uint32_t mn, uint32_t k, uint32_t bytes,
                   bool mnMajor) const {
    uint32_t a = start, per16 = 16 / bytes;
    if (!mnMajor) {
      a += span ? (mn % 8) * span + (mn / 8) * stride + k * bytes
                : (mn % 8) * 16 + (mn / 8) * stride + (k / per16) * leading +
                      (k % per16) * bytes;
    } else if (span) {
      uint32_t wide = span / bytes;
      a += (mn % wide) * bytes + (mn / wide) * leading + (k % 8) * span +
           (k / 8) * stride;
    } else {
      a += (mn % per16) * bytes + (mn / per16) * stride + (k % 8) * 16 +
           (k / 8) * leading;
    }
    if (span) {
      a ^= ((a >> 7) & (span / 16 - 1)) << 4;
    }
    return a;
  }
};

/// Reads a rows x k matrix through a descriptor, checking each 16 bytes once.
void readMatrix(Warp &w, uint64_t bits, uint32_t rows, uint32_t firstRow,
                uint32_t k, Element e, bool mnMajor, float *out,
                WgmmaFlight &flight) {
  Descriptor d(bits);
  Scheduler &s = *w.grid->scheduler;
  if (d.base) {
    s.fault(w, 0, 719, Kind::BadDescriptor,
            "a base offset of " + std::to_string(d.base) +
                " is not emulated: let the swizzle pattern start aligned");
  }
  uint32_t bytes = bytesOf(e), low = ~0u, high = 0;
  std::vector<uint32_t> chunks;
  for (uint32_t r = 0; r < rows; ++r) {
    for (uint32_t c = 0; c < k; ++c) {
      uint32_t a = d.address(firstRow + r, c, bytes, mnMajor);
      if (a < kSharedBase || a + bytes > w.grid->sharedSize) {
        s.fault(w, 0, 700, Kind::BadDescriptor,
                "the descriptor reaches shared address " + std::to_string(a) +
                    ", outside the block's " +
                    std::to_string(w.grid->sharedSize - kSharedBase) +
                    " bytes");
      }
      out[r * k + c] = widen(e, w.cta->shared.data() + a);
      if (chunks.empty() || chunks.back() != a / 16) {
        chunks.push_back(a / 16);
      }
      low = std::min(low, a);
      high = std::max(high, a + bytes);
    }
  }
  std::sort(chunks.begin(), chunks.end());
  chunks.erase(std::unique(chunks.begin(), chunks.end()), chunks.end());
  for (uint32_t c : chunks) {
    uint32_t at = std::max(c * 16, kSharedBase);
    checkShared(w, 0, *w.cta, at, std::min(16u, w.grid->sharedSize - at),
                Touch::AsyncRead);
    if (w.cta->shadow.enabled) {
      SharedShadow::set(w.cta->shadow.reading, at,
                        std::min(16u, w.grid->sharedSize - at), true);
      flight.shared.push_back({at, std::min(at + 16, w.grid->sharedSize)});
    }
  }
  if (!chunks.empty() && w.cta->shadow.enabled) {
    ++w.cta->shadow.readingCount;
  }
}

/// A's fragment in registers as 16 rows of k floats.
void spreadRegisters(Warp &w, const uint32_t *regs, Element e, uint32_t k,
                     float *out) {
  unsigned per = 4 / bytesOf(e);
  for (size_t r = 0; r < 4; ++r) {
    const uint32_t *reg = w.at<uint32_t>(regs[r]);
    for (int l = 0; l < kLanes; ++l) {
      uint32_t row = uint32_t(l >> 2) + 8 * uint32_t(r & 1);
      for (unsigned h = 0; h < per; ++h) {
        uint32_t v = reg[l] >> (h * 32 / per);
        out[row * k + per * uint32_t(l & 3) + h + 4 * per * uint32_t(r >> 1)] =
            widen(e, reinterpret_cast<const char *>(&v));
      }
    }
  }
}

/// Element r of a lane's accumulators: row pa times column pb, k in order.
/// `info.ints` as mmaAsync has them; `keep`: added to what is there.
void accumulate(Warp &w, const InsInfo &info, size_t r, int l, const float *pa,
                const float *pb, bool keep) {
  const std::vector<int64_t> &x = info.ints;
  uint32_t k = uint32_t(x[1]);
  if (x[8] == 2) {
    int32_t *acc = w.at<int32_t>(info.regs[r]);
    int64_t v = keep ? acc[l] : 0;
    for (uint32_t c = 0; c < k; ++c) {
      v += int64_t(pa[c]) * int64_t(pb[c]);
    }
    acc[l] = static_cast<int32_t>(
        x[10] ? std::clamp<int64_t>(v, INT32_MIN, INT32_MAX) : v);
    return;
  }
  uint32_t *half = x[8] == 1 ? w.at<uint32_t>(info.regs[r / 2]) : nullptr;
  float v = 0, sign = float(x[4] * x[5]);
  if (keep) {
    v = half ? halfToFloat(uint16_t(half[l] >> 16 * (r & 1)))
             : w.at<float>(info.regs[r])[l];
  }
  for (uint32_t c = 0; c < k; ++c) {
    v += sign * pa[c] * pb[c];
  }
  if (!half) {
    w.at<float>(info.regs[r])[l] = v;
    return;
  }
  uint32_t bits = floatToHalf(v);
  half[l] =
      (r & 1) ? (half[l] & 0xffff) | bits << 16 : (half[l] & 0xffff0000) | bits;
}

/// ints: n, k, element a, element b, scale a, scale b, trans a, trans b,
/// accumulator kind (0 f32, 1 f16, 2 s32), A in registers, saturate, which of
/// `info.reads` are registers of A (first, end).
/// regs: accumulators, then A's registers. a, b: descriptors. c: scale-d.
Step mmaAsync(Warp &w, const Ins &i, Mask) {
  if (!w.need(kAllLanes)) {
    return Step::Park;
  }
  const InsInfo &info = w.program->infos[i.info];
  const std::vector<int64_t> &x = info.ints;
  Scheduler &s = *w.grid->scheduler;
  uint32_t n = uint32_t(x[0]), k = uint32_t(x[1]);
  Element ea = Element(x[2]), eb = Element(x[3]);
  uint32_t group = w.index % 4;
  size_t accumulators = x[8] == 1 ? n / 4 : n / 2;
  WgmmaFlight flight;
  flight.pc = w.pc;
  flight.group = w.wgmmaGroup;
  std::vector<float> a(16 * k), b(size_t(n) * k);
  if (x[9]) {
    spreadRegisters(w, info.regs.data() + accumulators, ea, k, a.data());
  } else {
    readMatrix(w, w.at<uint64_t>(i.a)[0], 16, 16 * group, k, ea, x[6], a.data(),
               flight);
  }
  readMatrix(w, w.at<uint64_t>(i.b)[0], n, 0, k, eb, x[7], b.data(), flight);
  bool keep = i.c == kNoReg || ((w.predicate(i.c) & 1) != 0) != i.flag;
  ++w.grid->counters.wgmma;
  for (size_t r = 0; r < (x[8] == 1 ? accumulators * 2 : accumulators); ++r) {
    for (int l = 0; l < kLanes; ++l) {
      uint32_t row = uint32_t(l >> 2) + 8 * uint32_t(r >> 1 & 1);
      uint32_t col =
          8 * uint32_t(r >> 2) + 2 * uint32_t(l & 3) + uint32_t(r & 1);
      accumulate(w, info, r, l, a.data() + row * k, b.data() + col * k, keep);
    }
  }
  flight.registers.assign(info.writes.begin(), info.writes.end());
  flight.registers.insert(flight.registers.end(), info.reads.begin() + x[11],
                          info.reads.begin() + x[12]);
  w.flights.push_back(std::move(flight));
  ++s.progress;
  return Step::Next;
}

Step commitGroup(Warp &w, const Ins &, Mask) {
  ++w.wgmmaGroup;
  return Step::Next;
}

Step waitGroup(Warp &w, const Ins &i, Mask) {
  if (!w.need(kAllLanes)) {
    return Step::Park;
  }
  std::erase_if(w.flights, [&](const WgmmaFlight &f) {
    int64_t open = int64_t(w.wgmmaGroup) - int64_t(f.group);
    if (open == 0 || open <= i.imm) {
      return false;
    }
    return true;
  });
  // Bytes that no flight of the block still reads may be written again.
  SharedShadow &sh = w.cta->shadow;
  if (sh.enabled && sh.readingCount) {
    std::fill(sh.reading.begin(), sh.reading.end(), uint8_t(0));
    sh.readingCount = 0;
    for (Warp &x : w.cta->warps) {
      for (WgmmaFlight &f : x.flights) {
        for (auto [first, end] : f.shared) {
          SharedShadow::set(sh.reading, first, end - first, true);
          ++sh.readingCount;
        }
      }
      for (BulkGroup &g : x.bulk) {
        if (g.read) {
          SharedShadow::set(sh.reading, g.first, g.bytes, true);
          ++sh.readingCount;
        }
      }
    }
  }
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
  case Type::E4M3:
    e = Element::E4M3;
    return true;
  case Type::E5M2:
    e = Element::E5M2;
    return true;
  case Type::S8:
    e = Element::S8;
    return true;
  case Type::U8:
    e = Element::U8;
    return true;
  default:
    return false;
  }
}

/// mNNnNNkNN of the opcode.
bool shapeOf(const Decode &d, uint32_t &n, uint32_t &k) {
  for (std::string_view p : d.ast.parts) {
    unsigned a = 0, b = 0;
    if (p.substr(0, 4) == "m64n" &&
        sscanf(std::string(p).c_str(), "m64n%uk%u", &a, &b) == 2) {
      n = a;
      k = b;
      return n >= 8 && n <= 256 && n % 8 == 0;
    }
  }
  return false;
}

/// The accumulators, written and read.
void decodeAccumulators(Decode &d, size_t want, Type type) {
  const Operand &acc = d.op(0);
  if (acc.kind != Operand::Vector || acc.items.size() != want) {
    d.fail("expected " + std::to_string(want) + " accumulators");
  }
  for (const Operand &o : acc.items) {
    d.info.regs.push_back(d.dst(o, type));
    d.src(o, type);
  }
}

void decodeMmaAsync(Decode &d) {
  uint32_t n = 0, k = 0;
  Type td = d.typeAt(0);
  Element ea, eb;
  if (!shapeOf(d, n, k) || !elementOf(d.typeAt(1), ea) ||
      !elementOf(d.typeAt(2), eb) || k * bytesOf(ea) != 32 || d.has("sp") ||
      (td != Type::F32 && td != Type::F16 && td != Type::S32)) {
    d.unsupported();
  }
  bool integers = td == Type::S32, half = td == Type::F16;
  d.arity(4, 8);
  const Operand &a = d.op(1);
  decodeAccumulators(d, half ? n / 4 : n / 2, half ? Type::B32 : td);
  auto firstOfA = static_cast<int64_t>(d.info.reads.size()), endOfA = firstOfA;
  bool fromRegisters = a.kind == Operand::Vector;
  if (fromRegisters) {
    for (const Operand &o : a.items) {
      d.info.regs.push_back(d.src(o, Type::B32));
    }
    if (a.items.size() != 4) {
      d.fail("expected 4 registers of A");
    }
    endOfA = static_cast<int64_t>(d.info.reads.size());
  } else {
    d.ins.a = d.src(a, Type::B64);
  }
  d.ins.b = d.src(d.op(2), Type::B64);
  const Operand &scale = d.op(3);
  bool negated = false;
  if (scale.kind == Operand::Register) {
    d.ins.c = d.predicate(scale, negated);
    d.ins.flag = negated;
  } else if (d.integer(scale) == 0) {
    d.fail("a constant scale-d of 0 needs a predicate");
  }
  int64_t at[4] = {1, 1, 0, 0};
  for (size_t j = 4; j < d.count(); ++j) {
    at[j - 4] = d.integer(d.op(j));
  }
  // With A in registers there is one transpose flag, B's.
  int64_t transA = fromRegisters ? 0 : at[2];
  int64_t transB = fromRegisters ? at[2] : at[3];
  d.info.ints = {n,
                 k,
                 int64_t(ea),
                 int64_t(eb),
                 at[0],
                 at[1],
                 transA,
                 transB,
                 integers ? 2
                 : half   ? 1
                          : 0,
                 fromRegisters,
                 d.has("satfinite"),
                 firstOfA,
                 endOfA};
  d.finish(mmaAsync, InsClass::Matrix);
}

} // namespace

void addWgmma(OpTable &t) {
  t["wgmma"] = [](Decode &d) {
    if (d.has("mma_async")) {
      return decodeMmaAsync(d);
    }
    if (d.has("fence")) {
      return d.finish([](Warp &, const Ins &, Mask) { return Step::Next; },
                      InsClass::Fence);
    }
    if (d.has("commit_group")) {
      return d.finish(commitGroup, InsClass::Async);
    }
    if (d.has("wait_group")) {
      d.arity(1, 1);
      d.ins.imm = d.integer(d.op(0));
      return d.finish(waitGroup, InsClass::Async);
    }
  };
}

/// Reports an ordinary use of a register that a wgmma still writes, or reads
/// as A. Called only while something is in flight.
void checkFlights(Warp &w, const Ins &i) {
  const InsInfo &info = w.program->infos[i.info];
  if (i.cls == InsClass::Matrix && info.ast->parts[0] == "wgmma") {
    return;
  }
  for (const WgmmaFlight &f : w.flights) {
    for (uint32_t r : f.registers) {
      bool touches = std::find(info.reads.begin(), info.reads.end(), r) !=
                         info.reads.end() ||
                     std::find(info.writes.begin(), info.writes.end(), r) !=
                         info.writes.end();
      if (touches) {
        Scheduler &s = *w.grid->scheduler;
        s.find(w, 0, Kind::RegisterInFlight,
               "register '" + info.function->registers[r].name +
                   "' is used before wgmma.wait_group",
               {}, {s.placeOf(w, 0, f.pc)});
        return;
      }
    }
  }
}

} // namespace rill::emu
