//===- ceilings.h - What this machine can do at most ------------*- C++ -*-===//
//
// Read bandwidth and f32 FMA rate, measured in the same run as the model.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_TOOLS_RILL_BENCH_CEILINGS_H
#define RILL_TOOLS_RILL_BENCH_CEILINGS_H

#include <cstddef>

namespace rill::tools {

/// Bytes per second of wide sums over `bytes` of memory by `threads` threads,
/// one pass.
class ReadCeiling {
public:
  ReadCeiling(size_t bytes, int threads);
  ~ReadCeiling();
  double measure();

private:
  float *data;
  size_t bytes;
  int threads;
};

/// Multiply-adds count as two: FLOP per second of 24 independent vector
/// accumulators per thread, one pass of about `seconds`.
double measureFma(int threads, double seconds);

/// Seconds of a steady clock.
double secondsNow();

} // namespace rill::tools

#endif
