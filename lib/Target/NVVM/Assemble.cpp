//===- Assemble.cpp - PTX -> cubin by ptxas -------------------------------===//
//
// Our own call of ptxas: its report is read, kept and judged.
//
//===----------------------------------------------------------------------===//
#include "rill/Target/Common/MemoryFile.h"
#include "rill/Target/NVVM/NVVM.h"

#include "llvm/Support/Program.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <unistd.h>

using namespace rill;
using namespace rill::nvvm;
using llvm::StringRef;
using target::MemoryFile;

std::string rill::nvvm::findPtxas() {
  if (const char *chosen = std::getenv("RILL_PTXAS")) {
    return chosen;
  }
  if (auto found = llvm::sys::findProgramByName("ptxas")) {
    return *found;
  }
  if (const char *home = std::getenv("CUDA_HOME")) {
    std::string beside = std::string(home) + "/bin/ptxas";
    if (access(beside.c_str(), X_OK) == 0) {
      return beside;
    }
  }
  return "";
}

/// Spills, stacks and serialised wgmma are bugs of a template, never kept.
rt::Status rill::nvvm::checkBudget(const Chip &chip,
                                   const cubin::PtxasLog &report) {
  for (const cubin::PtxasKernel &kernel : report.kernels) {
    if (kernel.spillStores > 0 || kernel.spillLoads > 0 || kernel.stack > 0) {
      return rt::makeError(
          rt::ErrorCode::KernelBudget,
          std::string(chip.name) + ", kernel " + kernel.name,
          rt::format("%d registers, %d and %d bytes of spill stores and loads, "
                     "a stack of %d bytes; 0, 0 and 0 are allowed",
                     kernel.registers, kernel.spillStores, kernel.spillLoads,
                     kernel.stack));
    }
  }
  for (const auto &[code, line] : report.warnings) {
    if (StringRef(code).starts_with("C75")) {
      return rt::makeError(rt::ErrorCode::KernelBudget, chip.name, line);
    }
  }
  return {};
}

rt::Result<Assembled> rill::nvvm::assemble(const std::string &ptxas,
                                           const Chip &chip,
                                           const std::string &ptx) {
  MemoryFile input("rill.ptx"), output("rill.cubin"), log("rill.log");
  if (input.descriptor() < 0 || output.descriptor() < 0 ||
      log.descriptor() < 0 || !input.write(ptx)) {
    return rt::makeError(rt::ErrorCode::WriteFailed,
                         std::string("files in memory for ") + chip.name,
                         std::strerror(errno),
                         "raise the limits of this process");
  }
  std::string arch = std::string("-arch=") + chip.cpu, from = input.path(),
              to = output.path(), text = log.path(), message;
  StringRef arguments[] = {ptxas, arch, "-v", "-O3", from, "-o", to};
  std::optional<StringRef> redirects[] = {StringRef(""), StringRef(text),
                                          StringRef(text)};
  constexpr unsigned kSeconds = 600;
  int code = llvm::sys::ExecuteAndWait(ptxas, arguments, std::nullopt,
                                       redirects, kSeconds, 0, &message);
  Assembled result;
  result.log = log.read().value_or("");
  if (code != 0) {
    return rt::makeError(rt::ErrorCode::AssemblerFailed,
                         ptxas + " for " + chip.name,
                         rt::format("it ended with %d%s%s\n%s", code,
                                    message.empty() ? "" : ": ",
                                    message.c_str(), result.log.c_str()),
                         "RILL_PTXAS names another one; CUDA 13.0's is due");
  }
  result.cubin = output.read().value_or("");
  result.report = cubin::parsePtxasLog(result.log);
  return result;
}
