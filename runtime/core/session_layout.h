//===- session_layout.h - What a session takes ------------------*- C++ -*-===//
//
// Sizes of the parts of a session, known before it exists: sessions allocate
// by it and rill_plan_bytes reports it.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_CORE_SESSION_LAYOUT_H
#define RILL_RUNTIME_CORE_SESSION_LAYOUT_H

#include "rill.h"
#include "runtime/core/device.h"

namespace rill::rt {

class Model;

/// Tensors of a call, states and the arena begin at multiples of it.
inline uint64_t alignedToPage(uint64_t bytes) {
  constexpr uint64_t kAlign = 4096;
  return (bytes + kAlign - 1) / kAlign * kAlign;
}

/// A session that runs the code of one target.
struct SessionLayout {
  std::vector<uint64_t> stateOffsets;
  uint64_t stateBytes = 0, arenaBytes = 0; ///< one allocation, in this order
  QueueNeeds needs;
  /// The rows that every linear state holds; nothing when there is none.
  std::optional<int64_t> rows;

  /// `target` is a target of the artifact; `threads` 0 asks RILL_NUM_THREADS,
  /// then the number of processors this process may use.
  static SessionLayout of(const Model &model, const std::string &target,
                          int threads);
};

/// rill.h: rill_plan_bytes. Errors: NoDevice, NoCode.
Result<rill_memory_plan> planBytes(const Model &model,
                                   const rill_session_options &options);

} // namespace rill::rt

#endif
