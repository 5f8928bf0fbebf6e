#include "lib/inspect/posture.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/status_macros.h"
#include "lib/dns/fake_resolver.h"

namespace dmarcate {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kKey[] = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

DomainName Name(std::string_view text) { return DomainName::Parse(text).value(); }

std::vector<std::string> Codes(const std::vector<LintFinding>& findings) {
  std::vector<std::string> codes;
  for (const LintFinding& finding : findings) codes.push_back(finding.code);
  return codes;
}

class PostureTest : public testing::Test {
 protected:
  PostureTest() {
    servers_.AddZone(domain_);
    Txt("example.com", {"v=spf1 ip4:192.0.2.0/24 -all", "site=1"});
    Txt("_dmarc.example.com", {"v=DMARC1; p=reject; rua=mailto:r@example.com"});
    Txt("s1._domainkey.example.com", {kKey});
    Txt("_mta-sts.example.com", {"v=STSv1; id=20261130"});
    Txt("_smtp._tls.example.com", {"v=TLSRPTv1; rua=mailto:tls@example.com"});
    dns_.SetMx(domain_, {{10, Name("mx.example.com")}});
    for (const size_t index : {0u, 1u}) {
      servers_.server(domain_, index).SetMx(domain_, {{10, Name("mx.example.com")}});
    }
    options_.selectors = {"s1"};
  }
  // In both views.
  void Txt(std::string_view name, const std::vector<std::string>& texts) {
    dns_.SetTxt(Name(name), texts);
    servers_.SetTxt(Name(name), texts);
  }
  Posture Inspect() { return InspectDomain(domain_, dns_, servers_, clock_, options_); }

  const DomainName domain_ = Name("example.com");
  FakeResolver dns_;
  FakeAuthoritativeResolver servers_;
  FakeClock clock_{absl::UnixEpoch()};
  PostureOptions options_;
};

TEST_F(PostureTest, AGoodDomainPasses) {
  const Posture posture = Inspect();
  EXPECT_EQ(posture.verdict, Verdict::kPass);
  EXPECT_THAT(Codes(posture.AllFindings()), IsEmpty());
  EXPECT_TRUE(posture.consistent);
  EXPECT_THAT(posture.unreachable, IsEmpty());
  EXPECT_EQ(posture.read_time, absl::UnixEpoch());
  EXPECT_EQ(posture.spf.text, "v=spf1 ip4:192.0.2.0/24 -all");
  EXPECT_EQ(posture.spf.judgement.reason, "0 of 10 look-ups, 256 IPv4 addresses");
  EXPECT_EQ(posture.spf.ttl_seconds, 300u);
  EXPECT_EQ(posture.spf.view.servers->servers.size(), 2u);
  EXPECT_EQ(posture.dmarc.judgement.reason, "reject is applied");
  EXPECT_EQ(posture.dkim[0].judgement.reason, "ed25519 key of 256 bits");
  ASSERT_EQ(posture.mx.records.size(), 1u);
  EXPECT_EQ(posture.mx.judgement.verdict, Verdict::kPass);
  EXPECT_EQ(posture.mta_sts.judgement.verdict, Verdict::kPass);
  EXPECT_EQ(posture.mta_sts.judgement.reason, "announces the policy 20261130");
  EXPECT_EQ(posture.mta_sts.record->id, "20261130");
  EXPECT_EQ(posture.tls_rpt.judgement.verdict, Verdict::kPass);
  EXPECT_EQ(posture.tls_rpt.judgement.reason, "senders report to 1 address");
}

TEST_F(PostureTest, MonitoringIsAWarning) {
  Txt("_dmarc.example.com", {"v=DMARC1; p=none; rua=mailto:r@example.com"});
  const Posture posture = Inspect();
  EXPECT_EQ(posture.dmarc.judgement.verdict, Verdict::kWarn);
  EXPECT_THAT(posture.dmarc.judgement.reason, HasSubstr("monitoring only"));
  EXPECT_FALSE(posture.dmarc.judgement.fix.empty());
  EXPECT_EQ(posture.verdict, Verdict::kWarn);
}

TEST_F(PostureTest, MissingRecordsFail) {
  Txt("example.com", {"site=1"});
  Txt("_dmarc.example.com", {});
  Txt("s1._domainkey.example.com", {});
  const Posture posture = Inspect();
  EXPECT_EQ(posture.verdict, Verdict::kFail);
  EXPECT_THAT(Codes(posture.AllFindings()),
              ElementsAre("SPF_MISSING", "DMARC_MISSING", "DKIM_MISSING"));
}

TEST_F(PostureTest, SeveralRecordsFail) {
  Txt("example.com", {"v=spf1 -all", "v=spf1 ~all"});
  Txt("_dmarc.example.com", {"v=DMARC1; p=none", "v=DMARC1; p=reject"});
  Txt("s1._domainkey.example.com", {kKey, "v=DKIM1; p="});
  EXPECT_THAT(Codes(Inspect().AllFindings()),
              ElementsAre("SPF_MULTIPLE", "DMARC_MULTIPLE", "DKIM_MULTIPLE"));
}

TEST_F(PostureTest, WhatIsNearlyADmarcRecordIsTold) {
  Txt("_dmarc.example.com", {" v=DMARC1; p=reject"});
  const std::vector<LintFinding> alone = Inspect().dmarc.judgement.findings;
  ASSERT_THAT(Codes(alone), ElementsAre("DMARC_NEAR_MISS", "DMARC_MISSING"));
  EXPECT_EQ(alone[0].severity, Severity::kError);
  EXPECT_EQ(alone[0].metadata.at("repaired"), "v=DMARC1; p=reject");
  // Beside a record it does no harm.
  Txt("_dmarc.example.com", {"v=DMARC1; p=reject", "v=DMARC1, p=none"});
  const std::vector<LintFinding> beside = Inspect().dmarc.judgement.findings;
  ASSERT_THAT(Codes(beside), testing::Contains("DMARC_NEAR_MISS"));
  EXPECT_EQ(std::ranges::find(beside, "DMARC_NEAR_MISS", &LintFinding::code)->severity,
            Severity::kWarning);
}

TEST_F(PostureTest, BrokenRecordsNameThePosition) {
  Txt("example.com", {"v=spf1 ip4:192.0.2.0/24 incl:a.test -all"});
  const Posture posture = Inspect();
  ASSERT_THAT(Codes(posture.spf.judgement.findings), ElementsAre("SPF_SYNTAX"));
  EXPECT_EQ(posture.spf.judgement.findings[0].position, 24);
  EXPECT_EQ(posture.spf.judgement.findings[0].message.find("position"), std::string::npos)
      << "it is said once";
  EXPECT_FALSE(posture.spf.record.has_value());
  EXPECT_EQ(posture.spf.judgement.verdict, Verdict::kFail);
}

TEST_F(PostureTest, GluedStringsAreExplained) {
  options_.server_views = ServerViews::kSkip;
  dns_.SetTxtRecords(domain_, {{{"v=spf1 ip4:192.0.2.1", "ip4:192.0.2.2 -all"}}});
  EXPECT_THAT(Codes(Inspect().spf.judgement.findings),
              ElementsAre("SPF_STRING_LENGTH", "SPF_SYNTAX"));
  dns_.SetTxtRecords(domain_, {{{"v=spf1", "mx -all"}}});
  EXPECT_THAT(Codes(Inspect().spf.judgement.findings),
              ElementsAre("SPF_STRING_LENGTH", "SPF_MISSING"));
  dns_.SetTxtRecords(domain_, {{{"v=spf1 ip4:192.0", ".2.1 -all"}}});
  EXPECT_THAT(Codes(Inspect().spf.judgement.findings), IsEmpty());
}

TEST_F(PostureTest, UnknownIsNeitherPassNorAbsent) {
  dns_.Fail(domain_, RrType::kTxt, absl::DeadlineExceededError("nobody answered"));
  const Posture posture = Inspect();
  EXPECT_EQ(posture.spf.judgement.verdict, Verdict::kUnknown);
  EXPECT_THAT(Codes(posture.spf.judgement.findings), ElementsAre("LOOKUP_FAILED"));
  EXPECT_THAT(posture.spf.judgement.reason, HasSubstr("nobody answered"));
  EXPECT_EQ(posture.verdict, Verdict::kUnknown);
}

TEST_F(PostureTest, TheBudgetOfLookupsEndsIt) {
  options_.budget.max_lookups = 5;  // SPF and DMARC in both views, then a step up the tree
  const Posture posture = Inspect();
  EXPECT_EQ(dns_.queries().size() + servers_.queries().size(), 5u);
  EXPECT_EQ(posture.spf.judgement.verdict, Verdict::kPass);
  EXPECT_EQ(posture.dmarc.judgement.verdict, Verdict::kUnknown);
  EXPECT_EQ(posture.dkim[0].judgement.verdict, Verdict::kUnknown);
  EXPECT_EQ(posture.mx.judgement.verdict, Verdict::kUnknown);
  EXPECT_EQ(posture.verdict, Verdict::kUnknown);
  EXPECT_THAT(posture.mx.judgement.reason, HasSubstr("the budget of 5 look-ups is used up"));
}

TEST_F(PostureTest, TheBudgetOfTimeEndsIt) {
  options_.budget.max_time = absl::ZeroDuration();
  const Posture posture = Inspect();
  EXPECT_THAT(dns_.queries(), IsEmpty());
  EXPECT_THAT(servers_.queries(), IsEmpty());
  EXPECT_EQ(posture.verdict, Verdict::kUnknown);
  EXPECT_EQ(posture.spf.judgement.verdict, Verdict::kUnknown);
}

TEST_F(PostureTest, AnUnknownDestinationIsNoPass) {
  Txt("_dmarc.example.com", {"v=DMARC1; p=reject; rua=mailto:r@out.test"});
  dns_.Fail(Name("example.com._report._dmarc.out.test"), RrType::kTxt,
            absl::UnavailableError("SERVFAIL"));
  const Posture posture = Inspect();
  EXPECT_EQ(posture.dmarc.judgement.verdict, Verdict::kWarn);
  EXPECT_THAT(posture.dmarc.judgement.reason, HasSubstr("is not known"));
}

TEST_F(PostureTest, BogusFails) {
  dns_.Fail(Name("_dmarc.example.com"), RrType::kTxt, absl::DataLossError("bogus"));
  const Posture posture = Inspect();
  EXPECT_EQ(posture.dmarc.judgement.verdict, Verdict::kFail);
  EXPECT_THAT(Codes(posture.dmarc.judgement.findings), ElementsAre("DNSSEC_BOGUS"));
}

TEST_F(PostureTest, AnIncompleteTreeIsNoPass) {
  Txt("example.com", {"v=spf1 include:slow.test -all"});
  dns_.Fail(Name("slow.test"), RrType::kTxt, absl::UnavailableError("SERVFAIL"));
  EXPECT_EQ(Inspect().spf.judgement.verdict, Verdict::kUnknown);
}

TEST_F(PostureTest, ServersThatDisagreeFail) {
  servers_.server(domain_, 1).SetTxt(Name("_dmarc.example.com"), {"v=DMARC1; p=none"});
  const Posture posture = Inspect();
  EXPECT_FALSE(posture.consistent);
  EXPECT_FALSE(posture.dmarc.view.consistent);
  EXPECT_TRUE(posture.spf.view.consistent);
  EXPECT_THAT(Codes(posture.dmarc.judgement.findings), Contains("ZONE_INCONSISTENT"));
  EXPECT_EQ(posture.dmarc.judgement.verdict, Verdict::kFail);
}

TEST_F(PostureTest, ASilentServerIsNamed) {
  servers_.server(domain_, 1).FailAll(absl::DeadlineExceededError("timeout"));
  const Posture posture = Inspect();
  EXPECT_TRUE(posture.consistent);
  ASSERT_EQ(posture.unreachable.size(), 1u);
  EXPECT_THAT(posture.unreachable[0], HasSubstr("ns2.example.com 192.0.2.2:53: timeout"));
  EXPECT_EQ(posture.verdict, Verdict::kWarn);
}

TEST_F(PostureTest, AStaleCacheIsNoDisagreement) {
  dns_.SetTxt(Name("_dmarc.example.com"), {"v=DMARC1; p=none; rua=mailto:r@example.com"});
  const Posture posture = Inspect();
  EXPECT_TRUE(posture.consistent);
  EXPECT_FALSE(posture.dmarc.view.resolver_agrees);
  EXPECT_TRUE(posture.spf.view.resolver_agrees);
}

TEST_F(PostureTest, ServersCanBeLeftOut) {
  options_.server_views = ServerViews::kSkip;
  const Posture posture = Inspect();
  EXPECT_EQ(posture.verdict, Verdict::kPass);
  EXPECT_FALSE(posture.spf.view.servers_asked);
  EXPECT_TRUE(servers_.queries().empty());
}

TEST_F(PostureTest, PolicyCanBeInherited) {
  dns_.SetTxt(Name("sub.example.com"), {"v=spf1 -all"});
  const DmarcPosture dmarc = InspectDmarc(Name("sub.example.com"), dns_, servers_, options_);
  EXPECT_EQ(dmarc.judgement.verdict, Verdict::kPass);
  EXPECT_EQ(dmarc.judgement.reason, "reject is applied, from the record of example.com");
  EXPECT_TRUE(dmarc.text.empty());
}

TEST_F(PostureTest, AnInheritedRecordIsAsBrokenHere) {
  dns_.SetTxt(Name("sub.example.com"), {"v=spf1 -all"});
  Txt("_dmarc.example.com", {"v=DMARC1; p=reject; p=none"});
  const DmarcPosture dropped = InspectDmarc(Name("sub.example.com"), dns_, servers_, options_);
  EXPECT_EQ(dropped.judgement.verdict, Verdict::kFail);
  ASSERT_THAT(Codes(dropped.judgement.findings), ElementsAre("DMARC_SYNTAX"));
  EXPECT_THAT(dropped.judgement.findings[0].message,
              HasSubstr("in the record of example.com, which applies here: "));
  EXPECT_EQ(dropped.judgement.findings[0].position, -1);
  // A warning is told at the record alone.
  Txt("_dmarc.example.com", {"v=DMARC1; p=reject"});
  const DmarcPosture plain = InspectDmarc(Name("sub.example.com"), dns_, servers_, options_);
  EXPECT_THAT(Codes(plain.judgement.findings), testing::IsEmpty());
}

TEST_F(PostureTest, OutsideReportAddressesNeedConsent) {
  Txt("_dmarc.example.com", {"v=DMARC1; p=reject; rua=mailto:r@reports.test"});
  Posture posture = Inspect();
  ASSERT_THAT(Codes(posture.dmarc.judgement.findings), ElementsAre("DMARC_RUA_UNAUTHORIZED"));
  EXPECT_THAT(posture.dmarc.judgement.fix, HasSubstr("example.com._report._dmarc.reports.test"));
  dns_.SetTxt(Name("example.com._report._dmarc.reports.test"), {"v=DMARC1;"});
  posture = Inspect();
  EXPECT_EQ(posture.dmarc.judgement.verdict, Verdict::kPass);
}

TEST_F(PostureTest, ADanglingDkimAliasIsFound) {
  dns_.Remove(Name("s1._domainkey.example.com"));
  dns_.SetCname(Name("s1._domainkey.example.com"), Name("gone.vendor.test"));
  options_.server_views = ServerViews::kSkip;
  const DkimPosture dkim = InspectDkim(domain_, "s1", dns_, servers_, options_);
  EXPECT_THAT(Codes(dkim.judgement.findings), ElementsAre("DKIM_DANGLING", "CNAME_AT_NAME"));
  EXPECT_EQ(dkim.judgement.verdict, Verdict::kFail);
}

TEST_F(PostureTest, TextThatIsNoKeyDoesNotCount) {
  Txt("s1._domainkey.example.com", {"v=spf1 -all", kKey});
  EXPECT_EQ(Inspect().dkim[0].judgement.verdict, Verdict::kPass);
}

TEST_F(PostureTest, ABadSelectorFails) {
  EXPECT_EQ(InspectDkim(domain_, "a b", dns_, servers_, options_).judgement.verdict,
            Verdict::kFail);
}

TEST_F(PostureTest, SelectorsAreLimited) {
  options_.selectors.assign(80, "s1");
  EXPECT_EQ(Inspect().dkim.size(), 50u);
}

TEST_F(PostureTest, LargeNamesAreNoted) {
  Txt("example.com", {"v=spf1 ip4:192.0.2.0/24 -all", std::string(450, 'x')});
  EXPECT_THAT(Codes(Inspect().spf.judgement.findings), ElementsAre("TXT_TOO_LARGE"));
}

TEST_F(PostureTest, NullMxIsSaid) {
  dns_.SetMx(domain_, {{0, DomainName()}});
  const Posture posture = Inspect();
  EXPECT_TRUE(posture.mx.null_mx);
  EXPECT_THAT(posture.mx.judgement.reason, HasSubstr("null MX"));
}

// Each of MTA-STS and TLS-RPT: what is at its name, and what is said of it. Never the domain's
// verdict, which is about mail from it.
struct TransportCase {
  std::string name;
  std::vector<std::string> texts;
  Verdict want = Verdict::kPass;
  std::vector<std::string> want_codes;
};
class TransportRecordTest : public PostureTest,
                            public testing::WithParamInterface<TransportCase> {};
class MtaStsRecordTest : public TransportRecordTest {};
class TlsRptRecordTest : public TransportRecordTest {};

TEST_P(MtaStsRecordTest, IsJudged) {
  Txt("_mta-sts.example.com", GetParam().texts);
  const Posture posture = Inspect();
  EXPECT_EQ(posture.mta_sts.judgement.verdict, GetParam().want);
  EXPECT_EQ(Codes(posture.mta_sts.judgement.findings), GetParam().want_codes);
  EXPECT_EQ(Codes(posture.AllFindings()), GetParam().want_codes);
  EXPECT_EQ(posture.mta_sts.judgement.fix.empty(), GetParam().want == Verdict::kPass);
  EXPECT_EQ(posture.verdict, Verdict::kPass);
}
INSTANTIATE_TEST_SUITE_P(
    All, MtaStsRecordTest,
    testing::Values(
        TransportCase{"Missing", {}, Verdict::kWarn, {"MTA_STS_MISSING"}},
        TransportCase{"OtherTextDoesNotCount", {"site=1"}, Verdict::kWarn, {"MTA_STS_MISSING"}},
        TransportCase{"OneAmongOthers", {"site=1", "v=STSv1; id=1"}},
        TransportCase{
            "Several", {"v=STSv1; id=1", "v=STSv1; id=2"}, Verdict::kFail, {"MTA_STS_MULTIPLE"}},
        TransportCase{"NoId", {"v=STSv1;"}, Verdict::kFail, {"MTA_STS_SYNTAX"}},
        TransportCase{"BadId", {"v=STSv1; id=2026-11"}, Verdict::kFail, {"MTA_STS_SYNTAX"}},
        TransportCase{"UnknownFieldInforms",
                      {"v=STSv1; id=1; x=y"},
                      Verdict::kPass,
                      {"MTA_STS_UNKNOWN_FIELD"}}),
    [](const auto& instance) { return instance.param.name; });

TEST_P(TlsRptRecordTest, IsJudged) {
  Txt("_smtp._tls.example.com", GetParam().texts);
  const Posture posture = Inspect();
  EXPECT_EQ(posture.tls_rpt.judgement.verdict, GetParam().want);
  EXPECT_EQ(Codes(posture.tls_rpt.judgement.findings), GetParam().want_codes);
  EXPECT_EQ(Codes(posture.AllFindings()), GetParam().want_codes);
  EXPECT_EQ(posture.tls_rpt.judgement.fix.empty(), GetParam().want == Verdict::kPass);
  EXPECT_EQ(posture.verdict, Verdict::kPass);
}
INSTANTIATE_TEST_SUITE_P(
    All, TlsRptRecordTest,
    testing::Values(TransportCase{"Missing", {}, Verdict::kWarn, {"TLS_RPT_MISSING"}},
                    TransportCase{
                        "Several",
                        {"v=TLSRPTv1; rua=mailto:a@example.com", "v=TLSRPTv1; rua=mailto:b@b.test"},
                        Verdict::kFail,
                        {"TLS_RPT_MULTIPLE"}},
                    TransportCase{"NoRua", {"v=TLSRPTv1;"}, Verdict::kFail, {"TLS_RPT_SYNTAX"}},
                    TransportCase{"NobodyCanReportThere",
                                  {"v=TLSRPTv1; rua=ftp://example.com/"},
                                  Verdict::kFail,
                                  {"TLS_RPT_BAD_ADDRESS"}}),
    [](const auto& instance) { return instance.param.name; });

TEST_F(PostureTest, ADomainWithoutMailNeedsNoTransportRecords) {
  dns_.SetMx(domain_, {{0, DomainName()}});
  Txt("_mta-sts.example.com", {});
  Txt("_smtp._tls.example.com", {});
  options_.server_views = ServerViews::kSkip;
  const Posture posture = Inspect();
  EXPECT_EQ(posture.mta_sts.judgement.verdict, Verdict::kPass);
  EXPECT_EQ(posture.tls_rpt.judgement.verdict, Verdict::kPass);
  EXPECT_THAT(posture.mta_sts.judgement.reason, HasSubstr("receives no mail"));
}

TEST_F(PostureTest, ATransportRecordThatIsNotKnownIsNotMissing) {
  dns_.Fail(Name("_mta-sts.example.com"), RrType::kTxt, absl::UnavailableError("SERVFAIL"));
  dns_.Fail(Name("_smtp._tls.example.com"), RrType::kTxt, absl::DataLossError("bogus"));
  const Posture posture = Inspect();
  EXPECT_EQ(posture.mta_sts.judgement.verdict, Verdict::kUnknown);
  EXPECT_THAT(Codes(posture.mta_sts.judgement.findings), ElementsAre("LOOKUP_FAILED"));
  EXPECT_EQ(posture.tls_rpt.judgement.verdict, Verdict::kFail);
  EXPECT_THAT(Codes(posture.tls_rpt.judgement.findings), ElementsAre("DNSSEC_BOGUS"));
  EXPECT_EQ(posture.verdict, Verdict::kPass);
}

TEST_F(PostureTest, ANameTooLongForATransportRecordIsUnknown) {
  std::string text = "a.test";
  while (text.size() < 247) text = "a." + text;
  const MtaStsPosture mta_sts =
      InspectMtaSts(Name(text), ReceivesMail::kMaybe, dns_, servers_, options_);
  EXPECT_EQ(mta_sts.judgement.verdict, Verdict::kUnknown);
  EXPECT_THAT(dns_.queries(), IsEmpty());
}

}  // namespace
}  // namespace dmarcate
