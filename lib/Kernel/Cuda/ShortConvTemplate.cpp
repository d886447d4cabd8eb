//===- ShortConvTemplate.cpp - Template "cuda_short_conv" -----------------===//
//
// The causal depthwise convolution of many rows by itself. A tile is some rows
// of 32 vectors of channels: a lane has the taps of its vector in registers,
// and a warp a few neighbouring rows, so that all reads are whole sectors.
//
//===----------------------------------------------------------------------===//
#include "CudaCode.h"

using namespace mlir;
using namespace rill;
using namespace rill::kernel;

using Memory = KernelCode::Memory;

/// Rows of a warp; Policy.cpp's grid counts them.
static constexpr int64_t kWarpRows = 4;

namespace {
class ConvTile {
public:
  ConvTile(CudaCode &code, ShortConvOp op, const Memory &staged, Value tile);
  void emit();

  /// Elements of a lane's vector; elements from lane to lane in `staged`.
  static int64_t vectorOf(ShortConvOp op);
  static int64_t strideOf(ShortConvOp op);

private:
  void stageTaps();
  SmallVector<Value> loadTaps();
  Value rowBefore(Value s);
  void convolve();

  CudaCode &code;
  ShortConvOp op;
  const Memory &window, &x, &filter, &staged;
  int64_t channels, taps, lanes;
  Value rows, sequence, firstRow, firstVector, channel;
};
} // namespace

int64_t ConvTile::vectorOf(ShortConvOp op) {
  auto type = cast<RankedTensorType>(op.getX().getType());
  return CudaCode::lanesFor(type.getDimSize(2),
                            128 / type.getElementTypeBitWidth());
}

/// An odd number of vectors: no two lanes of a quarter warp share a bank.
int64_t ConvTile::strideOf(ShortConvOp op) {
  int64_t taps = cast<RankedTensorType>(op.getFilter().getType()).getDimSize(1);
  return (taps % 2 ? taps : taps + 1) * vectorOf(op);
}

ConvTile::ConvTile(CudaCode &code, ShortConvOp op, const Memory &staged,
                   Value tile)
    : code(code), op(op), window(code.memory(op.getWindow())),
      x(code.memory(op.getX())), filter(code.memory(op.getFilter())),
      staged(staged), channels(x.type.getDimSize(2)),
      taps(filter.type.getDimSize(1)), lanes(vectorOf(op)),
      rows(code.dim(x, 1)) {
  Value across = code.integer(llvm::divideCeil(channels / lanes, kWarp));
  int64_t tileRows = kWarpRows * code.warps();
  Value down = code.div(code.add(rows, code.integer(tileRows - 1)),
                        code.integer(tileRows));
  firstVector = code.mul(code.rem(tile, across), code.integer(kWarp));
  Value line = code.div(tile, across);
  sequence = code.div(line, down);
  firstRow = code.add(code.mul(code.rem(line, down), code.integer(tileRows)),
                      code.mul(code.warp(), code.integer(kWarpRows)));
  channel = code.mul(code.add(firstVector, code.lane()), code.integer(lanes));
}

/// The tile's taps into shared memory in the filter's order, lane after lane.
void ConvTile::stageTaps() {
  Value first = code.mul(firstVector, code.integer(lanes * taps));
  code.eachThread(code.integer(kWarp * taps), [&](Value i) {
    Value from = code.add(first, code.mul(i, code.integer(lanes)));
    code.when(code.less(from, code.integer(channels * taps)), [&] {
      Value to = code.add(
          code.mul(code.div(i, code.integer(taps)), code.integer(strideOf(op))),
          code.mul(code.rem(i, code.integer(taps)), code.integer(lanes)));
      code.storeSome(code.loadSome(filter, from, lanes), staged, to);
    });
  });
}

/// The lane's taps: one vector of channels each.
SmallVector<Value> ConvTile::loadTaps() {
  Value own = code.mul(code.lane(), code.integer(strideOf(op)));
  SmallVector<Value> runs, list(taps, code.spread(code.real(0.0), lanes));
  for (int64_t i = 0; i < taps; ++i) {
    Value at = code.add(own, code.integer(i * lanes));
    runs.push_back(code.loadSome(staged, at, lanes));
  }
  if (lanes == 1) {
    return runs;
  }
  for (int64_t i = 0; i < lanes * taps; ++i) {
    Value tap = code.extract(runs[i / lanes], i % lanes);
    list[i % taps] = code.insert(tap, list[i % taps], i / taps);
  }
  return list;
}

/// Row s, counted from the first of x; those before it stand in the window.
/// Rows behind the last repeat it.
Value ConvTile::rowBefore(Value s) {
  auto load = [&](const Memory &memory, Value row, Value count) {
    Value line = code.add(code.mul(sequence, count), row);
    return code.loadSome(
        memory, code.add(code.mul(line, code.integer(channels)), channel),
        lanes);
  };
  Value own =
      code.max(code.min(s, code.sub(rows, code.integer(1))), code.integer(0));
  Value value = load(x, own, rows);
  return code.selectBranch(
      code.less(s, code.integer(0)),
      [&]() -> SmallVector<Value> {
        Value row = code.add(s, code.integer(taps - 1));
        return {load(window, row, code.integer(taps - 1))};
      },
      value)[0];
}

/// The warp's rows, all loaded before the first is used.
void ConvTile::convolve() {
  SmallVector<Value> filterTaps = loadTaps(), values;
  for (int64_t i = 1 - taps; i < kWarpRows; ++i) {
    Value row = code.add(firstRow, code.integer(i));
    values.push_back(rowBefore(row));
  }
  Value bias = op.getBias()
                   ? code.loadSome(code.memory(op.getBias()), channel, lanes)
                   : code.spread(code.real(0.0), lanes);
  for (int64_t i = 0; i < kWarpRows; ++i) {
    Value row = code.add(firstRow, code.integer(i)), sum = bias;
    for (int64_t j = 0; j < taps; ++j) {
      sum = code.fma(filterTaps[j], values[i + j], sum);
    }
    code.when(code.less(row, rows), [&] {
      Value line = code.add(code.mul(sequence, rows), row);
      code.storeSome(sum, code.memory(op.getY()),
                     code.add(code.mul(line, code.integer(channels)), channel));
    });
  }
}

void ConvTile::emit() {
  stageTaps();
  code.waitForInputs();
  code.barrier();
  Value some = code.both(code.less(firstRow, rows),
                         code.less(channel, code.integer(channels)));
  code.when(some, [&] { convolve(); });
}

EmitCudaTile rill::kernel::beginCudaShortConv(CudaCode &code,
                                              Operation *operation) {
  auto op = dyn_cast<ShortConvOp>(operation);
  if (!op) {
    return nullptr;
  }
  Type element =
      cast<RankedTensorType>(op.getFilter().getType()).getElementType();
  Memory staged = code.shared(kWarp * ConvTile::strideOf(op), element);
  return [&code, op, staged](Value tile) mutable {
    ConvTile(code, op, staged, tile).emit();
  };
}
