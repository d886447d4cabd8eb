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
#include <vector>

namespace rill::test {

/// A name and the function that takes its input.
struct FuzzTarget {
  const char *name;
  void (*run)(std::span<const uint8_t> bytes);
};

/// safetensors, index, config, tokenizer, template, image, npy, manifest, plan,
/// dispatches.
std::span<const FuzzTarget> fuzzTargets();

/// Those of runtime/core, in a file of their own (fuzz_core.cpp).
/// An artifact with right hashes: header, table, a manifest with one method
/// of one variant (S 1..16, h and w 2..8) for x86-64-v3 or sm_90a, an empty
/// code section, `plan`.
std::vector<uint8_t> artifactAround(std::span<const uint8_t> plan,
                                    bool cuda = false);
void fuzzManifest(std::span<const uint8_t> bytes);
void fuzzDispatches(std::span<const uint8_t> bytes);
void fuzzPlan(std::span<const uint8_t> bytes);

} // namespace rill::test

#endif
