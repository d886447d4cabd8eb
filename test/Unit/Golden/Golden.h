//===- Golden.h - The synthetic golden test ---------------------*- C++ -*-===//
//
// Inputs and expected values of the synthetic model that integer arithmetic
// defines (weights by tools/dev/make_checkpoint --geometry golden). Any
// backend that offers the three methods can be driven through it.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_TEST_UNIT_GOLDEN_GOLDEN_H
#define RILL_TEST_UNIT_GOLDEN_GOLDEN_H

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace rill::golden {

using Floats = std::vector<float>;
using Ids = std::vector<int64_t>;

/// What a test drives. Shapes: patches [1,h,w,48] -> [h*w/4, 24]; ids ->
/// [S,24]; embeds and first position -> logits [40] of the last row.
struct Backend {
  std::function<Floats(const Floats &patches, int64_t h, int64_t w)> vision;
  std::function<Floats(const Ids &ids)> embed;
  std::function<Floats(const Floats &embeds, int64_t position)> decode;
  std::function<void()> reset;
};

/// One row of the table of variants.
struct Variant {
  std::string name;      ///< make_checkpoint's name
  int64_t height, width; ///< patches
  Ids ids;
  Ids argmax;                 ///< prefill, then after 13, 2, 30
  std::vector<Floats> logits; ///< first six logits of the same
};
const std::vector<Variant> &variants();

/// All 40 logits of the last prefill position of `base`.
const Floats &baseLogits();

/// The normalised patches [h*w,48] of the test image of 4h x 4w pixels.
Floats patches(int64_t h, int64_t w);

/// Writes the checkpoint of `variant` into a fresh folder and returns it;
/// empty when the script failed.
std::string makeCheckpoint(const std::string &variant,
                           const std::string &dtype = "bf16");

/// Prefill in `chunks` (empty: at once), then the three decode steps. Returns
/// the logits after prefill and after each step.
std::vector<Floats> run(const Backend &backend, const Variant &variant,
                        const std::vector<int64_t> &chunks);

/// Largest |difference| to the table, and whether every argmax agrees.
struct Difference {
  float largest;
  bool argmax;
};
Difference compare(const std::vector<Floats> &logits, const Variant &variant);

} // namespace rill::golden

#endif
