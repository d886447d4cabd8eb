//===- ProfilerTest.cpp - What a profiled session tells -------------------===//
//
// The same results with and without, and what is said of the dispatches, on
// the CPU and on the emulated driver.
//
//===----------------------------------------------------------------------===//
#include "test/Unit/Golden/Compiled.h"

#include <set>

using namespace rill;

namespace {
/// Everything told, in order: "+method", "-method", "layer".
struct Heard {
  std::vector<std::string> lines;
  std::vector<rill_dispatch> dispatches;
  std::vector<std::string> layers, kernels;

  rill_profiler profiler(bool dispatches = true) {
    return {sizeof(rill_profiler), this,
            [](void *self, const char *method) {
              static_cast<Heard *>(self)->lines.push_back(std::string("+") +
                                                          method);
            },
            [](void *self, const char *method) {
              static_cast<Heard *>(self)->lines.push_back(std::string("-") +
                                                          method);
            },
            dispatches ? tell : nullptr};
  }
  static void tell(void *self, const char *method, const rill_dispatch *one) {
    auto &heard = *static_cast<Heard *>(self);
    EXPECT_EQ(heard.lines.back(), std::string("+") + method);
    EXPECT_EQ(one->size, sizeof(rill_dispatch));
    heard.dispatches.push_back(*one);
    heard.layers.push_back(one->layer);
    heard.kernels.push_back(one->kernel);
  }
};

class Profiler : public testing::TestWithParam<const char *> {
protected:
  static void SetUpTestSuite() { setenv("RILL_CUDA_LIB", RILL_EMU_LIB, 0); }
};

void listen(rill_session *session, Heard &heard, bool dispatches = true) {
  rill_profiler profiler = heard.profiler(dispatches);
  Compiled::expectOk(rill_session_set_profiler(session, &profiler));
}

int64_t step(rill_session *session) {
  int64_t token = -1;
  rill_tensor output = rt::makeTensor(&token, 8, RILL_I64, {});
  Compiled::expectOk(rill_invoke(session, "step", nullptr, 0, &output, 1));
  return token;
}

const golden::Ids kPrompt = {1, 9, 17, 33, 5, 21, 2};

/// A fresh session behind the prompt, about to draw.
void feed(rill_session *session) {
  Compiled::expectOk(rill_session_reset(session));
  auto backend = Compiled::backend(session);
  backend.decode(backend.embed(kPrompt), 0);
  rill_draw_options draw = {sizeof(draw), 0.9, 30, 0.95, 0, 1.3, 77};
  Compiled::expectOk(rill_session_set_draw(session, &draw));
  auto rows = static_cast<int64_t>(kPrompt.size());
  Compiled::expectOk(rill_session_set_next(session, 0, 13, rows));
  Compiled::expectOk(rill_session_set_ids(session, 0, 0, kPrompt.data(), rows));
}
} // namespace

TEST_P(Profiler, ChangesNoResult) {
  Compiled compiled("base", GetParam(), 2);
  auto base = golden::variants()[0];
  auto plain = golden::run(compiled.backend(), base, {2, 5});
  Heard heard;
  listen(compiled.session, heard);
  EXPECT_EQ(golden::run(compiled.backend(), base, {2, 5}), plain);
  EXPECT_FALSE(heard.dispatches.empty());
  Compiled::expectOk(rill_session_set_profiler(compiled.session, nullptr));
  size_t told = heard.lines.size();
  EXPECT_EQ(golden::run(compiled.backend(), base, {2, 5}), plain);
  EXPECT_EQ(heard.lines.size(), told);
}

// Switched on while a step is begun ahead, and off again: the same draws.
TEST_P(Profiler, ChangesNoToken) {
  Compiled compiled("base", GetParam(), 1);
  feed(compiled.session);
  std::vector<int64_t> plain, profiled;
  for (int i = 0; i < 9; ++i) {
    plain.push_back(step(compiled.session));
  }
  feed(compiled.session);
  Heard heard;
  for (int i = 0; i < 9; ++i) {
    if (i == 3) {
      listen(compiled.session, heard);
    } else if (i == 6) {
      Compiled::expectOk(rill_session_set_profiler(compiled.session, nullptr));
    }
    profiled.push_back(step(compiled.session));
  }
  EXPECT_EQ(profiled, plain);
  EXPECT_EQ(std::set<int64_t>(plain.begin(), plain.end()).size() > 1, true);
  EXPECT_EQ(heard.lines, std::vector<std::string>({"+step", "-step", "+step",
                                                   "-step", "+step", "-step"}));
  EXPECT_EQ(heard.dispatches.size() % 3, 0u);
}

// A decode step behind 7 rows: names, order of times, and sums by hand.
TEST_P(Profiler, TellsLayersTimesAndCosts) {
  Compiled compiled("base", GetParam(), 1);
  feed(compiled.session);
  Heard heard;
  listen(compiled.session, heard);
  step(compiled.session);
  ASSERT_FALSE(heard.dispatches.empty());
  uint64_t bytes = 0, flops = 0;
  for (size_t d = 0; d < heard.dispatches.size(); ++d) {
    const rill_dispatch &one = heard.dispatches[d];
    EXPECT_GE(one.end, one.begin);
    EXPECT_GE(one.begin, d ? heard.dispatches[d - 1].end - 1e-6 : 0.0);
    EXPECT_GE(one.tiles, 1);
    EXPECT_NE(heard.layers[d], "");
    EXPECT_NE(heard.kernels[d], "");
    bytes += one.bytes;
    flops += one.flops;
    if (heard.layers[d] == "model.language_model.embed_tokens") {
      // One row of 24 values of bf16.
      EXPECT_EQ(one.bytes, 48u);
      EXPECT_EQ(one.flops, 0u);
    }
    if (heard.layers[d] == "model.language_model.layers.1.self_attn") {
      // Two products of 24 values with 8 keys and values; two norms and a row
      // of the table, f32 and bf16; 8 rows of keys and values.
      EXPECT_EQ(one.flops, 2u * 2 * 24 * 8);
      EXPECT_GT(one.activation_bytes, 0u);
    }
  }
  auto named = [&](const char *layer) {
    return std::count(heard.layers.begin(), heard.layers.end(), layer);
  };
  EXPECT_EQ(named("model.language_model.embed_tokens"), 1);
  EXPECT_EQ(named("model.language_model.layers.1.self_attn"), 1);
  EXPECT_GE(named("lm_head"), 1);
  // Bytes grow by what one more row of keys and values takes, FLOPs by its two
  // products.
  Heard next;
  listen(compiled.session, next);
  step(compiled.session);
  uint64_t more = 0, work = 0;
  for (const rill_dispatch &one : next.dispatches) {
    more += one.bytes;
    work += one.flops;
  }
  EXPECT_EQ(more - bytes, 2u * 8 * 4);
  EXPECT_EQ(work - flops, 2u * 2 * 24);
}

// Without `dispatch` steps are still begun ahead and nothing is timed.
TEST_P(Profiler, MayHearCallsAlone) {
  Compiled compiled("base", GetParam(), 1);
  feed(compiled.session);
  Heard heard;
  listen(compiled.session, heard, false);
  step(compiled.session);
  EXPECT_EQ(heard.lines, std::vector<std::string>({"+step", "-step"}));
  EXPECT_TRUE(heard.dispatches.empty());
  // A struct that ends before `dispatch` is one without it.
  rill_profiler cut = heard.profiler();
  cut.size = offsetof(rill_profiler, dispatch);
  Compiled::expectOk(rill_session_set_profiler(compiled.session, &cut));
  step(compiled.session);
  EXPECT_EQ(heard.lines.size(), 4u);
  EXPECT_TRUE(heard.dispatches.empty());
}

// A call that fails has a begin and an end and no dispatches.
TEST_P(Profiler, EndsCallsThatFail) {
  Compiled compiled("base", GetParam(), 1);
  Heard heard;
  listen(compiled.session, heard);
  golden::Ids ids = {1, 99};
  rill_tensor input = rt::makeTensor(ids.data(), 16, RILL_I64, {1, 2});
  std::vector<float> rows(48);
  rill_tensor output = rt::makeTensor(rows.data(), 192, RILL_F32, {});
  rill_status error =
      rill_invoke(compiled.session, "token_embedding", &input, 1, &output, 1);
  EXPECT_EQ(rill_error_code(error), 3106);
  rill_error_free(error);
  EXPECT_EQ(heard.lines,
            std::vector<std::string>({"+token_embedding", "-token_embedding"}));
  EXPECT_TRUE(heard.dispatches.empty());
}

INSTANTIATE_TEST_SUITE_P(Devices, Profiler,
                         testing::Values("x86-64-v3", "sm_90a"));
