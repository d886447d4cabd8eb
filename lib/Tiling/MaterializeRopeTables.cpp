//===- MaterializeRopeTables.cpp - Cosines and sines as weights -----------===//
//
// Adds the table operand of rill.rope and rill.attention_update.
//
//===----------------------------------------------------------------------===//
#include "rill/Dialect/Rill/Rill.h"
#include "rill/Tiling/Passes.h"

#include "mlir/IR/BuiltinOps.h"

#include "llvm/Support/FormatVariadic.h"

namespace rill {
#define GEN_PASS_DEF_MATERIALIZEROPETABLESPASS
#include "rill/Tiling/Passes.h.inc"
} // namespace rill

using namespace mlir;
using namespace rill;

namespace {
struct MaterializeRopeTables
    : rill::impl::MaterializeRopeTablesPassBase<MaterializeRopeTables> {
  void runOnOperation() override;

  /// The generated weight for (theta, width), made on first use.
  WeightOp table(double theta, int64_t width);

  template <typename Op>
  void addTable(Op op, int64_t width) {
    if (op.getTable()) {
      return;
    }
    WeightOp weight = table(op.getTheta().convertToDouble(), width);
    OpBuilder builder(op);
    Value read = WeightReadOp::create(
        builder, op.getLoc(), weight.getType(),
        FlatSymbolRefAttr::get(weight.getSymNameAttr()), DenseI64ArrayAttr());
    op.getTableMutable().assign(read);
  }

  int64_t positions = 0;
};
} // namespace

WeightOp MaterializeRopeTables::table(double theta, int64_t width) {
  std::string name = llvm::formatv("rope.{0}.{1}", theta, width).str();
  if (auto existing = getOperation().lookupSymbol<WeightOp>(name)) {
    return existing;
  }
  OpBuilder builder = OpBuilder::atBlockBegin(getOperation().getBody());
  auto type = RankedTensorType::get({positions, width}, builder.getF32Type());
  std::string source =
      llvm::formatv("generated#rope theta={0} width={1}", theta, width).str();
  return WeightOp::create(builder, NameLoc::get(builder.getStringAttr(name)),
                          name, source, type);
}

void MaterializeRopeTables::runOnOperation() {
  auto model = getOperation()->getAttrOfType<DictionaryAttr>("rill.model");
  auto length = model ? model.getAs<IntegerAttr>("max_seq_len") : IntegerAttr();
  if (!length) {
    getOperation().emitOpError("carries no rill.model with max_seq_len");
    return signalPassFailure();
  }
  positions = length.getInt();
  getOperation().walk([&](Operation *op) {
    if (auto rope = dyn_cast<RopeOp>(op)) {
      addTable(rope,
               cast<RankedTensorType>(rope.getX().getType()).getDimSize(3));
    } else if (auto update = dyn_cast<AttentionUpdateOp>(op)) {
      int64_t out = cast<RankedTensorType>(update.getType()).getShape().back();
      addTable(update, out / static_cast<int64_t>(update.getHeads()));
    }
  });
}
