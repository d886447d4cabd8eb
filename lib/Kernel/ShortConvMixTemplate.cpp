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

/// The gated row `back` rows before row s of this call; zero before index 0.
/// Rows of this call stand in the ring already.
static Value gatedRow(KernelCode &code, StateOp state, Value sequence, Value s,
                      int64_t back, Value first, int64_t count) {
  Value index = code.sub(code.add(code.start(sequence), s), code.integer(back));
  Value before = code.less(index, code.integer(0));
  Value at = stateRow(code, state, sequence, code.integer(0),
                      code.max(index, code.integer(0)));
  Value value =
      code.loadSome(code.state(state.getSymName()), code.add(at, first), count);
  return code.select(before, code.spread(code.real(0.0), count), value);
}

void rill::kernel::mixRow(KernelCode &code, ShortConvMixOp op, Value row,
                          Value first, int64_t count, const MixParts &parts) {
  const Memory &x = code.memory(op.getX()), &y = code.memory(op.getY());
  const Memory &filter = code.memory(op.getFilter());
  auto state =
      SymbolTable::lookupNearestSymbolFrom<StateOp>(op, op.getStateAttr());
  Value perSequence = code.dim(x, 1);
  Value sequence = code.div(row, perSequence), s = code.rem(row, perSequence);
  Value to = stateRow(code, state, sequence, code.integer(0),
                      code.add(code.start(sequence), s));
  code.storeSome(code.fmul(parts.b, parts.v), code.state(state.getSymName()),
                 code.add(to, first));
  Value sum = op.getConvBias()
                  ? code.loadSome(code.memory(op.getConvBias()), first, count)
                  : code.spread(code.real(0.0), count);
  int64_t taps = filter.type.getDimSize(1);
  for (int64_t j = 0; j < taps; ++j) {
    Value tap = tapOfChannels(code, filter, first, j, count);
    Value gated =
        gatedRow(code, state, sequence, s, taps - 1 - j, first, count);
    sum = code.fma(tap, gated, sum);
  }
  Value at =
      code.add(code.mul(row, code.integer(y.type.getShape().back())), first);
  code.storeSome(code.fmul(parts.c, sum), y, at);
}

namespace {
/// The channels of one tile.
class MixTile {
public:
  MixTile(KernelCode &code, ShortConvMixOp op, SmallProducts &products)
      : code(code), op(op), products(products) {}

  void emit(Value first, int64_t count);

private:
  Value part(int64_t which, Value row, Value first, Value column,
             int64_t count);

  KernelCode &code;
  ShortConvMixOp op;
  SmallProducts &products;
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

void MixTile::emit(Value first, int64_t count) {
  for (int64_t which : {kB, kC, kV}) {
    products.emit(code.memory(op.getWeights()[which]), first, count, which);
  }
  code.loop(code.integer(0), products.rows(), [&](Value row) {
    code.eachVector(count, code.config("lanes"), [&](Value c, int64_t size) {
      Value channel = code.add(first, c);
      mixRow(code, op, row, channel, size,
             {part(kB, row, channel, c, size), part(kC, row, channel, c, size),
              part(kV, row, channel, c, size)});
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
