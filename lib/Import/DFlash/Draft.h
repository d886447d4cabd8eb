//===- Draft.h - What a DFlash drafter's folder says ------------*- C++ -*-===//
//
// The z-lab export format (arXiv 2602.06036; github.com/z-lab/dflash).
//
//===----------------------------------------------------------------------===//
#ifndef RILL_LIB_IMPORT_DFLASH_DRAFT_H
#define RILL_LIB_IMPORT_DFLASH_DRAFT_H

#include "../Tensors.h"

#include "rill/Checkpoint/Checkpoint.h"

namespace rill::dflash {

/// What a query of one draft layer sees.
struct DraftLayer {
  int64_t window = 0;  ///< context keys, own position counted; 0: all
  bool causal = false; ///< inside the block; else bidirectional
};

/// config.json of a drafter. Letters as in docs/Dialect.md.
struct DraftConfig {
  int64_t hidden, heads, kvHeads, headDim; // H, h, kv, d
  int64_t feedForward, vocab;              // F, V
  int64_t block;                           // 1 anchor and block - 1 proposals
  int64_t maskToken;
  int64_t targetLayers;
  std::vector<int64_t> taps; // K layers of the target, in feature order
  double normEps, ropeTheta;
  std::vector<DraftLayer> layers;
  std::vector<std::string> warnings;
};

/// The tapped layers of a drafter that names none: `draftLayers` indices
/// spread over the target's layers, halves rounded to even.
std::vector<int64_t> defaultTaps(int64_t targetLayers, int64_t draftLayers);

/// Reads `config`. Errors: JsonField, ConfigUnsupported (another member of the
/// family, by name), ConfigUnknownKey (inside dflash_config always, elsewhere
/// when `strict`).
rt::Result<DraftConfig> readDraftConfig(const rt::JsonField &config,
                                        bool strict);

/// DraftMismatch with both values when the drafter belongs to another target.
rt::Status checkTarget(const Checkpoint &draftFolder, const DraftConfig &draft,
                       const Checkpoint &targetFolder,
                       const families::ModelConfig &target);

/// Adds every tensor of the drafter to `tensors` as "draft.<name>", with
/// sources below "draft/". Errors: TensorMissing, TensorShape, TensorDtype,
/// TensorUnused (any other tensor).
rt::Status bindDraftTensors(const rt::TensorStore &store,
                            const DraftConfig &draft,
                            families::TensorMap &tensors);

} // namespace rill::dflash

#endif
