//===- memory.cpp - Large allocations -------------------------------------===//
//
// Anonymous mappings, with huge pages where the kernel gives them.
//
//===----------------------------------------------------------------------===//
#include "runtime/core/memory.h"

#include <cerrno>
#include <cstring>
#include <sys/mman.h>

using namespace rill::rt;

Memory &Memory::operator=(Memory &&other) noexcept {
  std::swap(base, other.base);
  std::swap(size, other.size);
  return *this;
}

Memory::~Memory() {
  if (base) {
    munmap(base, size);
  }
}

Result<Memory> Memory::allocate(uint64_t bytes, const char *what) {
  Memory memory;
  if (bytes == 0) {
    return memory;
  }
  void *pages = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (pages == MAP_FAILED) {
    return makeError(ErrorCode::OutOfMemory, what,
                     format("%llu bytes: %s", (unsigned long long)bytes,
                            std::strerror(errno)),
                     "compile with a smaller --max-seq-len");
  }
  madvise(pages, bytes, MADV_HUGEPAGE);
  memory.base = static_cast<uint8_t *>(pages);
  memory.size = bytes;
  return memory;
}
