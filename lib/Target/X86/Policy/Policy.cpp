//===- Policy.cpp - Which template an x86 target picks --------------------===//
//
// All facts about x86-64-v3 and v4 that Tiling asks for.
//
//===----------------------------------------------------------------------===//
#include "rill/Dialect/Rill/Rill.h"
#include "rill/Dialect/RillPlan/ShapeProgram.h"
#include "rill/Kernel/Templates.h"
#include "rill/Target/X86/X86.h"
#include "rill/Tiling/TargetPolicy.h"

using namespace mlir;
using namespace rill;

namespace {
/// One row per chip.
struct Chip {
  const char *name;
  int64_t lanes; ///< f32 lanes of a vector register
};

class X86Policy : public TargetPolicy {
public:
  FailureOr<KernelChoice>
  choose(Operation *op, ArrayRef<SmallVector<std::string>> operandDims,
         ArrayRef<SmallVector<std::string>> resultDims) const override;
};
} // namespace

static constexpr Chip kChips[] = {{"x86-64-v3", 8}, {"x86-64-v4", 16}};

static std::string product(ArrayRef<std::string> dims) {
  std::string text = "1";
  for (const std::string &dim : dims) {
    text = plan::multiplyPrograms(text, dim);
  }
  return text;
}

/// The generic path's tiles: one row of the result each, or a block of a
/// linear's columns.
static std::string genericGrid(Operation *op,
                               ArrayRef<SmallVector<std::string>> operandDims,
                               ArrayRef<SmallVector<std::string>> resultDims) {
  if (isa<LinearOp>(op)) {
    return plan::ceilDivProgram(resultDims[0].back(), kernel::kGenericColumns);
  }
  if (isa<StateAppendOp>(op)) {
    return product(ArrayRef(operandDims[0]).take_front(2));
  }
  if (isa<RopeOp>(op)) {
    return product(ArrayRef(resultDims[0]).take_front(2));
  }
  return product(ArrayRef(resultDims[0]).drop_back());
}

FailureOr<KernelChoice>
X86Policy::choose(Operation *op, ArrayRef<SmallVector<std::string>> operandDims,
                  ArrayRef<SmallVector<std::string>> resultDims) const {
  if (!kernel::hasGenericKernel(op)) {
    return failure();
  }
  return KernelChoice{"generic", DictionaryAttr::get(op->getContext()),
                      genericGrid(op, operandDims, resultDims)};
}

void rill::x86::registerPolicies() {
  static const X86Policy policy;
  for (const Chip &chip : kChips) {
    registerTargetPolicy(chip.name, &policy);
  }
}

bool rill::x86::isTarget(StringRef target) {
  return llvm::any_of(kChips, [&](Chip chip) { return target == chip.name; });
}
