//===- speculation.h - How far to draft, and what came of it ----*- C++ -*-===//
//
// Settings, statistics and the choice of width of speculative decoding. None of
// it changes a token: every token is drawn from the target's own logits, by the
// same draw as without a drafter (sample-and-match; github.com/z-lab/dflash).
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_GENERATE_SPECULATION_H
#define RILL_RUNTIME_GENERATE_SPECULATION_H

#include "runtime/formats/status.h"

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace rill::rt {

/// Rows of a verify: the last committed token and up to 15 drafted ones.
inline constexpr int64_t kMaxVerifyWidth = 16;

struct SpecOptions {
  bool enabled = true; ///< false: plain decoding, also where there is a drafter
  int64_t draftMax = 0; ///< drafted tokens a step at most; 0: all there may be
  int64_t draftMin = 1; ///< fewer are not worth a step: then a plain one
  /// false: always draft as many as possible, whether or not it pays.
  bool adaptive = true;
  /// For measurements: every step commits this many tokens whatever matches;
  /// the answer is then meaningless. 0: off.
  int64_t syntheticLength = 0;
  /// Proposals from elsewhere: fills block[1..], the tokens behind index
  /// `start`, whose token is block[0]. Then the drafter is not run.
  std::function<void(std::span<int64_t> block, int64_t start)> propose;

  /// SamplingInvalid names the value that is out of its range.
  Status validate() const;
};

/// What one answer took. A step's acceptance length is the number of tokens it
/// committed, the target's own token included; the first token of an answer
/// comes from the prompt and belongs to no step.
struct SpecStats {
  size_t verifies = 0, plainSteps = 0;
  size_t drafted = 0;   ///< proposals
  size_t accepted = 0;  ///< proposals that became tokens
  size_t committed = 0; ///< tokens of all verifies
  /// lengths[n]: verifies that committed n tokens.
  std::array<size_t, kMaxVerifyWidth + 1> lengths = {};
  double draftSeconds = 0, verifySeconds = 0, plainSeconds = 0;

  /// Mean acceptance length; 0 without a verify.
  double meanLength() const {
    return verifies
               ? static_cast<double>(committed) / static_cast<double>(verifies)
               : 0.0;
  }
  void add(int64_t width, int64_t length);
};

/// Chooses the width of the next step of one answer from what the steps before
/// it cost and gave. Widths are 4, 8, 16 as far as the limits allow, and the
/// largest one allowed.
class WidthPolicy {
public:
  /// `largest`: rows the artifact's verify takes.
  WidthPolicy(const SpecOptions &options, int64_t largest);

  /// Rows of the next verify; 1: decode one token plainly. Never more than
  /// `room`.
  int64_t next(int64_t room);
  /// What a verify of `width` rows took and how many tokens it committed.
  void verified(int64_t width, int64_t length, double seconds);
  /// What a plain step took.
  void decoded(double seconds);

private:
  struct Width {
    int64_t rows;
    double seconds = 0; ///< smoothed; 0: not measured
  };
  double expectedLength(int64_t rows) const;
  double costOf(size_t index) const;
  void choose();

  SpecOptions options;
  std::vector<Width> widths; ///< ascending
  size_t current = 0;
  /// Of the proposals in slot j that were reached: how many were right.
  std::array<double, kMaxVerifyWidth> reached = {}, right = {};
  double plainSeconds = 0;   ///< smoothed; 0: not measured
  int64_t sinceChoice = 0;   ///< verifies
  int64_t plainLeft = 0;     ///< plain steps until drafting is tried again
  int64_t plainStretch = 16; ///< length of the next stretch of plain steps
};

} // namespace rill::rt

#endif
