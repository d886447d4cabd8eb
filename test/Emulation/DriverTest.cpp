// Foreign programs, host bugs and misuse through the driver API.
#include "TestApi.h"

#include <cmath>
#include <cstring>

using namespace rill::emu;
using namespace rill::emu::cuda;

namespace {

class DriverTest : public testing::TestWithParam<int> {
protected:
  void SetUp() override {
    setenv("RILL_EMU_CHECKS", "race", 0);
    ASSERT_EQ(cuInit(0), CUDA_SUCCESS);
    driver().report.clear();
    driver().report.quiet = true;
    driver().options.checks = kCheckMemory | kCheckRace;
    ASSERT_EQ(cuCtxCreate_v2(&context, 0, 0), CUDA_SUCCESS);
  }
  void TearDown() override {
    driver().options.seed = 0;
    EXPECT_EQ(cuCtxDestroy_v2(context), CUDA_SUCCESS);
  }
  CUfunction load(const char *name) {
    static const std::string text =
        readText(EMU_TEST_DIR "/programs/kernels.ptx");
    CUmodule m = nullptr;
    CUfunction f = nullptr;
    EXPECT_EQ(cuModuleLoadData(&m, text.c_str()), CUDA_SUCCESS);
    EXPECT_EQ(cuModuleGetFunction(&f, m, name), CUDA_SUCCESS);
    return f;
  }
  template <class... A>
  void launch(CUfunction f, Dim3 grid, Dim3 block, unsigned shared,
              CUstream stream, A... args) {
    void *params[] = {&args...};
    EXPECT_EQ(cuLaunchKernel(f, grid.x, grid.y, grid.z, block.x, block.y,
                             block.z, shared, stream, params, nullptr),
              CUDA_SUCCESS);
  }
  void clean() {
    EXPECT_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
    for (const Finding &f : driver().report.all()) {
      ADD_FAILURE() << Report::text(f);
    }
  }
  bool reported(Kind kind) {
    for (const Finding &f : driver().report.all()) {
      if (f.kind == kind) {
        return true;
      }
    }
    return false;
  }
  CUcontext context = nullptr;
};

class Programs : public DriverTest {
protected:
  void SetUp() override {
    DriverTest::SetUp();
    driver().options.seed = static_cast<uint64_t>(GetParam());
  }
};
INSTANTIATE_TEST_SUITE_P(Seeds, Programs, testing::Values(0, 1, 2));

std::vector<float> numbers(size_t n) {
  std::vector<float> v(n);
  for (size_t i = 0; i < n; ++i) {
    v[i] = static_cast<float>(static_cast<int>(i * 37 % 101) - 50) / 16;
  }
  return v;
}

TEST_P(Programs, Reduction) {
  auto x = numbers(5000);
  CUdeviceptr dx = upload(x), out = upload(std::vector<float>{0});
  launch(load("reduce"), {4}, {128}, 0, nullptr, dx, out, 5000);
  double sum = 0;
  for (float v : x) {
    sum += v;
  }
  EXPECT_NEAR(download<float>(out, 1)[0], sum, 0.01);
  clean();
}

TEST_P(Programs, Scan) {
  std::vector<int> x(200, 3), want(200);
  for (int i = 0; i < 200; ++i) {
    want[size_t(i)] = 3 * (i + 1);
  }
  CUdeviceptr dx = upload(x), out = upload(std::vector<int>(200));
  launch(load("scan"), {1}, {256}, 1024, nullptr, dx, out, 200);
  EXPECT_EQ(download<int>(out, 200), want);
  clean();
}

TEST_P(Programs, Transpose) {
  auto x = numbers(70 * 50);
  CUdeviceptr dx = upload(x), out = upload(std::vector<float>(70 * 50));
  launch(load("transpose"), {3, 2}, {32, 8}, 0, nullptr, dx, out, 70, 50);
  auto y = download<float>(out, 70 * 50);
  for (size_t r = 0; r < 50; ++r) {
    for (size_t c = 0; c < 70; ++c) {
      ASSERT_EQ(y[c * 50 + r], x[r * 70 + c]);
    }
  }
  clean();
}

TEST_P(Programs, MatrixProduct) {
  constexpr size_t n = 64, k = 48;
  std::vector<uint16_t> a(n * k), b(n * k);
  std::vector<double> fa(n * k), fb(n * k);
  for (size_t i = 0; i < n * k; ++i) {
    int va = static_cast<int>(i * 7 % 9) - 4,
        vb = static_cast<int>(i * 5 % 7) - 3;
    auto half = [](int v) {
      static const uint16_t table[] = {0, 0x3c00, 0x4000, 0x4200, 0x4400};
      return static_cast<uint16_t>(table[std::abs(v)] | (v < 0 ? 0x8000 : 0));
    };
    a[i] = half(va);
    b[i] = half(vb);
    fa[i] = va;
    fb[i] = vb;
  }
  CUdeviceptr da = upload(a), db = upload(b),
              dc = upload(std::vector<float>(n * n));
  launch(load("matmul"), {2, 2}, {128}, 0, nullptr, da, db, dc, int(n), int(k));
  auto c = download<float>(dc, n * n);
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < n; ++j) {
      double want = 0;
      for (size_t x = 0; x < k; ++x) {
        want += fa[i * k + x] * fb[j * k + x];
      }
      ASSERT_EQ(c[i * n + j], want) << i << "," << j;
    }
  }
  clean();
}

TEST_P(Programs, Softmax) {
  auto x = numbers(3 * 100);
  CUdeviceptr dx = upload(x), out = upload(std::vector<float>(300));
  launch(load("softmax"), {3}, {32}, 0, nullptr, dx, out, 100);
  auto y = download<float>(out, 300);
  for (size_t r = 0; r < 3; ++r) {
    double sum = 0;
    for (size_t i = 0; i < 100; ++i) {
      sum += std::exp(double(x[r * 100 + i]));
    }
    for (size_t i = 0; i < 100; ++i) {
      double want = std::exp(double(x[r * 100 + i])) / sum;
      ASSERT_NEAR(y[r * 100 + i], want, 1e-5 * want + 1e-9);
    }
  }
  clean();
}

TEST_P(Programs, Histogram) {
  std::vector<unsigned char> x(4000);
  std::vector<unsigned> want(256);
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<unsigned char>(i * i % 251);
    ++want[x[i]];
  }
  CUdeviceptr dx = upload(x), out = upload(std::vector<unsigned>(256));
  launch(load("histogram"), {4}, {64}, 0, nullptr, dx, out, 4000);
  EXPECT_EQ(download<unsigned>(out, 256), want);
  clean();
}

TEST_P(Programs, Pipeline) {
  auto x = numbers(2 * 2048);
  CUdeviceptr dx = upload(x), out = upload(std::vector<float>(2));
  launch(load("pipeline"), {2}, {128}, 0, nullptr, dx, out, 2048);
  auto y = download<float>(out, 2);
  for (size_t b = 0; b < 2; ++b) {
    double want = 0;
    for (size_t i = 0; i < 2048; ++i) {
      want += x[b * 2048 + i];
    }
    EXPECT_NEAR(y[b], want, 0.01);
  }
  clean();
}

TEST_P(Programs, PersistentGridBarrier) {
  constexpr int n = 512, steps = 4;
  auto x = numbers(n);
  CUdeviceptr a = upload(x), b = upload(std::vector<float>(n)),
              counter = upload(std::vector<unsigned>{0});
  launch(load("persistent"), {12}, {32}, 0, nullptr, a, b, counter, n, steps);
  std::vector<float> cur = x, next(n);
  for (int s = 0; s < steps; ++s) {
    for (size_t i = 0; i < n; ++i) {
      next[i] = 0.5f * (cur[(i + 1) % n] + cur[(i + n - 1) % n]);
    }
    std::swap(cur, next);
  }
  EXPECT_EQ(download<float>(a, n), cur);
  clean();
}

TEST_P(Programs, DependentPair) {
  constexpr int n = 300;
  auto x = numbers(n);
  CUdeviceptr dx = upload(x), dy = upload(std::vector<float>(n)),
              dz = upload(std::vector<float>(n));
  CUstream s = nullptr;
  ASSERT_EQ(cuStreamCreate(&s, 1), CUDA_SUCCESS);
  launch(load("first"), {3}, {128}, 0, s, dx, dy, n);
  CUlaunchAttribute attribute = {};
  attribute.id = kAttrProgrammaticStreamSerialization;
  attribute.value.programmaticStreamSerializationAllowed = 1;
  CUlaunchConfig config = {3, 1, 1, 128, 1, 1, 0, s, &attribute, 1};
  int count = n;
  void *params[] = {&dy, &dz, &count};
  EXPECT_EQ(cuLaunchKernelEx(&config, load("second"), params, nullptr),
            CUDA_SUCCESS);
  EXPECT_EQ(cuStreamSynchronize(s), CUDA_SUCCESS);
  auto z = download<float>(dz, n);
  for (size_t i = 0; i < n; ++i) {
    ASSERT_EQ(z[i], x[n - 1 - i] * 2 + float(i) * 0.5f);
  }
  clean();
}

TEST_P(Programs, Cluster) {
  std::vector<int> x(512);
  for (int i = 0; i < 512; ++i) {
    x[size_t(i)] = i;
  }
  CUdeviceptr dx = upload(x), out = upload(std::vector<int>(512));
  launch(load("cluster"), {8}, {64}, 0, nullptr, dx, out);
  auto y = download<int>(out, 512);
  for (int i = 0; i < 512; ++i) {
    int block = i / 64, peer = block / 4 * 4 + (block + 1) % 4;
    ASSERT_EQ(y[size_t(i)], i + peer * 64 + 63 - i % 64);
  }
  clean();
}

TEST_P(Programs, CallsAndRecursion) {
  CUdeviceptr out = upload(std::vector<int>(32)),
              areas = upload(std::vector<float>(32));
  launch(load("calls"), {1}, {32}, 0, nullptr, out, areas);
  auto y = download<int>(out, 32);
  auto a = download<float>(areas, 32);
  int fib[12] = {0, 1};
  for (int i = 2; i < 12; ++i) {
    fib[i] = fib[i - 1] + fib[i - 2];
  }
  for (int i = 0; i < 32; ++i) {
    EXPECT_EQ(y[size_t(i)], fib[i % 12]);
    EXPECT_EQ(a[size_t(i)], float(i * i) * (i % 2 ? 1 : 3));
  }
  clean();
}

TEST_P(Programs, CapturedGraph) {
  CUdeviceptr a = upload(numbers(512)), b = upload(std::vector<float>(512));
  CUfunction f = load("first");
  CUstream s = nullptr, t = nullptr;
  CUevent e = nullptr, joined = nullptr;
  cuStreamCreate(&s, 1);
  cuStreamCreate(&t, 1);
  cuEventCreate(&e, 0);
  cuEventCreate(&joined, 0);
  ASSERT_EQ(cuStreamBeginCapture_v2(s, 0), CUDA_SUCCESS);
  launch(f, {4}, {128}, 0, s, a, b, 512);
  EXPECT_EQ(cuEventRecord(e, s), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamWaitEvent(t, e, 0), CUDA_SUCCESS);
  launch(f, {4}, {128}, 0, t, b, a, 512);
  EXPECT_EQ(cuEventRecord(joined, t), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamWaitEvent(s, joined, 0), CUDA_SUCCESS);
  CUgraph g = nullptr;
  ASSERT_EQ(cuStreamEndCapture(s, &g), CUDA_SUCCESS);
  CUgraphExec exec = nullptr;
  ASSERT_EQ(cuGraphInstantiateWithFlags(&exec, g, 0), CUDA_SUCCESS);
  EXPECT_EQ(cuGraphLaunch(exec, s), CUDA_SUCCESS);
  EXPECT_EQ(cuGraphLaunch(exec, s), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamSynchronize(s), CUDA_SUCCESS);
  auto x = numbers(512), y = download<float>(a, 512);
  for (size_t i = 0; i < 512; ++i) {
    ASSERT_EQ(y[i], x[i] * 16);
  }
  cuGraphExecDestroy(exec);
  cuGraphDestroy(g);
  clean();
}

// ---- E7: host bugs ----------------------------------------------------------
using HostBugs = DriverTest;

TEST_F(HostBugs, HostDereferenceOfDevicePointerDies) {
  CUdeviceptr p = upload(std::vector<int>(16));
  EXPECT_DEATH(
      {
        driver().report.quiet = false;
        *reinterpret_cast<volatile int *>(p + 4) = 1;
      },
      "");
}

TEST_F(HostBugs, EarlyReuseOfPinnedBufferIsReported) {
  void *host = nullptr;
  CUdeviceptr p = upload(std::vector<int>(2048));
  CUstream s = nullptr;
  cuStreamCreate(&s, 1);
  ASSERT_EQ(cuMemAllocHost_v2(&host, 8192), CUDA_SUCCESS);
  std::memset(host, 1, 8192);
  EXPECT_EQ(cuMemcpyHtoDAsync_v2(p, host, 8192, s), CUDA_SUCCESS);
  static_cast<char *>(host)[5] = 9;
  EXPECT_EQ(cuStreamSynchronize(s), CUDA_SUCCESS);
  EXPECT_TRUE(reported(Kind::HostBuffer));
  cuMemFreeHost(host);
}

TEST_F(HostBugs, ReadBeforeSynchronisationIsReported) {
  void *host = nullptr;
  CUdeviceptr p = upload(std::vector<int>(2048, 7));
  CUstream s = nullptr;
  cuStreamCreate(&s, 1);
  ASSERT_EQ(cuMemAllocHost_v2(&host, 8192), CUDA_SUCCESS);
  EXPECT_EQ(cuMemcpyDtoHAsync_v2(host, p, 8192, s), CUDA_SUCCESS);
  int early = *static_cast<volatile int *>(host);
  EXPECT_NE(early, 7);
  EXPECT_TRUE(reported(Kind::HostBuffer));
  EXPECT_EQ(cuStreamSynchronize(s), CUDA_SUCCESS);
  EXPECT_EQ(*static_cast<volatile int *>(host), 7);
  cuMemFreeHost(host);
}

TEST_F(HostBugs, MissingEventWaitGivesStaleData) {
  constexpr int n = 256;
  CUdeviceptr x = upload(std::vector<float>(n, 3)),
              y = upload(std::vector<float>(n, 0)),
              z = upload(std::vector<float>(n, 0));
  CUfunction f = load("first");
  for (bool right : {true, false}) {
    CUstream s = nullptr, t = nullptr;
    CUevent e = nullptr;
    cuStreamCreate(&s, 1);
    cuStreamCreate(&t, 1);
    cuEventCreate(&e, 0);
    cuMemsetD32_v2(y, 0, n);
    cuCtxSynchronize();
    launch(f, {2}, {128}, 0, s, x, y, n);
    cuEventRecord(e, s);
    if (right) {
      cuStreamWaitEvent(t, e, 0);
    }
    launch(f, {2}, {128}, 0, t, y, z, n);
    cuStreamSynchronize(t);
    EXPECT_EQ(download<float>(z, 1)[0], right ? 12.0f : 0.0f);
    cuStreamSynchronize(s);
  }
  EXPECT_TRUE(reported(Kind::StreamRace));
}

// ---- E6: misuse
// ---------------------------------------------------------------
using Misuse = DriverTest;

TEST_F(Misuse, LaunchLimits) {
  CUfunction f = load("first");
  CUdeviceptr a = 0;
  int n = 0;
  void *params[] = {&a, &a, &n};
  auto go = [&](unsigned gx, unsigned gy, unsigned bx, unsigned shared) {
    return cuLaunchKernel(f, gx, gy, 1, bx, 1, 1, shared, nullptr, params,
                          nullptr);
  };
  EXPECT_EQ(go(0, 1, 32, 0), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(go(1, 1, 1025, 0), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(go(1, 65536, 32, 0), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(go(1, 1, 32, 50000), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuFuncSetAttribute(f, 8, 300000), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuFuncSetAttribute(f, 8, 200000), CUDA_SUCCESS);
  EXPECT_EQ(go(1, 1, 32, 50000), CUDA_SUCCESS);
  EXPECT_EQ(
      cuLaunchKernel(nullptr, 1, 1, 1, 1, 1, 1, 0, nullptr, params, nullptr),
      CUDA_ERROR_INVALID_HANDLE);
}

TEST_F(Misuse, MemoryAndHandles) {
  CUdeviceptr p = 0;
  EXPECT_EQ(cuMemAlloc_v2(&p, 0), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuMemAlloc_v2(&p, size_t(1) << 50), CUDA_ERROR_OUT_OF_MEMORY);
  ASSERT_EQ(cuMemAlloc_v2(&p, 64), CUDA_SUCCESS);
  int x[64] = {};
  EXPECT_EQ(cuMemcpyHtoD_v2(p, x, 65), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuMemFree_v2(p + 4), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuMemFree_v2(p), CUDA_SUCCESS);
  EXPECT_EQ(cuMemFree_v2(p), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuMemcpyHtoD_v2(p, x, 4), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuStreamSynchronize(reinterpret_cast<CUstream>(0x1234)),
            CUDA_ERROR_INVALID_HANDLE);
  EXPECT_EQ(cuEventSynchronize(reinterpret_cast<CUevent>(0x1234)),
            CUDA_ERROR_INVALID_HANDLE);
  EXPECT_EQ(cuCtxSetCurrent(reinterpret_cast<CUcontext>(0x1234)),
            CUDA_ERROR_INVALID_CONTEXT);
}

TEST_F(Misuse, UseAfterFreeInAKernel) {
  CUdeviceptr a = upload(numbers(128)), b = upload(numbers(128));
  CUfunction f = load("first");
  ASSERT_EQ(cuMemFree_v2(a), CUDA_SUCCESS);
  launch(f, {1}, {128}, 0, nullptr, a, b, 128);
  EXPECT_EQ(cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT_TRUE(reported(Kind::UseAfterFree));
  // The context stays failed, as on hardware.
  EXPECT_EQ(cuMemAlloc_v2(&a, 4), CUDA_ERROR_ILLEGAL_ADDRESS);
}

TEST_F(Misuse, WrongContext) {
  CUstream s = nullptr;
  ASSERT_EQ(cuStreamCreate(&s, 0), CUDA_SUCCESS);
  CUcontext other = nullptr;
  ASSERT_EQ(cuCtxCreate_v2(&other, 0, 0), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamSynchronize(s), CUDA_ERROR_INVALID_HANDLE);
  ASSERT_EQ(cuCtxDestroy_v2(other), CUDA_SUCCESS);
  ASSERT_EQ(cuCtxSetCurrent(nullptr), CUDA_SUCCESS);
  CUdeviceptr p = 0;
  EXPECT_EQ(cuMemAlloc_v2(&p, 4), CUDA_ERROR_INVALID_CONTEXT);
  ASSERT_EQ(cuCtxSetCurrent(context), CUDA_SUCCESS);
}

TEST_F(Misuse, Capture) {
  CUstream s = nullptr;
  cuStreamCreate(&s, 1);
  CUgraph g = nullptr;
  EXPECT_EQ(cuStreamEndCapture(s, &g), CUDA_ERROR_ILLEGAL_STATE);
  EXPECT_EQ(cuStreamBeginCapture_v2(nullptr, 0),
            CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  ASSERT_EQ(cuStreamBeginCapture_v2(s, 0), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamBeginCapture_v2(s, 0), CUDA_ERROR_ILLEGAL_STATE);
  EXPECT_EQ(cuStreamSynchronize(s), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  EXPECT_EQ(cuStreamEndCapture(s, &g), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  EXPECT_EQ(g, nullptr);
}

TEST_F(Misuse, Images) {
  CUmodule m = nullptr;
  EXPECT_EQ(cuModuleLoadData(&m, "\x7f"
                                 "ELF........"),
            CUDA_ERROR_NO_BINARY_FOR_GPU);
  EXPECT_EQ(cuModuleLoadData(&m, "nonsense"), CUDA_ERROR_INVALID_PTX);
  EXPECT_EQ(
      cuModuleLoadData(&m, ".version 8.0\n.target sm_100a\n.address_size 64\n"),
      CUDA_ERROR_NO_BINARY_FOR_GPU);
  EXPECT_EQ(
      cuModuleLoadData(&m, ".version 9.9\n.target sm_80\n.address_size 64\n"),
      CUDA_ERROR_UNSUPPORTED_PTX_VERSION);
}

} // namespace
