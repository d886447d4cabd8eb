//===- CompiledGoldenTest.cpp - The artifact against golden ---------------===//
//
// Checkpoint -> rill::compile -> .rill -> C API: every variant, whole and in
// chunks, f32 within 1e-5.
//
//===----------------------------------------------------------------------===//
#include "Golden.h"

#include "rill.h"
#include "rill/Pipeline/Pipeline.h"

#include <cmath>
#include <filesystem>
#include <gtest/gtest.h>

using namespace rill;

namespace {
/// A compiled golden variant, opened and with one session.
struct Compiled {
  Compiled(const std::string &variant, const char *target, int threads) {
    folder = golden::makeCheckpoint(variant);
    if (folder.empty()) {
      return;
    }
    CompileOptions options;
    options.input = folder;
    options.output = folder + "/model.rill";
    options.import.bf16 = false;
    options.import.strict = true;
    options.import.maxSeqLen = 32;
    options.pipeline.targets = {target};
    auto status = compile(
        options, [](const std::string &line) { ADD_FAILURE() << line; });
    EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.get().render());
    rill_status error = rill_open(options.output.c_str(), nullptr, &model);
    expectOk(error);
    rill_session_options session_options = {};
    session_options.size = sizeof(session_options);
    session_options.threads = threads;
    if (model) {
      expectOk(rill_session_create(model, &session_options, &session));
    }
  }
  ~Compiled() {
    rill_session_free(session);
    rill_close(model);
    std::filesystem::remove_all(std::filesystem::path(folder).parent_path());
  }

  static void expectOk(rill_status error) {
    EXPECT_EQ(error, nullptr) << rill_error_what(error) << "\n"
                              << rill_error_where(error) << "\n"
                              << rill_error_why(error);
    rill_error_free(error);
  }

  static rill_tensor tensor(const void *data, size_t bytes, int dtype,
                            std::vector<int64_t> shape) {
    rill_tensor tensor = {};
    tensor.size = sizeof(tensor);
    tensor.data = const_cast<void *>(data);
    tensor.bytes = bytes;
    tensor.dtype = dtype;
    tensor.rank = static_cast<int32_t>(shape.size());
    std::copy(shape.begin(), shape.end(), tensor.shape);
    return tensor;
  }

  golden::Floats call(const char *method, std::vector<rill_tensor> inputs,
                      size_t size) {
    golden::Floats result(size, NAN);
    rill_tensor output = tensor(result.data(), size * 4, RILL_F32, {});
    expectOk(
        rill_invoke(session, method, inputs.data(), inputs.size(), &output, 1));
    return result;
  }

  golden::Backend backend() {
    return {
        [this](const golden::Floats &patches, int64_t h, int64_t w) {
          return call("vision_encoder",
                      {tensor(patches.data(), patches.size() * 4, RILL_F32,
                              {1, h, w, 48})},
                      h * w / 4 * 24);
        },
        [this](const golden::Ids &ids) {
          auto rows = static_cast<int64_t>(ids.size());
          return call("token_embedding",
                      {tensor(ids.data(), ids.size() * 8, RILL_I64, {1, rows})},
                      rows * 24);
        },
        [this](const golden::Floats &embeds, int64_t position) {
          auto rows = static_cast<int64_t>(embeds.size() / 24);
          golden::Ids positions;
          for (int64_t s = 0; s < rows; ++s) {
            positions.push_back(position + s);
          }
          return call("text_decoder",
                      {tensor(embeds.data(), embeds.size() * 4, RILL_F32,
                              {1, rows, 24}),
                       tensor(positions.data(), rows * 8, RILL_I64, {1, rows})},
                      40);
        },
        [this] { expectOk(rill_session_reset(session)); }};
  }

  std::string folder;
  rill_model *model = nullptr;
  rill_session *session = nullptr;
};

struct CompiledGolden : testing::TestWithParam<int> {};
} // namespace

/// f32 sums in another order than the double-precision values.
static constexpr float kTolerance = 1e-5f;

TEST_P(CompiledGolden, WholeChunksAndDecode) {
  const golden::Variant &variant = golden::variants()[GetParam()];
  Compiled compiled(variant.name, "x86-64-v3", 2);
  ASSERT_NE(compiled.session, nullptr);
  for (const std::vector<int64_t> &chunks :
       {std::vector<int64_t>{}, {1}, {2}, {3}, {1, 2, 3}}) {
    auto difference = golden::compare(
        golden::run(compiled.backend(), variant, chunks), variant);
    EXPECT_LE(difference.largest, kTolerance) << variant.name;
    EXPECT_TRUE(difference.argmax) << variant.name;
  }
}

INSTANTIATE_TEST_SUITE_P(Variants, CompiledGolden, testing::Range(0, 8));
