// PTX as LLVM 22's NVPTX back end emits it (llvm/*.ll, regenerate.sh), against
// results computed here.
#include "TestApi.h"

#include <bit>
#include <cmath>
#include <cstring>

using namespace rill::emu;
using namespace rill::emu::cuda;

namespace {

class Llvm : public testing::TestWithParam<int> {
protected:
  void SetUp() override {
    ASSERT_EQ(cuInit(0), CUDA_SUCCESS);
    driver().report.clear();
    driver().report.quiet = true;
    driver().options.checks = kCheckMemory | kCheckRace;
    driver().options.seed = static_cast<uint64_t>(GetParam());
    ASSERT_EQ(cuCtxCreate_v2(&context, 0, 0), CUDA_SUCCESS);
  }
  void TearDown() override {
    driver().options.seed = 0;
    EXPECT_EQ(cuCtxDestroy_v2(context), CUDA_SUCCESS);
  }
  template <class... A>
  void run(const char *file, const char *kernel, Dim3 grid, Dim3 block,
           A... args) {
    std::string text =
        readText(std::string(EMU_TEST_DIR "/llvm/") + file + ".ptx");
    CUmodule m = nullptr;
    CUfunction f = nullptr;
    ASSERT_EQ(cuModuleLoadData(&m, text.c_str()), CUDA_SUCCESS);
    ASSERT_EQ(cuModuleGetFunction(&f, m, kernel), CUDA_SUCCESS);
    void *params[] = {&args...};
    EXPECT_EQ(cuLaunchKernel(f, grid.x, grid.y, grid.z, block.x, block.y,
                             block.z, 0, nullptr, params, nullptr),
              CUDA_SUCCESS);
    EXPECT_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
    for (const Finding &x : driver().report.all()) {
      ADD_FAILURE() << Report::text(x);
    }
  }
  CUcontext context = nullptr;
};
INSTANTIATE_TEST_SUITE_P(Seeds, Llvm, testing::Values(0, 1, 2));

uint16_t bf16(float v) {
  uint32_t u = std::bit_cast<uint32_t>(v);
  return static_cast<uint16_t>((u + 0x7fff + (u >> 16 & 1)) >> 16);
}
float fromBf16(uint16_t v) { return std::bit_cast<float>(uint32_t(v) << 16); }
float roundBf16(float v) { return fromBf16(bf16(v)); }

TEST_P(Llvm, Floats) {
  constexpr int n = 100;
  std::vector<float> x(n), y(n);
  for (int i = 0; i < n; ++i) {
    x[size_t(i)] = float(i * 37 % 101 - 50) / 7;
    y[size_t(i)] = float(i % 13 - 6) + 0.3f;
  }
  CUdeviceptr dx = upload(x), dy = upload(y),
              out = upload(std::vector<float>(n));
  run("elementwise", "floats", {4}, {32}, dx, dy, out, n);
  auto z = download<float>(out, n);
  for (size_t i = 0; i < n; ++i) {
    float q = x[i] / y[i];
    float want =
        std::fmax(std::floor(std::fma(q, std::sqrt(y[i] * y[i]), x[i])), q);
    EXPECT_EQ(z[i], want) << i;
  }
}

TEST_P(Llvm, Integers) {
  std::vector<int> x(64), want(64);
  for (int i = 0; i < 64; ++i) {
    x[size_t(i)] = static_cast<int>(0x9e3779b9u * uint32_t(i + 1));
  }

  for (int i = 0; i < 64; ++i) {
    uint32_t v = static_cast<uint32_t>(x[size_t(i)]);
    int32_t s = x[size_t(i)];
    uint32_t r = 0;
    switch (i & 7) {
    case 0:
      r = uint32_t(std::popcount(v));
      break;
    case 1:
      r = uint32_t(std::countl_zero(v));
      break;
    case 2:
      r = __builtin_bswap32(v);
      break;
    case 3:
      for (int b = 0; b < 32; ++b) {
        r |= (v >> b & 1) << (31 - b);
      }
      break;
    case 4:
      r = std::rotl(v, 7);
      break;
    case 5:
      r = uint32_t(s / 10) ^ uint32_t(s % 7);
      break;
    default:
      r = uint32_t(std::max(int32_t(std::abs(int64_t(s) / (i - 40))), -5));
    }
    want[size_t(i)] = static_cast<int>(r);
  }
  CUdeviceptr dx = upload(x), out = upload(std::vector<int>(64));
  run("elementwise", "integers", {1}, {64}, dx, out);
  EXPECT_EQ(download<int>(out, 64), want);
}

TEST_P(Llvm, Reduction) {
  std::vector<float> x(512);
  float sum = 0;
  for (size_t i = 0; i < 512; ++i) {
    x[i] = float(int(i * 13 % 64) - 20);
    sum += x[i];
  }
  CUdeviceptr dx = upload(x), out = upload(std::vector<float>{0});
  run("reduce", "reduce", {4}, {128}, dx, out);
  EXPECT_EQ(download<float>(out, 1)[0], sum);
}

TEST_P(Llvm, MatrixTile) {
  std::vector<uint16_t> a(16 * 32), b(8 * 32);
  for (size_t i = 0; i < a.size(); ++i) {
    a[i] = bf16(float(int(i * 7 % 11) - 5));
  }
  for (size_t i = 0; i < b.size(); ++i) {
    b[i] = bf16(float(int(i * 5 % 13) - 6));
  }
  CUdeviceptr da = upload(a), db = upload(b),
              out = upload(std::vector<float>(128));
  run("matmul", "tile", {1}, {32}, da, db, out);
  auto d = download<float>(out, 128);
  for (size_t r = 0; r < 16; ++r) {
    for (size_t c = 0; c < 8; ++c) {
      float want = 0;
      for (size_t k = 0; k < 32; ++k) {
        want += fromBf16(a[r * 32 + k]) * fromBf16(b[c * 32 + k]);
      }
      EXPECT_EQ(d[r * 8 + c], want) << r << "," << c;
    }
  }
}

TEST_P(Llvm, Halves) {
  std::vector<uint16_t> b(64), h(64);
  for (size_t i = 0; i < 64; ++i) {
    b[i] = bf16(float(int(i * 29 % 31) - 15) / 4);
    // Halves of small integers: 5 bits of exponent, 10 of mantissa.
    int v = int(i * 11 % 17) + 1, e = std::ilogb(v);
    h[i] = static_cast<uint16_t>((e + 15) << 10 |
                                 (int(std::ldexp(v, 10 - e)) & 1023));
  }
  CUdeviceptr db = upload(b), dh = upload(h),
              out = upload(std::vector<float>(128));
  run("halves", "halves", {1}, {32}, db, dh, out);
  auto z = download<float>(out, 128);
  for (size_t i = 0; i < 32; ++i) {
    float b0 = fromBf16(b[2 * i]), b1 = fromBf16(b[2 * i + 1]);
    float s = roundBf16(b0 + b1), p = roundBf16(b0 * b1);
    auto half = [&](size_t k) { return float(k * 11 % 17 + 1); };
    float h0 = half(2 * i), h1 = half(2 * i + 1);
    EXPECT_EQ(z[4 * i], roundBf16(std::fma(b0, b1, s))) << i;
    EXPECT_EQ(z[4 * i + 1], std::fmax(s, b0)) << i;
    EXPECT_EQ(z[4 * i + 2], std::fmax(p, b1)) << i;
    EXPECT_EQ(z[4 * i + 3], roundBf16(h0 * h0 + 2 * h0 - (h1 * h1 + 2 * h1)))
        << i;
  }
}

TEST_P(Llvm, TurnsByAcquireAndRelease) {
  std::vector<int> data(32), want(32);
  for (int i = 0; i < 32; ++i) {
    data[size_t(i)] = want[size_t(i)] = i;
    for (int b = 0; b < 6; ++b) {
      want[size_t(i)] = want[size_t(i)] * 3 + b;
    }
  }
  CUdeviceptr d = upload(data), flag = upload(std::vector<int>{0});
  run("atomics", "turns", {6}, {32}, d, flag);
  EXPECT_EQ(download<int>(d, 32), want);
}

TEST_P(Llvm, Atomics) {
  CUdeviceptr c = upload(std::vector<int>{5, -7, 0, 0, 40, 0, 100});
  run("atomics", "counts", {2}, {32}, c);
  int orAll = 0;
  for (int i = 0; i < 32; ++i) {
    orAll |= i;
  }
  // uinc_wrap to 9 counts modulo 10; two of each thread: xor cancels.
  EXPECT_EQ(download<int>(c, 7), (std::vector<int>{5 + 2 * 496, 31, orAll, 0, 0,
                                                   64 % 10, 100 + 2 * 64}));
}

TEST_P(Llvm, TensorProduct) {
  std::vector<uint16_t> a(64 * 64), b(8 * 64);
  for (size_t i = 0; i < a.size(); ++i) {
    a[i] = bf16(float(int(i * 7 % 9) - 4));
  }
  for (size_t i = 0; i < b.size(); ++i) {
    b[i] = bf16(float(int(i * 5 % 7) - 3));
  }
  CUdeviceptr da = upload(a), db = upload(b),
              out = upload(std::vector<float>(512));
  CUtensorMap ma, mb;
  uint64_t dims[] = {64, 64}, strides[] = {128};
  uint32_t box[] = {64, 64}, ones[] = {1, 1};
  ASSERT_EQ(cuTensorMapEncodeTiled(&ma, 9, 2, reinterpret_cast<void *>(da),
                                   dims, strides, box, ones, 0, 3, 0, 0),
            CUDA_SUCCESS);
  dims[1] = box[1] = 8;
  ASSERT_EQ(cuTensorMapEncodeTiled(&mb, 9, 2, reinterpret_cast<void *>(db),
                                   dims, strides, box, ones, 0, 3, 0, 0),
            CUDA_SUCCESS);
  run("tensor", "product", {1}, {128}, ma, mb, out);
  auto d = download<float>(out, 512);
  for (size_t t = 0; t < 128; ++t) {
    for (size_t i = 0; i < 4; ++i) {
      size_t row = t / 32 * 16 + t % 32 / 4 + 8 * (i >> 1);
      size_t col = 2 * (t % 4) + (i & 1);
      float want = 0;
      for (size_t k = 0; k < 64; ++k) {
        want += fromBf16(a[row * 64 + k]) * fromBf16(b[col * 64 + k]);
      }
      EXPECT_EQ(d[t * 4 + i], want) << row << "," << col;
    }
  }
}

} // namespace
