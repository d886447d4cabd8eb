//===- json_test.cpp - JSON with limits -----------------------------------===//
//
// What the parser refuses, and that errors name file and key.
//
//===----------------------------------------------------------------------===//
#include "runtime/formats/json.h"
#include "runtime/test/test_util.h"

#include <clocale>

using namespace rill::rt;
using rill::test::refusal;

static std::string jsonError(std::string_view text, std::string_view part,
                             const JsonLimits &limits = {}) {
  return refusal(parseJson(text, "t.json", limits), ErrorCode::JsonInvalid,
                 part);
}

TEST(Json, KeepsOrderAndKinds) {
  auto value = parseJson(R"({"b":1,"a":[true,null,2.5,"x"],"c":{}})", "t.json");
  ASSERT_TRUE(value.ok());
  const JsonValue::Object &members = *value->asObject();
  EXPECT_EQ(members[0].key, "b");
  EXPECT_EQ(*members[0].value.asInt(), 1);
  EXPECT_EQ(members[1].key, "a");
  const JsonValue::Array &items = *members[1].value.asArray();
  EXPECT_TRUE(*items[0].asBool());
  EXPECT_TRUE(items[1].isNull());
  EXPECT_EQ(*items[2].asDouble(), 2.5);
  EXPECT_EQ(*items[3].asString(), "x");
}

TEST(Json, IntegersBeyondInt64AreNumbers) {
  auto value = parseJson("[9223372036854775807, 9223372036854775808, "
                         "1000000000000000019884624838656]",
                         "t.json");
  ASSERT_TRUE(value.ok());
  const JsonValue::Array &items = *value->asArray();
  EXPECT_EQ(*items[0].asInt(), INT64_MAX);
  EXPECT_EQ(*items[1].asDouble(), 9223372036854775808.0);
  EXPECT_TRUE(items[2].asDouble());
}

TEST(Json, RefusesBadGrammar) {
  EXPECT_EQ(jsonError("", "end of input"), "");
  EXPECT_EQ(jsonError("{\"a\":1,}", "byte"), "");
  EXPECT_EQ(jsonError("[1] x", "byte"), "");
  EXPECT_EQ(jsonError("[1e999]", "number overflow"), "");
  EXPECT_EQ(jsonError("[01]", "byte"), "");
}

TEST(Json, RefusesBadText) {
  EXPECT_EQ(jsonError("\"\xff\"", "UTF-8"), "");
  EXPECT_EQ(jsonError("\"\xed\xa0\x80\"", "UTF-8"), "");
  EXPECT_EQ(jsonError("\"\\ud800\"", "surrogate"), "");
}

TEST(Json, RefusesDuplicateKeys) {
  EXPECT_EQ(jsonError(R"({"a":1,"b":2,"a":3})", "\"a\" occurs twice"), "");
  EXPECT_TRUE(parseJson(R"({"a":{"a":1}})", "t.json").ok());
}

TEST(Json, RefusesDepthBomb) {
  EXPECT_EQ(jsonError(std::string(1000000, '['), "nested deeper than 32"), "");
  std::string deep = std::string(32, '[') + std::string(32, ']');
  EXPECT_TRUE(parseJson(deep, "t.json").ok());
  EXPECT_EQ(jsonError("[" + deep + "]", "nested deeper"), "");
}

TEST(Json, RefusesTooMuch) {
  EXPECT_EQ(jsonError("[1,2,3]", "more than 3 values", {100, 32, 3}), "");
  EXPECT_EQ(jsonError("[1,2,3]", "the limit is 6", {6, 32, 100}), "");
}

TEST(Json, FieldErrorsNameThePath) {
  auto value = parseJson(R"({"a":{"b":[1,"x"]},"n":null})", "t.json");
  ASSERT_TRUE(value.ok());
  JsonField root(*value, "t.json");
  auto b = root.at("a")->at("b");
  ASSERT_TRUE(b.ok());
  EXPECT_EQ(refusal(b->asInts(), ErrorCode::JsonField,
                    "t.json, key a.b[1]\n  why:   is of kind string"),
            "");
  EXPECT_EQ(refusal(root.at("zz"), ErrorCode::JsonField, "lacks the key"), "");
  EXPECT_EQ(refusal(b->at("q"), ErrorCode::JsonField, "expected object"), "");
  EXPECT_EQ(refusal((*b->items())[0].asInt(2, 3), ErrorCode::JsonField,
                    "is 1, allowed are 2 to 3"),
            "");
  EXPECT_EQ(*root.intOr("n", 7), 7);
  EXPECT_EQ(*root.intOr("zz", 8), 8);
}

TEST(Json, WritesLikePython) {
  auto value = parseJson(
      R"({"b":1.0,"a":["é\n\"\u0001/",true,null,1e-5,1e16,123456.75]})",
      "t.json");
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(
      writeJson(*value),
      R"({"b": 1.0, "a": ["é\n\"\u0001/", true, null, 1e-05, 1e+16, 123456.75]})");
  EXPECT_EQ(writeJson(JsonValue("é😀"), {", ", ": ", -1, true}),
            R"("\u00e9\ud83d\ude00")");
  EXPECT_EQ(writeJson(JsonValue(JsonValue::Array{1, JsonValue::Array{}}),
                      {", ", ": ", 2, false}),
            "[\n  1,\n  []\n]");
}

/// Selects a locale whose decimal point is a comma, made by localedef.
static bool selectCommaLocale(const rill::test::TempDir &folder) {
  folder.write("comma",
               "LC_NUMERIC\ndecimal_point \"<U002C>\"\n"
               "thousands_sep \"<U002E>\"\ngrouping 3\nEND LC_NUMERIC\n");
  std::string command = "localedef -c -i " + folder.path("comma") +
                        " -f ANSI_X3.4-1968 " + folder.path("xx_XX") +
                        " >/dev/null 2>&1";
  (void)!std::system(command.c_str());
  setenv("LOCPATH", folder.path().c_str(), 1);
  return setlocale(LC_NUMERIC, "xx_XX") && *localeconv()->decimal_point == ',';
}

// A host program may have selected such a locale before it opens a model.
TEST(Json, IgnoresTheLocale) {
  rill::test::TempDir folder;
  if (!selectCommaLocale(folder)) {
    GTEST_SKIP() << "localedef makes no locale on this machine";
  }
  auto value = parseJson("[2.5, 1e-3]", "t.json");
  std::string text = value.ok() ? writeJson(*value) : "";
  setlocale(LC_NUMERIC, "C");
  EXPECT_EQ(text, "[2.5, 0.001]");
}

TEST(Json, ErrorTableIsSortedAndComplete) {
  size_t count = 0;
  const ErrorInfo *rows = errorTable(&count);
  for (size_t i = 0; i < count; ++i) {
    EXPECT_TRUE(i == 0 || rows[i - 1].code < rows[i].code) << rows[i].name;
    EXPECT_NE(std::string(rows[i].summary), "") << rows[i].name;
    EXPECT_NE(std::string(rows[i].page), "") << rows[i].name;
  }
}
