// cuGetProcAddress: the newest version of a name, as the loader sees it.
#include "State.h"

#include <cstring>
#include <dlfcn.h>

namespace rill::emu::cuda {

/// A handle on this library itself.
static void *self() {
  static void *handle = [] {
    Dl_info info;
    if (!dladdr(reinterpret_cast<void *>(&errorName), &info)) {
      return static_cast<void *>(nullptr);
    }
    return dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD);
  }();
  return handle;
}

static void *lookup(const std::string &name) {
  void *from = self();
  for (const char *suffix : {"_v4", "_v3", "_v2", ""}) {
    std::string full = name + suffix;
    // A versioned name asked for directly is itself.
    if (void *p = from ? dlsym(from, full.c_str())
                       : dlsym(RTLD_DEFAULT, full.c_str())) {
      return p;
    }
  }
  for (const char *suffix : {"WithFlags"}) {
    if (void *p = from ? dlsym(from, (name + suffix).c_str()) : nullptr) {
      return p;
    }
  }
  return nullptr;
}

static CUresult find(const char *symbol, void **out, int *status) {
  if (!symbol || !out) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *out = std::strncmp(symbol, "cu", 2) == 0 ? lookup(symbol) : nullptr;
  if (status) {
    *status = *out ? 0 : 1; // found; symbol not found
  }
  return *out ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

RILL_CUDA_API CUresult cuGetProcAddress_v2(const char *symbol, void **out, int,
                                           uint64_t, int *status) {
  return find(symbol, out, status);
}
RILL_CUDA_API CUresult cuGetProcAddress(const char *symbol, void **out, int,
                                        uint64_t) {
  return find(symbol, out, nullptr);
}

} // namespace rill::emu::cuda
