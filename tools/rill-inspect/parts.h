//===- parts.h - The parts of rill-inspect ----------------------*- C++ -*-===//
//
// What looks into a checkpoint, and what draws a plan.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_TOOLS_RILL_INSPECT_PARTS_H
#define RILL_TOOLS_RILL_INSPECT_PARTS_H

#include "runtime/core/artifact.h"

namespace rill::tools {

/// "[1,2,3]"
std::string shapeText(const std::vector<int64_t> &shape);

/// Ranges of a variant's symbols: " S 2..8", " h 2..1024 w 2..1024 in steps
/// of 2".
std::string rangesText(const rt::MethodVariant &variant);

/// Prints what import would use of a checkpoint folder; `tensors` adds one
/// line per tensor, `full` reads all weights. The error is import's.
rt::Status inspectFolder(const std::string &folder, bool tensors, bool full);

/// Prints the tensors of one .safetensors file.
rt::Status inspectTensors(const std::string &file);

/// The arena of every variant's plan over its dispatches, as one SVG.
rt::Result<std::string> plotPlans(const rt::Artifact &artifact);

} // namespace rill::tools

#endif
