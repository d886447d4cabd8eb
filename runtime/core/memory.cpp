//===- memory.cpp - Large allocations -------------------------------------===//
//
// Anonymous mappings, with huge pages where the kernel gives them, or the
// caller's allocator.
//
//===----------------------------------------------------------------------===//
#include "runtime/core/memory.h"

#include <cerrno>
#include <cstring>
#include <pthread.h>
#include <sys/mman.h>

using namespace rill::rt;

static pthread_mutex_t allocatorLock = PTHREAD_MUTEX_INITIALIZER;
static rill_allocator allocator;

void rill::rt::setAllocator(const rill_allocator *given) {
  pthread_mutex_lock(&allocatorLock);
  allocator = given ? *given : rill_allocator{};
  pthread_mutex_unlock(&allocatorLock);
}

static rill_allocator currentAllocator() {
  pthread_mutex_lock(&allocatorLock);
  rill_allocator current = allocator;
  pthread_mutex_unlock(&allocatorLock);
  return current;
}

static constexpr uint64_t kPage = 4096;

Memory &Memory::operator=(Memory &&other) noexcept {
  std::swap(base, other.base);
  std::swap(size, other.size);
  std::swap(source, other.source);
  return *this;
}

Memory::~Memory() {
  if (base && source.release) {
    source.release(source.user, base, size);
  } else if (base) {
    munmap(base, size);
  }
}

/// Memory of the caller's allocator, zeroed.
static Result<uint8_t *> ask(const rill_allocator &source, uint64_t bytes,
                             const char *what) {
  void *given = source.allocate(source.user, bytes, kPage);
  if (!given || reinterpret_cast<uintptr_t>(given) % kPage != 0) {
    if (given) {
      source.release(source.user, given, bytes);
    }
    return makeError(
        ErrorCode::OutOfMemory, what,
        format("%llu bytes: rill_set_allocator's allocate answers "
               "%s",
               (unsigned long long)bytes,
               given ? "memory that does not begin on a page" : "NULL"));
  }
  std::memset(given, 0, bytes);
  return static_cast<uint8_t *>(given);
}

Result<Memory> Memory::allocate(uint64_t bytes, const char *what) {
  Memory memory;
  if (bytes == 0) {
    return memory;
  }
  rill_allocator source = currentAllocator();
  if (source.allocate) {
    RILL_ASSIGN(memory.base, ask(source, bytes, what));
    memory.size = bytes;
    memory.source = source;
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
