//===- device.cpp - A model on a CUDA device ------------------------------===//
//
// Checks the driver and the chip, chooses code, copies the weights.
//
//===----------------------------------------------------------------------===//
#include "runtime/device/cuda/device.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <pthread.h>

using namespace rill::rt;
using namespace rill::rt::cuda;

/// Cubins and PTX 9.0 need a driver of CUDA 13.0.
static constexpr int kOldestDriver = 13000;
CudaDevice::~CudaDevice() {
  if (!context) {
    return;
  }
  {
    Scope scope(driver, context);
    loaded.close();
    if (module) {
      driver.moduleUnload(module);
    }
  }
  driver.primaryCtxRelease(device);
}

/// Initialises the driver and takes device 0.
Status CudaDevice::start() {
  int code = driver.init(0), count = 0, version = 0;
  const char *call = "cuInit";
  if (!code) {
    call = "cuDeviceGetCount";
    code = driver.deviceGetCount(&count);
  }
  if (code == kNoDevice || (!code && !count)) {
    return makeError(ErrorCode::NoDevice, "CUDA driver",
                     std::string(call) + " answers " +
                         (code ? driver.errorName(code) : "0 devices") +
                         ": the machine has no CUDA device",
                     "run with --device cpu");
  }
  RILL_TRY(driver.check(code, call, "CUDA driver"));
  RILL_TRY(driver.check(driver.driverGetVersion(&version), "cuDriverGetVersion",
                        "CUDA driver"));
  if (version < kOldestDriver) {
    return makeError(ErrorCode::DriverTooOld, "CUDA driver",
                     format("it is of CUDA %d.%d; %d.%d is due", version / 1000,
                            version % 1000 / 10, kOldestDriver / 1000,
                            kOldestDriver % 1000 / 10),
                     "update the NVIDIA driver to 580 or later, or run with "
                     "--device cpu");
  }
  RILL_TRY(driver.check(driver.deviceGet(&device, 0), "cuDeviceGet",
                        "CUDA device 0"));
  char text[256] = "";
  RILL_TRY(driver.check(driver.deviceGetName(text, sizeof(text), device),
                        "cuDeviceGetName", "CUDA device 0"));
  RILL_TRY(driver.check(driver.deviceGetAttribute(&major, kMajor, device),
                        "cuDeviceGetAttribute", text));
  RILL_TRY(driver.check(driver.deviceGetAttribute(&minor, kMinor, device),
                        "cuDeviceGetAttribute", text));
  label = format("%s (sm_%d%d)", text, major, minor);
  return {};
}

/// How well code of `arch` suits the chip; 0: it does not run. Exact code,
/// then a family's, then a generation's, then PTX of an older chip.
static int suitability(const std::string &arch, int major, int minor,
                       bool allowJit) {
  bool virtualArch = arch.rfind("compute_", 0) == 0;
  if (!virtualArch && arch.rfind("sm_", 0) != 0) {
    return 0;
  }
  char *end;
  long number = std::strtol(arch.c_str() + (virtualArch ? 8 : 3), &end, 10);
  bool generation = number / 10 == major && number % 10 <= minor;
  if (virtualArch) {
    return allowJit && !*end && number <= major * 10 + minor
               ? 1 + static_cast<int>(number)
               : 0;
  }
  constexpr int kExact = 30000, kFamily = 20000, kGeneration = 10000;
  switch (*end) {
  case 'a':
    return number == major * 10 + minor ? kExact : 0;
  case 'f':
    return generation ? kFamily + static_cast<int>(number) : 0;
  case '\0':
    return generation ? kGeneration + static_cast<int>(number) : 0;
  default:
    return 0;
  }
}

Status CudaDevice::choose(const Artifact &artifact, bool allowJit) {
  int best = 0;
  bool jitWouldHelp = false;
  std::string have;
  for (const TargetInfo &target : artifact.manifest().targets) {
    have += (have.empty() ? "" : ", ") + target.arch;
    if (target.kind != "cuda") {
      continue;
    }
    int suits = suitability(target.arch, major, minor, allowJit);
    jitWouldHelp |= suitability(target.arch, major, minor, true) > 0;
    if (suits > best) {
      best = suits;
      chosen = &target;
    }
  }
  if (chosen) {
    return {};
  }
  return makeError(ErrorCode::NoCode, artifact.name(),
                   "the file has code for " + have + "; the device is " + label,
                   jitWouldHelp
                       ? std::string("--allow-jit lets the driver assemble it")
                       : format("compile with --target sm_%d%d%s", major, minor,
                                major >= 9 ? "a" : ""));
}

/// The PTX that a target's cubin came from, assembled by the driver.
Status CudaDevice::loadPtx(const Artifact &artifact) {
  auto bytes = artifact.bytes(*chosen->ptx);
  std::string text(reinterpret_cast<const char *>(bytes.data()), bytes.size());
  char log[2048] = "";
  constexpr int kErrorLog = 5, kErrorLogBytes = 6;
  int options[] = {kErrorLog, kErrorLogBytes};
  void *values[] = {log, reinterpret_cast<void *>(sizeof(log) - 1)};
  int code = driver.moduleLoadDataEx(&module, text.c_str(), 2, options, values);
  if (code == kSuccess || code == kOutOfMemory) {
    return driver.check(code, "cuModuleLoadDataEx", label);
  }
  module = nullptr;
  return makeError(ErrorCode::PtxInvalid,
                   artifact.name() + ", PTX for " + chosen->arch,
                   "cuModuleLoadDataEx answers " + driver.errorName(code) +
                       (log[0] ? std::string(": ") + log : ""));
}

Status CudaDevice::loadModule(const Artifact &artifact) {
  if (!chosen->cubin) {
    return loadPtx(artifact);
  }
  auto bytes = artifact.bytes(*chosen->cubin);
  int code =
      driver.moduleLoadDataEx(&module, bytes.data(), 0, nullptr, nullptr);
  if (code == kNoBinaryForGpu) {
    return loadPtx(artifact);
  }
  if (code != kSuccess) {
    module = nullptr;
  }
  return driver.check(code, "cuModuleLoadDataEx",
                      artifact.name() + ", cubin for " + chosen->arch);
}

Status CudaDevice::findKernels() {
  for (size_t i = 0; i < chosen->kernels.size(); ++i) {
    const std::string &kernel = chosen->kernels[i];
    Function function = nullptr;
    RILL_TRY(driver.check(
        driver.moduleGetFunction(&function, module, kernel.c_str()),
        "cuModuleGetFunction", chosen->arch + ", kernel " + kernel));
    auto shared = static_cast<int>(chosen->shared[i]);
    if (shared) {
      constexpr int kMaxDynamicShared = 8;
      RILL_TRY(driver.check(
          driver.funcSetAttribute(function, kMaxDynamicShared, shared),
          "cuFuncSetAttribute", chosen->arch + ", kernel " + kernel));
    }
    kernels.push_back({function, static_cast<unsigned>(chosen->threads[i]),
                       static_cast<unsigned>(shared)});
  }
  return {};
}

Result<Address> CudaDevice::allocate(uint64_t bytes, const char *what) const {
  Address address = 0;
  int code = driver.memAlloc(&address, std::max<uint64_t>(bytes, 1));
  if (code == kOutOfMemory) {
    size_t unused = 0, total = 0;
    driver.memGetInfo(&unused, &total);
    return makeError(ErrorCode::OutOfMemory, what,
                     format("%llu bytes are needed; %zu of %zu are free on %s",
                            (unsigned long long)bytes, unused, total,
                            label.c_str()));
  }
  RILL_TRY(driver.check(code, "cuMemAlloc", what));
  return address;
}

namespace {
/// What the thread that loads weights is given, and its answer.
struct Travel {
  DeviceWeights *loaded;
  const Weights *weights;
  Status result;
};
} // namespace

static void *travelBeside(void *data) {
  auto *travel = static_cast<Travel *>(data);
  travel->result = travel->loaded->load(*travel->weights);
  return nullptr;
}

Status CudaDevice::open(const Artifact &artifact, const Weights &weights,
                        bool allowJit) {
  RILL_TRY(start());
  RILL_TRY(choose(artifact, allowJit));
  RILL_TRY(driver.check(driver.primaryCtxRetain(&context, device),
                        "cuDevicePrimaryCtxRetain", label));
  Scope scope(driver, context);
  RILL_TRY(scope.status(label));
  RILL_TRY(loaded.open(artifact, *chosen));
  // The weights travel while the driver loads the code.
  Travel travel = {&loaded, &weights, {}};
  pthread_t thread;
  bool beside = pthread_create(&thread, nullptr, travelBeside, &travel) == 0;
  Status code = loadModule(artifact);
  if (code.ok()) {
    code = findKernels();
  }
  loaded.allow(code.ok());
  if (beside) {
    pthread_join(thread, nullptr);
  } else if (code.ok()) {
    travelBeside(&travel);
  }
  loaded.trim();
  RILL_TRY(std::move(code));
  return std::move(travel.result);
}

Result<std::unique_ptr<Device>> rill::rt::openCuda(const Artifact &artifact,
                                                   const Weights &weights,
                                                   bool allowJit) {
  RILL_ASSIGN(Driver driver, Driver::open());
  auto device = std::make_unique<CudaDevice>(driver);
  RILL_TRY(device->open(artifact, weights, allowJit));
  return std::unique_ptr<Device>(std::move(device));
}
