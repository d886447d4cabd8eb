//===- ShortConvTemplate.cpp - Template "short_conv" for CPUs -------------===//
//
// The causal depthwise convolution by itself. A tile is one row, walked in
// vectors of channels; the taps are gathered lane by lane from their rows.
//
//===----------------------------------------------------------------------===//
#include "KernelCode.h"

using namespace mlir;
using namespace rill;
using namespace rill::kernel;

using Memory = KernelCode::Memory;

Value rill::kernel::tapOfChannels(KernelCode &code, const Memory &filter,
                                  Value c, int64_t tap, int64_t count) {
  int64_t taps = filter.type.getDimSize(1);
  auto at = [&](int64_t i) {
    Value channel = code.add(c, code.integer(i));
    return code.load(filter, code.add(code.mul(channel, code.integer(taps)),
                                      code.integer(tap)));
  };
  if (count == 1) {
    return at(0);
  }
  Value vector = code.splat(code.real(0.0), count);
  for (int64_t i = 0; i < count; ++i) {
    vector = code.insert(at(i), vector, i);
  }
  return vector;
}

static void emitShortConv(KernelCode &code, ShortConvOp op, Value tile) {
  const Memory &window = code.memory(op.getWindow()),
               &x = code.memory(op.getX()),
               &filter = code.memory(op.getFilter());
  int64_t channels = x.type.getDimSize(2), taps = filter.type.getDimSize(1);
  Value rows = code.dim(x, 1);
  Value sequence = code.div(tile, rows), s = code.rem(tile, rows);
  code.eachVector(channels, code.config("lanes"), [&](Value c, int64_t count) {
    Value sum = op.getBias()
                    ? code.loadSome(code.memory(op.getBias()), c, count)
                    : code.spread(code.real(0.0), count);
    for (int64_t j = 0; j < taps; ++j) {
      // Row s + j of the window followed by x.
      Value row = code.add(s, code.integer(j));
      Value inWindow = code.less(row, code.integer(taps - 1));
      Value windowRow = code.add(code.mul(sequence, code.integer(taps - 1)),
                                 code.min(row, code.integer(taps - 2)));
      Value xRow = code.add(
          code.mul(sequence, rows),
          code.max(code.sub(row, code.integer(taps - 1)), code.integer(0)));
      auto load = [&](const Memory &memory, Value r) {
        Value at = code.add(code.mul(r, code.integer(channels)), c);
        return code.loadSome(memory, at, count);
      };
      Value value =
          code.select(inWindow, load(window, windowRow), load(x, xRow));
      sum = code.fma(tapOfChannels(code, filter, c, j, count), value, sum);
    }
    code.storeSome(sum, code.memory(op.getY()),
                   code.add(code.mul(tile, code.integer(channels)), c));
  });
}

EmitTile rill::kernel::beginShortConv(KernelCode &code, Operation *operation) {
  auto op = dyn_cast<ShortConvOp>(operation);
  if (!op) {
    return nullptr;
  }
  return [&code, op](Value tile) { emitShortConv(code, op, tile); };
}
