//===- Frame.h - One call of the reference evaluator ------------*- C++ -*-===//
//
// The values of one method call, and the evaluation of each op family.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_LIB_REFERENCE_FRAME_H
#define RILL_LIB_REFERENCE_FRAME_H

#include "rill/Dialect/RillPlan/RillPlan.h"
#include "rill/Dialect/RillPlan/ShapeProgram.h"
#include "rill/Reference/Evaluator.h"

namespace rill::reference {

class Frame {
public:
  Frame(Evaluator &session) : session(session) {}

  rt::Status run(mlir::Block &block);

  llvm::DenseMap<mlir::Value, Tensor> values;
  llvm::DenseMap<mlir::Value, int64_t> indices;
  bool appended = false;
  /// The call's sizes: S of a method, all of a variant.
  plan::ShapeSymbols symbols;

private:
  const Tensor &get(mlir::Value value) { return values.find(value)->second; }
  llvm::ArrayRef<int64_t> starts() const { return session.lengths; }
  rt::Error error(mlir::Operation *op, const std::string &why);
  StateOp stateOf(mlir::Operation *op, mlir::FlatSymbolRefAttr symbol);

  /// One op; its results are put into `values`.
  rt::Status evaluate(mlir::Operation *op);
  /// The same for ops of rill_plan, views, sizes and index constants.
  rt::Status evaluatePlanOrView(mlir::Operation *op);

  // TensorOps.cpp
  rt::Result<Tensor> embedding(EmbeddingOp op);
  Tensor linear(LinearOp op);
  Tensor elementwise(ElementwiseOp op);
  Tensor rmsNorm(RmsNormOp op);
  Tensor layerNorm(LayerNormOp op);
  Tensor lastRow(LastRowOp op);
  Tensor stack(StackOp op);
  Tensor positionResize(PositionResizeOp op);
  rt::Result<Tensor> pixelUnshuffle(PixelUnshuffleOp op);

  // StateOps.cpp
  rt::Status weightRead(WeightReadOp op);
  Tensor stateRead(StateReadOp op);
  Tensor stateWindow(StateWindowOp op);
  rt::Status stateAppend(StateAppendOp op);
  Tensor control(ControlOp op);
  rt::Status controlCommit(ControlCommitOp op);
  /// Writes row s of sequence b; `row` has the row's elements.
  template <typename T>
  rt::Status appendRow(mlir::Operation *op, StateOp state, int64_t b, int64_t s,
                       const T *row);

  // SampleOp.cpp
  Tensor sample(SampleOp op);

  // Variants.cpp
  rt::Status planSymbol(plan::SymbolOp op);
  rt::Status planWeight(plan::WeightOp op);
  rt::Status planView(plan::ViewOp op);
  rt::Status dispatch(plan::DispatchOp op);

  // MixerOps.cpp
  Tensor shortConv(ShortConvOp op);
  rt::Result<Tensor> shortConvMix(ShortConvMixOp op);
  Tensor rope(RopeOp op);
  Tensor attention(AttentionOp op);
  rt::Result<Tensor> attentionUpdate(AttentionUpdateOp op);
  Tensor attentionTiled(AttentionTiledOp op);
  Tensor attentionMerge(AttentionMergeOp op);

  /// Evaluates a region of f32 scalars.
  float scalar(mlir::Region &body, llvm::ArrayRef<float> arguments);
  /// A zero tensor of the result's element type.
  static Tensor make(mlir::Value result, llvm::ArrayRef<int64_t> shape);

  Evaluator &session;
  /// In a kernel: the state of the session that stands for each local one.
  llvm::DenseMap<mlir::Attribute, StateOp> boundStates;
  bool inKernel = false;
};

/// y = x * rsqrt(mean x^2 + eps) * g over `count` values, unrounded.
void rmsNormRow(const float *x, const float *g, int64_t count, double eps,
                float *y);
/// Rotates one head in place.
void ropeRow(float *x, int64_t width, int64_t position, double theta,
             RopeLayout layout);
/// A location's checkpoint name, or "".
llvm::StringRef nameOf(mlir::Location location);

} // namespace rill::reference

#endif
