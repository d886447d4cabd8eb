// What a program never gave back: compute-sanitizer's leakcheck, and modules,
// streams, events and graphs beside memory.
#include "State.h"

#include <cstdlib>

namespace rill::emu::cuda {

static void leak(Driver &d, const std::string &what) {
  Finding f;
  f.kind = Kind::Leak;
  f.message = what;
  d.report.add(std::move(f));
}

static std::string describe(const Allocation &a) {
  char address[32];
  snprintf(address, sizeof address, "0x%llx",
           static_cast<unsigned long long>(a.address));
  std::string kind = a.label == "registered"      ? "registered host memory"
                     : a.kind == Allocation::Host ? "pinned host memory"
                     : a.label.empty()            ? "device memory"
                                                  : "device memory " + a.label;
  return std::to_string(a.size) + " bytes of " + kind + " at " + address +
         " (allocation " + std::to_string(a.serial) + ") were never freed";
}

void reportLeaks(Driver &d, const Context &c) {
  for (auto &[address, a] : d.memory->all()) {
    bool mine = a->context == c.id && a->kind != Allocation::Module;
    if (mine && !a->freeing) {
      leak(d, describe(*a));
    }
  }
  for (const LoadedModule *m : c.modules) {
    leak(d, "module " + m->ptx->name + " was never unloaded");
  }
  for (const Stream *s : c.streams) {
    if (s != c.legacy && s != c.perThread) {
      leak(d, "stream " + std::to_string(s->id) + " was never destroyed");
    }
  }
  size_t n = 0;
  for (const Event *e : c.events) {
    leak(d, "event " + std::to_string(++n) + " of context " +
                std::to_string(c.id) +
                (e->recorded ? ", recorded," : ", never recorded,") +
                " was never destroyed");
  }
  n = 0;
  for (const GraphExec *x : d.execs) {
    if (x->context == &c) {
      leak(d, "executable graph " + std::to_string(++n) + " of context " +
                  std::to_string(c.id) + " was never destroyed");
    }
  }
}

static void atExit() {
  Driver &d = driver();
  std::lock_guard lock(d.mutex);
  for (const Context *c : d.contexts) {
    leak(d, c->primary
                ? "the primary context is still retained " +
                      std::to_string(c->retained) + " times"
                : "context " + std::to_string(c->id) + " was never destroyed");
    reportLeaks(d, *c);
  }
  for (auto &[address, a] : d.memory->all()) {
    if (a->label == "(device malloc)") {
      leak(d, describe(*a));
    }
  }
  size_t n = 0;
  for (const Graph *g : d.graphs) {
    if (!g->body) {
      leak(d, "graph " + std::to_string(++n) + " of " +
                  std::to_string(g->nodes.size()) +
                  " nodes was never destroyed");
    }
  }
}

void reportLeaksAtExit() {
  static const bool once = std::atexit(atExit) == 0;
  (void)once;
}

} // namespace rill::emu::cuda
