//===- RequirementsTest.cpp - The requirements of docs/Import.md ----------===//
//
// Those about values: artifacts of golden checkpoints against each other and
// against the reference. The test's name is the requirement's.
//
//===----------------------------------------------------------------------===//
#include "Compiled.h"

#include "rill/Import/Import.h"
#include "rill/Reference/Evaluator.h"
#include "runtime/core/artifact.h"
#include "runtime/core/model.h"

#include "mlir/IR/MLIRContext.h"

#include <filesystem>
#include <gtest/gtest.h>

using namespace rill;
using golden::Floats;
using golden::Ids;
using reference::Tensor;

static constexpr const char *kTarget = "x86-64-v3";
/// f32 sums in another order, see CompiledGoldenTest.cpp.
static constexpr float kTolerance = 1e-5f;

namespace {
/// A golden variant at f32 with room for 128 rows: its checkpoint, and a
/// session of its artifact.
struct Model {
  Model(const std::string &variant, int64_t batch) {
    CompileOptions options;
    options.input = folder = golden::makeCheckpoint(variant);
    options.output = folder + "/model.rill";
    import.bf16 = false;
    import.strict = true;
    import.maxSeqLen = 128;
    import.batch = batch;
    options.import = import;
    options.pipeline.targets = {kTarget};
    auto status = compile(
        options, [](const std::string &line) { ADD_FAILURE() << line; });
    EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.get().render());
    auto artifact = rt::Artifact::open(options.output, /*full=*/false);
    EXPECT_TRUE(artifact.ok());
    rill_open_options open = {};
    open.size = sizeof(open);
    auto opened = rt::Model::open(std::move(*artifact), open);
    EXPECT_TRUE(opened.ok());
    model = std::move(*opened);
    rill_session_options create = {};
    create.size = sizeof(create);
    auto made = rt::Session::create(*model, create);
    EXPECT_TRUE(made.ok());
    session = std::move(*made);
  }
  ~Model() {
    std::filesystem::remove_all(std::filesystem::path(folder).parent_path());
  }

  Floats call(const char *method, std::vector<rill_tensor> inputs,
              size_t size) {
    Floats result(size, NAN);
    rill_tensor output = rt::makeTensor(result.data(), size * 4, RILL_F32, {});
    auto status = session->invoke(method, inputs, {&output, 1});
    EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.get().render());
    return result;
  }
  /// ids [B,S] -> logits [B,40], at the position where the session stands.
  Floats decode(const Ids &ids) {
    int64_t batch = session->batch();
    int64_t rows = static_cast<int64_t>(ids.size()) / batch;
    Ids positions;
    for (size_t i = 0; i < ids.size(); ++i) {
      positions.push_back(session->length(0) + static_cast<int64_t>(i) % rows);
    }
    Floats embeds = call(
        "token_embedding",
        {rt::makeTensor(ids.data(), ids.size() * 8, RILL_I64, {batch, rows})},
        ids.size() * 24);
    return call("text_decoder",
                {rt::makeTensor(embeds.data(), embeds.size() * 4, RILL_F32,
                                {batch, rows, 24}),
                 rt::makeTensor(positions.data(), positions.size() * 8,
                                RILL_I64, {batch, rows})},
                batch * 40);
  }
  std::vector<const void *> stateAddresses() const {
    std::vector<const void *> list;
    for (size_t i = 0; i < model->manifest().states.size(); ++i) {
      list.push_back(session->stateData(i));
    }
    return list;
  }

  std::string folder;
  ImportOptions import;
  std::unique_ptr<rt::Model> model;
  std::unique_ptr<rt::Session> session;
};
} // namespace

static const golden::Variant &variant(const std::string &name) {
  for (const golden::Variant &entry : golden::variants()) {
    if (entry.name == name) {
      return entry;
    }
  }
  ADD_FAILURE() << "no variant " << name;
  return golden::variants()[0];
}

/// The logits after prefill by the variant's artifact, which must be the
/// published ones.
static Floats check(const std::string &name) {
  Compiled compiled(name, kTarget, 1);
  auto logits = golden::run(compiled.backend(), variant(name), {});
  auto difference = golden::compare(logits, variant(name));
  EXPECT_LE(difference.largest, kTolerance) << name;
  EXPECT_TRUE(difference.argmax) << name;
  return logits[0];
}

static float largestDifference(const Floats &a, const Floats &b) {
  EXPECT_EQ(a.size(), b.size());
  float largest = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    largest = std::max(largest, std::abs(a[i] - b[i]));
  }
  return largest;
}

// R1: states stay where they are, and in-place updates give what the
// functional module gives; the first call finds them empty.
TEST(Requirements, R1_StatesKeepTheirAddresses) {
  Model compiled("base", 1);
  mlir::MLIRContext context;
  std::vector<std::string> warnings;
  auto module =
      importCheckpoint(context, compiled.folder, compiled.import, warnings);
  ASSERT_TRUE(module.ok()) << module.error().render();
  auto weights = reference::openWeights(**module, compiled.folder);
  ASSERT_TRUE(weights.ok()) << weights.error().render();
  reference::Evaluator functional(**module, *weights);
  std::vector<const void *> before = compiled.stateAddresses();
  ASSERT_EQ(before.size(), 5u); // two convolutions, keys, values, ids
  for (int64_t step = 0; step < 100; ++step) {
    Tensor id(Tensor::I64, {1, 1}), position(Tensor::I64, {1, 1});
    id.i[0] = (7 * step + 3) % 40;
    position.i[0] = step;
    auto embeds = functional.call("token_embedding", {id});
    ASSERT_TRUE(embeds.ok()) << embeds.error().render();
    auto logits = functional.call("text_decoder", {(*embeds)[0], position});
    ASSERT_TRUE(logits.ok()) << logits.error().render();
    ASSERT_LE(largestDifference(compiled.decode(id.i), (*logits)[0].f),
              kTolerance)
        << "step " << step;
    ASSERT_EQ(compiled.stateAddresses(), before) << "step " << step;
  }
}

// R2: biases of the convolution and its products are applied.
TEST(Requirements, R2_ConvolutionBiasesCount) {
  EXPECT_GT(largestDifference(check("conv_bias"), check("base")), 0.01f);
}

// R2b: the number of taps comes from the checkpoint.
TEST(Requirements, R2b_OtherNumbersOfTaps) {
  check("l2");
  check("l4");
}

// R4: two sequences in one call give what each gives alone.
TEST(Requirements, R4_BatchOfTwoEqualsTwoRuns) {
  Model pair("base", 2), alone("base", 1);
  const Ids prompts[2] = {{1, 9, 11, 4, 2}, {3, 8, 30, 30, 7}};
  const Ids next[2] = {{13, 5}, {21, 6}};
  auto joined = [](const Ids *ids) {
    Ids both = ids[0];
    both.insert(both.end(), ids[1].begin(), ids[1].end());
    return both;
  };
  Floats prefill = pair.decode(joined(prompts));
  Floats after = pair.decode(joined(next));
  for (int b = 0; b < 2; ++b) {
    ASSERT_TRUE(alone.session->reset().ok());
    auto row = [b](const Floats &all) {
      return Floats(all.begin() + 40 * b, all.begin() + 40 * (b + 1));
    };
    EXPECT_LE(largestDifference(alone.decode(prompts[b]), row(prefill)),
              kTolerance);
    EXPECT_LE(largestDifference(alone.decode(next[b]), row(after)), kTolerance);
  }
  EXPECT_GT(largestDifference({prefill.begin(), prefill.begin() + 40},
                              {prefill.begin() + 40, prefill.end()}),
            0.01f);
}

// R6: a head of its own is used.
TEST(Requirements, R6_UntiedHeadIsUsed) {
  EXPECT_GT(largestDifference(check("untied"), check("base")), 0.01f);
}

// R12: picture, embedding and decoder together, from the checkpoint's folder
// to logits; another picture gives others.
TEST(Requirements, R12_PictureToLogits) {
  Floats first = check("base");
  Compiled compiled("base", kTarget, 1);
  golden::Backend blank = compiled.backend();
  auto vision = blank.vision;
  blank.vision = [&](const Floats &patches, int64_t h, int64_t w) {
    return vision(Floats(patches.size(), 0.0f), h, w);
  };
  EXPECT_GT(
      largestDifference(first, golden::run(blank, variant("base"), {})[0]),
      0.01f);
}
