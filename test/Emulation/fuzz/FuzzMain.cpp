// A libFuzzer program for one target, named at build time by RILL_FUZZ_TARGET.
#include "FuzzTargets.h"

#include <cstring>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static void (*const run)(std::span<const uint8_t>) = [] {
    for (const rill::emu::FuzzTarget &target : rill::emu::fuzzTargets()) {
      if (std::strcmp(target.name, RILL_FUZZ_TARGET) == 0) {
        return target.run;
      }
    }
    __builtin_trap();
  }();
  run({data, size});
  return 0;
}
