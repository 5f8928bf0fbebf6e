// The gatherer over a DNS in memory and a clock that waiting moves.

#include "policyd/service/network_gatherer.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/dns/fake_resolver.h"
#include "tests/policyd/analysis/rows.h"

namespace dmarcate {
namespace {

using analysis_testing::Report;
using analysis_testing::Row;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

DomainName Name(std::string_view text) { return *DomainName::Parse(text); }
IpAddress Ip(std::string_view text) { return *IpAddress::Parse(text); }

std::unique_ptr<Catalogue> Shops() {
  MailService shop{.id = "shop", .name = "Shop", .spf_includes = {"spf.shop.test"}};
  shop.reverse_names = {"out.shop.test"};
  shop.dkim_domains = {"mail.shop.test"};
  auto made = Catalogue::Make({shop});
  EXPECT_TRUE(made.ok()) << made.status();
  return *std::move(made);
}

class NetworkGathererTest : public testing::Test {
 protected:
  NetworkGathererTest() {
    options_.publish = options_.publish_done = absl::ZeroDuration();
    resolver_.SetTxt(Name("spf.shop.test"), {"v=spf1 ip4:198.51.100.0/24 -all"});
    SetPointer("1.2.0.192.in-addr.arpa", {"mx1.out.shop.test"});
    resolver_.SetA(Name("mx1.out.shop.test"), {"192.0.2.1"});
  }
  void SetPointer(std::string_view name, std::vector<std::string> targets) {
    resolver_.SetTexts(Name(name), RrType::kPtr, std::move(targets));
  }
  NetworkGatherer& gatherer() {
    if (!gatherer_) gatherer_.emplace(book_, *catalogue_, resolver_, clock_, pacer_, options_);
    return *gatherer_;
  }
  void Want(std::vector<AggregateRecord> rows) {
    StatisticsBuilder builder("example.com", {20'000, 20'000}, *catalogue_);
    builder.Add(Report(20'000, std::move(rows)));
    gatherer().Want(builder.Finish());
  }
  void Run(absl::Duration later = absl::ZeroDuration()) {
    clock_.Advance(later);
    resolver_.ClearQueries();
    EXPECT_TRUE(gatherer().RunDue());
  }
  std::string NameOf(std::string_view address) {
    return std::string(book_.Get().evidence->ConfirmedNameOf(Ip(address)));
  }
  std::string ServiceOf(std::string_view address) {
    return std::string(book_.Get().evidence->ServiceOf(Ip(address)));
  }
  bool IsNameless(std::string_view address) {
    return book_.Get().evidence->IsNameless(Ip(address));
  }

  FakeClock clock_{absl::FromUnixSeconds(1'782'820'800)};
  FakePacer pacer_{clock_};
  FakeResolver resolver_;
  std::unique_ptr<Catalogue> catalogue_ = Shops();
  NetworkBook book_;
  GatherOptions options_;
  std::optional<NetworkGatherer> gatherer_;
};

TEST_F(NetworkGathererTest, LearnsRangesOfServicesAndNamesOfAddresses) {
  Want({Row(3)});
  Run();
  EXPECT_EQ(ServiceOf("198.51.100.77"), "shop");
  EXPECT_EQ(NameOf("192.0.2.1"), "mx1.out.shop.test");
}

TEST_F(NetworkGathererTest, MailThatSaysItsServiceNeedsNoName) {
  Want({Row(3).Dkim("mail.shop.test")});
  Run();
  for (const auto& query : resolver_.queries()) EXPECT_NE(query.type, RrType::kPtr);
}

TEST_F(NetworkGathererTest, ANameThatNobodyConfirmsIsNone) {
  resolver_.SetA(Name("mx1.out.shop.test"), {"192.0.2.99"});
  Want({Row(3)});
  Run();
  EXPECT_EQ(NameOf("192.0.2.1"), "");
  EXPECT_TRUE(IsNameless("192.0.2.1"));
}

TEST_F(NetworkGathererTest, OfSeveralNamesTheOneOfAServiceCounts) {
  SetPointer("1.2.0.192.in-addr.arpa", {"host.example.net", "mx1.out.shop.test"});
  resolver_.SetA(Name("host.example.net"), {"192.0.2.1"});
  Want({Row(3)});
  Run();
  EXPECT_EQ(NameOf("192.0.2.1"), "mx1.out.shop.test");
}

TEST_F(NetworkGathererTest, SilenceIsNeitherANameNorNone) {
  resolver_.Fail(Name("mx1.out.shop.test"), RrType::kA, absl::UnavailableError("SERVFAIL"));
  Want({Row(3)});
  Run();
  EXPECT_EQ(NameOf("192.0.2.1"), "");
  EXPECT_FALSE(IsNameless("192.0.2.1"));
  resolver_.Fail(Name("mx1.out.shop.test"), RrType::kA, absl::OkStatus());
  Run(absl::Minutes(30));
  EXPECT_THAT(resolver_.queries(), IsEmpty()) << "it is tried again after an hour";
  Run(absl::Minutes(31));
  EXPECT_EQ(NameOf("192.0.2.1"), "mx1.out.shop.test");
}

TEST_F(NetworkGathererTest, WhatWasLearnedStaysWhileTheDnsIsSilentAndForAWeekOnly) {
  Want({Row(3)});
  Run();
  resolver_.FailAll(absl::DeadlineExceededError("no answer"));
  for (int day = 1; day <= 6; ++day) {
    Want({Row(3)});
    Run(absl::Hours(24));
  }
  EXPECT_EQ(ServiceOf("198.51.100.77"), "shop");
  EXPECT_EQ(NameOf("192.0.2.1"), "mx1.out.shop.test");
  Want({Row(3)});
  Run(absl::Hours(48));
  EXPECT_EQ(ServiceOf("198.51.100.77"), "");
  EXPECT_EQ(NameOf("192.0.2.1"), "");
  EXPECT_FALSE(IsNameless("192.0.2.1"));
}

TEST_F(NetworkGathererTest, AnAnswerThatThereIsNothingTakesThePlaceAtOnce) {
  Want({Row(3)});
  Run();
  resolver_.Remove(Name("spf.shop.test"));
  resolver_.Remove(Name("1.2.0.192.in-addr.arpa"));
  Run(absl::Hours(73));
  EXPECT_EQ(ServiceOf("198.51.100.77"), "");
  EXPECT_TRUE(IsNameless("192.0.2.1"));
}

TEST_F(NetworkGathererTest, APartOfATreeIsNotTakenForTheWhole) {
  Run();
  resolver_.SetTxt(Name("spf.shop.test"),
                   {"v=spf1 ip4:203.0.113.0/24 include:more.shop.test -all"});
  resolver_.Fail(Name("more.shop.test"), RrType::kTxt, absl::UnavailableError("SERVFAIL"));
  Run(absl::Hours(13));
  EXPECT_EQ(ServiceOf("198.51.100.77"), "shop") << "it may stand in what was not read";
  EXPECT_EQ(ServiceOf("203.0.113.1"), "");
}

TEST_F(NetworkGathererTest, TheDomainsOwnTermsAreKept) {
  resolver_.SetTxt(Name("example.com"), {"v=spf1 include:_spf.vendor.test -all"});
  resolver_.SetTxt(Name("_spf.vendor.test"), {"v=spf1 ip4:192.0.2.0/24 -all"});
  Want({Row(3)});
  Run();
  const OwnTerm vendor{"include:_spf.vendor.test", {*IpNetwork::Parse("192.0.2.0/24")}};
  EXPECT_THAT(book_.OwnTermsOf("example.com"), ElementsAre(vendor));
  resolver_.FailAll(absl::UnavailableError("SERVFAIL"));
  Run(absl::Hours(13));
  EXPECT_THAT(book_.OwnTermsOf("example.com"), ElementsAre(vendor));
}

TEST_F(NetworkGathererTest, AsksSoManyQuestionsASecondAndOfSoManyAddresses) {
  options_.lookups_per_second = 2;
  options_.addresses_per_domain = 10;
  std::vector<AggregateRecord> rows;
  for (int i = 0; i < 50; ++i) {
    rows.push_back(Row(static_cast<uint64_t>(100 - i)).From("203.0.113." + std::to_string(i)));
  }
  Want(std::move(rows));
  const absl::Duration began = clock_.Monotonic();
  Run();
  const auto queries = resolver_.queries();
  size_t pointers = 0;
  for (const auto& query : queries) pointers += query.type == RrType::kPtr ? 1 : 0;
  EXPECT_EQ(pointers, 10u);
  EXPECT_GE(clock_.Monotonic() - began,
            absl::Milliseconds(500) * static_cast<int64_t>(queries.size() - 1));
  EXPECT_TRUE(IsNameless("203.0.113.0")) << "that with most messages is among them";
  EXPECT_FALSE(IsNameless("203.0.113.49"));
}

TEST_F(NetworkGathererTest, ForgetsAddressesThatNobodyWantsAndThoseOverTheLimit) {
  options_.addresses = 2;
  Want({Row(3)});
  Run();
  clock_.Advance(absl::Seconds(1));
  Want({Row(3).From("203.0.113.1"), Row(2).From("203.0.113.2")});
  Run();
  EXPECT_EQ(NameOf("192.0.2.1"), "") << "wanted longest ago";
  EXPECT_TRUE(IsNameless("203.0.113.2"));
  Run(absl::Hours(24 * 8));
  EXPECT_FALSE(IsNameless("203.0.113.2"));
}

TEST_F(NetworkGathererTest, TheVersionMovesOnlyWithTheEvidence) {
  Want({Row(3)});
  Run();
  const uint64_t version = book_.Get().version;
  Run(absl::Hours(80));
  EXPECT_THAT(resolver_.queries(), testing::Not(IsEmpty()));
  EXPECT_EQ(book_.Get().version, version) << "the same answers";
}

TEST_F(NetworkGathererTest, StoppingEndsTheQuestions) {
  Want({Row(3)});
  resolver_.Before([this](const FakeResolver::Query&) { gatherer().BeginStop(); });
  EXPECT_FALSE(gatherer().RunDue());
  EXPECT_THAT(resolver_.queries(), SizeIs(1));
}

// Services that are added and removed while it runs.
TEST_F(NetworkGathererTest, FollowsTheCatalogue) {
  resolver_.SetTxt(Name("spf.shop.test"),
                   {"v=spf1 ip4:198.51.100.0/24 include:spf.depot.test -all"});
  resolver_.SetTxt(Name("spf.depot.test"), {"v=spf1 ip4:203.0.113.0/24 -all"});
  CatalogueBook services(*catalogue_);
  gatherer().Follow(services);
  Run();
  EXPECT_EQ(ServiceOf("203.0.113.7"), "shop");

  const MailService depot{.id = "depot", .name = "Depot", .spf_includes = {"spf.depot.test"}};
  ASSERT_TRUE(services.Replace({depot}, clock_.Monotonic()).ok());
  Run();
  EXPECT_EQ(ServiceOf("203.0.113.7"), "depot") << "shop's record only mentions it";
  EXPECT_EQ(ServiceOf("198.51.100.7"), "shop");
  ASSERT_FALSE(resolver_.queries().empty());
  EXPECT_EQ(resolver_.queries().front().name.text(), "spf.depot.test") << "what is new comes first";
  Run(absl::Minutes(1));
  EXPECT_THAT(resolver_.queries(), IsEmpty()) << "nothing has changed";

  ASSERT_TRUE(services.Replace({}, clock_.Monotonic()).ok());
  resolver_.FailAll(absl::DeadlineExceededError("no answer"));
  Run();
  EXPECT_EQ(ServiceOf("198.51.100.7"), "shop") << "what was learned stays";
  EXPECT_EQ(ServiceOf("203.0.113.7"), "") << "nobody is named by a service that is gone";
  resolver_.FailAll(absl::OkStatus());
  Run(absl::Hours(2));
  EXPECT_EQ(ServiceOf("203.0.113.7"), "shop");
}

// What the DNS of a domain says of its senders before a report does.
class DeclaredGathererTest : public NetworkGathererTest {
 protected:
  DeclaredGathererTest() {
    MailService shop{.id = "shop", .name = "Shop", .spf_includes = {"spf.shop.test"}};
    shop.selectors = {"shop1", "shop2", "shop#"};
    shop.dkim_domains = {"mail.shop.test"};
    catalogue_ = *Catalogue::Make({shop});
    resolver_.SetTxt(Name("example.com"), {"v=spf1 include:spf.shop.test -all"});
    resolver_.SetMx(Name("example.com"), {{10, Name("MX.Shop.test")}});
    resolver_.SetTxt(Name("shop2._domainkey.example.com"),
                     {"v=DKIM1; k=ed25519; p=" + std::string(kKey)});
    resolver_.SetTxt(Name("shop1._domainkey.example.com"), {"v=DKIM1; p="});
  }
  static constexpr char kKey[] = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
  DeclaredFacts Facts() { return book_.DeclaredOf("example.com").value_or(DeclaredFacts()); }
  size_t SelectorQuestions() {
    return static_cast<size_t>(std::ranges::count_if(resolver_.queries(), [](const auto& query) {
      return query.name.text().find("_domainkey") != std::string::npos;
    }));
  }
};

TEST_F(DeclaredGathererTest, OfADomainWithoutReportsSelectorsAreTriedOnceAWeek) {
  EXPECT_EQ(book_.DeclaredOf("example.com"), std::nullopt);
  Want({});
  Run();
  ASSERT_THAT(Facts().spf, SizeIs(2));
  EXPECT_EQ(Facts().spf[0].term, "include:spf.shop.test");
  EXPECT_THAT(Facts().selectors, ElementsAre("shop2")) << "a revoked key is none";
  EXPECT_THAT(Facts().mx_hosts, ElementsAre("mx.shop.test"));
  EXPECT_EQ(SelectorQuestions(), 3u) << "each whole one, and one that nobody has";
  Run(absl::Hours(24));
  EXPECT_EQ(SelectorQuestions(), 0u);
  EXPECT_THAT(Facts().selectors, ElementsAre("shop2"));
  Run(absl::Hours(7 * 24));
  EXPECT_EQ(SelectorQuestions(), 3u);
}

TEST_F(DeclaredGathererTest, OfATreeThatIsNotCompleteThereIsWhatThereIs) {
  resolver_.SetTxt(Name("example.com"), {"v=spf1 include:spf.shop.test include:silent.test -all"});
  resolver_.Fail(Name("silent.test"), RrType::kTxt, absl::UnavailableError("SERVFAIL"));
  Want({});
  Run();
  const std::vector<SpfMention> mentions = Facts().spf;
  ASSERT_GE(mentions.size(), 2u);
  EXPECT_EQ(mentions[0].term, "include:spf.shop.test");
  // Less than was known before is nothing new.
  resolver_.Fail(Name("spf.shop.test"), RrType::kTxt, absl::UnavailableError("SERVFAIL"));
  Run(absl::Hours(2));
  EXPECT_EQ(Facts().spf, mentions);
}

TEST_F(DeclaredGathererTest, ReportsTellSelectorsSoNobodyAsks) {
  Want({Row(3)});
  Run();
  EXPECT_EQ(SelectorQuestions(), 0u);
  EXPECT_THAT(Facts().mx_hosts, SizeIs(1));
}

TEST_F(DeclaredGathererTest, WhereAnyNameHasAKeySelectorsTellNothing) {
  resolver_.SetTxt(Name("dmarcate-asks-for-none._domainkey.example.com"),
                   {"v=DKIM1; k=ed25519; p=" + std::string(kKey)});
  Want({});
  Run();
  EXPECT_THAT(Facts().selectors, IsEmpty());
}

TEST_F(DeclaredGathererTest, SilenceTakesNothingAway) {
  Want({});
  Run();
  const DeclaredFacts before = Facts();
  resolver_.FailAll(absl::DeadlineExceededError("no answer"));
  Run(absl::Hours(8 * 24));
  EXPECT_EQ(Facts(), before);
  resolver_.FailAll(absl::OkStatus());
  resolver_.SetTxt(Name("example.com"), {"no spf"});
  resolver_.SetTxt(Name("shop2._domainkey.example.com"), {"v=DKIM1; p="});
  Run(absl::Hours(2));
  EXPECT_THAT(Facts().spf, IsEmpty()) << "an answer does";
  EXPECT_THAT(Facts().selectors, IsEmpty());
}

}  // namespace
}  // namespace dmarcate
