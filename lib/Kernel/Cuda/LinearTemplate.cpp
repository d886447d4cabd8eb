//===- LinearTemplate.cpp - Template "cuda_linear" ------------------------===//
//
// Products of up to `rows` rows a block, an rms_norm before them and the
// epilogue behind them. Tiles do not cross stacked weights.
//
//===----------------------------------------------------------------------===//
#include "RowProducts.h"

using namespace mlir;
using namespace rill;
using namespace rill::kernel;

using Memory = KernelCode::Memory;

/// Column tiles of one weight.
static int64_t tilesOf(CudaCode &code, Value weight, int64_t columns) {
  return llvm::divideCeil(code.memory(weight).type.getDimSize(0), columns);
}

/// The tile's weights and columns; `base` is where the columns of its weight
/// begin in the result.
static ColumnTile columnTile(CudaCode &code, LinearOp op, Value index,
                             int64_t columns, Value &base) {
  ColumnTile tile;
  base = code.integer(0);
  Value own = index;
  if (op.getCombine() == Combine::Zip) {
    for (Value weight : op.getWeights()) {
      tile.weights.push_back(code.memory(weight));
    }
    tile.limit = code.integer(tile.weights[0].type.getDimSize(0));
  } else {
    tile.weights = {code.memory(op.getWeights()[0])};
    tile.limit = code.integer(tile.weights[0].type.getDimSize(0));
    int64_t firstTile = 0, firstColumn = 0;
    for (Value weight : op.getWeights()) {
      const Memory &memory = code.memory(weight);
      int64_t rows = memory.type.getDimSize(0);
      if (firstTile) {
        Value here = code.less(code.integer(firstTile - 1), index);
        tile.weights[0].pointer =
            code.select(here, memory.pointer, tile.weights[0].pointer);
        tile.limit = code.select(here, code.integer(rows), tile.limit);
        base = code.select(here, code.integer(firstColumn), base);
        own = code.select(here, code.sub(index, code.integer(firstTile)), own);
      }
      firstTile += tilesOf(code, weight, columns);
      firstColumn += rows;
    }
  }
  tile.first = code.mul(own, code.integer(columns));
  return tile;
}

EmitCudaTile rill::kernel::beginCudaLinear(CudaCode &code,
                                           Operation *operation) {
  auto op = dyn_cast<LinearOp>(operation);
  if (!op) {
    return nullptr;
  }
  RowPrologue prologue;
  if (op.getPrologue() == Prologue::RmsNorm) {
    prologue = {op.getNorm()[0], op.getEps().convertToDouble(),
                op.getRound().value_or(Type())};
  }
  if (op.getPrologue() == Prologue::AttentionMerge) {
    auto shape = code.memory(op.getX()).type.getShape();
    if (shape[shape.size() - 2] > kWarp) {
      return nullptr; // a lane knows a part
    }
    prologue.merge = true;
    prologue.round = op.getRound().value_or(Type());
  }
  bool zip = op.getCombine() == Combine::Zip;
  std::shared_ptr<RowProducts> products =
      makeRowProducts(code, op.getX(), prologue,
                      zip ? static_cast<int64_t>(op.getWeights().size()) : 1);
  return [&code, op, products, zip](Value index) mutable {
    int64_t tiles = 0, blockRows = code.config("rows");
    for (Value weight : op.getWeights()) {
      tiles += tilesOf(code, weight, products->columns());
      if (zip) {
        break;
      }
    }
    Value across = code.integer(tiles), base;
    RowTile rows;
    rows.first = code.mul(code.div(index, across), code.integer(blockRows));
    rows.end = code.min(code.add(rows.first, code.integer(blockRows)),
                        products->rows());
    ColumnTile tile = columnTile(code, op, code.rem(index, across),
                                 products->columns(), base);
    products->emit(tile, rows,
                   [&](Value row, Value column, ArrayRef<Value> sums) {
                     storeRow(code, op, row, code.add(column, base), 1, sums);
                   });
  };
}
