//===- RowProducts.cpp - Few rows times weight rows -----------------------===//
//
// What both ways share, and the products by f32 FMA: a warp per column, lanes
// share the inner dimension, a butterfly adds them up.
//
//===----------------------------------------------------------------------===//
#include "RowProducts.h"

using namespace mlir;
using namespace rill;
using namespace rill::kernel;

/// Accumulators of one pass over the weights.
static constexpr int64_t kSums = 4;

RowProducts::RowProducts(CudaCode &code, Value x, const RowPrologue &prologue)
    : code(code), x(code.memory(x)), prologue(prologue),
      inner(this->x.type.getShape().back()),
      lanes(CudaCode::lanesFor(inner, 8)),
      rowLanes(CudaCode::lanesFor(inner,
                                  128 / this->x.type.getElementTypeBitWidth())),
      total(code.rows(this->x, this->x.type.getRank() - 1)) {}

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
  }

  int64_t columns() const override { return code.warps(); }
  void emit(const ColumnTile &columns, const RowTile &rows,
            const Store &store) override;

private:
  void pass(const ColumnTile &tile, const RowTile &rows, Value column,
            Value base, const Store &store);

  KernelCode::Memory scales;
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
  Value begin = code.mul(column, code.integer(inner));
  SmallVector<Value> rows, scale;
  for (int64_t r = 0; r < block; ++r) {
    rows.push_back(code.min(code.add(base, code.integer(r)), last));
    scale.push_back(prologue.norm
                        ? code.load(scales, code.sub(rows[r], rowTile.first))
                        : Value());
  }
  SmallVector<Value> zeros(block * count, code.spread(code.real(0.0), lanes));
  SmallVector<Value> sums =
      code.loop(code.lane(), code.integer(inner / lanes), kWarp, zeros,
                [&](Value i, ValueRange acc) {
                  Value k = code.mul(i, code.integer(lanes));
                  SmallVector<Value> next(acc.begin(), acc.end());
                  for (int64_t w = 0; w < count; ++w) {
                    Value weight = code.loadSome(tile.weights[w],
                                                 code.add(begin, k), lanes);
                    for (int64_t r = 0; r < block; ++r) {
                      next[r * count + w] =
                          code.fma(weight, element(rows[r], scale[r], k, lanes),
                                   acc[r * count + w]);
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
