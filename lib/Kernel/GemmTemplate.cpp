//===- GemmTemplate.cpp - Template "gemm" for CPUs ------------------------===//
//
// Products of many rows. A tile is kGemmRows rows of a panel of columns: the
// weights' panel is packed per run of kGemmInner products, then multiplied
// with a few rows at a time; the epilogue runs over the finished sums.
//
//===----------------------------------------------------------------------===//
#include "Panel.h"

using namespace mlir;
using namespace rill;
using namespace rill::kernel;

using Memory = KernelCode::Memory;

namespace {
class GemmTile {
public:
  GemmTile(KernelCode &code, LinearOp op, Value tile);
  void emit();

private:
  void clear();
  void prefetchNext(Value row, Value k);
  void multiply(Value k, Value count);
  void prefetchRows(Value row, Value k);
  Value sourceOf(Value row, Value k);
  Rows widenedRows(Value row, Value k, Value count);
  void finish(int64_t count);

  KernelCode &code;
  LinearOp op;
  PanelShape shape;
  const Memory &x, &y;
  int64_t inner, total, columns;
  SmallVector<Memory> weights, panels, sums;
  Memory widened;
  Value rows, firstRow, tileRows, firstColumn;
};
} // namespace

GemmTile::GemmTile(KernelCode &code, LinearOp op, Value tile)
    : code(code), op(op), shape(panelShape(code)), x(code.memory(op.getX())),
      y(code.memory(op.getY())), inner(x.type.getShape().back()),
      total(y.type.getShape().back()), columns(shape.columns()) {
  Scratch scratch(code);
  for (Value weight : op.getWeights()) {
    weights.push_back(code.memory(weight));
    panels.push_back(scratch.take(kGemmInner * columns));
    sums.push_back(scratch.take((kGemmRows + shape.rows) * columns));
  }
  widened = scratch.take(shape.rows * kGemmInner);
  // Tiles of one block of rows are neighbours: they share those rows.
  Value across = code.integer((total + columns - 1) / columns);
  rows = code.rows(y, y.type.getRank() - 1);
  firstRow = code.mul(code.div(tile, across), code.integer(kGemmRows));
  tileRows = code.min(code.sub(rows, firstRow), code.integer(kGemmRows));
  firstColumn = code.mul(code.rem(tile, across), code.integer(columns));
}

void GemmTile::clear() {
  Value zero = code.splat(code.real(0.0), shape.lanes);
  for (const Memory &memory : sums) {
    code.loop(code.integer(0),
              code.mul(code.add(tileRows, code.integer(shape.rows)),
                       code.integer(columns)),
              shape.lanes, ValueRange(), [&](Value at, ValueRange) {
                code.storeVector(zero, memory, at);
                return SmallVector<Value>();
              });
  }
}

/// Element of x: row `row` of this tile, product k. Rows behind the last repeat
/// it; their sums are never stored.
Value GemmTile::sourceOf(Value row, Value k) {
  Value own =
      code.min(code.add(firstRow, row), code.sub(rows, code.integer(1)));
  return code.add(code.mul(own, code.integer(inner)), k);
}

/// Asks for shape.rows rows from `row`: the next to be multiplied. They lie
/// `inner` elements apart, and all rows of a tile may exceed a cache.
void GemmTile::prefetchRows(Value row, Value k) {
  int64_t line = 64 * 8 / x.type.getElementTypeBitWidth();
  for (int64_t r = 0; r < shape.rows; ++r) {
    Value from = sourceOf(code.add(row, code.integer(r)), k);
    for (int64_t l = 0; l < kGemmInner; l += line) {
      code.prefetch(x, code.add(from, code.integer(l)));
    }
  }
}

/// shape.rows rows from `row` of this tile as f32, from product k on.
Rows GemmTile::widenedRows(Value row, Value k, Value count) {
  auto source = [this, k](Value r) { return sourceOf(r, k); };
  if (x.type.getElementType().isF32()) {
    return {x, source};
  }
  auto to = [this, row](Value r) {
    return code.mul(code.sub(r, row), code.integer(kGemmInner));
  };
  Value lanes = code.integer(shape.lanes);
  Value whole = code.mul(code.div(count, lanes), lanes);
  for (int64_t r = 0; r < shape.rows; ++r) {
    Value own = code.add(row, code.integer(r));
    Value from = source(own), into = to(own);
    code.loop(code.integer(0), whole, shape.lanes, ValueRange(),
              [&](Value i, ValueRange) {
                code.storeVector(
                    code.loadVector(x, code.add(from, i), shape.lanes), widened,
                    code.add(into, i));
                return SmallVector<Value>();
              });
    code.loop(whole, count, [&](Value i) {
      code.store(code.load(x, code.add(from, i)), widened, code.add(into, i));
    });
  }
  return {widened, to};
}

/// Asks for a share of the weights that the next pass packs: the next run of
/// products, or the first of the next columns. All rows together ask for all.
void GemmTile::prefetchNext(Value row, Value k) {
  Value next = code.add(k, code.integer(kGemmInner));
  Value wraps = code.less(code.integer(inner - 1), next);
  Value at = code.select(wraps, code.integer(0), next);
  Value from = code.select(wraps, code.add(firstColumn, code.integer(columns)),
                           firstColumn);
  int64_t share = (columns * shape.rows + kGemmRows - 1) / kGemmRows;
  Value first =
      code.mul(code.div(row, code.integer(shape.rows)), code.integer(share));
  for (const Memory &weight : weights) {
    int64_t line = 64 * 8 / weight.type.getElementTypeBitWidth();
    for (int64_t i = 0; i < share; ++i) {
      Value column = code.add(from, code.add(first, code.integer(i)));
      Value start = code.add(code.mul(column, code.integer(inner)), at);
      for (int64_t l = 0; l < kGemmInner; l += line) {
        code.prefetch(weight, code.add(start, code.integer(l)));
      }
    }
  }
}

/// Adds products k .. k + count - 1 to the sums of all rows.
void GemmTile::multiply(Value k, Value count) {
  for (auto [weight, panel] : llvm::zip_equal(weights, panels)) {
    packTransposed(
        code, weight,
        [&](Value c) {
          // Columns behind the last repeat it; they are never stored.
          Value n = code.min(code.add(firstColumn, c), code.integer(total - 1));
          return code.add(code.mul(n, code.integer(inner)), k);
        },
        columns, count, panel);
  }
  code.loop(code.integer(0), tileRows, shape.rows, ValueRange(),
            [&](Value row, ValueRange) {
              prefetchNext(row, k);
              prefetchRows(code.add(row, code.integer(2 * shape.rows)), k);
              Rows a = widenedRows(row, k, count);
              for (auto [panel, sum] : llvm::zip_equal(panels, sums)) {
                multiplyPanel(code, shape, a, row, count, panel, columns,
                              columns,
                              {sum, [&](Value r) {
                                 return code.mul(r, code.integer(columns));
                               }});
              }
              return SmallVector<Value>();
            });
}

/// The region over `count` columns of every row.
void GemmTile::finish(int64_t count) {
  code.loop(code.integer(0), tileRows, [&](Value row) {
    code.eachVector(count, shape.lanes, [&](Value c, int64_t size) {
      Value own = code.add(code.mul(row, code.integer(columns)), c);
      SmallVector<Value> products;
      for (const Memory &sum : sums) {
        products.push_back(code.loadSome(sum, own, size));
      }
      storeRow(code, op, code.add(firstRow, row), code.add(firstColumn, c),
               size, products);
    });
  });
}

void GemmTile::emit() {
  clear();
  code.loop(code.integer(0), code.integer(inner), kGemmInner, ValueRange(),
            [&](Value k, ValueRange) {
              multiply(k, code.min(code.sub(code.integer(inner), k),
                                   code.integer(kGemmInner)));
              return SmallVector<Value>();
            });
  if (total % columns == 0) {
    finish(columns);
    return;
  }
  Value last = code.equal(firstColumn, code.integer(total / columns * columns));
  code.when(last, [&] { finish(total % columns); });
  if (total > columns) {
    code.when(code.less(firstColumn, code.integer(total / columns * columns)),
              [&] { finish(columns); });
  }
}

EmitTile rill::kernel::beginGemm(KernelCode &code, Operation *operation) {
  auto op = dyn_cast<LinearOp>(operation);
  if (!op) {
    return nullptr;
  }
  return [&code, op](Value tile) { GemmTile(code, op, tile).emit(); };
}
