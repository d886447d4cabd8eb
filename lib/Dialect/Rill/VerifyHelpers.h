//===- VerifyHelpers.h - Shared by the verifiers of rill --------*- C++ -*-===//
//
// Small checks that several op families need.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_LIB_DIALECT_RILL_VERIFYHELPERS_H
#define RILL_LIB_DIALECT_RILL_VERIFYHELPERS_H

#include "rill/Dialect/Rill/Rill.h"

#include "llvm/ADT/StringRef.h"

namespace rill {

/// A dimension agrees with another when both are equal or one is dynamic.
inline bool agree(int64_t a, int64_t b) {
  return a == b || mlir::ShapedType::isDynamic(a) ||
         mlir::ShapedType::isDynamic(b);
}

inline bool agree(llvm::ArrayRef<int64_t> a, llvm::ArrayRef<int64_t> b) {
  return a.size() == b.size() &&
         llvm::all_of(llvm::zip_equal(a, b), [](auto pair) {
           return agree(std::get<0>(pair), std::get<1>(pair));
         });
}

inline mlir::RankedTensorType tensorType(mlir::Value value) {
  return llvm::cast<mlir::RankedTensorType>(value.getType());
}

/// The last dimension of a value of rank >= 1, else dynamic.
inline int64_t lastDim(mlir::Value value) {
  auto type = tensorType(value);
  return type.getRank() ? type.getShape().back() : mlir::ShapedType::kDynamic;
}

inline bool isVectorOf(mlir::Value value, int64_t size) {
  auto type = tensorType(value);
  return type.getRank() == 1 && agree(type.getDimSize(0), size);
}

/// The state named by `symbol`, seen from `op`; emits an error labelled
/// `constraint` when there is none.
StateOp lookupState(mlir::Operation *op, mlir::FlatSymbolRefAttr symbol,
                    mlir::SymbolTableCollection &tables,
                    llvm::StringRef constraint);

/// Checks a region of f32 scalars: `inputs` arguments, listed ops only.
mlir::LogicalResult verifyScalarRegion(mlir::Operation *op, mlir::Region &body,
                                       unsigned inputs,
                                       llvm::StringRef constraint);

} // namespace rill

#endif
