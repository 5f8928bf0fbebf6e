#include "lib/mail/header_value.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "lib/base/text.h"

namespace dmarcate {
namespace {

struct TypeCase {
  std::string name;
  std::string value;
  std::string want_type;
  std::string want_name;
  std::string want_boundary;
};

const TypeCase kTypes[] = {
    {"Plain", "Application/GZIP; name=\"a!b!1!2.xml.gz\"", "application/gzip", "a!b!1!2.xml.gz"},
    {"M2_Slashless", "application-x-gzip; name=a.gz", "application/octet-stream", "a.gz"},
    {"M9_Unquoted", "application/gzip; name=a!b!1!2.xml.gz", "application/gzip", "a!b!1!2.xml.gz"},
    {"M9_Continuations", "application/gzip; name*0=\"a!b!\"; name*1=\"1!2.xml.gz\"",
     "application/gzip", "a!b!1!2.xml.gz"},
    {"M9_CharsetForm", "application/gzip; name*=utf-8''a%21b%211%212.xml.gz", "application/gzip",
     "a!b!1!2.xml.gz"},
    {"M9_EncodedWordInQuotes", "application/gzip; name=\"=?utf-8?Q?a!b!1!2=2Exml=2Egz?=\"",
     "application/gzip", "a!b!1!2.xml.gz"},
    {"Boundary", "multipart/mixed; boundary=\"=_a b'c\"", "multipart/mixed", "", "=_a b'c"},
    {"BoundaryUnquoted", "multipart/mixed; boundary=----=_Part_1.2", "multipart/mixed", "",
     "----=_Part_1.2"},
    {"BoundaryContinued", "multipart/mixed; boundary*0=\"abc\"; boundary*1=\"def\"",
     "multipart/mixed", "", "abcdef"},
    {"Empty", "", "application/octet-stream"},
    {"Junk", ";;;=", "application/octet-stream"},
};

class ContentTypeTest : public testing::TestWithParam<TypeCase> {};

TEST_P(ContentTypeTest, Case) {
  const ContentType got = ParseContentType(GetParam().value);
  EXPECT_EQ(got.type, GetParam().want_type);
  EXPECT_EQ(got.name, GetParam().want_name);
  EXPECT_EQ(got.boundary, GetParam().want_boundary);
}

INSTANTIATE_TEST_SUITE_P(All, ContentTypeTest, testing::ValuesIn(kTypes),
                         [](const auto& test) { return test.param.name; });

TEST(HeaderValue, ReportType) {
  EXPECT_EQ(
      ParseContentType("multipart/report; report-type=Delivery-Status; boundary=x").report_type,
      "delivery-status");
}

TEST(HeaderValue, DispositionFileName) {
  EXPECT_EQ(ParseDispositionFileName("attachment; filename=\"a!b!1!2.zip\""), "a!b!1!2.zip");
  EXPECT_EQ(ParseDispositionFileName("attachment; filename*=UTF-8''caf%C3%A9.zip"), "café.zip");
  EXPECT_EQ(ParseDispositionFileName("attachment"), "");
  EXPECT_EQ(ParseDispositionFileName("inline; filename=../../etc/passwd"), "../../etc/passwd");
}

TEST(HeaderValue, NamesAreValidUtf8AndBounded) {
  const std::string name =
      ParseDispositionFileName("attachment; filename=\"\xFF\xFE" + std::string(3000, 'x') + "\"");
  EXPECT_TRUE(IsValidUtf8(name));
  EXPECT_LE(name.size(), kMaxFileNameBytes + 6);
}

TEST(HeaderValue, FirstAddressDomain) {
  EXPECT_EQ(FirstAddressDomain("a@Example.Com"), "example.com");
  EXPECT_EQ(FirstAddressDomain("\"x@evil.test\" <a@example.com>, b@other.test"), "example.com");
  EXPECT_EQ(FirstAddressDomain("Group: a@example.com, b@example.net;"), "example.com");
  EXPECT_EQ(FirstAddressDomain("undisclosed-recipients:;"), "");
  EXPECT_EQ(FirstAddressDomain(""), "");
  EXPECT_EQ(FirstAddressDomain("a@XN--Mller-kva.example"), "xn--mller-kva.example");
  EXPECT_EQ(FirstAddressDomain("a@m\xC3\xBCller.example"), "xn--mller-kva.example");
}

TEST(HeaderValue, SingleAddress) {
  EXPECT_EQ(SingleAddress("a@Example.Com"), "a@example.com");
  EXPECT_EQ(SingleAddress("Re Ports <A.b@example.com>"), "A.b@example.com");
  EXPECT_EQ(SingleAddress("\"x@evil.test, y\" <a@example.com> (b@other.test)"), "a@example.com");
  EXPECT_EQ(SingleAddress("=?utf-8?q?x=40evil=2Etest=2C?= <a@example.com>"), "a@example.com");
  EXPECT_EQ(SingleAddress("a@m\xC3\xBCller.example"), "a@xn--mller-kva.example");
  EXPECT_EQ(SingleAddress("a@example.com <a@example.com>"), "a@example.com");
  EXPECT_EQ(SingleAddress("a@example.com@evil.test"), std::nullopt);
  EXPECT_EQ(SingleAddress("<a@example.com@evil.test>"), std::nullopt);
  EXPECT_EQ(SingleAddress("<a@example.com> <b@evil.test>"), std::nullopt);
  EXPECT_EQ(SingleAddress("<@evil.test:a@example.com>"), std::nullopt);
  EXPECT_EQ(SingleAddress("a@example.com, b@example.com"), std::nullopt);
  EXPECT_EQ(SingleAddress("a@example.com, b"), std::nullopt);
  EXPECT_EQ(SingleAddress("Group: a@example.com;"), std::nullopt);
  EXPECT_EQ(SingleAddress("undisclosed-recipients:;"), std::nullopt);
  EXPECT_EQ(SingleAddress("a@example.com, Group: b@example.com;"), std::nullopt);
  EXPECT_EQ(SingleAddress("root"), std::nullopt);
  EXPECT_EQ(SingleAddress("a@"), std::nullopt);
  EXPECT_EQ(SingleAddress("<>"), std::nullopt);
  EXPECT_EQ(SingleAddress(""), std::nullopt);
}

// What a provider that looks at the brackets lets its user write, and GMime reads as the address in
// front of them.
TEST(HeaderValue, WhatCanBeReadInTwoWaysIsNoSingleAddress) {
  const std::string anchor = "noreply@dmarc.yahoo.com", user = "<attacker@yahoo.com>";
  for (const std::string& value : std::vector<std::string>{
           anchor + "; " + user,
           anchor + ", . " + user,
           anchor + ") " + user,
           anchor + " [" + user,
           "postmaster@amazonses.com;<customer@c.example>",
           anchor + " " + user,
           user + " " + anchor,
           user + "; " + anchor,
           "attacker@yahoo.com <" + anchor + ">",
           "\"" + user + "\" <" + anchor + ">",
           "(" + user + ") <" + anchor + ">",
           "\"x\\\" " + user + " \" <" + anchor + ">",
           "\"x <" + anchor + ">",
           "(x <" + anchor + ">",
           "<attacker@yahoo.com \"x\"@dmarc.yahoo.com>",
           "<\"attacker@yahoo.com\"@dmarc.yahoo.com>",
           "attacker(@yahoo.com)@dmarc.yahoo.com",
           "x: <" + anchor + ">",
           "a@b, <" + anchor + ">",
           "<" + anchor + ">, ",
           "<" + anchor + ">x",
           "<<" + anchor + ">>",
           anchor + ".",
           "noreply@[192.0.2.1]",
       }) {
    EXPECT_EQ(SingleAddress(value), std::nullopt) << value;
  }
  EXPECT_EQ(SingleAddress(std::string("a@example.com\0<b@evil.test>", 27)), std::nullopt);
  constexpr std::string_view kSeparators = ";,:.[]()<>@\"\\ \tx=";
  for (const char a : kSeparators) {
    for (const char b : kSeparators) {
      for (const char c : kSeparators) {
        const std::string separator = {a, b, c};
        EXPECT_EQ(SingleAddress(anchor + separator + user), std::nullopt) << separator;
        EXPECT_EQ(SingleAddress(user + separator + anchor), std::nullopt) << separator;
      }
    }
  }
}

TEST(HeaderValue, SingleAddressOfOrdinaryFields) {
  EXPECT_EQ(SingleAddress("\"Big, Mail\" <a@example.com>"), "a@example.com");
  EXPECT_EQ(SingleAddress("Yahoo! Mail J. Doe <a@example.com>"), "a@example.com");
  EXPECT_EQ(SingleAddress("A@Example.Com <a@example.com>"), "a@example.com");
  EXPECT_EQ(SingleAddress("\"a@example.com\" < a@example.com >"), "a@example.com");
  EXPECT_EQ(SingleAddress(" a_b+c=d@example.com\t(Re (and) ports)"), "a_b+c=d@example.com");
  EXPECT_EQ(SingleAddress("M\xC3\xBCller <a@example.com>"), "a@example.com");
  EXPECT_EQ(SingleAddress("M\xFCller <a@example.com>"), "a@example.com");
  EXPECT_EQ(SingleAddress("<a@m\xC3\xBCller.example>"), "a@xn--mller-kva.example");
}

TEST(HeaderValue, ParameterFloodsAreRead) {  // bounded by UnfoldValue, so this is the longest
  std::string value = "application/gzip";
  for (int i = 0; value.size() < 4000; ++i) value += ";n*" + std::to_string(i) + "=x";
  EXPECT_EQ(ParseContentType(value).type, "application/gzip");
}

}  // namespace
}  // namespace dmarcate
