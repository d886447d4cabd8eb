//===- TargetPolicy.h - What a target says about kernels --------*- C++ -*-===//
//
// All chip facts that Tiling needs, behind one interface.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_TILING_TARGETPOLICY_H
#define RILL_TILING_TARGETPOLICY_H

#include "rill/Dialect/RillPlan/ShapeProgram.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Operation.h"
#include "mlir/Support/LLVM.h"

#include <string>

namespace rill {

/// How one dispatch is run.
struct KernelChoice {
  std::string kernelTemplate;  ///< KernelTemplate's name
  mlir::DictionaryAttr config; ///< its tile configuration
  std::string grid;            ///< shape program: number of tiles
  /// No template of its own: refused by --no-generic. The x86 targets have a
  /// template for every op they run.
  bool generic = false;
};

/// How the keys of an attention_update are shared out.
struct KeySplit {
  int64_t parts = 1;
  int64_t chunk = 0; ///< keys that stay together, from absolute multiples on
};

/// The calls that a kernel is chosen for.
struct Calls {
  /// May have more than kSmallRows rows per sequence.
  bool manyRows = false;
  /// The shape symbols at their upper ends; h and w share their bound, so each
  /// is largest once.
  plan::ShapeSymbols tall, wide;

  /// The largest value of a program.
  int64_t most(llvm::StringRef program) const;
};

/// The facts of one target.
class TargetPolicy {
public:
  virtual ~TargetPolicy() = default;

  /// Chooses for one (fused) op. `resultDims` holds a shape program per
  /// dimension of each result. Fails, without a message, when nothing of the
  /// target can run the op.
  virtual mlir::FailureOr<KernelChoice>
  choose(mlir::Operation *op,
         mlir::ArrayRef<mlir::SmallVector<std::string>> operandDims,
         mlir::ArrayRef<mlir::SmallVector<std::string>> resultDims,
         const Calls &calls) const = 0;
  /// For an attention_update, whatever its rows; one part: it stays whole.
  virtual KeySplit splitKeys(mlir::Operation *op) const { return {}; }
  /// Whether the templates of the operand's owner take this weight with
  /// #rill.packed. Weights whose users all do are packed when a model is
  /// opened.
  virtual bool readsPacked(mlir::OpOperand &weight) const { return false; }
};

/// The policy of `target`, or null when the name is not known. Owned by the
/// library.
const TargetPolicy *lookupTargetPolicy(llvm::StringRef target);
/// Makes a policy known; called once per target when tools register passes.
void registerTargetPolicy(llvm::StringRef target, const TargetPolicy *policy);

} // namespace rill

#endif
