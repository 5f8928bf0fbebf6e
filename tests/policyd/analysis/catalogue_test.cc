#include "policyd/analysis/catalogue.h"

#include "gtest/gtest.h"

#include "lib/mailauth/domain_name.h"

namespace dmarcate {
namespace {

// Building Default() already aborts on contradictions.
TEST(Catalogue, HoldsFortyServicesAndMore) {
  EXPECT_GE(Catalogue::Default().services().size(), 40u);
}

TEST(Catalogue, KnowsTheServicesThatMostDomainsMeet) {
  for (const char* id :
       {"google-workspace", "microsoft-365", "sendgrid", "amazon-ses", "mailchimp", "mailgun",
        "hubspot", "salesforce-marketing-cloud", "zendesk", "postmark"}) {
    EXPECT_NE(Catalogue::Default().FindById(id), nullptr) << id;
  }
}

TEST(Catalogue, EveryEntryIsWellFormed) {
  for (const MailService& service : Catalogue::Default().services()) {
    SCOPED_TRACE(service.id);
    EXPECT_FALSE(service.name.empty());
    EXPECT_TRUE(service.url.starts_with("https://"));
    EXPECT_EQ(service.id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-"),
              std::string_view::npos);
    for (const char* prefix : {"own-", "dkim-", "spf-", "ip-"}) {  // ids of other kinds
      EXPECT_FALSE(service.id.starts_with(prefix));
    }
    for (const auto* names :
         {&service.spf_includes, &service.dkim_domains, &service.envelope_domains}) {
      for (std::string_view name : *names) {
        const auto parsed = DomainName::Parse(name);
        ASSERT_TRUE(parsed.ok()) << name;
        EXPECT_EQ(parsed->text(), name) << "not in canonical form";
      }
    }
    EXPECT_TRUE(!service.spf_includes.empty() || !service.dkim_domains.empty() ||
                !service.envelope_domains.empty() || !service.selectors.empty())
        << "nothing to recognise it by";
    EXPECT_TRUE(service.setup.empty() || service.setup.ends_with('.'));
  }
}

TEST(Catalogue, FindsByTheLongestRange) {
  const Catalogue catalogue({{.id = "wide", .name = "Wide", .ranges = {"192.0.2.0/24"}},
                             {.id = "narrow", .name = "Narrow", .ranges = {"192.0.2.128/25"}}});
  EXPECT_EQ(catalogue.FindByAddress(*IpAddress::Parse("192.0.2.200"))->id, "narrow");
  EXPECT_EQ(catalogue.FindByAddress(*IpAddress::Parse("192.0.2.1"))->id, "wide");
  EXPECT_EQ(catalogue.FindByAddress(*IpAddress::Parse("192.0.3.1")), nullptr);
}

TEST(Catalogue, FindsByIncludeWithoutCase) {
  EXPECT_EQ(Catalogue::Default().FindByInclude("SendGrid.net")->id, "sendgrid");
}

TEST(CatalogueDeathTest, ContradictionsAreBugs) {
  const std::vector<MailService> services = {
      {.id = "a", .name = "A", .dkim_domains = {"mail.test"}},
      {.id = "b", .name = "B", .dkim_domains = {"mail.test"}}};
  EXPECT_DEATH(Catalogue{services}, "mail.test");
}

struct SelectorCase {
  std::string pattern, text;
  bool want;
};
TEST(MatchesSelector, Table) {
  const SelectorCase kCases[] = {
      {"k1", "k1", true},
      {"k1", "K1", true},
      {"k1", "k12", false},
      {"k1", "k", false},
      {"hs1-#", "hs1-234", true},
      {"hs1-#", "hs1-", false},
      {"hs1-#", "hs1-2x", false},
      {"#pm", "20230101pm", true},
      {"#pm", "pm", false},
      {"MBO#", "mbo0001", true},
      {"", "", true},
      {"#", "7", true},
  };
  for (const SelectorCase& c : kCases) {
    EXPECT_EQ(MatchesSelector(c.pattern, c.text), c.want) << c.pattern << " " << c.text;
  }
}

}  // namespace
}  // namespace dmarcate
