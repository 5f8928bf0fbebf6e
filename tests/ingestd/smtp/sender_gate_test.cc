#include "ingestd/intake/smtp/sender_gate.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "ingestd/intake/smtp/anchor_file.h"
#include "lib/base/file.h"
#include "lib/mailauth/public_suffix_list.h"
#include "tests/testing/temp_dir.h"

namespace dmarcate {
namespace {

class SenderGateTest : public testing::Test {
 protected:
  SenderGate Make() { return SenderGate(limits_, *suffixes_, clock_, file_); }
  static CarrierAuth Spf(SpfResult result, bool aligned) {
    CarrierAuth out;
    out.spf = {.result = result, .domain = "anchor.test", .aligned = aligned};
    return out;
  }
  static Envelope From(std::string_view address, const std::string& mail_from) {
    return {*IpAddress::Parse(address), "c", mail_from, {}};
  }
  // So many of 20 mails are taken.
  static int Taken(SenderGate& gate, const Envelope& envelope) {
    int taken = 0;
    const std::vector<std::string> recipients = {"dmarc@reports.test"};
    for (int i = 0; i < 20; ++i) {
      const MailSender sender{envelope.client, envelope.helo, envelope.mail_from};
      const bool admitted = gate.Admits(sender, recipients);
      EXPECT_EQ(gate.Take(sender, recipients, 1000).has_value(), admitted);
      taken += admitted ? 1 : 0;
    }
    return taken;
  }

  testing_support::TempDir directory_;
  const std::string file_ = directory_.File("anchor-senders");
  SenderBudgetLimits limits_{
      .per_address = 3, .per_domain = 0, .per_recipient = 0, .per_anchor = 9};
  std::unique_ptr<PublicSuffixList> suffixes_ = BuiltinPublicSuffixList();
  FakeClock clock_{absl::FromUnixSeconds(1'800'000'000)};
  const Envelope anchor_ = From("192.0.2.1", "a@anchor.test");
};

TEST_F(SenderGateTest, OnlyAnAnchorThatSpfConfirmsAtItsAddressHasItsOwnBudget) {
  struct Case {
    const char* name;
    SpfResult spf;
    bool aligned;
    TrustClass best;
    int want;
  };
  const Case kCases[] = {
      {"Anchored", SpfResult::kPass, true, TrustClass::kAnchored, 9},
      // A signed report that somebody else sends again.
      {"SignatureAlone", SpfResult::kFail, false, TrustClass::kAnchored, 3},
      {"SpfOfTheSendersOwn", SpfResult::kPass, false, TrustClass::kAnchored, 3},
      {"DnsSilent", SpfResult::kTempError, true, TrustClass::kAnchored, 3},
      {"Authenticated", SpfResult::kPass, true, TrustClass::kAuthenticated, 3},
      {"NoReport", SpfResult::kPass, true, TrustClass::kUnspecified, 3},
  };
  for (const Case& tried : kCases) {
    SenderGate gate(limits_, *suffixes_, clock_, "");
    gate.Learn(anchor_, Spf(tried.spf, tried.aligned), tried.best);
    EXPECT_EQ(Taken(gate, anchor_), tried.want) << tried.name;
  }
}

TEST_F(SenderGateTest, AnchorsAreKnownAfterARestart) {
  {
    SenderGate gate = Make();
    gate.Learn(anchor_, Spf(SpfResult::kPass, true), TrustClass::kAnchored);
    gate.Learn(From("192.0.2.9", "a@other.test"), Spf(SpfResult::kPass, true),
               TrustClass::kAuthenticated);
    // The first is written at once, as the end may come without a word.
    ASSERT_EQ(LoadAnchorFile(file_)->size(), 1u);
    gate.Learn(From("192.0.2.2", "a@anchor.test"), Spf(SpfResult::kPass, true),
               TrustClass::kAnchored);
    ASSERT_EQ(LoadAnchorFile(file_)->size(), 1u);
    gate.Save();
    ASSERT_EQ(LoadAnchorFile(file_)->size(), 2u);
    clock_.Advance(SenderGate::kSaveInterval);
    gate.Learn(From("192.0.2.3", "a@anchor.test"), Spf(SpfResult::kPass, true),
               TrustClass::kAnchored);
    ASSERT_EQ(LoadAnchorFile(file_)->size(), 3u);
  }
  EXPECT_THAT(*ReadFile(file_, 1 << 20), testing::Not(testing::HasSubstr("anchor.test")));
  clock_.Advance(SenderBudgets::kProofHolds - absl::Minutes(5));
  SenderGate gate = Make();
  EXPECT_EQ(Taken(gate, From("192.0.2.3", "b@mail.anchor.test")), 9);
  EXPECT_EQ(Taken(gate, anchor_), 3) << "it was proved too long ago";
  EXPECT_EQ(Taken(gate, From("192.0.2.9", "a@other.test")), 3);
  EXPECT_EQ(Taken(gate, From("192.0.2.4", "a@anchor.test")), 3);
}

TEST_F(SenderGateTest, ADamagedFileIsToldAndKeptAside) {
  const std::string good = std::string(32, 'a') + " 1799999999\n";
  const std::string first = "dmarcate anchor-senders 1\n";
  ASSERT_TRUE(WriteFileAtomically(file_, first + good, 0600).ok());
  ASSERT_EQ(LoadAnchorFile(file_)->size(), 1u);
  for (const std::string& text :
       {std::string(), good, first + good.substr(1), first + "x" + good, first + good + "aa",
        first + std::string(32, 'a') + " -1\n", first + std::string(32, 'a') + " 1x\n",
        first + std::string(32, 'a') + "\n", first + good.substr(0, good.size() - 1)}) {
    ASSERT_TRUE(WriteFileAtomically(file_, text, 0600).ok());
    EXPECT_EQ(LoadAnchorFile(file_).status().code(), absl::StatusCode::kDataLoss) << text;
  }
  const std::string damaged = first + "x" + good;
  ASSERT_TRUE(WriteFileAtomically(file_, damaged, 0600).ok());
  testing::internal::CaptureStderr();
  SenderGate gate = Make();
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, testing::HasSubstr("anchor_senders_lost"));
  EXPECT_THAT(log, testing::HasSubstr(file_ + ": line 2"));
  EXPECT_THAT(log, testing::HasSubstr("kept_as=\"" + file_ + ".bad\""));
  gate.Learn(anchor_, Spf(SpfResult::kPass, true), TrustClass::kAnchored);
  EXPECT_EQ(LoadAnchorFile(file_)->size(), 1u);
  EXPECT_EQ(*ReadFile(file_ + ".bad", 1 << 20), damaged);
}

TEST_F(SenderGateTest, ADamagedFileThatCannotBeKeptAsideIsNotReplaced) {
  ASSERT_TRUE(WriteFileAtomically(file_, "damaged", 0600).ok());
  ASSERT_TRUE(MakeDirectories(file_ + ".bad", 0700).ok());  // in the way
  testing::internal::CaptureStderr();
  {
    SenderGate gate = Make();
    gate.Learn(anchor_, Spf(SpfResult::kPass, true), TrustClass::kAnchored);
    gate.Save();
    EXPECT_EQ(Taken(gate, anchor_), 9);
  }
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, testing::HasSubstr("anchor_senders_lost"));
  EXPECT_THAT(log, testing::HasSubstr(file_ + ": move to " + file_ + ".bad: "));
  EXPECT_EQ(*ReadFile(file_, 1 << 20), "damaged");
}

TEST_F(SenderGateTest, AFileThatCannotBeWrittenCostsNothingElseAndIsWrittenLater) {
  const std::string file = directory_.File("missing/anchor-senders");
  SenderGate gate(limits_, *suffixes_, clock_, file);
  testing::internal::CaptureStderr();
  gate.Learn(anchor_, Spf(SpfResult::kPass, true), TrustClass::kAnchored);
  EXPECT_THAT(testing::internal::GetCapturedStderr(), testing::HasSubstr("anchor_senders_unsaved"));
  EXPECT_EQ(Taken(gate, anchor_), 9);
  // At the end it is tried again, though nothing was learnt since.
  ASSERT_TRUE(MakeDirectories(directory_.File("missing"), 0700).ok());
  gate.Save();
  ASSERT_EQ(LoadAnchorFile(file)->size(), 1u);
}

// As long as it fails, no more often than it would be written.
TEST_F(SenderGateTest, AFailedWriteIsTriedAgainInTime) {
  const std::string file = directory_.File("missing/anchor-senders");
  SenderGate gate(limits_, *suffixes_, clock_, file);
  testing::internal::CaptureStderr();
  const auto learn = [&] {
    gate.Learn(From("192.0.2.9", "a@other.test"), Spf(SpfResult::kPass, true),
               TrustClass::kAuthenticated);
  };
  gate.Learn(anchor_, Spf(SpfResult::kPass, true), TrustClass::kAnchored);
  for (int i = 0; i < 10; ++i) learn();
  clock_.Advance(SenderGate::kSaveInterval);
  for (int i = 0; i < 10; ++i) learn();
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::ranges::count(log, '\n'), 2) << log;
  ASSERT_TRUE(MakeDirectories(directory_.File("missing"), 0700).ok());
  learn();
  EXPECT_TRUE(LoadAnchorFile(file)->empty());
  clock_.Advance(SenderGate::kSaveInterval);
  learn();
  EXPECT_EQ(LoadAnchorFile(file)->size(), 1u);
}

// Strangers decide how often they come, not how long the log is.
TEST_F(SenderGateTest, ABudgetHasALineAMinute) {
  SenderGate gate(limits_, *suffixes_, clock_, "");
  testing::internal::CaptureStderr();
  for (int i = 0; i < 100; ++i) Taken(gate, From("192.0.2.1", "a@b.test"));
  clock_.Advance(absl::Minutes(1));
  for (int i = 0; i < 100; ++i) Taken(gate, From("192.0.2.1", "a@b.test"));
  for (int i = 0; i < 1000; ++i) {
    Taken(gate, {*IpAddress::Parse("198.51.100." + std::to_string(i % 250)), "c", "", {}});
  }
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::ranges::count(log, '\n'), 1 + 20);
  EXPECT_THAT(log, testing::HasSubstr("event=smtp_over_budget budget=\"address\" "
                                      "of=\"192.0.2.1\" held_back=0\n"));
  // 100 times 20 attempts, twice looked at, but for three mails.
  EXPECT_THAT(log, testing::HasSubstr("held_back=3993\n"));
}

}  // namespace
}  // namespace dmarcate
