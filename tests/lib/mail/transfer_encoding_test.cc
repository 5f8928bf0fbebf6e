#include "lib/mail/transfer_encoding.h"

#include <string>

#include <gtest/gtest.h>

#include "lib/base/digest.h"

namespace dmarcate {
namespace {

struct Case {
  std::string name;
  std::string text;
  std::string want;
  bool want_lenient = false;
};

const Case kBase64[] = {
    {"Whole", "aGVsbG8gd29ybGQ=", "hello world"},
    {"Lines", "aGVs\r\nbG8g\nd29y\r\n\r\nbGQ=\r\n", "hello world"},
    {"Indented", "  aGVs\tbG8=\n", "hello"},
    {"M14_StrayOctets",
     "aG!Vs\xFF"
     "bG8=",
     "hello", true},
    {"M14_NoPadding", "aGVsbG8", "hello", true},
    {"M14_HalfPadding", "aA=", "h", true},
    {"FullPadding", "aA==", "h"},
    {"M14_FooterBehindPadding", "aGVsbG8=\n______\nscanned by us\n", "hello", true},
    {"M14_PaddedChunks", "aGVsbG8=\nIHdvcmxk\n", "hello world", true},
    {"OneLetterLeft", "aGVsbG8=b", "hello", true},
    {"Empty", "", ""},
    {"OnlyPadding", "====", "", true},
};

class Base64Test : public testing::TestWithParam<Case> {};

TEST_P(Base64Test, Case) {
  const DecodedBody got = DecodeBase64Lenient(GetParam().text);
  EXPECT_EQ(got.data, GetParam().want);
  EXPECT_EQ(got.lenient, GetParam().want_lenient);
}

INSTANTIATE_TEST_SUITE_P(All, Base64Test, testing::ValuesIn(kBase64),
                         [](const auto& test) { return test.param.name; });

TEST(TransferEncodingTest, WhatIsEncodedComesBackUnrepaired) {
  std::string data;
  for (int i = 0; i < 400; ++i) {
    data.push_back(static_cast<char>(i * 37));
    const DecodedBody got = DecodeBase64Lenient(Base64Encode(data));
    EXPECT_EQ(got.data, data);
    EXPECT_FALSE(got.lenient);
  }
}

TEST(TransferEncodingTest, Labels) {
  EXPECT_EQ(ParseTransferEncoding(" BASE64 "), TransferEncoding::kBase64);
  EXPECT_EQ(ParseTransferEncoding("base64; x=y"), TransferEncoding::kBase64);
  EXPECT_EQ(ParseTransferEncoding("Quoted-Printable"), TransferEncoding::kQuotedPrintable);
  EXPECT_EQ(ParseTransferEncoding("x-uuencode"), TransferEncoding::kUuencode);
  EXPECT_EQ(ParseTransferEncoding("8bit"), TransferEncoding::kIdentity);
  EXPECT_EQ(ParseTransferEncoding(""), TransferEncoding::kIdentity);
}

TEST(TransferEncodingTest, QuotedPrintable) {
  EXPECT_EQ(DecodeBody("a=3Db=\r\nc=FF=", TransferEncoding::kQuotedPrintable).data, "a=bc\xFF");
}

TEST(TransferEncodingTest, LooksLikeBase64) {
  EXPECT_TRUE(LooksLikeBase64("H4sIAAAAAAAAA6tWKkktLlGyUlAqS8wpTtVRKi1OLYrPTFGyUjI0MDBQqgUA"));
  EXPECT_FALSE(LooksLikeBase64("This is a report for you."));
  EXPECT_FALSE(LooksLikeBase64("short"));
  EXPECT_FALSE(LooksLikeBase64(""));
}

}  // namespace
}  // namespace dmarcate
