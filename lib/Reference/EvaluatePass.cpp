//===- EvaluatePass.cpp - rill-evaluate -----------------------------------===//
//
// Arguments from files or seeds, one call of the evaluator, results to files.
//
//===----------------------------------------------------------------------===//
#include "rill/Dialect/RillPlan/RillPlan.h"
#include "rill/Reference/Evaluator.h"
#include "rill/Reference/Passes.h"
#include "runtime/formats/npy.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <cstring>

namespace rill {
#define GEN_PASS_DEF_EVALUATEPASS
#include "rill/Reference/Passes.h.inc"
} // namespace rill

using namespace mlir;
using namespace rill;
using reference::Tensor;

namespace {
/// What the module says about one argument of the method.
struct Argument {
  RankedTensorType type;
  SmallVector<std::string> dims; ///< per dynamic dimension: S, h or w
  int64_t limit;                 ///< of integers, 0: none
};

struct Evaluate : rill::impl::EvaluatePassBase<Evaluate> {
  using EvaluatePassBase::EvaluatePassBase;

  void runOnOperation() override {
    rt::Status status = evaluate();
    if (!status.ok()) {
      getOperation().emitError() << status.get().render();
      signalPassFailure();
    }
    markAllAnalysesPreserved();
  }

private:
  rt::Status evaluate();
  rt::Result<SmallVector<Argument>> arguments();
  rt::Result<Tensor> input(const std::string &spec, const Argument &argument);
  rt::Result<Tensor> random(const std::string &spec, const Argument &argument);
  rt::Result<int64_t> size(const std::string &symbol);
  rt::Status setControl(reference::Evaluator &evaluator);
  rt::Result<std::string> folder();
};
} // namespace

static rt::Error invalid(const std::string &where, const std::string &why,
                         const std::string &mend = {}) {
  return rt::makeError(rt::ErrorCode::InputInvalid, where, why, mend);
}

/// The arguments of the method, or of the last variant of it.
rt::Result<SmallVector<Argument>> Evaluate::arguments() {
  SmallVector<Argument> list;
  if (auto func = getOperation().lookupSymbol<func::FuncOp>(method)) {
    for (unsigned i = 0; i < func.getNumArguments(); ++i) {
      Argument argument{
          cast<RankedTensorType>(func.getArgumentTypes()[i]), {}, 0};
      auto dims = func.getArgAttrOfType<ArrayAttr>(i, "rill.dims");
      for (int64_t d = 0; d < argument.type.getRank(); ++d) {
        if (argument.type.isDynamicDim(d)) {
          argument.dims.push_back(
              dims ? cast<StringAttr>(dims[d]).getValue().str() : "");
        }
      }
      if (auto limit = func.getArgAttrOfType<IntegerAttr>(i, "rill.limit")) {
        argument.limit = limit.getInt();
      }
      list.push_back(std::move(argument));
    }
    return list;
  }
  bool known = false;
  for (auto variant : getOperation().getOps<plan::VariantOp>()) {
    if (variant.getMethod() != method ||
        (!target.empty() && variant.getTarget() != target)) {
      continue;
    }
    known = true;
    // The last variant takes the largest sizes, so its types say least.
    list.clear();
    for (auto [i, argument] :
         llvm::enumerate(variant.getBody().getArguments())) {
      Argument entry{cast<RankedTensorType>(argument.getType()), {}, 0};
      for (Attribute dim : cast<ArrayAttr>(variant.getInputDims()[i])) {
        entry.dims.push_back(cast<StringAttr>(dim).getValue().str());
      }
      if (i < variant.getInputLimits().size()) {
        entry.limit = variant.getInputLimits()[i];
      }
      list.push_back(std::move(entry));
    }
  }
  if (!known) {
    return invalid(method, "is no method of the module");
  }
  return list;
}

rt::Result<int64_t> Evaluate::size(const std::string &symbol) {
  for (const std::string &entry : sizes) {
    auto [name, text] = StringRef(entry).split(':');
    int64_t value;
    if (name == symbol) {
      if (text.getAsInteger(10, value) || value < 1 || value > (1 << 20)) {
        return invalid("sizes=" + entry, "is no size of 1 to 1048576");
      }
      return value;
    }
  }
  return invalid(method, "a random input needs the size of " + symbol,
                 "add sizes=" + symbol + ":3");
}

rt::Result<Tensor> Evaluate::random(const std::string &spec,
                                    const Argument &argument) {
  uint64_t seed;
  if (StringRef(spec).drop_front(strlen("random:")).getAsInteger(10, seed)) {
    return invalid(spec, "the seed is no number");
  }
  SmallVector<int64_t> shape(argument.type.getShape());
  unsigned next = 0;
  for (int64_t &dim : shape) {
    if (ShapedType::isDynamic(dim)) {
      RILL_ASSIGN(dim, size(argument.dims[next++]));
    }
  }
  Tensor tensor(reference::kindOf(argument.type.getElementType()), shape);
  // Multiplicative hashing: the upper bits of seed and index, mixed.
  auto bits = [&](size_t index) {
    uint64_t x = (seed * 0x2545f4914f6cdd1du + index + 1) * 0x9e3779b97f4a7c15u;
    return (x ^ (x >> 29)) * 0xbf58476d1ce4e5b9u >> 40;
  };
  for (size_t i = 0; i < tensor.f.size(); ++i) {
    tensor.f[i] =
        static_cast<float>(static_cast<int>(bits(i) % 257) - 128) / 256.0f;
  }
  for (size_t i = 0; i < tensor.i.size(); ++i) {
    tensor.i[i] = static_cast<int64_t>(
        bits(i) % (argument.limit > 0 ? argument.limit : 256));
  }
  return tensor;
}

rt::Result<Tensor> Evaluate::input(const std::string &spec,
                                   const Argument &argument) {
  if (StringRef(spec).starts_with("random:")) {
    return random(spec, argument);
  }
  RILL_ASSIGN(rt::NpyArray array, rt::readNpy(spec));
  Tensor::Kind kind = reference::kindOf(argument.type.getElementType());
  bool integers = array.dtype == rt::Dtype::I64;
  if (integers != (kind == Tensor::I64) ||
      (!integers && array.dtype != rt::Dtype::F32 &&
       array.dtype != rt::Dtype::BF16)) {
    return invalid(spec,
                   std::string("holds ") + rt::dtypeName(array.dtype) +
                       (kind == Tensor::I64 ? " but the argument takes i8"
                                            : " but the argument takes f4, or "
                                              "bf16 bits as u2"));
  }
  rt::TensorInfo info = {};
  info.dtype = array.dtype;
  info.data = array.bytes.data();
  Tensor tensor = reference::fromStored(
      info, SmallVector<int64_t>(array.shape.begin(), array.shape.end()));
  tensor.kind = kind;
  for (float &value : tensor.f) {
    value = reference::roundTo(kind, value);
  }
  for (int64_t value : tensor.i) {
    if (argument.limit > 0 && (value < 0 || value >= argument.limit)) {
      return invalid(spec, rt::format("holds %lld, outside 0 .. %lld",
                                      (long long)value,
                                      (long long)argument.limit - 1));
    }
  }
  return tensor;
}

rt::Status Evaluate::setControl(reference::Evaluator &evaluator) {
  reference::Sampling &sampling = evaluator.sampling;
  std::pair<StringRef, double *> reals[] = {
      {"temperature", &sampling.temperature},
      {"top_p", &sampling.topP},
      {"min_p", &sampling.minP},
      {"repeat_penalty", &sampling.repeatPenalty}};
  for (const std::string &entry : control) {
    auto [name, text] = StringRef(entry).split(':');
    int64_t integer = 0;
    bool whole = !text.getAsInteger(10, integer) && integer >= 0, known = true;
    auto *real = llvm::find_if(reals, [&](auto &r) { return r.first == name; });
    if (real != std::end(reals)) {
      known = !text.getAsDouble(*real->second) && *real->second >= 0;
    } else if (name == "token" && whole) {
      llvm::fill(evaluator.tokens, integer);
    } else if (name == "position" && whole) {
      llvm::fill(evaluator.positions, integer);
    } else if (name == "top_k" && whole) {
      sampling.topK = integer;
    } else if (name == "seed" && whole) {
      sampling.seed = static_cast<uint64_t>(integer);
    } else {
      known = false;
    }
    if (!known) {
      return invalid("control=" + entry,
                     "is no field of the control block with a value >= 0");
    }
  }
  return {};
}

rt::Result<std::string> Evaluate::folder() {
  if (!weights.empty()) {
    return weights.getValue();
  }
  auto checkpoint =
      getOperation()->getAttrOfType<DictionaryAttr>("rill.checkpoint");
  auto name =
      checkpoint ? checkpoint.getAs<StringAttr>("folder") : StringAttr();
  if (!name && !getOperation().getOps<WeightOp>().empty()) {
    return invalid("rill-evaluate", "the module names no checkpoint folder",
                   "give weights=FOLDER");
  }
  return name ? name.getValue().str() : std::string();
}

rt::Status Evaluate::evaluate() {
  RILL_ASSIGN(SmallVector<Argument> wanted, arguments());
  if (inputs.size() != wanted.size()) {
    return invalid(method, rt::format("takes %zu inputs but %zu are given",
                                      wanted.size(), inputs.size()));
  }
  std::vector<Tensor> values;
  for (auto [spec, argument] : llvm::zip_equal(inputs, wanted)) {
    RILL_ASSIGN(Tensor value, input(spec, argument));
    values.push_back(std::move(value));
  }
  RILL_ASSIGN(std::string path, folder());
  RILL_ASSIGN(reference::WeightSource source,
              reference::openWeights(getOperation(), path));
  reference::Evaluator evaluator(getOperation(), source);
  evaluator.target = target;
  RILL_TRY(setControl(evaluator));
  RILL_ASSIGN(std::vector<Tensor> results, evaluator.call(method, values));
  if (outputs.size() != results.size()) {
    return invalid(method, rt::format("has %zu results but %zu outputs are "
                                      "given",
                                      results.size(), outputs.size()));
  }
  for (auto [file, result] : llvm::zip_equal(outputs, results)) {
    if (file == "-") {
      continue;
    }
    bool integers = result.kind == Tensor::I64;
    RILL_TRY(rt::writeNpy(
        file, integers ? rt::Dtype::I64 : rt::Dtype::F32,
        std::vector<int64_t>(result.shape.begin(), result.shape.end()),
        integers ? static_cast<const void *>(result.i.data())
                 : result.f.data()));
  }
  return {};
}
