//===- TargetPolicy.cpp - What a target says about kernels ----------------===//
//
// The registry of policies.
//
//===----------------------------------------------------------------------===//
#include "rill/Tiling/TargetPolicy.h"

#include "llvm/ADT/StringMap.h"

using namespace rill;

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
