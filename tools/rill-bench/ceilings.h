//===- ceilings.h - What this machine can do at most ------------*- C++ -*-===//
//
// Read bandwidth and rate of multiply-adds, measured in the same run as the
// model.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_TOOLS_RILL_BENCH_CEILINGS_H
#define RILL_TOOLS_RILL_BENCH_CEILINGS_H

#include "tools/common/profile.h"

#include "runtime/formats/status.h"

#include <algorithm>
#include <memory>
#include <string>

namespace rill::tools {

/// Measures a device again and again; the best counts.
class Meter {
public:
  virtual ~Meter() = default;
  /// One pass of each ceiling.
  virtual rt::Status sample() = 0;

  const Ceilings &best() const { return ceilings; }
  /// "2 threads", "NVIDIA H200".
  const std::string &device() const { return name; }
  /// What the rate of multiply-adds was measured by: "FMA", "mma.sync".
  const std::string &compute() const { return by; }
  /// What to know of the figures beside them; often empty.
  virtual std::string remark() const { return ""; }

protected:
  void takeRead(double rate) { ceilings.read = std::max(ceilings.read, rate); }
  void takeFlops(double rate, const char *how) {
    if (rate > ceilings.flops) {
      ceilings.flops = rate;
      by = how;
    }
  }

  std::string name, by;

private:
  Ceilings ceilings;
};

/// This processor: wide sums over 1 GiB, and 24 independent vectors of f32
/// multiply-adds, on `threads` threads.
std::unique_ptr<Meter> cpuMeter(int threads);

/// Device 0 of the CUDA driver: sums over memory, and bf16 products with f32
/// sums by mma.sync, on chips of capability 9.0 by wgmma too. Launches grow
/// until they fill the device; one that is too slow for that (an emulated one)
/// is measured by as much as it does in a twentieth of a second. Errors: those
/// of the driver.
rt::Result<std::unique_ptr<Meter>> cudaMeter();

} // namespace rill::tools

#endif
