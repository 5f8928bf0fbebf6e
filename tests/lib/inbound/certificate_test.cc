// Certificates and TLSA records, with chains made here.
#include "lib/inbound/certificate.h"

#include <cstdlib>

#include "fmt/format.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/x509.h>

#include "lib/base/digest.h"
#include "lib/inbound/chain_check.h"
#include "lib/inbound/dane.h"
#include "tests/lib/inbound/certificates.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace dmarcate {
namespace {

using inbound_testing::CertificateWish;
using inbound_testing::Identity;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
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
    return VerifyChain(CertificateChain(der), Name(host), *store_, kNow);
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
  const auto certificates = CertificateChain({leaf.Der(), root_.Der()}).Describe();
  ASSERT_THAT(certificates, SizeIs(2));
  const Certificate& certificate = certificates[0];
  EXPECT_EQ(certificate.subject, "CN=mx");
  EXPECT_EQ(certificate.issuer, "CN=root");
  EXPECT_THAT(certificate.names, ElementsAre("mx.example.com", "*.example.net"));
  EXPECT_EQ(certificate.not_before, wish.not_before);
  EXPECT_EQ(certificate.not_after, wish.not_after);
  EXPECT_EQ(certificate.sha256, Sha256Hex(leaf.Der()));
  EXPECT_EQ(certificate.spki_sha256, Sha256Hex(leaf.SpkiDer()));
  EXPECT_EQ(certificates[1].subject, "CN=root");
}

TEST_F(CertificateTest, NothingElseIsOne) {
  for (const std::string& der :
       {std::string(), std::string("x"), root_.Der() + "x", root_.Der().substr(0, 100)}) {
    const CertificateChain chain({der, root_.Der()});
    EXPECT_THAT(chain.Describe(), SizeIs(1)) << "the other one can be read";
    EXPECT_EQ(chain.whole(), nullptr);
  }
  EXPECT_EQ(CertificateChain({}).whole(), nullptr);
}

TEST_F(CertificateTest, NamesAreCut) {
  std::vector<std::string> names(150, "a.example.com");
  names[0] = std::string(300, 'a');
  const auto certificates = CertificateChain({root_.Sign(Valid(names)).Der()}).Describe();
  ASSERT_THAT(certificates, SizeIs(1));
  EXPECT_EQ(certificates[0].names.size(), 100u);
  EXPECT_EQ(certificates[0].names[0].size(), 256u);
}

TEST_F(CertificateTest, AStoreNeedsAuthorities) {
  EXPECT_THAT(TrustStore::Load(directory_.Write("empty.pem", "")),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(TrustStore::Load(directory_.File("none.pem")),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_TRUE(store_->HasAuthorities());
}

// The system's list is where these variables say, if they are set.
class SystemStoreTest : public CertificateTest {
 protected:
  SystemStoreTest() {
    setenv(X509_get_default_cert_file_env(), directory_.File("none.pem").c_str(), 1);
    setenv(X509_get_default_cert_dir_env(), authorities_.path().c_str(), 1);
  }
  ~SystemStoreTest() override {
    unsetenv(X509_get_default_cert_file_env());
    unsetenv(X509_get_default_cert_dir_env());
  }
  ChainProblems Verify(const std::vector<std::string>& chain, std::string_view host) const {
    const auto store = TrustStore::Load();
    EXPECT_THAT(store, IsOk());
    return VerifyChain(CertificateChain(chain), Name(host), **store, kNow);
  }
  const testing_support::TempDir authorities_;
  const std::string leaf_ = root_.Sign(Valid()).Der();
};

TEST_F(SystemStoreTest, WithoutAListNothingIsVerified) {
  directory_.Write("ca-certificates.crt", root_.CertificatePem());  // somewhere else
  authorities_.Write("README", "no authority");
  EXPECT_FALSE(TrustStore::Load().value()->HasAuthorities());
  const ChainProblems problems = Verify({leaf_}, "mx.example.com");
  EXPECT_EQ(problems.not_verified, "no list of public authorities");
  EXPECT_FALSE(problems.none());
  EXPECT_FALSE(problems.untrusted) << "whether it is, nobody knows here";
  EXPECT_THAT(problems.words, IsEmpty());
  const ChainProblems wrong = Verify({leaf_}, "other.example.com");
  EXPECT_TRUE(wrong.wrong_name) << "that can be told";
  EXPECT_THAT(wrong.words, SizeIs(1));
  EXPECT_TRUE(Verify({}, "mx.example.com").untrusted);
}

TEST_F(SystemStoreTest, AFileThatIsEmptyIsNoList) {
  directory_.Write("none.pem", "");
  EXPECT_EQ(Verify({leaf_}, "mx.example.com").not_verified, "no list of public authorities");
}

TEST_F(SystemStoreTest, AFileIsAList) {
  directory_.Write("none.pem", root_.CertificatePem());
  EXPECT_TRUE(Verify({leaf_}, "mx.example.com").none());
}

TEST_F(SystemStoreTest, ADirectoryIsAListOnceSomethingIsInIt) {
  const auto store = TrustStore::Load().value();
  EXPECT_FALSE(store->HasAuthorities());
  const unsigned long hash = X509_subject_name_hash(root_.certificate());
  authorities_.Write(fmt::format("{:08x}.0", hash), root_.CertificatePem());
  EXPECT_TRUE(store->HasAuthorities());
  EXPECT_TRUE(VerifyChain(CertificateChain({leaf_}), Name("mx.example.com"), *store, kNow).none());
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

TlsaRecord RecordOf(uint8_t usage, uint8_t selector, uint8_t matching_type,
                    const Identity& identity) {
  const std::string data = selector == tlsa::kCert ? identity.Der() : identity.SpkiDer();
  TlsaRecord record{usage, selector, matching_type, data};
  if (matching_type == tlsa::kSha256) record.data = Sha256(data);
  if (matching_type == tlsa::kSha512) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    EVP_Digest(data.data(), data.size(), digest, &size, EVP_sha512(), nullptr);
    record.data.assign(reinterpret_cast<const char*>(digest), size);
  }
  return record;
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
};
TEST_P(DaneTest, Matches) {
  const Identity leaf = MakeLeaf();
  const Identity other = Identity::SelfSigned(Valid());
  const Identity& of = GetParam().of == Of::kLeaf     ? leaf
                       : GetParam().of == Of::kMiddle ? middle_
                       : GetParam().of == Of::kRoot   ? root_
                                                      : other;
  const std::vector<DomainName> names = {Name("mx.example.com"), Name("example.com")};
  const TlsaRecord record =
      RecordOf(GetParam().usage, GetParam().selector, GetParam().matching_type, of);
  const auto match =
      MatchTlsa({record}, CertificateChain({leaf.Der(), middle_.Der()}), names, kNow);
  ASSERT_THAT(match, IsOk());
  EXPECT_EQ(match->set, GetParam().want);
  EXPECT_THAT(match->records, ElementsAre(GetParam().want));
  for (const std::vector<std::string>& none : {std::vector<std::string>{}, {"no certificate"}}) {
    const auto nothing = MatchTlsa({record}, CertificateChain(none), names, kNow);
    ASSERT_THAT(nothing, IsOk());
    EXPECT_FALSE(nothing->set);
    EXPECT_THAT(nothing->records, ElementsAre(false));
  }
}
INSTANTIATE_TEST_SUITE_P(All, DaneTest, testing::ValuesIn(kDaneCases),
                         [](const auto& instance) { return instance.param.name; });

// All records of a server together; `want` has the set first, then each record.
class DaneSetTest : public CertificateTest {
 protected:
  std::vector<bool> Match(const std::vector<TlsaRecord>& records,
                          const std::vector<Identity>& chain) const {
    std::vector<std::string> der;
    for (const Identity& one : chain) der.push_back(one.Der());
    const auto match = MatchTlsa(records, CertificateChain(der), {Name("mx.example.com")}, kNow);
    EXPECT_THAT(match, IsOk());
    if (!match.ok()) return {};
    std::vector<bool> out = {match->set};
    out.insert(out.end(), match->records.begin(), match->records.end());
    return out;
  }
  const Identity leaf_ = middle_.Sign(Valid());
  const Identity other_ = Identity::SelfSigned(Valid());
};

// RFC 7671 section 9.
TEST_F(DaneSetTest, AStrongerDigestOutranksAWeakerOne) {
  const TlsaRecord right = RecordOf(3, 1, 1, leaf_);
  EXPECT_THAT(Match({right, RecordOf(3, 1, 2, other_)}, {leaf_}), ElementsAre(false, false, false));
  EXPECT_THAT(Match({RecordOf(3, 1, 2, other_), right}, {leaf_}), ElementsAre(false, false, false));
  EXPECT_THAT(Match({right, RecordOf(3, 1, 2, leaf_)}, {leaf_}), ElementsAre(true, false, true));
  // Another usage or selector, and one in full, are others' business.
  EXPECT_THAT(Match({right, RecordOf(3, 0, 2, other_)}, {leaf_}), ElementsAre(true, true, false));
  EXPECT_THAT(Match({right, RecordOf(2, 1, 2, other_)}, {leaf_}), ElementsAre(true, true, false));
  EXPECT_THAT(Match({RecordOf(3, 1, 0, leaf_), RecordOf(3, 1, 2, other_)}, {leaf_}),
              ElementsAre(true, true, false));
  EXPECT_THAT(Match({right, RecordOf(3, 1, 0, other_)}, {leaf_}), ElementsAre(true, true, false));
  EXPECT_THAT(Match({RecordOf(2, 1, 1, middle_), RecordOf(2, 1, 2, other_)}, {leaf_, middle_}),
              ElementsAre(false, false, false));
}

TEST_F(DaneSetTest, WhatIsNotUsableOutranksNothing) {
  TlsaRecord cut = RecordOf(3, 1, 2, other_);
  cut.data.pop_back();
  EXPECT_THAT(Match({RecordOf(3, 1, 1, leaf_), cut}, {leaf_}), ElementsAre(true, true, false));
  EXPECT_THAT(Match({RecordOf(3, 1, 1, leaf_), RecordOf(3, 1, 7, other_)}, {leaf_}),
              ElementsAre(true, true, false));
}

TEST_F(DaneSetTest, EachRecordThatStandsForTheChainIsTold) {
  EXPECT_THAT(Match({RecordOf(2, 1, 1, root_), RecordOf(2, 0, 1, middle_), RecordOf(3, 0, 1, leaf_),
                     RecordOf(2, 1, 1, other_), RecordOf(2, 1, 1, root_)},
                    {leaf_, middle_, root_}),
              ElementsAre(true, true, true, true, false, true));
  // That an authority is sent along does not make it the server's.
  EXPECT_THAT(
      Match({RecordOf(2, 1, 1, other_), RecordOf(3, 1, 1, leaf_)}, {leaf_, middle_, other_}),
      ElementsAre(true, false, true));
  EXPECT_THAT(Match({}, {leaf_}), ElementsAre(false));
}

TEST_F(DaneSetTest, ADigestOfTheWrongLengthMatchesNothing) {
  TlsaRecord record = RecordOf(3, 1, 1, leaf_);
  EXPECT_THAT(Match({record}, {leaf_}), ElementsAre(true, true));
  record.data.pop_back();
  EXPECT_THAT(Match({record}, {leaf_}), ElementsAre(false, false));
}

TEST_F(DaneSetTest, AKeyThatIsTooLargeIsNotVerifiedWith) {
  const Identity large = Identity::SelfSigned([] {
    CertificateWish wish = Authority("large");
    wish.rsa_bits = kMaxRsaKeyBits + 8;
    return wish;
  }());
  const CertificateChain chain({leaf_.Der(), large.Der()});
  EXPECT_THAT(chain.CheckKeys(), StatusIs(absl::StatusCode::kResourceExhausted));
  const ChainProblems problems = VerifyChain(chain, Name("mx.example.com"), *store_, kNow);
  EXPECT_THAT(problems.not_verified, HasSubstr("a key of 8200 bits"));
  EXPECT_FALSE(problems.none());
  EXPECT_FALSE(problems.untrusted) << "that is not known";
  const auto match = [&](const std::vector<TlsaRecord>& records) {
    return MatchTlsa(records, chain, {Name("mx.example.com")}, kNow);
  };
  EXPECT_THAT(match({RecordOf(2, 1, 1, large)}), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(match({RecordOf(3, 1, 1, other_), RecordOf(2, 1, 1, root_)}),
              StatusIs(absl::StatusCode::kResourceExhausted));
  // Comparing takes no signature.
  ASSERT_THAT(match({RecordOf(3, 1, 1, leaf_), RecordOf(2, 1, 1, root_)}), IsOk());
  EXPECT_TRUE(match({RecordOf(3, 1, 1, leaf_), RecordOf(2, 1, 1, root_)})->set);
  ASSERT_THAT(match({RecordOf(3, 1, 1, other_)}), IsOk());
  EXPECT_FALSE(match({RecordOf(3, 1, 1, other_)})->set);

  CertificateWish most = Authority("most");
  most.rsa_bits = kMaxRsaKeyBits;
  EXPECT_THAT(CertificateChain({leaf_.Der(), Identity::SelfSigned(most).Der()}).CheckKeys(),
              IsOk());
  EXPECT_THAT(CertificateChain({large.Der(), root_.Der()}).CheckKeys(), IsOk())
      << "the server's own";
}

// What is left undone when time is up is not known, step by step.
class ChainCheckTest : public DaneSetTest {
 protected:
  // With time for so many steps.
  MailServerPosture Check(int steps) const {
    MailServerPosture server;
    server.host = Name("mx.example.com");
    server.dane.records = {{RecordOf(3, 1, 1, leaf_)}};
    for (int i = 0; i < 2; ++i) {
      server.probes.emplace_back().probe.chain = {leaf_.Der(), middle_.Der()};
    }
    CheckChains(
        {server.host}, *store_, kNow,
        [&steps] {
          return steps-- > 0 ? absl::OkStatus() : absl::DeadlineExceededError("no time");
        },
        server);
    return server;
  }
};

TEST_F(ChainCheckTest, InTimeAllIsKnown) {
  const MailServerPosture server = Check(6);
  for (const ProbedAddress& seen : server.probes) {
    EXPECT_THAT(seen.certificates, SizeIs(2));
    EXPECT_TRUE(seen.problems.none());
    EXPECT_TRUE(seen.dane_matches);
    EXPECT_THAT(seen.dane_error, IsOk());
  }
  EXPECT_TRUE(server.dane.records[0].usable && server.dane.records[0].matches);
}

TEST_F(ChainCheckTest, OutOfTimeTheRestIsUnknown) {
  for (int steps = 0; steps < 6; ++steps) {
    const MailServerPosture server = Check(steps);
    EXPECT_TRUE(server.dane.records[0].usable) << "that takes no time";
    for (size_t i = 0; i < 2; ++i) {
      const ProbedAddress& seen = server.probes[i];
      const int own = steps - static_cast<int>(i) * 3;
      EXPECT_EQ(seen.certificates.size(), own >= 1 ? 2u : 0u) << steps;
      EXPECT_EQ(seen.problems.not_verified, own >= 2 ? "" : "no time") << steps;
      EXPECT_EQ(seen.problems.none(), own >= 2) << steps;
      EXPECT_EQ(seen.dane_error.ok(), own >= 3) << steps;
      EXPECT_EQ(seen.dane_matches, own >= 3) << steps;
    }
  }
}

}  // namespace
}  // namespace dmarcate
