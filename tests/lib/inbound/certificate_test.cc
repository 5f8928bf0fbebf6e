// Certificates and TLSA records, with chains made here.
#include "lib/inbound/certificate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/digest.h"
#include "lib/inbound/dane.h"
#include "tests/lib/inbound/certificates.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace dmarcate {
namespace {

using inbound_testing::CertificateWish;
using inbound_testing::Identity;
using testing::ElementsAre;
using testing::IsEmpty;
using testing_support::IsOk;
using testing_support::StatusIs;

DomainName Name(std::string_view text) { return DomainName::Parse(text).value(); }
const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

CertificateWish Valid(std::vector<std::string> names = {"mx.example.com"}) {
  return {.names = std::move(names),
          .not_before = kNow - absl::Hours(24),
          .not_after = kNow + absl::Hours(24 * 60)};
}
CertificateWish Authority(std::string subject) {
  CertificateWish wish = Valid({});
  wish.subject = std::move(subject);
  wish.authority = true;
  wish.not_after = kNow + absl::Hours(24 * 3650);
  return wish;
}

class CertificateTest : public testing::Test {
 protected:
  CertificateTest() {
    store_ = TrustStore::Load(directory_.Write("ca.pem", root_.CertificatePem())).value();
  }
  ChainProblems Verify(const std::vector<Identity>& chain,
                       std::string_view host = "mx.example.com") const {
    std::vector<std::string> der;
    for (const Identity& one : chain) der.push_back(one.Der());
    return VerifyChain(der, Name(host), *store_, kNow);
  }
  const testing_support::TempDir directory_;
  const Identity root_ = Identity::SelfSigned(Authority("root"));
  const Identity middle_ = root_.Sign(Authority("middle"));
  std::unique_ptr<TrustStore> store_;
};

TEST_F(CertificateTest, SaysWhatItIs) {
  CertificateWish wish = Valid({"mx.example.com", "*.example.net"});
  wish.subject = "mx";
  const Identity leaf = root_.Sign(wish);
  const auto certificate = ParseCertificate(leaf.Der());
  ASSERT_THAT(certificate, IsOk());
  EXPECT_EQ(certificate->subject, "CN=mx");
  EXPECT_EQ(certificate->issuer, "CN=root");
  EXPECT_THAT(certificate->names, ElementsAre("mx.example.com", "*.example.net"));
  EXPECT_EQ(certificate->not_before, wish.not_before);
  EXPECT_EQ(certificate->not_after, wish.not_after);
  EXPECT_EQ(certificate->sha256, Sha256Hex(leaf.Der()));
  EXPECT_EQ(certificate->spki_sha256, Sha256Hex(leaf.SpkiDer()));
}

TEST_F(CertificateTest, NothingElseIsOne) {
  EXPECT_THAT(ParseCertificate(""), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(ParseCertificate("x"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(ParseCertificate(root_.Der() + "x"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(ParseCertificate(root_.Der().substr(0, 100)),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(CertificateTest, NamesAreCut) {
  std::vector<std::string> names(150, "a.example.com");
  names[0] = std::string(300, 'a');
  const auto certificate = ParseCertificate(root_.Sign(Valid(names)).Der());
  ASSERT_THAT(certificate, IsOk());
  EXPECT_EQ(certificate->names.size(), 100u);
  EXPECT_EQ(certificate->names[0].size(), 256u);
}

TEST_F(CertificateTest, AStoreNeedsAuthorities) {
  EXPECT_THAT(TrustStore::Load(directory_.Write("empty.pem", "")),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(TrustStore::Load(directory_.File("none.pem")),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(TrustStore::Load(), IsOk());
}

TEST_F(CertificateTest, AWholeChainVerifies) {
  EXPECT_TRUE(Verify({root_.Sign(Valid())}).none());
  EXPECT_TRUE(Verify({middle_.Sign(Valid()), middle_}).none());
  EXPECT_THAT(Verify({middle_.Sign(Valid()), middle_}).words, IsEmpty());
  EXPECT_TRUE(Verify({root_.Sign(Valid({"*.example.com"}))}).none());
}

TEST_F(CertificateTest, EachProblemIsSeenApart) {
  const ChainProblems wrong = Verify({root_.Sign(Valid({"other.example.com"}))});
  EXPECT_TRUE(wrong.wrong_name && !wrong.untrusted && !wrong.outside_validity);
  EXPECT_TRUE(Verify({root_.Sign(Valid({"*.com"}))}).wrong_name);
  CertificateWish common = Valid({});
  common.subject = "mx.example.com";
  EXPECT_TRUE(Verify({root_.Sign(common)}).wrong_name) << "a common name is no alternative name";
  EXPECT_TRUE(Verify({root_.Sign(Valid({"m*.example.com"}))}).wrong_name);

  const ChainProblems self = Verify({Identity::SelfSigned(Valid())});
  EXPECT_TRUE(self.untrusted && !self.wrong_name && !self.outside_validity);
  EXPECT_TRUE(Verify({middle_.Sign(Valid())}).untrusted) << "the issuer is not sent";
  EXPECT_TRUE(Verify({}).untrusted);

  CertificateWish old = Valid();
  old.not_after = kNow - absl::Hours(1);
  const ChainProblems expired = Verify({root_.Sign(old)});
  EXPECT_TRUE(expired.outside_validity && !expired.untrusted && !expired.wrong_name);
  EXPECT_THAT(expired.words, ElementsAre("certificate has expired"));
  CertificateWish early = Valid();
  early.not_before = kNow + absl::Hours(1);
  EXPECT_TRUE(Verify({root_.Sign(early)}).outside_validity);

  const ChainProblems all = Verify({Identity::SelfSigned(old)}, "other.example.com");
  EXPECT_TRUE(all.untrusted && all.wrong_name && all.outside_validity);
}

// RFC 7672 section 3.1: each usage, selector and matching type that SMTP knows.
struct DaneCase {
  std::string name;
  uint8_t usage;
  uint8_t selector;
  uint8_t matching_type;
  enum class Of { kLeaf, kMiddle, kRoot, kOther } of;
  enum class Leaf { kValid, kExpired, kOtherName, kDomainsName } leaf = Leaf::kValid;
  bool want = true;
};
using Of = DaneCase::Of;
using Leaf = DaneCase::Leaf;
const DaneCase kDaneCases[] = {
    {"EeSpkiSha256", 3, 1, 1, Of::kLeaf},
    {"EeSpkiSha512", 3, 1, 2, Of::kLeaf},
    {"EeSpkiFull", 3, 1, 0, Of::kLeaf},
    {"EeCertSha256", 3, 0, 1, Of::kLeaf},
    {"EeCertSha512", 3, 0, 2, Of::kLeaf},
    {"EeCertFull", 3, 0, 0, Of::kLeaf},
    {"EeLooksAtNoTime", 3, 1, 1, Of::kLeaf, Leaf::kExpired},
    {"EeLooksAtNoName", 3, 1, 1, Of::kLeaf, Leaf::kOtherName},
    {"EeOfAnotherKey", 3, 1, 1, Of::kOther, Leaf::kValid, false},
    {"EeOfAnotherCertificate", 3, 0, 1, Of::kOther, Leaf::kValid, false},
    {"EeOfTheIssuer", 3, 1, 1, Of::kMiddle, Leaf::kValid, false},
    {"TaSpkiSha256", 2, 1, 1, Of::kMiddle},
    {"TaSpkiSha512", 2, 1, 2, Of::kMiddle},
    {"TaSpkiFull", 2, 1, 0, Of::kMiddle},
    {"TaCertSha256", 2, 0, 1, Of::kMiddle},
    {"TaCertSha512", 2, 0, 2, Of::kMiddle},
    {"TaCertFull", 2, 0, 0, Of::kMiddle},
    {"TaLooksAtTimes", 2, 1, 1, Of::kMiddle, Leaf::kExpired, false},
    {"TaLooksAtNames", 2, 1, 1, Of::kMiddle, Leaf::kOtherName, false},
    {"TaTakesTheDomainsName", 2, 1, 1, Of::kMiddle, Leaf::kDomainsName},
    {"TaThatIsNotSent", 2, 1, 1, Of::kRoot, Leaf::kValid, false},
    {"TaOfAnother", 2, 1, 1, Of::kOther, Leaf::kValid, false},
    {"PkixEeIsNotForSmtp", 1, 1, 1, Of::kLeaf, Leaf::kValid, false},
    {"PkixTaIsNotForSmtp", 0, 1, 1, Of::kMiddle, Leaf::kValid, false},
    {"UnknownUsage", 4, 1, 1, Of::kLeaf, Leaf::kValid, false},
    {"UnknownSelector", 3, 2, 1, Of::kLeaf, Leaf::kValid, false},
    {"UnknownMatchingType", 3, 1, 3, Of::kLeaf, Leaf::kValid, false},
};
class DaneTest : public CertificateTest, public testing::WithParamInterface<DaneCase> {
 protected:
  Identity MakeLeaf() const {
    CertificateWish wish = Valid();
    if (GetParam().leaf == Leaf::kExpired) wish.not_after = kNow - absl::Hours(1);
    if (GetParam().leaf == Leaf::kOtherName) wish.names = {"other.example.net"};
    if (GetParam().leaf == Leaf::kDomainsName) wish.names = {"example.com"};
    wish.subject = wish.names[0];
    return middle_.Sign(wish);
  }
  static TlsaRecord RecordOf(const DaneCase& wanted, const Identity& identity) {
    const std::string data = wanted.selector == tlsa::kCert ? identity.Der() : identity.SpkiDer();
    TlsaRecord record{wanted.usage, wanted.selector, wanted.matching_type, data};
    if (wanted.matching_type == tlsa::kSha256) record.data = Sha256(data);
    if (wanted.matching_type == tlsa::kSha512) {
      unsigned char digest[EVP_MAX_MD_SIZE];
      unsigned int size = 0;
      EVP_Digest(data.data(), data.size(), digest, &size, EVP_sha512(), nullptr);
      record.data.assign(reinterpret_cast<const char*>(digest), size);
    }
    return record;
  }
};
TEST_P(DaneTest, Matches) {
  const Identity leaf = MakeLeaf();
  const Identity other = Identity::SelfSigned(Valid());
  const Identity& of = GetParam().of == Of::kLeaf     ? leaf
                       : GetParam().of == Of::kMiddle ? middle_
                       : GetParam().of == Of::kRoot   ? root_
                                                      : other;
  const std::vector<DomainName> names = {Name("mx.example.com"), Name("example.com")};
  const TlsaRecord record = RecordOf(GetParam(), of);
  EXPECT_EQ(MatchesTlsa(record, {leaf.Der(), middle_.Der()}, names, kNow), GetParam().want);
  EXPECT_FALSE(MatchesTlsa(record, {}, names, kNow));
  EXPECT_FALSE(MatchesTlsa(record, {"no certificate"}, names, kNow));
}
INSTANTIATE_TEST_SUITE_P(All, DaneTest, testing::ValuesIn(kDaneCases),
                         [](const auto& instance) { return instance.param.name; });

TEST_F(CertificateTest, ADigestOfTheWrongLengthMatchesNothing) {
  const Identity leaf = Identity::SelfSigned(Valid());
  TlsaRecord record{3, 1, 1, Sha256(leaf.SpkiDer())};
  EXPECT_TRUE(MatchesTlsa(record, {leaf.Der()}, {Name("mx.example.com")}, kNow));
  record.data.pop_back();
  EXPECT_FALSE(MatchesTlsa(record, {leaf.Der()}, {Name("mx.example.com")}, kNow));
}

}  // namespace
}  // namespace dmarcate
