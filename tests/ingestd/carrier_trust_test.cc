// Real signatures over real report mails, all the way to the class: what an attacker can do with a
// genuine mail or with a domain of his own (safety.md section 3 C).

#include <memory>
#include <string>
#include <vector>

#include "fmt/format.h"
#include "gtest/gtest.h"

#include "ingestd/pipeline/convert.h"
#include "ingestd/pipeline/trust.h"
#include "ingestd/pipeline/verification.h"
#include "lib/base/clock.h"
#include "lib/dns/fake_resolver.h"
#include "lib/mailauth/public_suffix_list.h"
#include "lib/unpack/reading.h"
#include "tests/testing/dkim_signer.h"

namespace dmarcate {
namespace {

using testing_support::DkimSign;
using testing_support::DkimSigning;
using testing_support::DkimTestKey;

const absl::Time kNow = absl::FromUnixSeconds(1'764'633'600);  // 2025-12-02

constexpr char kAnchors[] = R"(
[[anchor]]
name = "Big Mail"
from = "noreply-dmarc@big.example"
signed_by = ["big.example"]
organizations = ["big.example"]
signs_user_mail = true
)";

DomainName Name(std::string_view text) { return DomainName::Parse(text).value(); }

std::string Xml(std::string_view organization, std::string_view email, int count) {
  return fmt::format(
      "<?xml version=\"1.0\"?>\r\n<feedback><report_metadata><org_name>{}</org_name>"
      "<email>{}</email><report_id>1</report_id><date_range><begin>1764547200</begin>"
      "<end>1764633599</end></date_range></report_metadata><policy_published>"
      "<domain>customer.example</domain><p>none</p></policy_published><record><row>"
      "<source_ip>192.0.2.1</source_ip><count>{}</count><policy_evaluated>"
      "<disposition>none</disposition><dkim>pass</dkim><spf>pass</spf></policy_evaluated></row>"
      "<identifiers><header_from>customer.example</header_from></identifiers><auth_results>"
      "<spf><domain>customer.example</domain><result>pass</result></spf></auth_results></record>"
      "</feedback>\r\n",
      organization, email, count);
}

constexpr char kBigAddress[] = "noreply-dmarc@big.example";
const std::string kGenuineXml = Xml("big.example", kBigAddress, 7);
const std::string kFakeXml = Xml("big.example", kBigAddress, 1'000'000);

std::string Mail(std::string_view from, std::string_view body, std::string_view type = "text/xml") {
  return fmt::format(
      "From: {}\r\nTo: r@customer.example\r\n"
      "Subject: Report Domain: customer.example Submitter: big.example Report-ID: 1\r\n"
      "Date: Tue, 02 Dec 2025 00:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: {}\r\n\r\n{}",
      from, type, body);
}

std::string Replaced(std::string text, std::string_view what, std::string_view with) {
  const size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), with);
}

class CarrierTrust : public testing::Test {
 protected:
  CarrierTrust() {
    for (const std::string domain : {"big.example", "evil.example"}) {
      dns_.SetTxt(Name("_dmarc." + domain), {"v=DMARC1; p=reject"});
      dns_.SetTxt(Name("s._domainkey." + domain), {key_.Record()});
      dns_.SetTxt(Name(domain), {"v=spf1 ip4:192.0.2.1 -all"});
    }
  }
  std::string Sign(const std::string& mail, DkimSigning signing = {}) const {
    if (signing.domain == DkimSigning().domain) signing.domain = "big.example";
    return DkimSign(mail, key_, signing);
  }
  // As the pipeline does it; of several reports the best class.
  TrustClass Judge(const std::string& mail, std::optional<Envelope> envelope = std::nullopt) {
    reasons_.clear();
    const Unpacked unpacked = Unpack(mail, {"", kNow}, UnpackLimits());
    TrustClass best = TrustClass::kUnspecified;
    for (const UnpackedReport& report : unpacked.reports) {
      if (!report.aggregate) continue;
      CarrierEvidence evidence;
      evidence.is_mail = unpacked.carrier.is_mail;
      evidence.channel = Channel::kSmtp;
      evidence.received_time = kNow;
      evidence.subject = unpacked.carrier.subject;
      evidence.is_enclosed = IsEnclosed(report);
      if (evidence.is_mail && NeedsCheck(mail, envelope)) {
        evidence.auth = MakeCarrierChecker(dns_, *suffixes_, clock_)(mail, envelope, kNow);
        evidence.one_reading = NeedsReading(*evidence.auth) && HasOneReading(mail, UnpackLimits());
      }
      const TrustVerdict verdict =
          JudgeTrust(evidence, *report.aggregate, anchors_, *suffixes_, kNow);
      reasons_ += fmt::format("{} ", TrustReasonName(verdict.reason));
      if (best == TrustClass::kUnspecified || Rank(verdict.trust) < Rank(best)) {
        best = verdict.trust;
      }
    }
    return best;
  }
  static int Rank(TrustClass trust) { return static_cast<int>(trust); }

  FakeResolver dns_;
  FakeClock clock_{kNow};
  const DkimTestKey key_ = DkimTestKey::Ed25519();
  std::unique_ptr<PublicSuffixList> suffixes_ = BuiltinPublicSuffixList();
  AnchorList anchors_ = *AnchorList::Parse(kAnchors, "anchors", *suffixes_);
  std::string reasons_;
};

const std::vector<std::string> kWithoutType = {"from", "to", "subject", "date"};

TEST_F(CarrierTrust, TheGenuineMailIsAnchored) {
  const std::string mail = Mail(kBigAddress, kGenuineXml);
  EXPECT_EQ(Judge(Sign(mail)), TrustClass::kAnchored) << reasons_;
  EXPECT_EQ(Judge(Sign(mail, {.fields = kWithoutType})), TrustClass::kAnchored) << reasons_;
}

TEST_F(CarrierTrust, WhatIsDoneToAGenuineMailNeverCounts) {
  const std::string mail = Mail(kBigAddress, kGenuineXml);
  const std::string with_length = Sign(mail, {.body = "simple", .body_length = kGenuineXml.size()});
  const std::string without_type = Sign(mail, {.fields = kWithoutType});
  const std::string two_parts = "--a\r\nContent-Type: text/xml\r\n\r\n" + kGenuineXml +
                                "\r\n--a--\r\n--b\r\nContent-Type: text/xml\r\n\r\n" + kFakeXml +
                                "\r\n--b--\r\n";
  const std::string mixed =
      Sign(Mail(kBigAddress, two_parts, "multipart/mixed; boundary=a"), {.fields = kWithoutType});
  const std::string untyped =
      Sign(Replaced(Mail(kBigAddress, two_parts, "x"), "Content-Type: x\r\n", ""));
  const std::string unsigned_subject = Sign(mail, {.fields = {"from", "to", "date"}});
  const std::string old = Sign(mail, {.more_tags = "x=1700000000; t=1600000000; "});
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"appended under l=", with_length + kFakeXml},
      {"l= alone", with_length},
      {"another body", Replaced(Sign(mail), kGenuineXml, kFakeXml)},
      {"another boundary", Replaced(mixed, "boundary=a", "boundary=b")},
      {"two readings", mixed},
      {"a misspelt type", "ContentType: multipart/mixed; boundary=b\r\n" + untyped},
      {"a type that hides it", Replaced(mixed, "multipart/mixed; boundary=a", "text/plain")},
      {"another encoding",
       Replaced(without_type, "Content-Type: text/xml",
                "Content-Transfer-Encoding: base64\r\nContent-Type: application/gzip") +
           "x"},
      {"an extra From in front", "From: noreply-dmarc@big.example\r\n" + Sign(mail)},
      {"another From in front", "From: x@evil.example\r\n" + Sign(mail)},
      {"a From behind",
       Replaced(Sign(mail), "MIME-Version", "From: x@evil.example\r\nMIME-Version")},
      {"an extra Subject", "Subject: x\r\n" + Sign(mail)},
      {"an extra Date", "Date: Wed, 03 Dec 2025 00:00:00 +0000\r\n" + Sign(mail)},
      {"two addresses in From",
       Sign(Mail("noreply-dmarc@big.example, x@evil.example", kGenuineXml))},
      {"Subject not signed", unsigned_subject},
      {"expired", old},
      {"no signature", mail},
      {"signed by another domain", Sign(mail, {.domain = "evil.example"})},
      {"a selector that is not there", Sign(mail, {.selector = "gone"})},
  };
  for (const auto& [name, attack] : cases) {
    EXPECT_FALSE(IsCounted(Judge(attack))) << name << ": " << reasons_;
  }
}

TEST_F(CarrierTrust, AWeakOrRevokedKeyIsNone) {
  const DkimTestKey weak = DkimTestKey::Rsa(512);
  dns_.SetTxt(Name("s._domainkey.big.example"), {weak.Record()});
  const std::string mail = Mail(kBigAddress, kGenuineXml);
  EXPECT_EQ(Judge(DkimSign(mail, weak, {.domain = "big.example"})), TrustClass::kUnverified);
  dns_.SetTxt(Name("s._domainkey.big.example"), {"v=DKIM1; k=ed25519; p="});
  EXPECT_EQ(Judge(Sign(mail)), TrustClass::kUnverified);
}

TEST_F(CarrierTrust, AUserOfTheAnchorIsAtMostAuthenticated) {
  for (int i = 0; i < 50; ++i) {
    const std::string from =
        fmt::format("\"{}\" <user{}@big.example>", i % 2 == 0 ? kBigAddress : "Big", i);
    const std::string xml =
        i % 3 == 0 ? kFakeXml : Xml("big.example", fmt::format("user{}@big.example", i), 9);
    EXPECT_EQ(Judge(Sign(Mail(from, xml))), TrustClass::kAuthenticated) << from << reasons_;
  }
}

// The provider lets its user send what has the user's address in the brackets.
TEST_F(CarrierTrust, AFromThatCanBeReadInTwoWaysIsOfNobody) {
  for (const std::string between : {"; ", ";", ", . ", ") ", " [", " ", " x "}) {
    const std::string from = kBigAddress + between + "<user@big.example>";
    EXPECT_EQ(Judge(Sign(Mail(from, kGenuineXml))), TrustClass::kUnverified) << from << reasons_;
    EXPECT_EQ(reasons_, "from_not_single ") << from;
  }
}

// An auto-reply, say.
TEST_F(CarrierTrust, WhatTheAnchorEnclosesIsAtMostAuthenticated) {
  const std::string inner = Mail("x@evil.example", kFakeXml);
  const std::string answer =
      Mail(kBigAddress,
           "--a\r\n\r\nNobody reads this.\r\n--a\r\nContent-Type: message/rfc822\r\n\r\n" + inner +
               "\r\n--a--\r\n",
           "multipart/mixed; boundary=a");
  EXPECT_EQ(Judge(Sign(answer)), TrustClass::kAuthenticated) << reasons_;
  EXPECT_EQ(reasons_, "enclosed ");
}

TEST_F(CarrierTrust, AnAttackersOwnDomainSpeaksForItself) {
  const auto judge = [&](const std::string& xml, const std::string& from = "dmarc@evil.example") {
    const std::string mail =
        Replaced(Mail(from, xml), "Submitter: big.example", "Submitter: evil.example");
    return Judge(Sign(mail, {.domain = "evil.example"}));
  };
  EXPECT_EQ(judge(Xml("Evil", "dmarc@evil.example", 9)), TrustClass::kAuthenticated) << reasons_;
  EXPECT_EQ(judge(kFakeXml), TrustClass::kQuarantined) << reasons_;
  EXPECT_EQ(judge(Xml("big.example", "dmarc@evil.example", 9)), TrustClass::kQuarantined);
  EXPECT_EQ(judge(Xml("Big Mail", "", 9)), TrustClass::kQuarantined);
  EXPECT_EQ(judge(kFakeXml, kBigAddress), TrustClass::kUnverified) << reasons_;
}

TEST_F(CarrierTrust, AKeyOutOfReachIsWaitedForWhereItMayBeWorthMore) {
  dns_.SetTxt(Name("t._domainkey.big.example"), {key_.Record()});
  const std::string genuine = Sign(Mail(kBigAddress, kGenuineXml));
  DkimSigning partial{.domain = "big.example", .selector = "t"};
  partial.body_length = 1;
  const std::string mail = DkimSign(genuine, key_, partial);
  const auto check = [&] {
    return MakeCarrierChecker(dns_, *suffixes_, clock_)(mail, std::nullopt, kNow);
  };
  dns_.Fail(Name("s._domainkey.big.example"), RrType::kTxt, absl::UnavailableError("servfail"));
  EXPECT_TRUE(check().unreachable) << "the signature that passes covers a part only";
  dns_.Fail(Name("s._domainkey.big.example"), RrType::kTxt, absl::OkStatus());
  EXPECT_FALSE(check().unreachable);
  EXPECT_EQ(Judge(mail), TrustClass::kAnchored) << reasons_;
}

TEST_F(CarrierTrust, SpfAuthenticatesAndNeverAnchors) {
  const Envelope envelope = {.client = IpAddress::Parse("192.0.2.1").value(),
                             .helo = "mx.big.example",
                             .mail_from = "bounce@big.example"};
  const std::string mail = Mail(kBigAddress, kGenuineXml);
  EXPECT_EQ(Judge(mail, envelope), TrustClass::kAuthenticated) << reasons_;
  Envelope stranger = envelope;
  stranger.client = IpAddress::Parse("198.51.100.1").value();
  EXPECT_EQ(Judge(mail, stranger), TrustClass::kUnverified) << reasons_;
  Envelope evil = envelope;
  evil.mail_from = "x@evil.example";
  EXPECT_EQ(Judge(mail, evil), TrustClass::kUnverified) << reasons_;
}

}  // namespace
}  // namespace dmarcate
