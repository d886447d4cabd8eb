// Lane-wise access to registers and the templates most handlers are made of.
#ifndef LIB_EMULATION_OPS_LANES_H
#define LIB_EMULATION_OPS_LANES_H

#include "../Checks/Access.h"
#include "../Core/Decoder.h"
#include "../Core/Machine.h"
#include "../Core/Scheduler.h"

#include <algorithm>
#include <bit>
#include <type_traits>

namespace rill::emu {

/// How a value of T lies in a register slot: 4 or 8 bytes per lane.
template <class T>
using Cell = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;

template <class T>
inline T fromCell(Cell<T> v) {
  if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) {
    return std::bit_cast<T>(v);
  } else {
    return static_cast<T>(v);
  }
}

template <class T>
inline Cell<T> toCell(T v) {
  if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) {
    return std::bit_cast<Cell<T>>(v);
  } else {
    return static_cast<Cell<T>>(static_cast<std::make_unsigned_t<T>>(v));
  }
}

/// Calls f(lane) for each lane of the mask; all lanes at once vectorise.
/// Lanes are independent, also when registers coincide.
template <class F>
inline void each(Mask m, F f) {
  if (m == kAllLanes) {
#pragma clang loop vectorize(assume_safety)
    for (int l = 0; l < kLanes; ++l) {
      f(l);
    }
    return;
  }
  for (; m; m &= m - 1) {
    f(__builtin_ctz(m));
  }
}

/// d = Op(a); Op::run takes and returns plain values.
template <class Op, class D, class A>
Step unary(Warp &w, const Ins &i, Mask m) {
  Cell<D> *d = w.at<Cell<D>>(i.d);
  const Cell<A> *a = w.at<Cell<A>>(i.a);
  each(m, [=](int l) { d[l] = toCell<D>(Op::run(fromCell<A>(a[l]))); });
  return Step::Next;
}

template <class Op, class D, class A, class B = A>
Step binary(Warp &w, const Ins &i, Mask m) {
  Cell<D> *d = w.at<Cell<D>>(i.d);
  const Cell<A> *a = w.at<Cell<A>>(i.a);
  const Cell<B> *b = w.at<Cell<B>>(i.b);
  each(m, [=](int l) {
    d[l] = toCell<D>(Op::run(fromCell<A>(a[l]), fromCell<B>(b[l])));
  });
  return Step::Next;
}

template <class Op, class D, class A, class B = A, class C = A>
Step ternary(Warp &w, const Ins &i, Mask m) {
  Cell<D> *d = w.at<Cell<D>>(i.d);
  const Cell<A> *a = w.at<Cell<A>>(i.a);
  const Cell<B> *b = w.at<Cell<B>>(i.b);
  const Cell<C> *c = w.at<Cell<C>>(i.c);
  each(m, [=](int l) {
    d[l] = toCell<D>(
        Op::run(fromCell<A>(a[l]), fromCell<B>(b[l]), fromCell<C>(c[l])));
  });
  return Step::Next;
}

inline void decodeD(Decode &d, Type t) { d.ins.d = d.dst(d.op(0), t); }

inline void decodeUnary(Decode &d, Type td, Type ta) {
  d.arity(2, 2);
  d.ins.a = d.src(d.op(1), ta);
  d.ins.d = d.dst(d.op(0), td);
}

inline void decodeBinary(Decode &d, Type td, Type ta, Type tb) {
  d.arity(3, 3);
  d.ins.a = d.src(d.op(1), ta);
  d.ins.b = d.src(d.op(2), tb);
  d.ins.d = d.dst(d.op(0), td);
}

inline void decodeTernary(Decode &d, Type td, Type ta, Type tb, Type tc) {
  d.arity(4, 4);
  d.ins.a = d.src(d.op(1), ta);
  d.ins.b = d.src(d.op(2), tb);
  d.ins.c = d.src(d.op(3), tc);
  d.ins.d = d.dst(d.op(0), td);
}

/// f.template operator()<T>() for the C++ type of an integer PTX type, where
/// untyped bits count as unsigned; nullptr for others.
template <class F>
Handler pickInteger(Type t, F f) {
  switch (t) {
  case Type::U16:
  case Type::B16:
    return f.template operator()<uint16_t>();
  case Type::U32:
  case Type::B32:
    return f.template operator()<uint32_t>();
  case Type::U64:
  case Type::B64:
    return f.template operator()<uint64_t>();
  case Type::S16:
    return f.template operator()<int16_t>();
  case Type::S32:
    return f.template operator()<int32_t>();
  case Type::S64:
    return f.template operator()<int64_t>();
  default:
    return nullptr;
  }
}

template <class F>
Handler pickBits(Type t, F f) {
  switch (typeSize(t)) {
  case 2:
    return f.template operator()<uint16_t>();
  case 4:
    return f.template operator()<uint32_t>();
  case 8:
    return f.template operator()<uint64_t>();
  default:
    return nullptr;
  }
}

} // namespace rill::emu
#endif
