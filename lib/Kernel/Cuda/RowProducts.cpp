//===- RowProducts.cpp - Few rows times weight rows -----------------------===//
//
// What both ways share, and the products by f32 FMA: a warp per column, lanes
// share the inner dimension, a butterfly adds them up.
//
//===----------------------------------------------------------------------===//
#include "RowProducts.h"

#include "../OnlineSoftmax.h"

using namespace mlir;
using namespace rill;
using namespace rill::kernel;

using Memory = KernelCode::Memory;

/// Accumulators of one pass over the weights.
static constexpr int64_t kSums = 4;

/// Width of a row of products.
static int64_t innerOf(RankedTensorType x, bool merge) {
  int64_t rank = x.getRank();
  return merge ? x.getDimSize(rank - 3) * (x.getDimSize(rank - 1) - 2)
               : x.getDimSize(rank - 1);
}

RowProducts::RowProducts(CudaCode &code, Value x, const RowPrologue &prologue)
    : code(code), x(code.memory(x)), prologue(prologue),
      inner(innerOf(this->x.type, prologue.merge)),
      lanes(CudaCode::lanesFor(inner, 8)),
      rowLanes(CudaCode::lanesFor(inner,
                                  128 / this->x.type.getElementTypeBitWidth())),
      total(code.rows(this->x,
                      this->x.type.getRank() - (prologue.merge ? 3 : 1))) {}

/// One head of one row, counted over all rows: its parts in their order. Those
/// without a key stand behind the others.
void RowProducts::mergeHead(Value head, const Memory &to, Value at) {
  int64_t rank = x.type.getRank(), parts = x.type.getDimSize(rank - 2),
          size = x.type.getDimSize(rank - 1), width = size - 2;
  Value first = code.mul(head, code.integer(parts * size));
  auto partAt = [&](Value part) {
    return code.add(first, code.mul(part, code.integer(size)));
  };
  // Lane c knows part c.
  Value own = partAt(code.min(code.lane(), code.integer(parts - 1)));
  Value top = code.load(x, code.add(own, code.integer(width)));
  Value seen = code.both(code.fless(code.real(kUnseen), top),
                         code.less(code.lane(), code.integer(parts)));
  Value maximum = code.warpMax(code.select(seen, top, code.real(kUnseen)));
  Value weight =
      code.select(seen, code.exp(code.fsub(top, maximum)), code.real(0.0));
  Value live = code.sub(code.toInteger(code.warpSum(
                            code.select(seen, code.real(1.0), code.real(0.0)))),
                        code.integer(1));
  int64_t count = width % 2 ? 1 : 2;
  int64_t runs = llvm::divideCeil(width, kWarp * count);
  SmallVector<Value> loaded, totals;
  for (int64_t c = 0; c < parts; ++c) {
    // Behind the last part with keys, that one again.
    Value part = partAt(code.min(code.integer(c), live));
    totals.push_back(code.load(x, code.add(part, code.integer(width + 1))));
    for (int64_t run = 0; run < runs; ++run) {
      Value d = code.mul(code.add(code.lane(), code.integer(run * kWarp)),
                         code.integer(count));
      d = code.min(d, code.integer(width - count));
      loaded.push_back(code.loadSome(x, code.add(part, d), count));
    }
  }
  Value total = code.real(0.0);
  SmallVector<Value> sums(runs, code.spread(code.real(0.0), count));
  for (int64_t c = 0; c < parts; ++c) {
    Value scale = code.shuffleFrom(weight, code.integer(c));
    total = code.fma(scale, totals[c], total);
    for (int64_t run = 0; run < runs; ++run) {
      sums[run] = code.fma(code.spread(scale, count), loaded[c * runs + run],
                           sums[run]);
    }
  }
  for (int64_t run = 0; run < runs; ++run) {
    Value d = code.mul(code.add(code.lane(), code.integer(run * kWarp)),
                       code.integer(count));
    Value value = code.fdiv(sums[run], code.spread(total, count));
    value = prologue.round ? code.rounded(value, prologue.round) : value;
    code.when(code.less(d, code.integer(width)),
              [&] { code.storeSome(value, to, code.add(at, d)); });
  }
}

void RowProducts::mergeRows(const RowTile &rows, const Memory &to,
                            int64_t stride) {
  int64_t rank = x.type.getRank(), heads = x.type.getDimSize(rank - 3),
          width = inner / heads;
  Value count = code.mul(code.sub(rows.end, rows.first), code.integer(heads));
  code.loop(code.warp(), count, code.warps(), ValueRange(),
            [&](Value i, ValueRange) {
              Value row = code.div(i, code.integer(heads)),
                    head = code.rem(i, code.integer(heads));
              Value at = code.add(code.mul(row, code.integer(stride)),
                                  code.mul(head, code.integer(width)));
              Value line = code.mul(rows.first, code.integer(heads));
              mergeHead(code.add(line, i), to, at);
              return SmallVector<Value>();
            });
  code.barrier();
}

Value RowProducts::scaleOf(Value row) {
  Value at = code.mul(row, code.integer(inner));
  Value squares = code.loop(
      code.lane(), code.integer(inner / rowLanes), kWarp, code.real(0.0),
      [&](Value i, ValueRange sum) -> SmallVector<Value> {
        Value k = code.mul(i, code.integer(rowLanes));
        Value v = code.loadSome(x, code.add(at, k), rowLanes);
        Value square = code.fmul(v, v);
        return {
            code.fadd(sum[0], rowLanes == 1 ? square : code.sumLanes(square))};
      })[0];
  Value mean =
      code.fdiv(code.warpSum(squares), code.real(static_cast<double>(inner)));
  return code.rsqrt(code.fadd(mean, code.real(prologue.eps)));
}

Value RowProducts::element(Value row, Value scale, Value k, int64_t count) {
  Value at = code.add(code.mul(row, code.integer(inner)), k);
  Value value = code.loadSome(x, at, count);
  if (!prologue.norm) {
    return value;
  }
  Value weight = code.loadSome(code.memory(prologue.norm), k, count);
  value = code.fmul(code.fmul(value, code.spread(scale, count)), weight);
  return prologue.round ? code.rounded(value, prologue.round) : value;
}

void RowProducts::eachRow(const RowTile &rows,
                          const std::function<void(Value)> &body) {
  code.loop(code.add(rows.first, code.warp()), rows.end, code.warps(),
            ValueRange(), [&](Value row, ValueRange) {
              body(row);
              return SmallVector<Value>();
            });
}

namespace {
class WarpProducts : public RowProducts {
public:
  WarpProducts(CudaCode &code, Value x, const RowPrologue &prologue)
      : RowProducts(code, x, prologue) {
    if (prologue.norm) {
      scales = code.shared(code.config("rows"), code.b.getF32Type());
    }
    if (prologue.merge) {
      merged = code.shared(code.config("rows") * inner, code.b.getF32Type());
    }
  }

  int64_t columns() const override { return code.warps(); }
  void emit(const ColumnTile &columns, const RowTile &rows,
            const Store &store) override;

private:
  void pass(const ColumnTile &tile, const RowTile &rows, Value column,
            Value base, const Store &store);

  KernelCode::Memory scales, merged;
};
} // namespace

void WarpProducts::emit(const ColumnTile &tile, const RowTile &rows,
                        const Store &store) {
  code.waitForInputs();
  if (prologue.norm) {
    eachRow(rows, [&](Value row) {
      Value scale = scaleOf(row);
      code.when(code.equal(code.lane(), code.integer(0)),
                [&] { code.store(scale, scales, code.sub(row, rows.first)); });
    });
    code.barrier();
  }
  if (prologue.merge) {
    mergeRows(rows, merged, inner);
  }
  auto count = static_cast<int64_t>(tile.weights.size());
  Value column = code.add(tile.first, code.warp());
  code.when(code.less(column, tile.limit), [&] {
    code.loop(rows.first, rows.end, std::max<int64_t>(1, kSums / count),
              ValueRange(), [&](Value base, ValueRange) {
                pass(tile, rows, column, base, store);
                return SmallVector<Value>();
              });
  });
}

/// The products of a few rows from `base` with one column.
void WarpProducts::pass(const ColumnTile &tile, const RowTile &rowTile,
                        Value column, Value base, const Store &store) {
  auto count = static_cast<int64_t>(tile.weights.size());
  int64_t block = std::max<int64_t>(1, kSums / count);
  Value last = code.sub(rowTile.end, code.integer(1));
  SmallVector<Value> rows, scale;
  for (int64_t r = 0; r < block; ++r) {
    rows.push_back(code.min(code.add(base, code.integer(r)), last));
    scale.push_back(prologue.norm
                        ? code.load(scales, code.sub(rows[r], rowTile.first))
                        : Value());
  }
  SmallVector<Value> zeros(block * count, code.spread(code.real(0.0), lanes));
  SmallVector<Value> sums = code.loop(
      code.lane(), code.integer(inner / lanes), kWarp, zeros,
      [&](Value i, ValueRange acc) {
        Value k = code.mul(i, code.integer(lanes));
        SmallVector<Value> next(acc.begin(), acc.end());
        for (int64_t w = 0; w < count; ++w) {
          Value weight = code.loadColumns(tile.weights[w], column, k, lanes);
          for (int64_t r = 0; r < block; ++r) {
            Value own = code.sub(rows[r], rowTile.first);
            Value value =
                prologue.merge
                    ? code.loadSome(
                          merged,
                          code.add(code.mul(own, code.integer(inner)), k),
                          lanes)
                    : element(rows[r], scale[r], k, lanes);
            next[r * count + w] = code.fma(weight, value, acc[r * count + w]);
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
                           code.less(row, rowTile.end));
  code.when(inside, [&] { store(row, column, own); });
}

std::unique_ptr<RowProducts>
rill::kernel::makeRowProducts(CudaCode &code, Value x,
                              const RowPrologue &prologue, int64_t weights) {
  if (code.kernel.getConfig().get("tiles")) {
    return makeMmaProducts(code, x, prologue, weights);
  }
  return std::make_unique<WarpProducts>(code, x, prologue);
}
