// Contexts and the primary context.
#include "State.h"

#include <algorithm>
#include <fstream>

namespace rill::emu::cuda {

std::vector<Context *> &contextStack() {
  thread_local std::vector<Context *> stack;
  return stack;
}

Context *Driver::current() {
  auto &stack = contextStack();
  return stack.empty() ? nullptr : stack.back();
}

CUresult Driver::context(Context *&out) {
  out = current();
  if (!out) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  if (!contexts.count(out)) {
    return CUDA_ERROR_CONTEXT_IS_DESTROYED;
  }
  return static_cast<CUresult>(out->error);
}

void Driver::fail(Context &c, int error) {
  if (!c.error) {
    c.error = error;
  }
}

static Stream *newStream(Driver &d, Context &c, unsigned flags) {
  auto *s = new Stream();
  s->context = &c;
  s->flags = flags;
  s->id = d.nextId++;
  c.streams.insert(s);
  return s;
}

static Context *newContext(Driver &d, unsigned flags, bool primary) {
  auto *c = new Context();
  c->id = d.nextId++;
  c->flags = flags;
  c->primary = primary;
  c->legacy = newStream(d, *c, 0);
  c->perThread = newStream(d, *c, 0);
  d.contexts.insert(c);
  return c;
}

void Driver::destroyContext(Context *c) {
  finishAll(*c);
  if (leakCheck) {
    reportLeaks(*this, *c);
  }
  while (!c->modules.empty()) {
    unloadModule(*this, *c->modules.begin());
  }
  std::vector<uint64_t> mine;
  for (auto &[address, a] : memory->all()) {
    if (a->context == c->id) {
      mine.push_back(address);
    }
  }
  for (uint64_t a : mine) {
    freePinned(reinterpret_cast<void *>(a));
    memory->release(a);
  }
  // All its work is done: nothing will be compared with it again.
  for (Stream *s : c->streams) {
    hostClock.erase(s->id);
    std::erase_if(footprints,
                  [s](const Footprint &f) { return f.stream == s->id; });
    delete s;
  }
  for (Event *e : c->events) {
    delete e;
  }
  contexts.erase(c);
  if (primary == c) {
    primary = nullptr;
  }
  delete c;
}

static bool isContext(Driver &d, CUcontext c) { return d.contexts.count(c); }

static CUresult create(const char *name, CUcontext *out, unsigned flags,
                       CUdevice dev) {
  return guarded(name, true, [&](Driver &d) {
    if (!out || flags > 0xff) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    if (dev != 0) {
      return CUDA_ERROR_INVALID_DEVICE;
    }
    *out = newContext(d, flags, false);
    contextStack().push_back(*out);
    return CUDA_SUCCESS;
  });
}

RILL_CUDA_API CUresult cuCtxCreate_v2(CUcontext *out, unsigned flags,
                                      CUdevice dev) {
  return create("cuCtxCreate_v2", out, flags, dev);
}
RILL_CUDA_API CUresult cuCtxCreate_v4(CUcontext *out, CUctxCreateParams *,
                                      unsigned flags, CUdevice dev) {
  return create("cuCtxCreate_v4", out, flags, dev);
}

RILL_CUDA_API CUresult cuCtxDestroy_v2(CUcontext c) {
  return guarded("cuCtxDestroy_v2", true, [&](Driver &d) {
    if (!isContext(d, c)) {
      return CUDA_ERROR_INVALID_CONTEXT;
    }
    auto &stack = contextStack();
    if (!stack.empty() && stack.back() == c) {
      stack.pop_back();
    }
    d.destroyContext(c);
    return CUDA_SUCCESS;
  });
}

RILL_CUDA_API CUresult cuCtxSetCurrent(CUcontext c) {
  return guarded("cuCtxSetCurrent", true, [&](Driver &d) {
    auto &stack = contextStack();
    if (c && !isContext(d, c)) {
      return CUDA_ERROR_INVALID_CONTEXT;
    }
    if (!stack.empty()) {
      stack.pop_back();
    }
    if (c) {
      stack.push_back(c);
    }
    return CUDA_SUCCESS;
  });
}

RILL_CUDA_API CUresult cuCtxGetCurrent(CUcontext *out) {
  return guarded("cuCtxGetCurrent", true, [&](Driver &d) {
    if (!out) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    *out = d.current();
    return CUDA_SUCCESS;
  });
}

RILL_CUDA_API CUresult cuCtxPushCurrent_v2(CUcontext c) {
  return guarded("cuCtxPushCurrent_v2", true, [&](Driver &d) {
    if (!isContext(d, c)) {
      return CUDA_ERROR_INVALID_CONTEXT;
    }
    contextStack().push_back(c);
    return CUDA_SUCCESS;
  });
}

RILL_CUDA_API CUresult cuCtxPopCurrent_v2(CUcontext *out) {
  return guarded("cuCtxPopCurrent_v2", true, [&](Driver &) {
    auto &stack = contextStack();
    if (stack.empty()) {
      return CUDA_ERROR_INVALID_CONTEXT;
    }
    if (out) {
      *out = stack.back();
    }
    stack.pop_back();
    return CUDA_SUCCESS;
  });
}

RILL_CUDA_API CUresult cuCtxGetDevice(CUdevice *dev) {
  return guarded("cuCtxGetDevice", true, [&](Driver &d) {
    if (!d.current()) {
      return CUDA_ERROR_INVALID_CONTEXT;
    }
    if (!dev) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    *dev = 0;
    return CUDA_SUCCESS;
  });
}

RILL_CUDA_API CUresult cuCtxGetFlags(unsigned *flags) {
  return guarded("cuCtxGetFlags", true, [&](Driver &d) {
    if (!d.current()) {
      return CUDA_ERROR_INVALID_CONTEXT;
    }
    if (!flags) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    *flags = d.current()->flags;
    return CUDA_SUCCESS;
  });
}

RILL_CUDA_API CUresult cuCtxGetId(CUcontext c, unsigned long long *id) {
  return guarded("cuCtxGetId", true, [&](Driver &d) {
    c = c ? c : d.current();
    if (!isContext(d, c)) {
      return CUDA_ERROR_INVALID_CONTEXT;
    }
    if (!id) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    *id = c->id;
    return CUDA_SUCCESS;
  });
}

RILL_CUDA_API CUresult cuCtxGetApiVersion(CUcontext c, unsigned *version) {
  return guarded("cuCtxGetApiVersion", true, [&](Driver &d) {
    if (!version) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    if (c && !isContext(d, c)) {
      return CUDA_ERROR_INVALID_CONTEXT;
    }
    *version = 3020;
    return CUDA_SUCCESS;
  });
}

RILL_CUDA_API CUresult cuCtxSynchronize() {
  return guarded("cuCtxSynchronize", true, [&](Driver &d) -> CUresult {
    Context *c = nullptr;
    RILL_TRY_CU(d.context(c));
    for (Stream *s : c->streams) {
      if (s->capture) {
        s->capture->invalid = true;
        return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
      }
    }
    return static_cast<CUresult>(d.finishAll(*c));
  });
}

RILL_CUDA_API CUresult cuCtxSetLimit(int limit, size_t value) {
  return guarded("cuCtxSetLimit", true, [&](Driver &d) -> CUresult {
    Context *c = nullptr;
    RILL_TRY_CU(d.context(c));
    if (limit < 0 || limit > 6) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    c->limits[limit] = value;
    return CUDA_SUCCESS;
  });
}

RILL_CUDA_API CUresult cuCtxGetLimit(size_t *value, int limit) {
  return guarded("cuCtxGetLimit", true, [&](Driver &d) -> CUresult {
    Context *c = nullptr;
    RILL_TRY_CU(d.context(c));
    if (!value || limit < 0 || limit > 6) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    static constexpr size_t kDefaults[] = {1024, 1 << 20, 8 << 20, 2,
                                           2048, 128,     0};
    auto it = c->limits.find(limit);
    *value = it == c->limits.end() ? kDefaults[limit] : it->second;
    return CUDA_SUCCESS;
  });
}

RILL_CUDA_API CUresult cuCtxGetStreamPriorityRange(int *least, int *greatest) {
  return guarded("cuCtxGetStreamPriorityRange", true, [&](Driver &d) {
    if (!d.current()) {
      return CUDA_ERROR_INVALID_CONTEXT;
    }
    if (least) {
      *least = 0;
    }
    if (greatest) {
      *greatest = -5;
    }
    return CUDA_SUCCESS;
  });
}

RILL_CUDA_API CUresult cuCtxSetCacheConfig(int) { return CUDA_SUCCESS; }
RILL_CUDA_API CUresult cuCtxGetCacheConfig(int *config) {
  if (!config) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *config = 0;
  return CUDA_SUCCESS;
}

RILL_CUDA_API CUresult cuDevicePrimaryCtxRetain(CUcontext *out, CUdevice dev) {
  return guarded("cuDevicePrimaryCtxRetain", true, [&](Driver &d) {
    if (!out) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    if (dev != 0) {
      return CUDA_ERROR_INVALID_DEVICE;
    }
    if (!d.primary) {
      d.primary = newContext(d, 0, true);
    }
    ++d.primary->retained;
    *out = d.primary;
    return CUDA_SUCCESS;
  });
}

static CUresult releasePrimary(const char *name, CUdevice dev, bool reset) {
  return guarded(name, true, [&](Driver &d) {
    if (dev != 0) {
      return CUDA_ERROR_INVALID_DEVICE;
    }
    if (!d.primary) {
      return reset ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
    }
    if (reset || --d.primary->retained == 0) {
      d.destroyContext(d.primary);
    }
    return CUDA_SUCCESS;
  });
}
RILL_CUDA_API CUresult cuDevicePrimaryCtxRelease_v2(CUdevice dev) {
  return releasePrimary("cuDevicePrimaryCtxRelease_v2", dev, false);
}
RILL_CUDA_API CUresult cuDevicePrimaryCtxReset_v2(CUdevice dev) {
  return releasePrimary("cuDevicePrimaryCtxReset_v2", dev, true);
}
RILL_CUDA_API CUresult cuDevicePrimaryCtxSetFlags_v2(CUdevice dev, unsigned) {
  return dev ? CUDA_ERROR_INVALID_DEVICE : CUDA_SUCCESS;
}
RILL_CUDA_API CUresult cuDevicePrimaryCtxGetState(CUdevice dev, unsigned *flags,
                                                  int *active) {
  return guarded("cuDevicePrimaryCtxGetState", true, [&](Driver &d) {
    if (dev != 0) {
      return CUDA_ERROR_INVALID_DEVICE;
    }
    if (!flags || !active) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    *flags = d.primary ? d.primary->flags : 0;
    *active = d.primary != nullptr;
    return CUDA_SUCCESS;
  });
}

} // namespace rill::emu::cuda
