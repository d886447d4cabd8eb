// mapa and getctarank: PTX ISA 9.7.9.23-24.
#include "../Core/Address.h"
#include "Lanes.h"

namespace rill::emu {

namespace {

uint32_t checkedRank(Warp &w, int l, uint32_t rank) {
  size_t n = w.cta->cluster ? w.cta->cluster->size() : 1;
  if (rank >= n) {
    w.grid->scheduler->fault(w, l, 700, Kind::OutOfBounds,
                             "block rank " + std::to_string(rank) +
                                 " of a cluster of " + std::to_string(n));
  }
  return rank;
}

template <class T>
Step mapa(Warp &w, const Ins &i, Mask m) {
  const T *a = w.at<T>(i.a);
  const uint32_t *b = w.at<uint32_t>(i.b);
  T *d = w.at<T>(i.d);
  for (Mask left = m; left; left &= left - 1) {
    int l = __builtin_ctz(left);
    uint32_t rank = checkedRank(w, l, b[l]);
    T window = static_cast<T>(uint64_t(a[l]) & kWindowMask);
    T offset = static_cast<T>((a[l] + T(i.imm)) & ((1u << kClusterShift) - 1));
    d[l] = window | static_cast<T>(rank + 1) << kClusterShift | offset;
  }
  return Step::Next;
}

template <class T>
Step ctaRank(Warp &w, const Ins &i, Mask m) {
  const T *a = w.at<T>(i.a);
  uint32_t *d = w.at<uint32_t>(i.d);
  uint32_t own = w.cta->rank;
  for (Mask left = m; left; left &= left - 1) {
    int l = __builtin_ctz(left);
    uint64_t at = uint64_t(a[l]) & ~kWindowMask;
    uint32_t tag = static_cast<uint32_t>(at >> kClusterShift);
    d[l] = tag ? tag - 1 : own;
  }
  return Step::Next;
}

void decodeMapa(Decode &d) {
  d.arity(3, 3);
  d.owner.program->usesCluster = true;
  Type t = d.type();
  const Operand &o = d.op(1);
  d.ins.a =
      o.kind == Operand::Variable
          ? d.owner.constant(d.owner.variableAddress(d.fn, o), typeSize(t) == 8)
          : d.src(o, t);
  d.ins.b = d.src(d.op(2), Type::U32);
  d.ins.d = d.dst(d.op(0), t);
  d.finish(typeSize(t) == 8 ? mapa<uint64_t> : mapa<uint32_t>,
           InsClass::Special);
}

void decodeRank(Decode &d) {
  d.arity(2, 2);
  d.owner.program->usesCluster = true;
  Type t = d.type();
  d.ins.a = d.src(d.op(1), t);
  d.ins.d = d.dst(d.op(0), Type::U32);
  d.finish(typeSize(t) == 8 ? ctaRank<uint64_t> : ctaRank<uint32_t>,
           InsClass::Special);
}

} // namespace

void addCluster(OpTable &t) {
  t["mapa"] = decodeMapa;
  t["getctarank"] = decodeRank;
}

} // namespace rill::emu
