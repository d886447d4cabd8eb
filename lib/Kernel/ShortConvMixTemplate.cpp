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
  MixTile(KernelCode &code, ShortConvMixOp op, SmallProducts &products,
          const Memory &parts)
      : code(code), op(op), products(products), parts(parts) {}

  void emit(Value first, int64_t count);

private:
  Value part(int64_t which, Value row, int64_t count);

  KernelCode &code;
  ShortConvMixOp op;
  SmallProducts &products;
  const Memory &parts; ///< b, then c, then v: [3][rows][columns] f32
};
} // namespace

static constexpr int64_t kB = 0, kC = 1, kV = 2;

/// Element of `parts` where the values of `row` begin.
static Value partAt(KernelCode &code, int64_t which, Value rows, Value row) {
  Value line = code.add(code.mul(code.integer(which), rows), row);
  return code.mul(line, code.integer(code.config("columns")));
}

Value MixTile::part(int64_t which, Value row, int64_t count) {
  return code.loadSome(parts, partAt(code, which, products.rows(), row), count);
}

void MixTile::emit(Value first, int64_t count) {
  for (int64_t which : {kB, kC, kV}) {
    products.emit(
        code.memory(op.getWeights()[which]), first, count,
        [&](Value row, Value column, int64_t size, ArrayRef<Value> sums) {
          Value value = sums[0];
          if (!op.getBiases().empty()) {
            const Memory &bias = code.memory(op.getBiases()[which]);
            value = code.fadd(value, code.loadSome(bias, column, size));
          }
          Value at = code.add(partAt(code, which, products.rows(), row),
                              code.sub(column, first));
          code.storeSome(value, parts, at);
        });
  }
  code.loop(code.integer(0), products.rows(), [&](Value row) {
    mixRow(code, op, row, first, count,
           {part(kB, row, count), part(kC, row, count), part(kV, row, count)});
  });
}

EmitTile rill::kernel::beginShortConvMix(KernelCode &code,
                                         Operation *operation) {
  auto op = dyn_cast<ShortConvMixOp>(operation);
  if (!op) {
    return nullptr;
  }
  const Memory &x = code.memory(op.getX());
  StateOp state =
      SymbolTable::lookupNearestSymbolFrom<StateOp>(op, op.getStateAttr());
  RowsPrologue prologue{
      op.getNorm(), op.getEps().convertToDouble(),
      cast<RankedTensorType>(state.getType()).getElementType()};
  auto products = std::make_shared<SmallProducts>(
      code, op.getX(), prologue, allBf16(code, op.getWeights()));
  // The products of a tile stand behind the prepared rows.
  auto parts = std::make_shared<Memory>();
  int64_t channels = x.type.getShape().back();
  Value behind = code.mul(products->rows(), code.integer(channels));
  parts->type = RankedTensorType::get({channels}, code.b.getF32Type());
  parts->pointer = code.address(code.scratch(), behind, code.b.getF32Type());
  int64_t columns = code.config("columns");
  return [&code, op, products, parts, columns, channels](Value tile) mutable {
    MixTile mix(code, op, *products, *parts);
    code.eachTile(code.mul(tile, code.integer(columns)), columns, channels,
                  [&](Value first, int64_t count) { mix.emit(first, count); });
  };
}
