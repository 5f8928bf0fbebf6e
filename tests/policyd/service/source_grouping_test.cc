#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "dmarcate/v1/source.grpc.pb.h"
#include "lib/mailauth/lint.h"
#include "policyd/analysis/catalogue.h"
#include "tests/policyd/service/source_world.h"

namespace dmarcate {
namespace {

using analysis_testing::Report;
using analysis_testing::Row;
using service_testing::kMicrosoft;
using service_testing::kSendgrid;
using service_testing::ReasonOf;
using testing::ElementsAre;
using testing::HasSubstr;
using v1::SourceService;
using Stub = SourceService::Stub;
using SourceGroupingTest = service_testing::SourceWorld;

TEST_F(SourceGroupingTest, SourcesAreMergedSplitAndUngrouped) {
  v1::MergeSourcesRequest merge;
  merge.set_name(kMicrosoft);
  merge.add_sources("ip-198-51-100-7");
  merge.set_validate_only(true);
  v1::MergeSourcesResponse merged;
  DMARCATE_CALL(world_, SourceService, MergeSources, merge, &merged);
  EXPECT_THAT(List({}), ElementsAre("sendgrid", "microsoft-365", "ip-198-51-100-7"));
  merge.set_validate_only(false);
  DMARCATE_CALL(world_, SourceService, MergeSources, merge, &merged);
  EXPECT_THAT(List({}), ElementsAre("sendgrid", "microsoft-365"));
  EXPECT_EQ(Get(kMicrosoft).stats().counts().message_count(), 13);
  EXPECT_EQ(total_.message_count(), 33);
  EXPECT_EQ(ReasonOf(world_.Call<SourceService>(&Stub::MergeSources, merge, &merged)),
            "RESOURCE_EXISTS");

  v1::SplitSourceRequest split;
  split.set_name(kSendgrid);
  split.set_split_id("shop");
  split.add_ranges("149.72.1.2");
  v1::SplitSourceResponse parted;
  DMARCATE_CALL(world_, SourceService, SplitSource, split, &parted);
  EXPECT_THAT(List({}), ElementsAre("microsoft-365", "sendgrid", "split-shop"));
  EXPECT_EQ(Get("domains/example.com/sources/split-shop").display_name(), "shop");
  v1::ListSourceGroupingsRequest all;
  all.set_parent("domains/example.com");
  v1::ListSourceGroupingsResponse groupings;
  DMARCATE_CALL(world_, SourceService, ListSourceGroupings, all, &groupings);
  EXPECT_EQ(groupings.groupings_size(), 2);

  // Split off, then merged: what was done last is taken back first.
  merge.set_name(kMicrosoft);
  merge.set_sources(0, "split-shop");
  DMARCATE_CALL(world_, SourceService, MergeSources, merge, &merged);
  EXPECT_THAT(List({}), ElementsAre("microsoft-365", "sendgrid"));
  v1::UngroupSourceRequest last;
  last.set_name("domains/example.com/sources/split-shop");
  v1::UngroupSourceResponse part;
  DMARCATE_CALL(world_, SourceService, UngroupSource, last, &part);
  EXPECT_THAT(List({}), ElementsAre("microsoft-365", "sendgrid", "split-shop"));

  for (const char* name :
       {"domains/example.com/sources/ip-198-51-100-7", "domains/example.com/sources/split-shop"}) {
    v1::UngroupSourceRequest ungroup;
    ungroup.set_name(name);
    v1::UngroupSourceResponse undone;
    DMARCATE_CALL(world_, SourceService, UngroupSource, ungroup, &undone);
    EXPECT_EQ(ReasonOf(world_.Call<SourceService>(&Stub::UngroupSource, ungroup, &undone)),
              "RESOURCE_NOT_FOUND");
  }
  EXPECT_THAT(List({}), ElementsAre("sendgrid", "microsoft-365", "ip-198-51-100-7"));
}

TEST_F(SourceGroupingTest, WhatCannotBeGroupedIsRefused) {
  struct Case {
    std::string name, source, range, id, want;
  };
  const Case kCases[] = {
      {"fine", kSendgrid, "149.72.1.2", "shop", ""},
      {"no address", kSendgrid, "shop.test", "shop", "FIELD_INVALID"},
      {"no range", kSendgrid, "", "shop", "FIELD_REQUIRED"},
      {"no id", kSendgrid, "149.72.1.2", "", "FIELD_INVALID"},
      {"no good id", kSendgrid, "149.72.1.2", "Shop", "FIELD_INVALID"},
      {"a long id", kSendgrid, "149.72.1.2", std::string(58, 'a'), "FIELD_INVALID"},
      {"no such domain", "domains/example.net/sources/a", "149.72.1.2", "shop",
       "RESOURCE_NOT_FOUND"},
      {"no name", "sendgrid", "149.72.1.2", "shop", "NAME_MALFORMED"},
  };
  for (const Case& test : kCases) {
    v1::SplitSourceRequest request;
    request.set_name(test.source);
    request.set_split_id(test.id);
    if (!test.range.empty()) request.add_ranges(test.range);
    request.set_validate_only(true);
    v1::SplitSourceResponse response;
    EXPECT_EQ(ReasonOf(world_.Call<SourceService>(&Stub::SplitSource, request, &response)),
              test.want)
        << test.name;
  }
  v1::MergeSourcesRequest merge;
  merge.set_name(kSendgrid);
  v1::MergeSourcesResponse merged;
  const auto reason = [&] {
    return ReasonOf(world_.Call<SourceService>(&Stub::MergeSources, merge, &merged));
  };
  EXPECT_EQ(reason(), "FIELD_REQUIRED");
  merge.add_sources("microsoft-365");
  merge.add_sources("sendgrid");
  EXPECT_EQ(reason(), "FIELD_INVALID") << "into itself";
  merge.mutable_sources()->RemoveLast();
  EXPECT_EQ(reason(), "");
  merge.set_name(kMicrosoft);
  merge.set_sources(0, "sendgrid");
  EXPECT_EQ(reason(), "FIELD_INVALID") << "each as the other";
  EXPECT_THAT(List({}), ElementsAre("sendgrid", "ip-198-51-100-7"))
      << "all or nothing: the refused merge left nothing";
}

TEST_F(SourceGroupingTest, NothingIsMergedWithAWordThatNamesNoSource) {
  v1::MergeSourcesRequest merge;
  merge.set_name("domains/example.com/sources/microsoft-356");
  merge.add_sources("ip-198-51-100-7");
  v1::MergeSourcesResponse merged;
  const auto refusal = [&] {
    return world_.Call<SourceService>(&Stub::MergeSources, merge, &merged);
  };
  grpc::Status status = refusal();
  EXPECT_EQ(ReasonOf(status), "RESOURCE_NOT_FOUND");
  EXPECT_THAT(status.error_message(), HasSubstr("did you mean \"microsoft-365\"?"));
  merge.set_name(kMicrosoft);
  merge.set_sources(0, "ip-198-51-100-77");
  status = refusal();
  EXPECT_EQ(ReasonOf(status), "RESOURCE_NOT_FOUND");
  EXPECT_THAT(status.error_message(), HasSubstr("\"ip-198-51-100-7\""));
  // A service of the catalogue may send tomorrow.
  merge.set_name("domains/example.com/sources/mailgun");
  merge.set_sources(0, "ip-198-51-100-7");
  EXPECT_EQ(ReasonOf(refusal()), "");
}

TEST_F(SourceGroupingTest, GroupingMovesTheEvidence) {
  const v1::ApproveSourceRequest before = ApproveRequest(kMicrosoft);
  v1::MergeSourcesRequest merge;
  merge.set_name(kMicrosoft);
  merge.add_sources("ip-198-51-100-7");
  v1::MergeSourcesResponse merged;
  DMARCATE_CALL(world_, SourceService, MergeSources, merge, &merged);
  EXPECT_EQ(ApproveReason(before), "SOURCE_EVIDENCE_CHANGED");
  EXPECT_EQ(ApproveReason(ApproveRequest(kMicrosoft)), "");
}

TEST_F(SourceGroupingTest, WhatTwoAnchorsSawForAWeekIsSuggestedUnlessItDangles) {
  for (int day = 9; day > 0; --day) {
    for (const char* anchor : {"one.test", "two.test"}) {
      world_.AddReport(
          Report(world_.DaysAgo(day),
                 {Row(20).From("161.38.192.1").Dkim("mailgun.org").Dkim("example.com")}, anchor,
                 TrustClass::kAnchored));
    }
  }
  constexpr char kMailgun[] = "domains/example.com/sources/mailgun";
  EXPECT_FALSE(Get(kMailgun).suggested()) << "nobody has looked at what dangles";
  InsightUpdate update;
  const auto look = [&](const InsightLookRecord& record) {
    update.look = record;
    EXPECT_TRUE(world_.insights().UpdateInsights("example.com", update, InsightSync::kSynced).ok());
  };
  const absl::Time now = world_.clock().Now();
  const std::string include = Catalogue::Default().FindById("mailgun")->spf_includes.front();
  InsightLookRecord unknown;
  unknown.time = now - absl::Hours(25);
  look(unknown);
  EXPECT_FALSE(Get(kMailgun).suggested()) << "nobody has looked of late";
  unknown = {.time = now, .unknown_names = {include}};
  look(unknown);
  EXPECT_FALSE(Get(kMailgun).suggested()) << "of its include nothing could be learned";
  unknown = {.time = now, .unknown_names = {}, .left_out = 1};
  look(unknown);
  EXPECT_FALSE(Get(kMailgun).suggested()) << "more was found than is kept";
  look({.time = now, .unknown_names = {}});
  EXPECT_TRUE(Get(kMailgun).suggested()) << Get(kMailgun).suggestion_reason();
  EXPECT_THAT(Get(kMailgun).suggestion_reason(), HasSubstr("2 anchors have seen"));
  InsightRecord dangling;
  dangling.id = "d";
  dangling.code = lint_code::kSpfDangling;
  dangling.metadata = {{"target", include}};
  update.put = {dangling};
  look({.time = now, .unknown_names = {}});
  EXPECT_FALSE(Get(kMailgun).suggested());
  EXPECT_THAT(Get(kMailgun).suggestion_reason(), HasSubstr("leads to nothing"));
  ASSERT_EQ(ApproveReason(ApproveRequest(kMailgun)), "");
  EXPECT_EQ(Get(kMailgun).suggestion_reason(), "") << "it is decided";
}

// Lists come from compact rows, a source by itself from the reports.
TEST_F(SourceGroupingTest, ASourceIsListedAsItIsShown) {
  for (int day = 9; day > 0; --day) {
    world_.AddReport(
        Report(world_.DaysAgo(day),
               {Row(20).From("161.38.192.1").Dkim("mailgun.org").Dkim("example.com", "mg"),
                Row(2).From("203.0.113.9").Dkim("example.com", "mg").Spf("list.test"),
                Row(4).From("203.0.113.70").Says(ReasonType::kForwarded)},
               day % 2 == 0 ? "one.test" : "two.test",
               day == 3 ? TrustClass::kAuthenticated : TrustClass::kAnchored));
  }
  InsightUpdate update;
  update.look.emplace().time = world_.clock().Now();
  ASSERT_TRUE(world_.insights().UpdateInsights("example.com", update, InsightSync::kSynced).ok());
  v1::MergeSourcesRequest merge;
  merge.set_name(kSendgrid);
  merge.add_sources("ip-203-0-113-70");
  v1::MergeSourcesResponse merged;
  DMARCATE_CALL(world_, SourceService, MergeSources, merge, &merged);
  v1::SplitSourceRequest split;
  split.set_name("domains/example.com/sources/mailgun");
  split.set_split_id("shop");
  split.add_ranges("161.38.192.0/24");
  v1::SplitSourceResponse parted;
  DMARCATE_CALL(world_, SourceService, SplitSource, split, &parted);

  v1::ListSourcesRequest request;
  request.set_parent("domains/example.com");
  v1::ListSourcesResponse response;
  const uint64_t before = world_.analysis().computations();
  DMARCATE_CALL(world_, SourceService, ListSources, request, &response);
  EXPECT_EQ(world_.analysis().computations(), before) << "the list was not made from rows";
  ASSERT_EQ(response.sources_size(), 5);
  EXPECT_TRUE(response.sources(0).name().ends_with("/split-shop"));
  EXPECT_TRUE(response.sources(0).suggested());
  for (const v1::Source& listed : response.sources()) {
    EXPECT_EQ(listed.DebugString(), Get(listed.name()).DebugString());
  }
}

TEST_F(SourceGroupingTest, NothingIsSuggestedOnHandedInReports) {
  EXPECT_FALSE(Get(kSendgrid).suggested());
  EXPECT_THAT(Get(kSendgrid).suggestion_reason(), HasSubstr("0 of 2 anchors"));
}

}  // namespace
}  // namespace dmarcate
