// Operations of the lanes of a warp on one another: shfl, vote, match, redux,
// activemask, elect: PTX ISA 9.7.9.6, 9.7.13.9-14.
#include "Lanes.h"
#include "Numeric.h"

namespace rill::emu {

namespace {

/// False when lanes of the member mask are missing (park). Reports a lane
/// that is outside its own mask.
bool gathered(Warp &w, uint32_t maskReg, Mask m, Mask &mask) {
  mask = w.at<uint32_t>(maskReg)[__builtin_ctz(m)];
  if (Mask outside = m & ~mask) {
    w.grid->scheduler->find(w, __builtin_ctz(outside), Kind::InactiveLane,
                            "the lane is not in its own member mask");
  }
  return w.need(mask);
}

enum class Shuffle : uint8_t { Up, Down, Bfly, Idx };

Step shuffle(Warp &w, const Ins &i, Mask m) {
  const InsInfo &info = w.program->infos[i.info];
  Mask mask;
  if (!gathered(w, info.regs[0], m, mask)) {
    return Step::Park;
  }
  uint32_t *d = w.at<uint32_t>(i.d), in[kLanes];
  std::memcpy(in, w.at<uint32_t>(i.a), sizeof in);
  const uint32_t *b = w.at<uint32_t>(i.b), *c = w.at<uint32_t>(i.c);
  Mask valid = 0;
  for (Mask left = m; left; left &= left - 1) {
    int l = __builtin_ctz(left);
    int bv = static_cast<int>(b[l] & 31), cv = static_cast<int>(c[l] & 31);
    int seg = static_cast<int>(c[l] >> 8 & 31);
    int maxLane = (l & seg) | (cv & ~seg), minLane = l & seg, j = 0;
    bool p = false;
    switch (static_cast<Shuffle>(i.mode)) {
    case Shuffle::Up:
      j = l - bv;
      p = j >= maxLane;
      break;
    case Shuffle::Down:
      j = l + bv;
      p = j <= maxLane;
      break;
    case Shuffle::Bfly:
      j = l ^ bv;
      p = j <= maxLane;
      break;
    case Shuffle::Idx:
      j = minLane | (bv & ~seg);
      p = j <= maxLane;
      break;
    }
    j = p ? j : l;
    if (p && !(m >> j & 1)) {
      w.grid->scheduler->find(w, l, Kind::InactiveLane,
                              "reads the register of lane " +
                                  std::to_string(j) +
                                  ", which does not take part");
    }
    d[l] = in[j];
    valid |= Mask(p) << l;
  }
  if (info.regs.size() > 1) {
    Mask &p = w.predicate(info.regs[1]);
    p = (p & ~m) | (valid & m);
  }
  return Step::Next;
}

void decodeShuffle(Decode &d) {
  d.arity(5, 5);
  d.ins.mode = static_cast<uint8_t>(d.has("up")     ? Shuffle::Up
                                    : d.has("down") ? Shuffle::Down
                                    : d.has("bfly") ? Shuffle::Bfly
                                                    : Shuffle::Idx);
  if (!d.has("sync")) {
    d.unsupported();
  }
  d.ins.a = d.src(d.op(1), Type::B32);
  d.ins.b = d.src(d.op(2), Type::B32);
  d.ins.c = d.src(d.op(3), Type::B32);
  d.info.regs.push_back(d.src(d.op(4), Type::B32));
  const Operand &out = d.op(0);
  bool pair = out.kind == Operand::Pair;
  d.ins.d = d.dst(pair ? out.items[0] : out, Type::B32);
  if (pair) {
    d.info.regs.push_back(d.predicateOut(out.items[1]));
  }
  d.finish(shuffle, InsClass::Collective);
}

enum class Vote : uint8_t { All, Any, Uni, Ballot };

Step vote(Warp &w, const Ins &i, Mask m) {
  Mask mask;
  if (!gathered(w, i.b, m, mask)) {
    return Step::Park;
  }
  Mask p = i.a == kNoReg ? (i.imm ? kAllLanes : 0) : w.predicate(i.a);
  p = (i.flag ? ~p : p) & m;
  Vote v = static_cast<Vote>(i.mode);
  if (v == Vote::Ballot) {
    uint32_t *d = w.at<uint32_t>(i.d);
    each(m, [=](int l) { d[l] = p; });
    return Step::Next;
  }
  bool r = v == Vote::All ? p == m : v == Vote::Any ? p != 0 : p == m || p == 0;
  Mask &out = w.predicate(i.d);
  out = (out & ~m) | (r ? m : 0);
  return Step::Next;
}

void decodeVote(Decode &d) {
  d.arity(3, 3);
  Vote v = d.has("ballot") ? Vote::Ballot
           : d.has("all")  ? Vote::All
           : d.has("any")  ? Vote::Any
                           : Vote::Uni;
  d.ins.mode = static_cast<uint8_t>(v);
  if (d.op(1).kind == Operand::Integer) {
    d.ins.imm = static_cast<int64_t>(d.op(1).bits);
    d.ins.flag = d.op(1).negated;
  } else {
    d.ins.a = d.predicate(d.op(1), d.ins.flag);
  }
  d.ins.b = d.src(d.op(2), Type::B32);
  d.ins.d =
      v == Vote::Ballot ? d.dst(d.op(0), Type::B32) : d.predicateOut(d.op(0));
  d.finish(vote, InsClass::Collective);
}

template <class T>
Step match(Warp &w, const Ins &i, Mask m) {
  const InsInfo &info = w.program->infos[i.info];
  Mask mask;
  if (!gathered(w, i.b, m, mask)) {
    return Step::Park;
  }
  const T *a = w.at<T>(i.a);
  uint32_t *d = w.at<uint32_t>(i.d);
  Mask allEqual = 0;
  for (Mask left = m; left; left &= left - 1) {
    int l = __builtin_ctz(left);
    Mask same = 0;
    for (Mask k = m; k; k &= k - 1) {
      int x = __builtin_ctz(k);
      same |= Mask(a[x] == a[l]) << x;
    }
    bool whole = same == m;
    d[l] = i.flag ? (whole ? m : 0) : same;
    allEqual |= Mask(whole) << l;
  }
  if (!info.regs.empty()) {
    Mask &p = w.predicate(info.regs[0]);
    p = (p & ~m) | (allEqual & m);
  }
  return Step::Next;
}

void decodeMatch(Decode &d) {
  d.arity(3, 3);
  Type t = d.type();
  d.ins.flag = d.has("all");
  d.ins.a = d.src(d.op(1), t);
  d.ins.b = d.src(d.op(2), Type::B32);
  const Operand &out = d.op(0);
  bool pair = out.kind == Operand::Pair;
  d.ins.d = d.dst(pair ? out.items[0] : out, Type::B32);
  if (pair) {
    d.info.regs.push_back(d.predicateOut(out.items[1]));
  }
  d.finish(typeSize(t) == 8 ? match<uint64_t> : match<uint32_t>,
           InsClass::Collective);
}

enum class Redux : uint8_t { Add, Min, Max, And, Or, Xor };

Step redux(Warp &w, const Ins &i, Mask m) {
  Mask mask;
  if (!gathered(w, i.b, m, mask)) {
    return Step::Park;
  }
  const uint32_t *a = w.at<uint32_t>(i.a);
  uint32_t *d = w.at<uint32_t>(i.d);
  uint32_t r = a[__builtin_ctz(m)];
  for (Mask left = m & (m - 1); left; left &= left - 1) {
    uint32_t v = a[__builtin_ctz(left)];
    bool less = i.flag ? int32_t(v) < int32_t(r) : v < r;
    switch (static_cast<Redux>(i.mode)) {
    case Redux::Add:
      r += v;
      break;
    case Redux::Min:
      r = less ? v : r;
      break;
    case Redux::Max:
      r = less ? r : v;
      break;
    case Redux::And:
      r &= v;
      break;
    case Redux::Or:
      r |= v;
      break;
    case Redux::Xor:
      r ^= v;
      break;
    }
  }
  each(m, [=](int l) { d[l] = r; });
  return Step::Next;
}

/// redux.sync.{min,max}{.abs}{.NaN}.f32 (sm_100a).
Step reduxFloat(Warp &w, const Ins &i, Mask m) {
  Mask mask;
  if (!gathered(w, i.b, m, mask)) {
    return Step::Park;
  }
  bool max = i.mode == uint8_t(Redux::Max), abs = i.flag, nan = i.flag2;
  const uint32_t *a = w.at<uint32_t>(i.a);
  float r = NAN;
  bool anyNan = false;
  for (Mask left = m; left; left &= left - 1) {
    float v = std::bit_cast<float>(a[__builtin_ctz(left)]);
    v = abs ? std::fabs(v) : v;
    anyNan |= std::isnan(v);
    if (std::isnan(r) || (max ? v > r : v < r)) {
      r = std::isnan(v) ? r : v;
    }
  }
  uint32_t bits = std::isnan(r) || (nan && anyNan) ? 0x7fffffff
                                                   : std::bit_cast<uint32_t>(r);
  uint32_t *d = w.at<uint32_t>(i.d);
  each(m, [=](int l) { d[l] = bits; });
  return Step::Next;
}

void decodeRedux(Decode &d) {
  d.arity(3, 3);
  Type t = d.type();
  Redux r = d.has("add")   ? Redux::Add
            : d.has("min") ? Redux::Min
            : d.has("max") ? Redux::Max
            : d.has("and") ? Redux::And
            : d.has("or")  ? Redux::Or
                           : Redux::Xor;
  d.ins.mode = static_cast<uint8_t>(r);
  d.ins.a = d.src(d.op(1), t);
  d.ins.b = d.src(d.op(2), Type::B32);
  d.ins.d = d.dst(d.op(0), t);
  if (t == Type::F32) {
    if (r != Redux::Min && r != Redux::Max) {
      d.unsupported();
    }
    d.ins.flag = d.has("abs");
    d.ins.flag2 = d.has("NaN");
    return d.finish(reduxFloat, InsClass::Collective);
  }
  d.ins.flag = isSigned(t);
  d.finish(redux, InsClass::Collective);
}

Step activeMask(Warp &w, const Ins &i, Mask m) {
  uint32_t *d = w.at<uint32_t>(i.d);
  each(m, [=](int l) { d[l] = m; });
  return Step::Next;
}

/// elect.sync d|p, mask: the lowest lane of the mask.
Step elect(Warp &w, const Ins &i, Mask m) {
  Mask mask;
  if (!gathered(w, i.a, m, mask)) {
    return Step::Park;
  }
  Mask present = mask & m;
  int leader = std::countr_zero(present ? present : m);
  uint32_t *d = w.at<uint32_t>(i.d);
  each(m, [=](int l) { d[l] = static_cast<uint32_t>(leader); });
  const InsInfo &info = w.program->infos[i.info];
  if (!info.regs.empty()) {
    Mask &p = w.predicate(info.regs[0]);
    p = (p & ~m) | (Mask(1) << leader & m);
  }
  return Step::Next;
}

void decodeElect(Decode &d) {
  d.arity(2, 2);
  d.ins.a = d.src(d.op(1), Type::B32);
  const Operand &out = d.op(0);
  bool pair = out.kind == Operand::Pair;
  d.ins.d = d.dst(pair ? out.items[0] : out, Type::B32);
  if (pair) {
    d.info.regs.push_back(d.predicateOut(out.items[1]));
  }
  d.finish(elect, InsClass::Collective);
}

} // namespace

void addCollective(OpTable &t) {
  t["shfl"] = decodeShuffle;
  t["vote"] = decodeVote;
  t["match"] = decodeMatch;
  t["redux"] = decodeRedux;
  t["activemask"] = [](Decode &d) {
    d.arity(1, 1);
    d.ins.d = d.dst(d.op(0), Type::B32);
    d.finish(activeMask, InsClass::Collective);
  };
  t["elect"] = decodeElect;
}

} // namespace rill::emu
