//===- speculation.cpp - How far to draft, and what came of it ------------===//
//
// Expected tokens per second of every width, against plain decoding.
//
//===----------------------------------------------------------------------===//
#include "runtime/generate/speculation.h"

#include <algorithm>

using namespace rill::rt;

static constexpr double kSmooth = 0.25; ///< weight of the newest measurement
static constexpr int64_t kPeriod = 4;   ///< verifies between two choices
static constexpr int64_t kLongestStretch = 256;

static Status checkRange(const char *name, int64_t value, int64_t low,
                         int64_t high) {
  if (value >= low && value <= high) {
    return {};
  }
  return makeError(ErrorCode::SamplingInvalid, name,
                   format("is %lld, allowed is %lld to %lld", (long long)value,
                          (long long)low, (long long)high));
}

Status SpecOptions::validate() const {
  RILL_TRY(checkRange("spec-draft-n-max", draftMax, 0, kMaxVerifyWidth - 1));
  RILL_TRY(checkRange("spec-draft-n-min", draftMin, 1,
                      draftMax ? draftMax : kMaxVerifyWidth - 1));
  return checkRange("spec-synth-len", syntheticLength, 0, kMaxVerifyWidth);
}

void SpecStats::add(int64_t width, int64_t length) {
  ++verifies;
  drafted += static_cast<size_t>(width - 1);
  accepted += static_cast<size_t>(length - 1);
  committed += static_cast<size_t>(length);
  ++lengths[static_cast<size_t>(length)];
}

WidthPolicy::WidthPolicy(const SpecOptions &options, int64_t largest)
    : options(options) {
  if (options.draftMax > 0) {
    largest = std::min(largest, options.draftMax + 1);
  }
  for (int64_t rows : {int64_t(4), int64_t(8), int64_t(16), largest}) {
    bool fits = rows <= largest && rows > options.draftMin && rows > 1;
    bool again = !widths.empty() && widths.back().rows >= rows;
    if (fits && !again) {
      widths.push_back({rows});
    }
  }
  current = widths.empty() ? 0 : widths.size() - 1;
}

int64_t WidthPolicy::next(int64_t room) {
  if (widths.empty()) {
    return 1;
  }
  if (options.adaptive && plainLeft > 0) {
    --plainLeft;
    return 1;
  }
  int64_t rows = std::min(widths[current].rows, room);
  return rows > options.draftMin ? rows : 1;
}

void WidthPolicy::verified(int64_t width, int64_t length, double seconds) {
  // Proposal j stands in row j and was compared when those before were right.
  for (int64_t j = 1; j < width && j <= length; ++j) {
    reached[j] += 1;
    right[j] += j < length ? 1 : 0;
  }
  for (Width &entry : widths) {
    if (entry.rows == width) {
      entry.seconds = entry.seconds > 0
                          ? entry.seconds + kSmooth * (seconds - entry.seconds)
                          : seconds;
    }
  }
  if (options.adaptive && ++sinceChoice >= kPeriod) {
    sinceChoice = 0;
    choose();
  }
}

void WidthPolicy::decoded(double seconds) {
  plainSeconds = plainSeconds > 0
                     ? plainSeconds + kSmooth * (seconds - plainSeconds)
                     : seconds;
}

/// A slot of which little is known is taken to be like the one before it, the
/// first to be right every other time.
double WidthPolicy::expectedLength(int64_t rows) const {
  constexpr double kPrior = 2; ///< proposals that assumption counts for
  double length = 1, chance = 1, slot = 0.5;
  for (int64_t j = 1; j < rows; ++j) {
    slot = (right[j] + kPrior * slot) / (reached[j] + kPrior);
    chance *= slot;
    length += chance;
  }
  return length;
}

/// A width that was never run is taken to cost less than the next wider one
/// that was, half of it in proportion to the rows: worth a try, then measured.
double WidthPolicy::costOf(size_t index) const {
  for (size_t i = index; i < widths.size(); ++i) {
    if (widths[i].seconds > 0) {
      double share = static_cast<double>(widths[index].rows) /
                     static_cast<double>(widths[i].rows);
      return widths[i].seconds * (1 + share) / 2;
    }
  }
  return 0;
}

void WidthPolicy::choose() {
  double best = 0;
  for (size_t i = 0; i < widths.size(); ++i) {
    double cost = costOf(i);
    double rate = cost > 0 ? expectedLength(widths[i].rows) / cost : 0;
    if (rate > best) {
      best = rate;
      current = i;
    }
  }
  // Two tokens a step pay wherever a verify costs less than two steps; below
  // that a plain step is measured, and decides.
  bool doubtful = expectedLength(widths[current].rows) < 2.5;
  if (plainSeconds == 0) {
    plainLeft = doubtful ? 1 : 0;
    return;
  }
  if (best > 0 && best * plainSeconds < 1) {
    plainLeft = plainStretch;
    plainStretch = std::min(2 * plainStretch, kLongestStretch);
  } else {
    plainStretch = 16;
  }
}
