// Fat binaries, device printf, reports and counters in files, conditional and
// updated graphs.
#include "TestApi.h"

#include <cstdio>
#include <filesystem>

using namespace rill::emu;
using namespace rill::emu::cuda;

extern "C" CUresult cuGraphExecUpdate_v2(CUgraphExec, CUgraph,
                                         CUgraphExecUpdateResultInfo *);

namespace {

class Modules : public testing::Test {
protected:
  void SetUp() override {
    ASSERT_EQ(cuInit(0), CUDA_SUCCESS);
    Driver &d = driver();
    d.report.clear();
    d.report.quiet = true;
    d.options.checks = kCheckMemory | kCheckRace;
    ASSERT_EQ(cuCtxCreate_v2(&context, 0, 0), CUDA_SUCCESS);
  }
  void TearDown() override {
    driver().report.file.clear();
    driver().countersFile.clear();
    driver().options.count = false;
    EXPECT_EQ(cuCtxDestroy_v2(context), CUDA_SUCCESS);
  }
  static CUfunction function(const std::string &image, const char *name) {
    CUmodule m = nullptr;
    CUfunction f = nullptr;
    EXPECT_EQ(cuModuleLoadData(&m, image.data()), CUDA_SUCCESS);
    EXPECT_EQ(cuModuleGetFunction(&f, m, name), CUDA_SUCCESS);
    return f;
  }
  static CUresult launch(CUfunction f, unsigned block, void **params) {
    CUresult e =
        cuLaunchKernel(f, 1, 1, 1, block, 1, 1, 0, nullptr, params, nullptr);
    return e ? e : cuCtxSynchronize();
  }
  static CUgraphNodeParams kernelNode(CUfunction f, void **params) {
    CUgraphNodeParams n = {};
    n.type = kNodeKernel;
    n.kernel.func = f;
    n.kernel.gridDimX = n.kernel.gridDimY = n.kernel.gridDimZ = 1;
    n.kernel.blockDimX = 4;
    n.kernel.blockDimY = n.kernel.blockDimZ = 1;
    n.kernel.kernelParams = params;
    return n;
  }
  static std::string tiny() {
    return readText(EMU_TEST_DIR "/modules/tiny-plain.fatbin");
  }
  CUcontext context = nullptr;
};

TEST_F(Modules, FatBinariesPlainAndCompressed) {
  for (const char *kind : {"plain", "lz4"}) {
    std::string image =
        readText(std::string(EMU_TEST_DIR "/modules/tiny-") + kind + ".fatbin");
    CUdeviceptr p = upload(std::vector<int>{1, 2, 3, 4});
    void *params[] = {&p};
    EXPECT_EQ(launch(function(image, "tiny"), 4, params), CUDA_SUCCESS);
    EXPECT_EQ(download<int>(p, 4), (std::vector<int>{2, 3, 4, 5})) << kind;
  }
}

TEST_F(Modules, ZstdIsRefusedWithAReason) {
  std::string image = readText(EMU_TEST_DIR "/modules/tiny-zstd.fatbin");
  CUmodule m = nullptr;
  char log[256] = "";
  int options[] = {5, 6};
  void *values[] = {log, reinterpret_cast<void *>(sizeof log)};
  EXPECT_EQ(cuModuleLoadDataEx(&m, image.data(), 2, options, values),
            CUDA_ERROR_NO_BINARY_FOR_GPU);
  EXPECT_NE(std::string(log).find("--compress-mode=none"), std::string::npos);
}

TEST_F(Modules, Printf) {
  CUfunction f = function(readText(EMU_TEST_DIR "/modules/printf.ptx"), "seed");
  CUdeviceptr p = upload(std::vector<int>(64, 5));
  int n = 101;
  void *params[] = {&p, &n};
  testing::internal::CaptureStdout();
  EXPECT_EQ(launch(f, 64, params), CUDA_SUCCESS);
  std::fflush(stdout);
  // twice(101 & 7) = 1 + 1 + table[2..5 & 3] = 1 + 3 + 4 + 1 + 2.
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "16 text 1.500000\n");
}

TEST_F(Modules, ReportsAndCountersAsJson) {
  std::string base = testing::TempDir() + "emu-report";
  driver().report.file = base;
  driver().report.quiet = false;
  driver().countersFile = base + ".counters";
  driver().options.count = true;
  std::filesystem::remove(base + ".counters");
  CUfunction f = function(tiny(), "tiny");
  CUdeviceptr p = upload(std::vector<int>{1, 2, 3, 4});
  void *params[] = {&p};
  EXPECT_EQ(launch(f, 4, params), CUDA_SUCCESS);
  std::string counters = readText(base + ".counters");
  EXPECT_NE(counters.find("\"kernel\": \"tiny\""), std::string::npos)
      << counters;
  EXPECT_EQ(launch(f, 8, params), CUDA_ERROR_ILLEGAL_ADDRESS);
  std::string json = readText(base + ".json"), text = readText(base);
  for (const char *part :
       {"\"schema\": \"rill.emu-report/1\"", "\"kind\": \"out-of-bounds\"",
        "\"kernel\": \"tiny\"", "\"thread\": [4, 0, 0]"}) {
    EXPECT_NE(json.find(part), std::string::npos) << part << " in " << json;
  }
  EXPECT_NE(text.find("emu: out-of-bounds: "), std::string::npos) << text;
  std::filesystem::remove(base);
}

/// Past the end of memory that takes the place of something freed: out of
/// bounds, not use after free.
TEST_F(Modules, OverrunIntoReusedMemory) {
  CUdeviceptr old = 0;
  ASSERT_EQ(cuMemAlloc_v2(&old, 256), CUDA_SUCCESS);
  ASSERT_EQ(cuMemFree_v2(old), CUDA_SUCCESS);
  CUdeviceptr p = upload(std::vector<int>{1, 2, 3, 4});
  ASSERT_EQ(p, old);
  void *params[] = {&p};
  EXPECT_EQ(launch(function(tiny(), "tiny"), 8, params),
            CUDA_ERROR_ILLEGAL_ADDRESS);
  ASSERT_EQ(driver().report.count(), 1u);
  EXPECT_EQ(driver().report.all()[0].kind, Kind::OutOfBounds);
}

/// What cuTensorMapEncodeTiled refuses, each beside a right call.
TEST_F(Modules, TensorMapsAreChecked) {
  CUdeviceptr p = upload(std::vector<float>(4096));
  CUtensorMap map;
  auto encode = [&](int type, uint64_t stride, uint32_t inner, uint32_t step,
                    int swizzle, int fill, CUdeviceptr at) {
    uint64_t dims[] = {64, 32}, strides[] = {stride};
    uint32_t box[] = {inner, 8}, steps[] = {1, step};
    return cuTensorMapEncodeTiled(&map, type, 2, reinterpret_cast<void *>(at),
                                  dims, strides, box, steps, 0, swizzle, 0,
                                  fill);
  };
  constexpr int kF32 = 7, kU32 = 2;
  EXPECT_EQ(encode(kF32, 256, 32, 1, 3, 1, p), CUDA_SUCCESS);
  EXPECT_EQ(encode(kF32, 256, 64, 1, 3, 0, p), CUDA_ERROR_INVALID_VALUE)
      << "256 bytes in a span of 128";
  EXPECT_EQ(encode(kF32, 250, 32, 1, 3, 0, p), CUDA_ERROR_INVALID_VALUE)
      << "stride";
  EXPECT_EQ(encode(kF32, 256, 3, 1, 0, 0, p), CUDA_ERROR_INVALID_VALUE)
      << "12 bytes in a row";
  EXPECT_EQ(encode(kF32, 256, 32, 9, 3, 0, p), CUDA_ERROR_INVALID_VALUE)
      << "element stride";
  EXPECT_EQ(encode(kU32, 256, 32, 1, 3, 1, p), CUDA_ERROR_INVALID_VALUE)
      << "NaN fill of integers";
  EXPECT_EQ(encode(kF32, 256, 32, 1, 3, 0, p + 8), CUDA_ERROR_INVALID_VALUE)
      << "address";
}

/// An IF node runs its body exactly when the handle is not zero.
TEST_F(Modules, ConditionalIfNode) {
  CUfunction f = function(tiny(), "tiny");
  for (unsigned value : {0u, 1u}) {
    CUdeviceptr p = upload(std::vector<int>{1, 2, 3, 4});
    CUgraph g = nullptr;
    CUgraphNode branch = nullptr, body = nullptr;
    CUgraphConditionalHandle handle = 0;
    ASSERT_EQ(cuGraphCreate(&g, 0), CUDA_SUCCESS);
    ASSERT_EQ(cuGraphConditionalHandleCreate(&handle, g, context, value, 1),
              CUDA_SUCCESS);
    CUgraphNodeParams node = {};
    node.type = kNodeConditional;
    node.conditional.handle = handle;
    node.conditional.type = 0;
    node.conditional.size = 1;
    ASSERT_EQ(cuGraphAddNode(&branch, g, nullptr, 0, &node), CUDA_SUCCESS);
    void *params[] = {&p};
    CUgraphNodeParams k = kernelNode(f, params);
    ASSERT_EQ(
        cuGraphAddNode(&body, node.conditional.phGraph_out[0], nullptr, 0, &k),
        CUDA_SUCCESS);
    CUgraphExec exec = nullptr;
    ASSERT_EQ(cuGraphInstantiateWithFlags(&exec, g, 0), CUDA_SUCCESS);
    ASSERT_EQ(cuGraphLaunch(exec, nullptr), CUDA_SUCCESS);
    EXPECT_EQ(download<int>(p, 1)[0], 1 + int(value));
    cuGraphExecDestroy(exec);
    cuGraphDestroy(g);
  }
}

/// An executable graph takes over the parameters of a graph of its shape, and
/// refuses one of another.
TEST_F(Modules, UpdatedGraph) {
  CUfunction f = function(tiny(), "tiny");
  CUdeviceptr p = upload(std::vector<int>(4)), q = upload(std::vector<int>(4));
  CUgraph first = nullptr, second = nullptr, empty = nullptr;
  CUgraphNode n = nullptr;
  ASSERT_EQ(cuGraphCreate(&first, 0), CUDA_SUCCESS);
  ASSERT_EQ(cuGraphCreate(&second, 0), CUDA_SUCCESS);
  ASSERT_EQ(cuGraphCreate(&empty, 0), CUDA_SUCCESS);
  void *one[] = {&p}, *two[] = {&q};
  CUgraphNodeParams a = kernelNode(f, one), b = kernelNode(f, two);
  ASSERT_EQ(cuGraphAddNode(&n, first, nullptr, 0, &a), CUDA_SUCCESS);
  ASSERT_EQ(cuGraphAddNode(&n, second, nullptr, 0, &b), CUDA_SUCCESS);
  CUgraphExec exec = nullptr;
  ASSERT_EQ(cuGraphInstantiateWithFlags(&exec, first, 0), CUDA_SUCCESS);
  ASSERT_EQ(cuGraphLaunch(exec, nullptr), CUDA_SUCCESS);
  CUgraphExecUpdateResultInfo info = {};
  ASSERT_EQ(cuGraphExecUpdate_v2(exec, second, &info), CUDA_SUCCESS);
  ASSERT_EQ(cuGraphLaunch(exec, nullptr), CUDA_SUCCESS);
  ASSERT_EQ(cuGraphLaunch(exec, nullptr), CUDA_SUCCESS);
  EXPECT_EQ(download<int>(p, 1)[0], 1);
  EXPECT_EQ(download<int>(q, 1)[0], 2);
  EXPECT_EQ(cuGraphExecUpdate_v2(exec, empty, &info),
            CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE);
  cuGraphExecDestroy(exec);
  for (CUgraph g : {first, second, empty}) {
    cuGraphDestroy(g);
  }
}

} // namespace
