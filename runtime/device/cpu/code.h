//===- code.h - Native CPU code of an artifact ------------------*- C++ -*-===//
//
// Chooses a target for this processor, checks its ELF image, maps it.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_DEVICE_CPU_CODE_H
#define RILL_RUNTIME_DEVICE_CPU_CODE_H

#include "rill-rt/kernel_abi.h"
#include "runtime/formats/status.h"

#include <span>
#include <string>
#include <vector>

namespace rill::rt {

/// The x86-64 levels this processor runs, best first: "x86-64-v4", ...
std::vector<std::string> cpuTargets();

/// Checks that `image` is an x86-64 shared object with no needed library, no
/// constructor or destructor, and no undefined symbol but memcpy, memset and
/// memmove. Nothing is executed. Errors: CodeInvalid.
Status checkElf(std::span<const uint8_t> image, const std::string &where);

/// A loaded shared object.
class CpuCode {
public:
  CpuCode() = default;
  CpuCode(CpuCode &&other) noexcept { *this = std::move(other); }
  CpuCode &operator=(CpuCode &&other) noexcept;
  ~CpuCode();

  /// Checks, then loads through a memory file. `kernels` names the symbols
  /// to look up. Errors: CodeInvalid.
  static Result<CpuCode> load(std::span<const uint8_t> image,
                              const std::vector<std::string> &kernels,
                              const std::string &where);

  rill_rt_cpu_kernel kernel(size_t index) const { return functions[index]; }

private:
  void *handle = nullptr;
  /// The memory file, open as long as the object is loaded: dlopen gives what
  /// is loaded under the same name, and a closed file's number, which is the
  /// name, goes to the next model.
  int file = -1;
  std::vector<rill_rt_cpu_kernel> functions;
};

} // namespace rill::rt

#endif
