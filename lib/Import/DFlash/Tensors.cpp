//===- Tensors.cpp - Which tensor of a drafter is which -------------------===//
//
// 3 + 11 per layer, and no other.
//
//===----------------------------------------------------------------------===//
#include "Draft.h"

#include <set>

using namespace rill;
using namespace rill::dflash;

rt::Status rill::dflash::bindDraftTensors(const rt::TensorStore &store,
                                          const DraftConfig &draft,
                                          families::TensorMap &tensors) {
  std::set<std::string> used;
  auto take = [&](const std::string &name,
                  std::vector<int64_t> shape) -> rt::Status {
    const rt::TensorInfo *info = store.find(name);
    if (!info) {
      return families::missingTensor("draft/" + name, shape);
    }
    RILL_TRY(families::checkTensor(store, *info, shape));
    used.insert(name);
    tensors["draft." + name] = {info, std::move(shape),
                                families::kDraftFolder +
                                    store.fileNames()[info->file] + "#" + name};
    return {};
  };
  int64_t hidden = draft.hidden, wide = draft.feedForward;
  int64_t q = draft.heads * draft.headDim, kv = draft.kvHeads * draft.headDim;
  auto features = static_cast<int64_t>(draft.taps.size()) * hidden;
  RILL_TRY(take("fc.weight", {hidden, features}));
  RILL_TRY(take("hidden_norm.weight", {hidden}));
  RILL_TRY(take("norm.weight", {hidden}));
  for (size_t i = 0; i < draft.layers.size(); ++i) {
    std::string layer = "layers." + std::to_string(i) + ".";
    RILL_TRY(take(layer + "input_layernorm.weight", {hidden}));
    RILL_TRY(take(layer + "post_attention_layernorm.weight", {hidden}));
    RILL_TRY(take(layer + "self_attn.q_proj.weight", {q, hidden}));
    RILL_TRY(take(layer + "self_attn.k_proj.weight", {kv, hidden}));
    RILL_TRY(take(layer + "self_attn.v_proj.weight", {kv, hidden}));
    RILL_TRY(take(layer + "self_attn.o_proj.weight", {hidden, q}));
    RILL_TRY(take(layer + "self_attn.q_norm.weight", {draft.headDim}));
    RILL_TRY(take(layer + "self_attn.k_norm.weight", {draft.headDim}));
    RILL_TRY(take(layer + "mlp.gate_proj.weight", {wide, hidden}));
    RILL_TRY(take(layer + "mlp.up_proj.weight", {wide, hidden}));
    RILL_TRY(take(layer + "mlp.down_proj.weight", {hidden, wide}));
  }
  for (const rt::TensorInfo &info : store.tensors()) {
    if (!used.count(info.name)) {
      return rt::makeError(
          rt::ErrorCode::TensorUnused,
          store.fileNames()[info.file] + ", tensor \"" + info.name + "\"",
          "a drafter of this config.json has no such tensor; embedding and "
          "head are the target's");
    }
  }
  return {};
}
