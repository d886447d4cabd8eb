//===- Import.h - Checkpoint -> rill ----------------------------*- C++ -*-===//
//
// Builds the methods of a checkpoint's model in the rill dialect.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_IMPORT_IMPORT_H
#define RILL_IMPORT_IMPORT_H

#include "runtime/formats/status.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <string>
#include <vector>

namespace rill {

struct ImportOptions {
  bool strict = false;         ///< unknown fields and contradictions are errors
  bool allowNonFinite = false; ///< accept NaN and infinity in weights
  bool bf16 = true;            ///< activations and states bf16, else f32
  int64_t batch = 1;           ///< B
  int64_t maxSeqLen = 4096;    ///< T, clipped to max_position_embeddings
  std::string draft;           ///< folder of a DFlash drafter; empty: none
  /// Layers whose rows are a second result of text_decoder_rows, [K,B,S,H].
  std::vector<int64_t> taps;
};

/// Imports the folder by its model_type, with the drafter's folder when one is
/// given. Returns a verified module at phase `imported`; the module names the
/// folders, weights are not copied. Findings
/// that are no errors are appended to `warnings`.
rt::Result<mlir::OwningOpRef<mlir::ModuleOp>>
importCheckpoint(mlir::MLIRContext &context, const std::string &folder,
                 const ImportOptions &options,
                 std::vector<std::string> &warnings);

} // namespace rill

#endif
