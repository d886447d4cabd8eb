//===- Graph.h - Builds rill ops for every family ---------------*- C++ -*-===//
//
// The builder that text, vision and drafter graphs share.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_LIB_IMPORT_GRAPH_H
#define RILL_LIB_IMPORT_GRAPH_H

#include "DFlash/Draft.h"
#include "Tensors.h"

#include "rill/Dialect/Rill/Rill.h"
#include "rill/Import/Import.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"

#include <functional>

namespace rill::families {

/// The state of all ids so far, for the repetition penalty of `step`.
inline constexpr const char *kHistory = "ids";

/// One argument or result dimension: a size, or S, h, w.
struct Dim {
  Dim(int64_t size) : size(size) {}
  Dim(const char *symbol) : size(mlir::ShapedType::kDynamic), symbol(symbol) {}
  int64_t size;
  std::string symbol;
};

/// Emits ops at named locations. Value types: `act` is the rounded activation
/// type (bf16 or f32), f32 the residual stream and everything unrounded.
class Graph {
public:
  /// `draft` may be null.
  Graph(mlir::ModuleOp module, const ModelConfig &config,
        const dflash::DraftConfig *draft, const TensorMap &tensors,
        const ImportOptions &options);

  /// rill.weight for every tensor, rill.state for every layer of the target
  /// and the drafter.
  void declareWeights();
  void declareStates();

  /// Opens a method and returns its arguments; closeMethod returns `results`.
  struct Argument {
    const char *name;
    mlir::Type element;
    std::vector<Dim> dims;
    int64_t limit = 0; ///< integer values are 0 .. limit-1; 0: no integers
  };
  mlir::Block *openMethod(const char *name, std::vector<Argument> arguments);
  void closeMethod(mlir::ValueRange results);

  // Values, all at location `at` (a checkpoint path).
  mlir::Value weight(const std::string &name);
  mlir::Value weightRows(const std::string &name, int64_t first, int64_t count);
  mlir::Value linear(const std::string &at, mlir::Value x, mlir::Value weight,
                     mlir::Value bias, mlir::Type element);
  mlir::Value norm(const std::string &name, mlir::Value x, double eps,
                   mlir::Type element);
  mlir::Value layerNorm(const std::string &name, mlir::Value x, double eps);
  using Scalar = std::function<mlir::Value(mlir::OpBuilder &, mlir::Location,
                                           mlir::ValueRange)>;
  mlir::Value elementwise(const std::string &at, mlir::ValueRange inputs,
                          mlir::Type element, Scalar body);
  mlir::Value add(const std::string &at, mlir::Value a, mlir::Value b);
  mlir::Value cast(const std::string &at, mlir::Value x, mlir::Type element);
  /// [B,S,n*d] <-> [B,S,n,d].
  mlir::Value splitHeads(mlir::Value x, int64_t heads);
  mlir::Value joinHeads(mlir::Value x);

  mlir::Location loc(const std::string &name);
  mlir::RankedTensorType type(llvm::ArrayRef<int64_t> shape,
                              mlir::Type element);

  // The text graph (BuildText.cpp), the vision graph (BuildVision.cpp) and the
  // drafter's (BuildDraft.cpp).
  struct Decoder {
    const char *name;
    bool allRows = false; ///< logits of every row, else of the last
    bool taps = false;    ///< a second result: options.taps, [K,B,S,H]
    bool context = false; ///< append the rows' keys and values of the drafter
  };
  void buildTokenEmbedding();
  void buildTextDecoder(const Decoder &decoder);
  /// The token of the control block to the next one: embedding, decoder, draw.
  void buildStep();
  void buildVisionEncoder();
  void buildDraft();

  const ModelConfig &config;
  const dflash::DraftConfig *draft;
  const ImportOptions &options;
  mlir::OpBuilder builder;
  mlir::Type f32, i64, act;
  int64_t batch, capacity;

private:
  void declareState(const std::string &name, StateLayout layout,
                    mlir::RankedTensorType rows, int64_t rowDim,
                    int64_t history);
  mlir::Value shortConv(int64_t index, const std::string &layer, mlir::Value n);
  mlir::Value selfAttention(int64_t index, const std::string &layer,
                            mlir::Value n, mlir::Value positions);
  mlir::Value feedForward(const std::string &layer, const TextNames &names,
                          double eps, mlir::Value x);
  /// A product of n, split into heads.
  mlir::Value project(const std::string &at, mlir::Value n, int64_t heads);
  /// Per-head norm, then RoPE, rounded to the activations' type.
  mlir::Value rotated(const std::string &name, mlir::Value x,
                      mlir::Value positions, double eps, double theta);
  /// Attention over the rows of `state`.k and .v and the rows k and v of this
  /// call, [B,S,n,d].
  struct Seen {
    Visibility state = Visibility::All, inside = Visibility::Causal;
    int64_t window = 0; ///< of `state`
  };
  mlir::Value attend(const std::string &at, const std::string &state,
                     mlir::Value q, mlir::Value k, mlir::Value v,
                     const Seen &seen);
  void append(const std::string &at, const std::string &state, mlir::Value k,
              mlir::Value v);
  mlir::Value embed(mlir::Value ids, mlir::Type element);
  /// x after every layer. x is [B,S,H] f32, positions [B,S].
  llvm::SmallVector<mlir::Value> decoderLayers(mlir::Value x,
                                               mlir::Value positions);
  mlir::Value lmHead(mlir::Value n);
  /// Logits of the rows of x, f32.
  mlir::Value logits(mlir::Value x);
  void draftContext(llvm::ArrayRef<mlir::Value> layers, mlir::Value positions);
  mlir::Value draftLayer(int64_t index, mlir::Value x, mlir::Value positions);
  mlir::Value visionLayer(const std::string &layer, mlir::Value x);
  mlir::Value projector(mlir::Value x);

  mlir::ModuleOp module;
  const TensorMap &tensors;
  mlir::func::FuncOp method;
};

/// Scalar bodies.
mlir::Value emitSilu(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x);
mlir::Value emitGeluTanh(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x);
mlir::Value emitGeluErf(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x);

} // namespace rill::families

#endif
