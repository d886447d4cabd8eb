//===- Report.cpp - What the CUDA code of a model needs -------------------===//
//
// Figures without a GPU: ptxas' and arithmetic.
//
//===----------------------------------------------------------------------===//
#include "Report.h"

#include "rill/Dialect/RillPlan/RillPlan.h"
#include "rill/Plan/DispatchCost.h"
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

static JsonValue::Array dispatchArray(plan::VariantOp variant,
                                      SymbolTable &symbols) {
  JsonValue::Array list;
  for (auto dispatch : variant.getBody().getOps<plan::DispatchOp>()) {
    auto kernel = symbols.lookup<plan::KernelOp>(dispatch.getKernel());
    plan::DispatchCost cost = plan::costOf(dispatch, kernel);
    auto most = [&](const std::string &program) {
      return plan::upperBound(variant, program);
    };
    list.push_back(
        JsonValue::Object{{"layer", plan::layerOf(dispatch)},
                          {"kernel", dispatch.getKernel().str()},
                          {"blocks", most(dispatch.getGrid().str())},
                          {"weight_bytes", most(cost.weightBytes)},
                          {"state_bytes", most(cost.stateBytes)},
                          {"cached_row_bytes", cost.cachedRowBytes},
                          {"flops", most(cost.flops)},
                          {"cached_row_flops", most(cost.cachedRowFlops)}});
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
