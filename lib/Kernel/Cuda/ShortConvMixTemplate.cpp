//===- ShortConvMixTemplate.cpp - Template "cuda_short_conv_mix" ----------===//
//
// Norm, three products, gate, convolution over the ring state, append, gate.
// A tile is some channels of all rows: it alone reads and writes these channels
// of the state.
//
//===----------------------------------------------------------------------===//
#include "RowProducts.h"

using namespace mlir;
using namespace rill;
using namespace rill::kernel;

using Memory = KernelCode::Memory;

EmitCudaTile rill::kernel::beginCudaShortConvMix(CudaCode &code,
                                                 Operation *operation) {
  auto op = dyn_cast<ShortConvMixOp>(operation);
  if (!op) {
    return nullptr;
  }
  auto state =
      SymbolTable::lookupNearestSymbolFrom<StateOp>(op, op.getStateAttr());
  RowPrologue prologue{
      op.getNorm(), op.getEps().convertToDouble(),
      cast<RankedTensorType>(state.getType()).getElementType()};
  constexpr int64_t kParts = 3;
  std::shared_ptr<RowProducts> products =
      makeRowProducts(code, op.getX(), prologue, kParts);
  int64_t most = code.config("rows"), columns = products->columns();
  // [b, c, v][row][column]
  auto parts = std::make_shared<Memory>(
      code.shared(kParts * most * columns, code.b.getF32Type()));
  return [&code, op, products, parts, most, columns](Value index) mutable {
    int64_t channels = code.memory(op.getX()).type.getShape().back();
    ColumnTile tile;
    for (Value weight : op.getWeights()) {
      tile.weights.push_back(code.memory(weight));
    }
    tile.first = code.mul(index, code.integer(columns));
    tile.limit = code.integer(channels);
    auto at = [&](int64_t part, Value row, Value column) {
      Value line = code.add(code.integer(part * most), row);
      return code.add(code.mul(line, code.integer(columns)), column);
    };
    auto keep = [&](Value row, Value channel, ArrayRef<Value> sums) {
      for (int64_t part = 0; part < kParts; ++part) {
        Value value = sums[part];
        if (!op.getBiases().empty()) {
          const Memory &bias = code.memory(op.getBiases()[part]);
          value = code.fadd(value, code.load(bias, channel));
        }
        code.store(value, *parts, at(part, row, code.sub(channel, tile.first)));
      }
    };
    products->emit(tile, {code.integer(0), products->rows()}, keep);
    code.barrier();
    Value channel = code.add(tile.first, code.thread());
    Value mixes = code.both(code.less(code.thread(), code.integer(columns)),
                            code.less(channel, tile.limit));
    code.when(mixes, [&] {
      code.loop(code.integer(0), products->rows(), [&](Value row) {
        auto part = [&](int64_t which) {
          return code.load(*parts, at(which, row, code.thread()));
        };
        mixRow(code, op, row, channel, 1, {part(0), part(1), part(2)});
      });
    });
  };
}
