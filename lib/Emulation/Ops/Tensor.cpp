// cp.async.bulk, cp.reduce.async.bulk and their tensor forms: PTX ISA
// 9.7.9.25.4-5 and 9.7.9.27. Loads finish late and in any order; stores read
// shared memory at the latest allowed point.
#include "../Checks/GlobalRaces.h"
#include "../Core/TensorMap.h"
#include "Lanes.h"
#include "Mbarrier.h"
#include "Reduce.h"

namespace rill::emu {

namespace {

uint64_t laneAddress(Warp &w, uint32_t reg, bool wide, int l, int64_t off) {
  uint64_t a = wide ? w.at<uint64_t>(reg)[l] + static_cast<uint64_t>(off)
                    : uint32_t(w.at<uint32_t>(reg)[l] + uint32_t(off));
  return spaceOf(a) == Space::Shared ? a & ~kWindowMask : a;
}

uint32_t swizzled(const TensorMap &t, uint32_t address) {
  uint32_t span = t.span();
  return span ? address ^ ((address >> 7) & (span / 16 - 1)) << 4 : address;
}

/// One row of a box: `bytes` at shared offset `to`, from global memory, or
/// zeros when `from` is null.
struct Row {
  uint32_t to;
  uint64_t from;
  uint32_t bytes, valid, lead; ///< lead: bytes of zeros first
};

std::vector<Row> boxRows(const TensorMap &t, const int32_t *at,
                         uint32_t shared) {
  std::vector<Row> rows;
  // With an element stride e a box of b covers ceil(b / e) elements;
  // dimension 0 has no stride.
  uint32_t count = 1, steps[5] = {};
  for (int d = 1; d < t.rank; ++d) {
    steps[d] = (t.box[d] + t.elementStride[d] - 1u) / t.elementStride[d];
    count *= steps[d];
  }
  uint32_t inner = t.box[0];
  for (uint32_t r = 0; r < count; ++r) {
    uint64_t address = t.base;
    bool inside = true;
    uint32_t rest = r;
    for (int d = 1; d < t.rank; ++d) {
      int64_t c =
          int64_t(at[d]) + int64_t(rest % steps[d]) * t.elementStride[d];
      rest /= steps[d];
      inside = inside && c >= 0 && c < int64_t(t.extent[d]);
      address += static_cast<uint64_t>(c) * t.strides[d - 1];
    }
    int64_t first = at[0], last = int64_t(at[0]) + inner;
    int64_t low = std::clamp<int64_t>(first, 0, t.extent[0]);
    int64_t high = std::clamp<int64_t>(last, 0, t.extent[0]);
    Row row;
    row.to = shared + r * inner * t.elementBytes;
    row.bytes = inner * t.elementBytes;
    row.lead = static_cast<uint32_t>(low - first) * t.elementBytes;
    row.valid = inside && high > low
                    ? static_cast<uint32_t>(high - low) * t.elementBytes
                    : 0;
    row.from = address + static_cast<uint64_t>(low) * t.elementBytes;
    rows.push_back(row);
  }
  return rows;
}

TensorMap readMap(Warp &w, int l, uint64_t a) {
  Scheduler &s = *w.grid->scheduler;
  TensorMap t;
  if (spaceOf(a) == Space::Param) {
    uint64_t at = a & ~kWindowMask;
    if (at + 128 > w.grid->config.params.size()) {
      s.fault(w, l, 700, Kind::BadTensorMap,
              "tensor map outside the kernel's parameters");
    }
    std::memcpy(&t, w.grid->config.params.data() + at, 128);
  } else {
    std::memcpy(&t, translateOne(w, l, a, 128, 64, false), 128);
  }
  if (t.magic != TensorMap::kMagic) {
    s.fault(w, l, 719, Kind::BadTensorMap,
            "these 128 bytes are no encoded tensor map");
  }
  return t;
}

void checkBox(Warp &w, int l, const TensorMap &t, uint32_t shared,
              size_t coordinates) {
  Scheduler &s = *w.grid->scheduler;
  if (coordinates != t.rank) {
    s.fault(w, l, 719, Kind::BadTensorMap,
            std::to_string(coordinates) + " coordinates for a map of rank " +
                std::to_string(t.rank));
  }
  if (t.im2col || t.interleave) {
    s.fault(w, l, 719, Kind::BadTensorMap,
            "im2col and interleaved maps are not emulated");
  }
  uint32_t align = 128;
  if (shared % align) {
    s.fault(w, l, 716, Kind::Misaligned,
            "tensor copies need shared addresses aligned to 128 bytes");
  }
  uint32_t span = t.span();
  if (span && shared % (8 * span)) {
    s.find(w, l, Kind::BadTensorMap,
           "a tile with " + std::to_string(span) +
               "-byte swizzle should begin at a multiple of " +
               std::to_string(8 * span) + " bytes");
  }
}

/// Everything a load needs when it finishes.
struct Load {
  Cta *cta, *barrierCta;
  uint32_t barrier, pc, shared, bytes;
  TensorMap map;
  std::vector<Row> rows;
  std::vector<const char *> sources;
  bool tensor;
};

/// Bytes outside the tensor: zeros, or with the map's NaN fill a NaN of the
/// element's type.
void fillOutside(const TensorMap &t, char *to, uint32_t at, uint32_t n) {
  static constexpr unsigned char kNan[3][8] = {
      {0xff, 0x7f},
      {0xff, 0xff, 0xff, 0x7f},
      {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}};
  const unsigned char *nan = kNan[t.elementBytes == 2   ? 0
                                  : t.elementBytes == 4 ? 1
                                                        : 2];
  for (uint32_t k = 0; k < n; ++k) {
    to[k] = t.fill ? static_cast<char>(nan[(at + k) % t.elementBytes]) : 0;
  }
}

void finishLoad(const Load &x) {
  char *window = x.cta->shared.data();
  for (size_t r = 0; r < x.rows.size(); ++r) {
    const Row &row = x.rows[r];
    auto put = [&](uint32_t at, const char *from, uint32_t n) {
      // 16-byte chunks move whole under a swizzle.
      while (n) {
        uint32_t chunk = std::min(n, 16 - at % 16);
        char *to = window + (x.tensor ? swizzled(x.map, at) : at);
        if (from) {
          std::memcpy(to, from, chunk);
          from += chunk;
        } else {
          fillOutside(x.map, to, at, chunk);
        }
        at += chunk;
        n -= chunk;
      }
    };
    if (!row.valid) {
      put(row.to, nullptr, row.bytes);
      continue;
    }
    put(row.to, nullptr, row.lead);
    put(row.to + row.lead, x.sources[r], row.valid);
    put(row.to + row.lead + row.valid, nullptr,
        row.bytes - row.lead - row.valid);
  }
  auto it = x.barrierCta->mbarriers.find(x.barrier);
  Stamp stamp;
  if (it != x.barrierCta->mbarriers.end()) {
    stamp = asyncStamp(*x.cta, *x.barrierCta, it->second, x.pc);
  }
  endAsyncWrite(*x.cta, x.shared, x.bytes, stamp);
  completeBytes(*x.barrierCta, x.barrier, x.bytes);
  x.cta->grid->counters.asyncBytes += x.bytes;
}

void startLoad(Warp &w, int l, Load x) {
  Scheduler &s = *w.grid->scheduler;
  mbarrierAt(w, l, *x.barrierCta, x.barrier);
  uint64_t list[kLanes] = {};
  if (s.races) {
    s.races->publish(w, l);
  }
  for (const Row &row : x.rows) {
    const char *from = nullptr;
    if (row.valid) {
      from = translateOne(w, l, row.from, row.valid, 1, false);
      if (s.options.checks & (kCheckRace | kCheckInit)) {
        for (uint32_t at = 0; at < row.valid; at += 4) {
          list[l] = row.from + at;
          checkGlobal(w, Mask(1) << l, list, std::min(4u, row.valid - at),
                      Touch::Read, false);
        }
      }
    }
    x.sources.push_back(from);
  }
  beginAsyncWrite(w, l, *x.cta, x.shared, x.bytes);
  if (s.memcheck()) {
    const uint32_t poison = 0x7fbadbad;
    for (uint32_t at = 0; at + 4 <= x.bytes; at += 4) {
      std::memcpy(x.cta->shared.data() + x.shared + at, &poison, 4);
    }
  }
  AsyncOp op;
  op.cta = x.cta;
  op.pc = w.pc;
  op.what = "a bulk copy into its shared memory";
  op.mbarrier = true;
  op.finish = [x = std::move(x)] { finishLoad(x); };
  s.enqueue(std::move(op));
}

/// ints: 0 wide dst, 1 dst offset, 2 wide src/map, 3 src offset, 4 wide bar,
/// 5 bar offset, 6 coordinates, 7 multicast; regs: coordinates. a: shared,
/// b: source or map, c: barrier, d: (size or mask), kept in regs2.
struct Parts {
  const InsInfo &info;
  const Ins &i;
  Warp &w;
  uint64_t first(int l) const {
    return laneAddress(w, i.a, info.ints[0], l, info.ints[1]);
  }
  uint64_t second(int l) const {
    return laneAddress(w, i.b, info.ints[2], l, info.ints[3]);
  }
  uint64_t barrier(int l) const {
    return laneAddress(w, i.c, info.ints[4], l, info.ints[5]);
  }
};

/// The shared offset in another block of the cluster.
Cta *peer(Warp &w, uint32_t rank) {
  return w.cta->cluster && rank < w.cta->cluster->size()
             ? (*w.cta->cluster)[rank]
             : nullptr;
}

void loadTo(Warp &w, int l, const Ins &i, const Load &plan, uint64_t to,
            uint64_t bar) {
  const InsInfo &info = w.program->infos[i.info];
  uint32_t mask = 0;
  if (info.ints[7]) {
    mask = w.at<uint32_t>(info.regs2.back())[l] & 0xffff;
  }
  if (w.grid->scheduler->options.count) {
    uint64_t from[kLanes];
    unsigned bytes[kLanes];
    for (const Row &row : plan.rows) {
      from[l] = row.from;
      bytes[l] = row.valid;
      w.countGlobal(from, Mask(1) << l, bytes, true);
    }
  }
  if (!mask) {
    Load x = plan;
    x.cta = &locateShared(w, l, to, x.bytes, 16, x.shared);
    x.barrierCta = &locateShared(w, l, bar, 8, 8, x.barrier);
    return startLoad(w, l, std::move(x));
  }
  for (uint32_t r = 0; r < 16; ++r) {
    if (!(mask >> r & 1)) {
      continue;
    }
    Load x = plan;
    x.cta = peer(w, r);
    if (!x.cta || !x.cta->active) {
      w.grid->scheduler->fault(w, l, 719, Kind::SharedLifetime,
                               "multicast to a block that does not run");
    }
    locateShared(w, l, to & ((1u << kClusterShift) - 1), x.bytes, 16, x.shared);
    locateShared(w, l, bar & ((1u << kClusterShift) - 1), 8, 8, x.barrier);
    x.barrierCta = x.cta;
    startLoad(w, l, std::move(x));
  }
}

Step tensorLoad(Warp &w, const Ins &i, Mask m) {
  Parts p{w.program->infos[i.info], i, w};
  for (Mask left = m; left; left &= left - 1) {
    int l = __builtin_ctz(left);
    Load x{};
    x.pc = w.pc;
    x.tensor = true;
    x.map = readMap(w, l, p.second(l));
    int32_t at[5] = {};
    for (size_t d = 0; d < p.info.regs.size() && d < 5; ++d) {
      at[d] = w.at<int32_t>(p.info.regs[d])[l];
    }
    uint64_t to = p.first(l);
    uint32_t offset = uint32_t(to & ((1u << kClusterShift) - 1));
    checkBox(w, l, x.map, offset, p.info.regs.size());
    x.rows = boxRows(x.map, at, offset);
    x.bytes = static_cast<uint32_t>(x.rows.size()) * x.rows[0].bytes;
    x.shared = offset;
    loadTo(w, l, i, x, to, p.barrier(l));
  }
  return Step::Next;
}

Step bulkLoad(Warp &w, const Ins &i, Mask m) {
  Parts p{w.program->infos[i.info], i, w};
  for (Mask left = m; left; left &= left - 1) {
    int l = __builtin_ctz(left);
    Load x{};
    x.pc = w.pc;
    x.bytes = w.at<uint32_t>(p.info.regs2[0])[l];
    uint64_t from = p.second(l), to = p.first(l);
    if (x.bytes == 0 || x.bytes % 16 || from % 16) {
      w.grid->scheduler->fault(w, l, 716, Kind::Misaligned,
                               "bulk copies move multiples of 16 bytes "
                               "between 16-byte aligned addresses");
    }
    uint32_t offset = uint32_t(to & ((1u << kClusterShift) - 1));
    x.rows.push_back({offset, from, x.bytes, x.bytes, 0});
    loadTo(w, l, i, x, to, p.barrier(l));
  }
  return Step::Next;
}

/// Shared memory of this block to that of another.
Step bulkBetween(Warp &w, const Ins &i, Mask m) {
  Parts p{w.program->infos[i.info], i, w};
  Scheduler &s = *w.grid->scheduler;
  auto red = static_cast<RedOp>(i.mode);
  auto type = static_cast<Type>(p.info.ints[8]);
  for (Mask left = m; left; left &= left - 1) {
    int l = __builtin_ctz(left);
    uint32_t bytes = w.at<uint32_t>(p.info.regs2[0])[l], to = 0, from = 0,
             bar = 0;
    Cta &dst = locateShared(w, l, p.first(l), bytes, 16, to);
    Cta &src = locateShared(w, l, p.second(l), bytes, 16, from);
    Cta &bc = locateShared(w, l, p.barrier(l), 8, 8, bar);
    mbarrierAt(w, l, bc, bar);
    if (bytes % 16) {
      s.fault(w, l, 716, Kind::Misaligned, "the size is no multiple of 16");
    }
    checkShared(w, l, src, from, bytes, Touch::AsyncRead);
    beginAsyncWrite(w, l, dst, to, bytes);
    AsyncOp op;
    op.cta = &dst;
    op.pc = w.pc;
    op.what = "a bulk copy into its shared memory";
    op.mbarrier = true;
    op.finish = [&dst, &src, &bc, to, from, bar, bytes, pc = w.pc, red, type] {
      reduceBytes(red, type, dst.shared.data() + to, src.shared.data() + from,
                  bytes);
      auto it = bc.mbarriers.find(bar);
      Stamp stamp;
      if (it != bc.mbarriers.end()) {
        stamp = asyncStamp(src, bc, it->second, pc);
      }
      endAsyncWrite(dst, to, bytes, stamp);
      completeBytes(bc, bar, bytes);
    };
    s.enqueue(std::move(op));
  }
  return Step::Next;
}

/// A store or reduction to global memory, in a bulk group of the lane.
void startStore(Warp &w, int l, Cta &cta, uint32_t shared, uint32_t bytes,
                std::vector<Row> rows, const TensorMap *map, RedOp op,
                Type type) {
  Scheduler &s = *w.grid->scheduler;
  checkShared(w, l, cta, shared, bytes, Touch::AsyncRead);
  auto held = std::make_shared<std::vector<char>>();
  auto plan = std::make_shared<std::vector<Row>>(std::move(rows));
  auto targets = std::make_shared<std::vector<char *>>();
  uint64_t list[kLanes] = {};
  for (const Row &r : *plan) {
    targets->push_back(r.valid ? translateOne(w, l, r.from, r.valid, 1, true)
                               : nullptr);
    if (s.options.checks & (kCheckRace | kCheckInit)) {
      for (uint32_t at = 0; at < r.valid; at += 4) {
        list[l] = r.from + at;
        checkGlobal(w, Mask(1) << l, list, std::min(4u, r.valid - at),
                    op == RedOp::None ? Touch::Write : Touch::Atomic,
                    op != RedOp::None);
      }
    }
  }
  if (s.races) {
    s.races->publish(w, l);
  }
  TensorMap t = map ? *map : TensorMap();
  bool tensor = map;
  BulkGroup g;
  g.group = w.bulkGroup[l];
  g.lane = static_cast<uint8_t>(l);
  g.pc = w.pc;
  g.first = shared;
  g.bytes = bytes;
  if (cta.shadow.enabled) {
    SharedShadow::set(cta.shadow.reading, shared, bytes, true);
    ++cta.shadow.readingCount;
  }
  Cta *from = &cta;
  g.read = [from, held, plan, t, tensor, shared, bytes] {
    const char *window = from->shared.data();
    for (const Row &r : *plan) {
      for (uint32_t at = 0; at < r.valid; ++at) {
        uint32_t a = r.to + r.lead + at;
        held->push_back(window[tensor ? swizzled(t, a) : a]);
      }
    }
    if (from->shadow.enabled) {
      SharedShadow::set(from->shadow.reading, shared, bytes, false);
      --from->shadow.readingCount;
    }
  };
  g.write = [held, plan, targets, op, type, from] {
    size_t at = 0;
    for (size_t k = 0; k < plan->size(); ++k) {
      uint32_t n = (*plan)[k].valid;
      if (n) {
        reduceBytes(op, type, (*targets)[k], held->data() + at, n);
      }
      at += n;
    }
    from->grid->counters.asyncBytes += at;
  };
  w.bulk.push_back(std::move(g));
  ++s.progress;
}

Step tensorStore(Warp &w, const Ins &i, Mask m) {
  Parts p{w.program->infos[i.info], i, w};
  for (Mask left = m; left; left &= left - 1) {
    int l = __builtin_ctz(left);
    // first: the map; second: shared memory
    TensorMap t = readMap(w, l, p.first(l));
    int32_t at[5] = {};
    for (size_t d = 0; d < p.info.regs.size() && d < 5; ++d) {
      at[d] = w.at<int32_t>(p.info.regs[d])[l];
    }
    uint32_t shared = 0;
    uint64_t a = p.second(l);
    checkBox(w, l, t, uint32_t(a & ((1u << kClusterShift) - 1)),
             p.info.regs.size());
    std::vector<Row> rows = boxRows(t, at, static_cast<uint32_t>(a));
    uint32_t bytes = static_cast<uint32_t>(rows.size()) * rows[0].bytes;
    Cta &cta = locateShared(w, l, a, bytes, 16, shared);
    static constexpr Type kTypes[] = {
        Type::B8,  Type::B16, Type::U32, Type::S32, Type::U64,
        Type::S64, Type::F16, Type::F32, Type::F64, Type::BF16,
        Type::F32, Type::F32, Type::F32};
    startStore(w, l, cta, shared, bytes, std::move(rows), &t,
               static_cast<RedOp>(i.mode), kTypes[std::min<int>(t.type, 12)]);
  }
  return Step::Next;
}

Step bulkStore(Warp &w, const Ins &i, Mask m) {
  Parts p{w.program->infos[i.info], i, w};
  for (Mask left = m; left; left &= left - 1) {
    int l = __builtin_ctz(left);
    uint32_t bytes = w.at<uint32_t>(p.info.regs2[0])[l], shared = 0;
    uint64_t to = p.first(l), from = p.second(l);
    if (bytes == 0 || bytes % 16 || to % 16) {
      w.grid->scheduler->fault(w, l, 716, Kind::Misaligned,
                               "bulk copies move multiples of 16 bytes "
                               "between 16-byte aligned addresses");
    }
    Cta &cta = locateShared(w, l, from, bytes, 16, shared);
    startStore(w, l, cta, shared, bytes, {{shared, to, bytes, bytes, 0}},
               nullptr, static_cast<RedOp>(i.mode),
               static_cast<Type>(p.info.ints[8]));
  }
  return Step::Next;
}

Step bulkCommit(Warp &w, const Ins &, Mask m) {
  each(m, [&](int l) { ++w.bulkGroup[l]; });
  return Step::Next;
}

/// wait_group{.read} N: flag = read only.
Step bulkWait(Warp &w, const Ins &i, Mask m) {
  for (size_t k = 0; k < w.bulk.size();) {
    BulkGroup &g = w.bulk[k];
    int64_t open = int64_t(w.bulkGroup[g.lane]) - int64_t(g.group);
    if (!(m >> g.lane & 1) || open <= i.imm || open == 0) {
      ++k;
      continue;
    }
    if (g.read) {
      g.read();
      g.read = nullptr;
    }
    if (i.flag) {
      // The write may come later, but nothing tells when: it happens now
      // unless a seed says otherwise.
      if (w.grid->scheduler->seeded() && w.grid->scheduler->random(2)) {
        ++k;
        continue;
      }
    }
    g.write();
    w.bulk.erase(w.bulk.begin() + static_cast<long>(k));
  }
  return Step::Next;
}

uint32_t parsePart(Decode &d, const Operand &o, size_t slot) {
  int64_t offset = 0;
  uint32_t reg = d.addressOperand(o, offset);
  d.info.ints[slot] = d.ins.wideBase;
  d.info.ints[slot + 1] = offset;
  return reg;
}

/// The coordinates inside [map, {c0, c1, ...}].
void parseCoordinates(Decode &d, const Operand &o) {
  if (o.kind != Operand::Memory || o.items.size() != 2) {
    d.fail("expected [map, {coordinates}]");
  }
  const Operand &c = o.items[1];
  if (c.kind == Operand::Vector) {
    for (const Operand &e : c.items) {
      d.info.regs.push_back(d.src(e, Type::S32));
    }
  } else {
    d.info.regs.push_back(d.src(c, Type::S32));
  }
  if (d.info.regs.empty() || d.info.regs.size() > 5) {
    d.fail("expected 1 to 5 coordinates");
  }
}

void decodeTensorCopy(Decode &d, bool reduce) {
  if (d.has("im2col") || d.has("im2col_no_offs") || d.has("tile::gather4") ||
      d.has("tile::scatter4")) {
    d.unsupported();
  }
  d.info.ints.assign(9, 0);
  bool load = !reduce && !d.ast.opcode.ends_with("bulk_group") &&
              d.has("mbarrier::complete_tx::bytes");
  if (load) {
    d.arity(3, 5);
    d.ins.a = parsePart(d, d.op(0), 0);
    d.ins.b = parsePart(d, d.op(1), 2);
    parseCoordinates(d, d.op(1));
    d.ins.c = parsePart(d, d.op(2), 4);
    if (d.has("multicast::cluster")) {
      d.info.ints[7] = 1;
      d.info.regs2.push_back(d.src(d.op(3), Type::B16));
    }
    return d.finish(tensorLoad, InsClass::Async);
  }
  d.arity(2, 3);
  d.ins.a = parsePart(d, d.op(0), 0);
  parseCoordinates(d, d.op(0));
  d.ins.b = parsePart(d, d.op(1), 2);
  d.ins.mode = static_cast<uint8_t>(reduce ? reductionOf(d) : RedOp::None);
  d.finish(tensorStore, InsClass::Async);
}

void decodeBulkCopy(Decode &d, bool reduce) {
  d.info.ints.assign(9, 0);
  d.arity(3, 6);
  d.ins.a = parsePart(d, d.op(0), 0);
  d.ins.b = parsePart(d, d.op(1), 2);
  d.info.regs2.push_back(d.src(d.op(2), Type::U32));
  bool group = d.has("bulk_group");
  if (reduce) {
    d.ins.mode = static_cast<uint8_t>(reductionOf(d));
    d.info.ints[8] = static_cast<int64_t>(d.type());
  }
  if (group) {
    return d.finish(bulkStore, InsClass::Async);
  }
  d.ins.c = parsePart(d, d.op(3), 4);
  if (d.has("multicast::cluster")) {
    d.info.ints[7] = 1;
    d.info.regs2.push_back(d.src(d.op(4), Type::B16));
  }
  d.finish(d.has("global") ? bulkLoad : bulkBetween, InsClass::Async);
}

Step nothing(Warp &, const Ins &, Mask) { return Step::Next; }

} // namespace

void decodeTensorPrefetch(Decode &d) {
  int64_t offset = 0;
  d.ins.a = d.addressOperand(d.op(0), offset);
  d.ins.imm = offset;
  d.finish(
      [](Warp &w, const Ins &i, Mask m) {
        int l = __builtin_ctz(m);
        readMap(w, l, laneAddress(w, i.a, i.wideBase, l, i.imm));
        return Step::Next;
      },
      InsClass::Async);
}

void decodeBulk(Decode &d) {
  bool reduce = d.has("reduce");
  if (d.has("commit_group")) {
    d.arity(0, 0);
    return d.finish(bulkCommit, InsClass::Async);
  }
  if (d.has("wait_group")) {
    d.arity(1, 1);
    d.ins.imm = d.integer(d.op(0));
    d.ins.flag = d.has("read");
    return d.finish(bulkWait, InsClass::Async);
  }
  if (d.has("prefetch")) {
    return d.finish(nothing, InsClass::Async);
  }
  d.has("tensor") ? decodeTensorCopy(d, reduce) : decodeBulkCopy(d, reduce);
}

void addTensor(OpTable &) {
  // "cp" belongs to the cp.async family, which asks decodeBulk.
}

} // namespace rill::emu
