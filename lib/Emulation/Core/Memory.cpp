// The device's address space and its allocator.
#include "Memory.h"

#include <algorithm>
#include <cstdio>
#include <sys/mman.h>

namespace rill::emu {

/// Between allocations, so that a small overrun hits nothing.
static constexpr uint64_t kGap = 256;

DeviceMemory::DeviceMemory(uint64_t capacity) {
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  reserved = mmap(nullptr, capacity, PROT_NONE, flags, -1, 0);
  if (reserved == MAP_FAILED) {
    reserved = nullptr;
    return;
  }
  base = mmap(nullptr, capacity, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (base == MAP_FAILED) {
    munmap(reserved, capacity);
    reserved = base = nullptr;
    return;
  }
  // Freed or unused device memory is no part of a core dump.
  madvise(base, capacity, MADV_DONTDUMP);
  total = capacity;
  first = reinterpret_cast<uint64_t>(reserved);
  free[first] = capacity;
}

DeviceMemory::~DeviceMemory() {
  if (base) {
    munmap(base, total);
    munmap(reserved, total);
  }
}

Allocation *DeviceMemory::allocate(uint64_t bytes, Allocation::Kind kind,
                                   uint64_t align) {
  if (bytes == 0 || bytes > total || align > total) {
    return nullptr;
  }
  align = std::max<uint64_t>(align, 256);
  uint64_t need = (bytes + 255) / 256 * 256 + kGap;
  for (auto it = free.begin(); it != free.end(); ++it) {
    uint64_t at = (it->first + align - 1) / align * align;
    uint64_t end = it->first + it->second;
    if (at + need > end || at < it->first) {
      continue;
    }
    uint64_t head = at - it->first;
    if (head) {
      it->second = head;
    } else {
      free.erase(it);
    }
    if (at + need < end) {
      free[at + need] = end - at - need;
    }
    auto a = std::make_unique<Allocation>();
    a->address = at;
    a->size = bytes;
    a->delta = static_cast<int64_t>(reinterpret_cast<uint64_t>(base) - first);
    a->kind = kind;
    a->serial = ++serials;
    if (trackWrites) {
      a->written.resize((bytes + 7) / 8);
    }
    // What lay here before is no longer freed memory, nor is the gap.
    std::erase_if(freed, [&](const FreedRange &f) {
      return f.address < at + need && f.address + f.size > at;
    });
    usedBytes += need;
    ++changes;
    return (allocations[at] = std::move(a)).get();
  }
  return nullptr;
}

Allocation *DeviceMemory::adoptHost(void *pointer, void *view, uint64_t bytes) {
  auto a = std::make_unique<Allocation>();
  a->address = reinterpret_cast<uint64_t>(pointer);
  a->size = bytes;
  a->delta =
      static_cast<int64_t>(reinterpret_cast<uint64_t>(view) - a->address);
  a->kind = Allocation::Host;
  a->serial = ++serials;
  ++changes;
  auto [it, fresh] = allocations.emplace(a->address, std::move(a));
  return fresh ? it->second.get() : nullptr;
}

bool DeviceMemory::release(uint64_t address) {
  auto it = allocations.find(address);
  if (it == allocations.end()) {
    return false;
  }
  ++changes;
  Allocation &a = *it->second;
  if (a.kind != Allocation::Host) {
    uint64_t bytes = (a.size + 255) / 256 * 256 + kGap;
    usedBytes -= bytes;
    // The bytes go back to the system and read as zero again.
    uint64_t host = reinterpret_cast<uint64_t>(a.host(address));
    uint64_t page = 4096, from = (host + page - 1) / page * page;
    uint64_t to = (host + bytes) / page * page;
    if (to > from) {
      madvise(reinterpret_cast<void *>(from), to - from, MADV_DONTNEED);
    }
    freed.push_back({a.address, a.size, a.serial});
    if (freed.size() > 4096) {
      freed.erase(freed.begin(), freed.begin() + 2048);
    }
    auto at = free.emplace(address, bytes).first;
    if (auto next = std::next(at);
        next != free.end() && at->first + at->second == next->first) {
      at->second += next->second;
      free.erase(next);
    }
    if (at != free.begin()) {
      auto previous = std::prev(at);
      if (previous->first + previous->second == at->first) {
        previous->second += at->second;
        free.erase(at);
      }
    }
  }
  allocations.erase(it);
  return true;
}

Allocation *DeviceMemory::find(uint64_t address) const {
  auto it = allocations.upper_bound(address);
  if (it == allocations.begin()) {
    return nullptr;
  }
  Allocation *a = std::prev(it)->second.get();
  return address - a->address < a->size ? a : nullptr;
}

const Allocation *DeviceMemory::below(uint64_t address) const {
  auto it = allocations.upper_bound(address);
  return it == allocations.begin() ? nullptr : std::prev(it)->second.get();
}

const FreedRange *DeviceMemory::findFreed(uint64_t address) const {
  for (auto it = freed.rbegin(); it != freed.rend(); ++it) {
    if (address - it->address < it->size) {
      return &*it;
    }
  }
  return nullptr;
}

std::string DeviceMemory::describe(uint64_t address) const {
  char text[200];
  if (const Allocation *a = find(address)) {
    snprintf(text, sizeof text, "byte %llu of %s #%llu (%llu bytes)%s%s",
             static_cast<unsigned long long>(address - a->address),
             a->kind == Allocation::Host ? "host allocation" : "allocation",
             static_cast<unsigned long long>(a->serial),
             static_cast<unsigned long long>(a->size),
             a->label.empty() ? "" : " ", a->label.c_str());
  } else if (const FreedRange *f = findFreed(address)) {
    snprintf(text, sizeof text,
             "byte %llu of allocation #%llu (%llu bytes), "
             "already freed",
             static_cast<unsigned long long>(address - f->address),
             static_cast<unsigned long long>(f->serial),
             static_cast<unsigned long long>(f->size));
  } else if (const Allocation *b = below(address)) {
    snprintf(text, sizeof text,
             "%llu bytes past the end of %sallocation "
             "#%llu (%llu bytes)%s%s",
             static_cast<unsigned long long>(address - b->address - b->size),
             b->kind == Allocation::Host ? "host " : "",
             static_cast<unsigned long long>(b->serial),
             static_cast<unsigned long long>(b->size),
             b->label.empty() ? "" : " ", b->label.c_str());
  } else {
    snprintf(text, sizeof text, "no allocation near");
  }
  return text;
}

} // namespace rill::emu
