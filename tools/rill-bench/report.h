//===- report.h - What rill-bench prints ------------------------*- C++ -*-===//
//
// One format for all devices.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_TOOLS_RILL_BENCH_REPORT_H
#define RILL_TOOLS_RILL_BENCH_REPORT_H

#include "tools/rill-bench/bench.h"
#include "tools/rill-bench/ceilings.h"

namespace rill::tools {

struct Report {
  const std::vector<Row> &rows;
  const Meter &meter;
  std::string target;
  int threads;
  rt::JsonValue synthetic, prompts;
};

/// On standard output; per-op tables, where asked for, on standard error.
void printReport(const Report &report, const Flags &flags);

} // namespace rill::tools

#endif
