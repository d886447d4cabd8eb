//===- Templates.h - What targets may know of kernel templates --*- C++ -*-===//
//
// Tile sizes that a policy needs for its grids.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_KERNEL_TEMPLATES_H
#define RILL_KERNEL_TEMPLATES_H

#include "rill/Dialect/Rill/Rill.h"

#include "mlir/IR/Operation.h"

namespace rill::kernel {

/// Columns that the generic linear computes per tile.
inline constexpr int64_t kGenericColumns = 16;

/// True when template "attention" covers `op` on vectors of `lanes` values:
/// segments all or causal, head width a multiple of the lanes.
bool coversAttention(AttentionOp op, int64_t lanes);

/// True when the generic path has code for `op`.
bool hasGenericKernel(mlir::Operation *op);

} // namespace rill::kernel

#endif
