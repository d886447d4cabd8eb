//===- tokenizer_test.cpp - Text to token ids and back --------------------===//
//
// A hand-made tokenizer.json: encoding rules, spans, refusals. Equality with
// the tokenizers library is proved by `tools/dev/verify text`.
//
//===----------------------------------------------------------------------===//
#include "runtime/formats/nfc.h"
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
  std::string normalizer = "null";
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
  return R"({"version":"1.0","truncation":null,"normalizer":)" +
         parts.normalizer + parts.sections + R"(,"added_tokens":)" +
         parts.added +
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

TEST(Tokenizer, RefusesNormalizersOtherThanNfc) {
  auto normalizer = [](std::string text, ErrorCode code,
                       std::string_view part) {
    Parts parts;
    parts.normalizer = text;
    return refused(parts, code, part);
  };
  using enum ErrorCode;
  EXPECT_EQ(normalizer(R"({"type":"NFKC"})", TokenizerUnsupported,
                       "is NFKC, not NFC"),
            "");
  EXPECT_EQ(normalizer(R"({"type":"Sequence","normalizers":[{"type":"NFC"},)"
                       R"({"type":"Lowercase"}]})",
                       TokenizerUnsupported, "normalizers[1].type"),
            "");
  EXPECT_EQ(normalizer(R"({"type":"NFC","strip":true})", TokenizerUnsupported,
                       "strip"),
            "");
  EXPECT_EQ(normalizer(R"({"type":"Sequence"})", JsonField, "normalizers"), "");
  EXPECT_EQ(normalizer(R"("NFC")", JsonField, "normalizer"), "");
}

/// Ids of `text` in the tokenizer below whose normalizer is NFC; the tokens
/// 261 and 262 are <e, acute> sought after it and <o, diaeresis> before.
static Ids nfcIds(const std::vector<TextSpan> &spans) {
  Parts parts;
  parts.normalizer =
      R"({"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"NFC"}]})";
  parts.added =
      R"([{"id":261,"content":"<e\u0301>","special":false,"normalized":true},)"
      R"({"id":262,"content":"<o\u0308>","special":true,"normalized":false},)"
      R"({"id":263,"content":"<\u00e9>","special":true,"normalized":true},)"
      R"({"id":264,"content":"<a","special":true,"normalized":true}])";
  return *make(parts).encode(spans);
}

/// The ids of the bytes of `text`.
static Ids bytesOf(std::string_view text) {
  Ids ids;
  for (char c : text) {
    ids.push_back(static_cast<uint8_t>(c));
  }
  return ids;
}

static Ids join(std::initializer_list<Ids> parts) {
  Ids all;
  for (const Ids &part : parts) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

TEST(Tokenizer, NormalisesBetweenAddedTokens) {
  auto ids = [](std::string text) { return nfcIds({{text, true}}); };
  EXPECT_EQ(ids("e\u0301"), bytesOf("\u00e9"));
  // Sought before: as spelt in the file alone.
  EXPECT_EQ(ids("<o\u0308>"), Ids{262});
  EXPECT_EQ(ids("<\u00f6>"), bytesOf("<\u00f6>"));
  // Sought after: both spellings, and special tokens first where two agree.
  EXPECT_EQ(ids("<e\u0301>"), Ids{263});
  EXPECT_EQ(ids("<\u00e9>"), Ids{263});
  // A mark behind a token sought before stays apart from it, one behind a
  // token sought after spoils it.
  EXPECT_EQ(ids("<o\u0308>\u0338"), join({{262}, bytesOf("\u0338")}));
  EXPECT_EQ(ids("<a\u0301"), bytesOf("<\u00e1"));
  EXPECT_EQ(ids("<a\u0315"), join({{264}, bytesOf("\u0315")}));
  Parts parts;
  parts.normalizer = R"({"type":"Sequence","normalizers":[]})";
  EXPECT_EQ(*make(parts).encode("e\u0301", true), bytesOf("e\u0301"));
}

TEST(Tokenizer, NormalisesAcrossSpansAndKeepsTheirOrigin) {
  // A user's mark joins the template's letter, as in one text.
  EXPECT_EQ(nfcIds({{"e", true}, {"\u0301", false}}), bytesOf("\u00e9"));
  // But a token that holds a byte of the user is not special: here 261.
  EXPECT_EQ(nfcIds({{"<e", true}, {"\u0301", false}, {">", true}}),
            bytesOf("<\u00e9>"));
  EXPECT_EQ(nfcIds({{"<\u00e9>", false}}), bytesOf("<\u00e9>"));
  EXPECT_EQ(nfcIds({{"x", false}, {"<e\u0301>", true}, {"\u0301", false}}),
            join({bytesOf("x"), {263}, bytesOf("\u0301")}));
  // Marks change places with their origin: the user's one stays the user's.
  EXPECT_EQ(nfcIds({{"<a", true}, {"\u0315\u0323", false}}),
            bytesOf("<\u1ea1\u0315"));
}

/// `text` in form C.
static std::string nfc(std::string text) {
  std::vector<bool> origin(text.size());
  normalizeNfc(text, origin);
  EXPECT_EQ(origin.size(), text.size());
  return text;
}

TEST(Nfc, StoredSamples) {
  // What tokenizers 0.23 gives (normalizers.NFC().normalize_str).
  const std::pair<const char *, const char *> samples[] = {
      {"e\u0301", "\u00e9"},
      {"\u00e9", "\u00e9"},
      {"\u212b", "\u00c5"},
      {"A\u030a", "\u00c5"},
      {"\u2126", "\u03a9"},
      {"\u037e", ";"},
      {"\u0344", "\u0308\u0301"},
      {"\u0958", "\u0915\u093c"},
      {"\u0915\u093c", "\u0915\u093c"},
      {"\ufb1d", "\u05d9\u05b4"},
      {"\u1100\u1161\u11a8", "\uac01"},
      {"\u1100\u1161", "\uac00"},
      {"\uac00\u11a8", "\uac01"},
      {"\uac01", "\uac01"},
      {"\u1100\u11a8\u1161", "\u1100\u11a8\u1161"},
      {"\u1161\u1100", "\u1161\u1100"},
      {"a\u0315\u0300\u05ae\u0301b", "\u00e0\u05ae\u0301\u0315b"},
      {"s\u0323\u0307", "\u1e69"},
      {"s\u0307\u0323", "\u1e69"},
      {"\u1e9b\u0323", "\u1e9b\u0323"},
      {"e\u0345\u0301", "\u00e9\u0345"},
      {"\u0301e", "\u0301e"},
      {"\u0301\u0301", "\u0301\u0301"},
      {"o\u0338\u0301", "\u00f3\u0338"},
      {"\u03b1\u0313\u0301\u0345", "\u1f84"},
      {"\u09c7\u09be", "\u09cb"},
      {"\u09c7 \u09be", "\u09c7 \u09be"},
      {"\u0dd9\u0dcf\u0dca", "\u0ddd"},
      {"\u304b\u3099", "\u304c"},
      {"\uf900", "\u8c48"},
      {"\U0002f800", "\u4e3d"},
      {"\U0001d15e", "\U0001d157\U0001d165"},
      {"\U00011935\U00011930", "\U00011935\U00011930"},
      {"\U00011938", "\U00011938"},
      {"\u0315\u0898", "\u0315\u0898"},
      {"a\u1ac5\u0323", "a\u1ac5\u0323"},
      {"\U00011131\U00011127", "\U0001112e"},
      {"\u0f71\u0f72\u0f74", "\u0f71\u0f72\u0f74"},
      {"\u0f73", "\u0f71\u0f72"},
      {"=\u0338", "\u2260"},
      {">\u0338", "\u226f"},
      {"e\u200d\u0301", "e\u200d\u0301"},
      {"\ufb01\u2460K\u212a", "\ufb01\u2460KK"},
      {"\U0001f469\u200d\U0001f469", "\U0001f469\u200d\U0001f469"}};
  for (auto [given, expected] : samples) {
    EXPECT_EQ(nfc(given), expected) << given;
  }
}

TEST(Nfc, EveryCodePoint) {
  // Each alone, between marks, behind a letter and before an accent; FNV-1a of
  // what tokenizers 0.23 gives. Another version of Unicode data changes it.
  uint64_t hash = 0xcbf29ce484222325;
  for (char32_t code = 0; code < 0x110000; ++code) {
    if (code >= 0xd800 && code < 0xe000) {
      continue;
    }
    std::string one;
    appendUtf8(one, code);
    for (char c : nfc(one + " \u0345" + one + "\u0334 e" + one + "\u0301")) {
      hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
    }
  }
  EXPECT_EQ(hash, 0x5dbb9316148d8312u);
}

TEST(Nfc, LongRunsOfMarks) {
  // Marks above, each followed by one below, 1 MiB: a sort that swaps
  // neighbours would make 3 * 10^10 swaps.
  constexpr size_t kPairs = size_t(1) << 18;
  std::string given = "x", below, above;
  for (size_t i = 0; i < kPairs; ++i) {
    given += "\u0301\u0323";
    below += "\u0323";
    above += "\u0301";
  }
  EXPECT_TRUE(nfc(given) == "x\u0323" + below.substr(2) + above);
  // Nothing composes with what nothing composes with.
  std::string jamo;
  for (size_t i = 0; i < kPairs; ++i) {
    jamo += "\u1161";
  }
  EXPECT_TRUE(nfc(jamo) == jamo);
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
