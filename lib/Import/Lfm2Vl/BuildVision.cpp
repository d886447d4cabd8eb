//===- BuildVision.cpp - vision_encoder -----------------------------------===//
//
// SigLIP2 encoder, pixel unshuffle, projector (HF modeling_siglip2.py,
// modeling_lfm2_vl.py; lfm2_5_vl.md section 3).
//
//===----------------------------------------------------------------------===//
#include "../Graph.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <cmath>

using namespace mlir;
using namespace rill;
using namespace rill::families;

/// The projector's own LayerNorm eps (nn.LayerNorm default; lfm2_5_vl.md 3.5).
static constexpr double kProjectorEps = 1e-5;

Value Graph::visionLayer(const std::string &layer, Value x) {
  const VisionConfig &vision = *config.vision;
  std::string self = layer + ".self_attn";
  Value n = layerNorm(layer + ".layer_norm1", x, vision.normEps);
  auto project = [&](const char *name) {
    std::string at = self + "." + name;
    return splitHeads(
        linear(at, n, weight(at + ".weight"), weight(at + ".bias"), act),
        vision.heads);
  };
  Value q = project("q_proj"), k = project("k_proj"), v = project("v_proj");
  auto segments = builder.getArrayAttr(SegmentAttr::get(
      builder.getContext(), SegmentSource::Value, Visibility::All, 0));
  double width = static_cast<double>(vision.hidden / vision.heads);
  Value y = AttentionOp::create(builder, loc(self), q.getType(), q, k, v,
                                ValueRange(), segments,
                                APFloat(1.0 / std::sqrt(width)));
  Value out = linear(self + ".out_proj", joinHeads(y),
                     weight(self + ".out_proj.weight"),
                     weight(self + ".out_proj.bias"), f32);
  x = add(layer + ".mixed", x, out);
  Value m = layerNorm(layer + ".layer_norm2", x, vision.normEps);
  std::string mlp = layer + ".mlp";
  Value wide = linear(mlp + ".fc1", m, weight(mlp + ".fc1.weight"),
                      weight(mlp + ".fc1.bias"), f32);
  Value bent = elementwise(mlp + ".act", wide, act,
                           [](OpBuilder &b, Location l, ValueRange args) {
                             return emitGeluTanh(b, l, args[0]);
                           });
  Value narrow = linear(mlp + ".fc2", bent, weight(mlp + ".fc2.weight"),
                        weight(mlp + ".fc2.bias"), f32);
  return add(layer, x, narrow);
}

Value Graph::projector(Value x) {
  std::string root = kProjectorRoot;
  if (config.projector->layerNorm) {
    x = layerNorm(root + "layer_norm", x, kProjectorEps);
  }
  auto bias = [&](const char *name) {
    return config.projector->bias ? weight(root + name + ".bias") : Value();
  };
  Value wide = linear(root + "linear_1", x, weight(root + "linear_1.weight"),
                      bias("linear_1"), f32);
  Value bent = elementwise(root + "act", wide, act,
                           [](OpBuilder &b, Location l, ValueRange args) {
                             return emitGeluErf(b, l, args[0]);
                           });
  return linear(root + "linear_2", bent, weight(root + "linear_2.weight"),
                bias("linear_2"), act);
}

void Graph::buildVisionEncoder() {
  const VisionConfig &vision = *config.vision;
  int64_t input = vision.channels * vision.patch * vision.patch;
  Block *block = openMethod(
      "vision_encoder",
      {{"patches", f32, {Dim(batch), Dim("h"), Dim("w"), Dim(input)}}});
  Value patches = block->getArgument(0);
  std::string root = kVisionRoot;
  Location at = loc(root + "embeddings");
  Value height = tensor::DimOp::create(builder, at, patches, 1);
  Value width = tensor::DimOp::create(builder, at, patches, 2);
  SmallVector<ReassociationIndices> groups = {{0}, {1, 2}, {3}};
  Value rows = tensor::CollapseShapeOp::create(builder, at, patches, groups);
  rows = cast(root + "embeddings.cast", rows, act);
  std::string patch = root + "embeddings.patch_embedding";
  Value e = linear(patch, rows, weight(patch + ".weight"),
                   weight(patch + ".bias"), f32);
  std::string position = root + "embeddings.position_embedding";
  Value table = weight(position + ".weight");
  Value grid = PositionResizeOp::create(
      builder, loc(position), type({ShapedType::kDynamic, vision.hidden}, act),
      table, height, width);
  Value x = add(root + "embeddings", e, grid);
  for (int64_t i = 0; i < vision.layers; ++i) {
    x = visionLayer(root + "encoder.layers." + std::to_string(i), x);
  }
  Value n = layerNorm(root + "post_layernorm", x, vision.normEps);
  int64_t factor = config.projector->factor;
  Value merged = PixelUnshuffleOp::create(
      builder, loc(std::string(kProjectorRoot) + "pixel_unshuffle"),
      type({batch, ShapedType::kDynamic, vision.hidden * factor * factor}, act),
      n, height, width, builder.getI64IntegerAttr(factor));
  closeMethod(projector(merged));
}
