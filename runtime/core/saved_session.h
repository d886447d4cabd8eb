//===- saved_session.h - Sessions as bytes ----------------------*- C++ -*-===//
//
// The format of rill_session_save. Little-endian:
//
//   SavedHeader
//   content id of the artifact, zero-padded to 8 bytes
//   i64 head words of the control block (S, h, w zero), then start[B],
//   token[B], position[B], written[B]
//   per state, in manifest order, padded to 8 bytes: all of it, or, of a
//   linear state of rows, the rows before the longest sequence's length
//
// States are laid out as the manifest says, equal on every device.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_CORE_SAVED_SESSION_H
#define RILL_RUNTIME_CORE_SAVED_SESSION_H

#include "runtime/core/device.h"

namespace rill::rt {

constexpr char kSavedMagic[8] = {'R', 'I', 'L', 'L', 'S', 'E', 'S', 'S'};
constexpr uint32_t kSavedVersion = 1;

struct SavedHeader {
  char magic[8];
  uint32_t version, contentIdBytes;
  uint64_t bytes; ///< of all, this header included
  uint64_t hash;  ///< XXH3-64 of all, this field zero
  int64_t batch;
};
static_assert(sizeof(SavedHeader) == 40);

/// Where the parts of a saved session lie.
struct SavedLayout {
  uint64_t words;     ///< offset of the control block's words
  uint64_t wordCount; ///< head, start, token, position, written
  uint64_t states;    ///< offset of the first state
  uint64_t bytes;     ///< of all

  /// `length` is the longest sequence's, within the states' capacity.
  SavedLayout(const Manifest &manifest, int64_t length);
};

/// Pieces of the states from `states` on (a device's address; `offsets` of
/// each), beside where they lie in the saved bytes from `saved` on.
std::vector<Transfer> savedTransfers(const Manifest &manifest, int64_t length,
                                     uint8_t *states,
                                     const std::vector<uint64_t> &offsets,
                                     uint8_t *saved);

/// XXH3-64 of a saved session whose header's hash counts as zero.
uint64_t savedHash(std::span<const uint8_t> saved);

/// Checks magic, version, sizes, content id and hash. Errors: SavedInvalid,
/// ContentMismatch.
Status checkSaved(const Manifest &manifest, std::span<const uint8_t> saved);

} // namespace rill::rt

#endif
