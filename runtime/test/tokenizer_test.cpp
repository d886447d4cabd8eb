//===- tokenizer_test.cpp - Text to token ids and back --------------------===//
//
// A hand-made tokenizer.json: encoding rules, spans, refusals. Equality with
// the tokenizers library is proved by `tools/dev/verify text`.
//
//===----------------------------------------------------------------------===//
#include "runtime/formats/tokenizer.h"
#include "runtime/formats/utf8.h"
#include "runtime/test/test_util.h"

using namespace rill::rt;
using rill::test::refusal;

/// The printable spelling of one byte.
static std::string spell(uint32_t byte) {
  for (char32_t code = 0; code < 0x144; ++code) {
    if (byteOfCharacter(code) == std::optional(static_cast<uint8_t>(byte))) {
      std::string out;
      appendUtf8(out, code);
      return out;
    }
  }
  return "";
}

/// What a test changes of the tokenizer below.
struct Parts {
  std::string extraVocab = R"(,"he":256,"ll":257,"hell":258,"hello":259)"
                           R"(,"Ġhello":260)";
  std::string merges = R"(["h e",["l","l"],"he ll","hell o","Ġ hello"])";
  std::string added =
      R"([{"id":261,"content":"<|end|>","single_word":false,"lstrip":false,)"
      R"("rstrip":false,"normalized":false,"special":true},)"
      R"({"id":262,"content":"<|end|>x","special":true},)"
      R"({"id":263,"content":"<think>","special":false,"normalized":false}])";
  std::string model = "";
  std::string split =
      R"({"type":"Split","pattern":{"Regex":" ?\\p{L}+|\\p{N}{1,3}|\\s+"},)"
      R"("behavior":"Isolated","invert":false},)";
  std::string sections = "";
};

static std::string tokenizerJson(const Parts &parts = {}) {
  std::string vocab;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    std::string key = spell(byte);
    if (key == "\"" || key == "\\") {
      key = "\\" + key;
    }
    vocab += format("%s\"%s\":%u", byte ? "," : "", key.c_str(), byte);
  }
  return R"({"version":"1.0","truncation":null,"normalizer":null)" +
         parts.sections + R"(,"added_tokens":)" + parts.added +
         R"(,"pre_tokenizer":{"type":"Sequence","pretokenizers":[)" +
         parts.split +
         R"({"type":"ByteLevel","add_prefix_space":false,"use_regex":false}]})" +
         R"(,"decoder":{"type":"ByteLevel"},"model":{"type":"BPE",)" +
         parts.model + R"("vocab":{)" + vocab + parts.extraVocab +
         R"(},"merges":)" + parts.merges + "}}";
}

static Tokenizer make(const Parts &parts = {}) {
  auto made = Tokenizer::parse(tokenizerJson(parts), "tokenizer.json");
  EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().render());
  return std::move(*made);
}

static std::string refused(const Parts &parts, ErrorCode code,
                           std::string_view part) {
  return refusal(Tokenizer::parse(tokenizerJson(parts), "tokenizer.json"), code,
                 part);
}

using Ids = std::vector<int32_t>;

TEST(Tokenizer, MergesInOrderOfRank) {
  Tokenizer t = make();
  EXPECT_EQ(*t.encode("hello", true), Ids{259});
  EXPECT_EQ(*t.encode(" hello", true), Ids{260});
  EXPECT_EQ(*t.encode("hellhe", true), (Ids{258, 256}));
  EXPECT_EQ(*t.encode("lll", true), (Ids{257, 'l'}));
  EXPECT_EQ(*t.encode("", true), Ids{});
  EXPECT_EQ(*t.encode("\xc3\xa9", true), (Ids{0xc3, 0xa9}));
}

TEST(Tokenizer, LongWordsStayFast) {
  Tokenizer t = make();
  std::string word(1 << 20, 'l');
  EXPECT_EQ(t.encode(word, false)->size(), word.size() / 2);
}

TEST(Tokenizer, IgnoreMergesTakesWholeWords) {
  Parts parts;
  parts.extraVocab += R"(,"xyz":261)";
  parts.added = "[]";
  EXPECT_EQ(*make(parts).encode("xyz", true), (Ids{'x', 'y', 'z'}));
  parts.model = R"("ignore_merges":true,)";
  EXPECT_EQ(*make(parts).encode("xyz", true), Ids{261});
}

TEST(Tokenizer, RecognisesSpecialTokensInTemplatesOnly) {
  Tokenizer t = make();
  EXPECT_EQ(*t.encode("l<|end|>l", true), (Ids{'l', 261, 'l'}));
  EXPECT_EQ(*t.encode("<|end|>x", true), Ids{262});
  Ids plain;
  for (char c : std::string("<|end|>")) {
    plain.push_back(c);
  }
  EXPECT_EQ(*t.encode("<|end|>", false), plain);
  // Not even when a span border cuts the spelling.
  std::vector<TextSpan> cut = {{"<|en", false}, {"d|>", true}};
  EXPECT_EQ(*t.encode(cut), plain);
  // Tokens that are not special are found everywhere.
  EXPECT_EQ(*t.encode("<think>", false), Ids{263});
}

TEST(Tokenizer, CutsTextBetweenTokensAsOne) {
  Tokenizer t = make();
  std::vector<TextSpan> spans = {
      {"<|end|>he", true}, {"llo h", false}, {"ello<|end|>", true}};
  EXPECT_EQ(*t.encode(spans), (Ids{261, 259, 260, 261}));
}

TEST(Tokenizer, AppliesTokenFlags) {
  Parts parts;
  parts.added = R"([{"id":261,"content":"AA","special":true,"lstrip":true},)"
                R"({"id":262,"content":"BB","special":true,"rstrip":true},)"
                R"({"id":263,"content":"CC","special":true,)"
                R"("single_word":true}])";
  Tokenizer t = make(parts);
  EXPECT_EQ(*t.encode("l \xe3\x80\x80"
                      "AA l",
                      true),
            (Ids{'l', 261, ' ', 'l'}));
  EXPECT_EQ(*t.encode("l BB  l", true), (Ids{'l', ' ', 262, 'l'}));
  EXPECT_EQ(*t.encode("BB AA", true), (Ids{262, 261}));
  EXPECT_EQ(*t.encode("CC lCC CC_ CC!", true),
            (Ids{263, ' ', 'l', 'C', 'C', ' ', 'C', 'C', '_', ' ', 263, '!'}));
}

TEST(Tokenizer, DecodesBytes) {
  Tokenizer t = make();
  EXPECT_EQ(t.decode(Ids{260, 261, 0xc3, 0xa9, 0xc3, 99999, -1}, false),
            " hello<|end|>é\xef\xbf\xbd");
  EXPECT_EQ(t.decode(Ids{260, 261}, true), " hello");
  EXPECT_EQ(t.idOf("<|end|>"), std::optional(261));
  EXPECT_EQ(t.idOf("Ġhello"), std::optional(260));
  EXPECT_FALSE(t.idOf("nothing"));
  EXPECT_EQ(t.size(), 264);
}

TEST(Tokenizer, RefusesIdGaps) {
  Parts parts;
  parts.added = R"([{"id":270,"content":"<x>"}])";
  EXPECT_EQ(
      refused(parts, ErrorCode::TokenizerInvalid, "no token has the id 261"),
      "");
  parts.added = R"([{"id":-1,"content":"<x>"}])";
  EXPECT_EQ(refused(parts, ErrorCode::JsonField, "is -1"), "");
  parts.added = R"([{"id":99999999999,"content":"<x>"}])";
  EXPECT_EQ(refused(parts, ErrorCode::JsonField, "allowed"), "");
}

TEST(Tokenizer, RefusesClashingTokens) {
  Parts parts;
  parts.added = R"([{"id":259,"content":"<x>"}])";
  EXPECT_EQ(refused(parts, ErrorCode::TokenizerInvalid, "id 259 means"), "");
  parts.added = R"([{"id":261,"content":"hello"}])";
  EXPECT_EQ(refused(parts, ErrorCode::TokenizerInvalid, "259 in the"), "");
  parts.added = R"([{"id":261,"content":"<x>"},{"id":262,"content":"<x>"}])";
  EXPECT_EQ(refused(parts, ErrorCode::TokenizerInvalid, "added twice"), "");
  parts = Parts();
  parts.extraVocab = R"(,"he":256,"ll":256)";
  EXPECT_EQ(refused(parts, ErrorCode::TokenizerInvalid, "id 256 means"), "");
}

TEST(Tokenizer, RefusesMergesOfUnknownTokens) {
  Parts parts;
  parts.merges = R"(["h e","q q"])";
  EXPECT_EQ(refused(parts, ErrorCode::TokenizerInvalid, "merge 1 joins"), "");
  parts.merges = R"(["he"])";
  EXPECT_EQ(refused(parts, ErrorCode::TokenizerInvalid, "merge 0"), "");
  parts.merges = R"([["h","e","l"]])";
  EXPECT_EQ(refused(parts, ErrorCode::JsonField, "no pair"), "");
}

TEST(Tokenizer, RefusesWhatItDoesNotKnow) {
  auto model = [](std::string text) {
    Parts parts;
    parts.model = text;
    return refused(parts, ErrorCode::TokenizerUnsupported, "model.");
  };
  EXPECT_EQ(model(R"("dropout":0.1,)"), "");
  EXPECT_EQ(model(R"("byte_fallback":true,)"), "");
  EXPECT_EQ(model(R"("end_of_word_suffix":"</w>",)"), "");
  EXPECT_EQ(model(R"("surprise":1,)"), "");
  Parts parts;
  parts.sections = R"(,"surprise":{})";
  EXPECT_EQ(refused(parts, ErrorCode::TokenizerUnsupported, "surprise"), "");
  parts = Parts();
  parts.sections = R"(,"post_processor":{"type":"BertProcessing"})";
  EXPECT_EQ(refused(parts, ErrorCode::TokenizerUnsupported, "BertProcessing"),
            "");
  parts = Parts();
  parts.split = R"({"type":"Metaspace"},)";
  EXPECT_EQ(refused(parts, ErrorCode::TokenizerUnsupported, "Metaspace"), "");
  parts = Parts();
  parts.extraVocab += R"(,"日":261)";
  parts.added = "[]";
  EXPECT_EQ(refused(parts, ErrorCode::TokenizerUnsupported, "not byte-level"),
            "");
}

TEST(Tokenizer, RefusesPatterns) {
  auto pattern = [](std::string text, ErrorCode code, std::string_view part) {
    return refusal(SplitPattern::compile(text, "t"), code, part);
  };
  using enum ErrorCode;
  EXPECT_EQ(pattern("a(", TokenizerPattern, "parenthesis"), "");
  EXPECT_EQ(pattern("[a", TokenizerPattern, "not closed"), "");
  EXPECT_EQ(pattern("a\\", TokenizerPattern, "backslash"), "");
  EXPECT_EQ(pattern("^a", TokenizerUnsupported, "anchors"), "");
  EXPECT_EQ(pattern("\\w+", TokenizerUnsupported, "\\w"), "");
  EXPECT_EQ(pattern("(?#x)", TokenizerUnsupported, "(?#x"), "");
  EXPECT_EQ(pattern("\\p{Greek}", TokenizerUnsupported, "Greek"), "");
  EXPECT_EQ(pattern("[a&&b]", TokenizerUnsupported, "intersection"), "");
  EXPECT_EQ(pattern("a{,3}", TokenizerUnsupported, "repetition"), "");
}

TEST(Tokenizer, BoundsPatternSteps) {
  auto slow = SplitPattern::compile("(?:a|a)*(?:a|a)*[bc]", "t");
  ASSERT_TRUE(slow.ok());
  EXPECT_EQ(refusal(slow->findAll(std::string(4000, 'a')),
                    ErrorCode::PatternLimit, "text byte 0"),
            "");
}

TEST(SplitPattern, Behaviours) {
  auto split = [](const char *behaviour, const char *invert) {
    auto value = parseJson(
        format(R"({"type":"Sequence","pretokenizers":[{"type":"Split",)"
               R"("pattern":{"String":"-"},"behavior":"%s","invert":%s},)"
               R"({"type":"ByteLevel","add_prefix_space":false,)"
               R"("use_regex":false}]})",
               behaviour, invert),
        "t");
    auto made = PreTokenizer::parse(JsonField(*value, "t"));
    std::string joined;
    auto words = made->split("the-final--countdown");
    for (const std::string &word : *words) {
      joined += word + "|";
    }
    return joined;
  };
  // The examples of the tokenizers library's documentation.
  EXPECT_EQ(split("Removed", "false"), "the|final|countdown|");
  EXPECT_EQ(split("Isolated", "false"), "the|-|final|-|-|countdown|");
  EXPECT_EQ(split("MergedWithPrevious", "false"), "the-|final-|-|countdown|");
  EXPECT_EQ(split("MergedWithNext", "false"), "the|-final|-|-countdown|");
  EXPECT_EQ(split("Contiguous", "false"), "the|-|final|--|countdown|");
  EXPECT_EQ(split("Removed", "true"), "-|-|-|");
}

TEST(Utf8, ReplacesAsPythonDoes) {
  const std::pair<const char *, const char *> cases[] = {
      {"a\xff"
       "b",
       "a\ufffdb"},
      {"\xe2\x82", "\ufffd"},
      {"\xe2\x82z", "\ufffdz"},
      {"\xed\xa0\x80", "\ufffd\ufffd\ufffd"},
      {"\xf0\x9f\x98", "\ufffd"},
      {"\xf5\x80", "\ufffd\ufffd"},
      {"\xc0\xaf", "\ufffd\ufffd"},
      {"\xf4\x90\x80\x80", "\ufffd\ufffd\ufffd\ufffd"}};
  for (auto [bytes, text] : cases) {
    EXPECT_EQ(replaceInvalidUtf8(bytes), text);
    EXPECT_FALSE(isUtf8(bytes));
    Utf8Stream stream;
    std::string joined;
    for (const char *c = bytes; *c; ++c) {
      joined += stream.push({c, 1});
    }
    EXPECT_EQ(joined + stream.finish(), text);
  }
}

TEST(Utf8, StreamHoldsBackHalfCharacters) {
  Utf8Stream stream;
  EXPECT_EQ(stream.push("a\xf0\x9f"), "a");
  EXPECT_EQ(stream.push("\x98"), "");
  EXPECT_EQ(stream.push("\x80!"), "\U0001F600!");
  EXPECT_EQ(stream.finish(), "");
}
