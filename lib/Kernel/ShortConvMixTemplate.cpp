//===- ShortConvMixTemplate.cpp - Template "short_conv_mix" for CPUs ------===//
//
// Norm, three products, gate, convolution over the ring state, append, gate.
// A tile is `columns` channels of all rows: it alone reads and writes these
// channels of the state.
//
//===----------------------------------------------------------------------===//
#include "SmallProducts.h"

using namespace mlir;
using namespace rill;
using namespace rill::kernel;

using Memory = KernelCode::Memory;

namespace {
/// The channels of one tile.
class MixTile {
public:
  MixTile(KernelCode &code, ShortConvMixOp op, SmallProducts &products)
      : code(code), op(op), products(products),
        state(SymbolTable::lookupNearestSymbolFrom<StateOp>(op,
                                                            op.getStateAttr())),
        ring(code.state(state.getSymName())),
        taps(code.memory(op.getFilter()).type.getDimSize(1)) {}

  void emit(Value first, int64_t count);

private:
  void mixRow(Value row, Value first, Value column, int64_t count);
  Value part(int64_t which, Value row, Value first, Value column,
             int64_t count);
  Value gatedRow(Value sequence, Value s, int64_t back, Value first,
                 int64_t count);

  KernelCode &code;
  ShortConvMixOp op;
  SmallProducts &products;
  StateOp state;
  Memory ring;
  int64_t taps;
};
} // namespace

static constexpr int64_t kB = 0, kC = 1, kV = 2;

/// `count` channels of b, c or v from column `column` of the tile, channel
/// `first`.
Value MixTile::part(int64_t which, Value row, Value first, Value column,
                    int64_t count) {
  Value value = products.part(which, row, column, count);
  if (op.getBiases().empty()) {
    return value;
  }
  const Memory &bias = code.memory(op.getBiases()[which]);
  return code.fadd(value, code.loadSome(bias, first, count));
}

/// The gated row `back` rows before row s of this call; zero before index 0.
/// Rows of this call stand in the ring already.
Value MixTile::gatedRow(Value sequence, Value s, int64_t back, Value first,
                        int64_t count) {
  Value index = code.sub(code.add(code.start(sequence), s), code.integer(back));
  Value before = code.less(index, code.integer(0));
  Value at = stateRow(code, state, sequence, code.integer(0),
                      code.max(index, code.integer(0)));
  Value value = code.loadSome(ring, code.add(at, first), count);
  return code.select(before, code.spread(code.real(0.0), count), value);
}

/// Appends the row, then convolves: the ring holds every row it needs.
void MixTile::mixRow(Value row, Value first, Value column, int64_t count) {
  const Memory &x = code.memory(op.getX()), &y = code.memory(op.getY());
  Value perSequence = code.dim(x, 1);
  Value sequence = code.div(row, perSequence), s = code.rem(row, perSequence);
  Value gated = code.fmul(part(kB, row, first, column, count),
                          part(kV, row, first, column, count));
  Value to = stateRow(code, state, sequence, code.integer(0),
                      code.add(code.start(sequence), s));
  code.storeSome(gated, ring, code.add(to, first));
  Value sum = op.getConvBias()
                  ? code.loadSome(code.memory(op.getConvBias()), first, count)
                  : code.spread(code.real(0.0), count);
  const Memory &filter = code.memory(op.getFilter());
  for (int64_t j = 0; j < taps; ++j) {
    Value tap = tapOfChannels(code, filter, first, j, count);
    sum = code.fma(tap, gatedRow(sequence, s, taps - 1 - j, first, count), sum);
  }
  Value at =
      code.add(code.mul(row, code.integer(y.type.getShape().back())), first);
  code.storeSome(code.fmul(part(kC, row, first, column, count), sum), y, at);
}

void MixTile::emit(Value first, int64_t count) {
  for (int64_t which : {kB, kC, kV}) {
    products.emit(code.memory(op.getWeights()[which]), first, count, which);
  }
  code.loop(code.integer(0), products.rows(), [&](Value row) {
    code.eachVector(count, code.config("lanes"), [&](Value c, int64_t size) {
      mixRow(row, code.add(first, c), c, size);
    });
  });
}

EmitTile rill::kernel::beginShortConvMix(KernelCode &code,
                                         Operation *operation) {
  auto op = dyn_cast<ShortConvMixOp>(operation);
  if (!op) {
    return nullptr;
  }
  StateOp state =
      SymbolTable::lookupNearestSymbolFrom<StateOp>(op, op.getStateAttr());
  RowsPrologue prologue{
      op.getNorm(), op.getEps().convertToDouble(),
      cast<RankedTensorType>(state.getType()).getElementType()};
  auto products = std::make_shared<SmallProducts>(
      code, op.getX(), prologue, allBf16(code, op.getWeights()));
  int64_t channels = code.memory(op.getX()).type.getShape().back();
  return [&code, op, products, channels](Value tile) mutable {
    MixTile mix(code, op, *products);
    Value first = code.mul(tile, code.integer(products->columns()));
    code.eachTile(first, products->columns(), channels,
                  [&](Value at, int64_t count) { mix.emit(at, count); });
  };
}
