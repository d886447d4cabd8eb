//===- FuseShortConvMix.cpp - A short convolution with its state ----------===//
//
// From the gate behind the convolution back to the norm before its products.
//
//===----------------------------------------------------------------------===//
#include "Match.h"

#include "rill/Fusion/Passes.h"

#include "mlir/IR/Remarks.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace rill {
#define GEN_PASS_DEF_FUSESHORTCONVMIXPASS
#include "rill/Fusion/Passes.h.inc"
} // namespace rill

using namespace mlir;
using namespace rill;

namespace {
/// The ops of one mixer, found from its convolution.
struct Mixer {
  ShortConvOp conv;
  ElementwiseOp gateIn, gateOut;
  StateWindowOp window;
  StateAppendOp append;
  Product b, c, v;
  RmsNormOp norm;
};
} // namespace

static Type elementOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getElementType();
}

static bool isProductOfTwo(ElementwiseOp op) {
  return op && op.getInputs().size() == 2 &&
         isBinary<arith::MulFOp>(op.getBody()) &&
         op.getInputs()[0].getType() == op.getInputs()[1].getType();
}

/// Fills `mixer` from its `conv`; says what does not fit.
static const char *find(Mixer &mixer) {
  ShortConvOp conv = mixer.conv;
  mixer.window = conv.getWindow().getDefiningOp<StateWindowOp>();
  if (!mixer.window || !mixer.window->hasOneUse()) {
    return "the window is no state's alone";
  }
  mixer.append = appendTo(conv.getX(), mixer.window.getStateAttr());
  if (!mixer.append) {
    return "the convolution's input is not appended to its state";
  }
  mixer.gateIn = conv.getX().getDefiningOp<ElementwiseOp>();
  if (!isProductOfTwo(mixer.gateIn) ||
      !llvm::hasNItems(mixer.gateIn->getUsers(), 2)) {
    return "the input is no gate of two products, or has another reader";
  }
  if (!conv->hasOneUse() || !elementOf(conv).isF32()) {
    return "the convolution is rounded or has another reader";
  }
  mixer.gateOut = dyn_cast<ElementwiseOp>(*conv->user_begin());
  if (!isProductOfTwo(mixer.gateOut)) {
    return "no gate follows the convolution";
  }
  Value other = mixer.gateOut.getInputs()[0] == conv
                    ? mixer.gateOut.getInputs()[1]
                    : mixer.gateOut.getInputs()[0];
  mixer.b = productOf(mixer.gateIn.getInputs()[0]);
  mixer.v = productOf(mixer.gateIn.getInputs()[1]);
  mixer.c = productOf(other);
  for (Product part : {mixer.b, mixer.c, mixer.v}) {
    if (!part.op || !part.op->hasOneUse() || !elementOf(part.op).isF32() ||
        part.op.getX() != mixer.b.op.getX() || !part.bias != !mixer.b.bias) {
      return "the gates are not three unrounded products of one input";
    }
  }
  mixer.norm = mixer.b.op.getX().getDefiningOp<RmsNormOp>();
  if (!mixer.norm || elementOf(mixer.norm) != elementOf(mixer.gateIn)) {
    return "the products read no norm of the state's type";
  }
  for (Product part : {mixer.b, mixer.c, mixer.v}) {
    auto weight = cast<RankedTensorType>(part.weight.getType());
    if (weight.getDimSize(0) != weight.getDimSize(1)) {
      return "the products are not square";
    }
  }
  return nullptr;
}

namespace {
struct FuseShortConvMix final : OpRewritePattern<ShortConvOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(ShortConvOp op,
                                PatternRewriter &rewriter) const override {
    Mixer mixer;
    mixer.conv = op;
    if (const char *why = find(mixer)) {
      return rewriter.notifyMatchFailure(op, why);
    }
    // All questions above this line, all changes below.
    rewriter.setInsertionPoint(mixer.gateOut);
    SmallVector<Value> biases;
    if (mixer.b.bias) {
      biases = {mixer.b.bias, mixer.c.bias, mixer.v.bias};
    }
    auto mix = ShortConvMixOp::create(
        rewriter, mixer.append.getLoc(), mixer.gateOut.getType(),
        mixer.norm.getX(), mixer.norm.getWeight(),
        ValueRange{mixer.b.weight, mixer.c.weight, mixer.v.weight}, biases,
        op.getFilter(), op.getBias(), mixer.window.getState(),
        mixer.norm.getEps());
    rewriter.replaceOp(mixer.gateOut, mix);
    rewriter.eraseOp(mixer.append);
    rewriter.eraseOp(op);
    for (Operation *dead :
         {mixer.window.getOperation(), mixer.gateIn.getOperation(),
          mixer.b.op.getOperation(), mixer.c.op.getOperation(),
          mixer.v.op.getOperation()}) {
      rewriter.eraseOp(dead);
    }
    return success();
  }
};

struct FuseShortConvMixPass
    : rill::impl::FuseShortConvMixPassBase<FuseShortConvMixPass> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<FuseShortConvMix>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns)))) {
      return signalPassFailure();
    }
    getOperation().walk([](ShortConvOp op) {
      Mixer mixer;
      mixer.conv = op;
      if (const char *why = find(mixer)) {
        remark::missed(op.getLoc(), remark::RemarkOpts::name("not fused")
                                        .category("rill-fusion")
                                        .function("short convolution"))
            << remark::reason(why);
      }
    });
  }
};
} // namespace
