//===- Optimize.h - LLVM's pipeline as every target runs it -----*- C++ -*-===//
//
// Templates say themselves what is a vector and what is unrolled.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_TARGET_COMMON_OPTIMIZE_H
#define RILL_TARGET_COMMON_OPTIMIZE_H

namespace llvm {
class Module;
class TargetMachine;
} // namespace llvm

namespace rill::target {

/// LLVM's O2 pipeline but for the vectorisers and the unroller.
void optimize(llvm::Module &module, llvm::TargetMachine &machine);

} // namespace rill::target

#endif
