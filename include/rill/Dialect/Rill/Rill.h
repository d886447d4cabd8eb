//===- Rill.h - The rill dialect --------------------------------*- C++ -*-===//
//
// Classes of the rill dialect, generated from dialects/Rill.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_DIALECT_RILL_RILL_H
#define RILL_DIALECT_RILL_RILL_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace rill {
/// All session states; reads and appends of one session are ordered by it.
struct StateResource : mlir::SideEffects::Resource::Base<StateResource> {
  mlir::StringRef getName() final { return "rill.states"; }
};
/// The control block of a session.
struct ControlResource : mlir::SideEffects::Resource::Base<ControlResource> {
  mlir::StringRef getName() final { return "rill.control"; }
};
} // namespace rill

#include "dialects/Rill/RillDialect.h.inc"
#include "dialects/Rill/RillEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/Rill/RillAttrs.h.inc"

#define GET_OP_CLASSES
#include "dialects/Rill/RillOps.h.inc"

namespace rill {
/// True when `op` may stand in the region of an elementwise or linear op:
/// the list of docs/Dialect.md, which Reference covers exactly.
bool isListedScalarOp(mlir::Operation *op);

/// Rows and columns of a block of #rill.packed.
inline constexpr int64_t kPackedRows = 8, kPackedColumns = 32;
/// Whether a tensor type has the encoding #rill.packed.
bool isPacked(mlir::Type type);
/// `type` with the encoding #rill.packed; null unless it is a static bf16
/// matrix without encoding.
mlir::RankedTensorType packedType(mlir::Type type);
/// Elements that the memory of a static tensor holds, padding included.
int64_t storedElements(mlir::RankedTensorType type);

/// Role of the method that Tiling makes to pack weights.
inline constexpr llvm::StringLiteral kInitMethod = "init";

/// Where `file`, the first half of a weight's source, lies: below the folder
/// that rill.checkpoint's `parts` name for its prefix, else below `folder`.
std::string weightFilePath(mlir::ModuleOp module, mlir::StringRef folder,
                           mlir::StringRef file);
} // namespace rill

#endif
