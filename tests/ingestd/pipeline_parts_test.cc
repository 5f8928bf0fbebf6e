// The pieces of the pipeline that work alone: budget, crash journal, conversion.

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <future>

#include "fmt/format.h"
#include "gtest/gtest.h"

#include "ingestd/pipeline/byte_budget.h"
#include "ingestd/pipeline/convert.h"
#include "ingestd/pipeline/crash_journal.h"
#include "lib/base/digest.h"
#include "lib/base/text.h"
#include "lib/mailauth/public_suffix_list.h"
#include "tests/testing/temp_dir.h"

namespace dmarcate {
namespace {

TEST(ByteBudget, WaitersAreServedInOrderWhenBytesComeBack) {
  ByteBudget budget(10);
  std::vector<int> order;
  std::vector<ByteBudget::Reservation> held;
  auto first = budget.AcquireBefore(8, absl::InfiniteFuture());
  for (const int bytes : {9, 1}) {
    budget.Acquire(bytes, [&order, &held, bytes](ByteBudget::Reservation reservation) {
      order.push_back(bytes);
      held.push_back(std::move(reservation));
    });
  }
  EXPECT_TRUE(order.empty()) << "a small one must not overtake";
  first.Release();
  EXPECT_EQ(order, (std::vector<int>{9, 1}));
  EXPECT_EQ(budget.used_bytes(), 10);
}

TEST(ByteBudget, WhatIsLargerThanTheWholeGetsItAlone) {
  ByteBudget budget(10);
  auto small = budget.AcquireBefore(1, absl::InfiniteFuture());
  EXPECT_FALSE(budget.AcquireBefore(1000, absl::Now()).valid());
  small.Release();
  EXPECT_TRUE(budget.AcquireBefore(1000, absl::InfiniteFuture()).valid());
  EXPECT_EQ(budget.used_bytes(), 0) << "given back when it went";
}

TEST(ByteBudget, AGrantAfterTheDeadlineComesBack) {
  ByteBudget budget(10);
  auto held = budget.AcquireBefore(10, absl::InfiniteFuture());
  EXPECT_FALSE(budget.AcquireBefore(5, absl::Now()).valid());
  held.Release();
  EXPECT_EQ(budget.used_bytes(), 0);
}

TEST(ByteBudget, WhoGaveUpHoldsUpNobody) {
  ByteBudget budget(10);
  auto held = budget.AcquireBefore(5, absl::InfiniteFuture());
  bool served = false;
  ByteBudget::Reservation kept;
  // Asked while it waits in front.
  EXPECT_FALSE(budget
                   .AcquireUnless(10,
                                  [&] {
                                    budget.Acquire(5, [&](ByteBudget::Reservation reservation) {
                                      served = true;
                                      kept = std::move(reservation);
                                    });
                                    return true;
                                  })
                   .valid());
  EXPECT_TRUE(served);
  EXPECT_EQ(budget.used_bytes(), 10);
}

TEST(ByteBudget, AnyNumberMayGiveBackWithinTheCall) {
  ByteBudget budget(1);
  auto held = budget.AcquireBefore(1, absl::InfiniteFuture());
  int served = 0;
  for (int i = 0; i < 200'000; ++i) {
    budget.Acquire(1, [&](const ByteBudget::Reservation&) { ++served; });
  }
  held.Release();
  EXPECT_EQ(served, 200'000);
  EXPECT_EQ(budget.used_bytes(), 0);
}

TEST(ByteBudget, CloseRefusesThoseWhoWait) {
  ByteBudget budget(1);
  auto held = budget.AcquireBefore(1, absl::InfiniteFuture());
  auto waiting = std::async(
      std::launch::async, [&] { return budget.AcquireBefore(1, absl::InfiniteFuture()).valid(); });
  budget.Close();
  EXPECT_FALSE(waiting.get());
}

// Runs `crash` in a child process that has the journal open, and returns how it ended.
template <typename Crash>
int InChild(const std::string& path, Crash crash) {
  const pid_t child = fork();
  if (child == 0) {
    const auto journal = CrashJournal::Open(path);
    crash();
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

struct CrashCase {
  std::string name;
  int signal = 0;
};
class CrashJournalTest : public testing::TestWithParam<CrashCase> {};
TEST_P(CrashJournalTest, NamesTheBytesThatWereBeingRead) {
  const testing_support::TempDir directory;
  const std::string path = directory.File("crashes"), culprit = Sha256("culprit");
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(InChild(path,
                      [&] {
                        {
                          const CrashJournal::Scope innocent(Sha256("innocent"));
                        }
                        const CrashJournal::Scope scope(culprit);
                        raise(GetParam().signal);
                      }),
              GetParam().signal);
  }
  const auto journal = CrashJournal::Open(path);
  ASSERT_TRUE(journal.ok()) << journal.status();
  EXPECT_EQ((*journal)->Crashes(culprit), 2);
  EXPECT_EQ((*journal)->Crashes(Sha256("innocent")), 0);
}
INSTANTIATE_TEST_SUITE_P(All, CrashJournalTest,
                         testing::ValuesIn(std::vector<CrashCase>{
                             {"Segv", SIGSEGV}, {"Abort", SIGABRT}, {"Bus", SIGBUS}}),
                         [](const auto& instance) { return instance.param.name; });

TEST(CrashJournal, ASignalFromOutsideIsNotCounted) {
  const testing_support::TempDir directory;
  const std::string path = directory.File("crashes");
  EXPECT_EQ(InChild(path,
                    [&] {
                      const CrashJournal::Scope scope(Sha256("x"));
                      raise(SIGKILL);
                    }),
            SIGKILL);
  EXPECT_EQ((*CrashJournal::Open(path))->Crashes(Sha256("x")), 0);
}

// As the OOM killer ends a process: no handler runs.
TEST(CrashJournal, AttemptsThatDoNotEndAreCountedUntilOneDoes) {
  const testing_support::TempDir directory;
  const std::string path = directory.File("crashes"), culprit = Sha256("culprit");
  const auto begin_and_die = [&] {
    const auto journal = CrashJournal::Open(path);
    CrashJournal::Attempt other = (*journal)->Begin(Sha256("other"));
    const CrashJournal::Attempt attempt = (*journal)->Begin(culprit);
    other.End();
    raise(SIGKILL);
  };
  for (int i = 1; i <= 3; ++i) {
    EXPECT_EQ(InChild(directory.File("unused"), begin_and_die), SIGKILL);
    const auto journal = CrashJournal::Open(path);
    ASSERT_TRUE(journal.ok()) << journal.status();
    EXPECT_EQ((*journal)->Unfinished(culprit), i);
    EXPECT_EQ((*journal)->Unfinished(Sha256("other")), 0);
    EXPECT_EQ((*journal)->Crashes(culprit), 0);
  }
  {
    const auto journal = CrashJournal::Open(path);
    (*journal)->Begin(culprit).End();
  }
  EXPECT_EQ((*CrashJournal::Open(path))->Unfinished(culprit), 0);
}

TEST(CrashJournal, AttemptsOfWhichOnlyAPartWasWrittenDoNotCount) {
  const testing_support::TempDir directory;
  const std::string hex = ToHex(Sha256("x"));
  directory.Write("crashes.attempts", hex + " 2\n" + ToHex(Sha256("y")) + "\n" + hex.substr(0, 9));
  const auto journal = CrashJournal::Open(directory.File("crashes"));
  ASSERT_TRUE(journal.ok()) << journal.status();
  EXPECT_EQ((*journal)->Unfinished(Sha256("x")), 2);
  EXPECT_EQ((*journal)->Unfinished(Sha256("y")), 0);
}

TEST(CrashJournal, ACrashOutsideOfReadingNamesNobody) {
  const testing_support::TempDir directory;
  EXPECT_EQ(InChild(directory.File("crashes"), [] { raise(SIGSEGV); }), SIGSEGV);
}

struct KeyCase {
  std::string name, email, org_name, want;
};
const KeyCase kKeyCases[] = {
    {"RegistrableDomain", "noreply@a.b.google.co.uk", "Google", "google.co.uk"},
    {"FoldsCase", "x@Mail.EXAMPLE.com", "", "example.com"},
    {"NoEmail", "", " Enterprise   Outlook ", "enterprise outlook"},
    {"EmailWithoutDomain", "postmaster", "Example Org", "example org"},
    {"DomainThatIsNone", "x@not a domain", "Example", "example"},
    {"Nothing", "", "  ", "unknown"},
};
class ReporterKeyTest : public testing::TestWithParam<KeyCase> {};
TEST_P(ReporterKeyTest, Case) {
  ReportMetadata metadata;
  metadata.email = GetParam().email;
  metadata.org_name = GetParam().org_name;
  EXPECT_EQ(ClaimedReporter(metadata, *BuiltinPublicSuffixList()), GetParam().want);
}
INSTANTIATE_TEST_SUITE_P(All, ReporterKeyTest, testing::ValuesIn(kKeyCases),
                         [](const auto& instance) { return instance.param.name; });

TrustVerdict Import(const UnpackedReport& report, const CarrierInfo& /*mail*/) {
  return JudgeUnverified(*report.aggregate, *BuiltinPublicSuffixList());
}

Unpacked OneReport() {
  Unpacked unpacked;
  UnpackedReport& found = unpacked.reports.emplace_back();
  found.kind = ReportKind::kAggregate;
  found.outcome = Outcome::kAccepted;
  found.aggregate.emplace().policy.domain = "a.test";
  return unpacked;
}

TEST(Convert, MaterialRepairsAreNamed) {
  Unpacked unpacked = OneReport();
  UnpackedReport& found = unpacked.reports[0];
  found.outcome = Outcome::kAcceptedMaterial;
  found.repairs = {{"root_unclosed", "", "", "", true}, {"ns_unknown", "x", "", "", false}};
  for (int i = 1; i <= 4; ++i) {
    found.repairs.push_back(
        {"count_assumed", fmt::format("record[{}]/row/count", i), "", "1", true});
  }
  const auto out = ToProcessed({.id = 7}, std::move(unpacked), &Import);
  ASSERT_EQ(out.items.size(), 1u);
  const ReceiptItem& item = out.items[0].item;
  EXPECT_EQ(item.outcome, Outcome::kAcceptedMaterial);
  EXPECT_EQ(item.reason, "");
  EXPECT_EQ(item.detail,
            "root_unclosed; count_assumed at record[1]/row/count; count_assumed at "
            "record[2]/row/count; and 2 more");
}

TEST(Convert, TrustDecidesTheClassTheReporterAndWhatIsListed) {
  const auto convert = [](TrustClass trust) {
    auto out = ToProcessed({.id = 7}, OneReport(), [trust](const auto&, const auto&) {
      return TrustVerdict{trust, TrustReason::kAnchorClaimed, "because", "reporter.test"};
    });
    return std::move(out.items.at(0));
  };
  for (const TrustClass trust :
       {TrustClass::kAnchored, TrustClass::kAuthenticated, TrustClass::kImported}) {
    const ProcessedItem item = convert(trust);
    EXPECT_EQ(item.report->trust, trust);
    EXPECT_EQ(item.report->reason, TrustReason::kAnchorClaimed);
    EXPECT_EQ(item.report->reporter_key, "reporter.test");
    EXPECT_EQ(item.item.outcome, Outcome::kAccepted);
    EXPECT_EQ(item.item.reason, "");
    EXPECT_FALSE(IsUnverified(item.item));
  }
  const ProcessedItem unverified = convert(TrustClass::kUnverified);
  EXPECT_EQ(unverified.item.outcome, Outcome::kAccepted);
  EXPECT_EQ(unverified.item.reason, "anchor_claimed");
  EXPECT_TRUE(IsUnverified(unverified.item));
  const ProcessedItem quarantined = convert(TrustClass::kQuarantined);
  EXPECT_EQ(quarantined.item.outcome, Outcome::kQuarantined);
  EXPECT_EQ(quarantined.item.reason, "anchor_claimed");
  EXPECT_EQ(quarantined.item.detail, "because");
  EXPECT_EQ(quarantined.report->trust, TrustClass::kQuarantined);
  EXPECT_EQ(quarantined.report->reason, TrustReason::kAnchorClaimed);
  EXPECT_EQ(quarantined.report->outcome, Outcome::kAccepted);
}

TEST(Convert, DaysOutsideTheCalendarAreMovedToItsEdge) {
  Unpacked unpacked;
  UnpackedReport& found = unpacked.reports.emplace_back();
  found.kind = ReportKind::kAggregate;
  found.outcome = Outcome::kAcceptedMaterial;
  found.aggregate.emplace().policy.domain = "a.test";
  found.aggregate->metadata.begin = found.aggregate->metadata.end = -5'000'000;
  const auto out = ToProcessed({.id = 7}, std::move(unpacked), Import);
  EXPECT_EQ(out.items[0].report->key.day, 0);
}

TEST(Convert, MoreReportsThanOrdinalsEndInAnOverLimitItem) {
  Unpacked unpacked;
  unpacked.reports.resize(70'000);
  const auto out = ToProcessed({.id = 7}, std::move(unpacked), Import);
  ASSERT_EQ(out.items.size(), 65'535u);
  EXPECT_EQ(out.items.back().item.outcome, Outcome::kOverLimit);
}

}  // namespace
}  // namespace dmarcate
