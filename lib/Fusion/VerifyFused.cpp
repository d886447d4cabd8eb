//===- VerifyFused.cpp - The gate of phase `fused` ------------------------===//
//
// Names every op of a method that Tiling has no place for.
//
//===----------------------------------------------------------------------===//
#include "rill/Dialect/Rill/Rill.h"
#include "rill/Fusion/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinOps.h"

namespace rill {
#define GEN_PASS_DEF_VERIFYFUSEDPASS
#include "rill/Fusion/Passes.h.inc"
} // namespace rill

using namespace mlir;
using namespace rill;

namespace {
struct VerifyFused : rill::impl::VerifyFusedPassBase<VerifyFused> {
  void runOnOperation() override {
    bool bad = false;
    for (auto method : getOperation().getOps<func::FuncOp>()) {
      if (!method->hasAttr("rill.method")) {
        continue;
      }
      for (Operation &op : method.getBody().front().without_terminator()) {
        bool index =
            isa<arith::ConstantOp>(op) && op.getResult(0).getType().isIndex();
        if (!index && !isa<RillDialect>(op.getDialect()) &&
            !isa<tensor::DimOp, tensor::CollapseShapeOp, tensor::ExpandShapeOp>(
                op)) {
          op.emitError() << op.getName() << " has no place in phase fused";
          bad = true;
        }
      }
    }
    if (bad) {
      signalPassFailure();
    }
  }
};
} // namespace
