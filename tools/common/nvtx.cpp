//===- nvtx.cpp - Ranges for profiling tools
//-------------------------------===//
//
// The injection interface of NVTX 3, from its public documentation: the tool
// is given a function that hands out tables of addresses of function pointers,
// and stores its own functions there.
//
//===----------------------------------------------------------------------===//
#include "tools/common/nvtx.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <dlfcn.h>

using namespace rill;
using namespace rill::tools;

namespace {
using Function = void (*)();
constexpr uint32_t kCallbacks = 1, kVersionInfo = 3; // NvtxExportTableID
constexpr unsigned kCore = 1, kModules = 7;          // NvtxCallbackModule
constexpr unsigned kRangePushA = 9, kRangePop = 11;  // NvtxCallbackIdCore
constexpr unsigned kMostIds = 16;
/// Ids of each module: none, core, CUDA, OpenCL, CUDA runtime, core 2, sync.
constexpr unsigned kIds[kModules] = {0, 16, 9, 15, 7, 16, 7};

struct Module {
  Function functions[kMostIds];
  Function *table[kMostIds + 1]; ///< ends with null
};
/// What tools hold addresses of; lives as long as the process.
Module modules[kModules];

struct CallbackTable {
  size_t size;
  int (*moduleTable)(int module, Function ***table, unsigned *count);
};
struct VersionTable {
  size_t size;
  uint32_t version, reserved;
  void (*setToolVersion)(uint32_t);
};

int moduleTable(int module, Function ***table, unsigned *count) {
  if (module < 1 || module >= static_cast<int>(kModules)) {
    return 0;
  }
  Module &own = modules[module];
  for (unsigned id = 1; id < kIds[module]; ++id) {
    own.table[id] = &own.functions[id];
  }
  if (table) {
    *table = own.table;
  }
  if (count) {
    *count = kIds[module];
  }
  return 1;
}

void ignoreToolVersion(uint32_t) {}

const void *exportTable(uint32_t id) {
  static const CallbackTable callbacks = {sizeof(callbacks), moduleTable};
  static const VersionTable version = {sizeof(version), 3, 0,
                                       ignoreToolVersion};
  if (id == kCallbacks) {
    return &callbacks;
  }
  return id == kVersionInfo ? &version : nullptr;
}
} // namespace

rt::Result<Nvtx::Attached> Nvtx::attach() {
  using Initialize = int (*)(const void *(*)(uint32_t));
  constexpr const char *kEntry = "InitializeInjectionNvtx2";
  constexpr const char *kVariable = "NVTX_INJECTION64_PATH";
  auto entry = reinterpret_cast<Initialize>(dlsym(RTLD_DEFAULT, kEntry));
  std::string where = "the library loaded before";
  if (!entry) {
    const char *path = std::getenv(kVariable);
    if (!path || !*path) {
      return Attached::No;
    }
    where = std::string(kVariable) + "=" + path;
    void *library = dlopen(path, RTLD_LAZY);
    if (!library) {
      const char *why = dlerror();
      return rt::makeError(rt::ErrorCode::ToolUnusable, where,
                           why ? why : "the loader gives no reason",
                           "name the tool's NVTX library, or unset it");
    }
    entry = reinterpret_cast<Initialize>(dlsym(library, kEntry));
  }
  if (!entry || !entry(exportTable)) {
    // What a tool that declined has stored is not called.
    modules[kCore] = {};
    return rt::makeError(rt::ErrorCode::ToolUnusable, where,
                         entry ? std::string(kEntry) + " answers 0"
                               : std::string("exports no ") + kEntry,
                         "name the tool's NVTX library, or unset it");
  }
  return Attached::Yes;
}

void Nvtx::push(const char *name) {
  if (Function push = modules[kCore].functions[kRangePushA]) {
    reinterpret_cast<int (*)(const char *)>(push)(name);
  }
}

void Nvtx::pop() {
  if (Function pop = modules[kCore].functions[kRangePop]) {
    reinterpret_cast<int (*)()>(pop)();
  }
}
