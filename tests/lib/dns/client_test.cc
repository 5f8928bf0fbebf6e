// One question to one server that lies, fails or limps: only the right answer is taken.
#include "lib/dns/client.h"

#include <atomic>

#include "absl/time/clock.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/text.h"
#include "tests/lib/dns/scripted_server.h"
#include "tests/testing/process.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::IsOk;
using testing_support::StatusIs;
using Protocol = ScriptedServer::Protocol;
using std::string_literals::operator""s;
using Replies = std::vector<ScriptedReply>;

DomainName Name(std::string_view text) { return *DomainName::Parse(text); }

const RawRr kTruth = {.owner = "", .type = RrType::kTxt, .rdata = TxtRdata("true")};
const RawRr kForged = {.owner = "", .type = RrType::kTxt, .rdata = TxtRdata("forged")};
const RawRr kSoaRr = {.owner = "example.test", .type = RrType::kSoa, .rdata = SoaRdata(7, 60)};

Question Txt(Recursion recursion = Recursion::kDesired,
             Transport transport = Transport::kUdpThenTcp) {
  return {Name("_dmarc.example.test"), RrType::kTxt, recursion, transport};
}

NetDeadline Soon() { return NetDeadlineAfter(absl::Milliseconds(150)); }
NetDeadline Later() { return NetDeadlineAfter(absl::Seconds(20)); }

struct Forgery {
  std::string name;
  std::function<ScriptedReply(std::string_view query)> make;
};
ScriptedReply Changed(std::string_view query, size_t at, char with) {
  std::string message = ReplyTo(query, {}, {kForged});
  message[at] = with;
  return {message};
}
const Forgery kForgeries[] = {
    {"WrongId",
     [](std::string_view query) { return Changed(query, 0, static_cast<char>(query[0] ^ 1)); }},
    {"QrNotSet", [](std::string_view query) { return Changed(query, 2, '\x01'); }},
    {"OtherOpcode", [](std::string_view query) { return Changed(query, 2, '\xA8'); }},
    {"NoQuestion", [](std::string_view query) { return Changed(query, 5, '\0'); }},
    {"TwoQuestions", [](std::string_view query) { return Changed(query, 5, '\2'); }},
    {"OtherName", [](std::string_view query) { return Changed(query, 14, 'x'); }},
    {"OtherType",
     [](std::string_view query) {
       return Changed(query, 12 + WireName("_dmarc.example.test").size() + 1, '\1');
     }},
    {"OtherClass",
     [](std::string_view query) {
       return Changed(query, 12 + WireName("_dmarc.example.test").size() + 3, '\3');
     }},
    {"OtherPort",
     [](std::string_view query) {
       return ScriptedReply{ReplyTo(query, {}, {kForged}), ScriptedReply::From::kOtherPort};
     }},
    {"ShortDatagram",
     [](std::string_view query) { return ScriptedReply{std::string(query.substr(0, 7))}; }},
    {"EmptyDatagram", [](std::string_view) { return ScriptedReply{""}; }},
};

class ForgedReply : public testing::TestWithParam<Forgery> {};
TEST_P(ForgedReply, IsDroppedAndTheTrueOneTaken) {
  ScriptedServer server([](std::string_view query, Protocol) {
    Replies replies(50, GetParam().make(query));
    replies.push_back({ReplyTo(query, {}, {kTruth})});
    return replies;
  });
  const auto response = AskServer(server.address(), Txt(), Later());
  ASSERT_THAT(response, IsOk());
  EXPECT_THAT(response->answer.txt, ElementsAre(MakeTxtRecord("true")));
  EXPECT_EQ(response->answer.server, server.server());
}
TEST_P(ForgedReply, AloneIsSilence) {
  ScriptedServer server(
      [](std::string_view query, Protocol) -> Replies { return {GetParam().make(query)}; });
  EXPECT_THAT(AskServer(server.address(), Txt(), Soon()),
              StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("_dmarc.example.test. TXT")));
}
INSTANTIATE_TEST_SUITE_P(All, ForgedReply, testing::ValuesIn(kForgeries),
                         [](const auto& instance) { return instance.param.name; });

// Property: of all single-bit changes to header and question, exactly those are taken that leave
// id, QR, opcode, QDCOUNT and question (but for the case of its letters) as they are.
TEST(IsReplyTo, EverySingleBitCounts) {
  const std::string query = BuildQuery(Name("_dmarc.example.test"), RrType::kTxt, {}, 0x1234);
  const std::string reply = ReplyTo(query, {}, {kTruth});
  const size_t name_end = 12 + WireName("_dmarc.example.test").size();
  ASSERT_TRUE(IsReplyTo(query, reply));
  for (size_t at = 0; at < name_end + 4; ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string changed = reply;
      changed[at] = static_cast<char>(changed[at] ^ (1 << bit));
      const bool flags = (at == 2 && bit < 3) || at == 3 || (at >= 6 && at < 12);
      const bool letter_case = at >= 12 && at < name_end && bit == 5 &&
                               EqualsIgnoreCase({&changed[at], 1}, {&reply[at], 1});
      EXPECT_EQ(IsReplyTo(query, changed), flags || letter_case) << at << " bit " << bit;
    }
  }
  for (size_t size = 0; size < name_end + 4; ++size) {
    EXPECT_FALSE(IsReplyTo(query, reply.substr(0, size))) << size;
  }
}

TEST(AskServer, TruncationGoesToTcp) {
  ScriptedServer server([](std::string_view query, Protocol protocol) -> Replies {
    if (protocol == Protocol::kUdp) return {{ReplyTo(query, {.tc = true}, {kForged})}};
    return {{ReplyTo(query, {}, {kTruth})}};
  });
  const auto response = AskServer(server.address(), Txt(), Later());
  ASSERT_THAT(response, IsOk());
  EXPECT_THAT(response->answer.txt, ElementsAre(MakeTxtRecord("true")));
  EXPECT_EQ(server.udp_queries(), 1);
  EXPECT_EQ(server.tcp_queries(), 1);
}

TEST(AskServer, TcpOnlyAsksNothingOverUdp) {
  ScriptedServer server([](std::string_view query, Protocol) -> Replies {
    std::string other = ReplyTo(query, {.aa = true}, {kForged});
    other[0] = static_cast<char>(other[0] ^ 1);  // another id: read on
    return {{other}, {ReplyTo(query, {.aa = true}, {kTruth})}};
  });
  const auto response =
      AskServer(server.address(), Txt(Recursion::kNone, Transport::kTcp), Later());
  ASSERT_THAT(response, IsOk());
  EXPECT_THAT(response->answer.txt, ElementsAre(MakeTxtRecord("true")));
  EXPECT_EQ(server.udp_queries(), 0);
  EXPECT_EQ(server.tcp_queries(), 1);
}

TEST(AskServer, TruncationOverTcpIsAnError) {
  ScriptedServer server([](std::string_view query, Protocol) -> Replies {
    return {{ReplyTo(query, {.tc = true}, {kTruth})}};
  });
  EXPECT_THAT(AskServer(server.address(), Txt(), Later()),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("truncated over TCP")));
}

TEST(AskServer, ClosedPortIsReportedAtOnce) {
  const ServerAddress nobody{*IpAddress::Parse("127.0.0.1"), testing_support::FreePort()};
  const auto start = absl::Now();
  for (const Transport transport : {Transport::kUdpThenTcp, Transport::kTcp}) {
    EXPECT_THAT(AskServer(nobody, Txt(Recursion::kDesired, transport), Later()),
                StatusIs(absl::StatusCode::kUnavailable, HasSubstr("refused")));
  }
  EXPECT_LT(absl::Now() - start, absl::Seconds(10));  // of a deadline of 20
}

TEST(AskServer, ConnectionThatClosesIsUnavailable) {
  ScriptedServer server([](std::string_view, Protocol) -> Replies { return {}; });
  EXPECT_THAT(AskServer(server.address(), Txt(Recursion::kDesired, Transport::kTcp), Later()),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("closed the connection")));
}

TEST(AskServer, ServerWithoutEdnsIsAskedWithoutIt) {
  ScriptedServer server([](std::string_view query, Protocol) -> Replies {
    if (HasEdns(query)) return {{ReplyTo(query, {.rcode = 1}, {})}};
    return {{ReplyTo(query, {}, {kTruth})}};
  });
  EXPECT_THAT(AskServer(server.address(), Txt(), Later()), IsOk());
}

TEST(AskServer, ServfailThatAnswersUncheckedIsBogus) {
  ScriptedServer server([](std::string_view query, Protocol) -> Replies {
    if (!HasCd(query)) return {{ReplyTo(query, {.rcode = 2}, {})}};
    return {{ReplyTo(query, {}, {kTruth})}};
  });
  EXPECT_THAT(AskServer(server.address(), Txt(), Later()), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(server.udp_queries(), 3);
}

TEST(AskServer, ServfailThatPassesIsNotBogus) {
  std::atomic<int> checked = 0;
  ScriptedServer server([&checked](std::string_view query, Protocol) -> Replies {
    if (!HasCd(query) && ++checked == 1) return {{ReplyTo(query, {.rcode = 2}, {})}};
    return {{ReplyTo(query, {.ad = !HasCd(query)}, {kTruth})}};
  });
  const auto response = AskServer(server.address(), Txt(), Later());
  ASSERT_THAT(response, IsOk());
  EXPECT_THAT(response->answer.txt, ElementsAre(MakeTxtRecord("true")));
  EXPECT_TRUE(response->answer.validated);  // not the unchecked answer
}

struct RcodeCase {
  std::string name;
  int rcode;
};
const RcodeCase kRcodes[] = {{"SERVFAIL", 2}, {"REFUSED", 5}, {"NOTIMP", 4}, {"RCODE11", 11}};
class FailingRcode : public testing::TestWithParam<RcodeCase> {};
TEST_P(FailingRcode, IsUnavailable) {
  ScriptedServer server([](std::string_view query, Protocol) -> Replies {
    return {{ReplyTo(query, {.rcode = GetParam().rcode}, {})}};
  });
  EXPECT_THAT(AskServer(server.address(), Txt(), Later()),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr(GetParam().name)));
}
INSTANTIATE_TEST_SUITE_P(All, FailingRcode, testing::ValuesIn(kRcodes),
                         [](const auto& instance) { return instance.param.name; });

TEST(AskServer, AuthorityWithoutAaIsLame) {
  ScriptedServer server([](std::string_view query, Protocol) -> Replies {
    return {{ReplyTo(query, {.aa = false}, {kTruth})}};
  });
  EXPECT_THAT(AskServer(server.address(), Txt(Recursion::kNone), Later()),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("lame")));
  EXPECT_THAT(AskServer(server.address(), Txt(), Later()), IsOk());
}

TEST(AskServer, ReferralIsNotAbsence) {
  ScriptedServer server([](std::string_view query, Protocol) -> Replies {
    return {{ReplyTo(query, {.ra = false}, {},
                     {{"example.test", RrType::kNs, WireName("ns.example.test")}})}};
  });
  EXPECT_THAT(AskServer(server.address(), Txt(), Later()),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("does not recurse")));
}

TEST(AskServer, NonsenseBehindARightHeaderIsUnavailable) {
  ScriptedServer server([](std::string_view query, Protocol) -> Replies {
    std::string message = ReplyTo(query, {}, {kTruth});
    message.resize(message.size() - 3);
    return {{message}};
  });
  EXPECT_THAT(AskServer(server.address(), Txt(), Later()),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("does not decode")));
}

struct DecodeCase {
  std::string name;
  ReplyFlags flags;
  std::vector<RawRr> answers;
  std::vector<RawRr> authority;
  DnsOutcome want;
  std::vector<std::string> want_txt;
  std::vector<std::string> want_chain;
  bool want_unresolved = false;
  uint32_t want_ttl = 0;
};
RawRr Cname(std::string owner, std::string_view target, uint32_t ttl = 300) {
  return {std::move(owner), RrType::kCname, WireName(target), ttl};
}
RawRr Dname(std::string owner, std::string_view target, uint32_t ttl = 300) {
  constexpr auto kDname = static_cast<RrType>(39);  // never asked for
  return {std::move(owner), kDname, WireName(target), ttl};
}
RawRr TxtOf(std::string owner, std::string_view text, uint32_t ttl = 300) {
  return {std::move(owner), RrType::kTxt, TxtRdata(text), ttl};
}
const DecodeCase kDecodeCases[] = {
    {"Records",
     {},
     {TxtOf("", "a", 20), TxtOf("", "b", 10)},
     {},
     DnsOutcome::kRecords,
     {"a", "b"},
     {},
     false,
     10},
    {"OwnersCaseDoesNotMatter",
     {},
     {TxtOf("_DMARC.Example.TEST", "a")},
     {},
     DnsOutcome::kRecords,
     {"a"},
     {},
     false,
     300},
    {"OtherOwnersAreIgnored",
     {},
     {TxtOf("other.test", "x"), TxtOf("", "a")},
     {},
     DnsOutcome::kRecords,
     {"a"},
     {},
     false,
     300},
    {"OnlyOtherOwnersIsAbsence",
     {},
     {TxtOf("other.test", "x")},
     {kSoaRr},
     DnsOutcome::kNoData,
     {},
     {},
     false,
     60},
    {"NoData", {}, {}, {kSoaRr}, DnsOutcome::kNoData, {}, {}, false, 60},
    {"NxDomain", {.rcode = 3}, {}, {kSoaRr}, DnsOutcome::kNxDomain, {}, {}, false, 60},
    {"ChainInAnyOrder",
     {},
     {TxtOf("c.test", "end", 50), Cname("b.test", "c.test"), Cname("", "b.test", 40)},
     {},
     DnsOutcome::kRecords,
     {"end"},
     {"b.test", "c.test"},
     false,
     40},
    {"ChainOutOfTheZone",
     {},
     {Cname("", "x.elsewhere.test")},
     {},
     DnsOutcome::kNoData,
     {},
     {"x.elsewhere.test"},
     true,
     0},
    {"ChainToAbsence",
     {.rcode = 3},
     {Cname("", "b.test")},
     {kSoaRr},
     DnsOutcome::kNxDomain,
     {},
     {"b.test"},
     false,
     60},
    {"DnameWithTheCnameMadeOfIt",
     {},
     {Dname("example.test", "vendor.test", 40), Cname("", "_dmarc.vendor.test"),
      TxtOf("_dmarc.vendor.test", "end")},
     {},
     DnsOutcome::kRecords,
     {"end"},
     {"_dmarc.vendor.test"},
     false,
     300},
    {"DnameAlone",
     {},
     {TxtOf("_dmarc.vendor.test", "end"), Dname("example.test", "vendor.test", 40)},
     {},
     DnsOutcome::kRecords,
     {"end"},
     {"_dmarc.vendor.test"},
     false,
     40},
    {"DnameAtTheRoot",
     {},
     {Dname(".", "vendor.test"), TxtOf("_dmarc.example.test.vendor.test", "end")},
     {},
     DnsOutcome::kRecords,
     {"end"},
     {"_dmarc.example.test.vendor.test"},
     false,
     300},
    {"DnameRedirectsOnlyWhatIsBelowIt",
     {},
     {Dname("", "vendor.test"), Dname("other.test", "vendor.test")},
     {kSoaRr},
     DnsOutcome::kNoData,
     {},
     {},
     false,
     60},
    {"TxtBesideTheChainIsIgnored",
     {},
     {Cname("", "b.test"), TxtOf("z.test", "no")},
     {kSoaRr},
     DnsOutcome::kNoData,
     {},
     {"b.test"},
     false,
     60},
};
class DecodeResponseTest : public testing::TestWithParam<DecodeCase> {};
TEST_P(DecodeResponseTest, Case) {
  const DecodeCase& test = GetParam();
  const std::string query = BuildQuery(Name("_dmarc.example.test"), RrType::kTxt, {}, 1);
  const auto got = DecodeResponse(ReplyTo(query, test.flags, test.answers, test.authority),
                                  Name("_dmarc.example.test"), RrType::kTxt);
  ASSERT_THAT(got, IsOk());
  EXPECT_EQ(got->answer.outcome, test.want);
  std::vector<TxtRecord> txt;
  for (const std::string& text : test.want_txt) txt.push_back(MakeTxtRecord(text));
  EXPECT_EQ(got->answer.txt, txt);
  std::vector<std::string> chain;
  for (const DomainName& name : got->answer.cname_chain) chain.push_back(name.text());
  EXPECT_EQ(chain, test.want_chain);
  EXPECT_EQ(got->alias_unresolved, test.want_unresolved);
  EXPECT_EQ(got->answer.ttl_seconds, test.want_ttl);
}
INSTANTIATE_TEST_SUITE_P(All, DecodeResponseTest, testing::ValuesIn(kDecodeCases),
                         [](const auto& instance) { return instance.param.name; });

TEST(DecodeResponse, EveryTypeHasItsForm) {
  const struct {
    RrType type;
    std::string rdata;
    std::string want;
  } cases[] = {
      {RrType::kA, "\xC0\x00\x02\x01"s, "192.0.2.1"},
      {RrType::kAaaa, "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x01", "2001:db8::1"},
      {RrType::kNs, WireName("NS1.example.test"), "ns1.example.test"},
      {RrType::kPtr, WireName("mail.example.test"), "mail.example.test"},
      {RrType::kCname, WireName("a.test"), "a.test"},
      {RrType::kTlsa, "\x03\x01\x01\xAB\xCD"s, "3 1 1 abcd"},
      {RrType::kDs, "\x12\x34\x0D\x02\xAB\xCD"s, "4660 13 2 abcd"},
  };
  for (const auto& test : cases) {
    const std::string query = BuildQuery(Name("x.test"), test.type, {}, 1);
    const auto got = DecodeResponse(ReplyTo(query, {}, {{"", test.type, test.rdata}}),
                                    Name("x.test"), test.type);
    ASSERT_THAT(got, IsOk());
    EXPECT_THAT(got->answer.texts, ElementsAre(test.want)) << ToString(test.type);
  }
  const std::string query = BuildQuery(Name("x.test"), RrType::kMx, {}, 1);
  const auto mx = DecodeResponse(ReplyTo(query, {},
                                         {{"", RrType::kMx, "\0\x0A"s + WireName("mx.test")},
                                          {"", RrType::kMx, "\0\0"s + WireName("")}}),
                                 Name("x.test"), RrType::kMx);
  ASSERT_THAT(mx, IsOk());
  EXPECT_THAT(mx->answer.mx, ElementsAre(MxRecord{10, Name("mx.test")}, MxRecord{0, DomainName()}));
  const std::string soa_query = BuildQuery(Name("x.test"), RrType::kSoa, {}, 1);
  const auto soa =
      DecodeResponse(ReplyTo(soa_query, {}, {{"", RrType::kSoa, SoaRdata(4'000'000'000, 60)}}),
                     Name("x.test"), RrType::kSoa);
  ASSERT_THAT(soa, IsOk());
  EXPECT_EQ(soa->answer.soa_serial, 4'000'000'000U);
}

TEST(DecodeResponse, ChainOverEightIsRefused) {
  std::vector<RawRr> answers;
  answers.push_back(Cname("", "n1.test"));
  for (int i = 1; i < 8; ++i) {
    answers.push_back(
        Cname("n" + std::to_string(i) + ".test", "n" + std::to_string(i + 1) + ".test"));
  }
  answers.push_back(TxtOf("n8.test", "end"));
  const DomainName name = Name("_dmarc.example.test");
  const std::string query = BuildQuery(name, RrType::kTxt, {}, 1);
  const auto eight = DecodeResponse(ReplyTo(query, {}, answers), name, RrType::kTxt);
  ASSERT_THAT(eight, IsOk());
  EXPECT_EQ(eight->answer.cname_chain.size(), 8U);
  answers.back() = Cname("n8.test", "_dmarc.example.test");  // and it is a loop
  EXPECT_THAT(DecodeResponse(ReplyTo(query, {}, answers), name, RrType::kTxt),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

// Knot 3.2 says NXDOMAIN where RFC 6672 section 2.2 asks for YXDOMAIN.
TEST(DecodeResponse, ADnameThatMakesTheNameTooLongIsNoAbsence) {
  const DomainName name = Name("_dmarc.example.test");
  const std::string label(60, 'x');
  const std::string target = label + "." + label + "." + label + "." + label + ".tests";
  const std::string query = BuildQuery(name, RrType::kTxt, {}, 1);
  EXPECT_THAT(
      DecodeResponse(ReplyTo(query, {.rcode = 3}, {Dname("example.test", target)}, {kSoaRr}), name,
                     RrType::kTxt),
      StatusIs(absl::StatusCode::kUnavailable, HasSubstr("too long")));
  // A loop gets longer each time, and ends, too.
  EXPECT_FALSE(DecodeResponse(ReplyTo(query, {}, {Dname("example.test", "x.example.test")}), name,
                              RrType::kTxt)
                   .ok());
}

TEST(DecodeResponse, TxtKeepsStringsAndOctets) {
  const DomainName name = Name("x.test");
  const std::string query = BuildQuery(name, RrType::kTxt, {}, 1);
  const auto got = DecodeResponse(
      ReplyTo(query, {}, {{"", RrType::kTxt, "\x02\0\xFF\0\x03\"\\;"s}}), name, RrType::kTxt);
  ASSERT_THAT(got, IsOk());
  EXPECT_THAT(got->answer.txt, ElementsAre(TxtRecord{{"\0\xFF"s, "", "\"\\;"}}));
}

}  // namespace
}  // namespace dmarcate
