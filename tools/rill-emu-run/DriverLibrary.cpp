// Opening a driver library.
#include "tools/rill-emu-run/DriverLibrary.h"

#include <cstdlib>
#include <dlfcn.h>

namespace rill::emurun {

DriverLibrary::~DriverLibrary() {
  if (context) {
    ctxSetCurrent(nullptr);
    primaryRelease(0);
  }
}

rt::Status DriverLibrary::open(const std::string &path) {
  auto refuse = [&](const std::string &why) {
    return rt::makeError(rt::ErrorCode::NoDevice, path, why,
                         "name another driver library with --driver");
  };
  void *lib = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (!lib) {
    const char *why = dlerror();
    return refuse(why ? why : "the loader gives no reason");
  }
  std::string missing;
  auto get = [&](auto &fn, const char *symbol) {
    void *p = dlsym(lib, symbol);
    if (!p) {
      missing = symbol;
    }
    fn = reinterpret_cast<std::remove_reference_t<decltype(fn)>>(p);
  };
  get(init, "cuInit");
  get(deviceGet, "cuDeviceGet");
  get(deviceGetAttribute, "cuDeviceGetAttribute");
  get(deviceGetName, "cuDeviceGetName");
  get(primaryRetain, "cuDevicePrimaryCtxRetain");
  get(primaryRelease, "cuDevicePrimaryCtxRelease_v2");
  get(primaryReset, "cuDevicePrimaryCtxReset_v2");
  get(ctxSetCurrent, "cuCtxSetCurrent");
  get(ctxSynchronize, "cuCtxSynchronize");
  get(moduleLoadDataEx, "cuModuleLoadDataEx");
  get(moduleUnload, "cuModuleUnload");
  get(moduleGetFunction, "cuModuleGetFunction");
  get(funcSetAttribute, "cuFuncSetAttribute");
  get(memAlloc, "cuMemAlloc_v2");
  get(memFree, "cuMemFree_v2");
  get(memcpyHtoD, "cuMemcpyHtoD_v2");
  get(memcpyDtoH, "cuMemcpyDtoH_v2");
  get(launchKernel, "cuLaunchKernel");
  get(getErrorName, "cuGetErrorName");
  if (!missing.empty()) {
    return refuse("it has no " + missing);
  }
  get(tensorMapEncodeTiled, "cuTensorMapEncodeTiled");
  int device = 0, e = init(0);
  e = e ? e : deviceGet(&device, 0);
  e = e ? e : primaryRetain(&context, device);
  e = e ? e : ctxSetCurrent(context);
  e = e ? e : deviceGetAttribute(&major, 75, device);
  e = e ? e : deviceGetAttribute(&minor, 76, device);
  char text[256] = "";
  e = e ? e : deviceGetName(text, sizeof text, device);
  name = text;
  return e ? refuse("the driver answers " + errorName(e)) : rt::Status();
}

std::string DriverLibrary::errorName(int error) const {
  const char *text = nullptr;
  getErrorName(error, &text);
  return text ? text : "error " + std::to_string(error);
}

rt::Status DriverLibrary::recover() {
  int e = ctxSetCurrent(nullptr);
  e = e ? e : primaryReset(0);
  e = e ? e : primaryRetain(&context, 0);
  e = e ? e : ctxSetCurrent(context);
  return e ? rt::makeError(rt::ErrorCode::KernelFailed, name,
                           "no new context after a failure: " + errorName(e))
           : rt::Status();
}

bool DriverLibrary::runs(const std::string &target) const {
  int number = std::atoi(target.c_str() + 3), mine = major * 10 + minor;
  char last = target.back();
  if (last == 'a') {
    return number == mine;
  }
  return last == 'f' ? number / 10 == major && number <= mine : number <= mine;
}

} // namespace rill::emurun
