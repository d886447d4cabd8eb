// Host accesses that must not happen: to device memory, and to pinned bytes
// that a queued copy will still touch. Found by page protection.
#include "State.h"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

namespace rill::emu::cuda {

namespace {

constexpr size_t kPageBytes = 4096;

struct Pinned {
  char *user = nullptr, *view = nullptr;
  size_t bytes = 0, mapped = 0;
};

struct Guarded {
  uint64_t token;
  char *from;
  size_t bytes;
  const char *why;
};

std::map<void *, Pinned> pinned;
std::vector<Guarded> guards;
uint64_t nextToken = 1;
struct sigaction previous;

void passOn(int signal, siginfo_t *info, void *context) {
  if (previous.sa_flags & SA_SIGINFO && previous.sa_sigaction) {
    previous.sa_sigaction(signal, info, context);
    return;
  }
  if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
    previous.sa_handler(signal);
    return;
  }
  sigaction(signal, &previous, nullptr);
}

void report(Kind kind, const std::string &message) {
  Finding f;
  f.kind = kind;
  f.message = message;
  driver().report.add(std::move(f));
}

void onFault(int signal, siginfo_t *info, void *context) {
  char *at = static_cast<char *>(info->si_addr);
  for (size_t i = 0; i < guards.size(); ++i) {
    Guarded &g = guards[i];
    if (at >= g.from && at < g.from + g.bytes) {
      // Reported once; the access then sees what memory holds.
      mprotect(g.from, g.bytes, PROT_READ | PROT_WRITE);
      report(Kind::HostBuffer, std::string("pinned memory was ") + g.why);
      guards.erase(guards.begin() + static_cast<long>(i));
      return;
    }
  }
  Driver &d = driver();
  auto address = reinterpret_cast<uint64_t>(at);
  if (d.memory && d.memory->inRange(address)) {
    report(Kind::HostAccess,
           "the host touches device memory: " + d.memory->describe(address));
  }
  passOn(signal, info, context);
}

} // namespace

void installHostGuard() {
  struct sigaction action = {};
  action.sa_sigaction = onFault;
  action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
  sigaction(SIGSEGV, &action, &previous);
}

void *allocatePinned(size_t bytes, void *&view) {
  size_t mapped = (bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
  int fd = memfd_create("emu-pinned", MFD_CLOEXEC);
  if (fd < 0) {
    return nullptr;
  }
  Pinned p;
  p.bytes = bytes;
  p.mapped = mapped;
  if (mapped >= bytes && ftruncate(fd, static_cast<off_t>(mapped)) == 0) {
    void *a = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    void *b = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    p.user = a == MAP_FAILED ? nullptr : static_cast<char *>(a);
    p.view = b == MAP_FAILED ? nullptr : static_cast<char *>(b);
  }
  close(fd);
  if (!p.user || !p.view) {
    if (p.user) {
      munmap(p.user, mapped);
    }
    if (p.view) {
      munmap(p.view, mapped);
    }
    return nullptr;
  }
  view = p.view;
  pinned[p.user] = p;
  return p.user;
}

bool freePinned(void *pointer) {
  auto it = pinned.find(pointer);
  if (it == pinned.end()) {
    return false;
  }
  munmap(it->second.user, it->second.mapped);
  munmap(it->second.view, it->second.mapped);
  pinned.erase(it);
  return true;
}

uint64_t guardPinned(void *pointer, size_t bytes, bool writeOnly,
                     const char *why) {
  char *at = static_cast<char *>(pointer);
  auto it = pinned.upper_bound(pointer);
  if (it == pinned.begin()) {
    return 0;
  }
  const Pinned &p = std::prev(it)->second;
  if (at < p.user || at + bytes > p.user + p.bytes) {
    return 0;
  }
  // Only pages whose allocated bytes all belong to the copy.
  size_t first = static_cast<size_t>(at - p.user), last = first + bytes;
  if (last == p.bytes) {
    last = p.mapped;
  }
  first = (first + kPageBytes - 1) / kPageBytes * kPageBytes;
  last = last / kPageBytes * kPageBytes;
  if (last <= first) {
    return 0;
  }
  // Overlapping guards would undo one another.
  for (const Guarded &g : guards) {
    if (p.user + first < g.from + g.bytes && g.from < p.user + last) {
      return 0;
    }
  }
  if (mprotect(p.user + first, last - first,
               writeOnly ? PROT_READ : PROT_NONE)) {
    return 0;
  }
  guards.push_back({nextToken, p.user + first, last - first, why});
  return nextToken++;
}

void unguardPinned(uint64_t token) {
  for (size_t i = 0; i < guards.size(); ++i) {
    if (guards[i].token == token) {
      mprotect(guards[i].from, guards[i].bytes, PROT_READ | PROT_WRITE);
      guards.erase(guards.begin() + static_cast<long>(i));
      return;
    }
  }
}

} // namespace rill::emu::cuda
