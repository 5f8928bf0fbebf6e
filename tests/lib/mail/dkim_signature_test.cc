#include "lib/mail/dkim_signature.h"

#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kHash[] = "bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;";

std::string Signature(std::string_view more) {
  return std::string(" v=1; a=rsa-sha256; d=example.com; s=s1; h=from; b=AAAA; ") + kHash +
         std::string(more);
}

TEST(ParseDkimSignature, ReadsTags) {
  const std::string value =
      "\r\n v = 1 ; a=ed25519-sha256; c=relaxed;\r\n\td=Example.COM; s=A.b; i=joe@X.example.com; "
      "q=x/y:dns/txt; l=12; t=100; x=101; h=From : To\r\n :from; z=From:joe|To:x; unknown=1; "
      "b = AA\r\n AA ; bh=2jUSOH9NhtVGCQWN r9BrIAPreKQjO6Sn7XIkfJVOzv8=";
  const DkimSignature got = ParseDkimSignature(value);
  ASSERT_EQ(got.defect, DkimResult::kNone) << got.reason;
  EXPECT_EQ(got.algorithm, "ed25519-sha256");
  EXPECT_EQ(got.key_type, DkimKeyType::kEd25519);
  EXPECT_EQ(got.domain.text(), "example.com");
  EXPECT_EQ(got.selector, "a.b");
  EXPECT_EQ(got.key_name.text(), "a.b._domainkey.example.com");
  EXPECT_EQ(got.identity_domain.text(), "x.example.com");
  EXPECT_EQ(got.header, DkimCanonicalization::kRelaxed);
  EXPECT_EQ(got.body, DkimCanonicalization::kSimple);
  EXPECT_THAT(got.fields, ElementsAre("from", "to", "from"));
  EXPECT_EQ(got.signature, std::string(3, '\0'));
  EXPECT_EQ(got.body_hash.size(), 32u);
  EXPECT_EQ(got.body_length, 12u);
  EXPECT_EQ(got.signed_at, 100);
  EXPECT_EQ(got.expires_at, 101);
  EXPECT_EQ(value.substr(got.b_begin, got.b_end - got.b_begin), " AA\r\n AA ");
}

TEST(ParseDkimSignature, HasDefaults) {
  const DkimSignature got = ParseDkimSignature(Signature(""));
  ASSERT_EQ(got.defect, DkimResult::kNone) << got.reason;
  EXPECT_EQ(got.header, DkimCanonicalization::kSimple);
  EXPECT_EQ(got.body, DkimCanonicalization::kSimple);
  EXPECT_EQ(got.identity_domain.text(), "example.com");
  EXPECT_FALSE(got.body_length.has_value());
  EXPECT_FALSE(got.expires_at.has_value());
}

TEST(ParseDkimSignature, TakesHugeNumbersForTheLargest) {
  const std::string digits(76, '9');
  const DkimSignature got = ParseDkimSignature(Signature("l=" + digits + "; x=" + digits));
  ASSERT_EQ(got.defect, DkimResult::kNone) << got.reason;
  EXPECT_EQ(got.body_length, std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(got.expires_at, std::numeric_limits<int64_t>::max());
}

struct Case {
  std::string name;
  std::string value;
  DkimResult want;
  std::string reason;
};
const Case kCases[] = {
    {"Nothing", "", DkimResult::kPermError, "v= is missing"},
    {"NoTagList", "hello", DkimResult::kNeutral, "no tag"},
    {"TwiceTheSameTag", Signature("d=example.com"), DkimResult::kNeutral, "twice"},
    {"EightBit", Signature("z=\xff"), DkimResult::kNeutral, "ASCII"},
    {"OtherVersion", "v=2; a=rsa-sha256; d=a.test; s=s; h=from; b=AAAA; bh=AAAA",
     DkimResult::kPermError, "v= is not 1"},
    {"NoVersion", "a=rsa-sha256; d=a.test; s=s; h=from; b=AAAA; bh=AAAA", DkimResult::kPermError,
     "v= is missing"},
    {"NoAlgorithm", "v=1; d=a.test; s=s; h=from; b=AAAA; bh=AAAA", DkimResult::kPermError,
     "a= is missing"},
    {"NoDomain", "v=1; a=rsa-sha256; s=s; h=from; b=AAAA; bh=AAAA", DkimResult::kPermError,
     "d= is missing"},
    {"NoSelector", "v=1; a=rsa-sha256; d=a.test; h=from; b=AAAA; bh=AAAA", DkimResult::kPermError,
     "s= is missing"},
    {"NoFields", "v=1; a=rsa-sha256; d=a.test; s=s; b=AAAA; bh=AAAA", DkimResult::kPermError,
     "h= is missing"},
    {"NoSignature", "v=1; a=rsa-sha256; d=a.test; s=s; h=from; bh=AAAA", DkimResult::kPermError,
     "b= is missing"},
    {"NoBodyHash", "v=1; a=rsa-sha256; d=a.test; s=s; h=from; b=AAAA", DkimResult::kPermError,
     "bh= is missing"},
    {"EmptySignature", std::string("v=1; a=rsa-sha256; d=a.test; s=s; h=from; b=; ") + kHash,
     DkimResult::kNeutral, "b= is not base64"},
    {"BadSignature", std::string("v=1; a=rsa-sha256; d=a.test; s=s; h=from; b=A; ") + kHash,
     DkimResult::kNeutral, "b= is not base64"},
    {"ShortBodyHash", "v=1; a=rsa-sha256; d=a.test; s=s; h=from; b=AAAA; bh=AAAA",
     DkimResult::kNeutral, "SHA-256"},
    {"Sha1", std::string("v=1; a=rsa-sha1; d=a.test; s=s; h=from; b=AAAA; ") + kHash,
     DkimResult::kPermError, "RFC 8301"},
    {"OtherAlgorithm", std::string("v=1; a=x; d=a.test; s=s; h=from; b=AAAA; ") + kHash,
     DkimResult::kPermError, "algorithm 'x'"},
    {"BadDomain", std::string("v=1; a=rsa-sha256; d=a..test; s=s; h=from; b=AAAA; ") + kHash,
     DkimResult::kNeutral, "d= is no domain"},
    {"RootDomain", std::string("v=1; a=rsa-sha256; d=.; s=s; h=from; b=AAAA; ") + kHash,
     DkimResult::kNeutral, "d= is no domain"},
    {"EmptySelector", std::string("v=1; a=rsa-sha256; d=a.test; s=; h=from; b=AAAA; ") + kHash,
     DkimResult::kNeutral, "s= is no selector"},
    {"BlankInSelector", std::string("v=1; a=rsa-sha256; d=a.test; s=a b; h=from; b=AAAA; ") + kHash,
     DkimResult::kNeutral, "s= is no selector"},
    {"FromNotSigned", std::string("v=1; a=rsa-sha256; d=a.test; s=s; h=to; b=AAAA; ") + kHash,
     DkimResult::kPermError, "From"},
    {"EmptyFieldName", std::string("v=1; a=rsa-sha256; d=a.test; s=s; h=from:; b=AAAA; ") + kHash,
     DkimResult::kNeutral, "h="},
    {"OtherCanonicalization", Signature("c=nofws"), DkimResult::kPermError, "canonicalization"},
    {"ThreeCanonicalizations", Signature("c=simple/simple/simple"), DkimResult::kPermError,
     "canonicalization"},
    {"IdentityOutside", Signature("i=joe@notexample.com"), DkimResult::kPermError, "within d="},
    {"IdentityAbove", Signature("i=@com"), DkimResult::kPermError, "within d="},
    {"IdentityWithoutAt", Signature("i=example.com"), DkimResult::kNeutral, "no @"},
    {"OtherQuery", Signature("q=dns/spf"), DkimResult::kPermError, "q="},
    {"BadLength", Signature("l=-1"), DkimResult::kNeutral, "l= is no number"},
    {"BadTime", Signature("t=now"), DkimResult::kNeutral, "t= is no number"},
    {"ExpiresWhenMade", Signature("t=5; x=5"), DkimResult::kPermError, "expires"},
};
class DkimSignatureDefects : public testing::TestWithParam<Case> {};
TEST_P(DkimSignatureDefects, AreNamed) {
  const DkimSignature got = ParseDkimSignature(GetParam().value);
  EXPECT_EQ(got.defect, GetParam().want) << got.reason;
  EXPECT_THAT(got.reason, HasSubstr(GetParam().reason));
}
INSTANTIATE_TEST_SUITE_P(All, DkimSignatureDefects, testing::ValuesIn(kCases),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace dmarcate
