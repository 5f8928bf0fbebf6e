// JSON read event by event, and what is measured and cut before.
#include "lib/report/json_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/report/json_bounds.h"

namespace dmarcate {
namespace {

using nlohmann::json;
using testing::ElementsAre;

constexpr JsonShape kValue{};
constexpr JsonShape kList{.element = &kValue};
constexpr JsonShape::Member kItemMembers[] = {{"a", &kValue}, {"list", &kList}};
constexpr JsonShape kItem{.members = kItemMembers};
constexpr JsonShape kItems{.element = &kItem, .streamed = true};
constexpr JsonShape::Member kRootMembers[] = {{"items", &kItems}, {"name", &kValue}};
constexpr JsonShape kRoot{.members = kRootMembers};

struct Got {
  JsonStreamResult result;
  std::vector<std::string> elements;
  size_t values_left = 0;
};

Got Read(std::string_view text, size_t values = 1000, size_t most_elements = 1000) {
  Got got;
  got.values_left = values;
  got.result =
      ReadJsonStream(text, kRoot, {.values = &got.values_left, .members = 5, .kept_elements = 3},
                     [&](const JsonShape& list, const json& element) {
                       EXPECT_EQ(&list, &kItems);
                       got.elements.push_back(element.dump());
                       return got.elements.size() < most_elements;
                     });
  return got;
}

TEST(JsonStream, KeepsWhatTheShapeNames) {
  const Got got = Read(R"({"other": {"items": [1]}, "items": [
      {"a": 1, "b": 2, "list": [1, "x", null, 4, 5]}, {"a": {"deep": [1]}}, 7, "text", [1], {}],
      "name": [1, 2], "last": [[[]]]})");
  EXPECT_EQ(got.result.root.dump(), R"({"items":[],"name":[]})");
  EXPECT_THAT(got.elements, ElementsAre(R"({"a":1,"list":[1,"x",null]})", R"({"a":{}})", "7",
                                        "\"text\"", "[]", "{}"));
  EXPECT_FALSE(got.result.stopped || got.result.too_many_values || got.result.has_repeated_key);
}

TEST(JsonStream, AnotherTypeThanExpectedIsKeptAsItsType) {
  EXPECT_EQ(Read(R"({"items": {"a": 1}, "name": 1.5})").result.root.dump(),
            R"({"items":{},"name":1.5})");
  EXPECT_EQ(Read("[1]").result.root.dump(), "[]");
  EXPECT_EQ(Read("true").result.root.dump(), "true");
}

TEST(JsonStream, EndsWhereItMust) {
  EXPECT_TRUE(Read(R"({"x": 1, "x": 2})").result.has_repeated_key);
  EXPECT_EQ(Read(R"({"x": 1, "\u0078": 2})").result.repeated_key, "x");
  EXPECT_TRUE(Read(R"({"q": [{"x": 1, "y": {"x": 1}, "x": 2}]})").result.has_repeated_key);
  EXPECT_FALSE(Read(R"({"q": [{"x": 1}, {"x": 1}]})").result.has_repeated_key);
  EXPECT_TRUE(Read(R"({"a":1,"b":1,"c":1,"d":1,"e":1,"f":1})").result.too_many_values);
  EXPECT_TRUE(Read("[1,2,3,4]", 4).result.too_many_values);
  EXPECT_EQ(Read("[1,2,3]", 4).values_left, 0u);
  const Got got = Read(R"({"items": [1, 2, 3]})", 100, 2);
  EXPECT_TRUE(got.result.stopped);
  EXPECT_TRUE(got.result.root.is_discarded());
  EXPECT_THAT(got.elements, ElementsAre("1", "2"));
  for (const char* broken : {"", "{", "[1,]", "{\"a\"}", "1 2", "{\"a\":\"\\x\"}", "nul"}) {
    EXPECT_TRUE(Read(broken).result.root.is_discarded()) << broken;
  }
}

// Past the number from which a table is used.
TEST(JsonStream, FindsARepeatedNameAmongMany) {
  for (int names = 1; names < 60; ++names) {
    std::string text = "{";
    for (int i = 0; i < names; ++i) text += "\"n" + std::to_string(i) + "\":0,";
    for (int again = 0; again < names; ++again) {
      size_t values = 1000;
      EXPECT_TRUE(ReadJsonStream(text + "\"n" + std::to_string(again) + "\":1}", kRoot,
                                 {.values = &values},
                                 [](const JsonShape&, const json&) { return true; })
                      .has_repeated_key);
    }
  }
}

TEST(JsonBounds, MeasuresTokens) {
  const JsonBounds bounds = FindJsonBounds(R"( {"a\"bc": [12345, true, "x"]} "later" 123456)", 9);
  EXPECT_TRUE(bounds.closed);
  EXPECT_EQ(bounds.end, 30u);
  EXPECT_EQ(bounds.longest_string, 5u);
  EXPECT_EQ(bounds.longest_word, 5u);
  EXPECT_TRUE(FindJsonBounds("[[[", 2).too_deep);
  EXPECT_FALSE(FindJsonBounds("[\"[[[\"]", 2).too_deep);
  EXPECT_FALSE(FindJsonBounds("[\"\\", 2).closed);
}

TEST(JsonBounds, ShortensStringsBetweenCharacters) {
  const auto shortened = [](std::string_view text) { return ShortenJsonStrings(text, 8); };
  EXPECT_EQ(shortened(R"({"a": "12345678", "b": 123456789012})"),
            R"({"a": "12345678", "b": 123456789012})");
  EXPECT_EQ(shortened(R"(["123456789", "x"])"), R"(["12345678", "x"])");
  EXPECT_EQ(shortened(R"(["1234567\n9"])"), R"(["1234567"])");
  EXPECT_EQ(shortened(R"(["123456\\9"])"), R"(["123456\\"])");
  EXPECT_EQ(shortened(R"(["123\u00419"])"), R"(["123"])");
  EXPECT_EQ(shortened(R"(["12\u0041345"])"), R"(["12\u0041"])");
  EXPECT_EQ(shortened(R"(["1\ud83d\ude00"])"), R"(["1"])");  // not half a pair
  EXPECT_EQ(shortened("[\"1234567\u00fc\"]"), "[\"1234567\"]");
  EXPECT_EQ(shortened("[\"123456\u00fc7\"]"), "[\"123456\u00fc\"]");
  EXPECT_EQ(shortened("[\"123456789"), "[\"12345678");
  EXPECT_EQ(shortened(R"(["1234567\")"), R"(["1234567)");  // the quote is none
  EXPECT_EQ(shortened(R"([""])"), R"([""])");
}

}  // namespace
}  // namespace dmarcate
