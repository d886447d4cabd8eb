//===- DumpKernels.h - CUDA kernels one by one ------------------*- C++ -*-===//
//
// For people who look at code.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_LIB_PIPELINE_DUMPKERNELS_H
#define RILL_LIB_PIPELINE_DUMPKERNELS_H

#include "rill/Target/NVVM/NVVM.h"

namespace rill {

/// Writes every kernel of `lowered`, the nested module of `chip` inside
/// `module`, into `folder`: <layer>.<kernel>.{mlir,ll,ptx} and, when `ptxas` is
/// not empty, .cubin and .log. Kernels that break a budget are written too.
rt::Status dumpKernels(mlir::ModuleOp module, mlir::ModuleOp lowered,
                       const nvvm::Chip &chip, const std::string &ptxas,
                       const std::string &folder);

} // namespace rill

#endif
