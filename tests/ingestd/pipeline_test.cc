#include "ingestd/pipeline/pipeline.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <future>
#include <memory>

#include "fmt/format.h"
#include "gtest/gtest.h"

#include "ingestd/pipeline/convert.h"
#include "lib/base/digest.h"
#include "lib/base/file.h"
#include "lib/base/text.h"
#include "lib/mailauth/public_suffix_list.h"
#include "lib/report/address_tokens.h"
#include "tests/ingestd/fakes.h"
#include "tests/testing/temp_dir.h"

namespace dmarcate {
namespace {

using ingest_testing::FakeUnpack;
using ingest_testing::MakeDelivery;
using ingest_testing::ObservedStore;
using Result = absl::StatusOr<std::vector<ReceiptItem>>;

// What a sender hears.
struct Heard {
  std::promise<absl::Status> durable;
  std::promise<Result> read;
  std::future<absl::Status> durable_future = durable.get_future();
  std::future<Result> read_future = read.get_future();
  bool Silent() const {
    return durable_future.wait_for(std::chrono::seconds(0)) != std::future_status::ready;
  }
};

class PipelineTest : public testing::Test {
 protected:
  void Open() {
    auto crashes = CrashJournal::Open(directory_.File("crashes"));
    ASSERT_TRUE(crashes.ok()) << crashes.status();
    crashes_ = *std::move(crashes);
    pipeline_ = std::make_unique<Pipeline>(
        store_, *suffixes_, *crashes_, parser_,
        [this](const absl::Status& status) { failure_.set_value(status); }, options_);
  }
  void Start() {
    Open();
    ASSERT_TRUE(pipeline_->Start().ok());
  }
  std::shared_ptr<Heard> Submit(Delivery delivery) {
    auto heard = std::make_shared<Heard>();
    pipeline_->Submit(
        std::move(delivery), [heard](const absl::Status& s) { heard->durable.set_value(s); },
        [heard](const Result& r) { heard->read.set_value(r); });
    return heard;
  }
  std::shared_ptr<Heard> Submit(std::string content) {
    return Submit(MakeDelivery(std::move(content)));
  }
  size_t Reports(std::string_view domain) {
    EXPECT_TRUE(store_.fake().CatchUp().ok());
    size_t count = 0;
    EXPECT_TRUE(store_.fake()
                    .ForEachReport(domain, 0, 100'000,
                                   [&](const StoredReport&) {
                                     ++count;
                                     return true;
                                   })
                    .ok());
    return count;
  }

  testing_support::TempDir directory_;
  std::unique_ptr<PublicSuffixList> suffixes_ = BuiltinPublicSuffixList();
  ObservedStore store_;
  std::unique_ptr<CrashJournal> crashes_;
  Parser parser_ = FakeUnpack;
  PipelineOptions options_;
  std::promise<absl::Status> failure_;
  std::unique_ptr<Pipeline> pipeline_;
};

TEST_F(PipelineTest, AReportIsDurableThenReadThenCounted) {
  Start();
  const auto heard = Submit("report a.test 1");
  EXPECT_TRUE(heard->durable_future.get().ok());
  const Result items = heard->read_future.get();
  ASSERT_TRUE(items.ok()) << items.status();
  ASSERT_EQ(items->size(), 1u);
  EXPECT_EQ((*items)[0].outcome, Outcome::kAccepted);
  EXPECT_EQ((*items)[0].domain, "a.test");
  EXPECT_EQ(Reports("a.test"), 1u);
  const auto key = ReportKey::FromId("a.test", (*items)[0].report_name);
  ASSERT_TRUE(key.has_value());
  const auto stored = store_.fake().GetReport(*key);
  ASSERT_TRUE(stored.ok()) << stored.status();
  EXPECT_EQ(stored->trust, TrustClass::kImported);
  EXPECT_EQ(stored->reporter_key, "reporter.test");
  EXPECT_EQ(*store_.fake().ReadRawOf(key->receipt), "report a.test 1");
}

TEST_F(PipelineTest, NothingIsAcknowledgedBeforeTheCommit) {
  Start();
  store_.Hold();
  const auto heard = Submit("report a.test 1");
  store_.AwaitHeld();
  EXPECT_TRUE(heard->Silent());
  store_.Release();
  EXPECT_TRUE(heard->durable_future.get().ok());
}

TEST_F(PipelineTest, AFailedCommitIsAnErrorToTheSenderAndEndsWriting) {
  Start();
  store_.FailIf([](const CommitBatch&) { return true; }, absl::UnavailableError("disk"));
  const auto heard = Submit("report a.test 1");
  EXPECT_EQ(heard->durable_future.get().code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(heard->read_future.get().ok());
  EXPECT_EQ(failure_.get_future().get().code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(Submit("report a.test 2")->durable_future.get().ok());
  EXPECT_EQ(Reports("a.test"), 0u);
}

TEST_F(PipelineTest, WhatWaitsIsCommittedAsOneSyncedGroup) {
  options_.parse_threads = 1;
  Start();
  const std::string known = "report b.test 1";
  EXPECT_TRUE(Submit(known)->read_future.get().ok());
  const size_t before = store_.seen().size();
  store_.Hold();
  std::vector<std::shared_ptr<Heard>> heard = {Submit("report a.test 0")};
  store_.AwaitHeld();
  for (int i = 1; i <= 100; ++i) heard.push_back(Submit(fmt::format("report a.test {}", i)));
  // Known bytes are answered at once, after all that came before.
  EXPECT_TRUE(Submit(known)->durable_future.get().ok());
  store_.Release();
  for (const auto& each : heard) EXPECT_TRUE(each->durable_future.get().ok());
  std::vector<size_t> accepted;
  const auto commits = store_.seen();
  for (size_t i = before; i < commits.size(); ++i) {
    const auto& seen = commits[i];
    EXPECT_EQ(seen.sync, seen.accepted > 0 ? Sync::kYes : Sync::kNo);
    if (seen.accepted > 0) accepted.push_back(seen.accepted);
  }
  EXPECT_EQ(accepted, (std::vector<size_t>{1, 100}));
  for (const auto& each : heard) EXPECT_TRUE(each->read_future.get().ok());
  EXPECT_EQ(Reports("a.test"), 101u);
}

// A sync costs time, and who imports does not wait for each item. But nobody waits for the import.
TEST_F(PipelineTest, AnImportIsCommittedTogetherWhileParsersWork) {
  constexpr size_t kBulk = 128;
  options_.parse_threads = 1;
  std::promise<void> began, go;
  std::shared_future<void> gone = go.get_future().share();
  parser_ = [&](std::string content, const UnpackHints& hints) {
    if (content.ends_with(" first")) {
      began.set_value();
      gone.wait();
    }
    return FakeUnpack(std::move(content), hints);
  };
  Start();
  const auto import = [this](std::string_view id) {
    Delivery delivery = MakeDelivery(fmt::format("report a.test {}", id));
    delivery.channel = Channel::kImport;
    return Submit(std::move(delivery));
  };
  std::vector<std::shared_ptr<Heard>> heard = {import("first")};
  began.get_future().wait();
  heard.push_back(import("second"));  // the parsers have nothing else: at once
  EXPECT_TRUE(heard.back()->durable_future.get().ok());

  size_t before = store_.seen().size();
  for (int i = 0; i < 10; ++i) heard.push_back(import(fmt::format("third-{}", i)));
  EXPECT_TRUE(Submit("report a.test urgent")->durable_future.get().ok());
  auto seen = store_.seen();
  ASSERT_EQ(seen.size(), before + 1);
  EXPECT_EQ(seen.back().accepted, 11u);

  before = seen.size();
  for (size_t i = 0; i < kBulk; ++i) heard.push_back(import(fmt::format("fourth-{}", i)));
  EXPECT_TRUE(heard.back()->durable_future.get().ok());
  seen = store_.seen();
  ASSERT_EQ(seen.size(), before + 1);
  EXPECT_EQ(seen.back().accepted, kBulk);

  heard.push_back(import("fifth"));
  go.set_value();
  for (const auto& each : heard) EXPECT_TRUE(each->read_future.get().ok());
  EXPECT_EQ(Reports("a.test"), heard.size() + 1);
}

TEST_F(PipelineTest, AGroupHasLimits) {
  options_.group_items = 10;
  Start();
  store_.Hold();
  std::vector<std::shared_ptr<Heard>> heard = {Submit("report a.test 0")};
  store_.AwaitHeld();
  for (int i = 1; i <= 25; ++i) heard.push_back(Submit(fmt::format("report a.test {}", i)));
  store_.Release();
  for (const auto& each : heard) EXPECT_TRUE(each->read_future.get().ok());
  for (const auto& seen : store_.seen()) EXPECT_LE(seen.accepted, 10u);
}

TEST_F(PipelineTest, LargeContentIsReadBackFromTheStore) {
  options_.keep_bytes = 4;
  Start();
  EXPECT_TRUE(Submit("report a.test 1")->read_future.get().ok());
  EXPECT_EQ(Reports("a.test"), 1u);
}

TEST_F(PipelineTest, ContentThatCannotBeReadBackForNowIsAskedForAgain) {
  options_.keep_bytes = 4;
  options_.retry_delay = absl::Milliseconds(1);
  store_.FailReading(2, absl::UnavailableError("input/output error"));
  Start();
  const Result items = Submit("report a.test 1")->read_future.get();
  ASSERT_TRUE(items.ok()) << items.status();
  EXPECT_EQ((*items)[0].outcome, Outcome::kAccepted);
}

TEST_F(PipelineTest, ContentThatCannotBeReadBackAtAllStaysPending) {
  options_.keep_bytes = 4;
  options_.retry_delay = absl::Milliseconds(1);
  store_.FailReading(1'000'000, absl::UnavailableError("input/output error"));
  Start();
  const auto heard = Submit("report a.test 1");
  EXPECT_TRUE(heard->durable_future.get().ok());
  EXPECT_EQ(heard->read_future.get().status().code(), absl::StatusCode::kUnavailable);
  pipeline_->Stop(absl::InfiniteDuration());
  EXPECT_EQ(store_.Pending(10)->size(), 1u);
}

TEST_F(PipelineTest, ContentThatIsLostIsListed) {
  options_.keep_bytes = 4;
  store_.FailReading(1, absl::DataLossError("the bytes do not match their hash"));
  Start();
  const Result items = Submit("report a.test 1")->read_future.get();
  ASSERT_TRUE(items.ok()) << items.status();
  EXPECT_EQ((*items)[0].reason, "raw_unreadable");
}

TEST_F(PipelineTest, WhatWasTakenInWaitsWhileNothingMayBeWritten) {
  std::atomic<bool> full = true;
  options_.retry_delay = absl::Milliseconds(1);
  options_.admit_rows = [&full] {
    return full ? absl::ResourceExhaustedError("the disk is 97 % full") : absl::OkStatus();
  };
  Start();
  const auto heard = Submit("report a.test 1");
  EXPECT_TRUE(heard->durable_future.get().ok());
  EXPECT_EQ(heard->read_future.get().status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(store_.Pending(10)->size(), 1u);
  EXPECT_EQ(Reports("a.test"), 0u);
  full = false;
  pipeline_->Stop(absl::ZeroDuration());
  Start();
  const auto next = Submit("report a.test 2");
  EXPECT_TRUE(next->read_future.get().ok());
  pipeline_->Stop(absl::InfiniteDuration());
  EXPECT_EQ(Reports("a.test"), 2u);
}

// A parser as before an upgrade, and after it once `upgraded` is set.
class ReplayTest : public PipelineTest {
 protected:
  ReplayTest() {
    parser_ = [this](std::string content, const UnpackHints& hints) {
      return FakeUnpack(upgraded_ ? std::move(content) : "gibberish", hints);
    };
  }
  Result Replay(ReceiptId id, Pipeline::Parked parked = Pipeline::Parked::kStay) {
    std::promise<Result> promise;
    pipeline_->Replay(id, parked, [&promise](const Result& result) { promise.set_value(result); });
    return promise.get_future().get();
  }
  std::atomic<bool> upgraded_ = false;
};

TEST_F(ReplayTest, WhatANewParserReadsReplacesAndNeverAdds) {
  Start();
  const Result before = Submit("report a.test 1")->read_future.get();
  EXPECT_EQ((*before)[0].outcome, Outcome::kQuarantined);
  EXPECT_EQ(Reports("a.test"), 0u);
  upgraded_ = true;
  for (int i = 0; i < 2; ++i) {
    const Result after = Replay(1);
    ASSERT_TRUE(after.ok()) << after.status();
    EXPECT_EQ((*after)[0].outcome, Outcome::kAccepted);
    EXPECT_EQ(Reports("a.test"), 1u);
  }
  EXPECT_TRUE(store_.ListUnreadable(std::nullopt, 10)->rows.empty());
  EXPECT_EQ(store_.seen().back().sync, Sync::kNo);
  ASSERT_TRUE(pipeline_->Apply({}).ok());
  EXPECT_EQ(store_.seen().back().sync, Sync::kYes);
}

TEST_F(ReplayTest, WhatCannotBeReadAgainStaysAsItWas) {
  Start();
  ASSERT_TRUE(Submit("report a.test 1")->read_future.get().ok());
  upgraded_ = true;
  EXPECT_EQ(Replay(7).status().code(), absl::StatusCode::kNotFound);
  store_.FailReading(1, absl::NotFoundError("raw: expired"));
  EXPECT_EQ(Replay(1).status().code(), absl::StatusCode::kNotFound);
  store_.FailReading(1, absl::UnavailableError("input/output error"));
  EXPECT_EQ(Replay(1).status().code(), absl::StatusCode::kUnavailable);
  store_.FailIf([](const CommitBatch& batch) { return !batch.processed.empty(); },
                absl::InvalidArgumentError("not this one"));
  EXPECT_EQ(Replay(1).status().code(), absl::StatusCode::kInvalidArgument);
  const auto page = store_.ListUnreadable(std::nullopt, 10);
  ASSERT_EQ(page->rows.size(), 1u);
  EXPECT_EQ(page->rows[0].item.reason, "not_understood");
  // The daemon goes on.
  store_.FailIf([](const CommitBatch&) { return false; }, absl::OkStatus());
  EXPECT_TRUE(Replay(1).ok());
  EXPECT_TRUE(Submit("report a.test 2")->read_future.get().ok());
  EXPECT_EQ(Reports("a.test"), 2u);
}

TEST_F(ReplayTest, WhatWaitsForItsFirstReadingIsNotReplayed) {
  options_.keep_bytes = 4;
  options_.retry_delay = absl::Hours(1);
  store_.FailReading(1, absl::UnavailableError("input/output error"));
  Start();
  EXPECT_TRUE(Submit("report a.test 1")->durable_future.get().ok());
  EXPECT_EQ(Replay(1).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(ReplayTest, WhatEndedTheDaemonIsTriedAgainByWhoAsksForIt) {
  const std::string content = "report a.test 1";
  const std::string line = ToHex(Sha256(content)) + "\n";
  directory_.Write("crashes", line + line);
  upgraded_ = true;
  Start();
  EXPECT_EQ((*Submit(content)->read_future.get())[0].reason, "parser_crashed");
  EXPECT_EQ(Replay(1).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(pipeline_->Inspect(store_.GetReceipt(1)->receipt).status().code(),
            absl::StatusCode::kFailedPrecondition);
  const Result after = Replay(1, Pipeline::Parked::kTryAgain);
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ((*after)[0].outcome, Outcome::kAccepted);
}

TEST_F(ReplayTest, InspectingTellsAndChangesNothing) {
  Start();
  ASSERT_TRUE(Submit("report a.test 1")->read_future.get().ok());
  upgraded_ = true;
  const auto unpacked = pipeline_->Inspect(store_.GetReceipt(1)->receipt);
  ASSERT_TRUE(unpacked.ok()) << unpacked.status();
  EXPECT_EQ(unpacked->reports[0].outcome, Outcome::kAccepted);
  EXPECT_EQ(Reports("a.test"), 0u);
  EXPECT_EQ(store_.ListUnreadable(std::nullopt, 10)->rows.size(), 1u);
}

TEST_F(PipelineTest, TheSameBytesAgainAreADuplicateAndNoNewReceipt) {
  Start();
  const Result first = Submit("report a.test 1")->read_future.get();
  const size_t commits = store_.seen().size();
  const auto heard = Submit("report a.test 1");
  EXPECT_TRUE(heard->durable_future.get().ok());
  const Result second = heard->read_future.get();
  ASSERT_TRUE(second.ok());
  EXPECT_EQ((*second)[0].outcome, Outcome::kDuplicate);
  EXPECT_EQ((*second)[0].report_name, (*first)[0].report_name);
  EXPECT_EQ(store_.seen().size(), commits);
}

TEST_F(PipelineTest, WhatCannotBeReadIsKeptAndListed) {
  Start();
  const Result items = Submit("gibberish")->read_future.get();
  ASSERT_TRUE(items.ok());
  EXPECT_EQ((*items)[0].outcome, Outcome::kQuarantined);
  const auto page = store_.ListUnreadable(std::nullopt, 10);
  ASSERT_EQ(page->rows.size(), 1u);
  EXPECT_EQ(*store_.ReadRaw(page->rows[0].receipt.raw_sha256), "gibberish");
}

TEST_F(PipelineTest, PendingReceiptsAreReadAtTheNextStart) {
  CommitBatch batch;
  for (const char* content : {"report a.test 1", "report a.test 2"}) {
    CommitBatch::Accepted& accepted = batch.accepted.emplace_back();
    accepted.raw = content;
    accepted.receipt.raw_sha256 = Sha256(content);
  }
  ASSERT_TRUE(store_.fake().Commit(std::move(batch), Sync::kYes).ok());
  Start();
  pipeline_->Stop(absl::Seconds(20));
  EXPECT_EQ(Reports("a.test"), 2u);
  EXPECT_TRUE(store_.Pending(10)->empty());
}

TEST_F(PipelineTest, ADamagedReceiptKeepsNobodyOut) {
  store_.LoseReceipts();
  Start();
  const Result items = Submit("report a.test 1")->read_future.get();
  ASSERT_TRUE(items.ok()) << items.status();
  EXPECT_EQ((*items)[0].outcome, Outcome::kAccepted);
}

TEST_F(PipelineTest, StopFinishesWhatWasAcceptedAndTakesNothingNew) {
  Start();
  std::vector<std::shared_ptr<Heard>> heard;
  for (int i = 0; i < 50; ++i) heard.push_back(Submit(fmt::format("report a.test {}", i)));
  pipeline_->Stop(absl::InfiniteDuration());
  for (const auto& each : heard) EXPECT_TRUE(each->read_future.get().ok());
  EXPECT_EQ(Reports("a.test"), 50u);
  EXPECT_EQ(Submit("report a.test x")->durable_future.get().code(), absl::StatusCode::kUnavailable);
}

TEST_F(PipelineTest, StopWithoutPatienceLosesNothingDurable) {
  options_.parse_threads = 1;
  std::promise<void> release;
  std::shared_future<void> released = release.get_future().share();
  parser_ = [released](std::string content, const UnpackHints& hints) {
    released.wait();
    return FakeUnpack(std::move(content), hints);
  };
  Start();
  std::vector<std::shared_ptr<Heard>> heard;
  for (int i = 0; i < 5; ++i) heard.push_back(Submit(fmt::format("report a.test {}", i)));
  for (const auto& each : heard) EXPECT_TRUE(each->durable_future.get().ok());
  auto stopped = std::async(std::launch::async, [&] { pipeline_->Stop(absl::ZeroDuration()); });
  release.set_value();
  stopped.get();
  for (const auto& each : heard) each->read_future.wait();  // each hears something
  parser_ = FakeUnpack;
  pipeline_.reset();
  crashes_.reset();
  Start();
  pipeline_->Stop(absl::Seconds(20));
  EXPECT_EQ(Reports("a.test"), 5u);
}

// A value that the store cannot read must not take others down with it.
TEST_F(PipelineTest, OneReportThatTheStoreRefusesDoesNotStopItsGroup) {
  store_.FailIf(
      [](const CommitBatch& batch) {
        for (const auto& processed : batch.processed) {
          for (const auto& item : processed.items) {
            if (item.report && item.report->key.domain == "bad.test") return true;
          }
        }
        return false;
      },
      absl::DataLossError("a stored value does not decode"));
  Start();
  store_.Hold();
  std::vector<std::shared_ptr<Heard>> good;
  good.push_back(Submit("report a.test 0"));
  store_.AwaitHeld();
  const auto bad = Submit("report bad.test 1");
  for (int i = 1; i < 10; ++i) good.push_back(Submit(fmt::format("report a.test {}", i)));
  store_.Release();
  const Result refused = bad->read_future.get();
  ASSERT_TRUE(refused.ok()) << refused.status();
  EXPECT_EQ((*refused)[0].outcome, Outcome::kQuarantined);
  EXPECT_EQ((*refused)[0].reason, "store_refused");
  for (const auto& each : good) {
    EXPECT_TRUE(each->durable_future.get().ok());
    EXPECT_TRUE(each->read_future.get().ok());
  }
  EXPECT_EQ(Reports("a.test"), 10u);
}

TEST_F(PipelineTest, OneDeliveryThatTheStoreRefusesIsRefusedAlone) {
  store_.FailIf(
      [](const CommitBatch& batch) {
        return std::ranges::any_of(
            batch.accepted, [](const auto& accepted) { return accepted.raw.starts_with("bad"); });
      },
      absl::DataLossError("a stored value does not decode"));
  options_.keep_bytes = 10;  // also for those whose bytes are read back
  Start();
  store_.Hold();
  std::vector<std::shared_ptr<Heard>> good = {Submit("report a.test 0")};
  store_.AwaitHeld();
  const auto bad = Submit("bad");
  for (int i = 1; i < 10; ++i) good.push_back(Submit(fmt::format("report a.test {}", i)));
  store_.Release();
  EXPECT_EQ(bad->durable_future.get().code(), absl::StatusCode::kDataLoss);
  for (const auto& each : good) {
    EXPECT_TRUE(each->durable_future.get().ok());
    EXPECT_TRUE(each->read_future.get().ok());
  }
  EXPECT_EQ(Reports("a.test"), 10u);
}

TEST_F(PipelineTest, BytesThatCrashedTwiceAreParked) {
  const std::string line = ToHex(Sha256("report a.test 1")) + "\n";
  ASSERT_TRUE(WriteFileAtomically(directory_.File("crashes"), line + line, 0600).ok());
  parser_ = [](std::string content, const UnpackHints& hints) {
    EXPECT_NE(content, "report a.test 1") << "parsed again";
    return FakeUnpack(std::move(content), hints);
  };
  Start();
  const Result parked = Submit("report a.test 1")->read_future.get();
  ASSERT_TRUE(parked.ok());
  EXPECT_EQ((*parked)[0].reason, "parser_crashed");
  EXPECT_EQ((*Submit("report a.test 2")->read_future.get())[0].outcome, Outcome::kAccepted);
}

TEST_F(PipelineTest, BytesThatCrashedOnceGetAnotherChance) {
  ASSERT_TRUE(
      WriteFileAtomically(directory_.File("crashes"), ToHex(Sha256("report a.test 1")) + "\n", 0600)
          .ok());
  Start();
  EXPECT_EQ((*Submit("report a.test 1")->read_future.get())[0].outcome, Outcome::kAccepted);
}

constexpr char kFailureMail[] =
    "From: r@reporter.test\r\nSubject: Failure\r\nMIME-Version: 1.0\r\n"
    "Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n"
    "--b\r\nContent-Type: message/feedback-report\r\n\r\n"
    "Feedback-Type: auth-failure\r\nVersion: 1\r\nUser-Agent: x/1\r\n"
    "Auth-Failure: dmarc\r\nReported-Domain: a.test\r\nOriginal-Mail-From: alice@a.test\r\n"
    "Source-IP: 192.0.2.1\r\n\r\n--b--\r\n";

// Redaction reads strangers' bytes as well, before anything is stored.
class RedactTest : public PipelineTest {
 protected:
  RedactTest() { options_.failure_tokens = &tokens_; }
  void TearDown() override { pipeline_.reset(); }  // before the tokens go
  std::string Stored() {
    const auto pending = store_.fake().GetReceipt(1);
    return pending.ok() ? store_.ReadRaw(pending->receipt.raw_sha256).value_or("") : "";
  }
  const AddressTokens tokens_{std::string(32, 'k')};
};

TEST_F(RedactTest, ComesBeforeTheFirstWriteAndIsAnAttempt) {
  Start();
  store_.Hold();
  const auto heard = Submit(kFailureMail);
  store_.AwaitHeld();
  const std::string attempts = ReadFile(directory_.File("crashes.attempts"), 1 << 20).value_or("");
  EXPECT_EQ(attempts, std::string(66, '-') + "\n") << "begun and ended";
  store_.Release();
  EXPECT_TRUE(heard->durable_future.get().ok());
  EXPECT_NE(Stored(), "");
  EXPECT_EQ(Stored().find("alice@"), std::string::npos);
}

TEST_F(RedactTest, WhatEndedTheDaemonThereIsParkedAndHoldsUpNobody) {
  const std::string line = ToHex(Sha256(kFailureMail)) + "\n";
  directory_.Write("crashes", line + line);
  Start();
  const Result parked = Submit(kFailureMail)->read_future.get();
  ASSERT_TRUE(parked.ok()) << parked.status();
  EXPECT_EQ((*parked)[0].reason, "parser_crashed");
  EXPECT_EQ(Stored(), kFailureMail) << "as it came, for whoever looks into it";
  EXPECT_EQ((*Submit("report a.test 2")->read_future.get())[0].outcome, Outcome::kAccepted);
}

class PendingTest : public PipelineTest {
 protected:
  // Accepts the contents and says how many attempts at the named one did not end.
  void Leave(const std::vector<std::string>& contents, const std::string& suspect, int attempts) {
    CommitBatch batch;
    for (const std::string& content : contents) {
      CommitBatch::Accepted& accepted = batch.accepted.emplace_back();
      accepted.raw = content;
      accepted.receipt.raw_sha256 = Sha256(content);
    }
    ASSERT_TRUE(store_.fake().Commit(std::move(batch), Sync::kYes).ok());
    directory_.Write("crashes.attempts", fmt::format("{} {}\n", ToHex(Sha256(suspect)), attempts));
  }
};

TEST_F(PendingTest, BytesThatAreNeverReadToTheEndAreParked) {
  Leave({"report a.test 1", "report a.test 2"}, "report a.test 1", 3);
  Start();
  pipeline_->Stop(absl::Seconds(20));
  EXPECT_EQ(Reports("a.test"), 1u);
  const auto page = store_.ListUnreadable(std::nullopt, 10);
  ASSERT_EQ(page->rows.size(), 1u);
  EXPECT_EQ(page->rows[0].item.reason, "parser_crashed");
}

// So that bystanders do not gather attempts with the culprit.
TEST_F(PendingTest, ASuspectIsReadAndCommittedAlone) {
  Leave({"report a.test 1", "report a.test 2", "report a.test 3"}, "report a.test 2", 2);
  std::promise<void> suspect_begins, last_begins;
  parser_ = [&](std::string content, const UnpackHints& hints) {
    const auto not_yet = [](std::promise<void>* promise) {
      return promise->get_future().wait_for(std::chrono::milliseconds(100)) ==
             std::future_status::timeout;
    };
    if (content.ends_with('1')) {
      EXPECT_TRUE(not_yet(&suspect_begins));
    }
    if (content.ends_with('2')) {
      suspect_begins.set_value();
      EXPECT_TRUE(not_yet(&last_begins));
    }
    if (content.ends_with('3')) last_begins.set_value();
    return FakeUnpack(std::move(content), hints);
  };
  Start();
  pipeline_->Stop(absl::Seconds(20));
  EXPECT_EQ(Reports("a.test"), 3u);
  for (const auto& seen : store_.seen()) EXPECT_EQ(seen.processed, 1u);
}

TEST_F(PipelineTest, TheReservationIsGivenBackOnceRead) {
  ByteBudget budget(100);
  Start();
  Delivery delivery = MakeDelivery("report a.test 1");
  delivery.reservation = budget.AcquireBefore(50, absl::InfiniteFuture());
  EXPECT_EQ(budget.used_bytes(), 50);
  EXPECT_TRUE(Submit(std::move(delivery))->read_future.get().ok());
  EXPECT_EQ(budget.used_bytes(), 0);
}

}  // namespace
}  // namespace dmarcate
