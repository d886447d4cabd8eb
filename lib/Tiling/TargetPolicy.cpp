//===- TargetPolicy.cpp - What a target says about kernels ----------------===//
//
// The registry of policies, and what they are told.
//
//===----------------------------------------------------------------------===//
#include "rill/Tiling/TargetPolicy.h"

#include "llvm/ADT/StringMap.h"

using namespace rill;

int64_t Calls::most(llvm::StringRef program) const {
  return std::max(plan::evaluateProgram(program, tall).value_or(0),
                  plan::evaluateProgram(program, wide).value_or(0));
}

static llvm::StringMap<const TargetPolicy *> &policies() {
  static llvm::StringMap<const TargetPolicy *> map;
  return map;
}

const TargetPolicy *rill::lookupTargetPolicy(llvm::StringRef target) {
  return policies().lookup(target);
}

void rill::registerTargetPolicy(llvm::StringRef target,
                                const TargetPolicy *policy) {
  policies()[target] = policy;
}
