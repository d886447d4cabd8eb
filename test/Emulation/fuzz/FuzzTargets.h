// What the fuzzers of the emulator call: one function per kind of untrusted
// input. Each takes any bytes and must return; the sanitizers judge. The same
// functions replay the corpora in CorpusTest.cpp.
#ifndef TEST_EMULATION_FUZZ_FUZZTARGETS_H
#define TEST_EMULATION_FUZZ_FUZZTARGETS_H

#include <cstddef>
#include <cstdint>
#include <span>

namespace rill::emu {

struct FuzzTarget {
  const char *name;
  void (*run)(std::span<const uint8_t> bytes);
};

/// ptx: text through the parser and the decoder. module: an image (text or a
/// fat binary) through the driver, whose kernels are then launched.
std::span<const FuzzTarget> fuzzTargets();

} // namespace rill::emu
#endif
