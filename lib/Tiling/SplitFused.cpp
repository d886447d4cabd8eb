//===- SplitFused.cpp - Fused ops for many rows ---------------------------===//
//
// With many rows a product is a blocked GEMM whose tiles share their rows: a
// norm or a gate of all rows is then cheaper as a dispatch of its own.
//
//===----------------------------------------------------------------------===//
#include "SplitFused.h"

#include "rill/Dialect/Rill/Rill.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <functional>

using namespace mlir;
using namespace rill;

using Body = std::function<Value(OpBuilder &, Location, ValueRange)>;

static RankedTensorType typeOf(Value value) {
  return cast<RankedTensorType>(value.getType());
}

static Value multiply(OpBuilder &b, Location loc, Value x, Value y) {
  return arith::MulFOp::create(b, loc, x, y);
}

/// acc, or acc + bias.
static Value biased(OpBuilder &b, Location loc, Value acc, Value bias) {
  return bias ? arith::AddFOp::create(b, loc, acc, bias) : acc;
}

static Value makeLinear(OpBuilder &b, Location loc, Value x, ValueRange weights,
                        ValueRange aux, Type element, const Body &body) {
  SmallVector<int64_t> shape(typeOf(x).getShape());
  shape.back() = typeOf(weights[0]).getDimSize(0);
  Combine combine = weights.size() > 1 ? Combine::Zip : Combine::Concat;
  auto linear = LinearOp::create(b, loc, RankedTensorType::get(shape, element),
                                 x, ValueRange(), weights, aux, Prologue::None,
                                 combine, APFloat(0.0), TypeAttr());
  OpBuilder::InsertionGuard guard(b);
  size_t count = weights.size() + aux.size();
  SmallVector<Type> types(count, b.getF32Type());
  SmallVector<Location> locs(count, loc);
  Block *block = b.createBlock(&linear.getBody(), {}, types, locs);
  YieldOp::create(b, loc, body(b, loc, block->getArguments()));
  return linear;
}

static Value makeNorm(OpBuilder &b, Location loc, Value x, Value weight,
                      APFloat eps, Type element) {
  auto type = RankedTensorType::get(typeOf(x).getShape(), element);
  return RmsNormOp::create(b, loc, type, x, weight, eps);
}

/// norm; b and v zipped into the gated rows; window, convolution, append; c
/// with the gate behind it.
static void split(ShortConvMixOp op) {
  OpBuilder b(op);
  Location loc = op.getLoc();
  auto state =
      SymbolTable::lookupNearestSymbolFrom<StateOp>(op, op.getStateAttr());
  auto rows = cast<RankedTensorType>(state.getType());
  Type element = rows.getElementType();
  Value n = makeNorm(b, loc, op.getX(), op.getNorm(), op.getEps(), element);
  ValueRange weights = op.getWeights(), biases = op.getBiases();
  SmallVector<Value> gateBiases, biasOfC;
  if (!biases.empty()) {
    gateBiases = {biases[0], biases[2]};
    biasOfC = {biases[1]};
  }
  Value g = makeLinear(b, loc, n, {weights[0], weights[2]}, gateBiases, element,
                       [&](OpBuilder &b, Location loc, ValueRange args) {
                         bool with = args.size() == 4;
                         return multiply(
                             b, loc,
                             biased(b, loc, args[0], with ? args[2] : Value()),
                             biased(b, loc, args[1], with ? args[3] : Value()));
                       });
  int64_t taps = typeOf(op.getFilter()).getDimSize(1);
  auto windowType = RankedTensorType::get(
      {rows.getDimSize(0), taps - 1, rows.getDimSize(2)}, element);
  Value window = StateWindowOp::create(b, loc, windowType, op.getStateAttr());
  auto f32 = RankedTensorType::get(typeOf(g).getShape(), b.getF32Type());
  Value conv = ShortConvOp::create(b, loc, f32, window, g, op.getFilter(),
                                   op.getConvBias());
  StateAppendOp::create(b, loc, op.getStateAttr(), g);
  SmallVector<Value> aux = {conv};
  aux.append(biasOfC);
  Value y = makeLinear(b, loc, n, weights[1], aux, typeOf(op).getElementType(),
                       [](OpBuilder &b, Location loc, ValueRange args) {
                         Value c = biased(b, loc, args[0],
                                          args.size() > 2 ? args[2] : Value());
                         return multiply(b, loc, c, args[1]);
                       });
  op.replaceAllUsesWith(y);
  op.erase();
}

/// [B,S,n*d] as [B,S,n,d].
static Value splitHeads(OpBuilder &b, Location loc, Value x, int64_t width) {
  auto from = typeOf(x);
  int64_t heads = from.getDimSize(2) / width;
  auto to = RankedTensorType::get(
      {from.getDimSize(0), from.getDimSize(1), heads, width},
      from.getElementType());
  Value rows = tensor::DimOp::create(b, loc, x, 1);
  SmallVector<OpFoldResult> sizes = {b.getIndexAttr(from.getDimSize(0)), rows,
                                     b.getIndexAttr(heads),
                                     b.getIndexAttr(width)};
  if (!from.isDynamicDim(1)) {
    sizes[1] = b.getIndexAttr(from.getDimSize(1));
  }
  SmallVector<ReassociationIndices> groups = {{0}, {1}, {2, 3}};
  return tensor::ExpandShapeOp::create(b, loc, to, x, groups, sizes);
}

/// Three products, qk-norm, RoPE, attention over the states and this call,
/// then the appends. `stack` is the product of the stacked weights.
static void split(AttentionUpdateOp op, LinearOp stack) {
  OpBuilder b(op);
  Location loc = op.getLoc();
  auto keys =
      SymbolTable::lookupNearestSymbolFrom<StateOp>(op, op.getKStateAttr());
  auto stateType = cast<RankedTensorType>(keys.getType());
  int64_t width = stateType.getDimSize(3);
  Type element = typeOf(stack).getElementType();
  auto rows = [&](unsigned i) {
    Value product = makeLinear(
        b, stack.getLoc(), stack.getX(), stack.getWeights()[i], {}, element,
        [](OpBuilder &, Location, ValueRange args) { return args[0]; });
    return splitHeads(b, loc, product, width);
  };
  auto rotated = [&](Value x, Value weight) -> Value {
    Value n = makeNorm(b, loc, x, weight, op.getEps(), b.getF32Type());
    return RopeOp::create(b, loc, x.getType(), n, op.getPositions(),
                          op.getTable(), op.getTheta(), op.getLayout());
  };
  Value q = rotated(rows(0), op.getQNorm()),
        k = rotated(rows(1), op.getKNorm());
  Value v = rows(2);
  auto past = [&](FlatSymbolRefAttr state) -> Value {
    return StateReadOp::create(b, loc, stateType, state);
  };
  Value start = ControlOp::create(
      b, loc, RankedTensorType::get({stateType.getDimSize(0)}, b.getI64Type()),
      ControlField::Start);
  MLIRContext *context = b.getContext();
  auto segments = b.getArrayAttr(
      {SegmentAttr::get(context, SegmentSource::State, Visibility::All, 0),
       SegmentAttr::get(context, SegmentSource::Value, Visibility::Causal, 0)});
  Value y = AttentionOp::create(
      b, loc, q.getType(), q, ValueRange{past(op.getKStateAttr()), k},
      ValueRange{past(op.getVStateAttr()), v}, start, segments, op.getScale());
  StateAppendOp::create(b, loc, op.getKStateAttr(), k);
  StateAppendOp::create(b, loc, op.getVStateAttr(), v);
  SmallVector<ReassociationIndices> groups = {{0}, {1}, {2, 3}};
  Value joined =
      tensor::CollapseShapeOp::create(b, loc, op.getType(), y, groups);
  op.replaceAllUsesWith(joined);
  op.erase();
  stack.erase();
}

static void splitPrologue(LinearOp op) {
  OpBuilder b(op);
  op.getXMutable().assign(makeNorm(b, op.getLoc(), op.getX(), op.getNorm()[0],
                                   op.getEps(), *op.getRound()));
  op.getNormMutable().clear();
  op.setPrologue(Prologue::None);
  op.setEps(APFloat(0.0));
  op.removeRoundAttr();
}

void rill::splitFused(func::FuncOp method) {
  method.walk([](LinearOp op) {
    if (op.getPrologue() == Prologue::RmsNorm && op.getRound() &&
        !typeOf(op.getX()).hasStaticShape()) {
      splitPrologue(op);
    }
  });
  method.walk([](ShortConvMixOp op) { split(op); });
  method.walk([](AttentionUpdateOp op) {
    auto stack = op.getQkv().getDefiningOp<LinearOp>();
    if (stack && stack->hasOneUse() && stack.getWeights().size() == 3 &&
        stack.getPrologue() == Prologue::None && stack.getAux().empty()) {
      split(op, stack);
    }
  });
}
