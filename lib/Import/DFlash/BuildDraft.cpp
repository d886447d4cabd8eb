//===- BuildDraft.cpp - A DFlash drafter ----------------------------------===//
//
// Keys and values of the context are appended by the target's own methods, row
// by row with the target's; `draft` only reads them (arXiv 2602.06036).
//
//===----------------------------------------------------------------------===//
#include "../Graph.h"

using namespace mlir;
using namespace rill;
using namespace rill::families;

static std::string layerName(int64_t index) {
  return "draft.layers." + std::to_string(index);
}

/// One projection of the tapped rows serves every layer: the rows do not pass
/// input_layernorm.
void Graph::draftContext(ArrayRef<Value> layers, Value positions) {
  SmallVector<Value> tapped;
  for (int64_t tap : draft->taps) {
    tapped.push_back(layers[tap]);
  }
  auto width = static_cast<int64_t>(tapped.size()) * draft->hidden;
  Value features =
      StackOp::create(builder, loc("draft.features"),
                      type({batch, ShapedType::kDynamic, width}, act), tapped);
  Value projected =
      linear("draft.fc", features, weight("draft.fc.weight"), {}, f32);
  Value context = norm("draft.hidden_norm", projected, draft->normEps, act);
  for (size_t i = 0; i < draft->layers.size(); ++i) {
    std::string self = layerName(i) + ".self_attn";
    Value k = rotated(self + ".k_norm",
                      project(self + ".k_proj", context, draft->kvHeads),
                      positions, draft->normEps, draft->ropeTheta);
    Value v = project(self + ".v_proj", context, draft->kvHeads);
    append(self, layerName(i), k, v);
  }
}

Value Graph::draftLayer(int64_t index, Value x, Value positions) {
  std::string layer = layerName(index), self = layer + ".self_attn";
  const dflash::DraftLayer &masks = draft->layers[index];
  double eps = draft->normEps;
  Value n = norm(layer + "." + kQwen3Names.mixerNorm, x, eps, act);
  Value q =
      rotated(self + ".q_norm", project(self + ".q_proj", n, draft->heads),
              positions, eps, draft->ropeTheta);
  Value k =
      rotated(self + ".k_norm", project(self + ".k_proj", n, draft->kvHeads),
              positions, eps, draft->ropeTheta);
  Value v = project(self + ".v_proj", n, draft->kvHeads);
  Seen seen{masks.window ? Visibility::Window : Visibility::All,
            masks.causal ? Visibility::Causal : Visibility::All, masks.window};
  Value y = joinHeads(attend(self, layer, q, k, v, seen));
  Value out =
      linear(self + ".o_proj", y, weight(self + ".o_proj.weight"), {}, f32);
  x = add(layer + ".mixed", x, out);
  return add(layer, x, feedForward(layer, kQwen3Names, eps, x));
}

void Graph::buildDraft() {
  Block *block = openMethod(
      "draft", {{"ids", i64, {Dim(batch), Dim("S")}, config.text.vocab},
                {"positions", i64, {Dim(batch), Dim("S")}, capacity}});
  std::string name = std::string(kTextRoot) + "embed_tokens";
  Value x = EmbeddingOp::create(
      builder, loc("draft.embed_tokens"),
      type({batch, ShapedType::kDynamic, draft->hidden}, f32),
      weight(name + ".weight"), block->getArgument(0));
  for (size_t i = 0; i < draft->layers.size(); ++i) {
    x = draftLayer(static_cast<int64_t>(i), x, block->getArgument(1));
  }
  closeMethod(lmHead(norm("draft.norm", x, draft->normEps, act)));
}
