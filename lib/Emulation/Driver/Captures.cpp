// Stream capture: calls become nodes of a graph instead of work.
#include "State.h"

#include <algorithm>

namespace rill::emu::cuda {

GraphNode *captureNode(Stream &s, unsigned type) {
  if (!s.capture || s.capture->invalid) {
    return nullptr;
  }
  for (GraphNode *n : s.captureTail) {
    s.capture->joined.insert(n);
  }
  GraphNode *n = addNode(*s.capture->graph, type, s.captureTail);
  s.captureTail = {n};
  return n;
}

RILL_CUDA_API CUresult cuStreamBeginCapture_v2(CUstream handle, unsigned mode) {
  return guarded("cuStreamBeginCapture_v2", true, [&](Driver &d) -> CUresult {
    Stream *s = nullptr;
    RILL_TRY_CU(d.streamOf(handle, s));
    if (mode > 2) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    if (s == s->context->legacy) {
      return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    }
    if (s->capture) {
      return CUDA_ERROR_ILLEGAL_STATE;
    }
    auto c = std::make_shared<Capture>();
    c->graph = new Graph();
    c->origin = s;
    c->id = d.nextId++;
    c->streams.insert(s);
    s->capture = c;
    s->captureTail.clear();
    return CUDA_SUCCESS;
  });
}

RILL_CUDA_API CUresult cuStreamEndCapture(CUstream handle, CUgraph *out) {
  return guarded("cuStreamEndCapture", true, [&](Driver &d) -> CUresult {
    Stream *s = nullptr;
    RILL_TRY_CU(d.streamOf(handle, s));
    if (!out) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    *out = nullptr;
    if (!s->capture) {
      return CUDA_ERROR_ILLEGAL_STATE;
    }
    std::shared_ptr<Capture> c = s->capture;
    if (c->origin != s) {
      c->invalid = true;
      return CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
    }
    // What other streams did must have been waited for.
    bool unjoined = false;
    for (Stream *x : c->streams) {
      for (GraphNode *n : x->captureTail) {
        bool mine = std::find(s->captureTail.begin(), s->captureTail.end(),
                              n) != s->captureTail.end();
        unjoined |= x != s && !mine && !c->joined.count(n);
      }
    }
    for (Stream *x : c->streams) {
      x->capture = nullptr;
      x->captureTail.clear();
    }
    if (c->invalid || unjoined) {
      delete c->graph;
      return c->invalid ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED
                        : CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
    }
    d.graphs.insert(c->graph);
    *out = c->graph;
    return CUDA_SUCCESS;
  });
}

RILL_CUDA_API CUresult cuStreamIsCapturing(CUstream handle, unsigned *out) {
  return guarded("cuStreamIsCapturing", true, [&](Driver &d) -> CUresult {
    Stream *s = nullptr;
    RILL_TRY_CU(d.streamOf(handle, s));
    if (!out) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    *out = !s->capture ? 0 : s->capture->invalid ? 2 : 1;
    return CUDA_SUCCESS;
  });
}

static CUresult captureInfo(const char *name, CUstream handle, unsigned *status,
                            unsigned long long *id, CUgraph *graph,
                            const CUgraphNode **needs, size_t *n) {
  return guarded(name, true, [&](Driver &d) -> CUresult {
    Stream *s = nullptr;
    RILL_TRY_CU(d.streamOf(handle, s));
    if (!status) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    *status = !s->capture ? 0 : s->capture->invalid ? 2 : 1;
    if (*status != 1) {
      return CUDA_SUCCESS;
    }
    if (id) {
      *id = s->capture->id;
    }
    if (graph) {
      *graph = s->capture->graph;
    }
    if (needs) {
      *needs = s->captureTail.data();
    }
    if (n) {
      *n = s->captureTail.size();
    }
    return CUDA_SUCCESS;
  });
}
RILL_CUDA_API CUresult cuStreamGetCaptureInfo_v2(CUstream h, unsigned *status,
                                                 unsigned long long *id,
                                                 CUgraph *graph,
                                                 const CUgraphNode **needs,
                                                 size_t *n) {
  return captureInfo("cuStreamGetCaptureInfo_v2", h, status, id, graph, needs,
                     n);
}
RILL_CUDA_API CUresult cuStreamGetCaptureInfo_v3(
    CUstream h, unsigned *status, unsigned long long *id, CUgraph *graph,
    const CUgraphNode **needs, const void **edges, size_t *n) {
  if (edges) {
    *edges = nullptr;
  }
  return captureInfo("cuStreamGetCaptureInfo_v3", h, status, id, graph, needs,
                     n);
}

RILL_CUDA_API CUresult cuThreadExchangeStreamCaptureMode(unsigned *mode) {
  thread_local unsigned current = 0;
  if (!mode || *mode > 2) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::swap(current, *mode);
  return CUDA_SUCCESS;
}

} // namespace rill::emu::cuda
