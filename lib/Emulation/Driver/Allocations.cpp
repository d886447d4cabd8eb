// Device, pinned and pooled allocations, and what can be asked about them.
#include "State.h"

#include <cstring>

namespace rill::emu::cuda {

static CUresult allocate(Driver &d, Context &c, CUdeviceptr *out,
                         size_t bytes) {
  if (!out || bytes == 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  Allocation *a = d.memory->allocate(bytes, Allocation::Device);
  if (!a) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  a->context = static_cast<uint32_t>(c.id);
  *out = a->address;
  return CUDA_SUCCESS;
}

RILL_CUDA_API CUresult cuMemAlloc_v2(CUdeviceptr *out, size_t bytes) {
  return guarded("cuMemAlloc_v2", true, [&](Driver &d) -> CUresult {
    Context *c = nullptr;
    RILL_TRY_CU(d.context(c));
    return allocate(d, *c, out, bytes);
  });
}

RILL_CUDA_API CUresult cuMemAllocPitch_v2(CUdeviceptr *out, size_t *pitch,
                                          size_t width, size_t height,
                                          unsigned element) {
  return guarded("cuMemAllocPitch_v2", true, [&](Driver &d) -> CUresult {
    Context *c = nullptr;
    RILL_TRY_CU(d.context(c));
    if (!pitch || (element != 4 && element != 8 && element != 16)) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    *pitch = (width + 511) / 512 * 512;
    return allocate(d, *c, out, *pitch * height);
  });
}

RILL_CUDA_API CUresult cuMemFree_v2(CUdeviceptr a) {
  return guarded("cuMemFree_v2", true, [&](Driver &d) -> CUresult {
    Context *c = nullptr;
    RILL_TRY_CU(d.context(c));
    if (a == 0) {
      return CUDA_SUCCESS;
    }
    auto it = d.memory->all().find(a);
    if (it == d.memory->all().end() || it->second->kind != Allocation::Device) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    // Freeing waits for the device.
    for (Context *x : d.contexts) {
      d.finishAll(*x);
    }
    d.memory->release(a);
    return static_cast<CUresult>(c->error);
  });
}

RILL_CUDA_API CUresult cuMemGetInfo_v2(size_t *free, size_t *total) {
  return guarded("cuMemGetInfo_v2", true, [&](Driver &d) -> CUresult {
    Context *c = nullptr;
    RILL_TRY_CU(d.context(c));
    if (!free || !total) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    *total = d.memory->capacity();
    *free = d.memory->capacity() - d.memory->used();
    return CUDA_SUCCESS;
  });
}

static CUresult hostAlloc(const char *name, void **out, size_t bytes) {
  return guarded(name, true, [&](Driver &d) -> CUresult {
    Context *c = nullptr;
    RILL_TRY_CU(d.context(c));
    if (!out || bytes == 0) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    void *view = nullptr, *p = allocatePinned(bytes, view);
    if (!p) {
      return CUDA_ERROR_OUT_OF_MEMORY;
    }
    Allocation *a = d.memory->adoptHost(p, view, bytes);
    if (!a) {
      freePinned(p);
      return CUDA_ERROR_OUT_OF_MEMORY;
    }
    a->context = static_cast<uint32_t>(c->id);
    *out = p;
    return CUDA_SUCCESS;
  });
}
RILL_CUDA_API CUresult cuMemAllocHost_v2(void **out, size_t bytes) {
  return hostAlloc("cuMemAllocHost_v2", out, bytes);
}
RILL_CUDA_API CUresult cuMemHostAlloc(void **out, size_t bytes, unsigned) {
  return hostAlloc("cuMemHostAlloc", out, bytes);
}

RILL_CUDA_API CUresult cuMemFreeHost(void *p) {
  return guarded("cuMemFreeHost", true, [&](Driver &d) -> CUresult {
    Context *c = nullptr;
    RILL_TRY_CU(d.context(c));
    auto it = d.memory->all().find(reinterpret_cast<uint64_t>(p));
    if (!p || it == d.memory->all().end() ||
        it->second->kind != Allocation::Host) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    for (Context *x : d.contexts) {
      d.finishAll(*x);
    }
    if (!freePinned(p)) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    d.memory->release(reinterpret_cast<uint64_t>(p));
    return CUDA_SUCCESS;
  });
}

RILL_CUDA_API CUresult cuMemHostGetDevicePointer_v2(CUdeviceptr *out, void *p,
                                                    unsigned) {
  return guarded(
      "cuMemHostGetDevicePointer_v2", true, [&](Driver &d) -> CUresult {
        Context *c = nullptr;
        RILL_TRY_CU(d.context(c));
        Allocation *a = d.memory->find(reinterpret_cast<uint64_t>(p));
        if (!out || !a || a->kind != Allocation::Host) {
          return CUDA_ERROR_INVALID_VALUE;
        }
        *out = reinterpret_cast<uint64_t>(p);
        return CUDA_SUCCESS;
      });
}

RILL_CUDA_API CUresult cuMemHostGetFlags(unsigned *flags, void *p) {
  return guarded("cuMemHostGetFlags", true, [&](Driver &d) -> CUresult {
    Allocation *a = d.memory->find(reinterpret_cast<uint64_t>(p));
    if (!flags || !a || a->kind != Allocation::Host) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    *flags = 3;
    return CUDA_SUCCESS;
  });
}

RILL_CUDA_API CUresult cuMemHostRegister_v2(void *p, size_t bytes, unsigned) {
  return guarded("cuMemHostRegister_v2", true, [&](Driver &d) -> CUresult {
    Context *c = nullptr;
    RILL_TRY_CU(d.context(c));
    if (!p || bytes == 0) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    uint64_t a = reinterpret_cast<uint64_t>(p);
    if (d.memory->find(a) || d.memory->find(a + bytes - 1)) {
      return CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
    }
    Allocation *x = d.memory->adoptHost(p, p, bytes);
    x->label = "registered";
    x->context = static_cast<uint32_t>(c->id);
    return CUDA_SUCCESS;
  });
}

RILL_CUDA_API CUresult cuMemHostUnregister(void *p) {
  return guarded("cuMemHostUnregister", true, [&](Driver &d) -> CUresult {
    Context *c = nullptr;
    RILL_TRY_CU(d.context(c));
    auto it = d.memory->all().find(reinterpret_cast<uint64_t>(p));
    if (it == d.memory->all().end() || it->second->label != "registered") {
      return CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
    }
    d.finishAll(*c);
    d.memory->release(reinterpret_cast<uint64_t>(p));
    return CUDA_SUCCESS;
  });
}

RILL_CUDA_API CUresult cuMemGetAddressRange_v2(CUdeviceptr *base, size_t *size,
                                               CUdeviceptr a) {
  return guarded("cuMemGetAddressRange_v2", true, [&](Driver &d) -> CUresult {
    Allocation *x = d.memory->find(a);
    if (!x) {
      return CUDA_ERROR_NOT_FOUND;
    }
    if (base) {
      *base = x->address;
    }
    if (size) {
      *size = x->size;
    }
    return CUDA_SUCCESS;
  });
}

RILL_CUDA_API CUresult cuPointerGetAttribute(void *out, int attribute,
                                             CUdeviceptr a) {
  return guarded("cuPointerGetAttribute", true, [&](Driver &d) -> CUresult {
    Allocation *x = d.memory->find(a);
    if (!out || !x) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    auto put = [&](auto v) { std::memcpy(out, &v, sizeof v); };
    switch (attribute) {
    case 1: { // context
      Context *owner = nullptr;
      for (Context *c : d.contexts) {
        owner = c->id == x->context ? c : owner;
      }
      put(owner);
      return CUDA_SUCCESS;
    }
    case 2: // memory type
      put(x->kind == Allocation::Host ? 1u : 2u);
      return CUDA_SUCCESS;
    case 3: // device pointer
      put(a);
      return CUDA_SUCCESS;
    case 4: // host pointer
      if (x->kind != Allocation::Host) {
        return CUDA_ERROR_INVALID_VALUE;
      }
      put(a);
      return CUDA_SUCCESS;
    case 7: // buffer id
      put(static_cast<unsigned long long>(x->serial));
      return CUDA_SUCCESS;
    case 8: // managed
      put(0u);
      return CUDA_SUCCESS;
    case 9: // device ordinal
      put(0);
      return CUDA_SUCCESS;
    case 11: // start
      put(static_cast<unsigned long long>(x->address));
      return CUDA_SUCCESS;
    case 12: // size
      put(static_cast<size_t>(x->size));
      return CUDA_SUCCESS;
    case 13: // mapped
      put(1u);
      return CUDA_SUCCESS;
    default:
      return CUDA_ERROR_NOT_SUPPORTED;
    }
  });
}

/// Stream-ordered allocation: the address is known at once, the memory is
/// released when the free runs.
static CUresult allocAsync(const char *name, CUdeviceptr *out, size_t bytes,
                           CUstream handle) {
  return guarded(name, true, [&](Driver &d) -> CUresult {
    Stream *s = nullptr;
    RILL_TRY_CU(d.streamOf(handle, s));
    if (s->capture) {
      s->capture->invalid = true;
      return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    }
    return allocate(d, *s->context, out, bytes);
  });
}
RILL_CUDA_API CUresult cuMemAllocAsync(CUdeviceptr *out, size_t bytes,
                                       CUstream s) {
  return allocAsync("cuMemAllocAsync", out, bytes, s);
}
RILL_CUDA_API CUresult cuMemAllocFromPoolAsync(CUdeviceptr *out, size_t bytes,
                                               CUmemoryPool pool, CUstream s) {
  if (!pool) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return allocAsync("cuMemAllocFromPoolAsync", out, bytes, s);
}

RILL_CUDA_API CUresult cuMemFreeAsync(CUdeviceptr a, CUstream handle) {
  return guarded("cuMemFreeAsync", true, [&](Driver &d) -> CUresult {
    Stream *s = nullptr;
    RILL_TRY_CU(d.streamOf(handle, s));
    auto it = d.memory->all().find(a);
    if (it == d.memory->all().end() || it->second->kind != Allocation::Device ||
        s->capture) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    Context *ctx = s->context;
    it->second->freeing = true;
    d.enqueue(*s, "free", [&d, a, ctx] {
      if (d.memory->release(a)) {
        return 0;
      }
      d.fail(*ctx, CUDA_ERROR_ILLEGAL_ADDRESS);
      return int(CUDA_ERROR_ILLEGAL_ADDRESS);
    });
    return CUDA_SUCCESS;
  });
}

static bool isPool(Driver &d, CUmemoryPool p) {
  return p == &d.defaultPool || d.pools.count(p);
}
static CUresult defaultPool(const char *name, CUmemoryPool *out, CUdevice v) {
  return guarded(name, true, [&](Driver &d) -> CUresult {
    if (!out || v != 0) {
      return v ? CUDA_ERROR_INVALID_DEVICE : CUDA_ERROR_INVALID_VALUE;
    }
    *out = &d.defaultPool;
    return CUDA_SUCCESS;
  });
}
RILL_CUDA_API CUresult cuDeviceGetDefaultMemPool(CUmemoryPool *out,
                                                 CUdevice v) {
  return defaultPool("cuDeviceGetDefaultMemPool", out, v);
}
RILL_CUDA_API CUresult cuDeviceGetMemPool(CUmemoryPool *out, CUdevice v) {
  return defaultPool("cuDeviceGetMemPool", out, v);
}
RILL_CUDA_API CUresult cuMemPoolCreate(CUmemoryPool *out,
                                       const CUmemPoolProps *p) {
  return guarded("cuMemPoolCreate", true, [&](Driver &d) -> CUresult {
    if (!out || !p) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    *out = new MemPool();
    d.pools.insert(*out);
    return CUDA_SUCCESS;
  });
}
RILL_CUDA_API CUresult cuMemPoolDestroy(CUmemoryPool p) {
  return guarded("cuMemPoolDestroy", true, [&](Driver &d) -> CUresult {
    if (!d.pools.erase(p)) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    delete p;
    return CUDA_SUCCESS;
  });
}
RILL_CUDA_API CUresult cuMemPoolTrimTo(CUmemoryPool p, size_t) {
  return guarded("cuMemPoolTrimTo", true, [&](Driver &d) {
    return isPool(d, p) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
  });
}
RILL_CUDA_API CUresult cuMemPoolSetAttribute(CUmemoryPool p, int attribute,
                                             void *value) {
  return guarded("cuMemPoolSetAttribute", true, [&](Driver &d) -> CUresult {
    if (!isPool(d, p) || !value) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    if (attribute == 4) {
      std::memcpy(&p->threshold, value, 8);
    }
    return CUDA_SUCCESS;
  });
}
RILL_CUDA_API CUresult cuMemPoolGetAttribute(CUmemoryPool p, int attribute,
                                             void *value) {
  return guarded("cuMemPoolGetAttribute", true, [&](Driver &d) -> CUresult {
    if (!isPool(d, p) || !value) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    uint64_t v = attribute == 4  ? p->threshold
                 : attribute > 4 ? d.memory->used()
                                 : 1;
    if (attribute <= 3) {
      int small = static_cast<int>(v);
      std::memcpy(value, &small, 4);
    } else {
      std::memcpy(value, &v, 8);
    }
    return CUDA_SUCCESS;
  });
}

} // namespace rill::emu::cuda
