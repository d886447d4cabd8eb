//===- driver.cpp - The CUDA driver, opened at run time -------------------===//
//
// dlopen and dlsym.
//
//===----------------------------------------------------------------------===//
#include "runtime/device/cuda/driver.h"

#include <cstdlib>
#include <dlfcn.h>

using namespace rill::rt;
using namespace rill::rt::cuda;

Result<Driver> Driver::open() {
  const char *chosen = std::getenv("RILL_CUDA_LIB");
  std::string path = chosen && *chosen ? chosen : "libcuda.so.1";
  auto refuse = [&](const std::string &why) {
    return makeError(ErrorCode::NoDevice, path, why,
                     "install the NVIDIA driver, or run with --device cpu");
  };
  void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char *why = dlerror();
    return refuse(std::string("the CUDA driver cannot be loaded: ") +
                  (why ? why : "the loader gives no reason"));
  }
  Driver driver;
  std::string missing;
  auto get = [&](auto &function, const char *symbol) {
    void *address = dlsym(library, symbol);
    if (!address) {
      missing = symbol;
    }
    function =
        reinterpret_cast<std::remove_reference_t<decltype(function)>>(address);
  };
  get(driver.init, "cuInit");
  get(driver.driverGetVersion, "cuDriverGetVersion");
  get(driver.getErrorName, "cuGetErrorName");
  get(driver.deviceGetCount, "cuDeviceGetCount");
  get(driver.deviceGet, "cuDeviceGet");
  get(driver.deviceGetName, "cuDeviceGetName");
  get(driver.deviceGetAttribute, "cuDeviceGetAttribute");
  get(driver.primaryCtxRetain, "cuDevicePrimaryCtxRetain");
  get(driver.primaryCtxRelease, "cuDevicePrimaryCtxRelease_v2");
  get(driver.ctxPushCurrent, "cuCtxPushCurrent_v2");
  get(driver.ctxPopCurrent, "cuCtxPopCurrent_v2");
  get(driver.moduleLoadDataEx, "cuModuleLoadDataEx");
  get(driver.moduleUnload, "cuModuleUnload");
  get(driver.moduleGetFunction, "cuModuleGetFunction");
  get(driver.funcSetAttribute, "cuFuncSetAttribute");
  get(driver.memAlloc, "cuMemAlloc_v2");
  get(driver.memFree, "cuMemFree_v2");
  get(driver.memGetInfo, "cuMemGetInfo_v2");
  get(driver.memHostAlloc, "cuMemHostAlloc");
  get(driver.memFreeHost, "cuMemFreeHost");
  get(driver.memcpyHtoDAsync, "cuMemcpyHtoDAsync_v2");
  get(driver.memcpyDtoHAsync, "cuMemcpyDtoHAsync_v2");
  get(driver.memsetD8Async, "cuMemsetD8Async");
  get(driver.streamCreate, "cuStreamCreate");
  get(driver.streamDestroy, "cuStreamDestroy_v2");
  get(driver.streamSynchronize, "cuStreamSynchronize");
  get(driver.streamBeginCapture, "cuStreamBeginCapture_v2");
  get(driver.streamEndCapture, "cuStreamEndCapture");
  get(driver.graphInstantiate, "cuGraphInstantiateWithFlags");
  get(driver.graphDestroy, "cuGraphDestroy");
  get(driver.graphExecDestroy, "cuGraphExecDestroy");
  get(driver.graphLaunch, "cuGraphLaunch");
  get(driver.eventCreate, "cuEventCreate");
  get(driver.eventDestroy, "cuEventDestroy_v2");
  get(driver.eventRecord, "cuEventRecord");
  get(driver.eventSynchronize, "cuEventSynchronize");
  get(driver.tensorMapEncodeTiled, "cuTensorMapEncodeTiled");
  get(driver.eventElapsedTime, "cuEventElapsedTime");
  get(driver.launchHostFunc, "cuLaunchHostFunc");
  get(driver.launchKernelEx, "cuLaunchKernelEx");
  if (!missing.empty()) {
    return refuse("it has no " + missing);
  }
  return driver;
}

std::string Driver::errorName(int code) const {
  const char *name = nullptr;
  getErrorName(code, &name);
  return name ? name : format("error %d", code);
}

Status Driver::check(int code, const char *call,
                     const std::string &where) const {
  if (code == kSuccess) {
    return {};
  }
  return makeError(code == kOutOfMemory ? ErrorCode::OutOfMemory
                                        : ErrorCode::KernelFailed,
                   where, std::string(call) + " answers " + errorName(code));
}
