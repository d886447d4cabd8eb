//===- FuseAttentionUpdate.cpp - Attention with its state update ----------===//
//
// From the attention back to the three products of its rows, which become one.
//
//===----------------------------------------------------------------------===//
#include "Match.h"

#include "rill/Fusion/Passes.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace rill {
#define GEN_PASS_DEF_FUSEATTENTIONUPDATEPASS
#include "rill/Fusion/Passes.h.inc"
} // namespace rill

using namespace mlir;
using namespace rill;

static RankedTensorType typeOf(Value value) {
  return cast<RankedTensorType>(value.getType());
}

namespace {
/// One of q, k, v: a product of the layer's rows, split into heads.
struct Rows {
  Product product;
  tensor::ExpandShapeOp split;
  RmsNormOp norm; ///< null for v
  RopeOp rope;    ///< null for v
};

struct Attention {
  AttentionOp op;
  Rows q, k, v;
  StateAppendOp kAppend, vAppend;
  tensor::CollapseShapeOp join;
};
} // namespace

/// Rows [B,S,n,d] split from one product without bias.
static bool findSplit(Value heads, Rows &rows) {
  rows.split = heads.getDefiningOp<tensor::ExpandShapeOp>();
  if (!rows.split) {
    return false;
  }
  rows.product = productOf(rows.split.getSrc());
  return rows.product.op && !rows.product.bias &&
         llvm::all_of(rows.product.op->getUsers(), [&](Operation *user) {
           return user == rows.split || isa<tensor::DimOp>(user);
         });
}

/// rope(rms_norm(split)), each read once.
static bool findRotated(Value value, Rows &rows) {
  rows.rope = value.getDefiningOp<RopeOp>();
  rows.norm =
      rows.rope ? rows.rope.getX().getDefiningOp<RmsNormOp>() : RmsNormOp();
  return rows.norm && rows.norm->hasOneUse() &&
         typeOf(rows.norm).getElementType().isF32() &&
         findSplit(rows.norm.getX(), rows) && rows.split->hasOneUse();
}

/// The state that `value` is the contents of; null when it is none's.
static FlatSymbolRefAttr stateOf(Value value) {
  auto read = value.getDefiningOp<StateReadOp>();
  return read ? read.getStateAttr() : FlatSymbolRefAttr();
}

/// All rows before this call, then causally the rows of this call.
static bool seesWholePast(AttentionOp op) {
  if (op.getSegments().size() != 2) {
    return false;
  }
  auto past = cast<SegmentAttr>(op.getSegments()[0]);
  auto present = cast<SegmentAttr>(op.getSegments()[1]);
  auto start = op.getBounds()[0].getDefiningOp<ControlOp>();
  return past.getSource() == SegmentSource::State &&
         past.getVisibility() == Visibility::All &&
         present.getSource() == SegmentSource::Value &&
         present.getVisibility() == Visibility::Causal && start &&
         start.getField() == ControlField::Start;
}

/// Fills `found` from its `op`; says what does not fit.
static const char *find(Attention &found) {
  AttentionOp op = found.op;
  if (!seesWholePast(op)) {
    return "the segments are not the past and this call";
  }
  if (!findRotated(op.getQ(), found.q) || !found.q.rope->hasOneUse()) {
    return "q is no rotated norm of a product of its own";
  }
  Value k = op.getKeys()[1], v = op.getValues()[1];
  if (!findRotated(k, found.k) || !findSplit(v, found.v)) {
    return "k or v is no product of its own, or k no rotated norm";
  }
  found.kAppend = appendTo(k, stateOf(op.getKeys()[0]));
  found.vAppend = appendTo(v, stateOf(op.getValues()[0]));
  if (!found.kAppend || !found.vAppend || !llvm::hasNItems(k.getUsers(), 2) ||
      !llvm::hasNItems(v.getUsers(), 2)) {
    return "k and v are not appended to the states they extend";
  }
  Value x = found.q.product.op.getX();
  Type type = typeOf(found.q.product.op).getElementType();
  for (Rows *rows : {&found.q, &found.k, &found.v}) {
    if (rows->product.op.getX() != x ||
        typeOf(rows->product.op).getElementType() != type ||
        typeOf(rows->product.weight).getElementType() !=
            typeOf(found.q.product.weight).getElementType()) {
      return "the three products differ in input or type";
    }
  }
  if (typeOf(op.getQ()).getElementType() != type ||
      typeOf(k).getElementType() != type) {
    return "q or k is rounded to another type than its product";
  }
  RopeOp q = found.q.rope, r = found.k.rope;
  if (q.getPositions() != r.getPositions() || q.getTheta() != r.getTheta() ||
      q.getLayout() != r.getLayout() || q.getTable() || r.getTable() ||
      found.q.norm.getEps() != found.k.norm.getEps()) {
    return "q and k are rotated or normalised differently";
  }
  if (!op->hasOneUse()) {
    return "the attention has more than one reader";
  }
  found.join = dyn_cast<tensor::CollapseShapeOp>(*op->user_begin());
  return found.join ? nullptr : "the heads are not joined";
}

/// One product of the stacked weights: raw q, k and v of a row side by side.
static Value concatProduct(PatternRewriter &rewriter, Attention &found) {
  SmallVector<Value> weights;
  int64_t columns = 0;
  for (Rows *rows : {&found.q, &found.k, &found.v}) {
    weights.push_back(rows->product.weight);
    columns += typeOf(weights.back()).getDimSize(0);
  }
  LinearOp first = found.q.product.op;
  SmallVector<int64_t> shape(typeOf(first).getShape());
  shape.back() = columns;
  Location loc = first.getLoc();
  auto linear = LinearOp::create(
      rewriter, loc,
      RankedTensorType::get(shape, typeOf(first).getElementType()),
      first.getX(), ValueRange(), weights, ValueRange(), Prologue::None,
      Combine::Concat, APFloat(0.0), TypeAttr());
  OpBuilder::InsertionGuard guard(rewriter);
  Block *block =
      rewriter.createBlock(&linear.getBody(), {}, rewriter.getF32Type(), loc);
  YieldOp::create(rewriter, loc, block->getArgument(0));
  return linear;
}

namespace {
struct FuseAttentionUpdate final : OpRewritePattern<AttentionOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(AttentionOp op,
                                PatternRewriter &rewriter) const override {
    Attention found;
    found.op = op;
    if (const char *why = find(found)) {
      return rewriter.notifyMatchFailure(op, why);
    }
    // All questions above this line, all changes below.
    auto kState = op.getKeys()[0].getDefiningOp<StateReadOp>();
    auto vState = op.getValues()[0].getDefiningOp<StateReadOp>();
    rewriter.setInsertionPoint(found.join);
    Value qkv = concatProduct(rewriter, found);
    auto update = AttentionUpdateOp::create(
        rewriter, op.getLoc(), found.join.getType(), qkv,
        found.q.norm.getWeight(), found.k.norm.getWeight(),
        found.q.rope.getPositions(), Value(), kState.getState(),
        vState.getState(),
        static_cast<uint64_t>(typeOf(op.getQ()).getDimSize(2)),
        found.q.norm.getEps(), found.q.rope.getTheta(), op.getScale(),
        found.q.rope.getLayout(), /*chunk=*/IntegerAttr());
    rewriter.replaceOp(found.join, update);
    rewriter.eraseOp(found.kAppend);
    rewriter.eraseOp(found.vAppend);
    rewriter.eraseOp(op);
    for (Rows *rows : {&found.q, &found.k, &found.v}) {
      if (rows->rope) {
        rewriter.eraseOp(rows->rope);
        rewriter.eraseOp(rows->norm);
      }
      rewriter.eraseOp(rows->split);
      // Sizes of the product are sizes of its input: only leading ones are
      // dynamic.
      rewriter.replaceOp(rows->product.op, rows->product.op.getX());
    }
    for (StateReadOp read : {kState, vState}) {
      if (read->use_empty()) {
        rewriter.eraseOp(read);
      }
    }
    return success();
  }
};

struct FuseAttentionUpdatePass
    : rill::impl::FuseAttentionUpdatePassBase<FuseAttentionUpdatePass> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<FuseAttentionUpdate>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns)))) {
      return signalPassFailure();
    }
    getOperation().walk([](AttentionOp op) {
      bool state = llvm::any_of(op.getSegments(), [](Attribute segment) {
        return cast<SegmentAttr>(segment).getSource() == SegmentSource::State;
      });
      Attention found;
      found.op = op;
      const char *why = state ? find(found) : nullptr;
      if (why) {
        remark::missed(op.getLoc(), remark::RemarkOpts::name("not fused")
                                        .category("rill-fusion")
                                        .function("attention update"))
            << remark::reason(why);
      }
    });
  }
};
} // namespace
