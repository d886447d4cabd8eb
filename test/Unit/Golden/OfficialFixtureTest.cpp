//===- OfficialFixtureTest.cpp - Values of the official classes -----------===//
//
// RILL_FIXTURES/lfm2_vl_tiny: weights and every stage's values made by the
// official transformers classes in f32. Skipped without the folder.
//
//===----------------------------------------------------------------------===//
#include "Compiled.h"

#include "rill/Import/Import.h"
#include "rill/Reference/Evaluator.h"
#include "runtime/formats/file_writer.h"
#include "runtime/formats/safetensors.h"

#include "mlir/IR/MLIRContext.h"

#include <cstdlib>

using namespace rill;
using reference::Tensor;

namespace {
// Its text weights are so small that looser bounds would hide a lost state.
constexpr float kLogits = 5e-7f, kHidden = 5e-6f;

constexpr const char *kConfig = R"({
  "model_type": "lfm2_vl", "image_token_id": 3, "downsample_factor": 2,
  "projector_hidden_size": 24, "projector_use_layernorm": true,
  "text_config": {
    "model_type": "lfm2", "vocab_size": 32, "hidden_size": 12,
    "intermediate_size": 32, "block_auto_adjust_ff_dim": false,
    "num_hidden_layers": 2, "num_attention_heads": 3, "num_key_value_heads": 1,
    "norm_eps": 1e-5, "rope_parameters": {"rope_theta": 10000.0},
    "layer_types": ["conv", "full_attention"]},
  "vision_config": {
    "model_type": "siglip2_vision_model", "hidden_size": 16,
    "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
    "patch_size": 2, "num_patches": 16}})";

struct Fixture : testing::Test {
  void SetUp() override {
    const char *root = std::getenv("RILL_FIXTURES");
    std::string file =
        std::string(root ? root : "") + "/lfm2_vl_tiny/tensors.safetensors";
    if (!root || !std::filesystem::exists(file)) {
      GTEST_SKIP() << "RILL_FIXTURES holds no lfm2_vl_tiny";
    }
    auto opened = rt::TensorStore::openFile(file);
    ASSERT_TRUE(opened.ok()) << opened.error().render();
    store = std::make_unique<rt::TensorStore>(std::move(*opened));
    folder = std::filesystem::temp_directory_path() /
             ("rill-fixture-" + std::to_string(getpid()));
    std::filesystem::create_directories(folder);
    std::vector<rt::TensorToWrite> weights;
    constexpr std::string_view kPrefix = "weights.";
    for (const rt::TensorInfo &tensor : store->tensors()) {
      if (tensor.name.rfind(kPrefix, 0) == 0) {
        weights.push_back({tensor.name.substr(kPrefix.size()), tensor.dtype,
                           tensor.shape, tensor.data});
      }
    }
    ASSERT_TRUE(
        rt::writeSafetensors((folder / "model.safetensors").string(), weights)
            .ok());
    ASSERT_TRUE(rt::writeFile((folder / "config.json").string(), kConfig).ok());
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  Tensor tensor(const std::string &name, std::vector<int64_t> shape = {}) {
    const rt::TensorInfo *info = store->find(name);
    EXPECT_NE(info, nullptr) << name;
    return reference::fromStored(*info, shape.empty() ? info->shape : shape);
  }

  /// The first `count` values agree within `tolerance`.
  void expectClose(const std::vector<float> &have, const std::string &name,
                   size_t count, float tolerance, size_t from = 0) {
    Tensor want = tensor(name);
    float worst = 0;
    for (size_t i = 0; i < count; ++i) {
      worst = std::max(worst, std::abs(have[i] - want.f[from + i]));
    }
    EXPECT_LE(worst, tolerance) << name;
  }

  std::filesystem::path folder;
  std::unique_ptr<rt::TensorStore> store;
};
} // namespace

TEST_F(Fixture, ReferenceGivesEveryStage) {
  mlir::MLIRContext context;
  ImportOptions options;
  options.bf16 = false;
  options.maxSeqLen = 32;
  std::vector<std::string> warnings;
  auto module = importCheckpoint(context, folder.string(), options, warnings);
  ASSERT_TRUE(module.ok()) << module.error().render();
  auto weights = reference::openWeights(**module, folder.string());
  ASSERT_TRUE(weights.ok());
  reference::Evaluator evaluator(**module, *weights);
  std::map<std::string, Tensor> seen;
  evaluator.probe = [&](llvm::StringRef name, const Tensor &value) {
    seen[name.str()] = value;
  };
  Tensor patches(Tensor::F32, {1, 2, 4, 12});
  Tensor pixels = tensor("input.pixel_values");
  std::copy_n(pixels.f.begin(), patches.f.size(), patches.f.begin());
  auto features = evaluator.call("vision_encoder", {patches});
  ASSERT_TRUE(features.ok()) << features.error().render();
  // 8 of the 10 patch rows are valid; rows of 16.
  std::string vision = "model.vision_tower.vision_model.";
  expectClose(seen[vision + "embeddings.patch_embedding"].f,
              "stage.vision.patch_embedding", 128, kHidden);
  expectClose(seen[vision + "embeddings.position_embedding"].f,
              "stage.vision.resized_position_embedding", 128, kHidden);
  expectClose(seen[vision + "encoder.layers.0"].f,
              "stage.vision.encoder_layer.0", 128, kHidden);
  expectClose(seen[vision + "encoder.layers.1"].f,
              "stage.vision.encoder_layer.1", 128, kHidden);
  expectClose(seen[vision + "post_layernorm"].f, "stage.vision.post_layernorm",
              128, kHidden);
  std::string projector = "model.multi_modal_projector.";
  expectClose(seen[projector + "pixel_unshuffle"].f,
              "stage.projector.pixel_unshuffle", 128, kHidden);
  expectClose(seen[projector + "layer_norm"].f, "stage.projector.layer_norm",
              128, kHidden);
  expectClose(seen[projector + "linear_1"].f, "stage.projector.linear_1", 48,
              kHidden);
  expectClose((*features)[0].f, "stage.projector.output", 24, kHidden);

  Tensor embeds = tensor("stage.multimodal.merged_embeddings");
  Tensor positions(Tensor::I64, {1, 5});
  positions.i = {0, 1, 2, 3, 4};
  auto logits = evaluator.call("text_decoder_rows", {embeds, positions});
  ASSERT_TRUE(logits.ok());
  expectClose((*logits)[0].f, "stage.language.prefill_logits", 160, kLogits);
  expectClose(seen["model.language_model.embedding_norm"].f,
              "stage.language.hidden_states", 60, kHidden);
  Tensor ids = tensor("input.decode_token_ids");
  for (int64_t step = 0; step < 3; ++step) {
    Tensor id(Tensor::I64, {1, 1}), position(Tensor::I64, {1, 1});
    id.i = {ids.i[step]};
    position.i = {5 + step};
    auto row = evaluator.call("token_embedding", {id});
    ASSERT_TRUE(row.ok());
    auto next = evaluator.call("text_decoder", {(*row)[0], position});
    ASSERT_TRUE(next.ok());
    expectClose((*next)[0].f, "stage.language.decode_logits", 32, kLogits,
                32 * step);
  }
}

TEST_F(Fixture, ArtifactGivesTheLogits) {
  CompileOptions options;
  options.input = folder.string();
  options.output = (folder / "model.rill").string();
  options.import.bf16 = false;
  options.import.maxSeqLen = 32;
  options.pipeline.targets = {"x86-64-v3"};
  auto status = compile(options, [](const std::string &) {});
  ASSERT_TRUE(status.ok()) << status.get().render();
  rill_model *model = nullptr;
  rill_session *session = nullptr;
  Compiled::expectOk(rill_open(options.output.c_str(), nullptr, &model));
  Compiled::expectOk(rill_session_create(model, nullptr, &session));
  Tensor embeds = tensor("stage.multimodal.merged_embeddings");
  golden::Ids positions = {0, 1, 2, 3, 4};
  auto logits =
      Compiled::call(session, "text_decoder_rows",
                     {rt::makeTensor(embeds.f.data(), embeds.f.size() * 4,
                                     RILL_F32, {1, 5, 12}),
                      rt::makeTensor(positions.data(), 40, RILL_I64, {1, 5})},
                     160);
  expectClose(logits, "stage.language.prefill_logits", 160, 2 * kLogits);
  Tensor ids = tensor("input.decode_token_ids");
  for (int64_t step = 0; step < 3; ++step) {
    int64_t position = 5 + step;
    auto row =
        Compiled::call(session, "token_embedding",
                       {rt::makeTensor(&ids.i[step], 8, RILL_I64, {1, 1})}, 12);
    auto next =
        Compiled::call(session, "text_decoder",
                       {rt::makeTensor(row.data(), 48, RILL_F32, {1, 1, 12}),
                        rt::makeTensor(&position, 8, RILL_I64, {1, 1})},
                       32);
    expectClose(next, "stage.language.decode_logits", 32, 2 * kLogits,
                32 * step);
  }
  rill_session_free(session);
  rill_close(model);
}
