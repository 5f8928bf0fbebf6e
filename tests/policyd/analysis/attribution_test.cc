#include "policyd/analysis/attribution.h"

#include <ostream>
#include <set>

#include "gtest/gtest.h"

#include "tests/policyd/analysis/rows.h"

namespace dmarcate {
namespace {

using analysis_testing::kDomain;
using analysis_testing::Row;

struct Case {
  std::string name;
  AggregateRecord row;
  std::string want_id;
  Rule want_rule;
  ForwardHint want_hint = ForwardHint::kNone;
};

void PrintTo(const Case& test, std::ostream* out) { *out << test.name; }

const Case kCases[] = {
    {"CataloguedSigningDomain", Row().Dkim("sendgrid.net"), "sendgrid", Rule::kCatalogueDkim},
    {"NameBelowACataloguedSigningDomain", Row().Dkim("example-com.20230601.gappssmtp.com"),
     "google-workspace", Rule::kCatalogueDkim},
    {"NameThatOnlyEndsLikeACataloguedOne", Row().Dkim("notsendgrid.net"), "dkim-notsendgrid.net",
     Rule::kOtherDkim},
    {"SigningDomainThatFailsIsNoEvidence",
     Row().From("198.51.100.7").Dkim("sendgrid.net", "s1", AuthResult::kFail), "ip-198-51-100-7",
     Rule::kAddress},
    {"SigningDomainBeatsOwnSignatureAndEnvelope",
     Row().Dkim("example.com", "s1").Dkim("sendgrid.net", "s1").Spf("bounce.example.com"),
     "sendgrid", Rule::kCatalogueDkim},
    {"ApplicationOnADeliveryServiceIsTheApplication",
     Row().Dkim("amazonses.com", "x").Dkim("shopifyemail.com", "y"), "shopify",
     Rule::kCatalogueDkim},
    {"SelectorOfOneServiceUnderOurDomain", Row().Dkim("example.com", "hs1-234567"), "hubspot",
     Rule::kCatalogueSelector},
    {"SelectorAnyoneMayUse", Row().Dkim("example.com", "s1"), "own-example.com", Rule::kOwnDkim},
    {"SelectorUnderAForeignDomainIsNotOurs", Row().Dkim("other.test", "hs1-234567"),
     "dkim-other.test", Rule::kOtherDkim},
    {"CataloguedEnvelope", Row().Spf("mail1.mcsv.net"), "mailchimp", Rule::kCatalogueEnvelope},
    {"CataloguedEnvelopeThatFails",
     Row().From("198.51.100.7").Spf("mcsv.net", AuthResult::kSoftfail), "ip-198-51-100-7",
     Rule::kAddress},
    {"EnvelopeBeatsAddressRange", Row().From("96.43.144.9").Spf("bounce.exacttarget.com"),
     "salesforce-marketing-cloud", Rule::kCatalogueEnvelope},
    {"AddressRangeBeatsOwnEnvelope", Row().From("40.107.22.1").Spf("example.com"), "microsoft-365",
     Rule::kCatalogueRange},
    {"AddressRangeIpv6", Row().From("2a01:111:f400::5").Spf("example.com"), "microsoft-365",
     Rule::kCatalogueRange},
    {"ARangeDoesNotNameWhoWroteForwardedMail",
     Row().From("209.85.128.5").Spf("gmail.com").Says(ReasonType::kForwarded), "spf-gmail.com",
     Rule::kForwarderEnvelope, ForwardHint::kOverride},
    {"OurSignatureFromAServicesRangeStaysOurs",
     Row().From("209.85.220.41").Dkim("example.com", "a").Spf("example.com", AuthResult::kFail),
     "own-example.com", Rule::kOwnDkim, ForwardHint::kBrokenSpf},
    {"OurSignatureAndEnvelope", Row().Dkim("example.com", "k2048").Spf("example.com"),
     "own-example.com", Rule::kOwnDkim},
    {"OurEnvelopeAlone", Row().Spf("example.com"), "own-example.com", Rule::kOwnEnvelope},
    {"ASubdomainThatSignsIsItsOwnSource", Row().Dkim("billing.example.com", "a").Spf("example.com"),
     "own-billing.example.com", Rule::kOwnDkim},
    {"AlignedWithoutAuthResults", Row().Evaluated(AlignedResult::kPass, AlignedResult::kFail),
     "own-example.com", Rule::kOwnDkim},
    {"SpfAlignedWithoutADomain",
     Row().Header("news.example.com").Evaluated(AlignedResult::kFail, AlignedResult::kPass),
     "own-news.example.com", Rule::kOwnEnvelope},
    {"OurSignatureUnderAForeignEnvelopeWasPassedOn",
     Row().Dkim("example.com", "a").Spf("forward.test"), "spf-forward.test",
     Rule::kForwarderEnvelope, ForwardHint::kBrokenSpf},
    {"OurSignatureWithBrokenSpfStaysOurs",
     Row().Dkim("example.com", "a").Spf("example.com", AuthResult::kFail), "own-example.com",
     Rule::kOwnDkim, ForwardHint::kBrokenSpf},
    {"TheReporterCallsItAList", Row().Spf("lists.test").Says(ReasonType::kMailingList),
     "spf-lists.test", Rule::kForwarderEnvelope, ForwardHint::kOverride},
    {"AnArcPassIsAForward",
     Row().From("198.51.100.7").Says(ReasonType::kLocalPolicy, "arc=pass as.1.x=pass"),
     "ip-198-51-100-7", Rule::kAddress, ForwardHint::kOverride},
    {"OtherLocalPolicyIsNot",
     Row().From("198.51.100.7").Says(ReasonType::kLocalPolicy, "whitelisted"), "ip-198-51-100-7",
     Rule::kAddress},
    {"ForeignSignatureBeatsForeignEnvelope", Row().Dkim("mailer.test", "x").Spf("host.test"),
     "dkim-mailer.test", Rule::kOtherDkim},
    {"ForeignEnvelope", Row().Spf("host1.spam.test"), "spf-host1.spam.test", Rule::kOtherEnvelope},
    {"AddressOnly", Row().From("192.0.2.10"), "ip-192-0-2-10", Rule::kAddress},
    {"AddressOnlyIpv6", Row().From("2001:db8::1"), "ip-2001-db8--1", Rule::kAddress},
    {"NoAddress", Row().From("not an address"), "ip-unknown", Rule::kAddress},
    {"OurNameAtTheEndOfAnother", Row().Dkim("notexample.com", "a"), "dkim-notexample.com",
     Rule::kOtherDkim},
};

class AttributionTest : public testing::TestWithParam<Case> {};
TEST_P(AttributionTest, Case) {
  const Attribution got = Attribute(GetParam().row, kDomain, Catalogue::Default());
  EXPECT_EQ(got.source_id, GetParam().want_id);
  EXPECT_EQ(ToString(got.rule), ToString(GetParam().want_rule));
  EXPECT_EQ(got.forward_hint, GetParam().want_hint);
}
INSTANTIATE_TEST_SUITE_P(All, AttributionTest, testing::ValuesIn(kCases),
                         [](const auto& test) { return test.param.name; });

TEST(Attribution, TheParentOfAManagedSubdomainIsOursWhereItAligns) {
  AggregateRecord row = Row().Dkim("example.com", "a");
  EXPECT_EQ(Attribute(row, "mail.example.com", Catalogue::Default()).source_id, "own-example.com");
  row.dkim_aligned = AlignedResult::kFail;  // strict alignment
  EXPECT_EQ(Attribute(row, "mail.example.com", Catalogue::Default()).source_id, "dkim-example.com");
}

TEST(Attribution, AServiceThatManagesItsOwnDomainSignsAsItself) {
  AggregateRecord row = Row().Dkim("sendgrid.net", "a");
  row.dkim_aligned = AlignedResult::kPass;
  EXPECT_EQ(Attribute(row, "sendgrid.net", Catalogue::Default()).source_id, "own-sendgrid.net");
}

TEST(Attribution, TheSelectorOfOurSignatureIsKept) {
  const AggregateRecord row = Row().Dkim("example.com", "k2048").Spf("example.com");
  const Attribution got = Attribute(row, kDomain, Catalogue::Default());
  EXPECT_TRUE(got.own_signature);
  EXPECT_EQ(got.own_selector, "k2048");
}

TEST(MakeSourceId, KeepsWhatIsSafe) {
  EXPECT_EQ(MakeSourceId("dkim-", "mailer.example"), "dkim-mailer.example");
}

TEST(MakeSourceId, DifferentTextsStayDifferent) {
  const std::string texts[] = {
      "a b",      "a_b",     "a/b", "a-b", std::string(300, 'x'), std::string(301, 'x'),
      "\xC3\xA9", "\xC3\xA8"};
  std::set<std::string> ids;
  for (const std::string& text : texts) {
    const std::string id = MakeSourceId("spf-", text);
    EXPECT_TRUE(ids.insert(id).second) << id;
    EXPECT_LE(id.size(), 63u);
    EXPECT_EQ(id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-"), std::string::npos);
  }
}

}  // namespace
}  // namespace dmarcate
