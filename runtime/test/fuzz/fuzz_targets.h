//===- fuzz_targets.h - What the fuzzers call -------------------*- C++ -*-===//
//
// One function per kind of untrusted input. Each takes any bytes and must
// return; the sanitizers judge. The same functions replay the corpora in
// corpus_test.cpp.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_TEST_FUZZ_FUZZ_TARGETS_H
#define RILL_RUNTIME_TEST_FUZZ_FUZZ_TARGETS_H

#include <cstddef>
#include <cstdint>
#include <span>

namespace rill::test {

/// A name and the function that takes its input.
struct FuzzTarget {
  const char *name;
  void (*run)(std::span<const uint8_t> bytes);
};

/// safetensors, index, config, tokenizer, template, image, npy.
std::span<const FuzzTarget> fuzzTargets();

} // namespace rill::test

#endif
