//===- CudaGoldenTest.cpp - The artifact's CUDA code against golden -------===//
//
// Checkpoint -> rill::compile -> .rill -> C API on the emulated driver: every
// variant, f32 within 1e-5, bf16 as the must-holds say. RILL_EMU_CHECKS and
// RILL_EMU_SEED choose what the emulator looks for.
//
//===----------------------------------------------------------------------===//
#include "Compiled.h"

#include <cmath>
#include <cstdlib>
#include <gtest/gtest.h>

using namespace rill;

namespace {
struct CudaGolden : testing::TestWithParam<int> {
  static void SetUpTestSuite() { setenv("RILL_CUDA_LIB", RILL_EMU_LIB, 0); }
};
} // namespace

static constexpr float kTolerance = 1e-5f;

TEST_P(CudaGolden, WholeChunksAndDecodeInF32) {
  const golden::Variant &variant = golden::variants()[GetParam()];
  Compiled compiled(variant.name, "sm_90a", 1);
  ASSERT_NE(compiled.session, nullptr);
  for (const std::vector<int64_t> &chunks :
       {std::vector<int64_t>{}, {1, 2, 3}}) {
    auto difference = golden::compare(
        golden::run(compiled.backend(), variant, chunks), variant);
    EXPECT_LE(difference.largest, kTolerance) << variant.name;
    EXPECT_TRUE(difference.argmax) << variant.name;
  }
}

/// The largest error is at most 1 % of a row's largest |logit|.
TEST_P(CudaGolden, DecodesInBf16) {
  const golden::Variant &variant = golden::variants()[GetParam()];
  Compiled compiled(variant.name, "sm_90a", 1, /*bf16=*/true);
  ASSERT_NE(compiled.session, nullptr);
  auto logits = golden::run(compiled.backend(), variant, {});
  for (size_t i = 0; i < logits.size(); ++i) {
    float largest = 0, worst = 0;
    for (float logit : logits[i]) {
      largest = std::max(largest, std::abs(logit));
    }
    for (int c = 0; c < 6; ++c) {
      worst = std::max(worst, std::abs(logits[i][c] - variant.logits[i][c]));
    }
    EXPECT_LE(worst, 1e-2f * largest) << variant.name << ", row " << i;
  }
  EXPECT_TRUE(golden::compare(logits, variant).argmax) << variant.name;
}

INSTANTIATE_TEST_SUITE_P(Variants, CudaGolden, testing::Range(0, 8));
