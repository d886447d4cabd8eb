//===- SplitFused.h - Fused ops for many rows -------------------*- C++ -*-===//
//
// The inverse of the mixer and prologue fusions.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_LIB_TILING_SPLITFUSED_H
#define RILL_LIB_TILING_SPLITFUSED_H

#include "rill/Tiling/TargetPolicy.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace rill {

/// Up to this many rows per sequence a call's rows fit the small-M family, and
/// a ring state has room for them beside its history.
inline constexpr int64_t kSmallRows = 16;

/// Rewrites the ops of `method` that only the small-M family runs:
/// short_conv_mix and attention_update into their parts, and the rms_norm
/// prologue of products over dynamically many rows into a norm of its own.
/// Bit-exact by Reference.
void splitFused(mlir::func::FuncOp method);

/// Splits each attention_update whose only user is a product over its rows by
/// the policy, and lets that product merge the parts.
void splitKeys(mlir::func::FuncOp method, const TargetPolicy &policy);

} // namespace rill

#endif
