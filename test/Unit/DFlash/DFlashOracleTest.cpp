//===- DFlashOracleTest.cpp - Drafters against an independent program -----===//
//
// Random drafters over official targets (tools/dev/dflash_oracle.py), whole
// and in chunks, by Reference and by the artifact; the format's table of taps.
//
//===----------------------------------------------------------------------===//
#include "Drafted.h"

#include "lib/Import/DFlash/Draft.h"
#include "runtime/formats/file_writer.h"
#include "runtime/formats/safetensors.h"

#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>

using namespace rill;
using namespace rill::drafted;

namespace {
constexpr float kTolerance = 1e-5f;

std::string root() {
  const char *folder = std::getenv("RILL_DFLASH_CASES");
  return folder ? folder : RILL_TEST_DATA "/dflash";
}

std::vector<std::string> caseFolders() {
  std::vector<std::string> folders;
  std::error_code error;
  for (const auto &entry : std::filesystem::directory_iterator(root(), error)) {
    folders.push_back(entry.path().string());
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

/// One folder of the oracle, with its checkpoints made anew.
struct Case {
  explicit Case(const std::string &folder) {
    auto info = rt::readJsonFile(folder + "/case.json");
    auto draft = rt::readJsonFile(folder + "/draft.json");
    auto opened = rt::TensorStore::openFile(folder + "/reference.safetensors");
    if (!info.ok() || !draft.ok() || !opened.ok()) {
      ADD_FAILURE() << folder << " is no case";
      return;
    }
    store = std::move(*opened);
    loaded = true;
    for (const char *part : {"target", "draft"}) {
      int64_t seed = *info->find(std::string(part) + "_seed")->asInt();
      loaded &= scratch.run("make_checkpoint --dtype f32 --config " + folder +
                            "/" + part + ".json --seed " +
                            std::to_string(seed) + " -o " + scratch.path(part));
    }
    mask = *draft->find("dflash_config")->find("mask_token_id")->asInt();
    block = *draft->find("block_size")->asInt();
    for (const rt::JsonValue &tap :
         *draft->find("dflash_config")->find("target_layer_ids")->asArray()) {
      taps.push_back(*tap.asInt());
    }
  }

  Floats floats(const char *name) const {
    const rt::TensorInfo *tensor = store.find(name);
    Floats values(tensor->elements());
    std::memcpy(values.data(), tensor->data, tensor->bytes);
    return values;
  }
  Ids ids(const char *name) const {
    const rt::TensorInfo *tensor = store.find(name);
    Ids values(tensor->elements());
    std::memcpy(values.data(), tensor->data, tensor->bytes);
    return values;
  }

  Scratch scratch;
  rt::TensorStore store;
  bool loaded = false;
  int64_t mask = 0, block = 0;
  Ids taps;
};

/// Feeds the prompt in `chunks` rows at a time, drafts one block.
Floats draftAfter(Backend &backend, const Case &source, size_t chunk) {
  Ids prompt = source.ids("ids");
  backend.setLength(0);
  for (size_t first = 0; first < prompt.size(); first += chunk) {
    size_t end = std::min(first + chunk, prompt.size());
    backend.call("draft_prefill",
                 Ids(prompt.begin() + static_cast<int64_t>(first),
                     prompt.begin() + static_cast<int64_t>(end)),
                 static_cast<int64_t>(first));
  }
  Ids block(source.block, source.mask);
  block[0] = source.ids("anchor")[0];
  return backend.call("draft", block, static_cast<int64_t>(prompt.size()));
}

float difference(const Floats &have, size_t from, const Floats &want) {
  EXPECT_EQ(have.size(), from + want.size());
  float worst = 0;
  for (size_t i = 0; i < want.size() && from + i < have.size(); ++i) {
    float d = std::abs(have[from + i] - want[i]);
    worst = d <= worst ? worst : d; // NaN wins
  }
  return worst;
}

void expectDraft(Backend &backend, const Case &source,
                 const std::string &what) {
  Floats want = source.floats("logits");
  size_t vocab = want.size() / (source.block - 1);
  for (size_t chunk : {size_t(1000), size_t(16), size_t(5)}) {
    float worst = difference(draftAfter(backend, source, chunk), vocab, want);
    EXPECT_LE(worst, kTolerance) << what << " in chunks of " << chunk;
    if (chunk == 1000) {
      std::printf("case %s: draft logits within %.1e\n", what.c_str(), worst);
    }
  }
}

struct DFlashOracle : testing::TestWithParam<std::string> {
  std::string name() const {
    return std::filesystem::path(GetParam()).filename().string();
  }
};

std::string testName(const testing::TestParamInfo<std::string> &info) {
  return "n" + std::filesystem::path(info.param).filename().string();
}
} // namespace

TEST_P(DFlashOracle, Reference) {
  Case source(GetParam());
  ASSERT_TRUE(source.loaded);
  ByReference backend(source.scratch.path("target"),
                      source.scratch.path("draft"), source.taps);
  ASSERT_NE(backend.evaluator, nullptr);
  expectDraft(backend, source, name() + " Reference");
  // --taps: the same rows as a result of text_decoder_rows.
  Ids prompt = source.ids("ids");
  prompt.resize(std::min<size_t>(prompt.size(), 16));
  backend.setLength(0);
  auto taps = backend.results("text_decoder_rows", prompt, 0)[1];
  Floats features = source.floats("features");
  int64_t count = static_cast<int64_t>(source.taps.size());
  int64_t rows = static_cast<int64_t>(prompt.size()), width = taps.shape[3];
  ASSERT_EQ(taps.shape, llvm::ArrayRef<int64_t>({count, 1, rows, width}));
  for (int64_t k = 0; k < count; ++k) {
    for (int64_t s = 0; s < rows; ++s) {
      for (int64_t i = 0; i < width; ++i) {
        ASSERT_NEAR(taps.row(k * rows + s)[i],
                    features[(s * count + k) * width + i], kTolerance)
            << "tap " << k << " row " << s;
      }
    }
  }
}

// Of the stored cases four, since every one is one more compilation.
TEST_P(DFlashOracle, Artifact) {
  if (!std::getenv("RILL_DFLASH_CASES") && name() >= "04") {
    GTEST_SKIP() << "one of tools/dev/verify dflash-golden";
  }
  Case source(GetParam());
  ASSERT_TRUE(source.loaded);
  std::string path = source.scratch.path("model.rill");
  ASSERT_TRUE(compileTo(compileOptions(source.scratch.path("target"),
                                       source.scratch.path("draft"), path,
                                       "x86-64-v3")));
  ByArtifact backend(path);
  ASSERT_NE(backend.session, nullptr);
  expectDraft(backend, source, name() + " artifact");
}

INSTANTIATE_TEST_SUITE_P(All, DFlashOracle, testing::ValuesIn(caseFolders()),
                         testName);

// A drafter that sees no context at all drafts from its block alone.
TEST(DFlash, EmptyContext) {
  Case source(caseFolders()[2]);
  ByReference backend(source.scratch.path("target"),
                      source.scratch.path("draft"));
  ASSERT_NE(backend.evaluator, nullptr);
  Ids block(source.block, source.mask);
  Floats empty = backend.call("draft", block, 0);
  EXPECT_EQ(std::count_if(empty.begin(), empty.end(),
                          [](float x) { return !std::isfinite(x); }),
            0);
  EXPECT_GT(difference(draftAfter(backend, source, 1000), 0, empty), 0.01f);
}

// The format's table: indices spread over the target, halves to even.
TEST(DFlash, DefaultTaps) {
  using dflash::defaultTaps;
  EXPECT_EQ(defaultTaps(16, 1), Ids({8}));
  EXPECT_EQ(defaultTaps(4, 3), Ids({1, 1, 1}));
  EXPECT_EQ(defaultTaps(8, 6), Ids({1, 2, 3, 3, 4, 5}));
  const std::map<int64_t, std::vector<Ids>> table = {
      {16,
       {{1, 7, 13},
        {1, 5, 9, 13},
        {1, 4, 7, 10, 13},
        {1, 3, 6, 8, 11, 13},
        {1, 3, 4, 6, 8, 10, 11, 13}}},
      {24,
       {{1, 11, 21},
        {1, 8, 14, 21},
        {1, 6, 11, 16, 21},
        {1, 5, 9, 13, 17, 21},
        {1, 4, 7, 10, 12, 15, 18, 21}}},
      {28,
       {{1, 13, 25},
        {1, 9, 17, 25},
        {1, 7, 13, 19, 25},
        {1, 6, 11, 15, 20, 25},
        {1, 4, 8, 11, 15, 18, 22, 25}}},
      {32,
       {{1, 15, 29},
        {1, 10, 20, 29},
        {1, 8, 15, 22, 29},
        {1, 7, 12, 18, 23, 29},
        {1, 5, 9, 13, 17, 21, 25, 29}}},
      {36,
       {{1, 17, 33},
        {1, 12, 22, 33},
        {1, 9, 17, 25, 33},
        {1, 7, 14, 20, 27, 33},
        {1, 6, 10, 15, 19, 24, 28, 33}}},
      {48,
       {{1, 23, 45},
        {1, 16, 30, 45},
        {1, 12, 23, 34, 45},
        {1, 10, 19, 27, 36, 45},
        {1, 7, 14, 20, 26, 32, 39, 45}}},
      {64,
       {{1, 31, 61},
        {1, 21, 41, 61},
        {1, 16, 31, 46, 61},
        {1, 13, 25, 37, 49, 61},
        {1, 10, 18, 27, 35, 44, 52, 61}}}};
  for (auto &[layers, rows] : table) {
    for (const Ids &row : rows) {
      EXPECT_EQ(defaultTaps(layers, static_cast<int64_t>(row.size())), row)
          << layers << " layers";
    }
  }
}

/// A safetensors file of zeros (a hole in the file system) with these tensors.
static void writeSparse(const std::string &path,
                        const std::map<std::string, Ids> &tensors) {
  std::string header = "{";
  uint64_t offset = 0;
  for (auto &[name, shape] : tensors) {
    uint64_t bytes = 2;
    std::string sizes;
    for (int64_t size : shape) {
      bytes *= static_cast<uint64_t>(size);
      sizes += (sizes.empty() ? "" : ",") + std::to_string(size);
    }
    header += (offset ? ",\"" : "\"") + name +
              "\":{\"dtype\":\"BF16\",\"shape\":[" + sizes +
              "],\"data_offsets\":[" + std::to_string(offset) + "," +
              std::to_string(offset + bytes) + "]}";
    offset += bytes;
  }
  header += "}";
  uint64_t length = header.size();
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char *>(&length), 8);
  file << header;
  file.close();
  std::filesystem::resize_file(path, 8 + length + offset);
}

// The released drafter of Qwen3-8B: 58 tensors, taps by default 1,9,17,25,33.
TEST(DFlash, ReadsTheGeometryOfQwen3With8B) {
  Scratch scratch;
  std::string config = R"({"architectures": ["DFlashDraftModel"],
    "model_type": "qwen3", "block_size": 16, "auto_map": {},
    "dflash_config": {"mask_token_id": 151669}, "num_target_layers": 36,
    "num_hidden_layers": 5, "hidden_size": 4096, "vocab_size": 151936,
    "intermediate_size": 12288, "num_attention_heads": 32,
    "num_key_value_heads": 8, "head_dim": 128, "hidden_act": "silu",
    "rms_norm_eps": 1e-06, "rope_theta": 1000000, "rope_scaling": null,
    "attention_bias": false, "attention_dropout": 0.0,
    "max_position_embeddings": 40960, "max_window_layers": 5,
    "sliding_window": null, "use_sliding_window": false,
    "layer_types": ["full_attention", "full_attention", "full_attention",
                    "full_attention", "full_attention"],
    "tie_word_embeddings": false, "torch_dtype": "bfloat16"})";
  auto tree = rt::parseJson(config, "config.json");
  ASSERT_TRUE(tree.ok());
  auto draft =
      dflash::readDraftConfig(rt::JsonField(*tree, "config.json"), true);
  ASSERT_TRUE(draft.ok()) << draft.error().render();
  EXPECT_EQ(draft->taps, Ids({1, 9, 17, 25, 33}));
  EXPECT_EQ(draft->maskToken, 151669);
  std::map<std::string, Ids> shapes = {{"fc.weight", {4096, 20480}},
                                       {"hidden_norm.weight", {4096}},
                                       {"norm.weight", {4096}}};
  for (int i = 0; i < 5; ++i) {
    std::string at = "layers." + std::to_string(i) + ".";
    shapes[at + "input_layernorm.weight"] = {4096};
    shapes[at + "post_attention_layernorm.weight"] = {4096};
    shapes[at + "self_attn.q_proj.weight"] = {4096, 4096};
    shapes[at + "self_attn.k_proj.weight"] = {1024, 4096};
    shapes[at + "self_attn.v_proj.weight"] = {1024, 4096};
    shapes[at + "self_attn.o_proj.weight"] = {4096, 4096};
    shapes[at + "self_attn.q_norm.weight"] = {128};
    shapes[at + "self_attn.k_norm.weight"] = {128};
    shapes[at + "mlp.gate_proj.weight"] = {12288, 4096};
    shapes[at + "mlp.up_proj.weight"] = {12288, 4096};
    shapes[at + "mlp.down_proj.weight"] = {4096, 12288};
  }
  ASSERT_EQ(shapes.size(), 58u);
  writeSparse(scratch.path("model.safetensors"), shapes);
  auto store = rt::TensorStore::openFolder(scratch.path(""));
  ASSERT_TRUE(store.ok()) << store.error().render();
  families::TensorMap bound;
  auto status = dflash::bindDraftTensors(*store, *draft, bound);
  EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.get().render());
  EXPECT_EQ(bound.size(), 58u);
}
