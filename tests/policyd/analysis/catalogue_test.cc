#include "policyd/analysis/catalogue.h"

#include <algorithm>
#include <ostream>
#include <string>
#include <vector>

#include "fmt/format.h"
#include "gtest/gtest.h"

#include "lib/base/status_macros.h"
#include "lib/mailauth/public_suffix_list.h"
#include "policyd/analysis/catalogue_file.h"

namespace dmarcate {
namespace {

// Building Default() already aborts on contradictions.
TEST(Catalogue, HoldsAHundredAndFiftyServicesAndMore) {
  EXPECT_GE(Catalogue::Default().services().size(), 150u);
}

TEST(Catalogue, KnowsTheServicesThatMostDomainsMeet) {
  for (const char* id :
       {"google-workspace", "microsoft-365", "sendgrid", "amazon-ses", "mailchimp", "mailgun",
        "hubspot", "salesforce-marketing-cloud", "zendesk", "postmark"}) {
    EXPECT_NE(Catalogue::Default().FindById(id), nullptr) << id;
  }
}

TEST(Catalogue, TheShippedFilesPassTheLint) {
  const std::vector<std::string> wrong =
      LintServices(Catalogue::Default().services(), *BuiltinPublicSuffixList());
  EXPECT_TRUE(wrong.empty()) << fmt::format("{}", fmt::join(wrong, "\n"));
}

// Every name leads back to the service that has it, or to the one that it shares it with.
TEST(Catalogue, EveryNameLeadsBackToItsService) {
  const Catalogue& catalogue = Catalogue::Default();
  for (const MailService& service : catalogue.services()) {
    SCOPED_TRACE(service.id);
    EXPECT_EQ(catalogue.FindById(service.id), &service);
    for (const std::string& name : service.dkim_domains) {
      EXPECT_EQ(catalogue.FindByDkimDomain("x." + name), &service) << name;
    }
    for (const std::string& name : service.envelope_domains) {
      EXPECT_EQ(catalogue.FindByEnvelopeDomain(name), &service) << name;
    }
    for (const std::string& name : service.reverse_names) {
      EXPECT_EQ(catalogue.FindByReverseName("mail1." + name), &service) << name;
    }
    for (const std::string& name : service.mx_names) {
      EXPECT_EQ(catalogue.FindByMx("mx1." + name), &service) << name;
    }
    for (const std::string& name : service.spf_includes) {
      const MailService* found = catalogue.FindByInclude(name);
      ASSERT_NE(found, nullptr) << name;
      EXPECT_TRUE(found == &service || std::ranges::count(service.shares, found->id) == 1) << name;
    }
  }
}

TEST(Catalogue, SortedById) {  // a review finds an entry, and where a new one goes
  ServiceKind kind = ServiceKind::kMailbox;
  std::string last;
  for (const MailService& service : Catalogue::Default().services()) {
    if (service.kind != kind) last.clear();
    kind = service.kind;
    EXPECT_LT(last, service.id);
    last = service.id;
  }
}

constexpr char kOwn[] = R"(
[[service]]
id = "shop"
name = "Our shop"
kind = "application"
spf_includes = ["spf.shop.example.net"]
dkim_domains = ["shop.example.net"]
spf = "return_path"
setup = "Ask Anna."
url = "https://wiki.example.net/shop"
)";

TEST(ExtendCatalogue, AddsTheServicesOfAFile) {
  const auto catalogue = ExtendCatalogue(kOwn, "own.toml", *BuiltinPublicSuffixList());
  ASSERT_TRUE(catalogue.ok()) << catalogue.status();
  const MailService* shop = (*catalogue)->FindByDkimDomain("mail.shop.example.net");
  ASSERT_NE(shop, nullptr);
  EXPECT_EQ(shop->name, "Our shop");
  EXPECT_EQ(shop->spf_alignment, SpfAlignment::kCustomReturnPath);
  EXPECT_NE((*catalogue)->FindById("sendgrid"), nullptr);
  EXPECT_EQ((*catalogue)->services().size(), Catalogue::Default().services().size() + 1);
}

TEST(ExtendCatalogue, AnOwnEntryTakesThePlaceOfTheShippedOne) {
  std::string text = kOwn;
  text.replace(text.find("\"shop\""), 6, "\"sendgrid\"");
  const auto catalogue = ExtendCatalogue(text, "own.toml", *BuiltinPublicSuffixList());
  ASSERT_TRUE(catalogue.ok()) << catalogue.status();
  EXPECT_EQ((*catalogue)->FindById("sendgrid")->name, "Our shop");
  EXPECT_EQ((*catalogue)->FindByDkimDomain("sendgrid.net"), nullptr);
}

struct BadCase {
  std::string name, from, to, want;
};
void PrintTo(const BadCase& test, std::ostream* out) { *out << test.name; }
const BadCase kBadCases[] = {
    {"NotToml", "kind =", "kind", "own.toml"},
    {"UnknownKey", "setup", "setpu", "setpu"},
    {"UnknownKind", "application", "applicaton", "applicaton"},
    {"UnknownAlignment", "return_path", "sometimes", "sometimes"},
    {"NoName", "name = \"Our shop\"", "", "name"},
    {"NoKind", "kind = \"application\"", "", "kind"},
    {"IdIsNoLabel", "\"shop\"", "\"Our Shop\"", "want a-z"},
    {"IdLooksLikeAnAddress", "\"shop\"", "\"ip-192-0-2-1\"", "another source's id"},
    {"NameIsNoHostName", "[\"shop.example.net\"]", "[\"shop..net\"]", "dkim_domains"},
    {"NameInCapitals", "[\"shop.example.net\"]", "[\"Shop.example.net\"]", "canonical"},
    {"PublicSuffix", "[\"shop.example.net\"]", "[\"co.uk\"]", "public suffix"},
    {"PrivateSuffix", "[\"shop.example.net\"]", "[\"github.io\"]", "public suffix"},
    {"LinkWithoutTls", "https://", "http://", "want https"},
    {"DomainOfAnotherService", "[\"shop.example.net\"]", "[\"sendgrid.net\"]", "sendgrid"},
    {"IncludeOfAnotherService", "spf.shop.example.net", "sendgrid.net", "name it in `shares`"},
    {"SharesWithNobody", "setup", "shares = [\"nobody\"]\nsetup", "nobody"},
    {"RangeIsPrivate", "setup", "ranges = [\"10.1.0.0/16\"]\nsetup", "not public"},
    {"RangeIsTooWide", "setup", "ranges = [\"64.0.0.0/6\"]\nsetup", "wider"},
    {"RangeIsNone", "setup", "ranges = [\"x\"]\nsetup", "ranges"},
    {"SelectorForEverybody", "setup", "selectors = [\"#\"]\nsetup", "selectors"},
    {"SelectorOfAnother", "setup", "selectors = [\"hs1-77\"]\nsetup", "hubspot"},
    {"PatternOfAnother", "setup", "selectors = [\"hs1-#\"]\nsetup", "hubspot"},
};
class ExtendCatalogueRefuses : public testing::TestWithParam<BadCase> {};
TEST_P(ExtendCatalogueRefuses, Case) {
  std::string text = kOwn;
  const size_t at = text.find(GetParam().from);
  ASSERT_NE(at, std::string::npos);
  text.replace(at, GetParam().from.size(), GetParam().to);
  const auto got = ExtendCatalogue(text, "own.toml", *BuiltinPublicSuffixList());
  ASSERT_EQ(got.status().code(), absl::StatusCode::kInvalidArgument) << got.status();
  EXPECT_NE(MessageOf(got.status()).find(GetParam().want), std::string_view::npos) << got.status();
  EXPECT_NE(MessageOf(got.status()).find("own.toml"), std::string_view::npos) << got.status();
}
INSTANTIATE_TEST_SUITE_P(All, ExtendCatalogueRefuses, testing::ValuesIn(kBadCases),
                         [](const auto& test) { return test.param.name; });

TEST(ExtendCatalogue, ASharedIncludeStandsForItsOwner) {
  std::string text = kOwn;
  text.replace(text.find("spf.shop.example.net"), 20, "sendgrid.net");
  text.replace(text.find("setup"), 0, "shares = [\"sendgrid\"]\n");
  const auto catalogue = ExtendCatalogue(text, "own.toml", *BuiltinPublicSuffixList());
  ASSERT_TRUE(catalogue.ok()) << catalogue.status();
  EXPECT_EQ((*catalogue)->FindByInclude("sendgrid.net")->id, "sendgrid");
}

TEST(ExtendCatalogue, RefusesMoreThanItsLimit) {
  std::string text;
  for (size_t i = 0; i <= kMaxOwnServices; ++i) {
    text += fmt::format(
        "[[service]]\nid = \"s{0}\"\nname = \"S\"\nkind = \"delivery\"\ndkim_domains = "
        "[\"s{0}.example.net\"]\n",
        i);
  }
  const auto got = ExtendCatalogue(text, "own.toml", *BuiltinPublicSuffixList());
  EXPECT_EQ(got.status().code(), absl::StatusCode::kInvalidArgument);
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
