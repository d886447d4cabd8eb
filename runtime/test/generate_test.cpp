//===- generate_test.cpp - Prompts, sampling values, streamed text --------===//
//
// With the demo checkpoint's own tokenizer and processor values.
//
//===----------------------------------------------------------------------===//
#include "runtime/formats/chat_template.h"
#include "runtime/generate/prompt.h"
#include "runtime/generate/sampling.h"
#include "runtime/generate/text_stream.h"
#include "runtime/test/test_util.h"

#include <cmath>

using namespace rill::rt;
using rill::test::refusal;

static Tokenizer demoTokenizer() {
  auto made = Tokenizer::open(RILL_TEST_DATA "/demo/tokenizer.json");
  EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().render());
  return std::move(*made);
}

TEST(Prompt, ExpandsPlaceholders) {
  Tokenizer tokenizer = demoTokenizer();
  auto tokens = ImageTokens::find(tokenizer);
  ASSERT_TRUE(tokens.ok());
  auto config = ImageProcessorConfig::openFolder(RILL_TEST_DATA "/demo");
  ASSERT_TRUE(config.ok()) << config.error().render();
  std::vector<TextSpan> spans = {{"a<image>b<image>", true},
                                 {"<image>", false}};
  std::vector<ImagePlan> plans = {*planImage(*config, 96, 80),
                                  *planImage(*config, 224, 112)};
  auto prompt = makePrompt(tokenizer, *config, *tokens, spans, plans);
  ASSERT_TRUE(prompt.ok()) << prompt.error().render();
  // a start | 30 | end b start row1col1 | 36 | row1col2 | 36 | thumb | n | end
  // and the user's text.
  ASSERT_EQ(prompt->size(), 9u);
  EXPECT_EQ((*prompt)[1].ids.size(), 30u);
  EXPECT_EQ((*prompt)[1].image, 0);
  EXPECT_EQ((*prompt)[3].ids.size(), 36u);
  EXPECT_EQ((*prompt)[4].ids,
            std::vector<int32_t>{*tokenizer.idOf("<|img_row_1_col_2|>")});
  EXPECT_EQ((*prompt)[6].ids, std::vector<int32_t>{tokens->thumbnail});
  EXPECT_EQ((*prompt)[7].crop, 2);
  EXPECT_EQ((*prompt)[8].ids[0], tokens->end);
  std::string text = tokenizer.decode((*prompt)[8].ids, false);
  EXPECT_EQ(text, "<|image_end|><image>");
  plans.pop_back();
  EXPECT_EQ(refusal(makePrompt(tokenizer, *config, *tokens, spans, plans),
                    ErrorCode::PromptInvalid, "2 picture placeholders for 1"),
            "");
  plans.resize(3, plans[0]);
  EXPECT_EQ(refusal(makePrompt(tokenizer, *config, *tokens, spans, plans),
                    ErrorCode::PromptInvalid, "for 3"),
            "");
}

TEST(Sampling, ChecksRanges) {
  auto bad = [](auto change, const char *name) {
    SamplingParams params;
    change(params);
    return refusal(params.validate(), ErrorCode::SamplingInvalid, name);
  };
  EXPECT_TRUE(SamplingParams().validate().ok());
  EXPECT_EQ(bad([](auto &p) { p.temperature = -1; }, "temperature"), "");
  EXPECT_EQ(bad([](auto &p) { p.temperature = NAN; }, "temperature"), "");
  EXPECT_EQ(bad([](auto &p) { p.topK = -1; }, "top-k"), "");
  EXPECT_EQ(bad([](auto &p) { p.topP = 0; }, "top-p"), "");
  EXPECT_EQ(bad([](auto &p) { p.topP = 1.5; }, "top-p"), "");
  EXPECT_EQ(bad([](auto &p) { p.minP = 1; }, "min-p"), "");
  EXPECT_EQ(bad([](auto &p) { p.repeatPenalty = 0; }, "repeat-penalty"), "");
  EXPECT_EQ(bad([](auto &p) { p.repeatPenalty = INFINITY; }, "repeat"), "");
}

TEST(Sampling, ReadsGenerationConfig) {
  auto parse = [](const char *text) {
    auto value = parseJson(text, "g.json");
    return GenerationConfig::parse(JsonField(*value, "g.json"));
  };
  auto greedy =
      parse(R"({"eos_token_id":7,"temperature":0.6,"pad_token_id":0})");
  ASSERT_TRUE(greedy.ok());
  EXPECT_EQ(greedy->sampling.temperature, 0);
  EXPECT_EQ(greedy->eosTokens, std::vector<int32_t>{7});
  auto sampled = parse(R"({"eos_token_id":[7,2],"do_sample":true,"top_k":20,)"
                       R"("temperature":0.6,"top_p":0.95})");
  ASSERT_TRUE(sampled.ok());
  EXPECT_EQ(sampled->sampling.temperature, 0.6);
  EXPECT_EQ(sampled->sampling.topK, 20);
  EXPECT_EQ(sampled->eosTokens.size(), 2u);
  EXPECT_EQ(refusal(parse(R"({"repetition_penalty":-1})"),
                    ErrorCode::SamplingInvalid),
            "");
  EXPECT_EQ(refusal(parse(R"({"eos_token_id":"x"})"), ErrorCode::JsonField),
            "");
}

/// Streams the tokens of `text` and joins the pieces with '|'.
static std::string stream(const std::string &text,
                          std::vector<std::string> stops, bool *stopped) {
  Tokenizer tokenizer = demoTokenizer();
  TextStream out(tokenizer, std::move(stops));
  std::string joined;
  for (unsigned char byte : text) {
    // Single bytes are the hardest case: characters and stops are cut.
    std::string one(1, static_cast<char>(byte));
    for (int32_t id = 0; id < tokenizer.size(); ++id) {
      if (!tokenizer.isSpecial(id) && tokenizer.bytesOf(id) == one) {
        joined += out.push(id) + "|";
        break;
      }
    }
  }
  joined += out.finish();
  *stopped = out.stopped();
  return joined;
}

TEST(TextStream, HoldsBackWhatMayStop) {
  bool stopped = false;
  EXPECT_EQ(stream("a\xc3\xa9!", {}, &stopped), "a||é|!|");
  EXPECT_FALSE(stopped);
  EXPECT_EQ(stream("xEND", {"END"}, &stopped), "x||||");
  EXPECT_TRUE(stopped);
  EXPECT_EQ(stream("xENy", {"END", ""}, &stopped), "x|||ENy|");
  EXPECT_FALSE(stopped);
  EXPECT_EQ(stream("aab", {"aac"}, &stopped), "||aab|");
  EXPECT_EQ(stream("xEN", {"END"}, &stopped), "x|||EN");
  EXPECT_EQ(stream("xENDy", {"ND", "END"}, &stopped), "x|||||");
  EXPECT_TRUE(stopped);
  EXPECT_EQ(stream("x\xc3", {}, &stopped), "x||\xef\xbf\xbd");
}
