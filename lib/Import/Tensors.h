//===- Tensors.h - Which tensor is which ------------------------*- C++ -*-===//
//
// Canonical names of tensors, aliases, required shapes.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_LIB_IMPORT_TENSORS_H
#define RILL_LIB_IMPORT_TENSORS_H

#include "ModelConfig.h"

#include "runtime/formats/safetensors.h"

#include <map>

namespace rill::families {

/// Canonical roots: the names on the hub (lfm2_5_vl.md 1.6).
inline constexpr const char *kVisionRoot = "model.vision_tower.vision_model.";
inline constexpr const char *kProjectorRoot = "model.multi_modal_projector.";
inline constexpr const char *kTextRoot = "model.language_model.";

/// One tensor of the model under its canonical name.
struct ModelTensor {
  const rt::TensorInfo *info; ///< owned by the checkpoint's store
  std::vector<int64_t> shape; ///< a row-major reshape of info->shape
  std::string source;         ///< "<file>#<tensor>"
};
/// Before the files of a drafter in the sources of its weights.
inline constexpr const char *kDraftFolder = "draft/";
using TensorMap = std::map<std::string, ModelTensor>;

/// The canonical name of a tensor as stored: every alias of lfm2_5_vl.md 1.7.
std::string canonicalName(const std::string &stored, const std::string &family);

/// Is `info` of a weight's dtype and, reshaped at most as convolution filters
/// are, of this shape? TensorShape or TensorDtype naming both.
rt::Status checkTensor(const rt::TensorStore &store, const rt::TensorInfo &info,
                       const std::vector<int64_t> &shape);
/// TensorMissing for `name`.
rt::Error missingTensor(const std::string &name,
                        const std::vector<int64_t> &shape);

/// Finds every tensor `config` needs, checks shapes and dtypes, and that none
/// is left over. Corrects `config` by what the tensors say (projector
/// LayerNorm, untied head), with a warning, or an error when `strict`.
rt::Result<TensorMap> bindTensors(const rt::TensorStore &store,
                                  ModelConfig &config, bool strict);

} // namespace rill::families

#endif
