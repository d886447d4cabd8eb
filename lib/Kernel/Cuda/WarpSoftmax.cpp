//===- WarpSoftmax.cpp - One query head over runs of keys, by a warp ------===//
//
// Source: arXiv 2205.14135, algorithm 1, for one row.
//
//===----------------------------------------------------------------------===//
#include "WarpSoftmax.h"

using namespace mlir;
using namespace rill;
using namespace rill::kernel;

/// Lanes that share a key; keys that a warp multiplies at once.
static constexpr int64_t kShare = 4, kAtOnce = kWarp / kShare;
/// Keys whose values are loaded before the first is used.
static constexpr int64_t kAhead = 4;

WarpSoftmax::WarpSoftmax(CudaCode &code, int64_t width, Run query)
    : code(code), width(width),
      elements(width % kWarp ? 1 : std::min<int64_t>(width / kWarp, 4)),
      parts(llvm::divideCeil(width, kWarp * elements)), query(query) {
  state = {code.real(kUnseen), code.real(0.0)};
  state.append(parts, code.spread(code.real(0.0), elements));
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

/// A key that exists, for lanes whose own does not.
Value WarpSoftmax::inside(const Keys &keys, Value t) {
  return code.max(code.min(t, code.sub(keys.end, code.integer(1))), keys.first);
}

/// Query times key first + lane.
Value WarpSoftmax::scores(const Keys &keys, Value first) {
  int64_t word = 128 / keys.keys.type.getElementTypeBitWidth();
  int64_t lanes = CudaCode::lanesFor(width, word), vectors = width / lanes;
  Value part = code.rem(code.lane(), code.integer(kShare)),
        own = code.div(code.lane(), code.integer(kShare));
  Value mine = code.real(0.0);
  for (int64_t i = 0; i < kShare; ++i) {
    Value t = code.add(code.add(first, code.integer(i * kAtOnce)), own);
    Value at = code.add(keys.base, code.mul(inside(keys, t), keys.stride));
    Value sum = code.spread(code.real(0.0), lanes);
    for (int64_t v = 0; v < vectors; v += kShare) {
      bool whole = v + kShare <= vectors;
      Value index = code.add(part, code.integer(v));
      Value c =
          code.mul(whole ? index : code.min(index, code.integer(vectors - 1)),
                   code.integer(lanes));
      Value product =
          code.fma(code.loadSome(query.memory, code.add(query.at, c), lanes),
                   code.loadSome(keys.keys, code.add(at, c), lanes), sum);
      sum = whole ? product
                  : code.select(code.less(index, code.integer(vectors)),
                                product, sum);
    }
    Value total = lanes == 1 ? sum : code.sumLanes(sum);
    for (int64_t mask = 1; mask < kShare; mask *= 2) {
      total = code.fadd(total, code.shuffleXor(total, mask));
    }
    // Lane l takes the key l % 8 of the l / 8 th group.
    Value from = code.mul(code.rem(code.lane(), code.integer(kAtOnce)),
                          code.integer(kShare));
    Value taken = code.shuffleFrom(total, from);
    Value here = code.equal(code.div(code.lane(), code.integer(kAtOnce)),
                            code.integer(i));
    mine = code.select(here, taken, mine);
  }
  return mine;
}

void WarpSoftmax::eachPart(const std::function<void(int64_t, Value)> &body) {
  for (int64_t part = 0; part < parts; ++part) {
    Value d = code.mul(code.add(code.lane(), code.integer(part * kWarp)),
                       code.integer(elements));
    code.when(code.less(d, code.integer(width)), [&] { body(part, d); });
  }
}

SmallVector<Value> WarpSoftmax::block(const Keys &keys, Value first,
                                      ValueRange old) {
  Value seen = isSeen(keys, code.add(first, code.lane()));
  Value points = code.select(seen, scores(keys, first), code.real(kUnseen));
  Value maximum = code.fmax(old[0], code.warpMax(points));
  Value rescale = code.exp(code.fsub(old[0], maximum));
  Value weight =
      code.select(seen, code.exp(code.fsub(points, maximum)), code.real(0.0));
  SmallVector<Value> next = {maximum,
                             code.fma(old[1], rescale, code.warpSum(weight))};
  for (Value sum : old.drop_front(2)) {
    next.push_back(code.fmul(sum, code.spread(rescale, elements)));
  }
  Value end = code.min(code.sub(keys.end, first), code.integer(kWarp));
  auto sums = code.loop(
      code.integer(0), end, kAhead, ArrayRef<Value>(next).drop_front(2),
      [&](Value j, ValueRange from) {
        SmallVector<Value> sum(from), values;
        for (int64_t i = 0; i < kAhead; ++i) {
          Value t = code.add(first, code.add(j, code.integer(i)));
          Value at =
              code.add(keys.base, code.mul(inside(keys, t), keys.stride));
          for (int64_t part = 0; part < parts; ++part) {
            Value d =
                code.mul(code.add(code.lane(), code.integer(part * kWarp)),
                         code.integer(elements));
            d = code.min(d, code.integer(width - elements));
            values.push_back(
                code.loadSome(keys.values, code.add(at, d), elements));
          }
        }
        for (int64_t i = 0; i < kAhead; ++i) {
          // Keys behind the last have no weight.
          Value p = code.spread(
              code.shuffleFrom(weight, code.add(j, code.integer(i))), elements);
          for (int64_t part = 0; part < parts; ++part) {
            sum[part] = code.fma(p, values[i * parts + part], sum[part]);
          }
        }
        return sum;
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

void WarpSoftmax::addChunks(const Keys &keys, Value offset, int64_t chunk,
                            int64_t stride) {
  state = code.loop(
      offset, keys.end, stride, state, [&](Value first, ValueRange old) {
        Value end = code.min(code.add(first, code.integer(chunk)), keys.end);
        return code.loop(
            first, end, kWarp, old,
            [&](Value at, ValueRange from) { return block(keys, at, from); });
      });
}

void WarpSoftmax::finish(const KernelCode::Memory &y, Value at) {
  // The sums are zero when no key was seen.
  Value some = code.fless(code.real(0.0), state[1]);
  Value sum = code.select(some, state[1], code.real(1.0));
  eachPart([&](int64_t part, Value d) {
    code.storeSome(code.fdiv(state[2 + part], code.spread(sum, elements)), y,
                   code.add(at, d));
  });
}

void WarpSoftmax::storePartial(const KernelCode::Memory &to, Value at) {
  eachPart([&](int64_t part, Value d) {
    code.storeSome(state[2 + part], to, code.add(at, d));
  });
  code.when(code.equal(code.lane(), code.integer(0)), [&] {
    for (int64_t i = 0; i < 2; ++i) {
      code.store(state[i], to, code.add(at, code.integer(width + i)));
    }
  });
}
