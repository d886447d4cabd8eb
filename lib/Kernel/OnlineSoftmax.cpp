//===- OnlineSoftmax.cpp - One query head over runs of keys ---------------===//
//
// The sums of the head stay in vector registers over a whole run.
//
//===----------------------------------------------------------------------===//
#include "OnlineSoftmax.h"

using namespace mlir;
using namespace rill;
using namespace rill::kernel;

using Memory = KernelCode::Memory;

OnlineSoftmax::OnlineSoftmax(KernelCode &code, int64_t width, int64_t lanes)
    : code(code), width(width), lanes(lanes),
      vectors((width + lanes - 1) / lanes) {}

SmallVector<Value> OnlineSoftmax::load(const Memory &memory, Value at) {
  SmallVector<Value> head;
  for (int64_t v = 0; v < vectors; ++v) {
    int64_t count = std::min(lanes, width - v * lanes);
    Value part =
        code.loadSome(memory, code.add(at, code.integer(v * lanes)), count);
    head.push_back(code.pad(part, lanes));
  }
  return head;
}

void OnlineSoftmax::store(ArrayRef<Value> head, const Memory &memory,
                          Value at) {
  for (int64_t v = 0; v < vectors; ++v) {
    int64_t count = std::min(lanes, width - v * lanes);
    Value part = count == lanes ? head[v] : code.slice(head[v], 0, count);
    code.storeSome(part, memory, code.add(at, code.integer(v * lanes)));
  }
}

void OnlineSoftmax::begin(SmallVector<Value> scaled) {
  query = std::move(scaled);
  state = {code.real(kUnseen), code.real(0.0)};
  state.append(vectors, code.splat(code.real(0.0), lanes));
}

/// The products of one key, lane by lane, unsummed.
Value OnlineSoftmax::products(const Keys &keys, Value at) {
  Value sum;
  for (auto [q, k] : llvm::zip_equal(query, load(keys.keys, at))) {
    sum = sum ? code.fma(q, k, sum) : code.fmul(q, k);
  }
  return sum;
}

SmallVector<Value> OnlineSoftmax::oneKey(const Keys &keys, Value t,
                                         ValueRange old) {
  Value at = code.add(keys.base, code.mul(t, keys.stride));
  Value score = code.sumLanes(products(keys, at));
  Value top = code.fmax(old[0], score);
  Value keep = code.exp(code.fsub(old[0], top));
  Value weight = code.exp(code.fsub(score, top));
  SmallVector<Value> next = {top, code.fma(old[1], keep, weight)};
  Value keeps = code.splat(keep, lanes), weights = code.splat(weight, lanes);
  for (auto [v, part] : llvm::enumerate(load(keys.values, at))) {
    next.push_back(code.fma(weights, part, code.fmul(old[2 + v], keeps)));
  }
  return next;
}

/// Keys t .. t + lanes - 1: one exponential for all their scores.
SmallVector<Value> OnlineSoftmax::block(const Keys &keys, Value t,
                                        ValueRange old) {
  SmallVector<Value> at, rows;
  for (int64_t i = 0; i < lanes; ++i) {
    Value key = code.add(t, code.integer(i));
    at.push_back(code.add(keys.base, code.mul(key, keys.stride)));
    rows.push_back(products(keys, at.back()));
  }
  Value scores = code.sumMany(rows);
  Value top = code.fmax(old[0], code.maxLanes(scores));
  Value keep = code.exp(code.fsub(old[0], top));
  Value weights = code.exp(code.fsub(scores, code.splat(top, lanes)));
  SmallVector<Value> next = {top,
                             code.fma(old[1], keep, code.sumLanes(weights))};
  Value keeps = code.splat(keep, lanes);
  for (int64_t v = 0; v < vectors; ++v) {
    next.push_back(code.fmul(old[2 + v], keeps));
  }
  for (int64_t i = 0; i < lanes; ++i) {
    Value weight = code.splat(code.extract(weights, i), lanes);
    for (auto [v, part] : llvm::enumerate(load(keys.values, at[i]))) {
      next[2 + v] = code.fma(weight, part, next[2 + v]);
    }
  }
  return next;
}

void OnlineSoftmax::add(const Keys &keys) {
  auto each = [&](Value t, ValueRange old) { return oneKey(keys, t, old); };
  if (keys.mask) {
    state =
        code.loop(keys.first, keys.end, 1, state, [&](Value t, ValueRange old) {
          Value seen =
              code.either(code.equal(t, keys.self), code.bit(keys.mask, t));
          return code.selectBranch(seen, [&] { return each(t, old); }, old);
        });
    return;
  }
  Value size = code.integer(lanes);
  Value count = code.max(code.sub(keys.end, keys.first), code.integer(0));
  Value whole = code.add(keys.first, code.mul(code.div(count, size), size));
  state =
      code.loop(keys.first, whole, lanes, state,
                [&](Value t, ValueRange old) { return block(keys, t, old); });
  state = code.loop(whole, keys.end, 1, state, each);
}

SmallVector<Value> OnlineSoftmax::finish() {
  // A query that saw no key has sum 0 and gives zeros.
  Value some = code.fless(code.real(0.0), state[1]);
  Value scale =
      code.fdiv(code.real(1.0), code.select(some, state[1], code.real(1.0)));
  SmallVector<Value> head;
  for (int64_t v = 0; v < vectors; ++v) {
    head.push_back(code.fmul(state[2 + v], code.splat(scale, lanes)));
  }
  return head;
}
