//===- Tensors.h - Which tensor is which ------------------------*- C++ -*-===//
//
// Canonical names of LFM2-VL tensors, aliases, required shapes.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_LIB_IMPORT_LFM2VL_TENSORS_H
#define RILL_LIB_IMPORT_LFM2VL_TENSORS_H

#include "Config.h"

#include "runtime/formats/safetensors.h"

#include <map>

namespace rill::lfm2vl {

/// Canonical roots: the names on the hub (lfm2_5_vl.md 1.6).
inline constexpr const char *kVisionRoot = "model.vision_tower.vision_model.";
inline constexpr const char *kProjectorRoot = "model.multi_modal_projector.";
inline constexpr const char *kTextRoot = "model.language_model.";

/// One tensor of the model under its canonical name.
struct ModelTensor {
  const rt::TensorInfo *info; ///< owned by the checkpoint's store
  std::vector<int64_t> shape; ///< a row-major reshape of info->shape
};
using TensorMap = std::map<std::string, ModelTensor>;

/// The canonical name of a tensor as stored: every alias of lfm2_5_vl.md 1.7.
std::string canonicalName(const std::string &stored, const std::string &family);

/// Finds every tensor `config` needs, checks shapes and dtypes, and that none
/// is left over. Corrects `config` by what the tensors say (projector
/// LayerNorm, untied head), with a warning, or an error when `strict`.
rt::Result<TensorMap> bindTensors(const rt::TensorStore &store,
                                  ModelConfig &config, bool strict);

} // namespace rill::lfm2vl

#endif
