//===- nvtx.h - Ranges for profiling tools -----------------------*- C++
//-*-===//
//
// NVTX without its headers: what a tool like Nsight Systems injects is told of
// ranges.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_TOOLS_COMMON_NVTX_H
#define RILL_TOOLS_COMMON_NVTX_H

#include "runtime/formats/status.h"

namespace rill::tools {

/// Ranges of this process. Attaches once, as programs built with NVTX 3 do: to
/// a library already in the process that exports InitializeInjectionNvtx2, else
/// to the one that NVTX_INJECTION64_PATH names.
class Nvtx {
public:
  enum class Attached { No, Yes };

  /// No: there is nothing to attach to. Errors: ToolUnusable when a library is
  /// named and cannot be loaded or declines.
  static rt::Result<Attached> attach();

  /// Begins and ends a range of this thread; nothing without a tool.
  static void push(const char *name);
  static void pop();
};

} // namespace rill::tools

#endif
