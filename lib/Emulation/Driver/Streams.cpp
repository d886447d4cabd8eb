// Streams, events and the queue of operations. Work runs as late as the API
// allows: at a synchronisation, a blocking copy, or (with a seed) earlier.
#include "State.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace rill::emu::cuda {

CUresult Driver::streamOf(CUstream handle, Stream *&out) {
  Context *c = nullptr;
  RILL_TRY_CU(context(c));
  auto value = reinterpret_cast<uintptr_t>(handle);
  if (value == 0 || value == kStreamLegacy) {
    out = c->legacy;
    return CUDA_SUCCESS;
  }
  if (value == kStreamPerThread) {
    out = c->perThread;
    return CUDA_SUCCESS;
  }
  for (Context *x : contexts) {
    if (x->streams.count(handle)) {
      out = handle;
      return x == c ? static_cast<CUresult>(x->error)
                    : CUDA_ERROR_INVALID_HANDLE;
    }
  }
  return CUDA_ERROR_INVALID_HANDLE;
}

static void joinClock(StreamClock &into, const StreamClock &from) {
  for (auto &[stream, number] : from) {
    uint64_t &mine = into[stream];
    mine = std::max(mine, number);
  }
}

static bool orderedAfter(const StreamClock &clock, uint64_t stream,
                         uint64_t number) {
  auto it = clock.find(stream);
  return it != clock.end() && it->second >= number;
}

void Driver::touched(std::vector<GlobalRaces::Range> ranges) {
  if (!running || !(options.checks & kCheckRace)) {
    return;
  }
  Footprint mine{running->stream, running->number, running->clock,
                 running->what, std::move(ranges)};
  for (const Footprint &f : footprints) {
    if (orderedAfter(mine.clock, f.stream, f.number) ||
        orderedAfter(f.clock, mine.stream, mine.number)) {
      continue;
    }
    size_t i = 0, k = 0;
    while (i < mine.ranges.size() && k < f.ranges.size()) {
      const auto &a = mine.ranges[i], &b = f.ranges[k];
      if (a.first < b.end && b.first < a.end && (a.written || b.written)) {
        Finding x;
        x.kind = Kind::StreamRace;
        x.message = mine.what + " on stream " + std::to_string(mine.stream) +
                    " and " + f.what + " on stream " +
                    std::to_string(f.stream) + " touch the same memory (" +
                    memory->describe(std::max(a.first, b.first)) +
                    ") and nothing orders them";
        report.add(std::move(x));
        break;
      }
      (a.end < b.end ? i : k) += 1;
    }
  }
  // What the host has waited for is ordered before all that is queued later,
  // but not before what waits in a queue already.
  bool pending = false;
  for (Context *c : contexts) {
    for (Stream *s : c->streams) {
      pending |= s->last && !s->last->done && s->last != running;
    }
  }
  if (!pending) {
    std::erase_if(footprints, [&](const Footprint &f) {
      return orderedAfter(hostClock, f.stream, f.number);
    });
  }
  footprints.push_back(std::move(mine));
}

OpPtr Driver::enqueue(Stream &s, std::string what, std::function<int()> run,
                      std::shared_ptr<LaunchRecord> launch) {
  Context &c = *s.context;
  auto op = std::make_shared<Op>();
  op->run = std::move(run);
  op->what = std::move(what);
  op->launch = std::move(launch);
  op->number = ++opCount;
  op->stream = s.id;
  op->previous = s.last;
  op->clock = hostClock;
  auto need = [&](const OpPtr &o) {
    if (o) {
      joinClock(op->clock, o->clock);
    }
    if (o && !o->done) {
      op->needs.push_back(o);
    }
  };
  need(s.last);
  for (const OpPtr &o : s.waits) {
    need(o);
  }
  s.waits.clear();
  if (&s == c.legacy) {
    // The legacy stream waits for, and holds up, all blocking streams.
    for (Stream *other : c.streams) {
      if (!(other->flags & 1)) {
        need(other->last);
      }
    }
    c.legacyLast = op;
  } else if (!(s.flags & 1)) {
    need(c.legacyLast);
  }
  op->clock[op->stream] = op->number;
  s.last = op;
  seededProgress();
  return op;
}

/// The chain of launches that ends here and may overlap one another.
static std::vector<OpPtr> chainOf(const OpPtr &op) {
  std::vector<OpPtr> chain{op};
  while (chain.back()->launch && chain.back()->launch->config.programmatic) {
    OpPtr p = chain.back()->previous;
    if (!p || p->done || !p->launch) {
      break;
    }
    chain.push_back(p);
  }
  std::reverse(chain.begin(), chain.end());
  return chain;
}

int Driver::finish(const OpPtr &op, bool hostWaits) {
  int error = 0;
  if (op && hostWaits) {
    joinClock(hostClock, op->clock);
  }
  std::vector<OpPtr> stack{op};
  while (!stack.empty()) {
    OpPtr o = stack.back();
    if (!o || o->done) {
      stack.pop_back();
      continue;
    }
    std::vector<OpPtr> chain = chainOf(o);
    bool ready = true;
    for (const OpPtr &link : chain) {
      for (const OpPtr &n : link->needs) {
        bool inChain = std::find(chain.begin(), chain.end(), n) != chain.end();
        if (!n->done && !inChain) {
          stack.push_back(n);
          ready = false;
        }
      }
    }
    if (!ready) {
      continue;
    }
    stack.pop_back();
    if (chain.size() > 1) {
      std::vector<std::shared_ptr<LaunchRecord>> launches;
      for (const OpPtr &link : chain) {
        launches.push_back(link->launch);
      }
      running = o;
      int e = runLaunches(launches);
      error = error ? error : e;
      for (const OpPtr &link : chain) {
        link->done = true;
      }
    } else {
      o->done = true;
      if (o->run) {
        OpPtr outer = std::exchange(running, o);
        int e = o->run();
        running = outer;
        error = error ? error : e;
      }
    }
    for (const OpPtr &link : chain) {
      link->needs.clear();
      link->previous = nullptr;
      link->run = nullptr;
    }
  }
  return error;
}

int Driver::finishAll(Context &c) {
  std::vector<OpPtr> ends;
  for (Stream *s : c.streams) {
    if (s->last) {
      joinClock(hostClock, s->last->clock);
    }
    if (s->last && !s->last->done) {
      ends.push_back(s->last);
    }
  }
  std::sort(ends.begin(), ends.end(), [](const OpPtr &a, const OpPtr &b) {
    return a->number < b->number;
  });
  for (const OpPtr &op : ends) {
    finish(op);
  }
  return c.error;
}

void Driver::seededProgress() {
  if (options.seed == 0 || (opCount * 2654435761u + options.seed) % 4) {
    return;
  }
  Context *c = current();
  if (!c || !contexts.count(c) || c->streams.empty()) {
    return;
  }
  auto it = c->streams.begin();
  std::advance(it, (opCount * 40503u + options.seed) % c->streams.size());
  if ((*it)->last) {
    finish((*it)->last, false);
  }
}

static CUresult createStream(const char *name, CUstream *out, unsigned flags,
                             int priority) {
  return guarded(name, true, [&](Driver &d) -> CUresult {
    Context *c = nullptr;
    RILL_TRY_CU(d.context(c));
    if (!out || flags > 1) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    auto *s = new Stream();
    s->context = c;
    s->flags = flags;
    s->priority = std::clamp(priority, -5, 0);
    s->id = d.nextId++;
    c->streams.insert(s);
    *out = s;
    return CUDA_SUCCESS;
  });
}
RILL_CUDA_API CUresult cuStreamCreate(CUstream *out, unsigned flags) {
  return createStream("cuStreamCreate", out, flags, 0);
}
RILL_CUDA_API CUresult cuStreamCreateWithPriority(CUstream *out, unsigned flags,
                                                  int p) {
  return createStream("cuStreamCreateWithPriority", out, flags, p);
}

RILL_CUDA_API CUresult cuStreamDestroy_v2(CUstream handle) {
  return guarded("cuStreamDestroy_v2", true, [&](Driver &d) -> CUresult {
    Stream *s = nullptr;
    for (Context *c : d.contexts) {
      if (c->streams.count(handle)) {
        s = handle;
      }
    }
    if (!s || s == s->context->legacy || s == s->context->perThread) {
      return CUDA_ERROR_INVALID_HANDLE;
    }
    if (s->capture) {
      s->capture->invalid = true;
      s->capture->streams.erase(s);
    }
    if (s->last) {
      d.finish(s->last);
    }
    s->context->streams.erase(s);
    delete s;
    return CUDA_SUCCESS;
  });
}

static CUresult notCapturing(Stream *s) {
  if (s->capture) {
    s->capture->invalid = true;
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  }
  return CUDA_SUCCESS;
}

RILL_CUDA_API CUresult cuStreamSynchronize(CUstream handle) {
  return guarded("cuStreamSynchronize", true, [&](Driver &d) -> CUresult {
    Stream *s = nullptr;
    RILL_TRY_CU(d.streamOf(handle, s));
    RILL_TRY_CU(notCapturing(s));
    if (s == s->context->legacy) {
      return static_cast<CUresult>(d.finishAll(*s->context));
    }
    if (s->last) {
      d.finish(s->last);
    }
    for (const OpPtr &o : s->waits) {
      d.finish(o);
    }
    return static_cast<CUresult>(s->context->error);
  });
}

RILL_CUDA_API CUresult cuStreamQuery(CUstream handle) {
  return guarded("cuStreamQuery", true, [&](Driver &d) -> CUresult {
    Stream *s = nullptr;
    RILL_TRY_CU(d.streamOf(handle, s));
    RILL_TRY_CU(notCapturing(s));
    if (!s->last || s->last->done) {
      d.finish(s->last);
      return static_cast<CUresult>(s->context->error);
    }
    // Each question lets one operation run, so polling ends.
    OpPtr op = s->last;
    while (!op->needs.empty()) {
      auto it = std::find_if(op->needs.begin(), op->needs.end(),
                             [](const OpPtr &n) { return !n->done; });
      if (it == op->needs.end()) {
        break;
      }
      op = *it;
    }
    d.finish(op, false);
    return CUDA_ERROR_NOT_READY;
  });
}

RILL_CUDA_API CUresult cuStreamGetFlags(CUstream h, unsigned *flags) {
  return guarded("cuStreamGetFlags", true, [&](Driver &d) -> CUresult {
    Stream *s = nullptr;
    RILL_TRY_CU(d.streamOf(h, s));
    if (!flags) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    *flags = s->flags;
    return CUDA_SUCCESS;
  });
}
RILL_CUDA_API CUresult cuStreamGetPriority(CUstream h, int *priority) {
  return guarded("cuStreamGetPriority", true, [&](Driver &d) -> CUresult {
    Stream *s = nullptr;
    RILL_TRY_CU(d.streamOf(h, s));
    if (!priority) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    *priority = s->priority;
    return CUDA_SUCCESS;
  });
}
RILL_CUDA_API CUresult cuStreamGetCtx(CUstream h, CUcontext *out) {
  return guarded("cuStreamGetCtx", true, [&](Driver &d) -> CUresult {
    Stream *s = nullptr;
    RILL_TRY_CU(d.streamOf(h, s));
    if (!out) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    *out = s->context;
    return CUDA_SUCCESS;
  });
}
RILL_CUDA_API CUresult cuStreamGetId(CUstream h, unsigned long long *id) {
  return guarded("cuStreamGetId", true, [&](Driver &d) -> CUresult {
    Stream *s = nullptr;
    RILL_TRY_CU(d.streamOf(h, s));
    if (!id) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    *id = s->id;
    return CUDA_SUCCESS;
  });
}

static Event *eventOf(Driver &d, CUevent e) {
  for (Context *c : d.contexts) {
    if (c->events.count(e)) {
      return e;
    }
  }
  return nullptr;
}

/// An event recorded inside a capture joins the waiting stream to it.
static CUresult waitCaptured(Stream &s, Event &e) {
  std::shared_ptr<Capture> cap = e.capture;
  if (!s.capture) {
    if (&s == s.context->legacy) {
      return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
    }
    s.capture = cap;
    cap->streams.insert(&s);
    s.captureTail.clear();
  } else if (s.capture != cap) {
    s.capture->invalid = true;
    return CUDA_ERROR_STREAM_CAPTURE_MERGE;
  }
  for (GraphNode *n : e.captureNodes) {
    if (std::find(s.captureTail.begin(), s.captureTail.end(), n) ==
        s.captureTail.end()) {
      s.captureTail.push_back(n);
    }
  }
  return CUDA_SUCCESS;
}

RILL_CUDA_API CUresult cuStreamWaitEvent(CUstream handle, CUevent event,
                                         unsigned flags) {
  return guarded("cuStreamWaitEvent", true, [&](Driver &d) -> CUresult {
    Stream *s = nullptr;
    RILL_TRY_CU(d.streamOf(handle, s));
    Event *e = eventOf(d, event);
    if (!e) {
      return CUDA_ERROR_INVALID_HANDLE;
    }
    if (flags > 1) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    if (e->capture) {
      return waitCaptured(*s, *e);
    }
    if (s->capture) {
      s->capture->invalid = true;
      return CUDA_ERROR_STREAM_CAPTURE_ISOLATION;
    }
    if (e->op) {
      s->waits.push_back(e->op);
    }
    return CUDA_SUCCESS;
  });
}

RILL_CUDA_API CUresult cuEventCreate(CUevent *out, unsigned flags) {
  return guarded("cuEventCreate", true, [&](Driver &d) -> CUresult {
    Context *c = nullptr;
    RILL_TRY_CU(d.context(c));
    if (!out || flags > 7) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    auto *e = new Event();
    e->context = c;
    e->flags = flags;
    c->events.insert(e);
    *out = e;
    return CUDA_SUCCESS;
  });
}

RILL_CUDA_API CUresult cuEventDestroy_v2(CUevent event) {
  return guarded("cuEventDestroy_v2", true, [&](Driver &d) -> CUresult {
    Event *e = eventOf(d, event);
    if (!e) {
      return CUDA_ERROR_INVALID_HANDLE;
    }
    if (e->op) {
      d.finish(e->op);
    }
    e->context->events.erase(e);
    delete e;
    return CUDA_SUCCESS;
  });
}

static double now() {
  return std::chrono::duration<double, std::milli>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

static CUresult record(const char *name, CUevent event, CUstream handle) {
  return guarded(name, true, [&](Driver &d) -> CUresult {
    Stream *s = nullptr;
    RILL_TRY_CU(d.streamOf(handle, s));
    Event *e = eventOf(d, event);
    if (!e || e->context != s->context) {
      return CUDA_ERROR_INVALID_HANDLE;
    }
    if (s->capture) {
      e->capture = s->capture;
      e->captureNodes = s->captureTail;
      return CUDA_SUCCESS;
    }
    e->capture = nullptr;
    e->recorded = true;
    OpPtr op = d.enqueue(*s, "event record", [&d, e, event] {
      if (eventOf(d, event)) {
        e->time = now();
      }
      return 0;
    });
    e->op = op;
    return CUDA_SUCCESS;
  });
}
RILL_CUDA_API CUresult cuEventRecord(CUevent event, CUstream s) {
  return record("cuEventRecord", event, s);
}
RILL_CUDA_API CUresult cuEventRecordWithFlags(CUevent event, CUstream s,
                                              unsigned) {
  return record("cuEventRecordWithFlags", event, s);
}

RILL_CUDA_API CUresult cuEventQuery(CUevent event) {
  return guarded("cuEventQuery", true, [&](Driver &d) -> CUresult {
    Event *e = eventOf(d, event);
    if (!e) {
      return CUDA_ERROR_INVALID_HANDLE;
    }
    if (e->capture) {
      return CUDA_ERROR_CAPTURED_EVENT;
    }
    if (!e->op || e->op->done) {
      d.finish(e->op);
      return static_cast<CUresult>(e->context->error);
    }
    d.finish(e->op, false);
    return CUDA_ERROR_NOT_READY;
  });
}

RILL_CUDA_API CUresult cuEventSynchronize(CUevent event) {
  return guarded("cuEventSynchronize", true, [&](Driver &d) -> CUresult {
    Event *e = eventOf(d, event);
    if (!e) {
      return CUDA_ERROR_INVALID_HANDLE;
    }
    if (e->capture) {
      return CUDA_ERROR_CAPTURED_EVENT;
    }
    if (e->op) {
      d.finish(e->op);
    }
    return static_cast<CUresult>(e->context->error);
  });
}

static CUresult elapsed(const char *name, float *ms, CUevent a, CUevent b) {
  return guarded(name, true, [&](Driver &d) -> CUresult {
    Event *x = eventOf(d, a), *y = eventOf(d, b);
    if (!x || !y || !x->recorded || !y->recorded || (x->flags & 2) ||
        (y->flags & 2)) {
      return CUDA_ERROR_INVALID_HANDLE;
    }
    if (!ms) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    if (!x->op->done || !y->op->done) {
      return CUDA_ERROR_NOT_READY;
    }
    *ms = static_cast<float>(y->time - x->time);
    return CUDA_SUCCESS;
  });
}
RILL_CUDA_API CUresult cuEventElapsedTime(float *ms, CUevent a, CUevent b) {
  return elapsed("cuEventElapsedTime", ms, a, b);
}
RILL_CUDA_API CUresult cuEventElapsedTime_v2(float *ms, CUevent a, CUevent b) {
  return elapsed("cuEventElapsedTime_v2", ms, a, b);
}

RILL_CUDA_API CUresult cuLaunchHostFunc(CUstream handle, CUhostFn fn,
                                        void *data) {
  return guarded("cuLaunchHostFunc", true, [&](Driver &d) -> CUresult {
    Stream *s = nullptr;
    RILL_TRY_CU(d.streamOf(handle, s));
    if (!fn) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    auto run = [fn, data] {
      fn(data);
      return 0;
    };
    if (GraphNode *n = captureNode(*s, kNodeHost)) {
      n->run = run;
      return CUDA_SUCCESS;
    }
    d.enqueue(*s, "host function", run);
    return CUDA_SUCCESS;
  });
}

RILL_CUDA_API CUresult cuStreamAddCallback(CUstream handle, CUstreamCallback fn,
                                           void *data, unsigned) {
  return guarded("cuStreamAddCallback", true, [&](Driver &d) -> CUresult {
    Stream *s = nullptr;
    RILL_TRY_CU(d.streamOf(handle, s));
    RILL_TRY_CU(notCapturing(s));
    if (!fn) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    Context *c = s->context;
    d.enqueue(*s, "callback", [fn, data, handle, c] {
      fn(handle, static_cast<CUresult>(c->error), data);
      return 0;
    });
    return CUDA_SUCCESS;
  });
}

} // namespace rill::emu::cuda
