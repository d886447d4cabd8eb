//===- SampleTest.cpp - rill.sample and decode steps ----------------------===//
//
// The kernels on every target, Reference and the host's sampler draw the same
// tokens; steps feed what they drew.
//
//===----------------------------------------------------------------------===//
#include "Harness.h"

#include "runtime/generate/sampler.h"

using namespace rill;
using namespace rill::test;

namespace {

constexpr int64_t kBatch = 2, kCapacity = 64;

std::string sampleModule(int64_t vocabulary) {
  std::string v = std::to_string(vocabulary);
  return R"(module attributes {rill.model = {batch = 2 : i64, max_seq_len = 64 : i64}} {
rill.state @ids rows linear row_dim = 1 history = 0 : tensor<2x64xi64>
func.func @f(%l: tensor<2x)" +
         v +
         R"(xf32> {rill.name = "logits", rill.dims = ["", ""]}) -> tensor<2xi64>
    attributes {rill.method = "step"} {
  %y = rill.sample %l history @ids : (tensor<2x)" +
         v + R"(xf32>) -> tensor<2xi64>
  return %y : tensor<2xi64>
}
})";
}

/// A chain: the logits of a token are its row of a table.
const char *const kChain =
    R"(module attributes {rill.model = {batch = 2 : i64, max_seq_len = 64 : i64}} {
rill.state @ids rows linear row_dim = 1 history = 0 : tensor<2x64xi64>
rill.weight @table from "w.safetensors#table" : tensor<48x48xbf16>
func.func @step() -> tensor<2xi64> attributes {rill.method = "step"} {
  %ids = rill.control token : tensor<2x1xi64>
  rill.state.append @ids, %ids : tensor<2x1xi64>
  %t = rill.weight.read @table : tensor<48x48xbf16>
  %e = rill.embedding %t, %ids : (tensor<48x48xbf16>, tensor<2x1xi64>) -> tensor<2x1x48xf32>
  %l = tensor.collapse_shape %e [[0, 1], [2]] : tensor<2x1x48xf32> into tensor<2x48xf32>
  %y = rill.sample %l history @ids : (tensor<2x48xf32>) -> tensor<2xi64>
  rill.control.commit %y : tensor<2xi64>
  return %y : tensor<2xi64>
}
})";

rt::SamplingParams params(double temperature, int64_t topK, double topP,
                          double minP, double penalty) {
  return {temperature, topK, topP, minP, penalty, 0};
}

const rt::SamplingParams kParams[] = {
    params(0, 0, 1, 0, 1),         params(0, 0, 1, 0, 1.5),
    params(1, 0, 1, 0, 1),         params(0.3, 5, 1, 0, 1),
    params(1, 0, 0.7, 0, 1),       params(0.7, 12, 0.9, 0, 1.1),
    params(0.1, 0, 1, 0.15, 1.05), params(2, 0, 0.999, 0.01, 0.8),
    params(100, 1, 0.5, 0.5, 1),   params(1e-30, 3, 1, 0, 1),
    params(1e-50, 0, 0.9, 0, 1)};

void setDraw(rill_session *session, const rt::SamplingParams &p) {
  rill_draw_options options = {sizeof(options), p.temperature,   p.topK, p.topP,
                               p.minP,          p.repeatPenalty, p.seed};
  auto set = rt::statusFromC(rill_session_set_draw(session, &options));
  EXPECT_TRUE(set.ok()) << set.get().render();
}

reference::Sampling forReference(const rt::SamplingParams &p) {
  return {p.temperature, p.topP, p.minP, p.repeatPenalty, p.topK, p.seed};
}

std::vector<int64_t> tokens(rill_session *session, const char *method,
                            const std::vector<Tensor> &inputs) {
  std::vector<std::vector<uint16_t>> halves(inputs.size());
  std::vector<rill_tensor> tensors;
  for (size_t n = 0; n < inputs.size(); ++n) {
    tensors.push_back(Harness::Session::input(inputs[n], halves[n]));
  }
  std::vector<int64_t> got(kBatch, -1);
  rill_tensor output = rt::makeTensor(got.data(), got.size() * 8, RILL_I64, {});
  auto called = rt::statusFromC(
      rill_invoke(session, method, tensors.data(), tensors.size(), &output, 1));
  EXPECT_TRUE(called.ok()) << called.get().render();
  return got;
}

/// Logits of `scale` around 0 with ties.
Tensor logits(int64_t vocabulary, uint64_t seed, float scale) {
  Tensor tensor = filled(Tensor::F32, {kBatch, vocabulary}, seed);
  for (float &f : tensor.f) {
    f *= scale;
  }
  return tensor;
}

/// Draws on every target, by Reference, and of sequence 0 by the host; its one
/// row of ids holds `seen`.
void compareDraws(Harness &harness, const std::vector<Tensor> &calls,
                  int64_t seen) {
  for (const std::string &target : Harness::targets()) {
    auto judge = harness.evaluator();
    auto session = harness.compiled(target);
    ASSERT_TRUE(judge->setIds("ids", 0, 0, {seen}).ok());
    ASSERT_FALSE(rill_session_set_ids(session->session, 0, 0, &seen, 1));
    for (rt::SamplingParams p : kParams) {
      for (size_t n = 0; n < calls.size(); ++n) {
        p.seed = 0x123456789abcdefull * (n + 1);
        judge->sampling = forReference(p);
        setDraw(session->session, p);
        auto wanted = judge->call("f", {calls[n]});
        ASSERT_TRUE(wanted.ok()) << wanted.error().render();
        const std::vector<int64_t> &i = (*wanted)[0].i;
        std::vector<int64_t> got = tokens(session->session, "f", {calls[n]});
        std::string where =
            target + ", temperature " + std::to_string(p.temperature) +
            ", top-k " + std::to_string(p.topK) + ", call " + std::to_string(n);
        EXPECT_EQ(got, i) << where;
        std::span<const float> row(calls[n].f.data(),
                                   static_cast<size_t>(calls[n].shape.back()));
        rt::Sampler host(p, calls[n].shape.back());
        EXPECT_EQ(host.draw(row, std::vector<int64_t>{seen}, 1), i[0])
            << "host, " << where;
      }
    }
  }
}

} // namespace

TEST(Sample, EveryTargetDrawsAsReference) {
  for (int64_t vocabulary : {1, 45, 64, 1000}) {
    SCOPED_TRACE(vocabulary);
    Harness harness(sampleModule(vocabulary), {});
    std::vector<Tensor> calls;
    for (uint64_t seed = 0; seed < 12; ++seed) {
      calls.push_back(logits(vocabulary, seed, seed % 3 ? 12.0f : 1.0f));
    }
    compareDraws(harness, calls, vocabulary / 2);
  }
}

// Whatever the logits and ids, a token comes out, the same everywhere.
TEST(Sample, NoLogitsAreRefused) {
  constexpr int64_t kVocabulary = 48;
  Harness harness(sampleModule(kVocabulary), {});
  std::vector<Tensor> calls;
  for (float odd : {NAN, INFINITY, -INFINITY, -0.0f, 3e38f, -3e38f}) {
    Tensor all(Tensor::F32, {kBatch, kVocabulary});
    std::fill(all.f.begin(), all.f.end(), odd);
    calls.push_back(all);
    Tensor some = logits(kVocabulary, 5, 4.0f);
    for (size_t i = 0; i < some.f.size(); i += 7) {
      some.f[i] = odd;
    }
    calls.push_back(some);
  }
  for (int64_t id : {INT64_MIN, kVocabulary}) {
    compareDraws(harness, calls, id);
  }
}

TEST(Sample, StepsFeedWhatTheyDrew) {
  Harness harness(kChain, {{"table", {48, 48}}});
  for (const std::string &target : Harness::targets()) {
    for (rt::SamplingParams p :
         {params(0, 0, 1, 0, 1), params(0, 0, 1, 0, 3), params(1, 0, 1, 0, 2),
          params(0.5, 9, 0.8, 0, 1)}) {
      SCOPED_TRACE(target);
      auto judge = harness.evaluator();
      auto session = harness.compiled(target);
      p.seed = 99;
      judge->sampling = forReference(p);
      setDraw(session->session, p);
      judge->tokens = {5, 17};
      for (int64_t b = 0; b < kBatch; ++b) {
        ASSERT_FALSE(
            rill_session_set_next(session->session, b, judge->tokens[b], 0));
      }
      for (int64_t step = 0; step < 20; ++step) {
        // Devices may have begun this step with what was set before.
        if (step == 7) {
          judge->sampling.seed = p.seed = 100;
          setDraw(session->session, p);
        }
        if (step == 12) {
          judge->tokens[1] = 30;
          ASSERT_FALSE(rill_session_set_next(session->session, 1, 30, step));
        }
        auto wanted = judge->call("step", {});
        ASSERT_TRUE(wanted.ok()) << wanted.error().render();
        EXPECT_EQ(tokens(session->session, "step", {}), (*wanted)[0].i)
            << "step " << step;
        EXPECT_EQ(rill_session_length(session->session, 1), step + 1);
      }
      // Back to a shorter text, and forth again the same way.
      judge->setLength(10);
      for (int64_t b = 0; b < kBatch; ++b) {
        ASSERT_FALSE(rill_session_rollback(session->session, b, 10));
      }
      auto wanted = judge->call("step", {});
      EXPECT_EQ(tokens(session->session, "step", {}), (*wanted)[0].i);
    }
  }
}

TEST(Sample, WhatAStepIsGivenIsChecked) {
  Harness harness(kChain, {{"table", {48, 48}}});
  auto session = harness.compiled(rt::cpuTargets()[0]);
  auto code = [](rill_status error) {
    int number = rill_error_code(error);
    rill_error_free(error);
    return number;
  };
  rill_session *s = session->session;
  auto invalid = static_cast<int>(rt::ErrorCode::InputInvalid);
  EXPECT_EQ(code(rill_session_set_next(s, 2, 0, 0)), invalid);
  EXPECT_EQ(code(rill_session_set_next(s, -1, 0, 0)), invalid);
  EXPECT_EQ(code(rill_session_set_next(s, 0, -1, 0)), invalid);
  EXPECT_EQ(code(rill_session_set_next(s, 0, 0, -1)), invalid);
  std::vector<int64_t> ids(kCapacity + 1, 0);
  EXPECT_EQ(code(rill_session_set_ids(s, 0, 0, ids.data(), ids.size())),
            invalid);
  EXPECT_EQ(code(rill_session_set_ids(s, 0, kCapacity, ids.data(), 1)),
            invalid);
  EXPECT_EQ(code(rill_session_set_ids(s, 0, -1, ids.data(), 1)), invalid);
  EXPECT_EQ(code(rill_session_set_ids(s, 0, kCapacity, ids.data(), 0)), 0);
  rill_draw_options options = {sizeof(options), NAN, 0, 1, 0, 1, 0};
  EXPECT_EQ(code(rill_session_set_draw(s, &options)),
            static_cast<int>(rt::ErrorCode::SamplingInvalid));
  EXPECT_EQ(code(rill_session_set_draw(s, nullptr)), 0);
  // The states are full after as many steps as they have rows.
  for (int64_t step = 0; step < kCapacity; ++step) {
    tokens(s, "step", {});
  }
  std::vector<int64_t> got(kBatch);
  rill_tensor output = rt::makeTensor(got.data(), got.size() * 8, RILL_I64, {});
  EXPECT_EQ(code(rill_invoke(s, "step", nullptr, 0, &output, 1)),
            static_cast<int>(rt::ErrorCode::ContextFull));
}
