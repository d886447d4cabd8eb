//===- FuseNormPrologue.cpp - An rms_norm into the product behind it ------===//
//
// Only where the product is the norm's one reader: no row is normalised twice.
//
//===----------------------------------------------------------------------===//
#include "rill/Dialect/Rill/Rill.h"
#include "rill/Fusion/Passes.h"

#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace rill {
#define GEN_PASS_DEF_FUSENORMPROLOGUEPASS
#include "rill/Fusion/Passes.h.inc"
} // namespace rill

using namespace mlir;
using namespace rill;

namespace {
/// linear(rms_norm(x, g)) -> linear(x) norm(g). Bit-exact.
struct FuseNormPrologue final : OpRewritePattern<LinearOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(LinearOp op,
                                PatternRewriter &rewriter) const override {
    auto norm = op.getX().getDefiningOp<RmsNormOp>();
    if (!norm || op.getPrologue() != Prologue::None || !norm->hasOneUse()) {
      return rewriter.notifyMatchFailure(op, "reads no norm of its own");
    }
    rewriter.modifyOpInPlace(op, [&] {
      op.getXMutable().assign(norm.getX());
      op.getNormMutable().assign(norm.getWeight());
      op.setPrologue(Prologue::RmsNorm);
      op.setEpsAttr(norm.getEpsAttr());
      op.setRoundAttr(TypeAttr::get(
          cast<RankedTensorType>(norm.getType()).getElementType()));
    });
    rewriter.eraseOp(norm);
    return success();
  }
};

struct FuseNormProloguePass
    : rill::impl::FuseNormProloguePassBase<FuseNormProloguePass> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<FuseNormPrologue>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns)))) {
      return signalPassFailure();
    }
  }
};
} // namespace
