//===- Report.cpp - What the CUDA code of a model needs -------------------===//
//
// Figures without a GPU: ptxas' and arithmetic.
//
//===----------------------------------------------------------------------===//
#include "Report.h"

#include "rill/Dialect/Rill/Rill.h"
#include "rill/Dialect/RillPlan/RillPlan.h"
#include "rill/Plan/Passes.h"
#include "runtime/formats/file_writer.h"
#include "runtime/formats/json.h"

using namespace mlir;
using namespace rill;
using rt::JsonValue;

static int64_t configOf(plan::KernelOp kernel, StringRef key) {
  auto value = kernel.getConfig().getAs<IntegerAttr>(key);
  return value ? value.getInt() : 0;
}

static int64_t bytesOf(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  return tensor.getNumElements() * tensor.getElementTypeBitWidth() / 8;
}

static JsonValue::Object kernelObject(plan::KernelOp kernel,
                                      const nvvm::Chip &chip,
                                      const cubin::PtxasKernel *needs) {
  int64_t threads = configOf(kernel, "threads"),
          dynamic = configOf(kernel, "shared");
  JsonValue::Object object{{"name", kernel.getSymName().str()},
                           {"layer", kernel.getLayer().str()},
                           {"template", kernel.getKernelTemplate().str()},
                           {"threads", threads}};
  if (needs) {
    int64_t shared = std::max(needs->shared, 0) + dynamic;
    cubin::BlockNeeds block = {static_cast<int>(threads), needs->registers,
                               static_cast<int>(shared)};
    int64_t blocks = cubin::occupancy(chip.sm, block);
    object.push_back({"registers", int64_t(needs->registers)});
    object.push_back({"shared_bytes", shared});
    object.push_back({"blocks_per_multiprocessor", blocks});
    object.push_back(
        {"occupancy", static_cast<double>(blocks * threads) / chip.sm.threads});
  }
  return object;
}

/// FLOPs of the products of a kernel; `results` elements of its first result.
static int64_t flopsOf(plan::KernelOp kernel, int64_t results) {
  int64_t flops = 0;
  kernel.getBody().walk([&](Operation *op) {
    if (!isa<LinearOp, ShortConvMixOp>(op)) {
      return;
    }
    auto type = cast<RankedTensorType>(op->getResult(0).getType());
    int64_t rows = results / type.getShape().back();
    ValueRange weights = isa<LinearOp>(op)
                             ? cast<LinearOp>(op).getWeights()
                             : cast<ShortConvMixOp>(op).getWeights();
    for (Value weight : weights) {
      flops +=
          2 * rows * cast<RankedTensorType>(weight.getType()).getNumElements();
    }
  });
  return flops;
}

namespace {
/// Bytes that a dispatch reads once, if caches keep what was read.
struct Reads {
  int64_t weights = 0;
  int64_t states = 0;    ///< a fixed number of rows
  int64_t cachedRow = 0; ///< per row of keys and values that stands there
};
} // namespace

/// Weights of which a kernel reads a row per row of its result.
static SmallVector<Value> gathered(plan::KernelOp kernel) {
  SmallVector<Value> tables;
  kernel.getBody().walk([&](Operation *op) {
    if (auto embedding = dyn_cast<EmbeddingOp>(op)) {
      tables.push_back(embedding.getTable());
    } else if (auto rope = dyn_cast<RopeOp>(op)) {
      tables.push_back(rope.getTable());
    } else if (auto update = dyn_cast<AttentionUpdateOp>(op)) {
      tables.push_back(update.getTable());
    }
  });
  return tables;
}

/// `rows` rows of a result.
static Reads readsOf(plan::DispatchOp dispatch, plan::KernelOp kernel,
                     int64_t rows) {
  Reads reads;
  Block &body = kernel.getBody().front();
  SmallVector<Value> tables = gathered(kernel);
  for (auto [operand, argument] :
       llvm::zip(dispatch.getOperands(), body.getArguments())) {
    if (operand.getDefiningOp<plan::WeightOp>()) {
      int64_t all = bytesOf(operand.getType());
      auto type = cast<RankedTensorType>(operand.getType());
      reads.weights += llvm::is_contained(tables, argument)
                           ? all / type.getDimSize(0) * rows
                           : all;
    }
  }
  auto rowBytes = [&](StringAttr name) {
    auto state = cast<StateOp>(SymbolTable::lookupSymbolIn(kernel, name));
    auto type = cast<RankedTensorType>(state.getType());
    return bytesOf(type) / type.getDimSize(state.getRowDim());
  };
  kernel.getBody().walk([&](Operation *op) {
    if (auto mix = dyn_cast<ShortConvMixOp>(op)) {
      int64_t taps =
          cast<RankedTensorType>(mix.getFilter().getType()).getDimSize(1);
      reads.states += (taps - 1) * rowBytes(mix.getStateAttr().getAttr());
    } else if (auto window = dyn_cast<StateWindowOp>(op)) {
      reads.states += bytesOf(window.getType());
    } else if (auto update = dyn_cast<AttentionUpdateOp>(op)) {
      reads.cachedRow += rowBytes(update.getKStateAttr().getAttr()) +
                         rowBytes(update.getVStateAttr().getAttr());
    } else if (auto read = dyn_cast<StateReadOp>(op)) {
      reads.cachedRow += rowBytes(read.getStateAttr().getAttr());
    }
  });
  return reads;
}

static JsonValue::Array dispatchArray(plan::VariantOp variant,
                                      SymbolTable &symbols) {
  JsonValue::Array list;
  for (auto dispatch : variant.getBody().getOps<plan::DispatchOp>()) {
    auto kernel = symbols.lookup<plan::KernelOp>(dispatch.getKernel());
    int64_t results = 0, rows = 0;
    if (dispatch->getNumResults()) {
      auto type = cast<RankedTensorType>(dispatch->getResult(0).getType());
      int64_t bytes = plan::upperBound(
          variant,
          plan::bytesProgram(type, cast<ArrayAttr>(kernel.getResultDims()[0])));
      results = bytes * 8 / type.getElementTypeBitWidth();
      int64_t width = 1;
      for (int64_t size : type.getShape().drop_front(
               std::min<int64_t>(2, type.getRank() - 1))) {
        width *= size;
      }
      rows = results / width;
    }
    Reads reads = readsOf(dispatch, kernel, rows);
    list.push_back(JsonValue::Object{
        {"kernel", dispatch.getKernel().str()},
        {"blocks", plan::upperBound(variant, dispatch.getGrid())},
        {"weight_bytes", reads.weights},
        {"state_bytes", reads.states},
        {"cached_row_bytes", reads.cachedRow},
        {"flops", flopsOf(kernel, results)}});
  }
  return list;
}

rt::Status rill::writeReport(ModuleOp planned,
                             const std::map<std::string, cubin::PtxasLog> &logs,
                             const std::string &path) {
  SymbolTable symbols(planned);
  JsonValue::Array targets;
  for (const auto &[name, log] : logs) {
    const nvvm::Chip *chip = nvvm::lookupChip(name);
    JsonValue::Array kernels, variants;
    llvm::SetVector<Operation *> used;
    for (auto variant : planned.getOps<plan::VariantOp>()) {
      if (variant.getTarget() != name) {
        continue;
      }
      for (auto dispatch : variant.getBody().getOps<plan::DispatchOp>()) {
        used.insert(symbols.lookup(dispatch.getKernel()));
      }
      JsonValue::Object entry{{"name", variant.getSymName().str()},
                              {"method", variant.getMethod().str()}};
      entry.push_back({"dispatches", dispatchArray(variant, symbols)});
      variants.push_back(std::move(entry));
    }
    for (Operation *op : used) {
      auto kernel = cast<plan::KernelOp>(op);
      auto needs =
          llvm::find_if(log.kernels, [&](const cubin::PtxasKernel &entry) {
            return kernel.getSymName() == entry.name;
          });
      kernels.push_back(kernelObject(
          kernel, *chip, needs == log.kernels.end() ? nullptr : &*needs));
    }
    targets.push_back(JsonValue::Object{{"target", name},
                                        {"kernels", std::move(kernels)},
                                        {"variants", std::move(variants)}});
  }
  JsonValue::Object root{{"schema", "rill.report/1"}, {"targets", targets}};
  return rt::writeFile(path, rt::writeJson(root, {", ", ": ", 2}) + "\n");
}
