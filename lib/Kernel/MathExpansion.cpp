//===- MathExpansion.cpp - tanh and erf by polynomials --------------------===//
//
// Within 2 ulp in f32. MLIR's expansions reach 4; its exp, within 1, stays.
// Coefficients: minimax fits of this project (relative error below 2^-27) on
// the intervals named.
//
//===----------------------------------------------------------------------===//
#include "MathExpansion.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;

namespace {
/// f32 arithmetic on a scalar or a vector.
struct Lanes {
  OpBuilder &b;
  Location loc;
  Type type;

  Value real(double value) {
    TypedAttr one = b.getF32FloatAttr(static_cast<float>(value));
    if (auto vector = dyn_cast<VectorType>(type)) {
      one = SplatElementsAttr::get(vector, one);
    }
    return arith::ConstantOp::create(b, loc, one);
  }
  Value mul(Value x, Value y) { return arith::MulFOp::create(b, loc, x, y); }
  Value fma(Value x, Value y, Value z) {
    return math::FmaOp::create(b, loc, x, y, z);
  }
  /// Coefficients of x^0, x^1, ...
  Value polynomial(Value x, ArrayRef<double> coefficients) {
    Value sum = real(coefficients.back());
    for (double coefficient : llvm::reverse(coefficients.drop_back())) {
      sum = fma(sum, x, real(coefficient));
    }
    return sum;
  }
  Value exp(Value x) { return math::ExpOp::create(b, loc, x); }
  Value abs(Value x) { return math::AbsFOp::create(b, loc, x); }
  /// `limit` where x > limit, else x: NaN stays.
  Value below(Value x, double limit) {
    Value most = real(limit);
    return select(greater(x, most), most, x);
  }
  Value greater(Value x, Value y) {
    return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGT, x, y);
  }
  Value select(Value condition, Value yes, Value no) {
    return arith::SelectOp::create(b, loc, condition, yes, no);
  }
  /// 1 - x with the sign of `sign`.
  Value complement(Value x, Value sign) {
    Value one = arith::SubFOp::create(b, loc, real(1), x);
    return math::CopySignOp::create(b, loc, one, sign);
  }
};

/// Matches f32 and vectors of it; more benefit than MLIR's expansion.
template <typename Op>
struct Expansion : OpRewritePattern<Op> {
  explicit Expansion(MLIRContext *context)
      : OpRewritePattern<Op>(context, /*benefit=*/2) {}
  virtual Value expand(Lanes lanes, Value x) const = 0;
  LogicalResult matchAndRewrite(Op op,
                                PatternRewriter &rewriter) const override {
    Type type = op.getType();
    if (!getElementTypeOrSelf(type).isF32()) {
      return rewriter.notifyMatchFailure(op, "is not f32");
    }
    rewriter.replaceOp(op,
                       expand({rewriter, op.getLoc(), type}, op.getOperand()));
    return success();
  }
};

/// |x| <= 0.625: x + x^3 P(x^2). Above: 1 - 2 / (e^2|x| + 1), which is 1 from
/// 9.1 on.
struct Tanh : Expansion<math::TanhOp> {
  using Expansion::Expansion;
  Value expand(Lanes lanes, Value x) const override {
    constexpr double kSmall = 0.625;
    Value square = lanes.mul(x, x);
    Value odd = lanes.polynomial(
        square,
        {-0.3333333134651184, 0.1333320587873459, -0.05394676327705383,
         0.021700702607631683, -0.008177397772669792, 0.0021429616026580334});
    Value small = lanes.fma(lanes.mul(x, square), odd, x);
    Value size = lanes.below(lanes.abs(x), 10);
    Value power = lanes.exp(lanes.mul(size, lanes.real(2)));
    Value rest = arith::DivFOp::create(
        lanes.b, lanes.loc, lanes.real(2),
        arith::AddFOp::create(lanes.b, lanes.loc, power, lanes.real(1)));
    return lanes.select(lanes.greater(size, lanes.real(kSmall)),
                        lanes.complement(rest, x), small);
  }
};

/// |x| <= 0.92: x + x P(x^2). Above: 1 - e^Q(|x|), which is 1 from 4 on.
struct Erf : Expansion<math::ErfOp> {
  using Expansion::Expansion;
  Value expand(Lanes lanes, Value x) const override {
    constexpr double kSmall = 0.92;
    Value odd = lanes.polynomial(lanes.mul(x, x),
                                 {0.12837916612625122, -0.37612634897232056,
                                  0.11283697187900543, -0.026859499514102936,
                                  0.005201286170631647, -0.0008145596366375685,
                                  8.38238702272065e-05});
    Value small = lanes.fma(x, odd, x);
    Value size = lanes.below(lanes.abs(x), 4);
    Value rest = lanes.exp(lanes.polynomial(
        size,
        {0.00017468328587710857, -1.1295149326324463, -0.6333469152450562,
         -0.10828007757663727, 0.025119418278336525, -0.004171059001237154,
         0.0004344617482274771, -2.109496927005239e-05}));
    return lanes.select(lanes.greater(size, lanes.real(kSmall)),
                        lanes.complement(rest, x), small);
  }
};
} // namespace

void rill::kernel::populateMathExpansion(RewritePatternSet &patterns) {
  patterns.add<Tanh, Erf>(patterns.getContext());
}
