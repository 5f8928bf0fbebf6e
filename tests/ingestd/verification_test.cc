// The pipeline's detour for mail: who is checked, what waits, and what comes of it.

#include "ingestd/pipeline/verification.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "gtest/gtest.h"

#include "ingestd/pipeline/pipeline.h"
#include "lib/base/clock.h"
#include "lib/base/digest.h"
#include "lib/base/file.h"
#include "lib/base/text.h"
#include "lib/mailauth/public_suffix_list.h"
#include "lib/store/report_rules.h"
#include "tests/ingestd/fakes.h"
#include "tests/testing/process.h"
#include "tests/testing/temp_dir.h"

namespace dmarcate {
namespace {

using ingest_testing::FakeUnpack;
using ingest_testing::MakeDelivery;
using ingest_testing::ObservedStore;
using Result = absl::StatusOr<std::vector<ReceiptItem>>;

constexpr char kAnchors[] = R"(
[[anchor]]
name = "Reporter"
from = "dmarc@mail.reporter.test"
signed_by = ["mail.reporter.test"]
organizations = ["Reporter"]
)";

// Answers as told, counts, and can be held.
class ScriptedChecker {
 public:
  CarrierAuth operator()(std::string_view mail, const std::optional<Envelope>& envelope) {
    std::unique_lock lock(mutex_);
    ++calls_;
    ++running_;
    most_running_ = std::max(most_running_, running_);
    last_mail_ = mail;
    last_envelope_ = envelope;
    const bool silent = mail.find("silent") != std::string_view::npos;
    if (silent) ++silent_calls_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return !held_ && !(silent && silent_held_); });
    --running_;
    return silent ? silent_answer_ : answer_;
  }
  void Answer(CarrierAuth answer) {
    const std::lock_guard lock(mutex_);
    answer_ = std::move(answer);
  }
  void Hold() {
    const std::lock_guard lock(mutex_);
    held_ = true;
  }
  void Release() {
    const std::lock_guard lock(mutex_);
    held_ = false;
    changed_.notify_all();
  }
  // For mail with the word "silent".
  void AnswerSilent(CarrierAuth answer) {
    const std::lock_guard lock(mutex_);
    silent_answer_ = std::move(answer);
  }
  // From now on the checks of such mail do not end. How many there were before.
  int HoldSilent(bool hold = true) {
    const std::lock_guard lock(mutex_);
    silent_held_ = hold;
    changed_.notify_all();
    return silent_calls_;
  }
  void AwaitSilentCalls(int calls) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return silent_calls_ >= calls; });
  }
  void AwaitCalls(int calls) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return calls_ >= calls; });
  }
  int calls() {
    const std::lock_guard lock(mutex_);
    return calls_;
  }
  int most_running() {
    const std::lock_guard lock(mutex_);
    return most_running_;
  }
  std::string last_mail() {
    const std::lock_guard lock(mutex_);
    return last_mail_;
  }
  std::optional<Envelope> last_envelope() {
    const std::lock_guard lock(mutex_);
    return last_envelope_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  CarrierAuth answer_, silent_answer_;
  bool silent_held_ = false;
  int silent_calls_ = 0;
  bool held_ = false;
  int calls_ = 0, running_ = 0, most_running_ = 0;
  std::string last_mail_;
  std::optional<Envelope> last_envelope_;
};

CarrierAuth Passes() {
  return {.from_fields = 1,
          .from_address = "dmarc@mail.reporter.test",
          .from_domain = "mail.reporter.test",
          .dkim = {{.result = DkimResult::kPass,
                    .domain = "mail.reporter.test",
                    .key_bits = 2048,
                    .aligned = true,
                    .covers_body = true,
                    .covers_identity = true,
                    .covers_content_type = true}},
          .signatures = 1,
          .dmarc = DmarcResult::kPass};
}

CarrierAuth Unreachable() {
  CarrierAuth out = Passes();
  out.dkim[0].result = DkimResult::kTempError;
  out.dmarc = DmarcResult::kTempError;
  out.unreachable = true;
  return out;
}

std::string Mail(std::string_view report, bool is_signed = true) {
  return fmt::format("Subject: s\nFrom: dmarc@mail.reporter.test\nDate: now\n{}\n{}",
                     is_signed ? "DKIM-Signature: v=1\n" : "", report);
}

// FakeUnpack() of the body of a mail; "mailbox" in front makes it several.
Unpacked UnpackMail(std::string content, const UnpackHints& hints) {
  const size_t body = content.find("\n\n");
  if (body == std::string::npos) return FakeUnpack(std::move(content), hints);
  Unpacked out = FakeUnpack(content.substr(body + 2), hints);
  out.carrier.is_mail = !content.starts_with("From mailbox");
  for (UnpackedReport& report : out.reports) {
    if (report.aggregate) report.aggregate->metadata.org_name = "Reporter";
  }
  return out;
}

class VerificationTest : public testing::Test {
 protected:
  void Start() {
    auto crashes = CrashJournal::Open(directory_.File("crashes"));
    ASSERT_TRUE(crashes.ok()) << crashes.status();
    crashes_ = *std::move(crashes);
    Verification verification;
    verification.checker = [this](std::string_view mail, const std::optional<Envelope>& envelope,
                                  absl::Time) { return checker_(mail, envelope); };
    verification.anchors = *AnchorList::Parse(kAnchors, "anchors", *suffixes_);
    verification.clock = &clock_;
    verification.threads = 2;
    verification.most_waiting = most_waiting_;
    verification.stopping = [this] { return stopping_.load(); };
    verification.verified = [this](const Envelope& envelope, const CarrierAuth& auth,
                                   TrustClass best) {
      const std::lock_guard lock(verified_mutex_);
      verified_.push_back(
          fmt::format("{} {} {}", envelope.mail_from, auth.from_address, TrustRank(best)));
    };
    verification.first_retry = verification.longest_retry = retry_;
    pipeline_ = std::make_unique<Pipeline>(
        store_, *suffixes_, *crashes_, UnpackMail, [](const absl::Status&) {}, options_,
        std::move(verification));
    ASSERT_TRUE(pipeline_->Start().ok());
  }
  void Restart() {
    pipeline_->Stop(absl::InfiniteDuration());
    pipeline_.reset();
    crashes_.reset();
    Start();
  }
  std::future<Result> Submit(Delivery delivery) {
    const auto promise = std::make_shared<std::promise<Result>>();
    pipeline_->Submit(
        std::move(delivery), [](const absl::Status&) {},
        [promise](const Result& result) { promise->set_value(result); });
    return promise->get_future();
  }
  static Delivery Make(std::string content, Channel channel = Channel::kLmtp) {
    Delivery delivery = MakeDelivery(std::move(content));
    delivery.channel = channel;
    return delivery;
  }
  ReceiptItem Take(Delivery delivery) {
    const Result items = Submit(std::move(delivery)).get();
    EXPECT_TRUE(items.ok()) << items.status();
    return items.ok() ? items->at(0) : ReceiptItem();
  }
  // Newest first.
  std::vector<StoredReport> List() {
    EXPECT_TRUE(store_.fake().CatchUp().ok());
    auto page = store_.fake().ListReports("a.test", 0, 100'000, std::nullopt, 100);
    EXPECT_TRUE(page.ok()) << page.status();
    return page->reports;
  }
  size_t Counted() {
    EXPECT_TRUE(store_.fake().CatchUp().ok());
    size_t out = 0;
    const auto totals = store_.fake().ReadTotals("a.test", 0, 100'000);
    EXPECT_TRUE(totals.ok()) << totals.status();
    for (const DayTotals& day : *totals) out += static_cast<size_t>(day.reports);
    return out;
  }

  testing_support::TempDir directory_;
  std::unique_ptr<PublicSuffixList> suffixes_ = BuiltinPublicSuffixList();
  FakeClock clock_{absl::FromUnixSeconds(1'700'100'000)};  // when MakeDelivery() receives
  ObservedStore store_;
  ScriptedChecker checker_;
  absl::Duration retry_ = absl::Milliseconds(1);
  size_t most_waiting_ = 1000;
  std::atomic<bool> stopping_ = false;
  std::mutex verified_mutex_;
  std::vector<std::string> verified_;
  PipelineOptions options_;
  std::unique_ptr<CrashJournal> crashes_;
  std::unique_ptr<Pipeline> pipeline_;
};

TEST_F(VerificationTest, AMailThatVerifiesIsAnchoredOrAuthenticated) {
  Start();
  checker_.Answer(Passes());
  EXPECT_EQ(Take(Make(Mail("report a.test 1"))).reason, "");
  CarrierAuth user = Passes();
  user.from_address = "alice@mail.reporter.test";
  checker_.Answer(user);
  Take(Make("From MAILER\n" + Mail("report a.test 2")));
  EXPECT_EQ(checker_.last_mail(), Mail("report a.test 2")) << "without what a mailbox adds";
  const auto reports = List();
  ASSERT_EQ(reports.size(), 2u);
  EXPECT_EQ(reports[1].trust, TrustClass::kAnchored);
  EXPECT_EQ(reports[1].reason, TrustReason::kNone);
  EXPECT_EQ(reports[0].trust, TrustClass::kAuthenticated);
  EXPECT_EQ(reports[0].reporter_key, "reporter.test");
  EXPECT_EQ(Counted(), 2u);
}

TEST_F(VerificationTest, WhatMailWithAnEnvelopeProvesIsTold) {
  Start();
  checker_.Answer(Passes());
  const auto by_smtp = [](std::string content) {
    Delivery delivery = Make(std::move(content), Channel::kSmtp);
    delivery.envelope = Envelope{IpAddress(), "c", "bounce@reporter.test", {"dmarc@x.test"}};
    return delivery;
  };
  Take(Make(Mail("report a.test 1")));  // without one it says nothing about who sent it
  Take(by_smtp(Mail("report a.test 2")));
  Take(by_smtp(Mail("no report")));
  CarrierAuth user = Passes();
  user.from_address = "alice@mail.reporter.test";
  checker_.Answer(user);
  Take(by_smtp(Mail("report a.test 3")));
  const std::lock_guard lock(verified_mutex_);
  const std::string from = "bounce@reporter.test ", anchor = "dmarc@mail.reporter.test ";
  EXPECT_EQ(verified_, (std::vector<std::string>{
                           fmt::format("{}{}{}", from, anchor, TrustRank(TrustClass::kAnchored)),
                           fmt::format("{}{}{}", from, anchor, TrustRank(TrustClass::kUnspecified)),
                           fmt::format("{}alice@mail.reporter.test {}", from,
                                       TrustRank(TrustClass::kAuthenticated))}));
}

TEST_F(VerificationTest, NobodyIsAskedWhereThereIsNothingToVerify) {
  Start();
  EXPECT_EQ(Take(Make(Mail("report a.test 1", false))).reason, "not_signed");
  EXPECT_EQ(Take(Make("report a.test 2")).reason, "not_mail");
  EXPECT_EQ(Take(Make("report a.test 3", Channel::kUpload)).reason, "");
  EXPECT_EQ(Take(Make(Mail("report a.test 4", false), Channel::kImport)).reason, "");
  EXPECT_EQ(checker_.calls(), 0);
  EXPECT_EQ(Counted(), 2u);
  const auto reports = List();
  ASSERT_EQ(reports.size(), 4u);
  EXPECT_EQ(reports[0].trust, TrustClass::kImported);
  EXPECT_EQ(reports[0].reason, TrustReason::kHandedIn);
  EXPECT_EQ(reports[3].trust, TrustClass::kUnverified);
  EXPECT_EQ(reports[3].reason, TrustReason::kNotSigned);
}

TEST_F(VerificationTest, AnEnvelopeIsCheckedAlsoWithoutASignature) {
  Start();
  CarrierAuth by_spf = Passes();
  by_spf.dkim.clear();
  by_spf.spf = {SpfResult::kPass, "mail.reporter.test", true};
  checker_.Answer(by_spf);
  Delivery delivery = Make(Mail("report a.test 1", false), Channel::kSmtp);
  delivery.envelope.emplace().helo = "mail.reporter.test";
  Take(std::move(delivery));
  ASSERT_TRUE(checker_.last_envelope().has_value());
  EXPECT_EQ(checker_.last_envelope()->helo, "mail.reporter.test");
  ASSERT_EQ(List().size(), 1u);
  EXPECT_EQ(List()[0].trust, TrustClass::kAuthenticated);
}

TEST_F(VerificationTest, AMailboxIsNoMail) {
  Start();
  checker_.Answer(Passes());
  EXPECT_EQ(Take(Make("From mailbox\n" + Mail("report a.test 1"))).reason, "not_mail");
  EXPECT_EQ(Counted(), 0u);
}

TEST_F(VerificationTest, AContradictionIsStoredListedAndNotCounted) {
  Start();
  CarrierAuth evil = Passes();
  evil.from_domain = evil.dkim[0].domain = "evil.example";
  evil.from_address = "dmarc@evil.example";
  checker_.Answer(evil);
  const ReceiptItem item = Take(Make(Mail("report a.test 1")));
  EXPECT_EQ(item.outcome, Outcome::kQuarantined);
  EXPECT_EQ(item.reason, "identity_mismatch");
  EXPECT_EQ(Counted(), 0u);
  ASSERT_EQ(List().size(), 1u);
  EXPECT_EQ(List()[0].trust, TrustClass::kQuarantined);
  EXPECT_EQ(List()[0].reason, TrustReason::kIdentityMismatch);
  EXPECT_EQ(store_.ListUnreadable(std::nullopt, 10)->rows.size(), 1u);
}

TEST_F(VerificationTest, WhileDnsIsSilentMailWaitsPendingAndIsCheckedAgain) {
  checker_.Answer(Unreachable());
  Start();
  auto read = Submit(Make(Mail("report a.test 1")));
  const Result waits = read.get();
  EXPECT_EQ(waits.status().code(), absl::StatusCode::kUnavailable) << "nobody waits with it";
  EXPECT_TRUE(IsWaitingForDns(waits.status()));
  checker_.AwaitCalls(3);
  EXPECT_EQ(List().size(), 0u);
  EXPECT_EQ(store_.Pending(10)->size(), 1u);
  checker_.Answer(Passes());
  ASSERT_TRUE(testing_support::WaitUntil([&] { return !List().empty(); }));
  EXPECT_EQ(List()[0].trust, TrustClass::kAnchored);
  EXPECT_TRUE(store_.Pending(10)->empty());
}

TEST_F(VerificationTest, AfterADayItIsJudgedByWhatIsKnown) {
  checker_.Answer(Unreachable());
  Start();
  Submit(Make(Mail("report a.test 1"))).wait();
  clock_.Advance(absl::Hours(23));
  checker_.AwaitCalls(checker_.calls() + 2);
  EXPECT_EQ(List().size(), 0u);
  clock_.Advance(absl::Hours(1));
  ASSERT_TRUE(testing_support::WaitUntil([&] { return !List().empty(); }));
  EXPECT_EQ(List()[0].trust, TrustClass::kUnverified);
  EXPECT_EQ(Counted(), 0u);
}

TEST_F(VerificationTest, ARestartForgetsNothingThatWaits) {
  retry_ = absl::Hours(1);
  checker_.Answer(Unreachable());
  Start();
  for (int i = 0; i < 3; ++i) Submit(Make(Mail(fmt::format("report a.test {}", i)))).wait();
  checker_.Answer(Passes());
  Restart();
  ASSERT_TRUE(testing_support::WaitUntil([&] { return List().size() == 3; }));
  for (const StoredReport& report : List()) EXPECT_EQ(report.trust, TrustClass::kAnchored);
}

TEST_F(VerificationTest, OldMailIsNotGivenUpAtTheFirstSilence) {
  checker_.Answer(Unreachable());
  Start();
  Delivery delivery = Make(Mail("report a.test 1"), Channel::kMaildir);
  delivery.received_time -= absl::Hours(24 * 300);
  Submit(std::move(delivery)).wait();
  checker_.AwaitCalls(3);
  EXPECT_EQ(List().size(), 0u);
  checker_.Answer(Passes());
  ASSERT_TRUE(testing_support::WaitUntil([&] { return !List().empty(); }));
}

TEST_F(VerificationTest, SlowDnsHoldsUpNeitherParsersNorTheBudget) {
  ByteBudget budget(1000);
  options_.parse_threads = 1;
  options_.keep_bytes = 20;
  checker_.Answer(Passes());
  checker_.Hold();
  Start();
  std::vector<std::future<Result>> waiting;
  for (int i = 0; i < 10; ++i) {
    Delivery delivery = Make(Mail(fmt::format("report a.test {}", i)));
    delivery.reservation = budget.AcquireBefore(100, absl::InfiniteFuture());
    waiting.push_back(Submit(std::move(delivery)));
  }
  EXPECT_EQ(Take(Make("report a.test x", Channel::kImport)).outcome, Outcome::kAccepted);
  EXPECT_TRUE(testing_support::WaitUntil([&] { return budget.used_bytes() == 0; }));
  checker_.AwaitCalls(2);
  EXPECT_EQ(checker_.most_running(), 2);
  checker_.Release();
  for (auto& read : waiting) EXPECT_TRUE(read.get().ok());
  EXPECT_EQ(Counted(), 11u);
  EXPECT_EQ(checker_.most_running(), 2);
}

TEST_F(VerificationTest, MailThatDnsLeavesOpenNeverHasAllThreads) {
  checker_.Answer(Passes());
  checker_.AnswerSilent(Unreachable());
  Start();
  for (int i = 0; i < 8; ++i) Submit(Make(Mail(fmt::format("report silent.test {}", i)))).wait();
  checker_.AwaitSilentCalls(checker_.HoldSilent() + 1);  // now they hold what they can get
  for (int i = 0; i < 3; ++i) {
    const auto read = Submit(Make(Mail(fmt::format("report a.test {}", i))));
    EXPECT_EQ(read.wait_for(std::chrono::seconds(20)), std::future_status::ready);
  }
  EXPECT_EQ(Counted(), 3u);
  checker_.HoldSilent(false);
}

TEST_F(VerificationTest, LargeMailIsCheckedOneByOne) {
  options_.check_bytes = 100;
  checker_.Answer(Passes());
  Start();
  std::vector<std::future<Result>> reads;
  for (int i = 0; i < 20; ++i)
    reads.push_back(Submit(Make(Mail(fmt::format("report a.test {}", i)))));
  for (auto& read : reads) EXPECT_TRUE(read.get().ok());
  EXPECT_EQ(checker_.most_running(), 1);
}

TEST_F(VerificationTest, OnlySoManyMailsWait) {
  most_waiting_ = 3;
  retry_ = absl::Hours(1);
  checker_.Answer(Unreachable());
  Start();
  for (int i = 0; i < 3; ++i) Submit(Make(Mail(fmt::format("report a.test {}", i)))).wait();
  EXPECT_EQ(Submit(Make(Mail("report a.test 4"))).get().status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(store_.Pending(10)->size(), 3u) << "it is the sender's still";
  EXPECT_EQ(Take(Make("report a.test 5", Channel::kImport)).outcome, Outcome::kAccepted);
}

TEST_F(VerificationTest, ASilenceOfOurOwnMakingIsNoVerdict) {
  checker_.Answer(Unreachable());
  Start();
  Submit(Make(Mail("report a.test 1"))).wait();
  checker_.Hold();
  checker_.AwaitCalls(checker_.calls() + 1);
  clock_.Advance(absl::Hours(25));
  stopping_ = true;
  std::thread stop([&] { pipeline_->Stop(absl::ZeroDuration()); });
  checker_.Release();
  stop.join();
  EXPECT_EQ(List().size(), 0u);
  EXPECT_EQ(store_.Pending(10)->size(), 1u);
}

// What a journal would say if the daemon were killed in the check.
class SuspectTest : public VerificationTest {
 protected:
  void LeaveAttempts(const std::string& content, int attempts) {
    CommitBatch batch;
    CommitBatch::Accepted& accepted = batch.accepted.emplace_back();
    accepted.raw = content;
    accepted.receipt.raw_sha256 = Sha256(content);
    accepted.receipt.channel = Channel::kLmtp;
    ASSERT_TRUE(store_.fake().Commit(std::move(batch), Sync::kYes).ok());
    directory_.Write("crashes.attempts", fmt::format("{} {}\n", ToHex(Sha256(content)), attempts));
  }
  std::string Attempts() {
    return ReadFile(directory_.File("crashes.attempts"), 1 << 20).value_or("");
  }
};

TEST_F(SuspectTest, AnEndInTheCheckIsCountedWithThoseBefore) {
  const std::string mail = Mail("report a.test 1");
  LeaveAttempts(mail, 1);
  checker_.Answer(Passes());
  checker_.Hold();
  Start();
  checker_.AwaitCalls(1);
  EXPECT_EQ(Attempts(), ToHex(Sha256(mail)) + " 2\n");
  checker_.Release();
  EXPECT_TRUE(testing_support::WaitUntil([&] { return store_.Pending(1)->empty(); }));
  EXPECT_EQ(Counted(), 1u);
  pipeline_->Stop(absl::InfiniteDuration());
  EXPECT_EQ(Attempts(), std::string(66, '-') + "\n") << "it was no culprit";
}

TEST_F(SuspectTest, WhatEndedTheDaemonInTheCheckThreeTimesIsParked) {
  LeaveAttempts(Mail("report a.test 1"), kAttemptsUntilParked);
  Start();
  EXPECT_TRUE(testing_support::WaitUntil([&] { return store_.Pending(1)->empty(); }));
  EXPECT_EQ(checker_.calls(), 0);
  EXPECT_EQ(store_.ListUnreadable(std::nullopt, 10)->rows.at(0).item.reason, "parser_crashed");
}

TEST_F(SuspectTest, WaitingForAThreadIsNoAttempt) {
  checker_.Answer(Passes());
  checker_.Hold();
  Start();
  std::vector<std::future<Result>> reads;
  for (int i = 0; i < 5; ++i)
    reads.push_back(Submit(Make(Mail(fmt::format("report a.test {}", i)))));
  checker_.AwaitCalls(2);
  EXPECT_TRUE(testing_support::WaitUntil([&] { return std::ranges::count(Attempts(), ' ') == 2; }))
      << Attempts();
  checker_.Release();
  for (auto& read : reads) EXPECT_TRUE(read.get().ok());
}

TEST_F(VerificationTest, AnOperatorMayVouchForWhatCameUnverified) {
  Start();
  const Delivery mail = Make(Mail("report a.test 1", false), Channel::kMaildir);
  EXPECT_EQ(Take(Make(mail.content, Channel::kMaildir)).reason, "not_signed");
  EXPECT_EQ(Counted(), 0u);
  EXPECT_EQ(Take(Make(mail.content, Channel::kMaildir)).outcome, Outcome::kDuplicate);
  const ReceiptItem raised = Take(Make(mail.content, Channel::kImport));
  EXPECT_EQ(raised.outcome, Outcome::kDuplicate);
  EXPECT_EQ(raised.reason, "trust_raised");
  EXPECT_EQ(Counted(), 1u);
  ASSERT_EQ(List().size(), 1u);
  EXPECT_EQ(List()[0].trust, TrustClass::kImported);
  // Whoever sends it once more tells nothing new.
  const size_t commits = store_.seen().size();
  for (const Channel channel : {Channel::kImport, Channel::kMaildir, Channel::kSmtp}) {
    const ReceiptItem again = Take(Make(mail.content, channel));
    EXPECT_EQ(again.outcome, Outcome::kDuplicate);
    EXPECT_EQ(again.reason, "");
  }
  EXPECT_EQ(store_.seen().size(), commits);
}

TEST_F(VerificationTest, TheSameBytesFromABetterSessionGetANewLook) {
  Start();
  const auto by_spf = [](SpfResult result) {
    CarrierAuth out = Passes();
    out.dkim.clear();
    out.signatures = 0;
    out.spf = {result, "mail.reporter.test", result == SpfResult::kPass};
    out.dmarc = result == SpfResult::kPass ? DmarcResult::kPass : DmarcResult::kFail;
    return out;
  };
  const auto deliver = [this](SpfResult result, const CarrierAuth& auth) {
    checker_.Answer(auth);
    Delivery delivery = Make(Mail("report a.test 1", false), Channel::kSmtp);
    delivery.envelope.emplace().helo = result == SpfResult::kPass ? "mail.reporter.test" : "x.test";
    return Take(std::move(delivery));
  };
  EXPECT_EQ(deliver(SpfResult::kFail, by_spf(SpfResult::kFail)).reason, "not_signed");
  EXPECT_EQ(Counted(), 0u);
  EXPECT_EQ(deliver(SpfResult::kPass, by_spf(SpfResult::kPass)).outcome, Outcome::kDuplicate);
  ASSERT_EQ(List().size(), 1u);
  EXPECT_EQ(List()[0].trust, TrustClass::kAuthenticated);
  EXPECT_EQ(Counted(), 1u);
}

TEST_F(VerificationTest, WhatDnsLeftOpenForADayGetsANewLook) {
  checker_.Answer(Unreachable());
  Start();
  const Delivery mail = Make(Mail("report a.test 1"));
  Submit(Make(mail.content)).wait();
  clock_.Advance(absl::Hours(25));
  ASSERT_TRUE(testing_support::WaitUntil([&] { return !List().empty(); }));
  EXPECT_EQ(Counted(), 0u);
  checker_.Answer(Passes());
  EXPECT_EQ(Take(Make(mail.content)).outcome, Outcome::kDuplicate);
  EXPECT_EQ(List()[0].trust, TrustClass::kAnchored);
}

TEST(Verification, RetriesComeLaterAndLaterUpToALimit) {
  const Verification verification;
  EXPECT_EQ(RetryDelay(verification, 1), absl::Minutes(1));
  EXPECT_EQ(RetryDelay(verification, 2), absl::Minutes(2));
  EXPECT_EQ(RetryDelay(verification, 7), absl::Hours(1));
  EXPECT_EQ(RetryDelay(verification, 1'000'000), absl::Hours(1));
}

}  // namespace
}  // namespace dmarcate
