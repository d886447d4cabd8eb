// Speed and memory of the interpreter: the figures of docs/Emulation.md.
#include "lib/Emulation/Core/Decoder.h"
#include "lib/Emulation/Core/Scheduler.h"

#include <chrono>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iostream>
#include <sstream>
#include <sys/resource.h>
#include <unistd.h>

using namespace rill::emu;

namespace {

/// Resident bytes of this process now.
double residentMb() {
  std::ifstream in("/proc/self/statm");
  double pages = 0, resident = 0;
  in >> pages >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE)) / 1e6;
}

struct Result {
  double seconds = 0, peakMb = 0;
  Counters counters;
};

struct Bench {
  DeviceMemory memory{1ull << 30};
  Report report;
  std::unique_ptr<Module> module;

  Bench() {
    std::ifstream in(EMU_TEST_DIR "/programs/bench.ptx");
    std::ostringstream all;
    all << in.rdbuf();
    module = parsePtx(all.str(), "bench.ptx");
  }
  Allocation *buffer(size_t bytes, uint16_t pattern) {
    Allocation *a = memory.allocate(bytes, Allocation::Device);
    for (size_t i = 0; i + 2 <= bytes; i += 2) {
      std::memcpy(a->host(a->address) + i, &pattern, 2);
    }
    return a;
  }
  Result run(const char *name, uint32_t checks, Dim3 grid, Dim3 block,
             std::vector<uint64_t> params, int last) {
    Result r;
    auto start = std::chrono::steady_clock::now();
    auto program = decodeKernel(*module, *module->find(name),
                                [](uint32_t) { return uint64_t(0); });
    RunOptions options;
    options.checks = checks;
    Scheduler s(memory, report, options);
    LaunchConfig c;
    c.grid = grid;
    c.block = block;
    c.params.resize(params.size() * 8 + 4);
    std::memcpy(c.params.data(), params.data(), params.size() * 8);
    std::memcpy(c.params.data() + params.size() * 8, &last, 4);
    Grid &g = s.add(program, c);
    if (int e = s.run()) {
      std::cout << name << " failed with " << e << "\n";
    }
    r.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
            .count();
    r.peakMb = residentMb();
    r.counters = g.counters;
    return r;
  }
};

} // namespace

int main() {
  Bench b;
  bool ok = true;
  double base = residentMb();
  {
    constexpr int rows = 8192, k = 1024;
    Allocation *w = b.buffer(size_t(rows) * k * 2, 0x3f80),
               *x = b.buffer(k * 2, 0x3f80), *y = b.buffer(rows * 4, 0);
    double data = residentMb() - base;
    Result best;
    best.seconds = 1e9;
    for (int i = 0; i < 3; ++i) {
      Result r = b.run("gemv", kCheckMemory, {rows / 8}, {256},
                       {w->address, x->address, y->address}, k / 8);
      best = r.seconds < best.seconds ? r : best;
    }
    float value = 0;
    std::memcpy(&value, y->host(y->address), 4);
    double rate = double(best.counters.threads) / best.seconds / 1e6;
    double extra = best.peakMb - base - data;
    std::printf("gemv %dx%d bf16, memcheck: %.1f ms, %.2f M threads/s (wanted "
                "5), %.1f MB beyond the data (wanted <= 60), y[0] = %g\n",
                rows, k, best.seconds * 1e3, rate, extra, double(value));
    ok = ok && rate >= 5 && extra <= 60 && value == 1024;
  }
  {
    constexpr int k = 1024;
    Allocation *a = b.buffer(128 * k * 2, 0x3f80),
               *w = b.buffer(128 * k * 2, 0x3f80), *c = b.buffer(65536, 0);
    double before = residentMb();
    Result best;
    best.seconds = 1e9;
    for (int i = 0; i < 3; ++i) {
      Result r = b.run("tile", kCheckMemory | kCheckRace, {1}, {256},
                       {a->address, w->address, c->address}, k);
      best = r.seconds < best.seconds ? r : best;
    }
    float value = 0;
    std::memcpy(&value, c->host(c->address), 4);
    std::printf("mma.sync tile 128x128x%d, race: %.0f ms (wanted <= 500), "
                "%.1f MB beyond (wanted <= 60), %llu mma, c[0] = %g\n",
                k, best.seconds * 1e3, best.peakMb - before,
                static_cast<unsigned long long>(best.counters.mma),
                double(value));
    ok = ok && best.seconds <= 0.5 && best.peakMb - before <= 60 &&
         value == 1024;
  }
  std::printf("E4: %s\n", ok ? "holds" : "DOES NOT HOLD");
  return ok ? 0 : 1;
}
