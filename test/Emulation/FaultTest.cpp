// E5: a program that calls 30 driver functions survives each of them failing
// once, and for ever after.
#include "TestApi.h"

#include <cstring>

using namespace rill::emu;
using namespace rill::emu::cuda;

namespace {

const char kPtx[] = R"(.version 8.0
.target sm_80
.address_size 64
.visible .entry twice(.param .u64 p) {
  .reg .b64 %rd<3>;
  .reg .b32 %r<3>;
  ld.param.u64 %rd1, [p];
  mov.u32 %r1, %tid.x;
  mad.wide.u32 %rd2, %r1, 4, %rd1;
  ld.global.u32 %r2, [%rd2];
  shl.b32 %r2, %r2, 1;
  st.global.u32 [%rd2], %r2;
  ret;
}
)";

/// Goes through its calls in order, stops at the first failure, and gives
/// back what it took; a release that fails is not repeated.
struct Program {
  std::vector<std::string> called;
  CUcontext ctx = nullptr;
  CUdeviceptr p = 0, q = 0;
  void *host = nullptr;
  CUstream s = nullptr;
  CUevent a = nullptr, b = nullptr;
  CUmodule m = nullptr;
  CUfunction f = nullptr;
  CUgraph g = nullptr;
  CUgraphExec x = nullptr;

  bool ok(const char *name, CUresult e) {
    called.push_back(name);
    return e == CUDA_SUCCESS;
  }
#define RILL_OK(fn, ...) ok(#fn, fn(__VA_ARGS__))
  bool run() {
    int n = 0;
    char name[64];
    size_t bytes = 0, total = 0;
    unsigned v[32] = {1, 2, 3};
    float ms = 0;
    CUcontext seen = nullptr;
    void *params[] = {&p};
    return RILL_OK(cuInit, 0) && RILL_OK(cuDriverGetVersion, &n) &&
           RILL_OK(cuDeviceGetCount, &n) && RILL_OK(cuDeviceGet, &n, 0) &&
           RILL_OK(cuDeviceGetName, name, 64, 0) &&
           RILL_OK(cuDeviceTotalMem_v2, &bytes, 0) &&
           RILL_OK(cuDeviceGetAttribute, &n, 16, 0) &&
           RILL_OK(cuDevicePrimaryCtxRetain, &ctx, 0) &&
           RILL_OK(cuCtxSetCurrent, ctx) && RILL_OK(cuCtxGetCurrent, &seen) &&
           RILL_OK(cuMemGetInfo_v2, &bytes, &total) &&
           RILL_OK(cuMemAlloc_v2, &p, 128) &&
           RILL_OK(cuMemAllocHost_v2, &host, 128) &&
           RILL_OK(cuStreamCreate, &s, 1) && RILL_OK(cuEventCreate, &a, 0) &&
           RILL_OK(cuEventCreate, &b, 0) &&
           RILL_OK(cuMemcpyHtoD_v2, p, v, 128) &&
           RILL_OK(cuModuleLoadData, &m, kPtx) &&
           RILL_OK(cuModuleGetFunction, &f, m, "twice") &&
           RILL_OK(cuFuncGetAttribute, &n, 0, f) &&
           RILL_OK(cuFuncSetAttribute, f, 8, 1024) &&
           RILL_OK(cuEventRecord, a, s) &&
           RILL_OK(cuLaunchKernel, f, 1, 1, 1, 32, 1, 1, 0, s, params,
                   nullptr) &&
           RILL_OK(cuEventRecord, b, s) &&
           RILL_OK(cuStreamWaitEvent, s, b, 0) &&
           RILL_OK(cuMemcpyDtoHAsync_v2, host, p, 128, s) &&
           RILL_OK(cuStreamSynchronize, s) &&
           RILL_OK(cuEventElapsedTime, &ms, a, b) &&
           RILL_OK(cuMemAllocAsync, &q, 64, s) &&
           RILL_OK(cuMemsetD32Async, q, 5, 16, s) &&
           RILL_OK(cuMemFreeAsync, q, s) &&
           RILL_OK(cuStreamBeginCapture_v2, s, 0) &&
           RILL_OK(cuLaunchKernel, f, 1, 1, 1, 32, 1, 1, 0, s, params,
                   nullptr) &&
           RILL_OK(cuStreamEndCapture, s, &g) &&
           RILL_OK(cuGraphInstantiateWithFlags, &x, g, 0) &&
           RILL_OK(cuGraphLaunch, x, s) && RILL_OK(cuCtxSynchronize);
  }
#undef RILL_OK
  void end() {
    x &&ok("cuGraphExecDestroy", cuGraphExecDestroy(x));
    g &&ok("cuGraphDestroy", cuGraphDestroy(g));
    m &&ok("cuModuleUnload", cuModuleUnload(m));
    a &&ok("cuEventDestroy_v2", cuEventDestroy_v2(a));
    b &&ok("cuEventDestroy_v2", cuEventDestroy_v2(b));
    s &&ok("cuStreamDestroy_v2", cuStreamDestroy_v2(s));
    host &&ok("cuMemFreeHost", cuMemFreeHost(host));
    p &&ok("cuMemFree_v2", cuMemFree_v2(p));
    ctx &&ok("cuDevicePrimaryCtxRelease_v2", cuDevicePrimaryCtxRelease_v2(0));
  }
};

/// What a failed release left behind goes with its context.
void sweep() {
  driver().faults.clear();
  driver().calls.clear();
  driver().report.clear();
  for (CUgraphExec e : std::set<GraphExec *>(driver().execs)) {
    cuGraphExecDestroy(e);
  }
  for (CUgraph g : std::set<Graph *>(driver().graphs)) {
    cuGraphDestroy(g);
  }
  if (driver().primary) {
    driver().destroyContext(driver().primary);
  }
  contextStack().clear();
}

TEST(Faults, EveryFunctionMayFailOnceOrForEver) {
  ASSERT_EQ(cuInit(0), CUDA_SUCCESS);
  driver().report.quiet = true;
  Program plain;
  ASSERT_TRUE(plain.run());
  plain.end();
  sweep();
  std::set<std::string> names(plain.called.begin(), plain.called.end());
  EXPECT_GE(names.size(), 30u);
  size_t runs = 0, failed = 0;
  for (const std::string &name : names) {
    for (bool sticky : {false, true}) {
      for (int error : {2, 719}) {
        driver().calls.clear();
        driver().faults = {{name, 1, error, sticky}};
        Program p;
        failed += !p.run();
        p.end();
        ++runs;
        sweep();
        EXPECT_EQ(driver().memory->used(), 0u) << name;
      }
    }
  }
  Program again;
  EXPECT_TRUE(again.run());
  again.end();
  sweep();
  std::printf("%zu functions, %zu runs with injected faults, %zu of them "
              "stopped early\n",
              names.size(), runs, failed);
}

} // namespace
