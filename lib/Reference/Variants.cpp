//===- Variants.cpp - Reference: dispatches by their kernels' bodies ------===//
//
// Evaluates a rill_plan.variant: what phases tiled and planned compute.
//
//===----------------------------------------------------------------------===//
#include "Frame.h"

using namespace mlir;
using namespace rill;
using namespace rill::reference;

/// Binds the symbols that stand alone as a dimension of an input.
static plan::ShapeSymbols symbolsOf(plan::VariantOp variant,
                                    ArrayRef<Tensor> inputs) {
  plan::ShapeSymbols symbols;
  auto bind = [&](StringRef name, int64_t value) {
    (name == "S" ? symbols.s : name == "h" ? symbols.h : symbols.w) = value;
  };
  for (NamedAttribute range : variant.getSymbols()) {
    bind(range.getName(), cast<DenseI64ArrayAttr>(range.getValue())[0]);
  }
  for (auto [argument, input, dims] :
       llvm::zip_equal(variant.getBody().getArguments(), inputs,
                       variant.getInputDims().getAsRange<ArrayAttr>())) {
    auto type = cast<RankedTensorType>(argument.getType());
    unsigned next = 0;
    for (int64_t d = 0; d < type.getRank(); ++d) {
      if (!type.isDynamicDim(d)) {
        continue;
      }
      StringRef program = cast<StringAttr>(dims[next++]).getValue();
      if (program == "S" || program == "h" || program == "w") {
        bind(program, input.dim(d));
      }
    }
  }
  return symbols;
}

static bool inRange(plan::VariantOp variant,
                    const plan::ShapeSymbols &symbols) {
  return llvm::all_of(variant.getSymbols(), [&](NamedAttribute entry) {
    auto range = cast<DenseI64ArrayAttr>(entry.getValue());
    int64_t value = *plan::evaluateProgram(entry.getName().getValue(), symbols);
    int64_t step = range.size() > 2 ? range[2] : 1;
    return range[0] <= value && value <= range[1] && value % step == 0;
  });
}

/// Do the sizes of `tensor` equal those that `programs` give?
static bool sizesAre(const Tensor &tensor, RankedTensorType type,
                     ArrayAttr programs, const plan::ShapeSymbols &symbols) {
  if (!fits(tensor, type)) {
    return false;
  }
  unsigned next = 0;
  for (int64_t d = 0; d < type.getRank(); ++d) {
    if (type.isDynamicDim(d) &&
        plan::evaluateProgram(cast<StringAttr>(programs[next++]).getValue(),
                              symbols) != tensor.dim(d)) {
      return false;
    }
  }
  return true;
}

/// Does the variant take these inputs? Sets `symbols` when it does.
static bool takes(plan::VariantOp variant, ArrayRef<Tensor> inputs,
                  plan::ShapeSymbols &symbols) {
  auto arguments = variant.getBody().getArguments();
  if (inputs.size() != arguments.size() ||
      variant.getInputDims().size() != arguments.size()) {
    return false;
  }
  for (auto [argument, input] : llvm::zip_equal(arguments, inputs)) {
    if (!fits(input, cast<RankedTensorType>(argument.getType()))) {
      return false;
    }
  }
  symbols = symbolsOf(variant, inputs);
  return inRange(variant, symbols) &&
         llvm::all_of(
             llvm::zip_equal(arguments, inputs,
                             variant.getInputDims().getAsRange<ArrayAttr>()),
             [&](auto entry) {
               auto [argument, input, dims] = entry;
               return sizesAre(input,
                               cast<RankedTensorType>(argument.getType()), dims,
                               symbols);
             });
}

rt::Result<std::vector<Tensor>>
Evaluator::callVariant(StringRef method, ArrayRef<Tensor> inputs) {
  if (!module.getOps<ModuleOp>().empty()) {
    return rt::makeError(rt::ErrorCode::InputInvalid, method.str(),
                         "the module is at phase lowered, whose code the "
                         "reference does not run",
                         "evaluate at imported, fused, tiled or planned");
  }
  bool known = false;
  for (auto variant : module.getOps<plan::VariantOp>()) {
    if (variant.getMethod() != method ||
        (!target.empty() && variant.getTarget() != target)) {
      continue;
    }
    known = true;
    Frame frame(*this);
    if (!takes(variant, inputs, frame.symbols)) {
      continue;
    }
    for (auto [argument, input] :
         llvm::zip_equal(variant.getBody().getArguments(), inputs)) {
      frame.values[argument] = input;
    }
    return finish(frame, variant.getBody().front(), frame.symbols.s);
  }
  if (known) {
    return rt::makeError(rt::ErrorCode::CallUnsupported, method.str(),
                         "no variant takes inputs of these sizes and dtypes");
  }
  return rt::makeError(rt::ErrorCode::InputInvalid, method.str(),
                       target.empty() ? "is no method of the module"
                                      : "is no method for target " + target);
}

rt::Status Frame::planSymbol(plan::SymbolOp op) {
  std::optional<int64_t> value = plan::evaluateProgram(op.getSymbol(), symbols);
  if (!value) {
    return error(op, op.getSymbol().str() + " is no shape symbol");
  }
  indices[op] = *value;
  return {};
}

rt::Status Frame::planWeight(plan::WeightOp op) {
  auto symbol =
      SymbolTable::lookupNearestSymbolFrom<WeightOp>(op, op.getWeightAttr());
  if (!symbol) {
    return error(op, "there is no weight " + op.getWeight().str());
  }
  RILL_ASSIGN(const Tensor *whole, session.weight(symbol));
  auto type = cast<RankedTensorType>(op.getType());
  Tensor part(whole->kind, type.getShape());
  int64_t size = type.getElementTypeBitWidth() / 8;
  int64_t first = static_cast<int64_t>(op.getOffset()) / size;
  if (first < 0 || static_cast<int64_t>(op.getOffset()) % size != 0 ||
      part.elements() > whole->elements() - first) {
    return error(op, "the rows lie outside the weight " + op.getWeight().str());
  }
  std::copy_n(whole->f.begin() + first, part.elements(), part.f.begin());
  values[op] = std::move(part);
  return {};
}

rt::Status Frame::planView(plan::ViewOp op) {
  Tensor value = get(op.getSource());
  auto type = cast<RankedTensorType>(op.getType());
  int64_t known = 1;
  for (int64_t size : type.getShape()) {
    known *= ShapedType::isDynamic(size) ? 1 : size;
  }
  int64_t elements = value.elements();
  if (type.getNumDynamicDims() > 1 || elements % known != 0 ||
      (type.hasStaticShape() && elements != known)) {
    return error(op, "the view's sizes do not follow from its elements");
  }
  value.shape.assign(type.getShape().begin(), type.getShape().end());
  for (int64_t &size : value.shape) {
    size = ShapedType::isDynamic(size) ? elements / known : size;
  }
  values[op] = std::move(value);
  return {};
}

rt::Status Frame::dispatch(plan::DispatchOp op) {
  auto kernel = SymbolTable::lookupNearestSymbolFrom<plan::KernelOp>(
      op, op.getKernelAttr());
  Block &body = kernel.getBody().front();
  Frame inner(session);
  inner.symbols = symbols;
  inner.inKernel = true;
  for (auto [argument, operand] :
       llvm::zip(body.getArguments(), op.getOperands())) {
    inner.values[argument] = get(operand);
  }
  auto states = op.getOperands().drop_front(body.getNumArguments());
  if (llvm::range_size(body.getOps<StateOp>()) != states.size()) {
    return error(op, "has another number of states than its kernel");
  }
  for (auto [local, operand] : llvm::zip(body.getOps<StateOp>(), states)) {
    auto use = operand.getDefiningOp<plan::StateOp>();
    auto state = use ? SymbolTable::lookupNearestSymbolFrom<StateOp>(
                           op, use.getStateAttr())
                     : StateOp();
    if (!state) {
      return error(op, "a state operand is no rill_plan.state");
    }
    inner.boundStates[local.getSymNameAttr()] = state;
  }
  RILL_TRY(inner.run(body));
  appended |= inner.appended;
  for (auto [result, yielded, dims] :
       llvm::zip_equal(op.getResults(), body.getTerminator()->getOperands(),
                       kernel.getResultDims().getAsRange<ArrayAttr>())) {
    const Tensor &value = inner.get(yielded);
    if (!sizesAre(value, cast<RankedTensorType>(result.getType()), dims,
                  symbols)) {
      return error(op, "a result has other sizes than result_dims of " +
                           kernel.getSymName().str());
    }
    values[result] = value;
  }
  return {};
}
