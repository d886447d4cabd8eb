//===- Templates.h - Tile sizes that policies and templates share -*- C++ -*-=//
//
// What a policy must know of a template to give it a grid and scratch.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_KERNEL_TEMPLATES_H
#define RILL_KERNEL_TEMPLATES_H

#include "rill/Dialect/Rill/Rill.h"

#include <cstdint>
#include <string>

namespace rill::kernel {

/// True for "sm_90a", "compute_120" and their like: kernels of such a target
/// are CUDA kernels and their config holds "threads".
inline bool isCudaTarget(llvm::StringRef target) {
  return target.starts_with("sm_") || target.starts_with("compute_");
}

/// The product of some dimensions' programs.
std::string sizeProgram(llvm::ArrayRef<std::string> dims);
/// The template of both targets that runs an op row by row ("rows",
/// "positions", "short_conv"); empty when none does.
llvm::StringRef rowTemplate(mlir::Operation *op);
/// Its grid: a tile per row of the result; "attention": per query head.
std::string rowGrid(mlir::Operation *op,
                    llvm::ArrayRef<llvm::SmallVector<std::string>> operandDims,
                    llvm::ArrayRef<llvm::SmallVector<std::string>> resultDims);

/// Bytes of work space that a tile of "sample" needs: a bit per id.
int64_t sampleBytes(SampleOp op);

/// Blocks of the templates "gemm" and "flash_attention". A panel is `columns`
/// columns wide; `rows` rows times `vectors` vectors of `lanes` values are
/// accumulated in registers.
struct PanelShape {
  int64_t lanes, vectors, rows;

  /// Columns that one pass over a panel accumulates.
  int64_t columns() const { return lanes * vectors; }
};

/// Rows of a tile of "gemm" and products of one pass over the inner dimension:
/// a panel stays in a first-level cache of 48 KiB while all rows pass by.
inline constexpr int64_t kGemmRows = 256, kGemmInner = 128;

/// Bytes of scratch that a tile of "gemm" with `weights` zipped weights needs.
inline int64_t gemmScratch(PanelShape shape, int64_t weights) {
  int64_t panel = kGemmInner * shape.columns();
  int64_t sums = (kGemmRows + shape.rows) * shape.columns();
  int64_t rows = shape.rows * kGemmInner;
  return 4 * (weights * (panel + sums) + rows);
}

/// Query rows of a tile of "flash_attention" (all heads of a key/value head
/// together, at most), and keys of a block.
inline constexpr int64_t kFlashRows = 96, kFlashKeys = 64;

/// Sequence rows of a tile: as many as their `heads` query heads leave room.
inline int64_t flashSequenceRows(int64_t heads) {
  return heads >= kFlashRows ? 1 : kFlashRows / heads;
}

/// Bytes of scratch that a tile of "flash_attention" needs: queries, sums,
/// scores, keys, values, and a maximum and a sum per row.
inline int64_t flashScratch(PanelShape shape, int64_t heads, int64_t width) {
  int64_t padded = (width + shape.lanes - 1) / shape.lanes * shape.lanes;
  int64_t rows = flashSequenceRows(heads) * heads + shape.rows;
  return 4 * (rows * (width + padded + kFlashKeys + 2) +
              kFlashKeys * (width + padded));
}

/// Key/value heads when "flash_attention" covers `op` (its segments have equal
/// heads and are all visible or causal); 0 when it does not.
int64_t flashGroups(AttentionOp op);

} // namespace rill::kernel

#endif
