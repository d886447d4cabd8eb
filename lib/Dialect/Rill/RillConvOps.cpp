//===- RillConvOps.cpp - Short convolution --------------------------------===//
//
// Verifiers of the ops of RillConvOps.td.
//
//===----------------------------------------------------------------------===//
#include "VerifyHelpers.h"

using namespace mlir;
using namespace rill;

LogicalResult ShortConvOp::verify() {
  auto x = tensorType(getX()), window = tensorType(getWindow()),
       filter = tensorType(getFilter());
  if (x.getRank() != 3 || window.getRank() != 3 || filter.getRank() != 2) {
    return emitOpError("short_conv_c1: x and window are [B,S,H], the filter "
                       "is [H,L]");
  }
  int64_t channels = x.getDimSize(2), taps = filter.getDimSize(1);
  if (filter.getDimSize(0) != channels) {
    return emitOpError("short_conv_c1: has ")
           << channels << " input channels but a filter for "
           << filter.getDimSize(0);
  }
  if (window.getDimSize(2) != channels ||
      !agree(window.getDimSize(0), x.getDimSize(0)) ||
      (getBias() && !isVectorOf(getBias(), channels)) ||
      !agree(tensorType(getY()).getShape(), x.getShape())) {
    return emitOpError("short_conv_c1: window, bias and result do not agree "
                       "with x ")
           << x;
  }
  if (taps < 2 || taps > 8) {
    return emitOpError("short_conv_c2: a filter of ")
           << taps << " taps is outside 2..8";
  }
  if (window.getDimSize(1) != taps - 1) {
    return emitOpError("short_conv_c3: the window has ")
           << window.getDimSize(1) << " rows but the filter needs " << taps - 1;
  }
  return success();
}

LogicalResult ShortConvMixOp::verify() {
  int64_t channels = lastDim(getX());
  auto filter = tensorType(getFilter());
  bool square = llvm::all_of(getWeights(), [&](Value weight) {
    return agree(tensorType(weight).getShape(), {channels, channels});
  });
  if (getWeights().size() != 3 || !square ||
      (getBiases().size() != 0 && getBiases().size() != 3) ||
      !llvm::all_of(getBiases(),
                    [&](Value bias) { return isVectorOf(bias, channels); })) {
    return emitOpError("short_conv_mix_c1: needs three [H,H] weights and no or "
                       "three [H] biases for H = ")
           << channels;
  }
  if (filter.getRank() != 2 || filter.getDimSize(0) != channels ||
      filter.getDimSize(1) < 2 || filter.getDimSize(1) > 8) {
    return emitOpError("short_conv_mix_c2: ")
           << filter << " is no filter of 2..8 taps for " << channels
           << " channels";
  }
  return success();
}

LogicalResult ShortConvMixOp::verifySymbolUses(SymbolTableCollection &tables) {
  StateOp state =
      lookupState(*this, getStateAttr(), tables, "short_conv_mix_c3");
  if (!state) {
    return failure();
  }
  auto type = cast<RankedTensorType>(state.getType());
  int64_t taps = tensorType(getFilter()).getDimSize(1);
  if (state.getKind() != StateKind::Rows || state.getRowDim() != 1 ||
      type.getRank() != 3 || type.getDimSize(2) != lastDim(getX()) ||
      static_cast<int64_t>(state.getHistory()) < taps - 1) {
    return emitOpError("short_conv_mix_c3: ")
           << getStateAttr() << " cannot hold " << taps - 1 << " rows of "
           << lastDim(getX()) << " channels";
  }
  return success();
}
