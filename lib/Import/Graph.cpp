//===- Graph.cpp - Builds rill ops for every family -----------------------===//
//
// What text, vision and drafter graphs share.
//
//===----------------------------------------------------------------------===//
#include "Graph.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace rill;
using namespace rill::families;

static constexpr int64_t kMaxVerifyRows = 16;

Graph::Graph(ModuleOp module, const ModelConfig &config,
             const dflash::DraftConfig *draft, const TensorMap &tensors,
             const ImportOptions &options)
    : config(config), draft(draft), options(options),
      builder(module.getContext()), batch(options.batch),
      capacity(std::min(options.maxSeqLen, config.text.maxPositions)),
      module(module), tensors(tensors) {
  f32 = builder.getF32Type();
  i64 = builder.getI64Type();
  act = options.bf16 ? Type(builder.getBF16Type()) : f32;
  builder.setInsertionPointToEnd(module.getBody());
}

Location Graph::loc(const std::string &name) {
  return NameLoc::get(builder.getStringAttr(name));
}

RankedTensorType Graph::type(ArrayRef<int64_t> shape, Type element) {
  return RankedTensorType::get(shape, element);
}

static Type elementType(OpBuilder &builder, rt::Dtype dtype) {
  switch (dtype) {
  case rt::Dtype::BF16:
    return builder.getBF16Type();
  case rt::Dtype::F16:
    return builder.getF16Type();
  default:
    return builder.getF32Type();
  }
}

void Graph::declareWeights() {
  for (auto &[name, tensor] : tensors) {
    const rt::TensorInfo &info = *tensor.info;
    WeightOp::create(
        builder, loc(info.name), builder.getStringAttr(name),
        builder.getStringAttr(tensor.source),
        TypeAttr::get(type(tensor.shape, elementType(builder, info.dtype))));
  }
}

void Graph::declareState(const std::string &name, StateLayout layout,
                         RankedTensorType rows, int64_t rowDim,
                         int64_t history) {
  StateOp::create(builder, loc(name), builder.getStringAttr(name),
                  StateKindAttr::get(builder.getContext(), StateKind::Rows),
                  StateLayoutAttr::get(builder.getContext(), layout),
                  TypeAttr::get(rows), builder.getI64IntegerAttr(rowDim),
                  builder.getI64IntegerAttr(history));
}

void Graph::declareStates() {
  const TextConfig &text = config.text;
  int64_t history = text.taps - 1;
  auto ring = static_cast<int64_t>(
      llvm::PowerOf2Ceil(static_cast<uint64_t>(history + kMaxVerifyRows)));
  auto keysAndValues = [&](const std::string &layer, int64_t heads,
                           int64_t width) {
    auto rows = type({batch, heads, capacity, width}, act);
    declareState(layer + ".k", StateLayout::Linear, rows, 2, 0);
    declareState(layer + ".v", StateLayout::Linear, rows, 2, 0);
  };
  for (size_t i = 0; i < text.isAttention.size(); ++i) {
    std::string layer = "layers." + std::to_string(i);
    if (text.isAttention[i]) {
      keysAndValues(layer, text.kvHeads, text.headDim);
    } else {
      declareState(layer + ".conv", StateLayout::Ring,
                   type({batch, ring, text.hidden}, act), 1, history);
    }
  }
  declareState(kHistory, StateLayout::Linear, type({batch, capacity}, i64), 1,
               0);
  for (size_t i = 0; draft && i < draft->layers.size(); ++i) {
    keysAndValues("draft.layers." + std::to_string(i), draft->kvHeads,
                  draft->headDim);
  }
}

Block *Graph::openMethod(const char *name, std::vector<Argument> arguments) {
  SmallVector<Type> types;
  for (const Argument &argument : arguments) {
    SmallVector<int64_t> shape;
    for (const Dim &dim : argument.dims) {
      shape.push_back(dim.size);
    }
    types.push_back(type(shape, argument.element));
  }
  builder.setInsertionPointToEnd(module.getBody());
  method = func::FuncOp::create(builder, loc(name), name,
                                builder.getFunctionType(types, {}));
  method->setAttr("rill.method", builder.getStringAttr(name));
  for (auto [i, argument] : llvm::enumerate(arguments)) {
    SmallVector<Attribute> dims;
    for (const Dim &dim : argument.dims) {
      dims.push_back(builder.getStringAttr(dim.symbol));
    }
    method.setArgAttr(i, "rill.name", builder.getStringAttr(argument.name));
    method.setArgAttr(i, "rill.dims", builder.getArrayAttr(dims));
    if (argument.limit) {
      method.setArgAttr(i, "rill.limit",
                        builder.getI64IntegerAttr(argument.limit));
    }
  }
  Block *block = method.addEntryBlock();
  builder.setInsertionPointToStart(block);
  return block;
}

void Graph::closeMethod(ValueRange results) {
  func::ReturnOp::create(builder, method.getLoc(), results);
  method.setType(
      builder.getFunctionType(method.getArgumentTypes(), results.getTypes()));
}

Value Graph::weight(const std::string &name) {
  const ModelTensor &tensor = tensors.at(name);
  return WeightReadOp::create(
      builder, loc(name),
      type(tensor.shape, elementType(builder, tensor.info->dtype)),
      FlatSymbolRefAttr::get(builder.getContext(), name), DenseI64ArrayAttr());
}

Value Graph::weightRows(const std::string &name, int64_t first, int64_t count) {
  const ModelTensor &tensor = tensors.at(name);
  SmallVector<int64_t> shape(tensor.shape.begin(), tensor.shape.end());
  shape[0] = count;
  return WeightReadOp::create(
      builder, loc(name), type(shape, elementType(builder, tensor.info->dtype)),
      FlatSymbolRefAttr::get(builder.getContext(), name),
      builder.getDenseI64ArrayAttr({first, count}));
}

/// Opens the region of `op` with `count` f32 arguments and yields body's value.
static void fillRegion(OpBuilder &builder, Region &region, Location loc,
                       unsigned count, const Graph::Scalar &body) {
  OpBuilder::InsertionGuard guard(builder);
  SmallVector<Type> types(count, builder.getF32Type());
  SmallVector<Location> locs(count, loc);
  Block *block = builder.createBlock(&region, region.end(), types, locs);
  YieldOp::create(builder, loc, body(builder, loc, block->getArguments()));
}

static SmallVector<int64_t> withLast(Value x, int64_t last) {
  SmallVector<int64_t> shape(cast<RankedTensorType>(x.getType()).getShape());
  shape.back() = last;
  return shape;
}

Value Graph::linear(const std::string &at, Value x, Value weight, Value bias,
                    Type element) {
  int64_t columns =
      ::mlir::cast<RankedTensorType>(weight.getType()).getDimSize(0);
  ValueRange aux = bias ? ValueRange(bias) : ValueRange();
  auto op = LinearOp::create(
      builder, loc(at), type(withLast(x, columns), element), x, ValueRange(),
      weight, aux, Prologue::None, Combine::Concat, APFloat(0.0), TypeAttr());
  fillRegion(builder, op.getBody(), op.getLoc(), bias ? 2 : 1,
             [](OpBuilder &b, Location l, ValueRange args) -> Value {
               if (args.size() == 1) {
                 return args[0];
               }
               return arith::AddFOp::create(b, l, args[0], args[1]);
             });
  return op;
}

Value Graph::norm(const std::string &name, Value x, double eps, Type element) {
  auto shape = ::mlir::cast<RankedTensorType>(x.getType()).getShape();
  return RmsNormOp::create(builder, loc(name), type(shape, element), x,
                           weight(name + ".weight"), APFloat(eps));
}

Value Graph::layerNorm(const std::string &name, Value x, double eps) {
  auto shape = ::mlir::cast<RankedTensorType>(x.getType()).getShape();
  return LayerNormOp::create(builder, loc(name), type(shape, act), x,
                             weight(name + ".weight"), weight(name + ".bias"),
                             APFloat(eps));
}

Value Graph::elementwise(const std::string &at, ValueRange inputs, Type element,
                         Scalar body) {
  auto shape = ::mlir::cast<RankedTensorType>(inputs[0].getType()).getShape();
  auto op =
      ElementwiseOp::create(builder, loc(at), type(shape, element), inputs);
  fillRegion(builder, op.getBody(), op.getLoc(), inputs.size(), body);
  return op;
}

Value Graph::add(const std::string &at, Value a, Value b) {
  return elementwise(
      at, {a, b}, f32,
      [](OpBuilder &builder, Location l, ValueRange args) -> Value {
        return arith::AddFOp::create(builder, l, args[0], args[1]);
      });
}

Value Graph::cast(const std::string &at, Value x, Type element) {
  if (getElementTypeOrSelf(x) == element) {
    return x;
  }
  return elementwise(
      at, x, element,
      [](OpBuilder &, Location, ValueRange args) -> Value { return args[0]; });
}

Value Graph::splitHeads(Value x, int64_t heads) {
  auto from = ::mlir::cast<RankedTensorType>(x.getType());
  int64_t width = from.getDimSize(2) / heads;
  auto to = type({from.getDimSize(0), from.getDimSize(1), heads, width},
                 from.getElementType());
  SmallVector<ReassociationIndices> groups = {{0}, {1}, {2, 3}};
  OpFoldResult rows = builder.getIndexAttr(from.getDimSize(1));
  if (from.isDynamicDim(1)) {
    rows = tensor::DimOp::create(builder, x.getLoc(), x, 1).getResult();
  }
  SmallVector<OpFoldResult> sizes = {builder.getIndexAttr(from.getDimSize(0)),
                                     rows, builder.getIndexAttr(heads),
                                     builder.getIndexAttr(width)};
  return tensor::ExpandShapeOp::create(builder, x.getLoc(), to, x, groups,
                                       sizes);
}

Value Graph::joinHeads(Value x) {
  SmallVector<ReassociationIndices> groups = {{0}, {1}, {2, 3}};
  return tensor::CollapseShapeOp::create(builder, x.getLoc(), x, groups);
}

static Value constant(OpBuilder &b, Location loc, double value) {
  return arith::ConstantOp::create(
      b, loc, b.getF32FloatAttr(static_cast<float>(value)));
}

/// x / (1 + e^-x)
Value rill::families::emitSilu(OpBuilder &b, Location loc, Value x) {
  Value negative = arith::NegFOp::create(b, loc, x);
  Value exp = math::ExpOp::create(b, loc, negative);
  Value sum = arith::AddFOp::create(b, loc, constant(b, loc, 1.0), exp);
  return arith::DivFOp::create(b, loc, x, sum);
}

/// 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
Value rill::families::emitGeluTanh(OpBuilder &b, Location loc, Value x) {
  Value square = arith::MulFOp::create(b, loc, x, x);
  Value cube = arith::MulFOp::create(b, loc, square, x);
  Value scaled =
      arith::MulFOp::create(b, loc, cube, constant(b, loc, 0.044715));
  Value inner = arith::AddFOp::create(b, loc, x, scaled);
  Value arg = arith::MulFOp::create(b, loc, inner,
                                    constant(b, loc, 0.7978845608028654));
  Value tanh = math::TanhOp::create(b, loc, arg);
  Value one = arith::AddFOp::create(b, loc, tanh, constant(b, loc, 1.0));
  Value half = arith::MulFOp::create(b, loc, x, constant(b, loc, 0.5));
  return arith::MulFOp::create(b, loc, half, one);
}

/// 0.5 x (1 + erf(x / sqrt(2)))
Value rill::families::emitGeluErf(OpBuilder &b, Location loc, Value x) {
  Value arg =
      arith::MulFOp::create(b, loc, x, constant(b, loc, 0.7071067811865476));
  Value erf = math::ErfOp::create(b, loc, arg);
  Value one = arith::AddFOp::create(b, loc, erf, constant(b, loc, 1.0));
  Value half = arith::MulFOp::create(b, loc, x, constant(b, loc, 0.5));
  return arith::MulFOp::create(b, loc, half, one);
}
