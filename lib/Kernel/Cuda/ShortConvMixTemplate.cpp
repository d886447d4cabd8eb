//===- ShortConvMixTemplate.cpp - Template "cuda_short_conv_mix" ----------===//
//
// Norm, three products, gate, convolution over the ring state, append, gate.
// A tile is one channel per warp, of all rows: it alone reads and writes these
// channels of the state.
//
//===----------------------------------------------------------------------===//
#include "WarpProducts.h"

using namespace mlir;
using namespace rill;
using namespace rill::kernel;

using Memory = KernelCode::Memory;

EmitCudaTile rill::kernel::beginCudaShortConvMix(CudaCode &code,
                                                 Operation *operation) {
  auto op = cast<ShortConvMixOp>(operation);
  auto state =
      SymbolTable::lookupNearestSymbolFrom<StateOp>(op, op.getStateAttr());
  WarpPrologue prologue{
      op.getNorm(), op.getEps().convertToDouble(),
      cast<RankedTensorType>(state.getType()).getElementType()};
  int64_t most = code.config("rows"), warps = code.warps();
  auto products =
      std::make_shared<WarpProducts>(code, op.getX(), prologue, most);
  // [b, c, v][row][warp]
  auto parts = std::make_shared<Memory>(
      code.shared(3 * most * warps, code.b.getF32Type()));
  return [&code, op, products, parts, most, warps](Value tile) mutable {
    int64_t channels = code.memory(op.getX()).type.getShape().back();
    Value first = code.mul(tile, code.integer(warps));
    Value channel = code.add(first, code.warp());
    Value total = code.integer(channels);
    products->prepare(code.integer(0), products->rows());
    auto at = [&](int64_t part, Value row, Value column) {
      Value line = code.add(code.integer(part * most), row);
      return code.add(code.mul(line, code.integer(warps)), column);
    };
    code.when(code.less(channel, total), [&] {
      SmallVector<Memory> weights;
      for (Value weight : op.getWeights()) {
        weights.push_back(code.memory(weight));
      }
      products->emit(weights, channel, code.integer(0), products->rows(),
                     [&](Value row, ArrayRef<Value> sums) {
                       for (int64_t part = 0; part < 3; ++part) {
                         Value value = sums[part];
                         if (!op.getBiases().empty()) {
                           const Memory &bias =
                               code.memory(op.getBiases()[part]);
                           value = code.fadd(value, code.load(bias, channel));
                         }
                         code.store(value, *parts, at(part, row, code.warp()));
                       }
                     });
    });
    code.barrier();
    Value own = code.add(first, code.thread());
    Value mixes = code.both(code.less(code.thread(), code.integer(warps)),
                            code.less(own, total));
    code.when(mixes, [&] {
      code.loop(code.integer(0), products->rows(), [&](Value row) {
        auto part = [&](int64_t which) {
          return code.load(*parts, at(which, row, code.thread()));
        };
        mixRow(code, op, row, own, 1, {part(0), part(1), part(2)});
      });
    });
  };
}
