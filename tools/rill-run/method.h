//===- method.h - Calling one method from the command line ------*- C++ -*-===//
//
// rill-run --method: inputs from files or text, outputs saved or compared.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_TOOLS_RILL_RUN_METHOD_H
#define RILL_TOOLS_RILL_RUN_METHOD_H

#include "rill.h"
#include "runtime/formats/status.h"

#include <string>
#include <vector>

namespace rill::tools {

struct MethodCall {
  std::string method;
  std::vector<std::string> inputs; ///< @file.npy, @f.safetensors#name, or
                                   ///< 1x4xi64=1,2,3,4
  std::string saveOutput, compareWith;
  double rtol = 0, atol = 0;
};

/// Invokes the method once, prints the shape of each output, saves and
/// compares. Errors: InputInvalid, OutputsDiffer (names the first tensor that
/// differs), and those of the runtime.
rt::Status callMethod(const rill_model *model, rill_session *session,
                      const MethodCall &call);

} // namespace rill::tools

#endif
