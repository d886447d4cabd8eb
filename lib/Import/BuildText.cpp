//===- BuildText.cpp - token_embedding and text_decoder -------------------===//
//
// The decoders of LFM2 (HF modeling_lfm2.py; lfm2_5_vl.md section 2) and Qwen3
// (HF modeling_qwen3.py).
//
//===----------------------------------------------------------------------===//
#include "Graph.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <cmath>

using namespace mlir;
using namespace rill;
using namespace rill::families;

Value Graph::embed(Value ids, Type element) {
  std::string name = std::string(kTextRoot) + "embed_tokens";
  SmallVector<int64_t> shape(
      ::mlir::cast<RankedTensorType>(ids.getType()).getShape());
  shape.push_back(config.text.hidden);
  return EmbeddingOp::create(builder, loc(name), type(shape, element),
                             weight(name + ".weight"), ids);
}

void Graph::buildTokenEmbedding() {
  Block *block =
      openMethod("token_embedding",
                 {{"ids", i64, {Dim(batch), Dim("S")}, config.text.vocab}});
  closeMethod(embed(block->getArgument(0), act));
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

Value Graph::project(const std::string &at, Value n, int64_t heads) {
  return splitHeads(linear(at, n, weight(at + ".weight"), {}, act), heads);
}

Value Graph::rotated(const std::string &name, Value x, Value positions,
                     double eps, double theta) {
  Value normed = norm(name, x, eps, f32);
  auto shape = ::mlir::cast<RankedTensorType>(x.getType()).getShape();
  return RopeOp::create(builder, loc(name + ".rope"), type(shape, act), normed,
                        positions, Value(), APFloat(theta), RopeLayout::Half);
}

Value Graph::attend(const std::string &at, const std::string &state, Value q,
                    Value k, Value v, const Seen &seen) {
  MLIRContext *context = builder.getContext();
  auto shape = ::mlir::cast<RankedTensorType>(k.getType()).getShape();
  int64_t width = shape[3];
  auto rows = type({batch, shape[2], capacity, width}, act);
  SmallVector<Value> keys, values;
  for (auto [name, row, list] :
       {std::tuple(".k", k, &keys), {".v", v, &values}}) {
    auto symbol = FlatSymbolRefAttr::get(context, state + name);
    list->push_back(StateReadOp::create(builder, loc(at), rows, symbol));
    list->push_back(row);
  }
  Value start = ControlOp::create(builder, loc(at), type({batch}, i64),
                                  ControlField::Start);
  auto segments = builder.getArrayAttr(
      {SegmentAttr::get(context, SegmentSource::State, seen.state, seen.window),
       SegmentAttr::get(context, SegmentSource::Value, seen.inside, 0)});
  return AttentionOp::create(
      builder, loc(at), q.getType(), q, keys, values, start, segments,
      APFloat(1.0 / std::sqrt(static_cast<double>(width))));
}

void Graph::append(const std::string &at, const std::string &state, Value k,
                   Value v) {
  for (auto [name, row] : {std::pair(".k", k), {".v", v}}) {
    auto symbol = FlatSymbolRefAttr::get(builder.getContext(), state + name);
    StateAppendOp::create(builder, loc(at), symbol, row);
  }
}

/// lfm2_5_vl.md 2.5: per-head norm, then RoPE, then append and attention.
Value Graph::selfAttention(int64_t index, const std::string &layer, Value n,
                           Value positions) {
  const TextConfig &text = config.text;
  std::string self = layer + ".self_attn";
  auto rotate = [&](const char *name, const char *product, int64_t heads) {
    return rotated(self + "." + name, project(self + product, n, heads),
                   positions, text.normEps, text.ropeTheta);
  };
  Value q = rotate(text.names.qNorm, ".q_proj", text.heads);
  Value k = rotate(text.names.kNorm, ".k_proj", text.kvHeads);
  Value v = project(self + ".v_proj", n, text.kvHeads);
  std::string state = "layers." + std::to_string(index);
  Value y = attend(self, state, q, k, v, Seen());
  append(self, state, k, v);
  std::string out = self + "." + text.names.out;
  return linear(out, joinHeads(y), weight(out + ".weight"), {}, f32);
}

Value Graph::feedForward(const std::string &layer, const TextNames &names,
                         double eps, Value x) {
  std::string mlp = layer + "." + names.mlp;
  Value n = norm(layer + "." + names.mlpNorm, x, eps, act);
  auto product = [&](const char *name, Value rows) {
    std::string at = mlp + "." + name;
    return linear(at, rows, weight(at + ".weight"), {}, f32);
  };
  Value gate = product(names.gate, n), up = product(names.up, n);
  Value mixed = elementwise(
      mlp + ".act", {gate, up}, act,
      [](OpBuilder &b, Location l, ValueRange args) -> Value {
        return arith::MulFOp::create(b, l, emitSilu(b, l, args[0]), args[1]);
      });
  return product(names.down, mixed);
}

/// The product with the head of its own or with the embedding table.
Value Graph::lmHead(Value n) {
  Value rows =
      weight(config.tied ? std::string(kTextRoot) + "embed_tokens.weight"
                         : "lm_head.weight");
  return linear("lm_head", n, rows, {}, f32);
}

Value Graph::logits(Value x) {
  const TextConfig &text = config.text;
  return lmHead(
      norm(std::string(kTextRoot) + text.names.lastNorm, x, text.normEps, act));
}

SmallVector<Value> Graph::decoderLayers(Value x, Value positions) {
  const TextConfig &text = config.text;
  SmallVector<Value> layers;
  for (size_t i = 0; i < text.isAttention.size(); ++i) {
    std::string layer = kTextRoot + ("layers." + std::to_string(i));
    Value n = norm(layer + "." + text.names.mixerNorm, x, text.normEps, act);
    Value mixed = text.isAttention[i] ? selfAttention(i, layer, n, positions)
                                      : shortConv(i, layer, n);
    x = add(layer + ".mixed", x, mixed);
    x = add(layer, x, feedForward(layer, text.names, text.normEps, x));
    layers.push_back(x);
  }
  return layers;
}

void Graph::buildTextDecoder(const Decoder &decoder) {
  const TextConfig &text = config.text;
  Block *block = openMethod(
      decoder.name, {{"embeds", act, {Dim(batch), Dim("S"), Dim(text.hidden)}},
                     {"positions", i64, {Dim(batch), Dim("S")}, capacity}});
  std::string root = kTextRoot;
  Value positions = block->getArgument(1);
  SmallVector<Value> layers = decoderLayers(
      cast(root + "embeds", block->getArgument(0), f32), positions);
  if (decoder.context) {
    draftContext(layers, positions);
  }
  SmallVector<Value> results;
  if (decoder.taps) {
    SmallVector<Value> tapped;
    for (int64_t tap : options.taps) {
      tapped.push_back(layers[tap]);
    }
    results.push_back(
        StackOp::create(builder, loc(root + "taps"),
                        type({static_cast<int64_t>(tapped.size()), batch,
                              ShapedType::kDynamic, text.hidden},
                             f32),
                        tapped));
  }
  Value x = layers.back();
  if (!decoder.allRows) {
    x = LastRowOp::create(builder, loc(root + "last_row"),
                          type({batch, text.hidden}, f32), x);
  }
  results.insert(results.begin(), logits(x));
  closeMethod(results);
}

void Graph::buildStep() {
  openMethod("step", {});
  std::string root = kTextRoot;
  auto field = [&](ControlField which) -> Value {
    return ControlOp::create(builder, loc(stringifyControlField(which).str()),
                             type({batch, 1}, i64), which);
  };
  Value ids = field(ControlField::Token);
  auto history = FlatSymbolRefAttr::get(builder.getContext(), kHistory);
  StateAppendOp::create(builder, loc(kHistory), history, ids);
  // token_embedding rounds to the activations' type; what the table holds in
  // that type needs no rounding and is widened at once.
  bool exact = tensors.at(root + "embed_tokens.weight").info->dtype ==
               (options.bf16 ? rt::Dtype::BF16 : rt::Dtype::F32);
  Value x = embed(ids, exact ? f32 : act);
  x = decoderLayers(cast(root + "embeds", x, f32),
                    field(ControlField::Position))
          .back();
  SmallVector<ReassociationIndices> rows = {{0, 1}, {2}};
  Value scores = logits(tensor::CollapseShapeOp::create(
      builder, loc(root + "last_row"), x, rows));
  Value next = SampleOp::create(builder, loc("sample"), type({batch}, i64),
                                scores, history);
  ControlCommitOp::create(builder, loc("commit"), next);
  closeMethod(next);
}
