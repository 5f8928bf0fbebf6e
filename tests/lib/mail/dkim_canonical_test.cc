#include "lib/mail/dkim_canonical.h"

#include <gtest/gtest.h>

#include "lib/base/digest.h"

namespace dmarcate {
namespace {

constexpr auto kSimple = DkimCanonicalization::kSimple;
constexpr auto kRelaxed = DkimCanonicalization::kRelaxed;

struct Case {
  std::string name;
  std::string body;
  std::string simple;
  std::string relaxed;
};
const Case kCases[] = {
    {"TheExampleOfTheRfc", " C \r\nD \t E\r\n\r\n\r\n", " C \r\nD \t E\r\n", " C\r\nD E\r\n"},
    {"Empty", "", "\r\n", ""},
    {"OneEmptyLine", "\r\n", "\r\n", ""},
    {"EmptyLines", "\r\n\r\n\r\n", "\r\n", ""},
    {"BlankLines", " \r\n\t\r\n", " \r\n\t\r\n", ""},
    {"NoLastLineEnd", "a", "a\r\n", "a\r\n"},
    {"BlanksAtTheEnd", "a \t", "a \t\r\n", "a\r\n"},
    {"EmptyLinesWithin", "a\r\n\r\nb\r\n", "a\r\n\r\nb\r\n", "a\r\n\r\nb\r\n"},
    {"BlankLineWithin", "a\r\n \r\nb\r\n", "a\r\n \r\nb\r\n", "a\r\n\r\nb\r\n"},
    {"LeadingBlanks", "  a\r\n", "  a\r\n", " a\r\n"},
    {"LfAlone", "a\nb\n\n", "a\r\nb\r\n", "a\r\nb\r\n"},
    {"CrAlone", "a\rb\r\n", "a\rb\r\n", "a\rb\r\n"},
    {"CrBeforeCrlf", "a\r\r\n", "a\r\r\n", "a\r\r\n"},
    {"CrAtTheEnd", "a\r", "a\r\r\n", "a\r\r\n"},
    {"CrThenBlanks", "a\r \r\n", "a\r \r\n", "a\r\r\n"},
    {"NulAndEightBit", std::string("a\0\xff\r\n", 5), std::string("a\0\xff\r\n", 5),
     std::string("a\0\xff\r\n", 5)},
};
class HashDkimBodyTest : public testing::TestWithParam<Case> {};
TEST_P(HashDkimBodyTest, HashesTheCanonicalForm) {
  const DkimBodyHash simple = HashDkimBody(GetParam().body, kSimple);
  EXPECT_EQ(simple.sha256, Sha256(GetParam().simple));
  EXPECT_EQ(simple.octets, GetParam().simple.size());
  EXPECT_TRUE(simple.complete);
  const DkimBodyHash relaxed = HashDkimBody(GetParam().body, kRelaxed);
  EXPECT_EQ(relaxed.sha256, Sha256(GetParam().relaxed));
  EXPECT_EQ(relaxed.octets, GetParam().relaxed.size());
}
TEST_P(HashDkimBodyTest, HashesAnyPartOfIt) {
  for (size_t length = 0; length <= GetParam().relaxed.size() + 1; ++length) {
    const DkimBodyHash part = HashDkimBody(GetParam().body, kRelaxed, length);
    EXPECT_EQ(part.sha256, Sha256(GetParam().relaxed.substr(0, length))) << length;
    EXPECT_EQ(part.complete, length <= GetParam().relaxed.size()) << length;
  }
}
INSTANTIATE_TEST_SUITE_P(All, HashDkimBodyTest, testing::ValuesIn(kCases),
                         [](const auto& test) { return test.param.name; });

TEST(HashDkimBody, HandlesPiecesOfAnySize) {
  std::string body;
  std::string want;
  for (size_t size = 4090; size < 4100; ++size) {
    body += std::string(size, 'x') + "  y\n";
    want += std::string(size, 'x') + " y\r\n";
  }
  EXPECT_EQ(HashDkimBody(body, kRelaxed).sha256, Sha256(want));
  EXPECT_EQ(HashDkimBody(body, kRelaxed, 4095).sha256, Sha256(want.substr(0, 4095)));
}

HeaderField Field(const std::string& text) {
  HeaderReader reader(text);
  return reader.Next().value();
}

TEST(CanonicalField, FollowsTheExampleOfTheRfc) {
  const std::string a = "A: X\r\n";
  const std::string b = "B : Y\t\r\n\tZ  \r\n";
  EXPECT_EQ(CanonicalField(Field(a), kRelaxed), "a:X\r\n");
  EXPECT_EQ(CanonicalField(Field(b), kRelaxed), "b:Y Z\r\n");
  EXPECT_EQ(CanonicalField(Field(a), kSimple), a);
  EXPECT_EQ(CanonicalField(Field(b), kSimple), b);
}

TEST(CanonicalField, TakesLfForCrlf) {
  const std::string field = "B : Y\t\n\tZ  \n";
  EXPECT_EQ(CanonicalField(Field(field), kRelaxed), "b:Y Z\r\n");
  EXPECT_EQ(CanonicalField(Field(field), kSimple), "B : Y\t\r\n\tZ  \r\n");
}

TEST(CanonicalField, KeepsAnEmptyOne) {
  const std::string field = "A:\r\n";
  EXPECT_EQ(CanonicalField(Field(field), kRelaxed), "a:\r\n");
  EXPECT_EQ(CanonicalField(Field(field), kSimple), "A:\r\n");
}

TEST(CanonicalSignatureField, LeavesOutTheValueOfB) {
  const std::string text =
      "DKIM-Signature: v=1; a=rsa-sha256; d=a.test; s=s; h=from;\r\n b=\r\n AAAA\r\n ;"
      " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=; c=relaxed\r\n";
  const HeaderField field = Field(text);
  DkimSignature signature = ParseDkimSignature(field.value);
  EXPECT_EQ(CanonicalSignatureField(field, signature),
            "dkim-signature:v=1; a=rsa-sha256; d=a.test; s=s; h=from; b=;"
            " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=; c=relaxed");
  signature.header = kSimple;
  EXPECT_EQ(CanonicalSignatureField(field, signature),
            "DKIM-Signature: v=1; a=rsa-sha256; d=a.test; s=s; h=from;\r\n b=;"
            " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=; c=relaxed");
}

}  // namespace
}  // namespace dmarcate
