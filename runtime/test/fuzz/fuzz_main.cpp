//===- fuzz_main.cpp - A libFuzzer program for one target -----------------===//
//
// RILL_FUZZ_TARGET names the target at build time.
//
//===----------------------------------------------------------------------===//
#include "runtime/test/fuzz/fuzz_targets.h"

#include <cstring>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static void (*const run)(std::span<const uint8_t>) = [] {
    for (const rill::test::FuzzTarget &target : rill::test::fuzzTargets()) {
      if (strcmp(target.name, RILL_FUZZ_TARGET) == 0) {
        return target.run;
      }
    }
    __builtin_trap();
  }();
  run({data, size});
  return 0;
}
