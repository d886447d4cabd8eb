//===- DispatchSection.cpp - Layers and costs of dispatches ---------------===//
//
// Spells what lib/Plan computes.
//
//===----------------------------------------------------------------------===//
#include "DispatchSection.h"

#include "rill/Plan/DispatchCost.h"
#include "runtime/formats/json.h"

#include "llvm/ADT/StringMap.h"

using namespace mlir;
using namespace rill;
using rt::JsonValue;

namespace {
/// Texts by number, each once.
class Texts {
public:
  int64_t number(const std::string &text) {
    auto [entry, fresh] = known.try_emplace(text, list.size());
    if (fresh) {
      list.push_back(text);
    }
    return entry->second;
  }
  JsonValue::Array list;

private:
  llvm::StringMap<int64_t> known;
};
} // namespace

std::string rill::encodeDispatches(const std::vector<ManifestPlan> &plans) {
  Texts layers, programs;
  JsonValue::Array entries;
  for (const ManifestPlan &entry : plans) {
    plan::VariantOp variant = entry.variant;
    SymbolTable symbols(variant->getParentOfType<ModuleOp>());
    JsonValue::Array list;
    for (auto dispatch : variant.getBody().getOps<plan::DispatchOp>()) {
      auto kernel = symbols.lookup<plan::KernelOp>(dispatch.getKernel());
      plan::DispatchCost cost = plan::costOf(dispatch, kernel);
      list.push_back(JsonValue::Array{
          layers.number(plan::layerOf(dispatch)),
          programs.number(cost.weightBytes), programs.number(cost.stateBytes),
          cost.cachedRowBytes, programs.number(cost.flops),
          programs.number(cost.cachedRowFlops)});
    }
    entries.push_back(
        JsonValue::Object{{"plan", static_cast<int64_t>(entry.section)},
                          {"dispatches", std::move(list)}});
  }
  return rt::writeJson(JsonValue::Object{{"schema", "rill.dispatches/1"},
                                         {"layers", std::move(layers.list)},
                                         {"programs", std::move(programs.list)},
                                         {"plans", std::move(entries)}});
}
