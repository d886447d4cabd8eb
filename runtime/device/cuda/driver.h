//===- driver.h - The CUDA driver, opened at run time -----------*- C++ -*-===//
//
// libcuda.so.1 (RILL_CUDA_LIB overrides) as a table of functions. Declared
// from the public documentation of CUDA 13; no CUDA header is used.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_DEVICE_CUDA_DRIVER_H
#define RILL_RUNTIME_DEVICE_CUDA_DRIVER_H

#include "runtime/formats/status.h"

#include <cstddef>
#include <cstdint>

namespace rill::rt::cuda {

using Address = unsigned long long; ///< CUdeviceptr
using Context = struct CUctx_st *;
using Module = struct CUmod_st *;
using Function = struct CUfunc_st *;
using Stream = struct CUstream_st *;
using Graph = struct CUgraph_st *;
using GraphExec = struct CUgraphExec_st *;
using Event = struct CUevent_st *;

/// Results we tell apart.
enum Code : int {
  kSuccess = 0,
  kOutOfMemory = 2,
  kNoDevice = 100,
  kNoBinaryForGpu = 209
};

/// Values of CUdevice_attribute.
enum Attribute : int { kMajor = 75, kMinor = 76 };

/// CUlaunchAttribute: one of these, of kind programmatic stream serialization.
struct LaunchAttribute {
  unsigned id;
  char padding[4];
  union {
    char bytes[64];
    int flag;
  } value;
};
inline constexpr unsigned kProgrammaticSerialization = 6;

/// CUlaunchConfig.
struct LaunchConfig {
  unsigned gridX, gridY, gridZ, blockX, blockY, blockZ;
  unsigned sharedBytes;
  Stream stream;
  LaunchAttribute *attributes;
  unsigned attributeCount;
};

/// CUtensorMap, and the values of its enumerations we use: bf16, no interleave,
/// lines of 128 bytes from L2, zeros outside. Swizzles count 0, 32, 64, 128.
struct alignas(64) TensorMap {
  unsigned char bytes[128];
};
inline constexpr int kMapBf16 = 9, kMapPlain = 0, kMapL2Line = 2, kMapZeros = 0;

/// The entry points. A call answers a Code.
struct Driver {
  int (*init)(unsigned);
  int (*driverGetVersion)(int *);
  int (*getErrorName)(int, const char **);
  int (*deviceGetCount)(int *);
  int (*deviceGet)(int *, int);
  int (*deviceGetName)(char *, int, int);
  int (*deviceGetAttribute)(int *, int, int);
  int (*primaryCtxRetain)(Context *, int);
  int (*primaryCtxRelease)(int);
  int (*ctxPushCurrent)(Context);
  int (*ctxPopCurrent)(Context *);
  int (*moduleLoadDataEx)(Module *, const void *, unsigned, int *, void **);
  int (*moduleUnload)(Module);
  int (*moduleGetFunction)(Function *, Module, const char *);
  int (*funcSetAttribute)(Function, int, int);
  int (*memAlloc)(Address *, size_t);
  int (*memFree)(Address);
  int (*memGetInfo)(size_t *, size_t *);
  int (*memHostAlloc)(void **, size_t, unsigned);
  int (*memFreeHost)(void *);
  int (*memcpyHtoDAsync)(Address, const void *, size_t, Stream);
  int (*memcpyDtoHAsync)(void *, Address, size_t, Stream);
  int (*memsetD8Async)(Address, unsigned char, size_t, Stream);
  int (*streamCreate)(Stream *, unsigned);
  int (*streamDestroy)(Stream);
  int (*streamSynchronize)(Stream);
  int (*streamBeginCapture)(Stream, int);
  int (*streamEndCapture)(Stream, Graph *);
  int (*graphInstantiate)(GraphExec *, Graph, unsigned long long);
  int (*graphDestroy)(Graph);
  int (*graphExecDestroy)(GraphExec);
  int (*graphLaunch)(GraphExec, Stream);
  int (*eventCreate)(Event *, unsigned);
  int (*eventDestroy)(Event);
  int (*eventRecord)(Event, Stream);
  int (*eventSynchronize)(Event);
  int (*tensorMapEncodeTiled)(TensorMap *, int, unsigned, void *,
                              const uint64_t *, const uint64_t *,
                              const uint32_t *, const uint32_t *, int, int, int,
                              int);
  int (*eventElapsedTime)(float *, Event, Event);
  int (*launchHostFunc)(Stream, void (*)(void *), void *);
  int (*launchKernelEx)(const LaunchConfig *, Function, void **, void **);

  /// Opens the library and looks everything up. The library stays loaded.
  /// Errors: NoDevice.
  static Result<Driver> open();

  /// "CUDA_ERROR_NO_DEVICE", or the number.
  std::string errorName(int code) const;
  /// Success, or an error of code KernelFailed (OutOfMemory for its kind) that
  /// names `call`.
  Status check(int code, const char *call, const std::string &where) const;
};

/// Makes a context current for its own lifetime.
class Scope {
public:
  Scope(const Driver &driver, Context context)
      : driver(driver), code(driver.ctxPushCurrent(context)) {}
  ~Scope() {
    if (code == kSuccess) {
      Context old;
      driver.ctxPopCurrent(&old);
    }
  }
  Scope(const Scope &) = delete;
  Scope &operator=(const Scope &) = delete;
  Status status(const std::string &where) const {
    return driver.check(code, "cuCtxPushCurrent", where);
  }

private:
  const Driver &driver;
  const int code;
};

} // namespace rill::rt::cuda

#endif
