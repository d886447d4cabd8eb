//===- WarpSoftmax.cpp - One query head over runs of keys, by a warp ------===//
//
// Source: arXiv 2205.14135, algorithm 1, for one row.
//
//===----------------------------------------------------------------------===//
#include "WarpSoftmax.h"

using namespace mlir;
using namespace rill;
using namespace rill::kernel;

WarpSoftmax::WarpSoftmax(CudaCode &code, int64_t width, Run query)
    : code(code), width(width), parts(llvm::divideCeil(width, kWarp)),
      query(query) {
  state.assign(2 + parts, code.real(0.0));
  state[0] = code.real(kUnseen);
}

Value WarpSoftmax::isSeen(const Keys &keys, Value t) {
  Value behind = code.sub(keys.first, code.integer(1));
  Value seen = code.both(code.less(behind, t), code.less(t, keys.end));
  if (keys.mask) {
    // Bits behind the 64th are not there.
    Value known = code.less(t, code.integer(64));
    Value bit = code.bit(keys.mask, code.min(t, code.integer(63)));
    seen = code.both(
        seen, code.either(code.both(known, bit), code.equal(t, keys.self)));
  }
  return seen;
}

/// Query times key t.
Value WarpSoftmax::score(const Keys &keys, Value t) {
  int64_t lanes = CudaCode::lanesFor(width, 4);
  Value at = code.add(keys.base, code.mul(t, keys.stride));
  Value sums = code.loop(
      code.integer(0), code.integer(width), lanes,
      code.spread(code.real(0.0), lanes),
      [&](Value c, ValueRange sum) -> SmallVector<Value> {
        Value q = code.loadSome(query.memory, code.add(query.at, c), lanes);
        return {code.fma(q, code.loadSome(keys.keys, code.add(at, c), lanes),
                         sum[0])};
      })[0];
  return lanes == 1 ? sums : code.sumLanes(sums);
}

SmallVector<Value> WarpSoftmax::block(const Keys &keys, Value first,
                                      ValueRange old) {
  Value t = code.add(first, code.lane());
  Value seen = isSeen(keys, t);
  // Lanes of unseen keys read a key that exists.
  Value last = code.sub(keys.end, code.integer(1));
  Value inside = code.max(code.min(t, last), keys.first);
  Value points = code.select(seen, score(keys, inside), code.real(kUnseen));
  Value maximum = code.fmax(old[0], code.warpMax(points));
  Value rescale = code.exp(code.fsub(old[0], maximum));
  Value weight =
      code.select(seen, code.exp(code.fsub(points, maximum)), code.real(0.0));
  SmallVector<Value> next = {maximum,
                             code.fma(old[1], rescale, code.warpSum(weight))};
  for (Value sum : old.drop_front(2)) {
    next.push_back(code.fmul(sum, rescale));
  }
  Value begin = code.max(code.sub(keys.first, first), code.integer(0));
  Value end = code.min(code.sub(keys.end, first), code.integer(kWarp));
  auto sums = code.loop(
      begin, end, 1, ArrayRef<Value>(next).drop_front(2),
      [&](Value j, ValueRange sum) {
        Value p = code.shuffleFrom(weight, j);
        Value at =
            code.add(keys.base, code.mul(code.add(first, j), keys.stride));
        SmallVector<Value> added;
        for (int64_t part = 0; part < parts; ++part) {
          Value d = code.min(code.add(code.lane(), code.integer(part * kWarp)),
                             code.integer(width - 1));
          added.push_back(
              code.fma(p, code.load(keys.values, code.add(at, d)), sum[part]));
        }
        return added;
      });
  std::copy(sums.begin(), sums.end(), next.begin() + 2);
  return next;
}

void WarpSoftmax::add(const Keys &keys) {
  Value begin =
      code.mul(code.div(keys.first, code.integer(kWarp)), code.integer(kWarp));
  Value some = code.less(keys.first, keys.end);
  state = code.selectBranch(
      some,
      [&] {
        return code.loop(begin, keys.end, kWarp, state,
                         [&](Value first, ValueRange old) {
                           return block(keys, first, old);
                         });
      },
      state);
}

void WarpSoftmax::finish(const KernelCode::Memory &y, Value at) {
  // The sums are zero when no key was seen.
  Value some = code.fless(code.real(0.0), state[1]);
  Value sum = code.select(some, state[1], code.real(1.0));
  for (int64_t part = 0; part < parts; ++part) {
    Value d = code.add(code.lane(), code.integer(part * kWarp));
    code.when(code.less(d, code.integer(width)), [&] {
      code.store(code.fdiv(state[2 + part], sum), y, code.add(at, d));
    });
  }
}
