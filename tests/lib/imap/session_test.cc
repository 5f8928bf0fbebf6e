// The real client against servers of every kind.

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/base/status_macros.h"
#include "lib/imap/curl_session.h"
#include "tests/lib/imap/scripted_server.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using imap_testing::ScriptedServer;
using Replies = ScriptedServer::Replies;
using testing::HasSubstr;
using testing::Not;
using testing_support::IsOk;
using testing_support::StatusIs;
using enum absl::StatusCode;

constexpr char kPassword[] = "open-sesame-7";
constexpr char kPasswordInPlain[] = "AHUAb3Blbi1zZXNhbWUtNw==";  // "\0u\0open-sesame-7"
constexpr size_t kMessageLimit = 1000;

ImapServer ServerAt(uint16_t port, absl::Duration timeout = absl::Seconds(20)) {
  ImapServer out;
  out.host = "127.0.0.1";
  out.port = port;
  out.tls = ImapTls::kPlain;
  out.user = "u";
  out.timeout = timeout;
  return out;
}

absl::StatusOr<std::unique_ptr<ImapSession>> Connect(const ImapServer& server) {
  CurlImapConnector connector;
  return connector.Connect(server, Secret(kPassword), [] { return false; });
}

TEST(ImapSession, WholeJourney) {
  ScriptedServer server(Replies{});
  DMARCATE_ASSERT_OK_AND_ASSIGN(const auto session, Connect(ServerAt(server.port())));
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ImapFolder folder,
                                session->Select("R&D \"x\"", ImapAccess::kReadWrite));
  EXPECT_EQ(folder.uid_validity, 17u);
  EXPECT_EQ(folder.uid_next, 9u);
  EXPECT_EQ(folder.messages, 3u);
  DMARCATE_ASSERT_OK_AND_ASSIGN(const auto uids, session->Search(4, 0));
  EXPECT_EQ(uids, (std::vector<uint32_t>{5, 8}));
  DMARCATE_ASSERT_OK_AND_ASSIGN(const auto infos, session->Describe({3, 5, 7, 8}));
  ASSERT_EQ(infos.size(), 3u);
  EXPECT_EQ(infos[1].uid, 5u);
  EXPECT_EQ(infos[1].internal_date, absl::FromUnixSeconds(836707465));
  DMARCATE_ASSERT_OK_AND_ASSIGN(const auto content, session->Fetch(3, kMessageLimit));
  EXPECT_EQ(content, "hello");
  DMARCATE_ASSERT_OK_AND_ASSIGN(const auto gone, session->Fetch(4, kMessageLimit));
  EXPECT_EQ(gone, std::nullopt);
  EXPECT_THAT(session->AddFlag({3, 5}, "\\Seen"), IsOk());
  EXPECT_THAT(session->Move({3, 4}, "Done"), IsOk());
  session->Logout();
  EXPECT_TRUE(server.received().find("D2 SELECT \"R&-D \\\"x\\\"\"\r\nD3 UID SEARCH UID 4:*\r\n"
                                     "D4 UID FETCH 3,5,7:8 (UID RFC822.SIZE INTERNALDATE)\r\n"
                                     "D5 UID FETCH 3 (UID BODY.PEEK[])\r\nD6 UID FETCH 4 (UID "
                                     "BODY.PEEK[])\r\nD7 UID STORE 3,5 +FLAGS.SILENT (\\Seen)\r\n"
                                     "D8 UID MOVE 3:4 \"Done\"\r\n") != std::string::npos)
      << server.received();
}

TEST(ImapSession, WithoutMoveItCopiesAndExpungesWhatItCopied) {
  ScriptedServer server(
      Replies{{"CAPABILITIES", "* CAPABILITY IMAP4rev1 UIDPLUS\r\n%T OK done\r\n"}});
  DMARCATE_ASSERT_OK_AND_ASSIGN(const auto session, Connect(ServerAt(server.port())));
  ASSERT_THAT(session->Select("INBOX", ImapAccess::kReadWrite), IsOk());
  EXPECT_THAT(session->Move({3}, "Done"), IsOk());
  EXPECT_THAT(server.received(), HasSubstr("D3 UID COPY 3 \"Done\"\r\nD4 UID STORE 3 "
                                           "+FLAGS.SILENT (\\Deleted)\r\nD5 UID EXPUNGE 3\r\n"));
}

TEST(ImapSession, WithoutUidplusNothingOfOthersIsExpunged) {
  ScriptedServer server(Replies{{"CAPABILITIES", "* CAPABILITY IMAP4rev1\r\n%T OK done\r\n"}});
  DMARCATE_ASSERT_OK_AND_ASSIGN(const auto session, Connect(ServerAt(server.port())));
  ASSERT_THAT(session->Select("INBOX", ImapAccess::kReadWrite), IsOk());
  EXPECT_THAT(session->Move({3}, "Done"), IsOk());
  EXPECT_THAT(server.received(), Not(HasSubstr("EXPUNGE")));
}

TEST(ImapSession, NothingIsDeletedThatWasNotCopied) {
  ScriptedServer server(
      Replies{{"CAPABILITIES", "* CAPABILITY IMAP4rev1 UIDPLUS\r\n%T OK done\r\n"},
              {"COPY", "%T NO over quota\r\n"}});
  DMARCATE_ASSERT_OK_AND_ASSIGN(const auto session, Connect(ServerAt(server.port())));
  ASSERT_THAT(session->Select("INBOX", ImapAccess::kReadWrite), IsOk());
  EXPECT_THAT(session->Move({3}, "Done"), StatusIs(kInvalidArgument));
  EXPECT_THAT(server.received(), Not(HasSubstr("STORE")));
}

TEST(ImapSession, MakesTheFolderItMovesTo) {
  ScriptedServer server(
      Replies{{"MOVE", "%T NO [TRYCREATE] no such folder\r\n%NEXT%T OK done\r\n"}});
  DMARCATE_ASSERT_OK_AND_ASSIGN(const auto session, Connect(ServerAt(server.port())));
  ASSERT_THAT(session->Select("INBOX", ImapAccess::kReadWrite), IsOk());
  EXPECT_THAT(session->Move({3}, "Done"), IsOk());
  EXPECT_THAT(server.received(), HasSubstr("D4 CREATE \"Done\"\r\nD5 UID MOVE 3 \"Done\"\r\n"));
}

TEST(ImapSession, ReadOnlyExamines) {
  ScriptedServer server(Replies{});
  DMARCATE_ASSERT_OK_AND_ASSIGN(const auto session, Connect(ServerAt(server.port())));
  ASSERT_THAT(session->Select("INBOX", ImapAccess::kReadOnly), IsOk());
  EXPECT_THAT(server.received(), HasSubstr("EXAMINE \"INBOX\""));
}

TEST(ImapSession, AnswersNoAndGoesOn) {
  ScriptedServer server(Replies{{"FETCH",
                                 "%T NO [CANNOT] cannot\r\n%NEXT* 1 FETCH (UID 5 BODY[] "
                                 "{2}\r\nhi)\r\n%T OK done\r\n"}});
  DMARCATE_ASSERT_OK_AND_ASSIGN(const auto session, Connect(ServerAt(server.port())));
  ASSERT_THAT(session->Select("INBOX", ImapAccess::kReadOnly), IsOk());
  EXPECT_THAT(session->Fetch(3, kMessageLimit), StatusIs(kInvalidArgument, HasSubstr("cannot")));
  EXPECT_THAT(session->Fetch(5, kMessageLimit), IsOk());
}

TEST(ImapSession, TroubleAtTheServerIsNoAnswer) {
  for (const char* code : {"UNAVAILABLE", "SERVERBUG", "INUSE", "LIMIT"}) {
    ScriptedServer server(Replies{{"FETCH", fmt::format("%T NO [{}] later\r\n", code)}});
    DMARCATE_ASSERT_OK_AND_ASSIGN(const auto session, Connect(ServerAt(server.port())));
    ASSERT_THAT(session->Select("INBOX", ImapAccess::kReadOnly), IsOk());
    EXPECT_THAT(session->Fetch(3, kMessageLimit), StatusIs(kUnavailable, HasSubstr("later")));
  }
}

TEST(ImapSession, TokenIsSentAsXoauth2) {
  ScriptedServer server(Replies{
      {"CAPABILITY", "* CAPABILITY IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR\r\n%T OK done\r\n"}});
  ImapServer where = ServerAt(server.port());
  where.login = ImapLogin::kXoauth2;
  EXPECT_THAT(Connect(where), IsOk());
  // "user=u\x01auth=Bearer open-sesame-7\x01\x01"
  EXPECT_THAT(server.received(), HasSubstr("AUTHENTICATE XOAUTH2 "
                                           "dXNlcj11AWF1dGg9QmVhcmVyIG9wZW4tc2VzYW1lLTcBAQ=="));
  EXPECT_THAT(server.received(), Not(HasSubstr("PLAIN")));
}

TEST(ImapSession, TokenIsNeverSentAsPassword) {
  ScriptedServer server(Replies{});
  ImapServer where = ServerAt(server.port());
  where.login = ImapLogin::kXoauth2;
  EXPECT_FALSE(Connect(where).ok());
  EXPECT_THAT(server.received(), Not(HasSubstr(kPassword)));
  EXPECT_THAT(server.received(), Not(HasSubstr(kPasswordInPlain)));
}

struct UnsendableCase {
  std::string name;
  std::function<void(ImapServer&)> change;
  std::string secret = kPassword;
};
const UnsendableCase kUnsendableCases[] = {
    {"UserWithLineEnd", [](ImapServer& s) { s.user = "u\r\nX LOGOUT"; }},
    {"UserWithNul", [](ImapServer& s) { s.user = std::string("u\0v", 3); }},
    {"NoUser", [](ImapServer& s) { s.user = ""; }},
    {"HostWithPath", [](ImapServer& s) { s.host = "127.0.0.1/INBOX"; }},
    {"HostWithUser", [](ImapServer& s) { s.host = "x@127.0.0.1"; }},
    {"HostWithLineEnd", [](ImapServer& s) { s.host = "127.0.0.1\r\n"; }},
    {"SecretWithLineEnd", [](ImapServer&) {}, "a\r\nX LOGOUT"},
    {"NoSecret", [](ImapServer&) {}, ""},
};
class UnsendableTest : public testing::TestWithParam<UnsendableCase> {};
TEST_P(UnsendableTest, IsRefusedBeforeConnecting) {
  ScriptedServer server(Replies{});
  ImapServer where = ServerAt(server.port());
  GetParam().change(where);
  CurlImapConnector connector;
  EXPECT_THAT(connector.Connect(where, Secret(GetParam().secret), [] { return false; }),
              StatusIs(kInvalidArgument));
  EXPECT_EQ(server.received(), "");
}
INSTANTIATE_TEST_SUITE_P(All, UnsendableTest, testing::ValuesIn(kUnsendableCases),
                         [](const auto& instance) { return instance.param.name; });

TEST(ImapSession, GivesUpWhenTold) {
  ScriptedServer silent(Replies{{"GREETING", "%SILENCE"}});
  CurlImapConnector connector;
  EXPECT_THAT(connector.Connect(ServerAt(silent.port(), absl::Minutes(5)), Secret(kPassword),
                                [] { return true; }),
              StatusIs(kCancelled));
  ScriptedServer later(Replies{{"SEARCH", "%SILENCE"}});
  bool stop = false;
  DMARCATE_ASSERT_OK_AND_ASSIGN(const auto session,
                                connector.Connect(ServerAt(later.port(), absl::Minutes(5)),
                                                  Secret(kPassword), [&stop] { return stop; }));
  ASSERT_THAT(session->Select("INBOX", ImapAccess::kReadOnly), IsOk());
  stop = true;
  EXPECT_THAT(session->Search(1, 0), StatusIs(kCancelled));
}

// What a poller does with a folder; the first error, with the step before its message.
absl::Status Journey(const ImapServer& where, size_t* content_bytes) {
  const auto at = [](const absl::Status& status, const char* step) {
    return Annotate(status, step);
  };
  const auto session = Connect(where);
  if (!session.ok()) return at(session.status(), "connect");
  const auto folder = (*session)->Select("INBOX", ImapAccess::kReadWrite);
  if (!folder.ok()) return at(folder.status(), "select");
  const auto uids = (*session)->Search(1, 8);
  if (!uids.ok()) return at(uids.status(), "search");
  const auto infos = (*session)->Describe({3, 5, 8});
  if (!infos.ok()) return at(infos.status(), "describe");
  const auto content = (*session)->Fetch(3, kMessageLimit);
  if (!content.ok()) return at(content.status(), "fetch");
  *content_bytes = content->has_value() ? (*content)->size() : 0;
  DMARCATE_RETURN_IF_ERROR(at((*session)->AddFlag({3}, "\\Seen"), "flag"));
  return at((*session)->Move({5}, "Done"), "move");
}

struct HostileCase {
  std::string name, when, reply;
  absl::StatusCode want;
  std::string step;  // where it fails; empty: it does not
  ImapTls tls = ImapTls::kPlain;
};
std::string Many(const std::string& text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}
const HostileCase kHostileCases[] = {
    // Before the log-in.
    {"ClosesAtOnce", "GREETING", "%CLOSE", kUnavailable, "connect"},
    {"GreetsWithGarbage", "GREETING", "SSH-2.0-OpenSSH\r\n%SILENCE", kDeadlineExceeded, "connect"},
    {"GreetsWithBye", "GREETING", "* BYE busy\r\n%CLOSE", kDataLoss, "connect"},
    {"NeverGreets", "GREETING", "%SILENCE", kDeadlineExceeded, "connect"},
    {"GreetsForEver", "GREETING", "%FLOOD* OK wait\r\n", kDataLoss, "connect"},
    {"GreetingWithoutEnd", "GREETING", "%FLOODxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
     kDeadlineExceeded, "connect"},
    {"GreetingDrips", "GREETING", "%DRIP* OK slow", kDeadlineExceeded, "connect"},
    {"CapabilitiesForEver", "CAPABILITY", "%FLOOD* CAPABILITY X\r\n", kDeadlineExceeded, "connect"},
    {"ClosesInTheLogin", "AUTHENTICATE", "%CLOSE", kUnavailable, "connect"},
    {"RefusesTheLogin", "AUTHENTICATE", "%T NO [AUTHENTICATIONFAILED] no\r\n", kPermissionDenied,
     "connect"},
    {"RepeatsThePassword", "AUTHENTICATE", "%T NO open-sesame-7 AHUAb3Blbi1zZXNhbWUtNw==\r\n",
     kPermissionDenied, "connect"},
    {"AsksForMoreInTheLogin", "AUTHENTICATE", "%FLOOD+ \r\n", kPermissionDenied, "connect"},
    {"NeverAnswersTheLogin", "AUTHENTICATE", "%SILENCE", kDeadlineExceeded, "connect"},
    {"NoAnswerAfterTheLogin", "CAPABILITIES", "%SILENCE", kDeadlineExceeded, "connect"},
    // STARTTLS.
    {"NoStartTls", "CAPABILITY", "* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n%T OK x\r\n",
     kFailedPrecondition, "connect", ImapTls::kStartTls},
    {"StartTlsWithoutTls", "CAPABILITY", "* CAPABILITY IMAP4rev1 STARTTLS\r\n%T OK x\r\n",
     kDeadlineExceeded, "connect", ImapTls::kStartTls},
    {"LoggedInWithoutTls", "GREETING", "* PREAUTH hello u\r\n", kFailedPrecondition, "connect",
     ImapTls::kStartTls},
    {"PlainWhereTlsIsSpoken", "GREETING", "* OK hello\r\n", kUnavailable, "connect",
     ImapTls::kRequired},
    // The folder.
    {"NoUidValidity", "SELECT", "* 3 EXISTS\r\n%T OK x\r\n", kDataLoss, "select"},
    {"ZeroUidValidity", "SELECT", "* OK [UIDVALIDITY 0] x\r\n%T OK x\r\n", kDataLoss, "select"},
    {"HugeUidValidity", "SELECT", "* OK [UIDVALIDITY 4294967296] x\r\n%T OK x\r\n", kDataLoss,
     "select"},
    {"NegativeUidNext", "SELECT", "* OK [UIDVALIDITY 1] x\r\n* OK [UIDNEXT -1] x\r\n%T OK x\r\n",
     kDataLoss, "select"},
    {"WrongTag", "SELECT", "D99 OK x\r\n", kDataLoss, "select"},
    {"TagOfBefore", "SELECT", "D1 OK x\r\n", kDataLoss, "select"},
    {"ContinuationUnasked", "SELECT", "+ go on\r\n", kDataLoss, "select"},
    {"EmptyLine", "SELECT", "\r\n", kDataLoss, "select"},
    {"BareLineFeed", "SELECT", "* 1 EXISTS\n%T OK x\r\n", kDataLoss, "select"},
    {"NulInALine", "SELECT", std::string("* 1 \0EXISTS\r\n", 13), kDataLoss, "select"},
    {"Bye", "SELECT", "* BYE shutting down\r\n%CLOSE", kUnavailable, "select"},
    {"SaysNo", "SELECT", "%T NO such folder\r\n", kInvalidArgument, "select"},
    {"SaysBadInControlCharacters", "SELECT", "%T BAD \x1B[2J\xFF\xFE\r\n", kInvalidArgument,
     "select"},
    {"RepeatsThePasswordLater", "SELECT", "%T NO open-sesame-7\r\n", kInvalidArgument, "select"},
    {"FlagsWithoutEnd", "SELECT", "* FLAGS (%FLOODaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
     kResourceExhausted, "select"},
    {"ResponsesForEver", "SELECT", "%FLOOD* 1 EXISTS\r\n", kResourceExhausted, "select"},
    {"LiteralsForEver", "SELECT", "* X %FLOOD{0}\r\n", kResourceExhausted, "select"},
    {"LiteralUnasked", "SELECT", "* X {99999999999}\r\n", kResourceExhausted, "select"},
    {"Drips", "SELECT", "%DRIP* 1 EXISTS\r\n", kDeadlineExceeded, "select"},
    {"Silent", "SELECT", "%SILENCE", kDeadlineExceeded, "select"},
    // The search.
    {"SearchOfWords", "SEARCH", "* SEARCH 1 two\r\n%T OK x\r\n", kDataLoss, "search"},
    {"SearchOfHugeNumbers", "SEARCH", "* SEARCH 4294967296\r\n%T OK x\r\n", kDataLoss, "search"},
    {"SearchOfNegativeNumbers", "SEARCH", "* SEARCH -1\r\n%T OK x\r\n", kDataLoss, "search"},
    {"SearchBeyondTheRange", "SEARCH", "* SEARCH 0 9 4294967295\r\n%T OK x\r\n", kOk, ""},
    {"SearchRepeats", "SEARCH", "* SEARCH 3 3 3\r\n* SEARCH 3\r\n%T OK x\r\n", kOk, ""},
    {"SearchWithoutEnd", "SEARCH", "* SEARCH%FLOOD 3333333333333333333333333333333333333333333333",
     kResourceExhausted, "search"},
    {"SearchOfMoreThanAMillion", "SEARCH", "* SEARCH" + Many(" 3", 1'000'001) + "\r\n%T OK x\r\n",
     kResourceExhausted, "search"},
    {"SearchClosesInTheMiddle", "SEARCH", "* SEARCH 3 5%CLOSE", kUnavailable, "search"},
    // What is there.
    {"OthersAreDescribed", "DESCRIBE",
     "* 1 FETCH (UID 99 RFC822.SIZE 1)\r\n* 2 FETCH (UID 3 FLAGS ())\r\n%T OK x\r\n", kOk, ""},
    {"SizeIsNoNumber", "DESCRIBE", "* 1 FETCH (UID 3 RFC822.SIZE big)\r\n%T OK x\r\n", kDataLoss,
     "describe"},
    {"ListWithoutEnd", "DESCRIBE", "* 1 FETCH (UID 3 RFC822.SIZE 5\r\n%T OK x\r\n", kDataLoss,
     "describe"},
    {"ListsNestForEver", "DESCRIBE", "* 1 FETCH (X " + Many("(", 10'000) + "\r\n%T OK x\r\n",
     kDataLoss, "describe"},
    {"DescribesForEver", "DESCRIBE", "%FLOOD* 1 FETCH (UID 3 RFC822.SIZE 5)\r\n",
     kResourceExhausted, "describe"},
    // The message.
    {"LiteralOverTheLimit", "FETCH", "* 1 FETCH (UID 3 BODY[] {1001}\r\n%FLOODxxxxxxxxxxxxxxxx",
     kResourceExhausted, "fetch"},
    {"LiteralOfExabytes", "FETCH", "* 1 FETCH (UID 3 BODY[] {999999999999999999}\r\n",
     kResourceExhausted, "fetch"},
    {"LiteralThatIsNoNumber", "FETCH", "* 1 FETCH (UID 3 BODY[] {-5}\r\nhello)\r\n%T OK x\r\n",
     kDataLoss, "fetch"},
    {"LiteralTooShort", "FETCH", "* 1 FETCH (UID 3 BODY[] {9}\r\nhello)\r\n%CLOSE", kUnavailable,
     "fetch"},
    {"LiteralTooLong", "FETCH", "* 1 FETCH (UID 3 BODY[] {3}\r\nhello)\r\n%T OK x\r\n", kDataLoss,
     "fetch"},
    {"LiteralSwallowsTheAnswer", "FETCH", "* 1 FETCH (UID 3 BODY[] {900}\r\nhello)\r\n%T OK x\r\n",
     kDeadlineExceeded, "fetch"},
    {"AnswerWithinTheMessage", "FETCH",
     "* 1 FETCH (UID 3 BODY[] {24}\r\n%T OK x\r\n* 9 EXISTS\r\n%%%)\r\n%T OK x\r\n", kOk, ""},
    {"ManyLiteralsOverTheLimit", "FETCH",
     "%FLOOD* 1 FETCH (UID 9 BODY[] {400}\r\n" + Many("x", 400) + ")\r\n", kResourceExhausted,
     "fetch"},
    {"OtherMessage", "FETCH", "* 1 FETCH (UID 9 BODY[] {2}\r\nhi)\r\n%T OK x\r\n", kOk, ""},
    {"NoContent", "FETCH", "* 1 FETCH (UID 3 BODY[] NIL)\r\n%T OK x\r\n", kNotFound, "fetch"},
    {"OnlyFlags", "FETCH", "* 1 FETCH (UID 3 FLAGS (\\Seen))\r\n%T OK x\r\n", kNotFound, "fetch"},
    {"TwoBodies", "FETCH", "* 1 FETCH (UID 3 BODY[] \"a\" BODY[] \"b\")\r\n%T OK x\r\n", kDataLoss,
     "fetch"},
    {"QuotedWithoutEnd", "FETCH", "* 1 FETCH (UID 3 BODY[] \"abc)\r\n%T OK x\r\n", kDataLoss,
     "fetch"},
    {"MessageDrips", "FETCH", "* 1 FETCH (UID 3 BODY[] {999}\r\n%DRIPx", kDeadlineExceeded,
     "fetch"},
    {"SaysNoToTheMessage", "FETCH", "%T NO cannot\r\n", kInvalidArgument, "fetch"},
    // Marks.
    {"FlagSilent", "STORE", "%SILENCE", kDeadlineExceeded, "flag"},
    {"FlagRefused", "STORE", "%T NO read-only\r\n", kInvalidArgument, "flag"},
    {"MoveAsksForAFolderForEver", "MOVE", "%T NO [TRYCREATE] x\r\n", kInvalidArgument, "move"},
    {"MoveCloses", "MOVE", "%CLOSE", kUnavailable, "move"},
};
static_assert(std::size(kHostileCases) >= 50);

class HostileImapTest : public testing::TestWithParam<HostileCase> {};
TEST_P(HostileImapTest, CostsTheConnectionOnly) {
  ScriptedServer server(Replies{{GetParam().when, GetParam().reply}});
  ImapServer where = ServerAt(server.port(), absl::Milliseconds(250));
  // Where the journey does not end by a time limit, a busy machine must not make it do so.
  if (GetParam().want != kDeadlineExceeded) where.timeout = absl::Seconds(20);
  where.tls = GetParam().tls;
  size_t content_bytes = 0;
  const auto started = std::chrono::steady_clock::now();
  const absl::Status status = Journey(where, &content_bytes);
  // libcurl has limits of its own for what comes before the log-in; which one is met first differs.
  if (GetParam().step == "connect" && GetParam().reply.find("%FLOOD") != std::string::npos) {
    EXPECT_THAT(status, Not(IsOk()));
  } else {
    EXPECT_EQ(status.code(), GetParam().want) << status;
  }
  if (!GetParam().step.empty()) {
    EXPECT_TRUE(MessageOf(status).starts_with(GetParam().step + ": ")) << status;
  }
  EXPECT_LE(content_bytes, kMessageLimit);
  EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::seconds(60));
  // Secrets stay out of messages, and terminals are not spoken to.
  for (const char* secret : {kPassword, kPasswordInPlain, "\x1B"}) {
    EXPECT_EQ(status.ToString().find(secret), std::string::npos) << status;
  }
  if (where.tls != ImapTls::kPlain) {
    EXPECT_THAT(server.received(), Not(HasSubstr("AUTHENTICATE")));
    EXPECT_THAT(server.received(), Not(HasSubstr("LOGIN")));
  }
}
INSTANTIATE_TEST_SUITE_P(All, HostileImapTest, testing::ValuesIn(kHostileCases),
                         [](const auto& instance) { return instance.param.name; });

}  // namespace
}  // namespace dmarcate
