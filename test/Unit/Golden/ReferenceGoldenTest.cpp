//===- ReferenceGoldenTest.cpp - Import and Reference against golden ------===//
//
// Every variant, whole and in chunks, at f32 within 5e-6; the intermediate
// values of the base row.
//
//===----------------------------------------------------------------------===//
#include "Golden.h"

#include "rill/Import/Import.h"
#include "rill/Reference/Evaluator.h"

#include "mlir/IR/MLIRContext.h"

#include <filesystem>
#include <gtest/gtest.h>

using namespace rill;
using reference::Tensor;

namespace {
struct Golden : testing::TestWithParam<int> {
  static constexpr float kTolerance =
      5e-6f; // f32 against double; see Golden.cpp

  void load(const std::string &variant) {
    std::string folder = golden::makeCheckpoint(variant);
    ASSERT_FALSE(folder.empty());
    ImportOptions options;
    options.bf16 = false;
    options.strict = true;
    options.maxSeqLen = 32;
    std::vector<std::string> warnings;
    auto imported = importCheckpoint(context, folder, options, warnings);
    ASSERT_TRUE(imported.ok()) << imported.error().render();
    EXPECT_TRUE(warnings.empty()) << warnings[0];
    module = std::move(*imported);
    auto weights = reference::openWeights(*module, folder);
    ASSERT_TRUE(weights.ok()) << weights.error().render();
    evaluator = std::make_unique<reference::Evaluator>(*module, *weights);
    std::filesystem::remove_all(std::filesystem::path(folder).parent_path());
  }

  std::vector<float> call(const char *method, std::vector<Tensor> inputs) {
    auto results = evaluator->call(method, inputs);
    EXPECT_TRUE(results.ok()) << results.error().render();
    return results.ok() ? (*results)[0].f : std::vector<float>(4096, NAN);
  }

  golden::Backend backend() {
    return {[this](const golden::Floats &patches, int64_t h, int64_t w) {
              Tensor input(Tensor::F32, {1, h, w, 48});
              input.f = patches;
              return call("vision_encoder", {input});
            },
            [this](const golden::Ids &ids) {
              Tensor input(Tensor::I64, {1, static_cast<int64_t>(ids.size())});
              input.i = ids;
              return call("token_embedding", {input});
            },
            [this](const golden::Floats &embeds, int64_t position) {
              auto rows = static_cast<int64_t>(embeds.size() / 24);
              Tensor input(Tensor::F32, {1, rows, 24});
              input.f = embeds;
              Tensor positions(Tensor::I64, {1, rows});
              for (int64_t s = 0; s < rows; ++s) {
                positions.i[s] = position + s;
              }
              return call("text_decoder", {input, positions});
            },
            [this] { evaluator->reset(); }};
  }

  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::unique_ptr<reference::Evaluator> evaluator;
};
} // namespace

TEST_P(Golden, WholeChunksAndDecode) {
  const golden::Variant &variant = golden::variants()[GetParam()];
  load(variant.name);
  for (const std::vector<int64_t> &chunks :
       {std::vector<int64_t>{}, {1}, {2}, {3}, {1, 2, 3}}) {
    auto difference =
        golden::compare(golden::run(backend(), variant, chunks), variant);
    EXPECT_LE(difference.largest, kTolerance) << variant.name;
    EXPECT_TRUE(difference.argmax) << variant.name;
  }
}

INSTANTIATE_TEST_SUITE_P(Variants, Golden, testing::Range(0, 8));

TEST_F(Golden, BaseLogitsAll) {
  load("base");
  auto logits = golden::run(backend(), golden::variants()[0], {});
  ASSERT_EQ(logits[0].size(), golden::baseLogits().size());
  for (size_t i = 0; i < logits[0].size(); ++i) {
    EXPECT_NEAR(logits[0][i], golden::baseLogits()[i], kTolerance) << i;
  }
}

TEST_F(Golden, BaseIntermediateValues) {
  load("base");
  std::map<std::string, Tensor> seen;
  bool recording = true;
  evaluator->probe = [&](llvm::StringRef name, const Tensor &value) {
    if (recording) {
      seen[name.str()] = value;
    }
  };
  auto whole = backend();
  golden::Variant variant = golden::variants()[0];
  auto decode = whole.decode;
  whole.decode = [&](const golden::Floats &embeds, int64_t position) {
    auto logits = decode(embeds, position);
    recording = false;
    return logits;
  };
  golden::run(whole, variant, {});
  auto expectRow = [&](const std::string &name, int64_t row, int64_t column,
                       std::vector<float> expected) {
    ASSERT_TRUE(seen.count(name)) << name;
    for (size_t i = 0; i < expected.size(); ++i) {
      EXPECT_NEAR(seen[name].row(row)[column + i], expected[i], kTolerance)
          << name << " row " << row << " column " << column + i;
    }
  };
  std::string vision = "model.vision_tower.vision_model.";
  expectRow(vision + "embeddings.patch_embedding", 0, 0,
            {0.002742f, 0.598016f, 0.334000f, -0.222319f});
  expectRow(vision + "embeddings.position_embedding", 0, 0,
            {-0.199777f, -0.039063f, -0.293527f, 0.196987f});
  expectRow(vision + "embeddings.position_embedding", 5, 0,
            {-0.193824f, -0.202939f, 0.030320f, 0.225074f});
  expectRow(vision + "embeddings.position_embedding", 11, 0,
            {-0.151228f, -0.127790f, 0.078683f, -0.020647f});
  expectRow(vision + "encoder.layers.0", 0, 0,
            {-0.166070f, 0.558811f, 0.127934f, 0.000847f});
  expectRow(vision + "encoder.layers.0", 11, 0,
            {0.523586f, 1.029590f, 0.198374f, 0.691626f});
  expectRow(vision + "encoder.layers.1", 0, 0,
            {-0.551937f, 0.242877f, -0.342533f, -0.283952f});
  expectRow(vision + "encoder.layers.1", 11, 0,
            {0.338331f, 0.900354f, -0.289673f, 0.403447f});
  expectRow(vision + "post_layernorm", 0, 0,
            {-0.744017f, 0.220465f, -0.001004f, -0.262503f});
  expectRow(vision + "post_layernorm", 11, 0,
            {0.058839f, 0.293732f, -0.203422f, -0.011644f});
  std::string projector = "model.multi_modal_projector.";
  float unshuffled[] = {0.688032f, 0.085229f, 0.494652f, -0.976643f};
  for (int part = 0; part < 4; ++part) {
    expectRow(projector + "pixel_unshuffle", 1, 16 * part, {unshuffled[part]});
  }
  expectRow(
      projector + "linear_2", 0, 0,
      {-0.008578f, -0.169945f, 0.694019f, -0.561193f, -0.226541f, -0.391457f});
  expectRow(
      projector + "linear_2", 1, 0,
      {0.154879f, 0.049966f, 0.298528f, -0.205076f, -0.199723f, -0.979552f});
  expectRow(
      projector + "linear_2", 2, 0,
      {0.064167f, 0.275777f, 0.278723f, -0.318515f, -0.382993f, -0.087908f});
  std::string text = "model.language_model.";
  expectRow(
      text + "layers.0", 6, 0,
      {-0.475918f, 0.335374f, -0.318665f, -0.140200f, -0.175811f, 0.119512f});
  expectRow(
      text + "layers.1", 6, 0,
      {-0.835254f, -0.206688f, -0.286222f, -0.288002f, -0.327202f, 0.280241f});
  expectRow(
      text + "layers.2", 6, 0,
      {-0.815325f, 0.196121f, -0.579575f, -0.389417f, -0.391700f, 0.175121f});
}

TEST_F(Golden, BaseStatesAfterPrefill) {
  load("base");
  auto whole = backend();
  int64_t calls = 0;
  auto decode = whole.decode;
  whole.decode = [&](const golden::Floats &embeds, int64_t position) {
    auto logits = decode(embeds, position);
    if (calls++ == 0) {
      auto conv0 = evaluator->stateRows("layers.0.conv", 0, 5, 2);
      auto conv2 = evaluator->stateRows("layers.2.conv", 0, 5, 2);
      auto key = evaluator->stateRows("layers.1.k", 0, 6, 1);
      auto value = evaluator->stateRows("layers.1.v", 0, 6, 1);
      EXPECT_NEAR(conv0->row(0)[0], -0.017923f, kTolerance);
      EXPECT_NEAR(conv0->row(1)[0], -0.007666f, kTolerance);
      EXPECT_NEAR(conv0->row(0)[1], -0.048893f, kTolerance);
      EXPECT_NEAR(conv0->row(1)[1], -0.204108f, kTolerance);
      EXPECT_NEAR(conv2->row(0)[0], 0.000928f, kTolerance);
      EXPECT_NEAR(conv2->row(1)[0], -0.096095f, kTolerance);
      float k[] = {0.519321f,  -0.219276f, 0.113015f,  1.675697f,
                   -1.582959f, -0.379969f, -0.299976f, 0.061672f};
      float v[] = {-0.641386f, -0.088419f, -0.684256f, 0.586371f,
                   0.314589f,  0.205512f,  -0.231591f, 0.649434f};
      for (int i = 0; i < 8; ++i) {
        EXPECT_NEAR(key->row(0)[i], k[i], kTolerance);
        EXPECT_NEAR(value->row(0)[i], v[i], kTolerance);
      }
    }
    return logits;
  };
  golden::run(whole, golden::variants()[0], {});
}

TEST_F(Golden, FirstPositionByRows) {
  load("base");
  auto whole = backend();
  golden::Variant variant = golden::variants()[0];
  whole.decode = [&](const golden::Floats &embeds, int64_t position) {
    auto rows = static_cast<int64_t>(embeds.size() / 24);
    Tensor input(Tensor::F32, {1, rows, 24}), positions(Tensor::I64, {1, rows});
    input.f = embeds;
    for (int64_t s = 0; s < rows; ++s) {
      positions.i[s] = position + s;
    }
    return call("text_decoder_rows", {input, positions});
  };
  auto logits = golden::run(whole, variant, {});
  ASSERT_EQ(logits[0].size(), 7u * 40u);
  float expected[] = {-2.584476f, 7.236241f, 4.039670f,
                      3.041332f,  0.372156f, 2.369225f};
  for (int i = 0; i < 6; ++i) {
    EXPECT_NEAR(logits[0][i], expected[i], kTolerance);
  }
}
