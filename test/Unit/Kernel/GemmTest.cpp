//===- GemmTest.cpp - Products of many rows against Reference -------------===//
//
// Templates "gemm", "cuda_gemm" and "cuda_wgmma": one weight and two zipped
// ones, tails of rows, columns and the inner dimension, more steps than a ring
// has stages, x as its own residual.
//
//===----------------------------------------------------------------------===//
#include "Harness.h"

using namespace rill;
using namespace rill::test;

namespace {
struct Shape {
  int64_t inner, columns;
  bool zip;
  int64_t most = 300; ///< rows that a call may have
};

/// `what` with each %name of `names` replaced.
std::string
filledIn(std::string what,
         const std::vector<std::pair<std::string, std::string>> &names) {
  for (const auto &[name, text] : names) {
    for (size_t at = 0; (at = what.find(name, at)) != std::string::npos;
         at += text.size()) {
      what.replace(at, name.size(), text);
    }
  }
  return what;
}

/// x [1,S,inner] bf16, weights [columns,inner]: u x + r + b, or with two
/// weights (u x) * (v x) + r + b. r is [1,S,columns] bf16.
std::string moduleText(const Shape &shape) {
  const char *text =
      R"(module attributes {rill.model = {batch = 1 : i64, max_seq_len = MOST : i64}} {
  rill.weight @u from "w.safetensors#u" : WEIGHT
  rill.weight @v from "w.safetensors#v" : WEIGHT
  rill.weight @b from "w.safetensors#b" : BIAS
  func.func @f(%x: ROWS {rill.name = "x", rill.dims = ["", "S", ""]},
               %r: HALF {rill.name = "r", rill.dims = ["", "S", ""]}) -> RESULT
      attributes {rill.method = "text_decoder"} {
    %u = rill.weight.read @u : WEIGHT
    %v = rill.weight.read @v : WEIGHT
    %b = rill.weight.read @b : BIAS
    %y = rill.linear %x weights(OPERANDS) aux(%r, %b) COMBINE : (ROWS, TYPES, HALF, BIAS) -> RESULT {
    ^bb0(%g: f32, PARTS%a: f32, %c: f32):
      %m = PRODUCT : f32
      %p = arith.addf %m, %a : f32
      %q = arith.addf %p, %c : f32
      rill.yield %q : f32
    }
    return %y : RESULT
  }
})";
  std::string n = std::to_string(shape.columns),
              k = std::to_string(shape.inner);
  return filledIn(
      text, {{"MOST", std::to_string(shape.most)},
             {"OPERANDS", shape.zip ? "%u, %v" : "%u"},
             {"COMBINE", shape.zip ? "{combine = #rill<combine zip>}" : ""},
             {"TYPES", shape.zip ? "WEIGHT, WEIGHT" : "WEIGHT"},
             {"PARTS", shape.zip ? "%h: f32, " : ""},
             {"PRODUCT", shape.zip ? "arith.mulf %g, %h" : "arith.addf %g, %g"},
             {"WEIGHT", "tensor<" + n + "x" + k + "xbf16>"},
             {"BIAS", "tensor<" + n + "xbf16>"},
             {"ROWS", "tensor<1x?x" + k + "xbf16>"},
             {"HALF", "tensor<1x?x" + n + "xbf16>"},
             {"RESULT", "tensor<1x?x" + n + "xf32>"}});
}

struct Gemm : testing::TestWithParam<Shape> {};
} // namespace

TEST_P(Gemm, EqualsReference) {
  Shape shape = GetParam();
  std::vector<int64_t> weight = {shape.columns, shape.inner};
  Harness harness(moduleText(shape),
                  {{"u", weight}, {"v", weight}, {"b", {shape.columns}}});
  std::vector<std::vector<Tensor>> calls;
  // Many columns are there to make the policy choose large blocks.
  bool wide = shape.columns > 1000;
  std::vector<int64_t> sizes = {17, 128, 129, 300};
  for (int64_t rows : wide ? std::vector<int64_t>{130} : sizes) {
    calls.push_back({filled(Tensor::BF16, {1, rows, shape.inner}, 1),
                     filled(Tensor::BF16, {1, rows, shape.columns}, 2)});
  }
  // Sums of products below 1/4 in f32 against double, multiplied when zipped.
  float worst = 1.0f / 6 * static_cast<float>(shape.inner);
  harness.compare("f", calls, 1e-6f * worst * (shape.zip ? 4 : 1),
                  wide ? std::vector<std::string>{"sm_90a"}
                       : Harness::gemmTargets());
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, Gemm,
    testing::Values(Shape{64, 128, false}, Shape{24, 130, false},
                    Shape{40, 36, false}, Shape{72, 300, false},
                    Shape{520, 72, true}, Shape{1032, 130, true},
                    // Blocks of 128 rows and of 256.
                    Shape{24, 17000, false}, Shape{72, 8500, true, 2048}));

/// x comes by a tensor map alone, so a template that also adds it takes its
/// address.
TEST(GemmAux, AddsItsOwnInput) {
  std::string text =
      R"(module attributes {rill.model = {batch = 1 : i64, max_seq_len = 40 : i64}} {
  rill.weight @u from "w.safetensors#u" : tensor<72x72xbf16>
  func.func @f(%x: tensor<1x?x72xbf16> {rill.name = "x", rill.dims = ["", "S", ""]})
      -> tensor<1x?x72xf32> attributes {rill.method = "text_decoder"} {
    %u = rill.weight.read @u : tensor<72x72xbf16>
    %y = rill.linear %x weights(%u) aux(%x) : (tensor<1x?x72xbf16>, tensor<72x72xbf16>, tensor<1x?x72xbf16>) -> tensor<1x?x72xf32> {
    ^bb0(%g: f32, %a: f32):
      %p = arith.addf %g, %a : f32
      rill.yield %p : f32
    }
    return %y : tensor<1x?x72xf32>
  }
})";
  Harness harness(text, {{"u", {72, 72}}});
  harness.compare("f", {{filled(Tensor::BF16, {1, 40, 72}, 1)}}, 2e-5f,
                  Harness::gemmTargets());
}
