#include "lib/inspect/carrier_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/status_macros.h"
#include "lib/dns/fake_resolver.h"
#include "lib/mailauth/public_suffix_list.h"
#include "tests/testing/dkim_signer.h"

namespace dmarcate {
namespace {

using testing_support::DkimSign;
using testing_support::DkimSigning;
using testing_support::DkimTestKey;

const absl::Time kNow = absl::FromUnixSeconds(1'760'000'000);
const absl::Status kServfail = absl::UnavailableError("servfail");

DomainName Name(std::string_view text) { return DomainName::Parse(text).value(); }

std::string_view Text(DmarcResult result) {
  switch (result) {
    case DmarcResult::kNone:
      return "none";
    case DmarcResult::kPass:
      return "pass";
    case DmarcResult::kFail:
      return "fail";
    case DmarcResult::kTempError:
      return "temperror";
    case DmarcResult::kPermError:
      return "permerror";
  }
  return "";
}

std::string Mail(std::string_view from) {
  return fmt::format(
      "From: {}\r\nTo: r@example.net\r\nSubject: Report Domain: example.net\r\n"
      "Date: Mon, 1 Jan 2024 00:00:00 +0000\r\n\r\nHello.\r\n",
      from);
}

class CheckCarrierTest : public testing::Test {
 protected:
  CheckCarrierTest() {
    dns_.SetTxt(Name("_dmarc.example.com"), {"v=DMARC1; p=reject"});
    dns_.SetTxt(Name("example.com"), {"v=spf1 ip4:192.0.2.1 -all"});
    dns_.SetTxt(Name("bounce.example.com"), {"v=spf1 ip4:192.0.2.1 -all"});
    dns_.SetTxt(Name("other.test"), {"v=spf1 ip4:192.0.2.1 -all"});
    for (const std::string domain : {"example.com", "mail.example.com", "other.test", "a.co.uk"}) {
      dns_.SetTxt(Name("s._domainkey." + domain), {key_.Record()});
    }
  }

  std::string Signed(const std::string& mail, const std::string& domain) const {
    return DkimSign(mail, key_, DkimSigning{.domain = domain});
  }
  CarrierAuth Check(const std::string& mail, const std::string& mail_from = "none") {
    std::optional<CarrierEnvelope> envelope;
    if (mail_from != "none") {
      envelope = CarrierEnvelope{IpAddress::Parse("192.0.2.1").value(), "example.com", mail_from};
    }
    return CheckCarrier(mail, envelope, dns_, *suffixes_, clock_, kNow);
  }
  // "pass dkim spf unreachable"
  std::string Summary(const std::string& mail, const std::string& mail_from = "none") {
    const CarrierAuth auth = Check(mail, mail_from);
    std::string out(Text(auth.dmarc));
    for (const DkimCheck& check : auth.dkim) {
      if (check.result == DkimResult::kPass && check.aligned) out += " dkim";
    }
    if (auth.spf.result == SpfResult::kPass && auth.spf.aligned) out += " spf";
    if (auth.unreachable) out += " unreachable";
    return out;
  }

  FakeResolver dns_;
  FakeClock clock_{kNow};
  const DkimTestKey key_ = DkimTestKey::Ed25519();
  const std::unique_ptr<PublicSuffixList> suffixes_ = BuiltinPublicSuffixList();
  const std::string mail_ = Mail("Reports <dmarc@example.com>");
};

TEST_F(CheckCarrierTest, SaysAllAboutAGoodMail) {
  const CarrierAuth auth = Check(Signed(mail_, "mail.example.com"), "x@bounce.example.com");
  EXPECT_EQ(auth.from_fields, 1u);
  EXPECT_EQ(auth.from_address, "dmarc@example.com");
  EXPECT_EQ(auth.from_domain, "example.com");
  EXPECT_EQ(auth.signatures, 1u);
  ASSERT_EQ(auth.dkim.size(), 1u);
  EXPECT_EQ(auth.dkim[0].result, DkimResult::kPass) << auth.dkim[0].reason;
  EXPECT_EQ(auth.dkim[0].domain, "mail.example.com");
  EXPECT_TRUE(auth.dkim[0].aligned);
  EXPECT_TRUE(auth.dkim[0].covers_body);
  EXPECT_TRUE(auth.dkim[0].covers_identity);
  EXPECT_EQ(auth.spf.result, SpfResult::kPass);
  EXPECT_EQ(auth.spf.domain, "bounce.example.com");
  EXPECT_TRUE(auth.spf.aligned);
  EXPECT_EQ(auth.dmarc, DmarcResult::kPass);
  EXPECT_FALSE(auth.unreachable);
}

TEST_F(CheckCarrierTest, PassesByEitherAlignedIdentifier) {
  EXPECT_EQ(Summary(Signed(mail_, "example.com")), "pass dkim");
  EXPECT_EQ(Summary(Signed(mail_, "other.test")), "fail");
  EXPECT_EQ(Summary(mail_, "a@example.com"), "pass spf");
  EXPECT_EQ(Summary(mail_, "a@other.test"), "fail");
  EXPECT_EQ(Summary(mail_, ""), "pass spf");  // HELO
  EXPECT_EQ(Summary(Signed(mail_, "other.test"), "a@example.com"), "pass spf");
  EXPECT_EQ(Summary(Signed(mail_, "example.com"), "a@other.test"), "pass dkim");
  EXPECT_EQ(Summary(Signed(Signed(mail_, "example.com"), "other.test")), "pass dkim");
  EXPECT_EQ(Summary(mail_), "fail");
  EXPECT_EQ(Summary(Signed(mail_, "example.com") + "changed"), "fail");
}

TEST_F(CheckCarrierTest, FollowsTheModesOfThePolicy) {
  dns_.SetTxt(Name("_dmarc.example.com"), {"v=DMARC1; p=none; adkim=s"});
  EXPECT_EQ(Summary(Signed(mail_, "mail.example.com"), "a@bounce.example.com"), "pass spf");
  EXPECT_EQ(Summary(Signed(mail_, "example.com")), "pass dkim");
  dns_.SetTxt(Name("_dmarc.example.com"), {"v=DMARC1; p=none; aspf=s"});
  EXPECT_EQ(Summary(Signed(mail_, "mail.example.com"), "a@bounce.example.com"), "pass dkim");
  dns_.SetTxt(Name("_dmarc.example.com"), {"v=DMARC1; p=none; aspf=s; adkim=s"});
  EXPECT_EQ(Summary(Signed(mail_, "mail.example.com"), "a@bounce.example.com"), "fail");
}

TEST_F(CheckCarrierTest, FindsThePolicyOfASubdomain) {
  EXPECT_EQ(Summary(Signed(Mail("a@sub.example.com"), "mail.example.com")), "pass dkim");
}

TEST_F(CheckCarrierTest, NeedsBothWaysToTheOrganizationalDomain) {
  // A suffix on the list, though nobody says psd=y.
  dns_.SetTxt(Name("_dmarc.co.uk"), {"v=DMARC1; p=none"});
  EXPECT_EQ(Summary(Signed(Mail("x@b.co.uk"), "a.co.uk")), "fail");
  // A domain that stands apart.
  dns_.SetTxt(Name("_dmarc.mail.example.com"), {"v=DMARC1; p=none; psd=n"});
  EXPECT_EQ(Summary(Signed(mail_, "mail.example.com")), "fail");
}

TEST_F(CheckCarrierTest, HasNoResultWithoutAPolicy) {
  dns_.Remove(Name("_dmarc.example.com"));
  EXPECT_EQ(Summary(Signed(mail_, "mail.example.com")), "none dkim");
  EXPECT_EQ(Summary(mail_, "a@bounce.example.com"), "none spf");
  EXPECT_EQ(Summary(Signed(mail_, "other.test")), "none");
  dns_.SetTxt(Name("_dmarc.example.com"), {"v=DMARC1; p=none; p=reject"});
  EXPECT_EQ(Summary(Signed(mail_, "example.com")), "permerror dkim");
  dns_.SetTxt(Name("_dmarc.example.com"), {"v=DMARC1; p=none", "v=DMARC1; p=none"});
  EXPECT_EQ(Summary(Signed(mail_, "example.com")), "none dkim");
}

TEST_F(CheckCarrierTest, NeedsOneFromWithOneAddress) {
  const auto from_fields = [&](const std::string& mail) { return Check(mail).from_fields; };
  const std::string two = "From: x@other.test\r\n" + mail_;
  EXPECT_EQ(Summary(Signed(two, "example.com"), "a@example.com"), "permerror");
  EXPECT_EQ(from_fields(two), 2u);
  const std::string added = "X: y\r\nFrom: x@other.test\r\n" + Signed(mail_, "example.com");
  EXPECT_EQ(Summary(added), "permerror");
  EXPECT_EQ(Check(added).dkim.at(0).result, DkimResult::kPolicy);
  EXPECT_EQ(Summary("To: r@example.net\r\n\r\nHello.\r\n", "a@example.com"), "permerror");
  EXPECT_EQ(from_fields("To: r@example.net\r\n\r\nHello.\r\n"), 0u);
  EXPECT_EQ(Summary(Signed(Mail("a@example.com, b@example.com"), "example.com")), "permerror");
  EXPECT_EQ(Summary(Signed(Mail("Us: a@example.com;"), "example.com")), "permerror");
  EXPECT_EQ(Summary(Signed(Mail("root"), "example.com")), "permerror");
  EXPECT_EQ(Summary(Signed(Mail("a@[192.0.2.1]"), "example.com")), "permerror");
  const std::string long_from = "a@example.com" + std::string(5000, ' ') + ", b@other.test";
  EXPECT_EQ(Summary(Signed(Mail(long_from), "example.com")), "permerror");
  EXPECT_EQ(Check(Mail("\"x@other.test\" <a@EXAMPLE.com>")).from_address, "a@example.com");
}

TEST_F(CheckCarrierTest, ProvesNothingAboutWhatIsNoMail) {
  EXPECT_EQ(Summary(""), "permerror");
  EXPECT_EQ(Summary("\x1f\x8b\x08"), "permerror");
  std::string many;
  for (int i = 0; i < 1001; ++i) many += "A: b\r\n";
  EXPECT_EQ(Summary(Signed(many + mail_, "example.com"), "a@other.test"), "permerror");
  EXPECT_EQ(Check(many + mail_, "a@example.com").spf.result, SpfResult::kPass);
}

TEST_F(CheckCarrierTest, TellsAFailureFromAKeyOutOfReach) {
  dns_.Fail(Name("s._domainkey.example.com"), RrType::kTxt, kServfail);
  EXPECT_EQ(Summary(Signed(mail_, "example.com")), "temperror unreachable");
  // SPF passes, but the signature would prove more.
  EXPECT_EQ(Summary(Signed(mail_, "example.com"), "a@example.com"), "pass spf unreachable");
  // Another signature has passed. That of the d= out of reach may be an anchor's.
  EXPECT_EQ(Summary(Signed(Signed(mail_, "example.com"), "mail.example.com")),
            "pass dkim unreachable");
  dns_.SetTxt(Name("t._domainkey.example.com"), {key_.Record()});
  DkimSigning same{.domain = "example.com", .selector = "t"};
  EXPECT_EQ(Summary(DkimSign(Signed(mail_, "example.com"), key_, same)), "pass dkim");
  same.body_length = 1;
  EXPECT_EQ(Summary(DkimSign(Signed(mail_, "example.com"), key_, same)), "pass dkim unreachable");
  // The key cannot change the result of a mail that was changed.
  EXPECT_EQ(Summary(Signed(mail_, "example.com") + "changed"), "fail");
  dns_.Fail(Name("s._domainkey.other.test"), RrType::kTxt, kServfail);
  EXPECT_EQ(Summary(Signed(mail_, "other.test")), "fail");
  EXPECT_EQ(Check(Signed(mail_, "other.test")).dkim.at(0).result, DkimResult::kTempError);
  dns_.Remove(Name("_dmarc.example.com"));
  EXPECT_EQ(Summary(Signed(mail_, "example.com")), "none unreachable");
}

TEST_F(CheckCarrierTest, TellsAFailureFromSpfOutOfReach) {
  dns_.Fail(Name("bounce.example.com"), RrType::kTxt, kServfail);
  EXPECT_EQ(Summary(mail_, "a@bounce.example.com"), "temperror unreachable");
  EXPECT_EQ(Check(mail_, "a@bounce.example.com").spf.result, SpfResult::kTempError);
  EXPECT_EQ(Summary(Signed(mail_, "example.com"), "a@bounce.example.com"), "pass dkim");
  dns_.Fail(Name("other.test"), RrType::kTxt, kServfail);
  EXPECT_EQ(Summary(mail_, "a@other.test"), "fail");
}

TEST_F(CheckCarrierTest, TellsNoPolicyFromOneOutOfReach) {
  dns_.Fail(Name("_dmarc.example.com"), RrType::kTxt, kServfail);
  EXPECT_EQ(Summary(Signed(mail_, "example.com")), "temperror dkim unreachable");
  EXPECT_EQ(Summary(Signed(mail_, "mail.example.com")), "temperror unreachable");
  // Whatever the policy says, this does not pass.
  EXPECT_EQ(Summary(Signed(mail_, "other.test"), "a@other.test"), "temperror");
  EXPECT_EQ(Summary(mail_), "temperror");
  dns_.Fail(Name("_dmarc.example.com"), RrType::kTxt, absl::OkStatus());
  dns_.Fail(Name("_dmarc.mail.example.com"), RrType::kTxt, kServfail);
  EXPECT_EQ(Summary(Signed(mail_, "mail.example.com")), "temperror unreachable");
  EXPECT_EQ(Summary(Signed(mail_, "mail.example.com"), "a@example.com"), "pass spf unreachable");
}

TEST_F(CheckCarrierTest, EverythingOutOfReachIsNoFailure) {
  dns_.FailAll(kServfail);
  EXPECT_EQ(Summary(Signed(mail_, "example.com"), "a@example.com"), "temperror unreachable");
  EXPECT_EQ(Summary(Mail("a@b@c"), "a@example.com"), "permerror");
}

TEST_F(CheckCarrierTest, ChecksTheTimesOfSignatures) {
  DkimSigning signing;
  signing.more_tags = "x=1759999999; ";
  const std::string mail = DkimSign(mail_, key_, signing);
  EXPECT_EQ(Summary(mail), "fail");
  EXPECT_EQ(
      CheckCarrier(mail, std::nullopt, dns_, *suffixes_, clock_, kNow - absl::Seconds(1)).dmarc,
      DmarcResult::kPass);
}

TEST_F(CheckCarrierTest, TakesRsa) {
  dns_.SetTxt(Name("s._domainkey.example.com"), {DkimTestKey::Rsa().Record()});
  EXPECT_EQ(Summary(DkimSign(mail_, DkimTestKey::Rsa(), {})), "pass dkim");
}

TEST_F(CheckCarrierTest, NeverReadsWhatOthersClaim) {
  EXPECT_EQ(Summary("Authentication-Results: mx.example.net; dmarc=pass; dkim=pass "
                    "header.d=example.com; spf=pass\r\nReceived-SPF: pass\r\n" +
                    mail_),
            "fail");
}

TEST_F(CheckCarrierTest, AsksEachQuestionOnceAndOnlySoMany) {
  std::string mail = mail_;
  for (int i = 0; i < 6; ++i) mail = Signed(mail, "example.com");
  Check(mail, "a@example.com");
  std::vector<FakeResolver::Query> queries = dns_.queries();
  std::ranges::sort(queries);
  EXPECT_EQ(std::ranges::adjacent_find(queries), queries.end());
  EXPECT_LE(queries.size(), 5u);  // key, SPF, _dmarc of two names

  // The most that SPF may ask for, each exchange under a name of its own.
  std::string terms = "v=spf1";
  for (int i = 0; i < 10; ++i) {
    terms += fmt::format(" mx:m{}.test", i);
    std::vector<MxRecord> exchanges;
    for (int j = 0; j < 10; ++j) exchanges.push_back({10, Name(fmt::format("e{}.m{}.test", j, i))});
    dns_.SetMx(Name(fmt::format("m{}.test", i)), exchanges);
    for (const MxRecord& mx : exchanges) dns_.SetA(mx.exchange, {"198.51.100.1"});
  }
  dns_.SetTxt(Name("bounce.example.com"), {terms + " -all"});
  dns_.ClearQueries();
  EXPECT_EQ(Summary(mail, "a@bounce.example.com"), "pass dkim dkim dkim dkim dkim");
  EXPECT_GT(dns_.queries().size(), 100u);
  EXPECT_LE(dns_.queries().size(), static_cast<size_t>(kMaxCarrierLookups));
}

// Takes its time for each question; names below silent.test are never answered.
class SlowResolver final : public Resolver {
 public:
  SlowResolver(Resolver& resolver, FakeClock& clock, absl::Duration takes)
      : resolver_(resolver), clock_(clock), takes_(takes) {}
  absl::StatusOr<DnsAnswer> Lookup(const DomainName& name, RrType type) override {
    clock_.Advance(takes_);
    if (name.IsAtOrBelow(Name("silent.test"))) return absl::DeadlineExceededError("silence");
    return resolver_.Lookup(name, type);
  }

 private:
  Resolver& resolver_;
  FakeClock& clock_;
  const absl::Duration takes_;
};

class CarrierTimeTest : public CheckCarrierTest {
 protected:
  CarrierAuth CheckSlowly(const std::string& mail, absl::Duration takes) {
    SlowResolver slow(dns_, clock_, takes);
    const absl::Duration begin = clock_.Monotonic();
    const CarrierEnvelope envelope{IpAddress::Parse("192.0.2.1").value(), "example.com",
                                   "a@silent.test"};
    CarrierAuth auth = CheckCarrier(mail, envelope, slow, *suffixes_, clock_, kNow);
    took_ = clock_.Monotonic() - begin;
    return auth;
  }
  absl::Duration took_;
};

TEST_F(CarrierTimeTest, EndsWhileTheSendersServersAreSilent) {
  std::string mail = Mail("a@silent.test");
  for (int i = 0; i < 5; ++i) mail = Signed(mail, fmt::format("d{}.silent.test", i));
  const CarrierAuth auth = CheckSlowly(mail, absl::Seconds(5));
  EXPECT_TRUE(auth.unreachable);
  EXPECT_LE(took_, kMaxCarrierTimeOuts * absl::Seconds(5));
}

TEST_F(CarrierTimeTest, EndsWhileEveryAnswerIsSlow) {
  std::string mail = mail_;
  for (int i = 0; i < 5; ++i) mail = Signed(mail, fmt::format("d{}.example.com", i));
  const CarrierAuth auth = CheckSlowly(mail, absl::Seconds(9));
  EXPECT_TRUE(auth.unreachable) << "what was not asked is not known";
  EXPECT_LE(took_, kCarrierAskingTime + absl::Seconds(9));
}

TEST_F(CarrierTimeTest, AFewSilentServersDoNotHideWhatPasses) {
  std::string mail = Signed(mail_, "example.com");
  mail = Signed(Signed(mail, "a.silent.test"), "b.silent.test");
  EXPECT_EQ(CheckSlowly(mail, absl::Seconds(2)).dmarc, DmarcResult::kPass);
}

}  // namespace
}  // namespace dmarcate
