//===- decoder.h - Ids in, ids out ------------------------------*- C++ -*-===//
//
// The text methods of an artifact and the loop over them, plain or with a
// drafter. Knows no tokenizer; works through the C API of librill.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_GENERATE_DECODER_H
#define RILL_RUNTIME_GENERATE_DECODER_H

#include "rill.h"
#include "runtime/formats/json.h"
#include "runtime/generate/sampler.h"
#include "runtime/generate/speculation.h"

#include <functional>
#include <span>

namespace rill::rt {

/// Decodes one sequence in one session. The session is the caller's and must
/// outlive it.
class Decoder {
public:
  /// Reads sizes and methods from the artifact's manifest. Errors: JsonField,
  /// CallUnsupported for a batch other than 1.
  static Result<Decoder> create(const JsonField &manifest,
                                rill_session *session);

  /// Rows of token_embedding, in calls of at most one chunk; `rows` has room
  /// for rowBytes() each.
  Status embed(std::span<const int64_t> ids, uint8_t *rows);
  /// Feeds `count` <= chunk() rows behind the session's length, which is
  /// `first`; the last row's logits are then in logits(). With `context` the
  /// drafter's keys and values are appended too.
  Status decode(const uint8_t *rows, int64_t count, int64_t first,
                bool context);
  std::span<const float> logits() const { return lastLogits; }

  /// Receives every token and its index in the sequence; true ends the loop.
  using Take = std::function<bool(int64_t id, int64_t index)>;
  /// Draws tokens until `take` ends it, the first from logits(). `history`
  /// holds all ids before and grows; the session holds a row for each of them
  /// but the last one drawn. With a drafter, and `spec` enabled, the prompt
  /// must have been fed with context. The tokens do not depend on `spec`.
  /// Without a drafter the model's own `step` draws all but the first.
  Status run(Sampler &sampler, const SpecOptions &spec,
             std::vector<int64_t> &history, const Take &take, SpecStats &stats);

  bool hasDrafter() const { return maxWidth > 1; }
  int64_t vocabulary() const { return vocab; }
  int64_t context() const { return capacity; }
  int64_t chunk() const { return chunkRows; }
  int64_t hidden() const { return width; }
  size_t rowBytes() const { return width * elementSize; }
  int32_t dtype() const { return elementType; }
  int64_t imageToken() const { return imageId; }
  const std::vector<int64_t> &endTokens() const { return ends; }

private:
  Status readMethods(const JsonField &manifest);
  Status readDraft(const JsonField &manifest);
  Status plainStep(std::span<const int64_t> history, bool context);
  /// Gives the session what `step` needs: the sampling values and all ids.
  Status prepareSteps(const Sampler &sampler, std::span<const int64_t> history);
  /// The next token, drawn by the model.
  Result<int64_t> step();
  /// Drafts and verifies `rows` rows from the last id of `history`.
  Status speculate(const SpecOptions &spec, std::span<const int64_t> history,
                   int64_t rows, SpecStats &stats);
  /// The drafter's best ids into ids[1..].
  Status draft(int64_t rows);

  rill_session *session = nullptr;
  int64_t vocab = 0, width = 0, capacity = 0, chunkRows = 1, imageId = -1;
  int64_t maskToken = 0, maxWidth = 1;
  int32_t elementType = RILL_F32;
  size_t elementSize = 4;
  bool drawsTokens = false; ///< has the method `step`
  std::vector<int64_t> ends;
  std::vector<float> lastLogits;
  // Of one step.
  std::vector<int64_t> ids, positions;
  std::vector<float> blockLogits; ///< [rows,V]
  std::vector<uint8_t> embeds;
};

} // namespace rill::rt

#endif
