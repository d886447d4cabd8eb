// Launches: checks of the configuration, queuing, execution.
#include "State.h"

#include <algorithm>
#include <cstring>
#include <fstream>

namespace rill::emu::cuda {

static bool knownFunction(Driver &d, FunctionHandle *f) {
  for (Context *c : d.contexts) {
    for (LoadedModule *m : c->modules) {
      for (auto &[name, h] : m->functions) {
        if (h.get() == f) {
          return true;
        }
      }
    }
  }
  return false;
}

/// Gathers the parameters in their PTX layout.
static CUresult packParams(FunctionHandle &f, void **params, void **extra,
                           std::vector<char> &out) {
  const Program &p = *f.program;
  out.assign(p.paramBytes, 0);
  if (extra) {
    const void *buffer = nullptr;
    size_t size = 0;
    for (size_t i = 0; extra[i] && i < 8; i += 2) {
      auto tag = reinterpret_cast<uintptr_t>(extra[i]);
      if (tag == 1) {
        buffer = extra[i + 1];
      } else if (tag == 2) {
        size = *static_cast<size_t *>(extra[i + 1]);
      }
    }
    if (!buffer || size < p.paramBytes) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    std::memcpy(out.data(), buffer, p.paramBytes);
    return CUDA_SUCCESS;
  }
  for (size_t i = 0; i < f.ast->params.size(); ++i) {
    if (!params || !params[i]) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    std::memcpy(out.data() + p.paramOffset[i], params[i],
                f.ast->params[i].size);
  }
  return CUDA_SUCCESS;
}

/// What a block of `threads` needs. An estimate alone never refuses a block.
static KernelNeeds needsOf(const Driver &d, const FunctionHandle &f,
                           uint32_t threads, size_t dynamicShared) {
  bool known = false;
  uint32_t registers = registersOf(d, f, &known);
  if (!known && threads) {
    uint32_t fits = 65536 / ((threads + 127) / 128 * 128) / 8 * 8;
    registers = std::min(registers, fits);
  }
  return {threads, registers,
          f.program->staticShared + static_cast<uint32_t>(dynamicShared)};
}

static CUresult checkShape(Driver &d, FunctionHandle &f, LaunchConfig &cfg) {
  const Function &a = *f.ast;
  const Dim3 &g = cfg.grid, &b = cfg.block;
  if (!g.x || !g.y || !g.z || g.y > 65535 || g.z > 65535 || g.x > 0x7fffffff ||
      !b.x || !b.y || !b.z || b.x > 1024 || b.y > 1024 || b.z > 64 ||
      b.count() > 1024) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  auto product = [](const uint32_t (&v)[3]) {
    return uint64_t(v[0]) * std::max(1u, v[1]) * std::max(1u, v[2]);
  };
  if (a.maxntid[0] && b.count() > product(a.maxntid)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (a.reqntid[0] &&
      (b.x != a.reqntid[0] || b.y != std::max(1u, a.reqntid[1]) ||
       b.z != std::max(1u, a.reqntid[2]))) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (cfg.dynamicShared > uint32_t(f.maxDynamicShared) ||
      f.program->staticShared + cfg.dynamicShared >
          uint32_t(d.chip->sharedPerBlockOptin)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (a.reqCluster[0]) {
    Dim3 want{a.reqCluster[0], std::max(1u, a.reqCluster[1]),
              std::max(1u, a.reqCluster[2])};
    if (cfg.explicitCluster &&
        (want.x != cfg.cluster.x || want.y != cfg.cluster.y ||
         want.z != cfg.cluster.z)) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    cfg.cluster = want;
    cfg.explicitCluster = true;
  }
  const Dim3 &c = cfg.cluster;
  uint64_t most = f.nonPortableCluster ? 16 : 8;
  if (!c.count() || c.count() > most || (c.count() > 1 && d.chip->major < 9)) {
    return CUDA_ERROR_INVALID_CLUSTER_SIZE;
  }
  if (g.x % c.x || g.y % c.y || g.z % c.z) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  KernelNeeds needs =
      needsOf(d, f, static_cast<uint32_t>(b.count()), cfg.dynamicShared);
  int perSm = residentBlocks(*d.chip, needs);
  if (perSm == 0) {
    return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
  }
  cfg.maxResident = static_cast<uint32_t>(perSm * d.chip->smCount);
  if (cfg.cooperative && g.count() > cfg.maxResident) {
    return CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE;
  }
  return CUDA_SUCCESS;
}

CUresult makeLaunch(Driver &d, Context &, FunctionHandle *f, Dim3 grid,
                    Dim3 block, unsigned shared, void **params, void **extra,
                    LaunchRecord &out) {
  if (!knownFunction(d, f)) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  out.function = f;
  out.config.grid = grid;
  out.config.block = block;
  out.config.dynamicShared = shared;
  RILL_TRY_CU(checkShape(d, *f, out.config));
  return packParams(*f, params, extra, out.config.params);
}

/// Runs launches that may overlap, or one.
int Driver::runLaunches(
    const std::vector<std::shared_ptr<LaunchRecord>> &chain) {
  RunOptions run = options;
  run.serialBase = 1;
  if (run.seed) {
    run.seed += ++launches * 1000003;
  }
  size_t before = report.count();
  Scheduler scheduler(*memory, report, run);
  std::vector<Grid *> grids;
  for (auto &l : chain) {
    LaunchConfig config = l->config;
    if (l == chain.front()) {
      config.programmatic = false;
    }
    grids.push_back(&scheduler.add(l->function->program, std::move(config)));
  }
  scheduler.setConditional = [this](uint64_t handle, uint32_t value) {
    conditionals[handle] = value;
  };
  Context *c = chain.front()->function->module->context;
  int error = scheduler.run();
  if (scheduler.races) {
    touched(scheduler.races->footprint());
  }
  if (!countersFile.empty()) {
    std::ofstream out(countersFile, std::ios::app);
    for (Grid *g : grids) {
      out << g->counters.json(std::string(g->program->kernel->name),
                              g->traffic ? g->traffic->json(*g->program)
                                         : std::string())
          << "\n";
    }
  }
  if (!error && findingsFail && report.count() > before) {
    error = CUDA_ERROR_LAUNCH_FAILED;
  }
  if (error) {
    fail(*c, error);
  }
  return error;
}

static CUresult queueLaunch(Driver &d, Stream &s, LaunchRecord record) {
  auto launch = std::make_shared<LaunchRecord>(std::move(record));
  if (GraphNode *n = captureNode(s, kNodeKernel)) {
    n->launch = launch;
    return CUDA_SUCCESS;
  }
  d.enqueue(
      s, "kernel " + std::string(launch->function->ast->name),
      [&d, launch] { return d.runLaunches({launch}); }, launch);
  return CUDA_SUCCESS;
}

RILL_CUDA_API CUresult cuLaunchKernel(CUfunction f, unsigned gx, unsigned gy,
                                      unsigned gz, unsigned bx, unsigned by,
                                      unsigned bz, unsigned shared,
                                      CUstream stream, void **params,
                                      void **extra) {
  return guarded("cuLaunchKernel", true, [&](Driver &d) -> CUresult {
    Stream *s = nullptr;
    RILL_TRY_CU(d.streamOf(stream, s));
    LaunchRecord r;
    RILL_TRY_CU(makeLaunch(d, *s->context, f, {gx, gy, gz}, {bx, by, bz},
                           shared, params, extra, r));
    return queueLaunch(d, *s, std::move(r));
  });
}

RILL_CUDA_API CUresult cuLaunchCooperativeKernel(
    CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx,
    unsigned by, unsigned bz, unsigned shared, CUstream stream, void **params) {
  return guarded("cuLaunchCooperativeKernel", true, [&](Driver &d) -> CUresult {
    Stream *s = nullptr;
    RILL_TRY_CU(d.streamOf(stream, s));
    LaunchRecord r;
    r.config.cooperative = true;
    RILL_TRY_CU(makeLaunch(d, *s->context, f, {gx, gy, gz}, {bx, by, bz},
                           shared, params, nullptr, r));
    return queueLaunch(d, *s, std::move(r));
  });
}

RILL_CUDA_API CUresult cuLaunchKernelEx(const CUlaunchConfig *c, CUfunction f,
                                        void **params, void **extra) {
  return guarded("cuLaunchKernelEx", true, [&](Driver &d) -> CUresult {
    if (!c || (c->numAttrs && !c->attrs)) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    Stream *s = nullptr;
    RILL_TRY_CU(d.streamOf(c->hStream, s));
    LaunchRecord r;
    for (unsigned i = 0; i < c->numAttrs; ++i) {
      const CUlaunchAttribute &a = c->attrs[i];
      if (a.id == kAttrClusterDimension) {
        r.config.cluster = {a.value.clusterDim.x, a.value.clusterDim.y,
                            a.value.clusterDim.z};
        r.config.explicitCluster = true;
      } else if (a.id == kAttrCooperative) {
        r.config.cooperative = a.value.cooperative;
      } else if (a.id == kAttrProgrammaticStreamSerialization) {
        r.config.programmatic = a.value.programmaticStreamSerializationAllowed;
      } else if (a.id > 16) {
        return CUDA_ERROR_INVALID_VALUE;
      }
    }
    RILL_TRY_CU(makeLaunch(d, *s->context, f,
                           {c->gridDimX, c->gridDimY, c->gridDimZ},
                           {c->blockDimX, c->blockDimY, c->blockDimZ},
                           c->sharedMemBytes, params, extra, r));
    return queueLaunch(d, *s, std::move(r));
  });
}

static CUresult occupancy(const char *name, int *out, CUfunction f, int block,
                          size_t shared) {
  return guarded(name, true, [&](Driver &d) -> CUresult {
    if (!out || block < 1) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    if (!knownFunction(d, f)) {
      return CUDA_ERROR_INVALID_HANDLE;
    }
    *out = residentBlocks(*d.chip,
                          needsOf(d, *f, static_cast<uint32_t>(block), shared));
    return CUDA_SUCCESS;
  });
}
RILL_CUDA_API CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(
    int *out, CUfunction f, int block, size_t shared) {
  return occupancy("cuOccupancyMaxActiveBlocksPerMultiprocessor", out, f, block,
                   shared);
}
RILL_CUDA_API CUresult cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
    int *out, CUfunction f, int block, size_t shared, unsigned) {
  return occupancy("cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags", out,
                   f, block, shared);
}

RILL_CUDA_API CUresult cuOccupancyMaxPotentialBlockSize(int *grid, int *block,
                                                        CUfunction f,
                                                        size_t (*sharedOf)(int),
                                                        size_t shared,
                                                        int limit) {
  return guarded(
      "cuOccupancyMaxPotentialBlockSize", true, [&](Driver &d) -> CUresult {
        if (!grid || !block || !knownFunction(d, f)) {
          return CUDA_ERROR_INVALID_VALUE;
        }
        int top = limit > 0 ? std::min(limit, 1024) : 1024;
        int best = 0;
        for (int b = top / 32 * 32; b >= 32; b -= 32) {
          size_t bytes = sharedOf ? sharedOf(b) : shared;
          int n = residentBlocks(
              *d.chip, needsOf(d, *f, static_cast<uint32_t>(b), bytes));
          if (n * b > best) {
            best = n * b;
            *block = b;
            *grid = n * d.chip->smCount;
          }
        }
        return best ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
      });
}

RILL_CUDA_API CUresult cuOccupancyAvailableDynamicSMemPerBlock(size_t *out,
                                                               CUfunction f,
                                                               int blocks,
                                                               int) {
  return guarded("cuOccupancyAvailableDynamicSMemPerBlock", true,
                 [&](Driver &d) -> CUresult {
                   if (!out || blocks < 1 || !knownFunction(d, f)) {
                     return CUDA_ERROR_INVALID_VALUE;
                   }
                   int each = d.chip->sharedPerSm / blocks / 128 * 128 - 1024;
                   each = std::min(each, d.chip->sharedPerBlockOptin);
                   *out = static_cast<size_t>(std::max(
                       0, each - static_cast<int>(f->program->staticShared)));
                   return CUDA_SUCCESS;
                 });
}

RILL_CUDA_API CUresult cuOccupancyMaxActiveClusters(int *out, CUfunction f,
                                                    const CUlaunchConfig *c) {
  return guarded(
      "cuOccupancyMaxActiveClusters", true, [&](Driver &d) -> CUresult {
        if (!out || !c || !knownFunction(d, f)) {
          return CUDA_ERROR_INVALID_VALUE;
        }
        unsigned cluster = 1;
        for (unsigned i = 0; i < c->numAttrs; ++i) {
          if (c->attrs[i].id == kAttrClusterDimension) {
            auto &v = c->attrs[i].value.clusterDim;
            cluster = std::max(1u, v.x * v.y * v.z);
          }
        }
        int n = residentBlocks(
            *d.chip, needsOf(d, *f, c->blockDimX * c->blockDimY * c->blockDimZ,
                             c->sharedMemBytes));
        *out = n * d.chip->smCount / static_cast<int>(cluster);
        return CUDA_SUCCESS;
      });
}

RILL_CUDA_API CUresult cuOccupancyMaxPotentialClusterSize(
    int *out, CUfunction f, const CUlaunchConfig *c) {
  return guarded(
      "cuOccupancyMaxPotentialClusterSize", true, [&](Driver &d) -> CUresult {
        if (!out || !c || !knownFunction(d, f)) {
          return CUDA_ERROR_INVALID_VALUE;
        }
        *out = d.chip->major < 9 ? 1 : f->nonPortableCluster ? 16 : 8;
        return CUDA_SUCCESS;
      });
}

} // namespace rill::emu::cuda
