// The parts that services share, each by itself.
#include <atomic>
#include <latch>

#include "fmt/format.h"
#include "gtest/gtest.h"

#include "dmarcate/v1/domain.pb.h"
#include "lib/base/random.h"
#include "lib/rpc/errors.h"
#include "lib/store/fake_policy_store.h"
#include "lib/store/fake_report_store.h"
#include "policyd/service/analysis_cache.h"
#include "policyd/service/convert.h"
#include "policyd/service/names.h"
#include "policyd/service/paging.h"
#include "policyd/service/place.h"
#include "policyd/service/report_follower.h"
#include "policyd/service/report_pages.h"
#include "policyd/service/request_memory.h"
#include "policyd/service/selectors.h"
#include "policyd/service/ticker.h"

namespace dmarcate {
namespace {

std::string ReasonOfStatus(const absl::Status& status) {
  return status.ok() ? "" : ExtractError(ToRpcError(status)).reason;
}

TEST(Names, AreParsedAndPrintedBack) {
  EXPECT_EQ(*ParseDomainResource("domains/Example.COM.", "name"), "example.com");
  const auto child =
      ParseDomainChild("domains/example.com/sources/ip-2001-db8--1", kSources, "name");
  ASSERT_TRUE(child.ok());
  EXPECT_EQ(DomainChildResource(child->domain, kSources, child->id),
            "domains/example.com/sources/ip-2001-db8--1");
  for (const char* bad :
       {"domains/a.example/sources/", "domains/a.example/sources/a/b", "domains//sources/a",
        "domains/a.example/changes/x", "domains/a.example/sources/\x01"}) {
    EXPECT_EQ(ReasonOfStatus(ParseDomainChild(bad, kSources, "name").status()), "NAME_MALFORMED")
        << bad;
  }
}

class PagingTest : public testing::Test {
 protected:
  FakeClock clock_{absl::FromUnixSeconds(1'750'000'000)};
  SeededRandom random_{3};
  PageTokens pages_{clock_, random_};
  v1::ListDomainsRequest request_;
};

TEST_F(PagingTest, ATokenBringsItsPositionBack) {
  const std::string scope = PageScope("List", "ann", request_);
  const std::string position("with\0zero and : colons", 22);
  EXPECT_EQ(*pages_.Read(scope, pages_.Make(scope, position)), position);
  EXPECT_EQ(*pages_.Read(scope, ""), "");
}

TEST_F(PagingTest, ATokenBelongsToOneListOfOneCaller) {
  const std::string token = pages_.Make(PageScope("List", "ann", request_), "x");
  EXPECT_EQ(ReasonOfStatus(pages_.Read(PageScope("List", "bob", request_), token).status()),
            "PAGE_TOKEN_INVALID");
  EXPECT_EQ(ReasonOfStatus(pages_.Read(PageScope("Other", "ann", request_), token).status()),
            "PAGE_TOKEN_INVALID");
  request_.set_page_size(7);
  request_.set_page_token(token);
  EXPECT_TRUE(pages_.Read(PageScope("List", "ann", request_), token).ok())
      << "the page's size and token are no part of it";
  const PageTokens restarted(clock_, random_);
  EXPECT_FALSE(restarted.Read(PageScope("List", "ann", request_), token).ok());
}

TEST_F(PagingTest, EveryChangedOctetIsNoticed) {
  const std::string token = pages_.Make("scope", "position");
  for (size_t i = 0; i < token.size(); ++i) {
    std::string changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    const auto read = pages_.Read("scope", changed);
    EXPECT_TRUE(!read.ok() || changed == token) << i;
  }
  EXPECT_FALSE(pages_.Read("scope", std::string(5000, 'A')).ok());
}

TEST_F(PagingTest, TokensLastThreeDays) {
  const std::string token = pages_.Make("scope", "x");
  clock_.Advance(kPageTokenLifetime);
  EXPECT_TRUE(pages_.Read("scope", token).ok());
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(ReasonOfStatus(pages_.Read("scope", token).status()), "PAGE_TOKEN_INVALID");
}

TEST(PageSize, IsCoercedOrRefused) {
  EXPECT_EQ(*PageSize(0), 50u);
  EXPECT_EQ(*PageSize(1), 1u);
  EXPECT_EQ(*PageSize(1000), 1000u);
  EXPECT_EQ(*PageSize(1001), 1000u);
  EXPECT_EQ(ReasonOfStatus(PageSize(-1).status()), "PAGE_SIZE_NEGATIVE");
}

TEST(Place, OrdersByMessagesThenKey) {
  const Place place{5, "m"};
  EXPECT_TRUE(place.IsBefore(4, "a"));
  EXPECT_TRUE(place.IsBefore(5, "n"));
  EXPECT_FALSE(place.IsBefore(5, "m"));
  EXPECT_FALSE(place.IsBefore(6, "z"));
}

TEST(Etags, NameARevision) {
  EXPECT_TRUE(CheckEtag(MakeEtag(7), 7).ok());
  EXPECT_EQ(ReasonOfStatus(CheckEtag("", 7)), "ETAG_REQUIRED");
  for (const char* bad : {"r8", "7", "r", "r7x", "r-7", "x"}) {
    EXPECT_EQ(ReasonOfStatus(CheckEtag(bad, 7)), "ETAG_MISMATCH") << bad;
  }
}

TEST(Timestamps, RoundDown) {
  const auto stamp = ToTimestamp(absl::FromUnixMillis(-1500));
  EXPECT_EQ(stamp.seconds(), -2);
  EXPECT_EQ(stamp.nanos(), 500'000'000);
}

TEST(RequestMemory, TheSameIdTwiceAtOnceRunsOnce) {
  FakePolicyStore store;
  FakeClock clock{absl::FromUnixSeconds(1'750'000'000)};
  RequestMemory memory(store, clock);
  v1::CreateDomainRequest request;
  v1::CreateDomainResponse response;
  const std::string id = "123e4567-e89b-42d3-a456-426614174000";
  absl::Status inner;
  const absl::Status outer = memory.Once("ann", "M", request, id, &response, [&] {
    v1::CreateDomainResponse other;
    inner = memory.Once("ann", "M", request, id, &other, [] { return absl::OkStatus(); });
    return absl::OkStatus();
  });
  EXPECT_TRUE(outer.ok());
  EXPECT_EQ(ReasonOfStatus(inner), "OPERATION_IN_PROGRESS");
}

TEST(RequestMemory, CallersHaveIdsOfTheirOwn) {
  FakePolicyStore store;
  FakeClock clock{absl::FromUnixSeconds(1'750'000'000)};
  RequestMemory memory(store, clock);
  v1::CreateDomainRequest request;
  v1::CreateDomainResponse response;
  int runs = 0;
  const auto act = [&runs] {
    ++runs;
    return absl::OkStatus();
  };
  const std::string id = "123E4567-E89B-42D3-A456-426614174000";
  EXPECT_TRUE(memory.Once("ann", "M", request, id, &response, act).ok());
  EXPECT_TRUE(memory.Once("bob", "M", request, id, &response, act).ok());
  EXPECT_TRUE(memory.Once("ann", "M", request, id, &response, act).ok());
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(ReasonOfStatus(memory.Once("ann", "N", request, id, &response, act)),
            "REQUEST_ID_REUSED");
}

TEST(ReportFollower, WaitsForTheStoreAndTellsOnce) {
  bool there = false;
  ReportFollower follower([&there]() -> absl::StatusOr<std::unique_ptr<ReportReader>> {
    if (!there) return absl::DeadlineExceededError("no database yet");
    return std::make_unique<FakeReportStore>();
  });
  int told = 0;
  follower.CallWhenReady([&told] { ++told; });
  EXPECT_FALSE(follower.Tick().ok());
  EXPECT_EQ(ReasonOfStatus(follower.Reader().status()), "STARTING");
  there = true;
  EXPECT_TRUE(follower.Tick().ok());
  EXPECT_TRUE(follower.Tick().ok());
  EXPECT_TRUE(follower.Reader().ok());
  EXPECT_EQ(told, 1);
  follower.CallWhenReady([&told] { ++told; });
  EXPECT_EQ(told, 2) << "it is ready already";
}

TEST(Ticker, TicksUntilStopped) {
  std::latch thrice(3);
  std::atomic<int> ticks = 0;
  Ticker ticker(absl::Milliseconds(1), [&] {
    if (ticks.fetch_add(1) < 3) thrice.count_down();
  });
  thrice.wait();
  ticker.Stop();
  const int after = ticks;
  ticker.Stop();
  EXPECT_EQ(ticks, after);
}

TEST(AnalysisCache, ForgetsTheLeastUsedBeyondItsBytes) {
  ReportFollower follower([]() -> absl::StatusOr<std::unique_ptr<ReportReader>> {
    return std::make_unique<FakeReportStore>();
  });
  ASSERT_TRUE(follower.Tick().ok());
  const Call call({"ann"}, absl::Now() + absl::Minutes(1));
  const DayRange year{20'000, 20'365};
  size_t one = 0;
  {
    AnalysisCache measured(follower, Catalogue::Default());
    ASSERT_TRUE(measured.Get(call, "a.example", year).ok());
    one = measured.bytes();
    ASSERT_GT(one, 0u);
  }
  AnalysisCache cache(follower, Catalogue::Default(), nullptr, nullptr, 2 * one + one / 2);
  for (const char* domain : {"a.example", "b.example", "a.example", "c.example"}) {
    ASSERT_TRUE(cache.Get(call, domain, year).ok());
  }
  EXPECT_LE(cache.bytes(), 2 * one + one / 2);
  EXPECT_EQ(cache.computations(), 3u);
  ASSERT_TRUE(cache.Get(call, "a.example", year).ok());
  EXPECT_EQ(cache.computations(), 3u) << "used last but one";
  ASSERT_TRUE(cache.Get(call, "b.example", year).ok());
  EXPECT_EQ(cache.computations(), 4u) << "the least recently used was forgotten";
}

TEST(SelectorMemory, ReadsReportsOnceADayAndKeepsNothingElse) {
  FakeClock clock(absl::FromUnixSeconds(1'782'820'800));
  bool ready = false;
  ReportFollower follower([&ready]() -> absl::StatusOr<std::unique_ptr<ReportReader>> {
    if (!ready) return absl::UnavailableError("no store yet");
    return std::make_unique<FakeReportStore>();
  });
  AnalysisCache cache(follower, Catalogue::Default());
  SelectorMemory memory(cache, clock);
  EXPECT_FALSE(follower.Tick().ok());
  memory.Get("a.example");
  EXPECT_EQ(cache.computations(), 0u);
  ready = true;
  ASSERT_TRUE(follower.Tick().ok());
  memory.Get("a.example");
  EXPECT_EQ(cache.computations(), 1u) << "a failure is not remembered";
  clock.Advance(absl::Hours(23));
  memory.Get("a.example");
  EXPECT_EQ(cache.computations(), 1u);
  memory.Get("b.example");
  EXPECT_EQ(cache.computations(), 2u);
  clock.Advance(absl::Hours(2));
  memory.Get("a.example");
  EXPECT_EQ(cache.computations(), 3u);
  EXPECT_EQ(cache.bytes(), 0u) << "the room is for what people ask";
  memory.Stop();
  clock.Advance(absl::Hours(48));
  memory.Get("a.example");
  EXPECT_EQ(cache.computations(), 3u);
}

TEST(ReportedSelectors, AreAllOnlyIfNoneWasLeftOut) {
  DomainStatistics statistics;
  EXPECT_FALSE(ReportedSelectors(statistics).all) << "reports may be what is missing";
  statistics.selectors = {"no selector", "s1", "s2"};
  EXPECT_EQ(ReportedSelectors(statistics, {"s2", "s9"}).names,
            (std::vector<std::string>{"s2", "s9", "s1"}));
  EXPECT_TRUE(ReportedSelectors(statistics).all);
  statistics.selectors = {"no selector"};
  EXPECT_FALSE(ReportedSelectors(statistics).all) << "none that can be looked at";
  EXPECT_FALSE(ReportedSelectors(statistics, {"s1"}).all);
  statistics.selectors = {"s1"};
  EXPECT_TRUE(ReportedSelectors(statistics, {"s1"}).all);
  statistics.selectors_known = false;  // a source has more than are kept of it
  EXPECT_FALSE(ReportedSelectors(statistics).all);
  statistics.selectors_known = true;
  statistics.selectors.clear();
  for (int i = 0; i < 50; ++i) statistics.selectors.push_back(fmt::format("s{:02}", i));
  EXPECT_TRUE(ReportedSelectors(statistics).all);
  EXPECT_FALSE(ReportedSelectors(statistics, {"x"}).all) << "no room for the last";
  EXPECT_EQ(ReportedSelectors(statistics, {"x"}).names.size(), kMaxSelectors);
}

class ReportPagesTest : public testing::Test {
 protected:
  using Page = ReportPages::Page;
  // How often "a" and its like had to be loaded so far.
  int LoadsAfter(const std::string& name, Page page, size_t records = 1) {
    const auto got = pages_.Get(name, page, [&]() -> absl::StatusOr<StoredReport> {
      ++loads_;
      StoredReport report;
      report.report.records.resize(records);
      report.key.domain = name;
      return report;
    });
    EXPECT_TRUE(got.ok());
    EXPECT_EQ((*got)->key.domain, name);
    return loads_;
  }
  ReportPages pages_;
  int loads_ = 0;
};

TEST_F(ReportPagesTest, OneLoadServesAllPagesAndTheFirstIsAlwaysNew) {
  EXPECT_EQ(LoadsAfter("a", Page::kFirst), 1);
  EXPECT_EQ(LoadsAfter("a", Page::kLater), 1);
  EXPECT_EQ(LoadsAfter("a", Page::kLater), 1);
  EXPECT_EQ(LoadsAfter("a", Page::kFirst), 2);
  pages_.Forget("a");
  EXPECT_EQ(LoadsAfter("a", Page::kLater), 3);
}

TEST_F(ReportPagesTest, KeepsOneReportAndNoHugeOne) {
  LoadsAfter("a", Page::kFirst);
  EXPECT_EQ(LoadsAfter("b", Page::kLater), 2);
  EXPECT_EQ(LoadsAfter("b", Page::kLater), 2);
  EXPECT_EQ(LoadsAfter("a", Page::kLater), 3);
  EXPECT_EQ(LoadsAfter("c", Page::kFirst, ReportPages::kMaxKeptRecords + 1), 4);
  EXPECT_EQ(LoadsAfter("c", Page::kLater, ReportPages::kMaxKeptRecords + 1), 5);
  EXPECT_EQ(LoadsAfter("a", Page::kLater), 5);
}

}  // namespace
}  // namespace dmarcate
