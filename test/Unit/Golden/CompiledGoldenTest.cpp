//===- CompiledGoldenTest.cpp - The artifact against golden ---------------===//
//
// Checkpoint -> rill::compile -> .rill -> C API: every variant, whole and in
// chunks, f32 within 1e-5.
//
//===----------------------------------------------------------------------===//
#include "Compiled.h"

#include "rill.h"
#include "rill/Pipeline/Pipeline.h"
#include "runtime/device/cpu/code.h"

#include "llvm/ADT/STLExtras.h"

#include <cmath>
#include <filesystem>
#include <gtest/gtest.h>

using namespace rill;

namespace {
/// Variant and target.
struct CompiledGolden : testing::TestWithParam<std::tuple<int, const char *>> {
};
} // namespace

/// f32 sums in another order than the double-precision values.
static constexpr float kTolerance = 1e-5f;

TEST_P(CompiledGolden, WholeChunksAndDecode) {
  auto [number, target] = GetParam();
  if (!llvm::is_contained(rt::cpuTargets(), target)) {
    GTEST_SKIP() << "this processor has no " << target;
  }
  const golden::Variant &variant = golden::variants()[number];
  Compiled compiled(variant.name, target, 2);
  ASSERT_NE(compiled.session, nullptr);
  for (const std::vector<int64_t> &chunks :
       {std::vector<int64_t>{}, {1}, {2}, {3}, {1, 2, 3}}) {
    auto difference = golden::compare(
        golden::run(compiled.backend(), variant, chunks), variant);
    EXPECT_LE(difference.largest, kTolerance) << variant.name;
    EXPECT_TRUE(difference.argmax) << variant.name;
  }
}

// The same three steps by `step`, which embeds, decodes and draws in one call.
TEST_P(CompiledGolden, StepDrawsTheLargest) {
  auto [number, target] = GetParam();
  if (!llvm::is_contained(rt::cpuTargets(), target)) {
    GTEST_SKIP() << "this processor has no " << target;
  }
  const golden::Variant &variant = golden::variants()[number];
  Compiled compiled(variant.name, target, 2);
  ASSERT_NE(compiled.session, nullptr);
  golden::run(compiled.backend(), variant, {});
  constexpr int64_t kSteps = 3, kFed[kSteps] = {13, 2, 30};
  int64_t rows = rill_session_length(compiled.session, 0) - kSteps;
  ASSERT_EQ(rill_session_rollback(compiled.session, 0, rows), nullptr);
  for (int64_t step = 0; step < kSteps; ++step) {
    ASSERT_EQ(
        rill_session_set_next(compiled.session, 0, kFed[step], rows + step),
        nullptr);
    int64_t token = -1;
    rill_tensor output = rt::makeTensor(&token, sizeof(token), RILL_I64, {});
    ASSERT_EQ(rill_invoke(compiled.session, "step", nullptr, 0, &output, 1),
              nullptr);
    EXPECT_EQ(token, variant.argmax[step + 1]) << "step " << step;
  }
}

INSTANTIATE_TEST_SUITE_P(Variants, CompiledGolden,
                         testing::Combine(testing::Range(0, 8),
                                          testing::Values("x86-64-v3",
                                                          "x86-64-v4")));
