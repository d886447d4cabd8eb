//===- FuseLinearEpilogue.cpp - Elementwise work into linear --------------===//
//
// Composes regions; zips two products of one input.
//
//===----------------------------------------------------------------------===//
#include "rill/Dialect/Rill/Rill.h"
#include "rill/Fusion/Passes.h"

#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace rill {
#define GEN_PASS_DEF_FUSELINEAREPILOGUEPASS
#include "rill/Fusion/Passes.h.inc"
} // namespace rill

using namespace mlir;
using namespace rill;

static RankedTensorType typeOf(Value value) {
  return cast<RankedTensorType>(value.getType());
}

/// Why `linear` cannot take over its reader `op`; null when it can.
static const char *refusal(LinearOp linear, ElementwiseOp op) {
  if (!typeOf(linear.getY()).getElementType().isF32()) {
    return "the product is rounded before the elementwise op";
  }
  if (!linear->hasOneUse()) {
    return "the product has another reader";
  }
  if (typeOf(linear.getY()).getShape() != typeOf(op.getY()).getShape()) {
    return "the product has another shape than the result";
  }
  return nullptr;
}

static bool canBeAux(Value input, ElementwiseOp op) {
  auto shape = typeOf(op.getY()).getShape(), own = typeOf(input).getShape();
  return own == shape || (own.size() == 1 && own[0] == shape.back());
}

/// A product that can become an accumulator of a zip: one weight, no aux.
static bool isPlain(LinearOp linear) {
  return linear.getWeights().size() == 1 && linear.getAux().empty() &&
         linear.getPrologue() == Prologue::None;
}

namespace {
/// elementwise(linear(x,w)..., others)  ->  linear(x, w...) aux(others).
/// Bit-exact.
struct FuseLinearEpilogue final : OpRewritePattern<ElementwiseOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(ElementwiseOp op,
                                PatternRewriter &rewriter) const override {
    SmallVector<LinearOp> taken;
    for (Value input : op.getInputs()) {
      auto linear = input.getDefiningOp<LinearOp>();
      if (linear && !refusal(linear, op) && mayJoin(linear, taken)) {
        taken.push_back(linear);
      }
    }
    if (taken.empty()) {
      return rewriter.notifyMatchFailure(op, "reads no product it can join");
    }
    for (Value input : op.getInputs()) {
      if (!llvm::is_contained(taken, input.getDefiningOp<LinearOp>()) &&
          !canBeAux(input, op)) {
        return rewriter.notifyMatchFailure(op, "an input is no aux");
      }
    }
    // All questions above this line, all changes below.
    rewrite(op, taken, rewriter);
    return success();
  }

private:
  /// The second product must zip with the first; a third one stays outside.
  static bool mayJoin(LinearOp linear, ArrayRef<LinearOp> taken) {
    if (taken.empty()) {
      return true;
    }
    LinearOp first = taken[0];
    return taken.size() == 1 && isPlain(first) && isPlain(linear) &&
           first != linear && first.getX() == linear.getX();
  }

  static void rewrite(ElementwiseOp op, ArrayRef<LinearOp> taken,
                      PatternRewriter &rewriter);
};
} // namespace

/// Clones a region's body; returns what it yields.
static Value inlineBody(PatternRewriter &rewriter, Region &body,
                        ValueRange arguments) {
  IRMapping map;
  map.map(body.front().getArguments(), arguments);
  for (Operation &inner : body.front().without_terminator()) {
    rewriter.clone(inner, map);
  }
  return map.lookup(body.front().getTerminator()->getOperand(0));
}

void FuseLinearEpilogue::rewrite(ElementwiseOp op, ArrayRef<LinearOp> taken,
                                 PatternRewriter &rewriter) {
  LinearOp first = taken[0];
  bool zip = taken.size() > 1;
  SmallVector<Value> weights, aux(first.getAux());
  for (LinearOp linear : taken) {
    weights.append(linear.getWeights().begin(), linear.getWeights().end());
  }
  size_t own = aux.size();
  for (Value input : op.getInputs()) {
    if (!llvm::is_contained(taken, input.getDefiningOp<LinearOp>())) {
      aux.push_back(input);
    }
  }
  auto fused =
      LinearOp::create(rewriter, first.getLoc(), op.getType(), first.getX(),
                       first.getNorm(), weights, aux, first.getPrologue(),
                       zip ? Combine::Zip : first.getCombine(), first.getEps(),
                       first.getRoundAttr());
  unsigned accumulators = fused.getNumAccumulators();
  SmallVector<Type> types(accumulators + aux.size(), rewriter.getF32Type());
  SmallVector<Location> locs(types.size(), op.getLoc());
  OpBuilder::InsertionGuard guard(rewriter);
  Block *block = rewriter.createBlock(&fused.getBody(), {}, types, locs);
  // What each product yields, from its accumulators and its own aux.
  DenseMap<Operation *, Value> products;
  for (unsigned i = 0; i < taken.size(); ++i) {
    LinearOp linear = taken[i];
    SmallVector<Value> arguments;
    unsigned count = zip ? 1 : accumulators;
    for (unsigned a = 0; a < count; ++a) {
      arguments.push_back(block->getArgument(zip ? i : a));
    }
    for (size_t a = 0; a < (zip ? 0 : own); ++a) {
      arguments.push_back(block->getArgument(accumulators + a));
    }
    products[linear] = inlineBody(rewriter, linear.getBody(), arguments);
  }
  SmallVector<Value> arguments;
  size_t next = accumulators + own;
  for (Value input : op.getInputs()) {
    auto linear = input.getDefiningOp<LinearOp>();
    bool product = llvm::is_contained(taken, linear);
    arguments.push_back(product ? products[linear]
                                : Value(block->getArgument(next++)));
  }
  Value result = inlineBody(rewriter, op.getBody(), arguments);
  YieldOp::create(rewriter, op.getLoc(), result);
  rewriter.replaceOp(op, fused);
  for (LinearOp linear : taken) {
    rewriter.eraseOp(linear);
  }
}

namespace {
struct FuseLinearEpiloguePass
    : rill::impl::FuseLinearEpiloguePassBase<FuseLinearEpiloguePass> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<FuseLinearEpilogue>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns)))) {
      return signalPassFailure();
    }
    getOperation().walk([](ElementwiseOp op) {
      for (Value input : op.getInputs()) {
        auto linear = input.getDefiningOp<LinearOp>();
        const char *why = linear ? refusal(linear, op) : nullptr;
        if (why) {
          remark::missed(op.getLoc(), remark::RemarkOpts::name("not fused")
                                          .category("rill-fusion")
                                          .function("linear epilogue"))
              << remark::reason(why);
        }
      }
    });
  }
};
} // namespace
