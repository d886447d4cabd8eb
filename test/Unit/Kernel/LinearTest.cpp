//===- LinearTest.cpp - Template "linear" against Reference ---------------===//
//
// bf16 on both sides (two k at once) and mixed dtypes, odd sizes, zipped and
// with aux operands, 1 to 9 rows, on every level this processor runs.
//
//===----------------------------------------------------------------------===//
#include "rill.h"
#include "rill/Pipeline/Pipeline.h"
#include "rill/Pipeline/Register.h"
#include "rill/Reference/Evaluator.h"
#include "runtime/core/c_helpers.h"
#include "runtime/device/cpu/code.h"
#include "runtime/formats/file_writer.h"
#include "runtime/formats/safetensors.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <gtest/gtest.h>
#include <unistd.h>

using namespace rill;
using reference::Tensor;

namespace {
constexpr int64_t kInner = 100, kColumns = 18; // no multiple of 8, 16 or 64

/// x [1,S,100] of XT, weights [18,100] bf16: silu(u x) * (v x) + r.
std::string moduleText(const std::string &xt) {
  std::string x = "tensor<1x?x100x" + xt + ">", y = "tensor<1x?x18xf32>";
  return R"(module attributes {rill.model = {batch = 1 : i64, max_seq_len = 64 : i64}} {
  rill.weight @u from "w.safetensors#u" : tensor<18x100xbf16>
  rill.weight @v from "w.safetensors#v" : tensor<18x100xbf16>
  rill.weight @b from "w.safetensors#b" : tensor<18xbf16>
  func.func @f(%x: )" +
         x + R"( {rill.name = "x", rill.dims = ["", "S", ""]},
               %r: )" +
         y + R"( {rill.name = "r", rill.dims = ["", "S", ""]}) -> )" + y + R"(
      attributes {rill.method = "text_decoder_rows"} {
    %u = rill.weight.read @u : tensor<18x100xbf16>
    %v = rill.weight.read @v : tensor<18x100xbf16>
    %b = rill.weight.read @b : tensor<18xbf16>
    %y = rill.linear %x weights(%u, %v) aux(%r, %b) {combine = #rill<combine zip>}
        : ()" +
         x + ", tensor<18x100xbf16>, tensor<18x100xbf16>, " + y +
         ", tensor<18xbf16>) -> " + y + R"( {
    ^bb0(%g: f32, %h: f32, %a: f32, %c: f32):
      %one = arith.constant 1.0 : f32
      %n = arith.negf %g : f32
      %e = math.exp %n : f32
      %d = arith.addf %e, %one : f32
      %s = arith.divf %g, %d : f32
      %m = arith.mulf %s, %h : f32
      %p = arith.addf %m, %a : f32
      %q = arith.addf %p, %c : f32
      rill.yield %q : f32
    }
    return %y : )" +
         y + R"(
  }
})";
}

/// Reproducible values in [-0.5, 0.5], exact in bf16.
float value(uint64_t i) {
  i = (i + 1) * 0x9e3779b97f4a7c15u;
  return static_cast<float>(static_cast<int>(i >> 56) - 128) / 256.0f;
}

uint16_t toBf16(float f) {
  uint32_t bits;
  std::memcpy(&bits, &f, 4);
  return static_cast<uint16_t>(bits >> 16);
}

struct LinearKernel : testing::TestWithParam<const char *> {
  void SetUp() override {
    folder = std::filesystem::temp_directory_path() /
             ("rill-linear-" + std::to_string(getpid()));
    std::filesystem::create_directories(folder);
    std::vector<uint16_t> data(2 * kColumns * kInner + kColumns);
    for (size_t i = 0; i < data.size(); ++i) {
      data[i] = toBf16(value(i));
    }
    // An odd header moves the data to an odd address.
    ASSERT_TRUE(rt::writeSafetensors(
                    (folder / "w.safetensors").string(),
                    {{"u", rt::Dtype::BF16, {kColumns, kInner}, data.data()},
                     {"v",
                      rt::Dtype::BF16,
                      {kColumns, kInner},
                      data.data() + kColumns * kInner},
                     {"b",
                      rt::Dtype::BF16,
                      {kColumns},
                      data.data() + 2 * kColumns * kInner}},
                    {}, 1)
                    .ok());
    ASSERT_TRUE(
        rt::writeFile((folder / "m.mlir").string(), moduleText(GetParam()))
            .ok());
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  std::filesystem::path folder;
};
} // namespace

TEST_P(LinearKernel, EqualsReference) {
  bool bf16 = std::string(GetParam()) == "bf16";
  mlir::DialectRegistry registry;
  registerDialects(registry);
  mlir::MLIRContext context(registry);
  auto module = mlir::parseSourceFile<mlir::ModuleOp>(
      (folder / "m.mlir").string(), mlir::ParserConfig(&context));
  ASSERT_TRUE(module);
  auto weights = reference::openWeights(*module, folder.string());
  ASSERT_TRUE(weights.ok());
  reference::Evaluator evaluator(*module, *weights);
  for (const std::string &target : rt::cpuTargets()) {
    CompileOptions options;
    options.input = (folder / "m.mlir").string();
    options.output = (folder / (target + ".rill")).string();
    options.artifact.folder = folder.string();
    options.artifact.weights = WeightsMode::External;
    options.pipeline.targets = {target};
    options.pipeline.noGeneric = true;
    auto status = compile(options, [](const std::string &) {});
    ASSERT_TRUE(status.ok()) << status.get().render();
    rill_model *model = nullptr;
    rill_session *session = nullptr;
    ASSERT_TRUE(
        rt::statusFromC(rill_open(options.output.c_str(), nullptr, &model))
            .ok());
    ASSERT_TRUE(
        rt::statusFromC(rill_session_create(model, nullptr, &session)).ok());
    std::vector<float> first;
    for (int64_t rows : {1, 2, 3, 5, 8, 9}) {
      Tensor x(bf16 ? Tensor::BF16 : Tensor::F32, {1, rows, kInner});
      Tensor r(Tensor::F32, {1, rows, kColumns});
      std::vector<uint16_t> half(x.f.size());
      for (size_t i = 0; i < x.f.size(); ++i) {
        x.f[i] = value(7000 + i);
        half[i] = toBf16(x.f[i]);
      }
      for (size_t i = 0; i < r.f.size(); ++i) {
        r.f[i] = value(9000 + i);
      }
      auto wanted = evaluator.call("f", {x, r});
      ASSERT_TRUE(wanted.ok());
      std::vector<float> got(rows * kColumns, NAN);
      rill_tensor inputs[] = {bf16
                                  ? rt::makeTensor(half.data(), half.size() * 2,
                                                   RILL_BF16, {1, rows, kInner})
                                  : rt::makeTensor(x.f.data(), x.f.size() * 4,
                                                   RILL_F32, {1, rows, kInner}),
                              rt::makeTensor(r.f.data(), r.f.size() * 4,
                                             RILL_F32, {1, rows, kColumns})};
      rill_tensor output =
          rt::makeTensor(got.data(), got.size() * 4, RILL_F32, {});
      auto called =
          rt::statusFromC(rill_invoke(session, "f", inputs, 2, &output, 1));
      ASSERT_TRUE(called.ok()) << called.get().render();
      for (size_t i = 0; i < got.size(); ++i) {
        // f32 sums of 100 products against double.
        EXPECT_NEAR(got[i], (*wanted)[0].f[i], 2e-5)
            << target << " rows " << rows;
      }
      got.resize(kColumns);
      first = first.empty() ? got : first;
      EXPECT_EQ(got, first) << "row 0 depends on the number of rows";
    }
    rill_session_free(session);
    rill_close(model);
  }
}

INSTANTIATE_TEST_SUITE_P(Types, LinearKernel, testing::Values("bf16", "f32"));
