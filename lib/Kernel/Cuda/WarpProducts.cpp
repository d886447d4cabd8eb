//===- WarpProducts.cpp - Rows times weight rows, a warp per column -------===//
//
// Lanes share the inner dimension; a butterfly adds them up.
//
//===----------------------------------------------------------------------===//
#include "WarpProducts.h"

using namespace mlir;
using namespace rill;
using namespace rill::kernel;

/// Accumulators of one pass over the weights.
static constexpr int64_t kSums = 4;

WarpProducts::WarpProducts(CudaCode &code, Value x, WarpPrologue prologue,
                           int64_t blockRows)
    : code(code), x(code.memory(x)), prologue(prologue),
      inner(this->x.type.getShape().back()),
      lanes(CudaCode::lanesFor(inner, 8)),
      total(code.rows(this->x, this->x.type.getRank() - 1)) {
  if (prologue.norm) {
    scales = code.shared(blockRows, code.b.getF32Type());
  }
}

/// 1 / rms of a row, by one warp.
Value WarpProducts::scaleOf(Value row) {
  Value at = code.mul(row, code.integer(inner));
  Value squares = code.loop(
      code.lane(), code.integer(inner / lanes), kWarp, code.real(0.0),
      [&](Value i, ValueRange sum) -> SmallVector<Value> {
        Value v = code.loadSome(
            x, code.add(at, code.mul(i, code.integer(lanes))), lanes);
        Value square = code.fmul(v, v);
        return {code.fadd(sum[0], lanes == 1 ? square : code.sumLanes(square))};
      })[0];
  Value mean =
      code.fdiv(code.warpSum(squares), code.real(static_cast<double>(inner)));
  return code.rsqrt(code.fadd(mean, code.real(prologue.eps)));
}

void WarpProducts::prepare(Value first, Value end) {
  firstRow = first;
  if (!prologue.norm) {
    return;
  }
  code.loop(code.add(first, code.warp()), end, code.warps(), ValueRange(),
            [&](Value row, ValueRange) {
              Value scale = scaleOf(row);
              code.when(code.equal(code.lane(), code.integer(0)), [&] {
                code.store(scale, scales, code.sub(row, first));
              });
              return SmallVector<Value>();
            });
  code.barrier();
}

/// `count` elements from k of a row, normed.
Value WarpProducts::element(Value row, Value scale, Value k, int64_t count) {
  Value at = code.add(code.mul(row, code.integer(inner)), k);
  Value value = code.loadSome(x, at, count);
  if (!prologue.norm) {
    return value;
  }
  Value weight = code.loadSome(code.memory(prologue.norm), k, count);
  value = code.fmul(code.fmul(value, code.spread(scale, count)), weight);
  return prologue.round ? code.rounded(value, prologue.round) : value;
}

void WarpProducts::emit(
    ArrayRef<KernelCode::Memory> weights, Value column, Value first, Value end,
    const std::function<void(Value, ArrayRef<Value>)> &store) {
  auto count = static_cast<int64_t>(weights.size());
  int64_t block = std::max<int64_t>(1, kSums / count);
  Value last = code.sub(end, code.integer(1));
  Value begin = code.mul(column, code.integer(inner));
  auto pass = [&](Value base, ValueRange) {
    SmallVector<Value> rows, scale;
    for (int64_t r = 0; r < block; ++r) {
      rows.push_back(code.min(code.add(base, code.integer(r)), last));
      scale.push_back(prologue.norm
                          ? code.load(scales, code.sub(rows.back(), firstRow))
                          : Value());
    }
    SmallVector<Value> zeros(block * count, code.spread(code.real(0.0), lanes));
    SmallVector<Value> sums = code.loop(
        code.lane(), code.integer(inner / lanes), kWarp, zeros,
        [&](Value i, ValueRange acc) {
          Value k = code.mul(i, code.integer(lanes));
          SmallVector<Value> x, next(acc.begin(), acc.end());
          for (int64_t r = 0; r < block; ++r) {
            x.push_back(element(rows[r], scale[r], k, lanes));
          }
          for (int64_t w = 0; w < count; ++w) {
            Value weight = code.loadSome(weights[w], code.add(begin, k), lanes);
            for (int64_t r = 0; r < block; ++r) {
              next[r * count + w] = code.fma(weight, x[r], acc[r * count + w]);
            }
          }
          return next;
        });
    for (Value &sum : sums) {
      sum = code.warpSum(lanes == 1 ? sum : code.sumLanes(sum));
    }
    // Lane r takes row r.
    SmallVector<Value> own(sums.begin(), sums.begin() + count);
    for (int64_t r = 1; r < block; ++r) {
      Value mine = code.equal(code.lane(), code.integer(r));
      for (int64_t w = 0; w < count; ++w) {
        own[w] = code.select(mine, sums[r * count + w], own[w]);
      }
    }
    Value row = code.add(base, code.lane());
    Value inside = code.both(code.less(code.lane(), code.integer(block)),
                             code.less(row, end));
    code.when(inside, [&] { store(row, own); });
    return SmallVector<Value>();
  };
  code.loop(first, end, block, ValueRange(), pass);
}
