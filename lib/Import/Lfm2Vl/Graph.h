//===- Graph.h - Builds rill ops for LFM2 and LFM2-VL -----------*- C++ -*-===//
//
// The builder that text and vision graphs share.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_LIB_IMPORT_LFM2VL_GRAPH_H
#define RILL_LIB_IMPORT_LFM2VL_GRAPH_H

#include "Tensors.h"

#include "rill/Dialect/Rill/Rill.h"
#include "rill/Import/Import.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"

#include <functional>

namespace rill::lfm2vl {

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
  Graph(mlir::ModuleOp module, const ModelConfig &config,
        const TensorMap &tensors, const rt::TensorStore &store,
        const ImportOptions &options);

  /// rill.weight for every tensor, rill.state for every layer.
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

  // The text graph (BuildText.cpp) and the vision graph (BuildVision.cpp).
  void buildTokenEmbedding();
  void buildTextDecoder(const char *name, bool allRows);
  void buildVisionEncoder();

  const ModelConfig &config;
  const ImportOptions &options;
  mlir::OpBuilder builder;
  mlir::Type f32, i64, act;
  int64_t batch, capacity;

private:
  mlir::Value shortConv(int64_t index, const std::string &layer, mlir::Value n);
  mlir::Value selfAttention(int64_t index, const std::string &layer,
                            mlir::Value n, mlir::Value positions);
  mlir::Value feedForward(const std::string &layer, mlir::Value x);
  mlir::Value visionLayer(const std::string &layer, mlir::Value x);
  mlir::Value projector(mlir::Value x);

  mlir::ModuleOp module;
  const TensorMap &tensors;
  const rt::TensorStore &store;
  mlir::func::FuncOp method;
};

/// Scalar bodies.
mlir::Value emitSilu(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x);
mlir::Value emitGeluTanh(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x);
mlir::Value emitGeluErf(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x);

} // namespace rill::lfm2vl

#endif
