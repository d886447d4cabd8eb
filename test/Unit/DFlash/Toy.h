//===- Toy.h - A compiled toy with a drafter, through Decoder ---*- C++ -*-===//
//
// Prompts with and without pictures, decoded plainly and with drafts.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_TEST_UNIT_DFLASH_TOY_H
#define RILL_TEST_UNIT_DFLASH_TOY_H

#include "Drafted.h"

#include "rill.h"
#include "runtime/core/c_helpers.h"
#include "runtime/generate/decoder.h"

#include <optional>
#include <random>

namespace rill::drafted {

/// A prompt; rows of `features` replace those of the image token's ids.
struct Prompt {
  Ids ids;
  std::vector<uint8_t> features;
};

/// An opened artifact with one session.
class Toy {
public:
  explicit Toy(const std::string &path, int threads = 2);
  ~Toy();
  Toy(const Toy &) = delete;
  Toy &operator=(const Toy &) = delete;

  bool ready() const { return decoder.has_value(); }
  /// `length` ids; with `picture` one of random pixels stands among them.
  Prompt prompt(std::mt19937 &random, int64_t length, bool picture);
  /// Starts anew with the prompt.
  void feed(const Prompt &prompt, bool context);
  /// Feeds, then decodes until `count` tokens exist or the context is full.
  Ids generate(const Prompt &prompt, size_t count,
               const rt::SamplingParams &sampling, const rt::SpecOptions &spec,
               rt::SpecStats *stats = nullptr);
  /// Logits behind one more id, decoded plainly.
  Floats next(int64_t id);
  /// Rows 0 .. end - 1 of every state, of a ring those that its readers see;
  /// `draft` chooses the states of the drafter or the target's.
  Floats states(int64_t end, bool draft) const;

  rill_model *model = nullptr;
  rill_session *session = nullptr;
  std::optional<rt::Decoder> decoder;

private:
  std::vector<uint8_t> vision(std::mt19937 &random, int64_t &rows);
  int64_t patchDepth = 0; ///< 0: no pictures
  std::vector<rt::StateInfo> stateList;
};

/// Plain decoding.
rt::SpecOptions plain();
/// Drafts of `width` rows, always.
rt::SpecOptions fixedWidth(int64_t width);

void expectOk(const rt::Status &status);

/// An integer of the environment: how much larger a proof is than a test.
int64_t sizeFromEnvironment(const char *name, int64_t fallback);

} // namespace rill::drafted

#endif
