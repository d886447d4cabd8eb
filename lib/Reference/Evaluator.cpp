//===- Evaluator.cpp - Runs rill methods in plain loops -------------------===//
//
// Calls, sessions, dispatch to the op families, tensor views.
//
//===----------------------------------------------------------------------===//
#include "Frame.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace rill;
using namespace rill::reference;

Evaluator::Evaluator(ModuleOp module, WeightSource weights)
    : module(module), source(std::move(weights)) {
  int64_t batch = 1;
  if (auto model = module->getAttrOfType<DictionaryAttr>("rill.model")) {
    if (auto size = model.getAs<IntegerAttr>("batch")) {
      batch = size.getInt();
    }
  }
  lengths.assign(batch, 0);
  tokens.assign(batch, 0);
  positions.assign(batch, 0);
}

void Evaluator::reset() { setLength(0); }

void Evaluator::setLength(int64_t rows) {
  for (int64_t &length : lengths) {
    length = rows;
  }
}

rt::Result<const Tensor *> Evaluator::weight(WeightOp op) {
  auto [entry, fresh] = weights.try_emplace(op.getSymName());
  if (fresh) {
    auto loaded = source(op);
    if (!loaded.ok()) {
      weights.erase(entry);
      return loaded.takeStatus();
    }
    entry->second = std::move(*loaded);
  }
  return static_cast<const Tensor *>(&entry->second);
}

Tensor &Evaluator::state(StateOp op) {
  auto type = cast<RankedTensorType>(op.getType());
  auto entry = states.try_emplace(
      op.getSymName(), kindOf(type.getElementType()), type.getShape());
  return entry.first->second;
}

rt::Result<Tensor> Evaluator::stateRows(StringRef name, int64_t b,
                                        int64_t first, int64_t count) {
  auto op = module.lookupSymbol<StateOp>(name);
  if (!op || op.getKind() != StateKind::Rows) {
    return rt::makeError(rt::ErrorCode::InputInvalid, name.str(),
                         "is no rows state of the module");
  }
  const Tensor &all = state(op);
  int64_t dim = op.getRowDim(), capacity = all.dim(dim), outer = 1, inner = 1;
  for (int64_t d = 1; d < static_cast<int64_t>(all.shape.size()); ++d) {
    (d < dim ? outer : inner) *= d == dim ? 1 : all.dim(d);
  }
  Tensor rows(all.kind, {count, outer * inner});
  for (int64_t r = 0; r < count; ++r) {
    int64_t index = first + r;
    if (index < 0) {
      continue;
    }
    index = op.getLayout() == StateLayout::Ring ? index % capacity : index;
    for (int64_t o = 0; o < outer; ++o) {
      const float *from =
          all.f.data() + ((b * outer + o) * capacity + index) * inner;
      std::copy(from, from + inner, rows.row(r) + o * inner);
    }
  }
  return rows;
}

rt::Status Evaluator::setIds(StringRef name, int64_t b, int64_t first,
                             ArrayRef<int64_t> ids) {
  auto op = module.lookupSymbol<StateOp>(name);
  auto type = op ? cast<RankedTensorType>(op.getType()) : RankedTensorType();
  auto count = static_cast<int64_t>(ids.size());
  if (!op || op.getKind() != StateKind::Rows || type.getRank() != 2 ||
      !type.getElementType().isInteger(64) || b < 0 ||
      b >= type.getDimSize(0) || first < 0 ||
      first > type.getDimSize(1) - count) {
    return rt::makeError(rt::ErrorCode::InputInvalid, name.str(),
                         "is no state of ids with these rows");
  }
  llvm::copy(ids, state(op).i.begin() + b * type.getDimSize(1) + first);
  return {};
}

bool rill::reference::fits(const Tensor &tensor, RankedTensorType type) {
  if (tensor.kind != kindOf(type.getElementType()) ||
      static_cast<int64_t>(tensor.shape.size()) != type.getRank()) {
    return false;
  }
  return llvm::all_of(
      llvm::zip_equal(tensor.shape, type.getShape()), [](auto pair) {
        auto [have, want] = pair;
        return have == want || (ShapedType::isDynamic(want) && have >= 1);
      });
}

/// S of this call: the size of the first argument dimension named "S"; 1 when
/// there is none.
static int64_t rowsOfCall(func::FuncOp method, ArrayRef<Tensor> inputs) {
  for (unsigned i = 0; i < inputs.size(); ++i) {
    auto dims = method.getArgAttrOfType<ArrayAttr>(i, "rill.dims");
    for (auto [d, dim] :
         llvm::enumerate(dims ? dims.getValue() : ArrayRef<Attribute>())) {
      if (cast<StringAttr>(dim).getValue() == "S") {
        return inputs[i].dim(d);
      }
    }
  }
  return 1;
}

rt::Result<std::vector<Tensor>> Evaluator::call(StringRef name,
                                                ArrayRef<Tensor> inputs) {
  auto method = module.lookupSymbol<func::FuncOp>(name);
  if (!method || !method->hasAttr("rill.method")) {
    return callVariant(name, inputs);
  }
  if (inputs.size() != method.getNumArguments()) {
    return rt::makeError(rt::ErrorCode::InputInvalid, name.str(),
                         rt::format("takes %u inputs but got %zu",
                                    method.getNumArguments(), inputs.size()));
  }
  Frame frame(*this);
  Block &body = method.getBody().front();
  for (auto [argument, input] : llvm::zip_equal(body.getArguments(), inputs)) {
    if (!fits(input, cast<RankedTensorType>(argument.getType()))) {
      return rt::makeError(
          rt::ErrorCode::InputInvalid, name.str(),
          rt::format("input %u has another dtype or shape than the method",
                     argument.getArgNumber()));
    }
    frame.values[argument] = input;
  }
  frame.symbols.s = rowsOfCall(method, inputs);
  return finish(frame, body, frame.symbols.s);
}

rt::Result<std::vector<Tensor>> Evaluator::finish(Frame &frame, Block &body,
                                                  int64_t rows) {
  RILL_TRY(frame.run(body));
  std::vector<Tensor> results;
  for (Value result : body.getTerminator()->getOperands()) {
    results.push_back(frame.values[result]);
  }
  if (frame.appended) {
    for (int64_t &length : lengths) {
      length += rows;
    }
  }
  return results;
}

StringRef rill::reference::nameOf(Location location) {
  auto name = dyn_cast<NameLoc>(location);
  return name ? name.getName().getValue() : StringRef();
}

rt::Error Frame::error(Operation *op, const std::string &why) {
  return rt::makeError(
      rt::ErrorCode::InputInvalid,
      (op->getName().getStringRef() + " at " + nameOf(op->getLoc())).str(),
      why);
}

Tensor Frame::make(Value result, ArrayRef<int64_t> shape) {
  return Tensor(kindOf(getElementTypeOrSelf(result)), shape);
}

rt::Status Frame::run(Block &block) {
  for (Operation &op : block.without_terminator()) {
    RILL_TRY(evaluate(&op));
    if (session.probe && !inKernel && op.getNumResults() == 1 &&
        values.count(op.getResult(0))) {
      session.probe(nameOf(op.getLoc()), get(op.getResult(0)));
    }
  }
  return {};
}

/// Views keep the data and change the shape.
static Tensor reshape(Tensor tensor, ArrayRef<int64_t> shape) {
  tensor.shape.assign(shape.begin(), shape.end());
  return tensor;
}

static SmallVector<int64_t> collapsedShape(tensor::CollapseShapeOp op,
                                           const Tensor &source) {
  SmallVector<int64_t> shape;
  for (ArrayRef<int64_t> group : op.getReassociationIndices()) {
    int64_t size = 1;
    for (int64_t dim : group) {
      size *= source.dim(dim);
    }
    shape.push_back(size);
  }
  return shape;
}

rt::Status Frame::evaluate(Operation *op) {
  auto store = [&](Value result, rt::Result<Tensor> value) -> rt::Status {
    if (!value.ok()) {
      return value.takeStatus();
    }
    values[result] = std::move(*value);
    return {};
  };
  return llvm::TypeSwitch<Operation *, rt::Status>(op)
      .Case([&](WeightReadOp o) { return weightRead(o); })
      .Case([&](StateAppendOp o) { return stateAppend(o); })
      .Case([&](StateReadOp o) { return store(o, stateRead(o)); })
      .Case([&](StateWindowOp o) { return store(o, stateWindow(o)); })
      .Case([&](ControlOp o) { return store(o, control(o)); })
      .Case([&](ControlCommitOp o) { return controlCommit(o); })
      .Case([&](SampleOp o) { return store(o, sample(o)); })
      .Case([&](EmbeddingOp o) { return store(o, embedding(o)); })
      .Case([&](LinearOp o) { return store(o, linear(o)); })
      .Case([&](ElementwiseOp o) { return store(o, elementwise(o)); })
      .Case([&](RmsNormOp o) { return store(o, rmsNorm(o)); })
      .Case([&](LayerNormOp o) { return store(o, layerNorm(o)); })
      .Case([&](LastRowOp o) { return store(o, lastRow(o)); })
      .Case([&](PackOp o) { return store(o, get(o.getW())); })
      .Case([&](StackOp o) { return store(o, stack(o)); })
      .Case([&](PositionResizeOp o) { return store(o, positionResize(o)); })
      .Case([&](PixelUnshuffleOp o) { return store(o, pixelUnshuffle(o)); })
      .Case([&](ShortConvOp o) { return store(o, shortConv(o)); })
      .Case([&](ShortConvMixOp o) { return store(o, shortConvMix(o)); })
      .Case([&](RopeOp o) { return store(o, rope(o)); })
      .Case([&](AttentionOp o) { return store(o, attention(o)); })
      .Case([&](AttentionUpdateOp o) { return store(o, attentionUpdate(o)); })
      .Case([&](AttentionTiledOp o) { return store(o, attentionTiled(o)); })
      .Case([&](AttentionMergeOp o) { return store(o, attentionMerge(o)); })
      .Default([&](Operation *) { return evaluatePlanOrView(op); });
}

rt::Status Frame::evaluatePlanOrView(Operation *op) {
  return llvm::TypeSwitch<Operation *, rt::Status>(op)
      .Case([&](plan::SymbolOp o) { return planSymbol(o); })
      .Case([&](plan::WeightOp o) { return planWeight(o); })
      .Case([&](plan::ViewOp o) { return planView(o); })
      .Case([&](plan::DispatchOp o) { return dispatch(o); })
      // Operands of dispatches and declarations in kernels hold no value.
      .Case<plan::StateOp, StateOp>([](auto) { return rt::Status(); })
      .Case([&](tensor::DimOp o) -> rt::Status {
        std::optional<int64_t> dim = o.getConstantIndex();
        if (!dim) {
          return error(op, "has a dimension that is no constant");
        }
        indices[o] = get(o.getSource()).dim(*dim);
        return {};
      })
      .Case([&](tensor::CollapseShapeOp o) -> rt::Status {
        const Tensor &source = get(o.getSrc());
        values[o] = reshape(source, collapsedShape(o, source));
        return {};
      })
      .Case([&](tensor::ExpandShapeOp o) -> rt::Status {
        SmallVector<int64_t> shape;
        unsigned dynamic = 0;
        for (int64_t size : o.getStaticOutputShape()) {
          shape.push_back(ShapedType::isDynamic(size)
                              ? indices[o.getOutputShape()[dynamic++]]
                              : size);
        }
        values[o] = reshape(get(o.getSrc()), shape);
        return {};
      })
      .Case([&](arith::ConstantOp o) -> rt::Status {
        if (auto value = dyn_cast<IntegerAttr>(o.getValue())) {
          indices[o] = value.getInt();
          return {};
        }
        return error(op, "is no index constant");
      })
      .Default([&](Operation *) -> rt::Status {
        return error(op, "the reference evaluates no such op");
      });
}
