// Initialisation, the environment, injected faults, and the device.
#include "State.h"

#include "lib/CubinInfo/CubinInfo.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>

namespace rill::emu::cuda {

Driver &driver() {
  // Never destroyed: programs call in from their own destructors.
  static Driver *d = new Driver();
  return *d;
}

static std::string environment(const char *name) {
  const char *v = std::getenv(name);
  return v ? v : "";
}

static uint64_t number(const std::string &text, uint64_t otherwise) {
  if (text.empty()) {
    return otherwise;
  }
  char *end = nullptr;
  uint64_t v = std::strtoull(text.c_str(), &end, 0);
  uint64_t unit = *end == 'k' || *end == 'K'   ? 1ull << 10
                  : *end == 'm' || *end == 'M' ? 1ull << 20
                  : *end == 'g' || *end == 'G' ? 1ull << 30
                                               : 1;
  return v * unit;
}

static uint32_t checksOf(const std::string &text) {
  if (text == "none") {
    return kCheckNone;
  }
  if (text == "race") {
    return kCheckMemory | kCheckRace;
  }
  if (text == "all") {
    return kCheckAll;
  }
  return kCheckMemory;
}

/// FUNCTION:CALL:ERROR[:sticky], several separated by commas.
static std::vector<FaultRule> parseFaults(const std::string &text) {
  std::vector<FaultRule> rules;
  for (size_t at = 0; at < text.size();) {
    size_t end = std::min(text.find(',', at), text.size());
    std::vector<std::string> parts;
    for (size_t p = at; p <= end;) {
      size_t colon = std::min(text.find(':', p), end);
      parts.push_back(text.substr(p, colon - p));
      p = colon + 1;
    }
    if (parts.size() >= 3) {
      rules.push_back({parts[0], number(parts[1], 1),
                       static_cast<int>(number(parts[2], 999)),
                       parts.size() > 3 && parts[3] == "sticky"});
    }
    at = end + 1;
  }
  return rules;
}

/// Both spellings name one function: with and without version suffix.
static bool sameFunction(std::string_view rule, std::string_view name) {
  if (rule == "*" || rule == name) {
    return true;
  }
  return name.size() > rule.size() + 1 && name.substr(0, rule.size()) == rule &&
         name.substr(rule.size(), 2) == "_v";
}

/// Registers of every kernel in a file of `ptxas -v` output.
static bool readPtxasLog(const std::string &path,
                         std::map<std::string, int, std::less<>> &out) {
  std::ifstream in(path);
  std::string text((std::istreambuf_iterator<char>(in)), {});
  for (const cubin::PtxasKernel &k : cubin::parsePtxasLog(text).kernels) {
    if (k.registers > 0) {
      out[k.name] = k.registers;
    }
  }
  return !out.empty();
}

CUresult Driver::initialize() {
#if defined(__AVX2__)
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
    fputs("emu: this build needs AVX2 and FMA; configure with "
          "-DRILL_EMU_MARCH=x86-64\n",
          stderr);
    return CUDA_ERROR_NO_DEVICE;
  }
#endif
  std::string chipName = environment("RILL_EMU_CHIP");
  chip = findChip(chipName.empty() ? "sm_90" : chipName);
  if (!chip) {
    return CUDA_ERROR_NO_DEVICE;
  }
  uint64_t bytes = number(environment("RILL_EMU_MEMORY"),
                          std::min<uint64_t>(chip->memoryBytes, 16ull << 30));
  memory = std::make_unique<DeviceMemory>(bytes);
  if (!memory->ok()) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  options.checks = checksOf(environment("RILL_EMU_CHECKS"));
  memory->trackWrites = options.checks & kCheckInit;
  options.seed = number(environment("RILL_EMU_SEED"), 0);
  options.resident =
      static_cast<uint32_t>(number(environment("RILL_EMU_RESIDENT"), 0));
  options.earlyDependents = environment("RILL_EMU_PDL") != "late";
  options.watchdog = number(environment("RILL_EMU_WATCHDOG"), options.watchdog);
  options.smCount = static_cast<uint32_t>(chip->smCount);
  countersFile = environment("RILL_EMU_COUNTERS");
  options.count = !countersFile.empty();
  report.file = environment("RILL_EMU_REPORT");
  findingsFail = environment("RILL_EMU_FINDINGS") != "warn";
  std::string log = environment("RILL_EMU_PTXAS_LOG");
  if (!log.empty() && !readPtxasLog(log, knownRegisters)) {
    fprintf(stderr, "emu: RILL_EMU_PTXAS_LOG: %s names no kernel's registers\n",
            log.c_str());
    return CUDA_ERROR_FILE_NOT_FOUND;
  }
  leakCheck = environment("RILL_EMU_LEAKS") == "1";
  if (leakCheck) {
    reportLeaksAtExit();
  }
  hostGuard = environment("RILL_EMU_HOSTGUARD") != "0";
  if (hostGuard) {
    installHostGuard();
  }
  initialized = true;
  return CUDA_SUCCESS;
}

/// A line per function: its name and how often it was called.
static void writeCalls() {
  Driver &d = driver();
  std::lock_guard lock(d.mutex);
  std::ofstream out(d.callsFile);
  for (const auto &[function, count] : d.calls) {
    out << function << " " << count << "\n";
  }
}

CUresult Driver::enter(const char *function, bool needsInit) {
  if (totalCalls++ == 0) {
    faults = parseFaults(environment("RILL_EMU_FAULT"));
    callsFile = environment("RILL_EMU_CALLS");
    if (!callsFile.empty()) {
      std::atexit(writeCalls);
    }
  }
  if (!faults.empty() || !callsFile.empty()) {
    uint64_t n = ++calls[function];
    for (const FaultRule &r : faults) {
      uint64_t at = r.function == "*" ? totalCalls : n;
      if (sameFunction(r.function, function) &&
          (at == r.call || (r.sticky && at > r.call))) {
        return static_cast<CUresult>(r.error);
      }
    }
  }
  return needsInit && !initialized ? CUDA_ERROR_NOT_INITIALIZED : CUDA_SUCCESS;
}

RILL_CUDA_API CUresult cuInit(unsigned flags) {
  return guarded("cuInit", false, [&](Driver &d) -> CUresult {
    if (flags) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    return d.initialized ? CUDA_SUCCESS : d.initialize();
  });
}

RILL_CUDA_API CUresult cuDriverGetVersion(int *version) {
  return guarded("cuDriverGetVersion", false, [&](Driver &) {
    if (!version) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    *version = 13000;
    return CUDA_SUCCESS;
  });
}

RILL_CUDA_API CUresult cuDeviceGetCount(int *count) {
  return guarded("cuDeviceGetCount", true, [&](Driver &) {
    if (!count) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    *count = 1;
    return CUDA_SUCCESS;
  });
}

RILL_CUDA_API CUresult cuDeviceGet(CUdevice *device, int ordinal) {
  return guarded("cuDeviceGet", true, [&](Driver &) {
    if (!device) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    if (ordinal != 0) {
      return CUDA_ERROR_INVALID_DEVICE;
    }
    *device = 0;
    return CUDA_SUCCESS;
  });
}

RILL_CUDA_API CUresult cuDeviceGetName(char *name, int length, CUdevice dev) {
  return guarded("cuDeviceGetName", true, [&](Driver &d) {
    if (dev != 0) {
      return CUDA_ERROR_INVALID_DEVICE;
    }
    if (!name || length < 1) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    snprintf(name, static_cast<size_t>(length), "%s", d.chip->name);
    return CUDA_SUCCESS;
  });
}

static CUresult uuid(CUuuid *out, CUdevice dev) {
  return guarded("cuDeviceGetUuid_v2", true, [&](Driver &) {
    if (dev != 0) {
      return CUDA_ERROR_INVALID_DEVICE;
    }
    if (!out) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    std::memcpy(out->bytes, "emulated-gpu-0\0", 16);
    return CUDA_SUCCESS;
  });
}
RILL_CUDA_API CUresult cuDeviceGetUuid_v2(CUuuid *out, CUdevice dev) {
  return uuid(out, dev);
}
RILL_CUDA_API CUresult cuDeviceGetUuid(CUuuid *out, CUdevice dev) {
  return uuid(out, dev);
}

RILL_CUDA_API CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice dev) {
  return guarded("cuDeviceTotalMem_v2", true, [&](Driver &d) {
    if (dev != 0) {
      return CUDA_ERROR_INVALID_DEVICE;
    }
    if (!bytes) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    *bytes = d.memory->capacity();
    return CUDA_SUCCESS;
  });
}

RILL_CUDA_API CUresult cuDeviceGetAttribute(int *value, int attribute,
                                            CUdevice dev) {
  return guarded("cuDeviceGetAttribute", true, [&](Driver &d) {
    if (dev != 0) {
      return CUDA_ERROR_INVALID_DEVICE;
    }
    int v = chipAttribute(*d.chip, attribute);
    if (!value || v < 0) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    *value = v;
    return CUDA_SUCCESS;
  });
}

RILL_CUDA_API CUresult cuDeviceGetPCIBusId(char *id, int length, CUdevice dev) {
  return guarded("cuDeviceGetPCIBusId", true, [&](Driver &) {
    if (dev != 0) {
      return CUDA_ERROR_INVALID_DEVICE;
    }
    if (!id || length < 13) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    snprintf(id, static_cast<size_t>(length), "0000:00:00.0");
    return CUDA_SUCCESS;
  });
}

RILL_CUDA_API CUresult cuDeviceCanAccessPeer(int *can, CUdevice a, CUdevice b) {
  return guarded("cuDeviceCanAccessPeer", true, [&](Driver &) {
    if (a != 0 || b != 0) {
      return CUDA_ERROR_INVALID_DEVICE;
    }
    if (!can) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    *can = 0;
    return CUDA_SUCCESS;
  });
}

RILL_CUDA_API CUresult cuProfilerStart() { return CUDA_SUCCESS; }
RILL_CUDA_API CUresult cuProfilerStop() { return CUDA_SUCCESS; }

} // namespace rill::emu::cuda
