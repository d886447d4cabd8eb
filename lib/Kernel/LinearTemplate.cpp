//===- LinearTemplate.cpp - Template "linear" for CPUs --------------------===//
//
// Products of few rows, an rms_norm before them and the epilogue behind them.
// A tile is `columns` columns of all rows.
//
//===----------------------------------------------------------------------===//
#include "SmallProducts.h"

using namespace mlir;
using namespace rill;
using namespace rill::kernel;

using Memory = KernelCode::Memory;

bool rill::kernel::allBf16(KernelCode &code, ValueRange weights) {
  return llvm::all_of(weights, [&](Value weight) {
    return code.memory(weight).type.getElementType().isBF16();
  });
}

void rill::kernel::storeRow(KernelCode &code, LinearOp op, Value row,
                            Value column, int64_t count, ArrayRef<Value> sums) {
  const Memory &y = code.memory(op.getY());
  Value at =
      code.add(code.mul(row, code.integer(y.type.getShape().back())), column);
  SmallVector<Value> arguments(sums);
  for (Value aux : op.getAux()) {
    const Memory &memory = code.memory(aux);
    Value index = memory.type.getRank() == 1 ? column : at;
    arguments.push_back(code.loadSome(memory, index, count));
  }
  code.storeSome(code.inlineRegion(op.getBody(), arguments), y, at);
}

/// The products of `count` columns from `first` of each weight, and what the
/// op makes of them; `base` is the result's column of weight row 0.
static void emitColumns(KernelCode &code, LinearOp op, SmallProducts &products,
                        ArrayRef<Memory> weights, Value first, int64_t count,
                        int64_t base) {
  products.emit(weights, first, count);
  Value column = code.add(first, code.integer(base));
  code.loop(code.integer(0), products.rows(), [&](Value row) {
    code.eachVector(count, code.config("lanes"), [&](Value c, int64_t size) {
      SmallVector<Value> sums;
      for (size_t n = 0; n < weights.size(); ++n) {
        sums.push_back(products.part(n, row, c, size));
      }
      storeRow(code, op, row, code.add(column, c), size, sums);
    });
  });
}

/// Stacked weights: the tile's weight is known from its first column. Tiles do
/// not cross weights.
static void emitStacked(KernelCode &code, LinearOp op, SmallProducts &products,
                        Value tile) {
  int64_t firstTile = 0, firstColumn = 0, columns = products.columns();
  for (Value weight : op.getWeights()) {
    const Memory &memory = code.memory(weight);
    int64_t rows = memory.type.getDimSize(0);
    int64_t tiles = (rows + columns - 1) / columns;
    Value inside = code.both(code.less(code.integer(firstTile - 1), tile),
                             code.less(tile, code.integer(firstTile + tiles)));
    int64_t base = firstColumn;
    auto body = [&] {
      Value own = code.mul(code.sub(tile, code.integer(firstTile)),
                           code.integer(columns));
      code.eachTile(own, columns, rows, [&](Value first, int64_t count) {
        emitColumns(code, op, products, memory, first, count, base);
      });
    };
    if (op.getWeights().size() == 1) {
      body();
    } else {
      code.when(inside, body);
    }
    firstTile += tiles;
    firstColumn += rows;
  }
}

EmitTile rill::kernel::beginLinear(KernelCode &code, Operation *operation) {
  auto op = dyn_cast<LinearOp>(operation);
  if (!op) {
    return nullptr;
  }
  RowsPrologue prologue;
  if (op.getPrologue() == Prologue::RmsNorm) {
    prologue = {op.getNorm()[0], op.getEps().convertToDouble(),
                op.getRound().value_or(Type())};
  }
  auto products = std::make_shared<SmallProducts>(
      code, op.getX(), prologue, allBf16(code, op.getWeights()));
  return [&code, op, products](Value tile) mutable {
    if (op.getCombine() == Combine::Concat) {
      emitStacked(code, op, *products, tile);
      return;
    }
    SmallVector<Memory> weights;
    for (Value weight : op.getWeights()) {
      weights.push_back(code.memory(weight));
    }
    int64_t total = code.memory(op.getY()).type.getShape().back();
    int64_t columns = products->columns();
    code.eachTile(code.mul(tile, code.integer(columns)), columns, total,
                  [&](Value first, int64_t count) {
                    emitColumns(code, op, *products, weights, first, count, 0);
                  });
  };
}
