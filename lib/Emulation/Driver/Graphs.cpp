// Graphs: building by hand, execution, conditional nodes, updates.
#include "State.h"

#include <algorithm>
#include <cstring>
#include <map>

namespace rill::emu::cuda {

GraphNode *addNode(Graph &g, unsigned type,
                   const std::vector<GraphNode *> &needs) {
  auto n = std::make_unique<GraphNode>();
  n->graph = &g;
  n->type = type;
  n->needs = needs;
  g.nodes.push_back(std::move(n));
  return g.nodes.back().get();
}

static bool isGraph(Driver &d, Graph *g) {
  if (d.graphs.count(g)) {
    return true;
  }
  for (Graph *top : d.graphs) {
    std::vector<Graph *> open{top};
    while (!open.empty()) {
      Graph *x = open.back();
      open.pop_back();
      for (auto &c : x->children) {
        if (c.get() == g) {
          return true;
        }
        open.push_back(c.get());
      }
    }
  }
  return false;
}

static bool ownsNode(Graph *g, GraphNode *n) {
  return std::any_of(g->nodes.begin(), g->nodes.end(),
                     [&](auto &x) { return x.get() == n; });
}

/// A deep copy; nodes keep their order.
static std::unique_ptr<Graph> cloneGraph(const Graph &g) {
  auto out = std::make_unique<Graph>();
  out->handles = g.handles;
  out->body = g.body;
  std::map<const GraphNode *, GraphNode *> nodes;
  std::map<const Graph *, Graph *> graphs;
  for (auto &c : g.children) {
    out->children.push_back(cloneGraph(*c));
    graphs[c.get()] = out->children.back().get();
  }
  for (auto &n : g.nodes) {
    auto copy = std::make_unique<GraphNode>(*n);
    copy->graph = out.get();
    copy->child = n->child ? graphs[n->child] : nullptr;
    for (Graph *&b : copy->bodies) {
      b = graphs[b];
    }
    nodes[n.get()] = copy.get();
    out->nodes.push_back(std::move(copy));
  }
  for (auto &n : out->nodes) {
    for (GraphNode *&d : n->needs) {
      d = nodes[d];
    }
  }
  return out;
}

/// Nodes so that each follows what it needs; empty when there is a cycle.
static std::vector<GraphNode *> ordered(const Graph &g) {
  std::vector<GraphNode *> out;
  std::set<GraphNode *> done;
  bool moved = true;
  while (out.size() < g.nodes.size() && moved) {
    moved = false;
    for (auto &n : g.nodes) {
      if (done.count(n.get()) ||
          std::any_of(n->needs.begin(), n->needs.end(),
                      [&](GraphNode *x) { return !done.count(x); })) {
        continue;
      }
      out.push_back(n.get());
      done.insert(n.get());
      moved = true;
    }
  }
  if (out.size() < g.nodes.size()) {
    out.clear();
  }
  return out;
}

static int runConditional(Driver &d, GraphNode &n) {
  auto value = [&] { return d.conditionals[n.handle]; };
  if (n.conditionalType == 1) {
    for (uint64_t i = 0; value(); ++i) {
      if (i > 1000000) {
        Finding f;
        f.kind = Kind::Deadlock;
        f.message = "a WHILE node ran a million times";
        d.report.add(std::move(f));
        return CUDA_ERROR_LAUNCH_TIMEOUT;
      }
      if (int e = runGraph(d, *n.bodies[0])) {
        return e;
      }
    }
    return 0;
  }
  unsigned v = value();
  size_t index = n.conditionalType == 0 ? (v ? 0 : 1) : v;
  return index < n.bodies.size() ? runGraph(d, *n.bodies[index]) : 0;
}

int runGraph(Driver &d, Graph &g) {
  for (GraphNode *n : ordered(g)) {
    int e = 0;
    if (n->launch) {
      e = d.runLaunches({n->launch});
    } else if (n->run) {
      e = n->run();
    } else if (n->child) {
      e = runGraph(d, *n->child);
    } else if (n->type == kNodeConditional) {
      e = runConditional(d, *n);
    }
    if (e) {
      return e;
    }
  }
  return 0;
}

RILL_CUDA_API CUresult cuGraphCreate(CUgraph *out, unsigned flags) {
  return guarded("cuGraphCreate", true, [&](Driver &d) -> CUresult {
    if (!out || flags) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    *out = new Graph();
    d.graphs.insert(*out);
    return CUDA_SUCCESS;
  });
}

RILL_CUDA_API CUresult cuGraphDestroy(CUgraph g) {
  return guarded("cuGraphDestroy", true, [&](Driver &d) -> CUresult {
    if (!d.graphs.erase(g)) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    delete g;
    return CUDA_SUCCESS;
  });
}

RILL_CUDA_API CUresult cuGraphClone(CUgraph *out, CUgraph g) {
  return guarded("cuGraphClone", true, [&](Driver &d) -> CUresult {
    if (!out || !isGraph(d, g)) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    *out = cloneGraph(*g).release();
    d.graphs.insert(*out);
    return CUDA_SUCCESS;
  });
}

template <class F>
static CUresult addTo(const char *name, CUgraphNode *out, CUgraph g,
                      const CUgraphNode *needs, size_t n, unsigned type,
                      F fill) {
  return guarded(name, true, [&](Driver &d) -> CUresult {
    if (!out || !isGraph(d, g) || (n && !needs)) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    for (size_t i = 0; i < n; ++i) {
      if (!ownsNode(g, needs[i])) {
        return CUDA_ERROR_INVALID_VALUE;
      }
    }
    GraphNode draft;
    draft.type = type;
    RILL_TRY_CU(fill(d, draft));
    GraphNode *node = addNode(*g, type, {needs, needs + n});
    auto kept = node->needs;
    *node = std::move(draft);
    node->needs = kept;
    node->graph = g;
    *out = node;
    return CUDA_SUCCESS;
  });
}

static CUresult fillKernel(Driver &d, GraphNode &n,
                           const CUDA_KERNEL_NODE_PARAMS *p) {
  if (!p) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  Context *c = nullptr;
  RILL_TRY_CU(d.context(c));
  auto r = std::make_shared<LaunchRecord>();
  CUfunction f = p->func ? p->func : p->kern;
  RILL_TRY_CU(makeLaunch(d, *c, f, {p->gridDimX, p->gridDimY, p->gridDimZ},
                         {p->blockDimX, p->blockDimY, p->blockDimZ},
                         p->sharedMemBytes, p->kernelParams, p->extra, *r));
  n.launch = r;
  n.kernelParams = *p;
  return CUDA_SUCCESS;
}

RILL_CUDA_API CUresult
cuGraphAddKernelNode_v2(CUgraphNode *out, CUgraph g, const CUgraphNode *needs,
                        size_t n, const CUDA_KERNEL_NODE_PARAMS *p) {
  return addTo("cuGraphAddKernelNode_v2", out, g, needs, n, kNodeKernel,
               [&](Driver &d, GraphNode &x) { return fillKernel(d, x, p); });
}

RILL_CUDA_API CUresult cuGraphAddEmptyNode(CUgraphNode *out, CUgraph g,
                                           const CUgraphNode *needs, size_t n) {
  return addTo("cuGraphAddEmptyNode", out, g, needs, n, kNodeEmpty,
               [](Driver &, GraphNode &) { return CUDA_SUCCESS; });
}

static CUresult fillHost(GraphNode &x, const CUDA_HOST_NODE_PARAMS *p) {
  if (!p || !p->fn) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  x.run = [p = *p] {
    p.fn(p.userData);
    return 0;
  };
  return CUDA_SUCCESS;
}
RILL_CUDA_API CUresult cuGraphAddHostNode(CUgraphNode *out, CUgraph g,
                                          const CUgraphNode *needs, size_t n,
                                          const CUDA_HOST_NODE_PARAMS *p) {
  return addTo("cuGraphAddHostNode", out, g, needs, n, kNodeHost,
               [&](Driver &, GraphNode &x) { return fillHost(x, p); });
}

static CUresult fillMemset(GraphNode &x, const CUDA_MEMSET_NODE_PARAMS *p,
                           Driver &d) {
  if (!p ||
      (p->elementSize != 1 && p->elementSize != 2 && p->elementSize != 4)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  x.run = [p = *p, &d] {
    for (size_t y = 0; y < p.height; ++y) {
      for (size_t i = 0; i < p.width; ++i) {
        uint64_t a = p.dst + y * p.pitch + i * p.elementSize;
        Allocation *to = d.memory->find(a);
        if (!to || !to->holds(a, p.elementSize)) {
          return int(CUDA_ERROR_ILLEGAL_ADDRESS);
        }
        std::memcpy(to->host(a), &p.value, p.elementSize);
        if (!to->written.empty()) {
          for (uint64_t b = a - to->address;
               b < a - to->address + p.elementSize; ++b) {
            to->written[b >> 3] |= static_cast<uint8_t>(1u << (b & 7));
          }
        }
      }
    }
    return 0;
  };
  return CUDA_SUCCESS;
}
RILL_CUDA_API CUresult cuGraphAddMemsetNode(CUgraphNode *out, CUgraph g,
                                            const CUgraphNode *needs, size_t n,
                                            const CUDA_MEMSET_NODE_PARAMS *p,
                                            CUcontext) {
  return addTo("cuGraphAddMemsetNode", out, g, needs, n, kNodeMemset,
               [&](Driver &d, GraphNode &x) { return fillMemset(x, p, d); });
}

RILL_CUDA_API CUresult cuGraphAddMemcpyNode(CUgraphNode *out, CUgraph g,
                                            const CUgraphNode *needs, size_t n,
                                            const CUDA_MEMCPY3D *p, CUcontext) {
  return addTo(
      "cuGraphAddMemcpyNode", out, g, needs, n, kNodeMemcpy,
      [&](Driver &d, GraphNode &x) -> CUresult {
        if (!p || p->srcMemoryType == 3 || p->dstMemoryType == 3) {
          return CUDA_ERROR_INVALID_VALUE;
        }
        x.run = [p = *p, &d] {
          auto at = [&](unsigned type, const void *host, uint64_t device) {
            return type == 1 ? reinterpret_cast<uint64_t>(host) : device;
          };
          uint64_t src = at(p.srcMemoryType, p.srcHost, p.srcDevice);
          uint64_t dst = at(p.dstMemoryType, p.dstHost, p.dstDevice);
          size_t sp = p.srcPitch ? p.srcPitch : p.WidthInBytes;
          size_t dp = p.dstPitch ? p.dstPitch : p.WidthInBytes;
          size_t sh = p.srcHeight ? p.srcHeight : p.Height;
          size_t dh = p.dstHeight ? p.dstHeight : p.Height;
          for (size_t z = 0; z < std::max<size_t>(p.Depth, 1); ++z) {
            for (size_t y = 0; y < std::max<size_t>(p.Height, 1); ++y) {
              uint64_t a =
                  src + p.srcXInBytes + ((p.srcZ + z) * sh + p.srcY + y) * sp;
              uint64_t b =
                  dst + p.dstXInBytes + ((p.dstZ + z) * dh + p.dstY + y) * dp;
              Allocation *from = d.memory->find(a), *to = d.memory->find(b);
              if ((from && !from->holds(a, p.WidthInBytes)) ||
                  (to && !to->holds(b, p.WidthInBytes)) ||
                  (!from && d.memory->inRange(a)) ||
                  (!to && d.memory->inRange(b))) {
                return int(CUDA_ERROR_ILLEGAL_ADDRESS);
              }
              std::memmove(to ? to->host(b) : reinterpret_cast<char *>(b),
                           from ? from->host(a) : reinterpret_cast<char *>(a),
                           p.WidthInBytes);
              if (to && !to->written.empty()) {
                for (uint64_t i = 0; i < p.WidthInBytes; ++i) {
                  uint64_t o = b - to->address + i;
                  to->written[o >> 3] |= static_cast<uint8_t>(1u << (o & 7));
                }
              }
            }
          }
          return 0;
        };
        return CUDA_SUCCESS;
      });
}

RILL_CUDA_API CUresult cuGraphAddChildGraphNode(CUgraphNode *out, CUgraph g,
                                                const CUgraphNode *needs,
                                                size_t n, CUgraph child) {
  return addTo("cuGraphAddChildGraphNode", out, g, needs, n, kNodeGraph,
               [&](Driver &d, GraphNode &x) -> CUresult {
                 if (!isGraph(d, child) || child == g) {
                   return CUDA_ERROR_INVALID_VALUE;
                 }
                 g->children.push_back(cloneGraph(*child));
                 x.child = g->children.back().get();
                 return CUDA_SUCCESS;
               });
}

RILL_CUDA_API CUresult
cuGraphConditionalHandleCreate(CUgraphConditionalHandle *out, CUgraph g,
                               CUcontext, unsigned value, unsigned flags) {
  return guarded("cuGraphConditionalHandleCreate", true,
                 [&](Driver &d) -> CUresult {
                   if (!out || !isGraph(d, g) || flags > 1) {
                     return CUDA_ERROR_INVALID_VALUE;
                   }
                   *out = d.nextId++;
                   d.conditionals[*out] = value;
                   if (flags & 1) {
                     g->handles[*out] = value; // assigned at each launch
                   }
                   return CUDA_SUCCESS;
                 });
}

static CUresult addAny(const char *name, CUgraphNode *out, CUgraph g,
                       const CUgraphNode *needs, size_t n,
                       CUgraphNodeParams *p) {
  if (!p) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return addTo(name, out, g, needs, n, p->type,
               [&](Driver &d, GraphNode &x) -> CUresult {
                 switch (p->type) {
                 case kNodeKernel:
                   return fillKernel(d, x, &p->kernel);
                 case kNodeMemset:
                   return fillMemset(x, &p->memset, d);
                 case kNodeHost:
                   return fillHost(x, &p->host);
                 case kNodeEmpty:
                   return CUDA_SUCCESS;
                 case kNodeConditional: {
                   auto &c = p->conditional;
                   unsigned most = c.type == 0 ? 2 : c.type == 1 ? 1 : 64;
                   if (c.type > 2 || c.size < 1 || c.size > most ||
                       !d.conditionals.count(c.handle)) {
                     return CUDA_ERROR_INVALID_VALUE;
                   }
                   x.conditionalType = c.type;
                   x.handle = c.handle;
                   // The handles of the bodies belong to the graph.
                   auto *list = new Graph *[c.size];
                   g->bodyLists.emplace_back(list);
                   for (unsigned i = 0; i < c.size; ++i) {
                     g->children.push_back(std::make_unique<Graph>());
                     g->children.back()->body = true;
                     x.bodies.push_back(g->children.back().get());
                     list[i] = x.bodies.back();
                   }
                   c.phGraph_out = list;
                   return CUDA_SUCCESS;
                 }
                 default:
                   return CUDA_ERROR_NOT_SUPPORTED;
                 }
               });
}
RILL_CUDA_API CUresult cuGraphAddNode(CUgraphNode *out, CUgraph g,
                                      const CUgraphNode *needs, size_t n,
                                      CUgraphNodeParams *p) {
  return addAny("cuGraphAddNode", out, g, needs, n, p);
}
RILL_CUDA_API CUresult cuGraphAddNode_v2(CUgraphNode *out, CUgraph g,
                                         const CUgraphNode *needs, const void *,
                                         size_t n, CUgraphNodeParams *p) {
  return addAny("cuGraphAddNode_v2", out, g, needs, n, p);
}

static CUresult dependencies(const char *name, CUgraph g,
                             const CUgraphNode *from, const CUgraphNode *to,
                             size_t n) {
  return guarded(name, true, [&](Driver &d) -> CUresult {
    if (!isGraph(d, g) || (n && (!from || !to))) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    for (size_t i = 0; i < n; ++i) {
      if (!ownsNode(g, from[i]) || !ownsNode(g, to[i]) || from[i] == to[i]) {
        return CUDA_ERROR_INVALID_VALUE;
      }
    }
    for (size_t i = 0; i < n; ++i) {
      to[i]->needs.push_back(from[i]);
    }
    return CUDA_SUCCESS;
  });
}
RILL_CUDA_API CUresult cuGraphAddDependencies(CUgraph g,
                                              const CUgraphNode *from,
                                              const CUgraphNode *to, size_t n) {
  return dependencies("cuGraphAddDependencies", g, from, to, n);
}
RILL_CUDA_API CUresult cuGraphAddDependencies_v2(CUgraph g,
                                                 const CUgraphNode *from,
                                                 const CUgraphNode *to,
                                                 const void *, size_t n) {
  return dependencies("cuGraphAddDependencies_v2", g, from, to, n);
}

RILL_CUDA_API CUresult cuGraphGetNodes(CUgraph g, CUgraphNode *nodes,
                                       size_t *n) {
  return guarded("cuGraphGetNodes", true, [&](Driver &d) -> CUresult {
    if (!isGraph(d, g) || !n) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    if (!nodes) {
      *n = g->nodes.size();
      return CUDA_SUCCESS;
    }
    for (size_t i = 0; i < *n; ++i) {
      nodes[i] = i < g->nodes.size() ? g->nodes[i].get() : nullptr;
    }
    *n = std::min(*n, g->nodes.size());
    return CUDA_SUCCESS;
  });
}

static bool isNode(Driver &d, GraphNode *n) {
  std::vector<Graph *> open(d.graphs.begin(), d.graphs.end());
  while (!open.empty()) {
    Graph *g = open.back();
    open.pop_back();
    if (ownsNode(g, n)) {
      return true;
    }
    for (auto &c : g->children) {
      open.push_back(c.get());
    }
  }
  return false;
}

RILL_CUDA_API CUresult cuGraphNodeGetType(CUgraphNode n, unsigned *type) {
  return guarded("cuGraphNodeGetType", true, [&](Driver &d) -> CUresult {
    if (!type || !isNode(d, n)) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    *type = n->type;
    return CUDA_SUCCESS;
  });
}

RILL_CUDA_API CUresult cuGraphDestroyNode(CUgraphNode n) {
  return guarded("cuGraphDestroyNode", true, [&](Driver &d) -> CUresult {
    if (!isNode(d, n)) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    Graph *g = n->graph;
    for (auto &x : g->nodes) {
      std::erase(x->needs, n);
    }
    std::erase_if(g->nodes, [&](auto &x) { return x.get() == n; });
    return CUDA_SUCCESS;
  });
}

RILL_CUDA_API CUresult
cuGraphKernelNodeSetParams_v2(CUgraphNode n, const CUDA_KERNEL_NODE_PARAMS *p) {
  return guarded("cuGraphKernelNodeSetParams_v2", true,
                 [&](Driver &d) -> CUresult {
                   if (!isNode(d, n) || n->type != kNodeKernel) {
                     return CUDA_ERROR_INVALID_VALUE;
                   }
                   return fillKernel(d, *n, p);
                 });
}
RILL_CUDA_API CUresult
cuGraphKernelNodeGetParams_v2(CUgraphNode n, CUDA_KERNEL_NODE_PARAMS *p) {
  return guarded(
      "cuGraphKernelNodeGetParams_v2", true, [&](Driver &d) -> CUresult {
        if (!p || !isNode(d, n) || !n->launch) {
          return CUDA_ERROR_INVALID_VALUE;
        }
        const LaunchConfig &c = n->launch->config;
        *p = {};
        p->func = n->launch->function;
        p->gridDimX = c.grid.x;
        p->gridDimY = c.grid.y;
        p->gridDimZ = c.grid.z;
        p->blockDimX = c.block.x;
        p->blockDimY = c.block.y;
        p->blockDimZ = c.block.z;
        p->sharedMemBytes = c.dynamicShared;
        n->paramPointers.clear();
        const Program &prog = *p->func->program;
        for (uint32_t o : prog.paramOffset) {
          n->paramPointers.push_back(n->launch->config.params.data() + o);
        }
        p->kernelParams = n->paramPointers.data();
        return CUDA_SUCCESS;
      });
}

static CUresult instantiate(const char *name, CUgraphExec *out, CUgraph g,
                            uint64_t flags) {
  return guarded(name, true, [&](Driver &d) -> CUresult {
    Context *c = nullptr;
    RILL_TRY_CU(d.context(c));
    if (!out || !d.graphs.count(g) || flags > 15) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    if (!g->nodes.empty() && ordered(*g).empty()) {
      return CUDA_ERROR_INVALID_VALUE; // a cycle
    }
    *out = new GraphExec{cloneGraph(*g), c};
    d.execs.insert(*out);
    return CUDA_SUCCESS;
  });
}
RILL_CUDA_API CUresult cuGraphInstantiateWithFlags(CUgraphExec *out, CUgraph g,
                                                   unsigned long long flags) {
  return instantiate("cuGraphInstantiateWithFlags", out, g, flags);
}
RILL_CUDA_API CUresult cuGraphInstantiateWithParams(
    CUgraphExec *out, CUgraph g, CUDA_GRAPH_INSTANTIATE_PARAMS *p) {
  if (!p) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  CUresult e = instantiate("cuGraphInstantiateWithParams", out, g, p->flags);
  p->result_out = e ? 1 : 0;
  p->hErrNode_out = nullptr;
  return e;
}

RILL_CUDA_API CUresult cuGraphExecDestroy(CUgraphExec e) {
  return guarded("cuGraphExecDestroy", true, [&](Driver &d) -> CUresult {
    if (!d.execs.count(e)) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    if (d.contexts.count(e->context)) {
      d.finishAll(*e->context);
    }
    d.execs.erase(e);
    delete e;
    return CUDA_SUCCESS;
  });
}

RILL_CUDA_API CUresult cuGraphUpload(CUgraphExec e, CUstream) {
  return guarded("cuGraphUpload", true, [&](Driver &d) {
    return d.execs.count(e) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
  });
}

RILL_CUDA_API CUresult cuGraphLaunch(CUgraphExec e, CUstream handle) {
  return guarded("cuGraphLaunch", true, [&](Driver &d) -> CUresult {
    Stream *s = nullptr;
    RILL_TRY_CU(d.streamOf(handle, s));
    if (!d.execs.count(e)) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    if (s->capture) {
      GraphNode *n = captureNode(*s, kNodeGraph);
      s->capture->graph->children.push_back(cloneGraph(*e->graph));
      n->child = s->capture->graph->children.back().get();
      return CUDA_SUCCESS;
    }
    Context *c = s->context;
    d.enqueue(*s, "graph", [&d, e, c] {
      std::vector<Graph *> open{e->graph.get()};
      while (!open.empty()) {
        Graph *g = open.back();
        open.pop_back();
        for (auto &[h, v] : g->handles) {
          d.conditionals[h] = v;
        }
        for (auto &x : g->children) {
          open.push_back(x.get());
        }
      }
      int error = runGraph(d, *e->graph);
      if (error) {
        d.fail(*c, error);
      }
      return error;
    });
    return CUDA_SUCCESS;
  });
}

RILL_CUDA_API CUresult cuGraphExecUpdate_v2(CUgraphExec e, CUgraph g,
                                            CUgraphExecUpdateResultInfo *r) {
  return guarded("cuGraphExecUpdate_v2", true, [&](Driver &d) -> CUresult {
    if (!d.execs.count(e) || !isGraph(d, g) || !r) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    *r = {};
    Graph &old = *e->graph;
    bool same = old.nodes.size() == g->nodes.size();
    for (size_t i = 0; same && i < g->nodes.size(); ++i) {
      const GraphNode &a = *old.nodes[i], &b = *g->nodes[i];
      same = a.type == b.type && a.needs.size() == b.needs.size();
      if (!same) {
        r->errorNode = g->nodes[i].get();
      }
    }
    if (!same) {
      r->result = 2; // topology changed
      return CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE;
    }
    if (d.contexts.count(e->context)) {
      d.finishAll(*e->context);
    }
    e->graph = cloneGraph(*g);
    return CUDA_SUCCESS;
  });
}

RILL_CUDA_API CUresult cuGraphExecKernelNodeSetParams_v2(
    CUgraphExec e, CUgraphNode n, const CUDA_KERNEL_NODE_PARAMS *p) {
  return guarded(
      "cuGraphExecKernelNodeSetParams_v2", true, [&](Driver &d) -> CUresult {
        if (!d.execs.count(e) || !isNode(d, n)) {
          return CUDA_ERROR_INVALID_VALUE;
        }
        Graph &from = *n->graph;
        for (size_t i = 0; i < from.nodes.size(); ++i) {
          if (from.nodes[i].get() == n && i < e->graph->nodes.size() &&
              e->graph->nodes[i]->type == kNodeKernel) {
            d.finishAll(*e->context);
            return fillKernel(d, *e->graph->nodes[i], p);
          }
        }
        return CUDA_ERROR_INVALID_VALUE;
      });
}

} // namespace rill::emu::cuda
