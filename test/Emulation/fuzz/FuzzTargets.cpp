// Limits are low where the input could make a run slow: few threads, little
// memory, a short watchdog.
#include "FuzzTargets.h"

#include "../TestApi.h"

#include <algorithm>
#include <cstdlib>
#include <string>

namespace rill::emu {

static void fuzzPtx(std::span<const uint8_t> bytes) {
  std::string text(bytes.begin(), bytes.end());
  try {
    auto module = parsePtx(std::move(text), "fuzz.ptx");
    for (auto &f : module->functions) {
      if (f->isKernel && f->hasBody) {
        decodeKernel(*module, *f, [](uint32_t) { return uint64_t(4096); });
      }
    }
  } catch (const PtxError &) {
    // Refused, as damaged text should be.
  }
}

using namespace cuda;

/// A buffer for every parameter of 8 bytes, small numbers for the others.
static void launchAll(LoadedModule &m, CUdeviceptr buffer) {
  for (auto &[name, f] : m.functions) {
    std::vector<std::vector<char>> values;
    std::vector<void *> params;
    for (const Variable &v : f->ast->params) {
      // Kernels may take at most 32,764 bytes; so does this.
      values.emplace_back(std::min<uint64_t>(v.size, 32764), char(1));
      if (v.size == 8) {
        std::memcpy(values.back().data(), &buffer, 8);
      }
    }
    for (auto &v : values) {
      params.push_back(v.data());
    }
    if (f->program->paramBytes > 32764) {
      continue;
    }
    cuLaunchKernel(f.get(), 2, 1, 1, 32, 1, 1, 64, nullptr, params.data(),
                   nullptr);
  }
}

static void fuzzModule(std::span<const uint8_t> bytes) {
  static const bool ready = [] {
    setenv("RILL_EMU_MEMORY", "64M", 1);
    setenv("RILL_EMU_HOSTGUARD", "0", 1);
    return cuInit(0) == CUDA_SUCCESS;
  }();
  if (!ready) {
    std::abort();
  }
  // A wrapper is a struct of the calling program with a pointer in it, which
  // the API can only trust: not an untrusted file.
  constexpr uint8_t kWrapper[] = {0xb1, 0x43, 0x62, 0x46};
  if (bytes.size() >= 4 && std::equal(kWrapper, kWrapper + 4, bytes.begin())) {
    return;
  }
  Driver &d = driver();
  d.report.clear();
  d.report.quiet = true;
  d.options.checks = bytes.size() % 2 ? uint32_t(kCheckAll) : kCheckMemory;
  d.options.seed = bytes.size() % 3;
  d.options.watchdog = 20000;
  CUcontext context = nullptr;
  if (cuCtxCreate_v2(&context, 0, 0) != CUDA_SUCCESS) {
    std::abort();
  }
  CUdeviceptr buffer = 0;
  cuMemAlloc_v2(&buffer, 4096);
  cuMemsetD8_v2(buffer, 0, 4096);
  LoadedModule *m = nullptr;
  // The image with a zero behind it, and its true length.
  std::vector<uint8_t> image(bytes.begin(), bytes.end());
  image.push_back(0);
  CUresult e = guarded("cuModuleLoadData", true, [&](Driver &dr) {
    std::string log;
    return loadImage(dr, *context, image.data(), bytes.size(), "fuzz.ptx", m,
                     log);
  });
  if (!e) {
    launchAll(*m, buffer);
  }
  cuCtxSynchronize();
  cuCtxDestroy_v2(context);
}

std::span<const FuzzTarget> fuzzTargets() {
  static constexpr FuzzTarget kTargets[] = {{"ptx", fuzzPtx},
                                            {"module", fuzzModule}};
  return kTargets;
}

} // namespace rill::emu
