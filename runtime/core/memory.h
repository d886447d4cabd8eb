//===- memory.h - Large allocations -----------------------------*- C++ -*-===//
//
// Zeroed pages that report exhaustion instead of ending the program.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_CORE_MEMORY_H
#define RILL_RUNTIME_CORE_MEMORY_H

#include "rill.h"
#include "runtime/formats/status.h"

namespace rill::rt {

/// Whom Memory asks from now on; null: the system. Memory that exists goes back
/// to where it came from.
void setAllocator(const rill_allocator *allocator);

/// Owned, zeroed, page-aligned bytes.
class Memory {
public:
  Memory() = default;
  Memory(Memory &&other) noexcept { *this = std::move(other); }
  Memory &operator=(Memory &&other) noexcept;
  ~Memory();

  /// `what` names the purpose in the OutOfMemory error.
  static Result<Memory> allocate(uint64_t bytes, const char *what);

  uint8_t *data() const { return base; }
  uint64_t bytes() const { return size; }

private:
  uint8_t *base = nullptr;
  uint64_t size = 0;
  rill_allocator source = {}; ///< no function: pages of the system
};

} // namespace rill::rt

#endif
