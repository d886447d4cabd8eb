//===- Report.h - What the CUDA code of a model needs -----------*- C++ -*-===//
//
// rill-compile --report.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_LIB_PIPELINE_REPORT_H
#define RILL_LIB_PIPELINE_REPORT_H

#include "rill/Target/NVVM/NVVM.h"

#include <map>

namespace rill {

/// Writes JSON to `path`: per CUDA target each kernel with its registers,
/// shared memory and occupancy as ptxas says, and each dispatch with its layer
/// and what it reads and computes (plan::DispatchCost) at the upper ends of the
/// variant. `logs` has ptxas' by target; an empty one gives no such figures.
rt::Status writeReport(mlir::ModuleOp planned,
                       const std::map<std::string, cubin::PtxasLog> &logs,
                       const std::string &path);

} // namespace rill

#endif
