//===- speculation_test.cpp - How far to draft ----------------------------===//
//
// Statistics and the choice of width, with costs that the test sets.
//
//===----------------------------------------------------------------------===//
#include "runtime/generate/sampler.h"
#include "runtime/generate/speculation.h"

#include <cmath>
#include <gtest/gtest.h>

using namespace rill::rt;

TEST(Speculation, StatisticsCountTheTargetsOwnToken) {
  SpecStats stats;
  EXPECT_EQ(stats.meanLength(), 0);
  stats.add(8, 1);
  stats.add(8, 8);
  stats.add(4, 3);
  EXPECT_EQ(stats.verifies, 3u);
  EXPECT_EQ(stats.drafted, 17u);
  EXPECT_EQ(stats.accepted, 9u);
  EXPECT_EQ(stats.committed, 12u);
  EXPECT_EQ(stats.meanLength(), 4);
  EXPECT_EQ(stats.lengths[1], 1u);
  EXPECT_EQ(stats.lengths[8], 1u);
}

TEST(Speculation, OptionsNameWhatIsOutOfRange) {
  SpecOptions options;
  EXPECT_TRUE(options.validate().ok());
  options.draftMax = 16;
  EXPECT_EQ(options.validate().get().where, "spec-draft-n-max");
  options.draftMax = 3;
  options.draftMin = 4;
  EXPECT_EQ(options.validate().get().where, "spec-draft-n-min");
  options.draftMin = 0;
  EXPECT_FALSE(options.validate().ok());
  options = {};
  options.syntheticLength = 17;
  EXPECT_EQ(options.validate().get().where, "spec-synth-len");
}

TEST(Speculation, WidthNeverExceedsRoomOrLimits) {
  for (int64_t largest : {1, 2, 3, 7, 8, 16}) {
    for (int64_t most : {0, 1, 5, 15}) {
      SpecOptions options;
      options.draftMax = most;
      WidthPolicy policy(options, largest);
      for (int64_t room = 1; room < 20; ++room) {
        int64_t width = policy.next(room);
        EXPECT_GE(width, 1);
        EXPECT_LE(width, std::min(room, largest));
        EXPECT_LE(width, most ? most + 1 : 16);
      }
    }
  }
  SpecOptions options;
  options.draftMin = 5;
  WidthPolicy policy(options, 16);
  EXPECT_EQ(policy.next(5), 1); // four drafted at most
  EXPECT_EQ(policy.next(6), 6);
}

/// Runs `steps` steps of a world where a verify of w rows costs cost(w), a
/// plain step 1, and `right` proposals are right; counts widths at the end.
static std::array<int, 17> simulate(int64_t right, double (*cost)(int64_t),
                                    int steps) {
  WidthPolicy policy(SpecOptions(), 16);
  std::array<int, 17> widths = {};
  for (int step = 0; step < steps; ++step) {
    int64_t width = policy.next(100);
    if (step >= steps / 2) {
      ++widths[width];
    }
    if (width == 1) {
      policy.decoded(1);
    } else {
      policy.verified(width, std::min(width, right + 1), cost(width));
    }
  }
  return widths;
}

TEST(Speculation, FallsBackWhereDraftingDoesNotPay) {
  auto dear = [](int64_t) { return 3.0; };
  auto widths = simulate(0, dear, 2000);
  EXPECT_GT(widths[1], 900); // of 1000; the rest tries again
  EXPECT_LT(widths[1], 1000);
  widths = simulate(0, [](int64_t) { return 0.5; }, 2000);
  EXPECT_EQ(widths[1], 0); // cheaper than a plain step: always
}

TEST(Speculation, TakesTheWidthThatPays) {
  auto byRows = [](int64_t rows) {
    return 0.5 + 0.1 * static_cast<double>(rows);
  };
  auto narrow = simulate(2, byRows, 400), wide = simulate(15, byRows, 400);
  EXPECT_GT(narrow[4], 150);
  EXPECT_EQ(wide[16], 200);
}

TEST(Speculation, FirstLargestOfAnything) {
  std::vector<float> values(1000, -2.0f);
  EXPECT_EQ(firstLargest(values), 0);
  values[700] = values[900] = 3.0f;
  EXPECT_EQ(firstLargest(values), 700);
  values[10] = NAN;
  EXPECT_EQ(firstLargest(values), 700);
  std::vector<float> nothing(300, NAN);
  EXPECT_EQ(firstLargest(nothing), 0);
  std::vector<float> lowest(300, -INFINITY);
  EXPECT_EQ(firstLargest(lowest), 0);
}
