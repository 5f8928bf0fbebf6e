// The IMAP intake against a mail server in memory.

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "ingestd/config.h"
#include "ingestd/intake/imap/bookmarks.h"
#include "ingestd/intake/imap/intake.h"
#include "ingestd/intake/imap/poller.h"
#include "lib/base/digest.h"
#include "lib/imap/fake_imap.h"
#include "lib/mailauth/public_suffix_list.h"
#include "tests/ingestd/fakes.h"
#include "tests/testing/process.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace dmarcate {
namespace {

using ingest_testing::FakeUnpack;
using ingest_testing::ObservedStore;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing_support::IsOk;
using testing_support::StatusIs;
using testing_support::WaitUntil;
using enum absl::StatusCode;

constexpr int64_t kLimit = 1000;

std::string Report(int i) { return fmt::format("report example.test id{}", i); }

class ImapTest : public testing::Test {
 protected:
  void SetUp() override {
    crashes_ = *CrashJournal::Open(directory_.File("crashes"));
    std::filesystem::create_directories(directory_.File("imap"));
    account_.name = "u@host";
    account_.server.host = "host";
    account_.server.user = "u";
    account_.password_file = directory_.Write("password", "secret\n");
    NewProcess();
  }
  void TearDown() override { pipeline_->Stop(absl::Seconds(20)); }

  // As after a start: nothing in memory but the store's content.
  void NewProcess() {
    poller_.reset();
    if (pipeline_) pipeline_->Stop(absl::Seconds(20));
    pipeline_ = std::make_unique<Pipeline>(
        store_, *suffixes_, *crashes_, FakeUnpack, [](const absl::Status&) {}, PipelineOptions());
    ASSERT_TRUE(pipeline_->Start().ok());
    poller_ = std::make_unique<ImapPoller>(account_, Parts(), [this] { return stopping_.load(); });
  }
  ImapPollerParts Parts() {
    return {.clock = clock_,
            .connector = server_,
            .pipeline = *pipeline_,
            .budget = budget_,
            .gauge = gauge_,
            .bookmark_directory = directory_.File("imap"),
            .message_limit_bytes = kLimit};
  }
  // How many reports the store holds, once all are read.
  size_t Reports() {
    pipeline_->Stop(absl::Seconds(20));
    size_t out = 0;
    EXPECT_THAT(store_.fake().CatchUp(), IsOk());
    EXPECT_THAT(store_.fake().ForEachReport("example.test", 0, 100'000,
                                            [&out](const StoredReport&) { return ++out > 0; }),
                IsOk());
    NewProcess();
    return out;
  }
  bool Seen(const std::string& folder, uint32_t uid) {
    return server_.Messages(folder)[uid].flags.contains("\\Seen");
  }
  size_t Calls(const std::string& prefix) {
    size_t out = 0;
    for (const std::string& call : server_.calls()) out += call.starts_with(prefix) ? 1 : 0;
    return out;
  }

  testing_support::TempDir directory_;
  FakeClock clock_{absl::FromUnixSeconds(1'767'300'000)};
  ObservedStore store_;
  std::unique_ptr<PublicSuffixList> suffixes_ = BuiltinPublicSuffixList();
  std::unique_ptr<CrashJournal> crashes_;
  ByteBudget budget_{1 << 20};
  std::atomic<int> percent_ = 10;
  StorageGauge gauge_{clock_, Watermarks(), [this] { return std::optional<int>(percent_); }};
  FakeImapServer server_;
  ImapAccount account_;
  std::atomic<bool> stopping_ = false;
  std::unique_ptr<Pipeline> pipeline_;
  std::unique_ptr<ImapPoller> poller_;
};

TEST_F(ImapTest, TakesWhatIsNewAndFlagsIt) {
  server_.Deliver("INBOX", Report(1));
  server_.Deliver("INBOX", Report(2));
  ASSERT_THAT(poller_->Poll(), IsOk());
  EXPECT_TRUE(Seen("INBOX", 1) && Seen("INBOX", 2));
  ASSERT_THAT(poller_->Poll(), IsOk());
  EXPECT_EQ(Calls("fetch "), 2u) << "nothing is fetched twice";
  server_.Deliver("INBOX", Report(3));
  ASSERT_THAT(poller_->Poll(), IsOk());
  EXPECT_EQ(Calls("fetch "), 3u);
  EXPECT_EQ(Reports(), 3u);
}

TEST_F(ImapTest, ManyFoldersAndPages) {
  account_.folders = {"INBOX", "Ber\xC3\xBCzte"};
  NewProcess();
  for (int i = 0; i < 250; ++i) server_.Deliver(account_.folders[i % 2], Report(i));
  ASSERT_THAT(poller_->Poll(), IsOk());
  EXPECT_EQ(Calls("fetch "), 250u);
  EXPECT_EQ(Calls("describe "), 4u);
  EXPECT_EQ(Reports(), 250u);
}

TEST_F(ImapTest, BookmarksOutliveTheProcess) {
  for (int i = 0; i < 10; ++i) server_.Deliver("INBOX", Report(i));
  ASSERT_THAT(poller_->Poll(), IsOk());
  NewProcess();
  server_.ClearCalls();
  server_.Deliver("INBOX", Report(10));
  ASSERT_THAT(poller_->Poll(), IsOk());
  EXPECT_EQ(Calls("fetch "), 1u);
  EXPECT_THAT(server_.calls(), Contains("fetch 11"));
}

TEST_F(ImapTest, OtherUidValidityReadsAllAgainAndCountsOnce) {
  for (int i = 0; i < 5; ++i) server_.Deliver("INBOX", Report(i));
  ASSERT_THAT(poller_->Poll(), IsOk());
  // UIDs that the bookmark of before would call done.
  server_.Renumber("INBOX", 2, 1);
  server_.Deliver("INBOX", Report(5));
  server_.ClearCalls();
  ASSERT_THAT(poller_->Poll(), IsOk());
  EXPECT_EQ(Calls("fetch "), 6u);
  EXPECT_EQ(Reports(), 6u);
  const auto bookmarks = LoadImapBookmarks(poller_->bookmark_path());
  ASSERT_TRUE(bookmarks.ok());
  EXPECT_EQ(bookmarks->at("INBOX").uid_validity, 2u);
  EXPECT_EQ(bookmarks->at("INBOX").next_uid, 7u);
}

TEST_F(ImapTest, NothingIsFlaggedBeforeItIsStored) {
  server_.Deliver("INBOX", Report(1));
  store_.Hold();
  std::thread polling([this] { EXPECT_THAT(poller_->Poll(), IsOk()); });
  store_.AwaitHeld();
  EXPECT_EQ(Calls("flag "), 0u);
  EXPECT_FALSE(std::filesystem::exists(poller_->bookmark_path()));
  store_.Release();
  polling.join();
  EXPECT_TRUE(Seen("INBOX", 1));
}

TEST_F(ImapTest, WhatTheStoreRefusesStaysAndComesAgain) {
  server_.Deliver("INBOX", Report(1));
  server_.Deliver("INBOX", Report(2));
  store_.FailIf([](const CommitBatch& batch) { return !batch.accepted.empty(); },
                absl::UnavailableError("disk"));
  EXPECT_THAT(poller_->Poll(), Not(IsOk()));
  EXPECT_FALSE(Seen("INBOX", 1) || Seen("INBOX", 2));
  store_.FailIf([](const CommitBatch&) { return false; }, absl::OkStatus());
  NewProcess();
  EXPECT_THAT(poller_->Poll(), IsOk());
  EXPECT_TRUE(Seen("INBOX", 1) && Seen("INBOX", 2));
  EXPECT_EQ(Reports(), 2u);
}

TEST_F(ImapTest, KilledBetweenCommitAndFlagItFlagsWithTheNextStart) {
  for (int i = 0; i < 3; ++i) server_.Deliver("INBOX", Report(i));
  // The process ends when it wants to flag: nothing later happens, not even the bookmark.
  server_.SetGate([this](const std::string& call) {
    if (!call.starts_with("flag ")) return absl::OkStatus();
    std::filesystem::create_directories(poller_->bookmark_path() + "/in-the-way");
    return absl::UnavailableError("killed");
  });
  EXPECT_THAT(poller_->Poll(), Not(IsOk()));
  std::filesystem::remove_all(poller_->bookmark_path());
  EXPECT_FALSE(Seen("INBOX", 1));
  server_.SetGate(nullptr);
  NewProcess();
  ASSERT_THAT(poller_->Poll(), IsOk());
  for (const uint32_t uid : {1u, 2u, 3u}) EXPECT_TRUE(Seen("INBOX", uid));
  EXPECT_EQ(Calls("fetch "), 6u);
  EXPECT_EQ(Reports(), 3u) << "the repetition is recognised";
}

TEST_F(ImapTest, FailedFlagIsSetLaterWithoutFetchingAgain) {
  server_.Deliver("INBOX", Report(1));
  server_.SetGate([](const std::string& call) {
    return call.starts_with("flag ") ? absl::InvalidArgumentError("the server refuses: read-only")
                                     : absl::OkStatus();
  });
  EXPECT_THAT(poller_->Poll(), StatusIs(kInvalidArgument, HasSubstr("could not be flagged")));
  server_.Deliver("INBOX", Report(2));
  EXPECT_THAT(poller_->Poll(), StatusIs(kInvalidArgument)) << "and new mail is still taken";
  EXPECT_EQ(Calls("fetch "), 2u);
  server_.SetGate(nullptr);
  NewProcess();
  EXPECT_THAT(poller_->Poll(), IsOk());
  EXPECT_TRUE(Seen("INBOX", 1) && Seen("INBOX", 2));
  EXPECT_EQ(Calls("fetch "), 2u);
}

TEST_F(ImapTest, MovesAfterTheCommit) {
  account_.after = AfterTaken::kMove;
  account_.move_to = "Done";
  NewProcess();
  for (int i = 0; i < 3; ++i) server_.Deliver("INBOX", Report(i));
  ASSERT_THAT(poller_->Poll(), IsOk());
  EXPECT_TRUE(server_.Messages("INBOX").empty());
  EXPECT_EQ(server_.Messages("Done").size(), 3u);
  EXPECT_EQ(Reports(), 3u);
}

TEST_F(ImapTest, ChangesNothingIfToldSo) {
  account_.after = AfterTaken::kNothing;
  NewProcess();
  server_.Deliver("INBOX", Report(1));
  ASSERT_THAT(poller_->Poll(), IsOk());
  ASSERT_THAT(poller_->Poll(), IsOk());
  EXPECT_EQ(Calls("fetch "), 1u);
  EXPECT_EQ(Calls("flag ") + Calls("move "), 0u);
}

TEST_F(ImapTest, TooLargeIsNeverFetched) {
  server_.Deliver("INBOX", std::string(kLimit + 1, 'x'));
  server_.Deliver("INBOX", Report(2));
  ASSERT_THAT(poller_->Poll(), IsOk());
  EXPECT_THAT(server_.calls(), Not(Contains("fetch 1")));
  EXPECT_FALSE(Seen("INBOX", 1));
  EXPECT_TRUE(Seen("INBOX", 2));
  ASSERT_THAT(poller_->Poll(), IsOk());
  EXPECT_EQ(Calls("describe "), 1u) << "and it is not looked at again";
}

TEST_F(ImapTest, LargerThanToldIsGivenUpOnce) {
  const uint32_t uid = server_.Deliver("INBOX", std::string(kLimit + 1, 'x'));
  server_.Change("INBOX", uid, [](FakeImapServer::Message& m) { m.told_size = 5; });
  server_.Deliver("INBOX", Report(2));
  EXPECT_THAT(poller_->Poll(), StatusIs(kResourceExhausted));
  EXPECT_THAT(poller_->Poll(), IsOk());
  EXPECT_EQ(Calls("fetch 1"), 1u);
  EXPECT_EQ(Reports(), 1u);
}

TEST_F(ImapTest, SmallerThanItIsCountsAgainstTheBudgetAsItIs) {
  const uint32_t uid = server_.Deliver("INBOX", "report example.test " + std::string(500, 'x'));
  server_.Change("INBOX", uid, [](FakeImapServer::Message& m) { m.told_size = 1; });
  store_.Hold();
  std::thread polling([this] { EXPECT_THAT(poller_->Poll(), IsOk()); });
  store_.AwaitHeld();
  EXPECT_EQ(budget_.used_bytes(), 520);
  store_.Release();
  polling.join();
}

TEST_F(ImapTest, MessageWithoutContentStopsNobodyAndIsGivenUp) {
  const uint32_t uid = server_.Deliver("INBOX", Report(1));
  server_.Change("INBOX", uid, [](FakeImapServer::Message& m) { m.has_content = false; });
  server_.Deliver("INBOX", Report(2));
  for (int i = 0; i < ImapPoller::kTries + 2; ++i) {
    ASSERT_THAT(poller_->Poll(), IsOk());
    clock_.Advance(ImapPoller::kPatience / (ImapPoller::kTries - 1));
  }
  EXPECT_EQ(Calls("fetch 1"), static_cast<size_t>(ImapPoller::kTries));
  EXPECT_EQ(Calls("fetch 2"), 1u);
  EXPECT_FALSE(Seen("INBOX", 1));
  EXPECT_TRUE(Seen("INBOX", 2));
}

TEST_F(ImapTest, MessageThatBreaksTheConnectionComesLast) {
  for (int i = 1; i <= 5; ++i) server_.Deliver("INBOX", Report(i));
  server_.SetGate([](const std::string& call) {
    return call == "fetch 2" ? absl::UnavailableError("reset") : absl::OkStatus();
  });
  for (int i = 0; i < 5; ++i) {
    EXPECT_THAT(poller_->Poll(), StatusIs(kUnavailable));
    clock_.Advance(ImapPoller::kLongestPause);
  }
  for (const uint32_t uid : {1u, 3u, 4u, 5u}) EXPECT_TRUE(Seen("INBOX", uid)) << uid;
  server_.SetGate(nullptr);
  NewProcess();
  EXPECT_THAT(poller_->Poll(), IsOk());
  EXPECT_TRUE(Seen("INBOX", 2)) << "it is not forgotten, across a restart either";
  EXPECT_EQ(Reports(), 5u);
}

TEST_F(ImapTest, MessageThatBreaksTheConnectionStarvesNoOther) {
  for (int i = 1; i <= 5; ++i) server_.Deliver("INBOX", Report(i));
  bool once = true;
  server_.SetGate([&once](const std::string& call) {
    const bool breaks = call == "fetch 2" || (call == "fetch 4" && std::exchange(once, false));
    return breaks ? absl::UnavailableError("reset") : absl::OkStatus();
  });
  for (int i = 0; i < 8; ++i) {
    (void)poller_->Poll();
    clock_.Advance(account_.interval);
  }
  for (const uint32_t uid : {1u, 3u, 4u, 5u}) EXPECT_TRUE(Seen("INBOX", uid)) << uid;
  EXPECT_FALSE(Seen("INBOX", 2));
  EXPECT_LT(Calls("fetch 2"), 6u) << "later and later";
}

TEST_F(ImapTest, AnOutageOfTheServersStorageLosesNothing) {
  for (int i = 1; i <= 3; ++i) server_.Deliver("INBOX", Report(i));
  server_.SetGate([](const std::string& call) {
    return call.starts_with("fetch") ? absl::InvalidArgumentError("the server refuses")
                                     : absl::OkStatus();
  });
  for (int i = 0; i < 20; ++i) {
    EXPECT_THAT(poller_->Poll(), IsOk());
    clock_.Advance(ImapPoller::kLongestPause);
  }
  server_.SetGate(nullptr);
  EXPECT_THAT(poller_->Poll(), IsOk());
  EXPECT_EQ(Reports(), 3u);
}

TEST_F(ImapTest, AnAnswerWithoutTheMessageIsNotItsEnd) {
  const uint32_t uid = server_.Deliver("INBOX", Report(1));
  server_.Change("INBOX", uid, [](FakeImapServer::Message& m) { m.withheld = true; });
  EXPECT_THAT(poller_->Poll(), IsOk());
  EXPECT_FALSE(Seen("INBOX", uid));
  server_.Change("INBOX", uid, [](FakeImapServer::Message& m) { m.withheld = false; });
  clock_.Advance(account_.interval);
  EXPECT_THAT(poller_->Poll(), IsOk());
  EXPECT_TRUE(Seen("INBOX", uid));
}

TEST(ImapAccount, APasswordFileIsItsOwnersOnly) {
  testing_support::TempDir directory;
  const std::string path = directory.Write("password", "secret\n");
  for (const auto& [mode, code] : {std::pair(0600, kOk),
                                   {0400, kOk},
                                   {0640, kFailedPrecondition},
                                   {0604, kFailedPrecondition}}) {
    std::filesystem::permissions(path, static_cast<std::filesystem::perms>(mode));
    EXPECT_EQ(CheckPasswordFile(path).code(), code) << mode;
  }
  EXPECT_EQ(CheckPasswordFile(directory.File("none")).code(), kNotFound);
}

TEST_F(ImapTest, MissingFolderDoesNotHideTheOthers) {
  account_.folders = {"Gone", "INBOX"};
  NewProcess();
  server_.Deliver("INBOX", Report(1));
  EXPECT_THAT(poller_->Poll(), StatusIs(kInvalidArgument, HasSubstr("folder Gone")));
  EXPECT_TRUE(Seen("INBOX", 1));
}

TEST_F(ImapTest, FullDiskPausesPolling) {
  server_.Deliver("INBOX", Report(1));
  percent_ = 95;
  EXPECT_THAT(poller_->Poll(), StatusIs(kResourceExhausted));
  EXPECT_THAT(server_.calls(), testing::IsEmpty());
  percent_ = 10;
  clock_.Advance(absl::Seconds(2));
  EXPECT_THAT(poller_->Poll(), IsOk());
  EXPECT_TRUE(Seen("INBOX", 1));
}

TEST_F(ImapTest, BrokenBookmarksBeginAnew) {
  server_.Deliver("INBOX", Report(1));
  ASSERT_THAT(poller_->Poll(), IsOk());
  for (const char* text :
       {"", "x", "dmarcate imap bookmarks 1\n1 2 3\n", "dmarcate imap bookmarks 2\n",
        "dmarcate imap bookmarks 1\n0 1 - - 4142\n", "dmarcate imap bookmarks 1\n1 1 - - 414\n",
        "dmarcate imap bookmarks 1\n1 1 0 - 41\n", "dmarcate imap bookmarks 1\n1 1 - - 41"}) {
    std::filesystem::remove(poller_->bookmark_path());
    directory_.Write("imap/" + std::filesystem::path(poller_->bookmark_path()).filename().string(),
                     text);
    EXPECT_THAT(LoadImapBookmarks(poller_->bookmark_path()), StatusIs(kDataLoss)) << text;
  }
  NewProcess();
  EXPECT_THAT(poller_->Poll(), IsOk());
  EXPECT_EQ(Calls("fetch 1"), 2u);
  EXPECT_EQ(Reports(), 1u);
}

TEST_F(ImapTest, BookmarksComeBackAsTheyWere) {
  const ImapBookmarks bookmarks = {
      {"INBOX", {.uid_validity = 4294967295u, .next_uid = 4294967296u, .pending = {1, 7}}},
      {"a b\nc", {.uid_validity = 1, .next_uid = 1, .unmarked = {4294967295u}}}};
  const std::string path = directory_.File("bookmarks");
  ASSERT_THAT(SaveImapBookmarks(path, bookmarks), IsOk());
  EXPECT_THAT(LoadImapBookmarks(path), testing_support::IsOkAndHolds(bookmarks));
}

TEST_F(ImapTest, StopEndsAPollThatWaitsForTheStore) {
  server_.Deliver("INBOX", Report(1));
  account_.interval = absl::Seconds(1);
  auto intake = ImapIntake::Start({account_}, Parts());
  ASSERT_TRUE(intake.ok());
  store_.Hold();
  server_.Deliver("INBOX", Report(2));
  store_.AwaitHeld();
  (*intake)->Stop();
  store_.Release();
}

TEST(NextPollDelay, GrowsWithFailures) {
  const absl::Duration minute = absl::Minutes(1);
  EXPECT_EQ(NextPollDelay(minute, absl::OkStatus(), 0), minute);
  const absl::Status down = absl::UnavailableError("x");
  EXPECT_EQ(NextPollDelay(minute, down, 1), absl::Seconds(10));
  EXPECT_EQ(NextPollDelay(minute, down, 2), absl::Seconds(20));
  EXPECT_EQ(NextPollDelay(minute, down, 100), absl::Minutes(10));
  EXPECT_EQ(NextPollDelay(absl::Hours(1), down, 1'000'000), absl::Hours(1));
  EXPECT_EQ(NextPollDelay(minute, absl::PermissionDeniedError("x"), 1), absl::Minutes(10));
  EXPECT_EQ(NextPollDelay(minute, absl::InvalidArgumentError("x"), 9), minute);
}

struct CommandCase {
  std::string name, script;
  absl::StatusCode want;
  std::string token;
};
const CommandCase kCommandCases[] = {
    {"Token", "printf 'ya29.token\\n'", kOk, "ya29.token"},
    {"NoShellSeesTheArguments", "printf '%s' \"$1\"", kOk, "$(id);`id`"},
    {"Nothing", "true", kInvalidArgument, ""},
    {"TwoLines", "printf 'a\\nb\\n'", kInvalidArgument, ""},
    {"Failure", "echo top-secret; echo top-secret >&2; exit 3", kFailedPrecondition, ""},
    {"Killed", "kill -9 $$", kFailedPrecondition, ""},
    {"TooMuch", "while :; do echo xxxxxxxxxxxxxxxxxxxxxxxx; done", kInvalidArgument, ""},
    {"NeverEnds", "exec sleep 1000", kDeadlineExceeded, ""},
    {"ClosesItsOutputAndStays", "exec >&-; exec sleep 1000", kDeadlineExceeded, ""},
    {"LeavesAChildWithThePipe", "sleep 1000 & printf token", kOk, "token"},
};
class TokenCommandTest : public testing::TestWithParam<CommandCase> {};
TEST_P(TokenCommandTest, Case) {
  ImapAccount account;
  account.token_command = {"/bin/sh", "-c", GetParam().script, "name", "$(id);`id`"};
  const auto timeout =
      GetParam().want == kDeadlineExceeded ? absl::Milliseconds(200) : absl::Seconds(30);
  const auto token = ReadImapSecret(account, [] { return false; }, timeout);
  EXPECT_EQ(token.status().code(), GetParam().want) << token.status();
  EXPECT_EQ(token.ok() ? token->Reveal() : "", GetParam().token);
  EXPECT_THAT(token.status().ToString(), Not(HasSubstr("top-secret")));
}
INSTANTIATE_TEST_SUITE_P(All, TokenCommandTest, testing::ValuesIn(kCommandCases),
                         [](const auto& instance) { return instance.param.name; });

TEST(ImapSecret, TokenCommandGivesUpAndMayBeMissing) {
  ImapAccount account;
  account.token_command = {"/bin/sleep", "1000"};
  EXPECT_THAT(ReadImapSecret(account, [] { return true; }), StatusIs(kCancelled));
  // One byte at a time: neither its end nor a pause ever comes.
  account.token_command = {"/bin/sh", "-c", "while :; do printf x; /bin/sleep 0.005; done"};
  EXPECT_THAT(ReadImapSecret(account, [] { return true; }), StatusIs(kCancelled));
  EXPECT_THAT(ReadImapSecret(
                  account, [] { return false; }, absl::Milliseconds(200)),
              StatusIs(kDeadlineExceeded));
  account.token_command = {"/no/such/program"};
  EXPECT_THAT(ReadImapSecret(account, [] { return false; }), StatusIs(kNotFound));
}

struct ConfigCase {
  std::string name, text, error;  // error "": right
};
const std::string kBase = "[[imap]]\nhost = \"mx.test\"\nuser = \"u\"\n";
const std::string kLogin = kBase + "password_file = \"/p\"\n";
const ConfigCase kConfigCases[] = {
    {"Least", kLogin, ""},
    {"Token", kBase + "token_command = [\"/bin/x\", \"a b\"]\n", ""},
    {"Move", kLogin + "after = \"move\"\nmove_to = \"Done\"\nfolders = [\"INBOX\", \"R&D\"]\n", ""},
    {"Loopback", kLogin + "tls = \"none\"\ninsecure_loopback = true\n", "only to 127.0.0.1"},
    {"PlainWithoutSayingSo",
     "[[imap]]\nhost = \"127.0.0.1\"\nuser = \"u\"\npassword_file = \"/p\"\ntls = \"none\"\n",
     "insecure_loopback"},
    {"PlainToThisMachine",
     "[[imap]]\nhost = \"127.0.0.1\"\nuser = \"u\"\npassword_file = \"/p\"\ntls = \"none\"\n"
     "insecure_loopback = true\n",
     ""},
    {"PlainToANameThatLooksLikeIt",
     "[[imap]]\nhost = \"127.0.0.1.evil.test\"\nuser = \"u\"\npassword_file = \"/p\"\n"
     "tls = \"none\"\ninsecure_loopback = true\n",
     "only to 127.0.0.1"},
    {"NoHost", "[[imap]]\nuser = \"u\"\npassword_file = \"/p\"\n", "host"},
    {"HostAsUrl", "[[imap]]\nhost = \"imaps://x\"\nuser = \"u\"\npassword_file = \"/p\"\n", "host"},
    {"NoUser", "[[imap]]\nhost = \"x\"\npassword_file = \"/p\"\n", "user"},
    {"NoSecret", kBase, "token_command"},
    {"TwoSecrets", kLogin + "token_command = [\"/x\"]\n", "token_command"},
    {"RelativeProgram", kBase + "token_command = [\"x\"]\n", "absolute"},
    {"PasswordInTheFile", kBase + "password = \"x\"\n", "password_file"},
    {"OtherTls", kLogin + "tls = \"maybe\"\n", "required, starttls, none"},
    {"NoFolders", kLogin + "folders = []\n", "folders"},
    {"FolderTwice", kLogin + "folders = [\"A\", \"A\"]\n", "twice"},
    {"FolderWithLineEnd", kLogin + "folders = [\"A\\r\\nX LOGOUT\"]\n", "control"},
    {"OtherAfter", kLogin + "after = \"delete\"\n", "flag, move, none"},
    {"DeletedIsNoMark", kLogin + "flag = \"\\\\Deleted\"\n", "flag"},
    {"MoveWithoutTarget", kLogin + "after = \"move\"\n", "move_to"},
    {"TargetWithoutMove", kLogin + "move_to = \"Done\"\n", "move_to"},
    {"MoveInACircle", kLogin + "after = \"move\"\nmove_to = \"INBOX\"\n", "one of the folders"},
    {"AccountTwice", kLogin + kLogin, "twice"},
    {"NoInterval", kLogin + "interval = \"0s\"\n", "interval"},
    {"Misspelt", kLogin + "folder = [\"A\"]\n", "folders"},
};
class ImapConfigTest : public testing::TestWithParam<ConfigCase> {};
TEST_P(ImapConfigTest, Case) {
  const auto config = ParseIngestConfig(GetParam().text, "test.toml");
  if (GetParam().error.empty()) {
    ASSERT_THAT(config, IsOk());
    EXPECT_EQ(config->imap.size(), 1u);
  } else {
    EXPECT_THAT(config, StatusIs(kInvalidArgument, HasSubstr(GetParam().error)));
  }
}
INSTANTIATE_TEST_SUITE_P(All, ImapConfigTest, testing::ValuesIn(kConfigCases),
                         [](const auto& instance) { return instance.param.name; });

}  // namespace
}  // namespace dmarcate
