//===- cuda_ceilings.cpp - What a CUDA device can do at most --------------===//
//
// The runtime's table of the driver, kernels of our own, events.
//
//===----------------------------------------------------------------------===//
#include "tools/rill-bench/ceiling_kernels.h"
#include "tools/rill-bench/ceilings.h"

#include "runtime/device/cuda/driver.h"

#include <utility>

using namespace rill;
using namespace rill::tools;
using namespace rill::rt::cuda;

namespace {
/// A kernel and the size of its launch.
struct Load {
  Function function = nullptr;
  unsigned mostBlocks = 1;
  uint32_t mostRounds = 1;
  unsigned blocks = 1;
  uint32_t rounds = 1;
  bool grown = false;

  bool full() const { return blocks == mostBlocks; }
  double work() const { return static_cast<double>(blocks) * rounds; }
};

class CudaMeter : public Meter {
public:
  explicit CudaMeter(const Driver &driver) : driver(driver) {}
  ~CudaMeter() override;

  rt::Status open();
  rt::Status sample() override;
  std::string remark() const override;

private:
  rt::Status load(const std::string &ptx, Module &module);
  rt::Status get(Module module, const char *kernel, Function &function);
  rt::Status prepareMemory();
  rt::Status launch(Function function, unsigned blocks, void **parameters);
  /// Seconds of one launch.
  rt::Result<double> time(const Load &load, void **parameters);
  rt::Result<double> timeRead();
  rt::Result<double> timeProducts(const Load &load);
  /// Makes the launch large enough, once; then the best rate of a few.
  template <typename Once>
  rt::Result<double> rate(Load &load, const Once &once);
  rt::Status check(int code, const char *call) const {
    return driver.check(code, call, name);
  }

  const Driver driver;
  Context context = nullptr;
  Stream stream = nullptr;
  Event begin = nullptr, end = nullptr;
  Module portable = nullptr, hopper = nullptr;
  Address data = 0, sink = 0;
  uint64_t filled = 0; ///< bytes of `data`
  Function fill = nullptr;
  Load read, mma, wgmma;
};
} // namespace

CudaMeter::~CudaMeter() {
  if (!context) {
    return;
  }
  {
    Scope scope(driver, context);
    for (Address address : {data, sink}) {
      if (address) {
        driver.memFree(address);
      }
    }
    for (Module module : {portable, hopper}) {
      if (module) {
        driver.moduleUnload(module);
      }
    }
    for (Event event : {begin, end}) {
      if (event) {
        driver.eventDestroy(event);
      }
    }
    if (stream) {
      driver.streamDestroy(stream);
    }
  }
  driver.primaryCtxRelease(0);
}

rt::Status CudaMeter::load(const std::string &ptx, Module &module) {
  return check(
      driver.moduleLoadDataEx(&module, ptx.c_str(), 0, nullptr, nullptr),
      "cuModuleLoadDataEx");
}

rt::Status CudaMeter::get(Module module, const char *kernel,
                          Function &function) {
  return check(driver.moduleGetFunction(&function, module, kernel),
               "cuModuleGetFunction");
}

rt::Status CudaMeter::open() {
  name = "CUDA device 0";
  int device = 0, major = 0, minor = 0, processors = 1;
  RILL_TRY(check(driver.init(0), "cuInit"));
  RILL_TRY(check(driver.deviceGet(&device, 0), "cuDeviceGet"));
  char text[256] = {};
  RILL_TRY(check(driver.deviceGetName(text, sizeof(text), device),
                 "cuDeviceGetName"));
  name = text;
  constexpr int kMultiprocessors = 16; // CU_DEVICE_ATTRIBUTE_...COUNT
  for (auto [value, attribute] :
       {std::pair(&major, int(kMajor)), std::pair(&minor, int(kMinor)),
        std::pair(&processors, kMultiprocessors)}) {
    RILL_TRY(check(driver.deviceGetAttribute(value, attribute, device),
                   "cuDeviceGetAttribute"));
  }
  RILL_TRY(check(driver.primaryCtxRetain(&context, device),
                 "cuDevicePrimaryCtxRetain"));
  Scope scope(driver, context);
  RILL_TRY(scope.status(name));
  RILL_TRY(check(driver.streamCreate(&stream, 1), "cuStreamCreate"));
  RILL_TRY(check(driver.eventCreate(&begin, 0), "cuEventCreate"));
  RILL_TRY(check(driver.eventCreate(&end, 0), "cuEventCreate"));
  RILL_TRY(load(ceilingPtx(), portable));
  RILL_TRY(get(portable, "rill_fill", fill));
  RILL_TRY(get(portable, "rill_read", read.function));
  RILL_TRY(get(portable, "rill_mma", mma.function));
  auto count = static_cast<unsigned>(processors);
  // 8 blocks of 256 threads fill a multiprocessor; products need 2, and 1 of
  // the kernel that keeps its operands in shared memory.
  constexpr uint32_t kMostRounds = 1 << 16;
  read.mostBlocks = 8 * count;
  mma.mostBlocks = 2 * count;
  wgmma.mostBlocks = count;
  mma.mostRounds = wgmma.mostRounds = kMostRounds;
  if (major == 9 && minor == 0) {
    RILL_TRY(load(wgmmaPtx(), hopper));
    RILL_TRY(get(hopper, "rill_wgmma", wgmma.function));
  }
  RILL_TRY(check(driver.memAlloc(&sink, 256), "cuMemAlloc"));
  // Far beyond the caches, but never more than half of what is free.
  size_t free = 0, total = 0;
  RILL_TRY(check(driver.memGetInfo(&free, &total), "cuMemGetInfo"));
  constexpr size_t kMostBytes = size_t(2) << 30;
  double stretch = kRoundBytes * read.mostBlocks;
  read.mostRounds = static_cast<uint32_t>(std::max(
      1.0, static_cast<double>(std::min(kMostBytes, free / 2)) / stretch));
  return {};
}

rt::Status CudaMeter::launch(Function function, unsigned blocks,
                             void **parameters) {
  LaunchConfig config = {blocks, 1, 1,      kCeilingThreads, 1,
                         1,      0, stream, nullptr,         0};
  return check(driver.launchKernelEx(&config, function, parameters, nullptr),
               "cuLaunchKernelEx");
}

/// Random bytes under what `read` will read now.
rt::Status CudaMeter::prepareMemory() {
  auto bytes = static_cast<uint64_t>(kRoundBytes * read.work());
  if (bytes <= filled) {
    return {};
  }
  filled = 0;
  if (data) {
    RILL_TRY(check(driver.memFree(std::exchange(data, 0)), "cuMemFree"));
  }
  RILL_TRY(check(driver.memAlloc(&data, bytes), "cuMemAlloc"));
  uint32_t rounds = read.rounds;
  void *parameters[] = {&data, &rounds};
  RILL_TRY(launch(fill, read.blocks, parameters));
  RILL_TRY(check(driver.streamSynchronize(stream), "cuStreamSynchronize"));
  filled = bytes;
  return {};
}

rt::Result<double> CudaMeter::time(const Load &load, void **parameters) {
  RILL_TRY(check(driver.eventRecord(begin, stream), "cuEventRecord"));
  RILL_TRY(launch(load.function, load.blocks, parameters));
  RILL_TRY(check(driver.eventRecord(end, stream), "cuEventRecord"));
  RILL_TRY(check(driver.streamSynchronize(stream), "cuStreamSynchronize"));
  float milliseconds = 0;
  RILL_TRY(check(driver.eventElapsedTime(&milliseconds, begin, end),
                 "cuEventElapsedTime"));
  constexpr double kLeast = 1e-6; // events count in half microseconds
  return std::max(kLeast, 1e-3 * static_cast<double>(milliseconds));
}

rt::Result<double> CudaMeter::timeRead() {
  RILL_TRY(prepareMemory());
  uint32_t rounds = read.rounds;
  void *parameters[] = {&data, &sink, &rounds};
  return time(read, parameters);
}

rt::Result<double> CudaMeter::timeProducts(const Load &load) {
  uint32_t rounds = load.rounds;
  void *parameters[] = {&sink, &rounds};
  return time(load, parameters);
}

template <typename Once>
rt::Result<double> CudaMeter::rate(Load &load, const Once &once) {
  constexpr double kEnough = 2e-3, kSlow = 50e-3;
  constexpr int kLaunches = 3;
  while (!load.grown) {
    RILL_ASSIGN(double seconds, once());
    if (!load.full() && seconds < kSlow) {
      load.blocks = std::min(4 * load.blocks, load.mostBlocks);
    } else if (load.rounds < load.mostRounds && seconds < kEnough) {
      load.rounds = std::min(4 * load.rounds, load.mostRounds);
    } else {
      load.grown = true;
    }
  }
  double best = 0, seconds = 0;
  for (int i = 0; i < kLaunches && seconds < kSlow; ++i) {
    RILL_ASSIGN(seconds, once());
    best = std::max(best, load.work() / seconds);
  }
  return best;
}

rt::Status CudaMeter::sample() {
  Scope scope(driver, context);
  RILL_TRY(scope.status(name));
  RILL_ASSIGN(double reads, rate(read, [&] { return timeRead(); }));
  takeRead(reads * kRoundBytes);
  RILL_ASSIGN(double products, rate(mma, [&] { return timeProducts(mma); }));
  takeFlops(products * kMmaFlops, "mma.sync");
  if (wgmma.function) {
    RILL_ASSIGN(products, rate(wgmma, [&] { return timeProducts(wgmma); }));
    takeFlops(products * kWgmmaFlops, "wgmma");
  }
  return {};
}

std::string CudaMeter::remark() const {
  return read.full() && mma.full() && (!wgmma.function || wgmma.full())
             ? ""
             : rt::format("the device is too slow to be filled by launches of "
                          "a twentieth of a second (%u of %u blocks read, %u "
                          "of %u multiply): these are no figures of a GPU",
                          read.blocks, read.mostBlocks, mma.blocks,
                          mma.mostBlocks);
}

rt::Result<std::unique_ptr<Meter>> rill::tools::cudaMeter() {
  RILL_ASSIGN(Driver driver, Driver::open());
  auto meter = std::make_unique<CudaMeter>(driver);
  RILL_TRY(meter->open());
  return std::unique_ptr<Meter>(std::move(meter));
}
