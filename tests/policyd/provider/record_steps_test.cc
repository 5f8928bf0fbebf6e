#include "policyd/provider/api/record_steps.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/http/fake_transport.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing_support::IsOk;
using testing_support::StatusIs;
using Kind = RecordStep::Kind;

HostedRrSet Now(const std::vector<std::string>& texts) {
  HostedRrSet rrset;
  for (const std::string& text : texts) {
    rrset.records.push_back({.id = "id-" + text, .raw = "raw " + text, .txt = MakeTxtRecord(text)});
  }
  return rrset;
}
std::vector<TxtRecord> After(const std::vector<std::string>& texts) {
  std::vector<TxtRecord> records;
  for (const std::string& text : texts) records.push_back(MakeTxtRecord(text));
  return records;
}
std::vector<RecordStep> Plan(const HostedRrSet& now, const std::vector<std::string>& after) {
  return PlanRecordSteps(now, After(after), TxtForm::kRaw).value();
}

TEST(PlanRecordStepsTest, ChangesInPlaceAndLeavesTheRestAlone) {
  EXPECT_THAT(Plan(Now({"a", "b"}), {"b", "a"}), IsEmpty());
  EXPECT_THAT(Plan(Now({"a", "v=spf1 -all", "b"}), {"a", "v=spf1 mx -all", "b"}),
              ElementsAre(RecordStep{Kind::kUpdate, "id-v=spf1 -all", "v=spf1 mx -all"}));
  EXPECT_THAT(Plan(Now({}), {"a"}), ElementsAre(RecordStep{Kind::kCreate, "", "a"}));
  EXPECT_THAT(Plan(Now({"a"}), {}), ElementsAre(RecordStep{Kind::kDelete, "id-a", ""}));
}

TEST(PlanRecordStepsTest, ARecordBecomesOneOfItsOwnKindFirst) {
  EXPECT_THAT(Plan(Now({"x=1", "v=spf1 -all"}), {"v=spf1 mx -all", "y=2"}),
              ElementsAre(RecordStep{Kind::kUpdate, "id-v=spf1 -all", "v=spf1 mx -all"},
                          RecordStep{Kind::kUpdate, "id-x=1", "y=2"}));
  EXPECT_THAT(Plan(Now({"v=DMARC1; p=none", "v=spf1 -all"}), {"v=spf1 mx", "V=dmarc1;p=reject"}),
              ElementsAre(RecordStep{Kind::kUpdate, "id-v=spf1 -all", "v=spf1 mx"},
                          RecordStep{Kind::kUpdate, "id-v=DMARC1; p=none", "V=dmarc1;p=reject"}));
}

TEST(PlanRecordStepsTest, NeverDeletesAndCreates) {
  for (size_t before = 0; before < 4; ++before) {
    for (size_t after = 0; after < 4; ++after) {
      std::vector<std::string> old, fresh;
      for (size_t i = 0; i < before; ++i) old.push_back("old" + std::to_string(i));
      for (size_t i = 0; i < after; ++i) fresh.push_back("new" + std::to_string(i));
      const std::vector<RecordStep> steps = Plan(Now(old), fresh);
      EXPECT_EQ(steps.size(), std::max(before, after));
      const auto count = [&](Kind kind) {
        return std::ranges::count(steps, kind, &RecordStep::kind);
      };
      EXPECT_EQ(count(Kind::kUpdate), static_cast<int64_t>(std::min(before, after)));
      EXPECT_TRUE(count(Kind::kCreate) == 0 || count(Kind::kDelete) == 0);
    }
  }
}

TEST(PlanRecordStepsTest, DoublesCountAsOftenAsTheyAreThere) {
  EXPECT_THAT(Plan(Now({"a", "a"}), {"a"}), ElementsAre(RecordStep{Kind::kDelete, "id-a", ""}));
  EXPECT_THAT(Plan(Now({"a"}), {"a", "a"}), ElementsAre(RecordStep{Kind::kCreate, "", "a"}));
}

TEST(PlanRecordStepsTest, LockedAndUnreadableRecordsStay) {
  HostedRrSet now = Now({"a", "b"});
  now.records[0].locked = "email routing";
  now.records.push_back({.id = "odd", .raw = "?"});
  EXPECT_THAT(Plan(now, {"a", "c"}), ElementsAre(RecordStep{Kind::kUpdate, "id-b", "c"}));
  EXPECT_THAT(PlanRecordSteps(now, After({"c", "b"}), TxtForm::kRaw),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("email routing")));
  EXPECT_THAT(PlanRecordSteps(now, After({"b"}), TxtForm::kRaw),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(PlanRecordSteps(Now({}), After({"\xff"}), TxtForm::kRaw),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(KeepValuesTest, WhatStaysKeepsItsSpelling) {
  HostedRrSet now = Now({"a", "b"});
  now.records.push_back({.id = "odd", .raw = "?"});
  EXPECT_THAT(KeepValues(now, After({"b", "c"}), TxtForm::kQuoted).value(),
              ElementsAre("raw b", "\"c\"", "?"));
  EXPECT_THAT(KeepValues(now, {}, TxtForm::kQuoted).value(), ElementsAre("?"));
  EXPECT_THAT(KeepValues(Now({"a"}), {}, TxtForm::kQuoted).value(), IsEmpty());
}

class NoDialect final : public ApiDialect {
 public:
  std::string_view host() const override { return "host"; }
  absl::Status Authorize(ApiCall&, HttpRequest&) override { return absl::OkStatus(); }
  std::optional<ApiError> ErrorOf(const HttpResponse&) const override { return std::nullopt; }
  std::vector<std::string> Secrets() const override { return {}; }
};

TEST(TakeRecordStepsTest, AfterTheFirstStepTheOutcomeIsKnownOrUnknown) {
  FakeHttpTransport http;
  FakeClock clock(absl::UnixEpoch());
  const ApiWorld world{http, clock, [&](absl::Duration d) { clock.Advance(d); }};
  NoDialect dialect;
  const std::vector<RecordStep> steps(3);
  const auto run = [&](std::vector<absl::Status> answers) {
    ApiCall call(world, dialect, absl::Seconds(10));
    size_t next = 0;
    return TakeRecordSteps(call, steps, [&](const RecordStep&) {
      return next < answers.size() ? answers[next++] : absl::OkStatus();
    });
  };
  EXPECT_THAT(run({}), IsOk());
  EXPECT_THAT(run({absl::UnavailableError("busy")}), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(run({absl::InvalidArgumentError("no")}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(run({absl::OkStatus(), absl::UnavailableError("busy"), absl::UnavailableError("b")}),
              IsOk());
  EXPECT_THAT(run({absl::OkStatus(), absl::InvalidArgumentError("no")}),
              StatusIs(absl::StatusCode::kUnknown, HasSubstr("1 of 3 records changed")));
  EXPECT_THAT(run({absl::OkStatus(), absl::OkStatus(), absl::UnknownError("reset")}),
              StatusIs(absl::StatusCode::kUnknown));
  EXPECT_THAT(
      run({absl::OkStatus(), absl::UnavailableError("1"), absl::UnavailableError("2"),
           absl::UnavailableError("3"), absl::UnavailableError("4"), absl::UnavailableError("5"),
           absl::UnavailableError("6"), absl::UnavailableError("7"), absl::UnavailableError("8"),
           absl::UnavailableError("9"), absl::UnavailableError("10"),
           absl::UnavailableError("11")}),
      StatusIs(absl::StatusCode::kUnknown));
}

}  // namespace
}  // namespace dmarcate
