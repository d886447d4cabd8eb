//===- clock.h - Seconds of a steady clock ----------------------*- C++ -*-===//
//
// What profiles and statistics count in.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_CORE_CLOCK_H
#define RILL_RUNTIME_CORE_CLOCK_H

#include <chrono>

namespace rill::rt {

/// Seconds of CLOCK_MONOTONIC.
inline double steadySeconds() {
  return std::chrono::duration<double>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

} // namespace rill::rt

#endif
