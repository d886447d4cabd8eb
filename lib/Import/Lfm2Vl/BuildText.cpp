//===- BuildText.cpp - token_embedding and text_decoder -------------------===//
//
// The LFM2 decoder (HF modeling_lfm2.py; lfm2_5_vl.md section 2).
//
//===----------------------------------------------------------------------===//
#include "Graph.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <cmath>

using namespace mlir;
using namespace rill;
using namespace rill::lfm2vl;

void Graph::buildTokenEmbedding() {
  Block *block =
      openMethod("token_embedding",
                 {{"ids", i64, {Dim(batch), Dim("S")}, config.text.vocab}});
  std::string name = std::string(kTextRoot) + "embed_tokens";
  Value y = EmbeddingOp::create(
      builder, loc(name),
      type({batch, ShapedType::kDynamic, config.text.hidden}, act),
      weight(name + ".weight"), block->getArgument(0));
  closeMethod(y);
}

static Value multiply(OpBuilder &b, Location loc, ValueRange args) {
  return arith::MulFOp::create(b, loc, args[0], args[1]);
}

/// lfm2_5_vl.md 2.3: B, C and x are three products over three runs of rows of
/// in_proj; g = B*x is what the state holds.
Value Graph::shortConv(int64_t index, const std::string &layer, Value n) {
  std::string conv = layer + ".conv";
  int64_t hidden = config.text.hidden;
  SmallVector<Value> parts;
  for (int64_t part = 0; part < 3; ++part) {
    Value bias = config.text.convBias
                     ? weightRows(conv + ".in_proj.bias", part * hidden, hidden)
                     : Value();
    parts.push_back(
        linear(conv + ".in_proj", n,
               weightRows(conv + ".in_proj.weight", part * hidden, hidden),
               bias, f32));
  }
  Value g = elementwise(conv + ".gate_in", {parts[0], parts[2]}, act, multiply);
  auto state = FlatSymbolRefAttr::get(
      builder.getContext(), "layers." + std::to_string(index) + ".conv");
  Value window = StateWindowOp::create(
      builder, loc(conv), type({batch, config.text.taps - 1, hidden}, act),
      state);
  auto shape = ::mlir::cast<RankedTensorType>(g.getType()).getShape();
  Value bias = config.text.convBias ? weight(conv + ".conv.bias") : Value();
  Value c = ShortConvOp::create(builder, loc(conv + ".conv"), type(shape, f32),
                                window, g, weight(conv + ".conv.weight"), bias);
  StateAppendOp::create(builder, loc(conv), state, g);
  Value y = elementwise(conv + ".gate_out", {parts[1], c}, act, multiply);
  Value outBias =
      config.text.convBias ? weight(conv + ".out_proj.bias") : Value();
  return linear(conv + ".out_proj", y, weight(conv + ".out_proj.weight"),
                outBias, f32);
}

/// lfm2_5_vl.md 2.5: per-head norm, then RoPE, then append and attention.
Value Graph::selfAttention(int64_t index, const std::string &layer, Value n,
                           Value positions) {
  const TextConfig &text = config.text;
  std::string self = layer + ".self_attn";
  auto project = [&](const char *name, int64_t heads) {
    std::string at = self + "." + name;
    return splitHeads(linear(at, n, weight(at + ".weight"), {}, act), heads);
  };
  auto rotate = [&](const std::string &name, Value x) -> Value {
    Value normed = norm(name, x, text.normEps, f32);
    auto shape = ::mlir::cast<RankedTensorType>(x.getType()).getShape();
    return RopeOp::create(builder, loc(name + ".rope"), type(shape, act),
                          normed, positions, Value(), APFloat(text.ropeTheta),
                          RopeLayout::Half);
  };
  Value q = rotate(self + ".q_layernorm", project("q_proj", text.heads));
  Value k = rotate(self + ".k_layernorm", project("k_proj", text.kvHeads));
  Value v = project("v_proj", text.kvHeads);
  std::string state = "layers." + std::to_string(index);
  auto rows = type({batch, text.kvHeads, capacity, text.headDim}, act);
  SmallVector<Value> keys, values;
  for (auto [name, row, list] :
       {std::tuple(".k", k, &keys), {".v", v, &values}}) {
    auto symbol = FlatSymbolRefAttr::get(builder.getContext(), state + name);
    list->push_back(StateReadOp::create(builder, loc(self), rows, symbol));
    list->push_back(row);
  }
  Value start = ControlOp::create(builder, loc(self), type({batch}, i64),
                                  ControlField::Start);
  MLIRContext *context = builder.getContext();
  auto segments = builder.getArrayAttr(
      {SegmentAttr::get(context, SegmentSource::State, Visibility::All, 0),
       SegmentAttr::get(context, SegmentSource::Value, Visibility::Causal, 0)});
  Value y = AttentionOp::create(
      builder, loc(self), q.getType(), q, keys, values, start, segments,
      APFloat(1.0 / std::sqrt(static_cast<double>(text.headDim))));
  for (auto [name, row] : {std::pair(".k", k), {".v", v}}) {
    auto symbol = FlatSymbolRefAttr::get(context, state + name);
    StateAppendOp::create(builder, loc(self), symbol, row);
  }
  return linear(self + ".out_proj", joinHeads(y),
                weight(self + ".out_proj.weight"), {}, f32);
}

Value Graph::feedForward(const std::string &layer, Value x) {
  std::string mlp = layer + ".feed_forward";
  Value n = norm(layer + ".ffn_norm", x, config.text.normEps, act);
  Value gate = linear(mlp + ".w1", n, weight(mlp + ".w1.weight"), {}, f32);
  Value up = linear(mlp + ".w3", n, weight(mlp + ".w3.weight"), {}, f32);
  Value mixed = elementwise(
      mlp + ".act", {gate, up}, act,
      [](OpBuilder &b, Location l, ValueRange args) -> Value {
        return arith::MulFOp::create(b, l, emitSilu(b, l, args[0]), args[1]);
      });
  return linear(mlp + ".w2", mixed, weight(mlp + ".w2.weight"), {}, f32);
}

void Graph::buildTextDecoder(const char *name, bool allRows) {
  const TextConfig &text = config.text;
  Block *block = openMethod(
      name, {{"embeds", act, {Dim(batch), Dim("S"), Dim(text.hidden)}},
             {"positions", i64, {Dim(batch), Dim("S")}, capacity}});
  std::string root = kTextRoot;
  Value x = cast(root + "embeds", block->getArgument(0), f32);
  for (size_t i = 0; i < text.isAttention.size(); ++i) {
    std::string layer = root + "layers." + std::to_string(i);
    Value n = norm(layer + ".operator_norm", x, text.normEps, act);
    Value mixed = text.isAttention[i]
                      ? selfAttention(i, layer, n, block->getArgument(1))
                      : shortConv(i, layer, n);
    x = add(layer + ".mixed", x, mixed);
    x = add(layer, x, feedForward(layer, x));
  }
  if (!allRows) {
    x = LastRowOp::create(builder, loc(root + "last_row"),
                          type({batch, text.hidden}, f32), x);
  }
  Value n = norm(root + "embedding_norm", x, text.normEps, act);
  Value head =
      weight(config.tied ? root + "embed_tokens.weight" : "lm_head.weight");
  closeMethod(linear("lm_head", n, head, {}, f32));
}
