//===- Evaluator.h - Runs rill methods in plain loops -----------*- C++ -*-===//
//
// The judge of all lowerings: what each op computes, one op at a time.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_REFERENCE_EVALUATOR_H
#define RILL_REFERENCE_EVALUATOR_H

#include "rill/Dialect/Rill/Rill.h"
#include "rill/Reference/Tensor.h"
#include "runtime/formats/status.h"

#include "mlir/IR/BuiltinOps.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"

#include <functional>
#include <memory>

namespace rill::reference {

/// Gives the data of weights. Called once per weight.
using WeightSource = std::function<rt::Result<Tensor>(WeightOp)>;

/// Reads weights from the safetensors files that the module's weights name,
/// relative to `folder`; computes those of source "generated#rope ...".
rt::Result<WeightSource> openWeights(mlir::ModuleOp module,
                                     const std::string &folder);

/// What rill.sample is given. The defaults are greedy.
struct Sampling {
  double temperature = 0, topP = 1, minP = 0, repeatPenalty = 1;
  int64_t topK = 0;
  uint64_t seed = 0;
};

/// Evaluates the methods of one module and keeps the session's states. The
/// module is at a phase above `lowered`: at `imported` and `fused` the method
/// itself is run, at `tiled` and `planned` the dispatches of the variant whose
/// ranges hold the inputs' sizes, each by its kernel's body.
class Evaluator {
public:
  Evaluator(mlir::ModuleOp module, WeightSource weights);

  /// Runs one method. On success every sequence's length has grown by S if
  /// the method appends to a state. Errors: InputInvalid (unknown method,
  /// wrong number, dtype or shape of inputs, ids out of range, more rows than
  /// a state holds, a module at phase lowered), CallUnsupported (no variant
  /// takes such sizes); then the session is unchanged but for state rows at
  /// and behind its length.
  rt::Result<std::vector<Tensor>> call(llvm::StringRef method,
                                       llvm::ArrayRef<Tensor> inputs);

  /// Length 0 for every sequence.
  void reset();
  /// Sets all lengths; the caller answers for ring histories.
  void setLength(int64_t rows);
  llvm::ArrayRef<int64_t> start() const { return lengths; }
  /// Rows [first, first+count) of a rows state, sequence `b`, in index order,
  /// each flattened: [count, row elements]. Rows before 0 are zero.
  rt::Result<Tensor> stateRows(llvm::StringRef state, int64_t b, int64_t first,
                               int64_t count);
  /// Writes `ids` into rows `first`, ... of a linear rows state of ids.
  rt::Status setIds(llvm::StringRef state, int64_t b, int64_t first,
                    llvm::ArrayRef<int64_t> ids);

  /// The fields of the control block that rill.control reads and
  /// rill.control.commit writes, one per sequence, and those of rill.sample.
  llvm::SmallVector<int64_t> tokens, positions;
  Sampling sampling;

  /// Called with the location name and value of every op result, in order; at
  /// `tiled` and `planned` with those of dispatches.
  std::function<void(llvm::StringRef, const Tensor &)> probe;
  /// Whose variants are run at `tiled` and `planned`; empty: the first's.
  std::string target;

private:
  friend class Frame;
  rt::Result<const Tensor *> weight(WeightOp op);
  Tensor &state(StateOp op);
  rt::Result<std::vector<Tensor>> callVariant(llvm::StringRef method,
                                              llvm::ArrayRef<Tensor> inputs);
  /// Runs `body` and takes the operands of its terminator; `rows` are added to
  /// every length when it appends.
  rt::Result<std::vector<Tensor>> finish(class Frame &frame, mlir::Block &body,
                                         int64_t rows);

  mlir::ModuleOp module;
  WeightSource source;
  llvm::StringMap<Tensor> weights, states;
  llvm::SmallVector<int64_t> lengths;
};

/// Is `tensor` of this element type and of these sizes, each >= 1 where the
/// type says none?
bool fits(const Tensor &tensor, mlir::RankedTensorType type);

} // namespace rill::reference

#endif
