//===- ExtractMethod.cpp - rill-extract-method ----------------------------===//
//
// One method and the weights and states it names.
//
//===----------------------------------------------------------------------===//
#include "rill/Dialect/Rill/Rill.h"
#include "rill/Pipeline/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/SymbolTable.h"

namespace rill {
#define GEN_PASS_DEF_EXTRACTMETHODPASS
#include "rill/Pipeline/Passes.h.inc"
} // namespace rill

using namespace mlir;
using namespace rill;

namespace {
struct ExtractMethod : rill::impl::ExtractMethodPassBase<ExtractMethod> {
  using ExtractMethodPassBase::ExtractMethodPassBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto kept = module.lookupSymbol<func::FuncOp>(method);
    if (!kept) {
      module.emitError() << "\"" << method << "\" is no method of the module";
      return signalPassFailure();
    }
    for (auto func :
         llvm::make_early_inc_range(module.getOps<func::FuncOp>())) {
      if (func != kept) {
        func.erase();
      }
    }
    for (Operation &op : llvm::make_early_inc_range(*module.getBody())) {
      if (isa<WeightOp, StateOp, AssetOp>(op) &&
          SymbolTable::symbolKnownUseEmpty(&op, module)) {
        op.erase();
      }
    }
  }
};
} // namespace
