//===- FormPlans.cpp - Methods into variants, dispatches, kernels ---------===//
//
// One kernel per distinct op, one dispatch per op, one variant per range.
//
//===----------------------------------------------------------------------===//
#include "PackWeights.h"
#include "SplitFused.h"
#include "SymbolicShapes.h"

#include "rill/Dialect/Rill/Rill.h"
#include "rill/Dialect/RillPlan/ShapeProgram.h"
#include "rill/Tiling/Passes.h"
#include "rill/Tiling/TargetPolicy.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/OperationSupport.h"

namespace rill {
#define GEN_PASS_DEF_FORMPLANSPASS
#include "rill/Tiling/Passes.h.inc"
} // namespace rill

using namespace mlir;
using namespace rill;
using plan::DispatchOp, plan::KernelOp, plan::SymbolOp, plan::VariantOp,
    plan::ViewOp;

namespace {
/// Values low, low + step, ... of a symbol, none above `high`.
struct Range {
  int64_t low, high, step = 1;
};
using Ranges = SmallVector<std::pair<StringRef, Range>>;

/// Builds one variant of one method.
class VariantBuilder {
public:
  VariantBuilder(ModuleOp module, func::FuncOp method, StringRef target,
                 const TargetPolicy &policy, const Ranges &ranges,
                 bool manyRows, bool noGeneric,
                 llvm::StringMap<KernelOp> &kernels)
      : module(module), method(method), target(target), policy(policy),
        ranges(ranges), calls(callsOf(ranges, manyRows)), noGeneric(noGeneric),
        kernels(kernels), shapes(method, fixedSymbols(ranges)),
        builder(module.getContext()) {}

  LogicalResult build(int64_t number);

private:
  static llvm::StringMap<int64_t> fixedSymbols(const Ranges &ranges);
  static Calls callsOf(const Ranges &ranges, bool manyRows);
  LogicalResult dispatch(Operation *op);
  Value operand(Operation *op, Value value);
  KernelOp kernelFor(Operation *op, const KernelChoice &choice,
                     ArrayRef<Value> tensors, ArrayRef<StateOp> states,
                     ArrayRef<int64_t> access);
  ArrayAttr dimsOf(ValueRange values);

  ModuleOp module;
  func::FuncOp method;
  StringRef target;
  const TargetPolicy &policy;
  const Ranges &ranges;
  const Calls calls;
  bool noGeneric;
  llvm::StringMap<KernelOp> &kernels;
  SymbolicShapes shapes;
  OpBuilder builder;
  IRMapping mapping; // method values -> variant values
};

struct FormPlans : rill::impl::FormPlansPassBase<FormPlans> {
  using FormPlansPassBase::FormPlansPassBase;
  void runOnOperation() override;
  SmallVector<Ranges> rangesOf(func::FuncOp method);
  LogicalResult formTarget(StringRef target, const TargetPolicy &policy,
                           ArrayRef<func::FuncOp> methods,
                           llvm::StringMap<KernelOp> &kernels);
};
} // namespace

llvm::StringMap<int64_t> VariantBuilder::fixedSymbols(const Ranges &ranges) {
  llvm::StringMap<int64_t> fixed;
  for (auto [symbol, range] : ranges) {
    if (range.low == range.high) {
      fixed[symbol] = range.low;
    }
  }
  return fixed;
}

Calls VariantBuilder::callsOf(const Ranges &ranges, bool manyRows) {
  Calls calls;
  calls.manyRows = manyRows;
  for (auto [symbol, range] : ranges) {
    if (symbol == "S") {
      calls.tall.s = calls.wide.s = range.high;
    } else {
      (symbol == "h" ? calls.tall.h : calls.wide.w) = range.high;
    }
  }
  return calls;
}

/// Per value, the programs of its dynamic dimensions.
ArrayAttr VariantBuilder::dimsOf(ValueRange values) {
  SmallVector<Attribute> all;
  for (Value value : values) {
    SmallVector<Attribute> dynamic;
    auto refined = shapes.refine(value);
    for (auto [i, dim] : llvm::enumerate(shapes.dims(value))) {
      if (refined.isDynamicDim(i)) {
        dynamic.push_back(builder.getStringAttr(dim));
      }
    }
    all.push_back(builder.getArrayAttr(dynamic));
  }
  return builder.getArrayAttr(all);
}

/// Views share their source's memory and stay as they are.
static bool isView(Operation *op) {
  return isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op);
}

/// What a kernel computes or reads by itself.
static bool isInlined(Operation *op) {
  return isa<StateReadOp, ControlOp, tensor::DimOp, WeightReadOp,
             arith::ConstantOp>(op);
}

/// The states an op names, in attribute order, and how it touches each.
static void collectStates(Operation *op, SmallVectorImpl<StateOp> &states,
                          SmallVectorImpl<int64_t> &access) {
  auto note = [&](Operation *from, FlatSymbolRefAttr symbol, int64_t how) {
    auto state = SymbolTable::lookupNearestSymbolFrom<StateOp>(from, symbol);
    auto found = llvm::find(states, state);
    if (found != states.end()) {
      access[found - states.begin()] |= how;
      return;
    }
    states.push_back(state);
    access.push_back(how);
  };
  if (auto o = dyn_cast<StateAppendOp>(op)) {
    note(op, o.getStateAttr(), 2);
  } else if (auto o = dyn_cast<SampleOp>(op); o && o.getHistoryAttr()) {
    note(op, o.getHistoryAttr(), 1);
  } else if (auto o = dyn_cast<StateWindowOp>(op)) {
    note(op, o.getStateAttr(), 1);
  } else if (auto o = dyn_cast<ShortConvMixOp>(op)) {
    note(op, o.getStateAttr(), 3);
  } else if (auto o = dyn_cast<AttentionUpdateOp>(op)) {
    note(op, o.getKStateAttr(), 3);
    note(op, o.getVStateAttr(), 3);
  } else if (auto o = dyn_cast<AttentionTiledOp>(op)) {
    note(op, o.getKStateAttr(), 1);
    note(op, o.getVStateAttr(), 1);
  }
  for (Value value : op->getOperands()) {
    if (auto read = value.getDefiningOp<StateReadOp>()) {
      note(read, read.getStateAttr(), 1);
    }
  }
}

Value VariantBuilder::operand(Operation *op, Value value) {
  auto read = value.getDefiningOp<WeightReadOp>();
  if (!read) {
    return mapping.lookup(value);
  }
  auto type = cast<RankedTensorType>(read.getType());
  int64_t offset = 0;
  if (auto rows = read.getRows()) {
    int64_t size = type.getElementTypeBitWidth() / 8;
    for (int64_t dim : type.getShape().drop_front()) {
      size *= dim;
    }
    offset = (*rows)[0] * size;
  }
  return plan::WeightOp::create(builder, read.getLoc(), type,
                                read.getWeightAttr(),
                                builder.getI64IntegerAttr(offset));
}

static std::string layerOf(Operation *op) {
  if (auto name = dyn_cast<NameLoc>(op->getLoc())) {
    return name.getName().str();
  }
  return "";
}

/// A kernel that holds a clone of `op`; equal kernels are shared.
KernelOp VariantBuilder::kernelFor(Operation *op, const KernelChoice &choice,
                                   ArrayRef<Value> tensors,
                                   ArrayRef<StateOp> states,
                                   ArrayRef<int64_t> access) {
  OpBuilder b = OpBuilder::atBlockEnd(module.getBody());
  Location loc = op->getLoc();
  auto kernel =
      KernelOp::create(b, loc, "kernel", choice.kernelTemplate, choice.config,
                       dimsOf(tensors), dimsOf(op->getResults()), layerOf(op));
  Block &body = kernel.getBody().emplaceBlock();
  b.setInsertionPointToStart(&body);
  IRMapping inner;
  DenseMap<StringAttr, FlatSymbolRefAttr> renamed;
  for (auto [i, constState] : llvm::enumerate(states)) {
    StateOp state = constState;
    std::string name = "s" + std::to_string(i);
    auto local = cast<rill::StateOp>(b.clone(*state));
    local->setLoc(loc);
    local.setSymName(name);
    renamed[state.getSymNameAttr()] =
        FlatSymbolRefAttr::get(b.getContext(), name);
  }
  for (Value tensor : tensors) {
    inner.map(tensor, body.addArgument(shapes.refine(tensor), loc));
  }
  for (Value value : op->getOperands()) {
    Operation *producer = value.getDefiningOp();
    if (inner.contains(value)) {
      continue;
    }
    if (std::string symbol = shapes.symbol(value); !symbol.empty()) {
      inner.map(value, SymbolOp::create(b, loc, b.getIndexType(), symbol));
      continue;
    }
    Operation *copy = b.clone(*producer, inner);
    copy->setLoc(loc);
  }
  Operation *copy = b.clone(*op, inner);
  for (auto [from, to] :
       llvm::zip_equal(op->getResults(), copy->getResults())) {
    to.setType(shapes.refine(from));
  }
  body.walk([&](Operation *nested) {
    nested->setLoc(loc);
    SmallVector<NamedAttribute> attributes(nested->getAttrs());
    for (NamedAttribute attribute : attributes) {
      auto symbol = dyn_cast<FlatSymbolRefAttr>(attribute.getValue());
      if (symbol && renamed.count(symbol.getAttr())) {
        nested->setAttr(attribute.getName(), renamed[symbol.getAttr()]);
      }
    }
  });
  plan::YieldOp::create(b, loc, copy->getResults());
  // Structural key: the printed body without locations.
  std::string key;
  llvm::raw_string_ostream os(key);
  os << target << choice.kernelTemplate << choice.config << kernel.getArgDims()
     << kernel.getResultDims();
  for (int64_t how : access) {
    os << how;
  }
  body.print(os);
  auto [entry, fresh] = kernels.try_emplace(key, kernel);
  if (!fresh) {
    kernel.erase();
    return entry->second;
  }
  std::string name = ("k" + Twine(kernels.size() - 1) + "_" +
                      op->getName().stripDialect() + "_" + target)
                         .str();
  llvm::replace(name, '.', '_');
  llvm::replace(name, '-', '_');
  kernel.setSymName(name);
  return kernel;
}

LogicalResult VariantBuilder::dispatch(Operation *op) {
  SmallVector<StateOp> states;
  SmallVector<int64_t> stateAccess;
  collectStates(op, states, stateAccess);
  SmallVector<Value> tensors, operands;
  for (Value value : op->getOperands()) {
    Operation *producer = value.getDefiningOp();
    bool inlined =
        producer && isInlined(producer) && !isa<WeightReadOp>(producer);
    if (!inlined && !llvm::is_contained(tensors, value)) {
      tensors.push_back(value);
      operands.push_back(operand(op, value));
    }
  }
  SmallVector<int64_t> access(operands.size(), 1);
  access.append(stateAccess.begin(), stateAccess.end());
  SmallVector<Dims> operandDims, resultDims;
  for (Value tensor : tensors) {
    operandDims.push_back(shapes.dims(tensor));
  }
  for (Value result : op->getResults()) {
    resultDims.push_back(shapes.dims(result));
  }
  FailureOr<KernelChoice> choice =
      policy.choose(op, operandDims, resultDims, calls);
  if (failed(choice)) {
    return op->emitError() << op->getName() << " has no kernel for " << target;
  }
  if (noGeneric && choice->generic) {
    return op->emitError() << op->getName() << " has only a generic kernel for "
                           << target << " and --no-generic is given";
  }
  KernelOp kernel = kernelFor(op, *choice, tensors, states, stateAccess);
  for (rill::StateOp state : states) {
    operands.push_back(plan::StateOp::create(
        builder, op->getLoc(), cast<RankedTensorType>(state.getType()),
        FlatSymbolRefAttr::get(state.getSymNameAttr())));
  }
  SmallVector<Type> results;
  for (Value result : op->getResults()) {
    results.push_back(shapes.refine(result));
  }
  auto launched = DispatchOp::create(
      builder, op->getLoc(), results,
      FlatSymbolRefAttr::get(kernel.getSymNameAttr()), operands,
      builder.getStringAttr(choice->grid), builder.getDenseI64ArrayAttr(access),
      DenseI64ArrayAttr());
  mapping.map(op->getResults(), launched.getResults());
  return success();
}

LogicalResult VariantBuilder::build(int64_t number) {
  for (Operation &op : method.getBody().front().without_terminator()) {
    if (failed(shapes.visit(&op))) {
      return failure();
    }
  }
  SmallVector<NamedAttribute> symbols;
  for (auto [symbol, range] : ranges) {
    SmallVector<int64_t> ends = {range.low, range.high};
    if (range.step > 1) {
      ends.push_back(range.step);
    }
    symbols.push_back(
        builder.getNamedAttr(symbol, builder.getDenseI64ArrayAttr(ends)));
  }
  Operation *ret = method.getBody().front().getTerminator();
  SmallVector<Attribute> inputNames, outputNames;
  SmallVector<int64_t> inputLimits;
  for (unsigned i = 0; i < method.getNumArguments(); ++i) {
    inputNames.push_back(method.getArgAttr(i, "rill.name"));
    auto limit = method.getArgAttrOfType<IntegerAttr>(i, "rill.limit");
    inputLimits.push_back(limit ? limit.getInt() : 0);
  }
  for (unsigned i = 0; i < ret->getNumOperands(); ++i) {
    outputNames.push_back(builder.getStringAttr("output" + Twine(i)));
  }
  builder.setInsertionPointToEnd(module.getBody());
  std::string name =
      (method.getSymName() + "." + Twine(number) + "." + target).str();
  llvm::replace(name, '-', '_');
  auto variant = VariantOp::create(
      builder, method.getLoc(), name, method.getSymName(), target,
      builder.getDictionaryAttr(symbols), builder.getArrayAttr(inputNames),
      builder.getArrayAttr(outputNames), dimsOf(method.getArguments()),
      dimsOf(ret->getOperands()), builder.getDenseI64ArrayAttr(inputLimits),
      IntegerAttr(), IntegerAttr());
  Block &body = variant.getBody().emplaceBlock();
  builder.setInsertionPointToStart(&body);
  for (Value argument : method.getArguments()) {
    mapping.map(argument,
                body.addArgument(shapes.refine(argument), method.getLoc()));
  }
  for (Operation &op : method.getBody().front().without_terminator()) {
    if (isInlined(&op)) {
      continue;
    }
    if (isView(&op)) {
      // A view's sizes are programs of the variant, so its index operands go.
      Value result = op.getResult(0);
      mapping.map(result,
                  ViewOp::create(builder, op.getLoc(), shapes.refine(result),
                                 mapping.lookup(op.getOperand(0))));
      continue;
    }
    if (failed(dispatch(&op))) {
      return failure();
    }
  }
  SmallVector<Value> results;
  for (Value result : ret->getOperands()) {
    results.push_back(mapping.lookup(result));
  }
  plan::ReturnOp::create(builder, method.getLoc(), results);
  return success();
}

/// Which ranges of the symbols a method is compiled for (Architecture.md).
SmallVector<Ranges> FormPlans::rangesOf(func::FuncOp method) {
  auto model = getOperation()->getAttrOfType<DictionaryAttr>("rill.model");
  auto limit = [&](StringRef key, int64_t fallback) {
    auto value = model ? model.getAs<IntegerAttr>(key) : IntegerAttr();
    return value ? value.getInt() : fallback;
  };
  int64_t chunk = std::min<int64_t>(prefillChunk, limit("max_seq_len", 4096));
  StringRef role = method->getAttrOfType<StringAttr>("rill.method").getValue();
  if (role == "vision_encoder") {
    int64_t patches = limit("max_patches", 1024);
    int64_t step = limit("downsample", 1);
    Range side{step, patches, step};
    return {{{"h", side}, {"w", side}}};
  }
  SmallVector<Ranges> all;
  bool block = role == "draft" || role == "draft_verify";
  int64_t end = chunk;
  if (role == "text_decoder_rows") {
    end = std::min<int64_t>(chunk, kSmallRows);
  } else if (block) {
    // More rows than the drafter was trained for give nothing.
    auto draft = getOperation()->getAttrOfType<DictionaryAttr>("rill.draft");
    auto size = draft ? draft.getAs<IntegerAttr>("block_size") : IntegerAttr();
    end = std::min(kSmallRows, size ? size.getInt() : kSmallRows);
  }
  auto add = [&](int64_t low, int64_t high) {
    if (low <= std::min(high, end)) {
      all.push_back({{"S", Range{low, std::min(high, end)}}});
    }
  };
  if (role == "token_embedding" || role == "step") {
    add(1, role == "step" ? 1 : end);
    return all;
  }
  if (!block) {
    add(1, 1);
  }
  // Two rows alone would be no symbol of the signature.
  add(block ? std::min<int64_t>(2, end - 1) : 2, 8);
  add(9, 16);
  add(17, end);
  return all;
}

/// All variants of one target, from copies of the methods.
LogicalResult FormPlans::formTarget(StringRef target,
                                    const TargetPolicy &policy,
                                    ArrayRef<func::FuncOp> methods,
                                    llvm::StringMap<KernelOp> &kernels) {
  ModuleOp module = getOperation();
  // Two per method: for few rows, then for many, with split fused ops.
  SmallVector<func::FuncOp> copies;
  for (func::FuncOp method : methods) {
    for (bool many : {false, true}) {
      copies.push_back(method.clone());
      module.insert(method, copies.back());
      if (many) {
        splitFused(copies.back());
      } else {
        splitKeys(copies.back(), policy);
      }
    }
  }
  packReads(copies, policy);
  LogicalResult result = success();
  auto build = [&](func::FuncOp from, const Ranges &ranges, bool many,
                   size_t number) {
    VariantBuilder variant(module, from, target, policy, ranges, many,
                           noGeneric, kernels);
    if (succeeded(result)) {
      result = variant.build(static_cast<int64_t>(number));
    }
  };
  if (func::FuncOp init = packMethod(module, copies)) {
    build(init, Ranges(), /*many=*/false, 0);
    init.erase();
  }
  for (auto [i, method] : llvm::enumerate(methods)) {
    for (auto [number, ranges] : llvm::enumerate(rangesOf(method))) {
      bool few = ranges[0].first == "S" && ranges[0].second.high <= kSmallRows;
      build(copies[2 * i + (few ? 0 : 1)], ranges, !few, number);
    }
  }
  for (func::FuncOp copy : copies) {
    copy.erase();
  }
  return result;
}

void FormPlans::runOnOperation() {
  ModuleOp module = getOperation();
  SmallVector<func::FuncOp> methods;
  for (auto method : module.getOps<func::FuncOp>()) {
    if (method->hasAttr("rill.method")) {
      methods.push_back(method);
    }
  }
  llvm::StringMap<KernelOp> kernels;
  for (const std::string &target : targets) {
    const TargetPolicy *policy = lookupTargetPolicy(target);
    if (!policy) {
      module.emitError() << "unknown target " << target;
      return signalPassFailure();
    }
    if (failed(formTarget(target, *policy, methods, kernels))) {
      return signalPassFailure();
    }
  }
  for (func::FuncOp method : methods) {
    method.erase();
  }
}
