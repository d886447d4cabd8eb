//===- PackWeights.cpp - Weights in a target's own layout -----------------===//
//
// A weight is packed as a whole, once, when a model is opened; so all of its
// readers have to agree.
//
//===----------------------------------------------------------------------===//
#include "PackWeights.h"

#include "rill/Dialect/Rill/Rill.h"

#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace rill;

static bool isPackable(WeightReadOp read, const TargetPolicy &policy) {
  std::optional<ArrayRef<int64_t>> rows = read.getRows();
  return packedType(read.getType()) &&
         (!rows || (*rows)[0] % kPackedRows == 0) &&
         llvm::all_of(read->getUses(),
                      [&](OpOperand &use) { return policy.readsPacked(use); });
}

void rill::packReads(ArrayRef<func::FuncOp> methods,
                     const TargetPolicy &policy) {
  llvm::DenseMap<StringAttr, SmallVector<WeightReadOp>> reads;
  llvm::DenseSet<StringAttr> refused;
  for (func::FuncOp method : methods) {
    method.walk([&](WeightReadOp read) {
      StringAttr weight = read.getWeightAttr().getAttr();
      reads[weight].push_back(read);
      if (!isPackable(read, policy)) {
        refused.insert(weight);
      }
    });
  }
  for (auto &[weight, list] : reads) {
    for (WeightReadOp read : list) {
      if (!refused.contains(weight)) {
        read.getValue().setType(packedType(read.getType()));
      }
    }
  }
}

func::FuncOp rill::packMethod(ModuleOp module, ArrayRef<func::FuncOp> methods) {
  llvm::SetVector<StringAttr> weights;
  for (func::FuncOp method : methods) {
    method.walk([&](WeightReadOp read) {
      if (isPacked(read.getType())) {
        weights.insert(read.getWeightAttr().getAttr());
      }
    });
  }
  if (weights.empty()) {
    return {};
  }
  OpBuilder b = OpBuilder::atBlockEnd(module.getBody());
  auto method = func::FuncOp::create(b, module.getLoc(), kInitMethod,
                                     b.getFunctionType({}, {}));
  method->setAttr("rill.method", b.getStringAttr(kInitMethod));
  b.setInsertionPointToStart(method.addEntryBlock());
  SmallVector<Value> packed;
  for (StringAttr name : weights) {
    auto weight = module.lookupSymbol<WeightOp>(name);
    auto type = cast<RankedTensorType>(weight.getType());
    auto read =
        WeightReadOp::create(b, weight.getLoc(), type,
                             FlatSymbolRefAttr::get(name), DenseI64ArrayAttr());
    packed.push_back(
        PackOp::create(b, weight.getLoc(), packedType(type), read));
  }
  func::ReturnOp::create(b, module.getLoc(), packed);
  method.setFunctionType(b.getFunctionType({}, ValueRange(packed).getTypes()));
  return method;
}
