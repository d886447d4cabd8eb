//===- LinearTest.cpp - Template "linear" against Reference ---------------===//
//
// bf16 on both sides (two k at once) and mixed dtypes, odd sizes, zipped and
// with aux operands, 1 to 9 rows, on every level this processor runs.
//
//===----------------------------------------------------------------------===//
#include "Harness.h"

using namespace rill;
using namespace rill::test;

namespace {
/// moduleText for 100 inner elements.
std::string moduleOf100(const std::string &xt, const std::string &method) {
  std::string x = "tensor<1x?x100x" + xt + ">", y = "tensor<1x?x18xf32>";
  return R"(module attributes {rill.model = {batch = 1 : i64, max_seq_len = 400 : i64}} {
  rill.weight @u from "w.safetensors#u" : tensor<18x100xbf16>
  rill.weight @v from "w.safetensors#v" : tensor<18x100xbf16>
  rill.weight @b from "w.safetensors#b" : tensor<18xbf16>
  func.func @f(%x: )" +
         x + R"( {rill.name = "x", rill.dims = ["", "S", ""]},
               %r: )" +
         y + R"( {rill.name = "r", rill.dims = ["", "S", ""]}) -> )" + y + R"(
      attributes {rill.method = ")" +
         method +
         R"("} {
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

constexpr int64_t kColumns = 18; // no multiple of 8, 16 or 64

/// x [1,S,inner] of XT, weights [18,inner] bf16: silu(u x) * (v x) + r.
std::string moduleText(const std::string &xt, int64_t inner,
                       const std::string &method = "text_decoder_rows") {
  std::string text = moduleOf100(xt, method);
  std::string size = "x" + std::to_string(inner) + "x";
  for (size_t at = 0; (at = text.find("x100x", at)) != std::string::npos;
       at += size.size()) {
    text.replace(at, 5, size);
  }
  return text;
}

struct LinearKernel
    : testing::TestWithParam<std::tuple<const char *, int64_t>> {};
} // namespace

TEST_P(LinearKernel, EqualsReference) {
  auto [type, inner] = GetParam();
  auto kind = std::string(type) == "bf16" ? Tensor::BF16 : Tensor::F32;
  Harness harness(
      moduleText(type, inner),
      {{"u", {kColumns, inner}}, {"v", {kColumns, inner}}, {"b", {kColumns}}});
  std::vector<std::vector<Tensor>> calls;
  for (int64_t rows : {1, 2, 3, 5, 8, 9, 16}) {
    calls.push_back({filled(kind, {1, rows, inner}, 1),
                     filled(Tensor::F32, {1, rows, kColumns}, 2)});
  }
  // f32 sums of that many products against double.
  harness.compare("f", calls, 2e-7f * static_cast<float>(inner));
  for (const std::string &target : Harness::targets()) {
    auto session = harness.compiled(target);
    std::vector<float> first;
    for (const auto &inputs : calls) {
      auto got = session->call("f", inputs, inputs[1].f.size());
      got.resize(kColumns);
      first = first.empty() ? got : first;
      EXPECT_EQ(got, first) << "row 0 depends on the number of rows";
    }
  }
}

/// Template "gemm": odd sizes, more than one block of rows and of products.
TEST_P(LinearKernel, ManyRowsEqualReference) {
  auto [type, few] = GetParam();
  auto kind = std::string(type) == "bf16" ? Tensor::BF16 : Tensor::F32;
  int64_t inner = 3 * few;
  std::string text = moduleText(type, inner, "text_decoder");
  Harness harness(
      text,
      {{"u", {kColumns, inner}}, {"v", {kColumns, inner}}, {"b", {kColumns}}});
  std::vector<std::vector<Tensor>> calls;
  for (int64_t rows : {17, 64, 191, 400}) {
    calls.push_back({filled(kind, {1, rows, inner}, 1),
                     filled(Tensor::F32, {1, rows, kColumns}, 2)});
  }
  harness.compare("f", calls, 5e-5f / 300 * static_cast<float>(inner));
}

// 33: neither pairs nor vectors; 1,032: tensor cores on CUDA, every warp and a
// tail.
INSTANTIATE_TEST_SUITE_P(Types, LinearKernel,
                         testing::Values(std::tuple("bf16", 33),
                                         std::tuple("bf16", 100),
                                         std::tuple("bf16", 104),
                                         std::tuple("bf16", 1032),
                                         std::tuple("f32", 100)));
