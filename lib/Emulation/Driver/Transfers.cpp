// Memory: allocation, pinned host memory, copies, fills.
#include "State.h"

#include <algorithm>
#include <cstring>

namespace rill::emu::cuda {

/// Where bytes of a copy lie: device memory or the host's.
static char *resolve(Driver &d, uint64_t a, size_t bytes, bool &device,
                     int &error) {
  Allocation *x = d.memory->find(a);
  device = x != nullptr;
  if (x) {
    if (!x->holds(a, bytes)) {
      error = CUDA_ERROR_INVALID_VALUE;
      return nullptr;
    }
    return x->host(a);
  }
  if (d.memory->inRange(a)) {
    error = CUDA_ERROR_INVALID_VALUE;
    return nullptr;
  }
  return reinterpret_cast<char *>(a);
}

static void markWritten(Driver &d, uint64_t a, size_t bytes) {
  Allocation *x = d.memory->find(a);
  if (x && !x->written.empty()) {
    for (uint64_t i = a - x->address; i < a - x->address + bytes; ++i) {
      x->written[i >> 3] |= static_cast<uint8_t>(1u << (i & 7));
    }
  }
}

static uint64_t hashBytes(const void *p, size_t n) {
  const auto *b = static_cast<const unsigned char *>(p);
  uint64_t h = 1469598103934665603ull;
  for (size_t i = 0; i < n; ++i) {
    h = (h ^ b[i]) * 1099511628211ull;
  }
  return h;
}

static void hostFinding(Driver &d, std::string message) {
  Finding f;
  f.kind = Kind::HostBuffer;
  f.message = std::move(message);
  d.report.add(std::move(f));
}

/// A copy when it runs. Device memory freed in between is an error.
static int runCopy(Driver &d, uint64_t dst, uint64_t src, size_t bytes) {
  bool a, b;
  int error = 0;
  char *to = resolve(d, dst, bytes, a, error);
  const char *from = resolve(d, src, bytes, b, error);
  if (error) {
    Finding f;
    f.kind = Kind::UseAfterFree;
    f.message = "a copy of " + std::to_string(bytes) +
                " bytes touches memory that is no longer allocated: " +
                d.memory->describe(error && !to ? dst : src);
    d.report.add(std::move(f));
    return CUDA_ERROR_ILLEGAL_ADDRESS;
  }
  std::memmove(to, from, bytes);
  markWritten(d, dst, bytes);
  std::vector<GlobalRaces::Range> ranges;
  if (b) {
    ranges.push_back({src, src + bytes, false});
  }
  if (a) {
    ranges.push_back({dst, dst + bytes, true});
  }
  std::sort(ranges.begin(), ranges.end(),
            [](auto &x, auto &y) { return x.first < y.first; });
  d.touched(std::move(ranges));
  return 0;
}

struct Copy {
  uint64_t dst, src;
  size_t bytes;
};

/// Queues a copy. Pageable sources are read at once (the driver stages
/// them); pinned ones when the copy runs, and must not change before.
static OpPtr queueCopy(Driver &d, Stream &s, Copy c) {
  Allocation *src = d.memory->find(c.src), *dst = d.memory->find(c.dst);
  Context *ctx = s.context;
  if (!src) {
    auto staged = std::make_shared<std::vector<char>>(
        reinterpret_cast<char *>(c.src),
        reinterpret_cast<char *>(c.src) + c.bytes);
    return d.enqueue(s, "copy from pageable memory", [&d, ctx, c, staged] {
      int e = runCopy(d, c.dst, reinterpret_cast<uint64_t>(staged->data()),
                      c.bytes);
      if (e) {
        d.fail(*ctx, e);
      }
      return e;
    });
  }
  uint64_t token = 0, hash = 0;
  bool checked = d.hostGuard && src->kind == Allocation::Host;
  if (checked) {
    hash = hashBytes(src->host(c.src), c.bytes);
  }
  if (d.hostGuard && dst && dst->kind == Allocation::Host) {
    // What the host sees before the copy ran is undefined: make it so.
    if (d.options.checks) {
      std::memset(dst->host(c.dst), 0xad, c.bytes);
    }
    token = guardPinned(reinterpret_cast<void *>(c.dst), c.bytes, false,
                        "read or overwritten before the copy into it was "
                        "waited for");
  } else if (checked) {
    token = guardPinned(reinterpret_cast<void *>(c.src), c.bytes, true,
                        "overwritten before the copy from it was waited for");
  }
  return d.enqueue(s, "copy", [&d, ctx, c, token, hash, checked] {
    if (token) {
      unguardPinned(token);
    }
    Allocation *from = d.memory->find(c.src);
    if (checked && from && from->holds(c.src, c.bytes) &&
        hashBytes(from->host(c.src), c.bytes) != hash) {
      hostFinding(d, "the pinned source of an asynchronous copy of " +
                         std::to_string(c.bytes) +
                         " bytes was changed before the copy ran");
    }
    int e = runCopy(d, c.dst, c.src, c.bytes);
    if (e) {
      d.fail(*ctx, e);
    }
    return e;
  });
}

static CUresult checkRange(Driver &d, uint64_t a, size_t bytes, bool device) {
  Allocation *x = d.memory->find(a);
  if (x ? !x->holds(a, bytes) : d.memory->inRange(a) || device || !a) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return CUDA_SUCCESS;
}

static CUresult copy(const char *name, Copy c, bool dstDevice, bool srcDevice,
                     bool async, CUstream handle) {
  return guarded(name, true, [&](Driver &d) -> CUresult {
    Stream *s = nullptr;
    RILL_TRY_CU(d.streamOf(handle, s));
    if (c.bytes == 0) {
      return CUDA_SUCCESS;
    }
    RILL_TRY_CU(checkRange(d, c.dst, c.bytes, dstDevice));
    RILL_TRY_CU(checkRange(d, c.src, c.bytes, srcDevice));
    if (!async) {
      for (Stream *x : s->context->streams) {
        if (x->capture && !(x->flags & 1)) {
          x->capture->invalid = true;
          return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
        }
      }
    } else if (GraphNode *n = captureNode(*s, kNodeMemcpy)) {
      n->run = [&d, c] { return runCopy(d, c.dst, c.src, c.bytes); };
      return CUDA_SUCCESS;
    }
    OpPtr op = queueCopy(d, *s, c);
    // A pageable destination is filled before the call returns.
    bool pageable = !d.memory->find(c.dst);
    if (!async || pageable) {
      d.finish(op);
      return static_cast<CUresult>(s->context->error);
    }
    return CUDA_SUCCESS;
  });
}

static uint64_t bits(const void *p) { return reinterpret_cast<uint64_t>(p); }

RILL_CUDA_API CUresult cuMemcpy(CUdeviceptr dst, CUdeviceptr src, size_t n) {
  return copy("cuMemcpy", {dst, src, n}, false, false, false, nullptr);
}
RILL_CUDA_API CUresult cuMemcpyAsync(CUdeviceptr dst, CUdeviceptr src, size_t n,
                                     CUstream s) {
  return copy("cuMemcpyAsync", {dst, src, n}, false, false, true, s);
}
RILL_CUDA_API CUresult cuMemcpyHtoD_v2(CUdeviceptr dst, const void *src,
                                       size_t n) {
  return copy("cuMemcpyHtoD_v2", {dst, bits(src), n}, true, false, false,
              nullptr);
}
RILL_CUDA_API CUresult cuMemcpyDtoH_v2(void *dst, CUdeviceptr src, size_t n) {
  return copy("cuMemcpyDtoH_v2", {bits(dst), src, n}, false, true, false,
              nullptr);
}
RILL_CUDA_API CUresult cuMemcpyDtoD_v2(CUdeviceptr dst, CUdeviceptr src,
                                       size_t n) {
  return copy("cuMemcpyDtoD_v2", {dst, src, n}, true, true, true, nullptr);
}
RILL_CUDA_API CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr dst, const void *src,
                                            size_t n, CUstream s) {
  return copy("cuMemcpyHtoDAsync_v2", {dst, bits(src), n}, true, false, true,
              s);
}
RILL_CUDA_API CUresult cuMemcpyDtoHAsync_v2(void *dst, CUdeviceptr src,
                                            size_t n, CUstream s) {
  return copy("cuMemcpyDtoHAsync_v2", {bits(dst), src, n}, false, true, true,
              s);
}
RILL_CUDA_API CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr dst, CUdeviceptr src,
                                            size_t n, CUstream s) {
  return copy("cuMemcpyDtoDAsync_v2", {dst, src, n}, true, true, true, s);
}

static CUresult copy2d(const char *name, const CUDA_MEMCPY2D *p, bool async,
                       CUstream handle) {
  return guarded(name, true, [&](Driver &d) -> CUresult {
    Stream *s = nullptr;
    RILL_TRY_CU(d.streamOf(handle, s));
    if (!p || p->srcMemoryType == 3 || p->dstMemoryType == 3) {
      return p ? CUDA_ERROR_NOT_SUPPORTED : CUDA_ERROR_INVALID_VALUE;
    }
    uint64_t src = p->srcMemoryType == 1 ? bits(p->srcHost) : p->srcDevice;
    uint64_t dst = p->dstMemoryType == 1 ? bits(p->dstHost) : p->dstDevice;
    size_t sp = p->srcPitch ? p->srcPitch : p->WidthInBytes;
    size_t dp = p->dstPitch ? p->dstPitch : p->WidthInBytes;
    if (sp < p->WidthInBytes || dp < p->WidthInBytes) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    src += p->srcY * sp + p->srcXInBytes;
    dst += p->dstY * dp + p->dstXInBytes;
    OpPtr last;
    for (size_t y = 0; y < p->Height; ++y) {
      RILL_TRY_CU(
          checkRange(d, dst + y * dp, p->WidthInBytes, p->dstMemoryType == 2));
      RILL_TRY_CU(
          checkRange(d, src + y * sp, p->WidthInBytes, p->srcMemoryType == 2));
    }
    GraphNode *node = async ? captureNode(*s, kNodeMemcpy) : nullptr;
    auto all = [&d, src, dst, sp, dp, w = p->WidthInBytes, h = p->Height] {
      int e = 0;
      for (size_t y = 0; y < h && !e; ++y) {
        e = runCopy(d, dst + y * dp, src + y * sp, w);
      }
      return e;
    };
    if (node) {
      node->run = all;
      return CUDA_SUCCESS;
    }
    for (size_t y = 0; y < p->Height; ++y) {
      last = queueCopy(d, *s, {dst + y * dp, src + y * sp, p->WidthInBytes});
    }
    if (last && (!async || !d.memory->find(dst))) {
      d.finish(last);
    }
    return static_cast<CUresult>(s->context->error);
  });
}
RILL_CUDA_API CUresult cuMemcpy2D_v2(const CUDA_MEMCPY2D *p) {
  return copy2d("cuMemcpy2D_v2", p, false, nullptr);
}
RILL_CUDA_API CUresult cuMemcpy2DUnaligned_v2(const CUDA_MEMCPY2D *p) {
  return copy2d("cuMemcpy2DUnaligned_v2", p, false, nullptr);
}
RILL_CUDA_API CUresult cuMemcpy2DAsync_v2(const CUDA_MEMCPY2D *p, CUstream s) {
  return copy2d("cuMemcpy2DAsync_v2", p, true, s);
}

static int runFill(Driver &d, uint64_t a, uint32_t value, unsigned size,
                   size_t n) {
  bool device;
  int error = 0;
  char *to = resolve(d, a, n * size, device, error);
  if (error) {
    return CUDA_ERROR_ILLEGAL_ADDRESS;
  }
  for (size_t i = 0; i < n; ++i) {
    std::memcpy(to + i * size, &value, size);
  }
  markWritten(d, a, n * size);
  d.touched({{a, a + n * size, true}});
  return 0;
}

static CUresult fill(const char *name, CUdeviceptr a, uint32_t value,
                     unsigned size, size_t n, bool async, CUstream handle) {
  return guarded(name, true, [&](Driver &d) -> CUresult {
    Stream *s = nullptr;
    RILL_TRY_CU(d.streamOf(handle, s));
    if (n == 0) {
      return CUDA_SUCCESS;
    }
    if (a % size || n > (size_t(1) << 40)) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    RILL_TRY_CU(checkRange(d, a, n * size, true));
    auto run = [&d, a, value, size, n] {
      return runFill(d, a, value, size, n);
    };
    if (async) {
      if (GraphNode *node = captureNode(*s, kNodeMemset)) {
        node->run = run;
        return CUDA_SUCCESS;
      }
    }
    Context *ctx = s->context;
    d.enqueue(*s, "memset", [&d, run, ctx] {
      int e = run();
      if (e) {
        d.fail(*ctx, e);
      }
      return e;
    });
    return CUDA_SUCCESS;
  });
}
RILL_CUDA_API CUresult cuMemsetD8_v2(CUdeviceptr a, unsigned char v, size_t n) {
  return fill("cuMemsetD8_v2", a, v, 1, n, false, nullptr);
}
RILL_CUDA_API CUresult cuMemsetD16_v2(CUdeviceptr a, unsigned short v,
                                      size_t n) {
  return fill("cuMemsetD16_v2", a, v, 2, n, false, nullptr);
}
RILL_CUDA_API CUresult cuMemsetD32_v2(CUdeviceptr a, unsigned v, size_t n) {
  return fill("cuMemsetD32_v2", a, v, 4, n, false, nullptr);
}
RILL_CUDA_API CUresult cuMemsetD8Async(CUdeviceptr a, unsigned char v, size_t n,
                                       CUstream s) {
  return fill("cuMemsetD8Async", a, v, 1, n, true, s);
}
RILL_CUDA_API CUresult cuMemsetD16Async(CUdeviceptr a, unsigned short v,
                                        size_t n, CUstream s) {
  return fill("cuMemsetD16Async", a, v, 2, n, true, s);
}
RILL_CUDA_API CUresult cuMemsetD32Async(CUdeviceptr a, unsigned v, size_t n,
                                        CUstream s) {
  return fill("cuMemsetD32Async", a, v, 4, n, true, s);
}

} // namespace rill::emu::cuda
