//===- LinearTemplate.cpp - Template "cuda_linear" ------------------------===//
//
// Products of any number of rows by f32 FMA, an rms_norm before them and the
// epilogue behind them. A tile is `rows` rows of a column per warp.
//
//===----------------------------------------------------------------------===//
#include "WarpProducts.h"

using namespace mlir;
using namespace rill;
using namespace rill::kernel;

using Memory = KernelCode::Memory;

namespace {
/// The rows and columns of one tile.
struct Tile {
  Value first, end; ///< rows
  Value column;     ///< column tile
};
} // namespace

/// Column tiles of one weight.
static int64_t tilesOf(CudaCode &code, Value weight) {
  return llvm::divideCeil(code.memory(weight).type.getDimSize(0), code.warps());
}

static int64_t columnTiles(CudaCode &code, LinearOp op) {
  if (op.getCombine() == Combine::Zip) {
    return tilesOf(code, op.getWeights()[0]);
  }
  int64_t tiles = 0;
  for (Value weight : op.getWeights()) {
    tiles += tilesOf(code, weight);
  }
  return tiles;
}

/// Columns of one weight (concat) or of all (zip); `base` is where they begin
/// in the result.
static void emitColumns(CudaCode &code, LinearOp op, WarpProducts &products,
                        const Tile &tile, ArrayRef<Memory> weights,
                        Value columnTile, int64_t base) {
  Value column =
      code.add(code.mul(columnTile, code.integer(code.warps())), code.warp());
  Value inside = code.less(column, code.integer(weights[0].type.getDimSize(0)));
  code.when(inside, [&] {
    products.emit(weights, column, tile.first, tile.end,
                  [&](Value row, ArrayRef<Value> sums) {
                    storeRow(code, op, row,
                             code.add(column, code.integer(base)), 1, sums);
                  });
  });
}

EmitCudaTile rill::kernel::beginCudaLinear(CudaCode &code,
                                           Operation *operation) {
  auto op = cast<LinearOp>(operation);
  WarpPrologue prologue;
  if (op.getPrologue() == Prologue::RmsNorm) {
    prologue = {op.getNorm()[0], op.getEps().convertToDouble(),
                op.getRound().value_or(Type())};
  }
  int64_t blockRows = code.config("rows");
  auto products =
      std::make_shared<WarpProducts>(code, op.getX(), prologue, blockRows);
  return [&code, op, products, blockRows](Value index) mutable {
    Value across = code.integer(columnTiles(code, op));
    Tile tile;
    tile.first = code.mul(code.div(index, across), code.integer(blockRows));
    tile.end = code.min(code.add(tile.first, code.integer(blockRows)),
                        products->rows());
    tile.column = code.rem(index, across);
    products->prepare(tile.first, tile.end);
    if (op.getCombine() == Combine::Zip) {
      SmallVector<Memory> weights;
      for (Value weight : op.getWeights()) {
        weights.push_back(code.memory(weight));
      }
      emitColumns(code, op, *products, tile, weights, tile.column, 0);
      return;
    }
    int64_t firstTile = 0, base = 0;
    for (Value weight : op.getWeights()) {
      int64_t tiles = tilesOf(code, weight);
      Value inside =
          code.both(code.less(code.integer(firstTile - 1), tile.column),
                    code.less(tile.column, code.integer(firstTile + tiles)));
      code.when(inside, [&] {
        emitColumns(code, op, *products, tile, code.memory(weight),
                    code.sub(tile.column, code.integer(firstTile)), base);
      });
      firstTile += tiles;
      base += code.memory(weight).type.getDimSize(0);
    }
  };
}
