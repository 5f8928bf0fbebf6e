// Servers that lie, limp or say nothing, through the real client: one question of a good domain is
// answered badly, all others well. Whatever the lie, nothing is learned from it: check_host() is
// temperror, the tree is incomplete, the posture unknown, and no policy is made of it; and that
// within the deadline. Where the truth comes after the lie, it is what is taken.

#include <atomic>
#include <functional>
#include <string>

#include "absl/time/clock.h"
#include <gtest/gtest.h>

#include "lib/base/clock.h"
#include "lib/base/status_macros.h"
#include "lib/dns/fake_resolver.h"
#include "lib/dns/ldns_authoritative_resolver.h"
#include "lib/dns/ldns_resolver.h"
#include "lib/inspect/dmarc_discovery.h"
#include "lib/inspect/posture.h"
#include "lib/inspect/spf_check.h"
#include "lib/inspect/spf_tree.h"
#include "tests/lib/dns/scripted_server.h"

namespace dmarcate {
namespace {

using Protocol = ScriptedServer::Protocol;
using Replies = std::vector<ScriptedReply>;
using std::string_literals::operator""s;

DomainName Name(std::string_view text) { return DomainName::Parse(text).value(); }

std::string Ip4Rdata(uint8_t last) {
  return std::string("\xC0\x00\x02"s) + static_cast<char>(last);
}

// The truth about every name of the domain that is asked for.
std::vector<RawRr> Truth(const std::string& name, RrType type) {
  const auto txt = [](std::string_view text) {
    return std::vector<RawRr>{{"", RrType::kTxt, TxtRdata(text)}};
  };
  if (type == RrType::kTxt) {
    if (name == "good.test") return txt("v=spf1 include:in.test mx:m.test a:h.test -all");
    if (name == "in.test") return txt("v=spf1 ip4:198.51.100.0/24 -all");
    if (name == "_dmarc.good.test") return txt("v=DMARC1; p=reject; rua=mailto:r@good.test");
  } else if (type == RrType::kA) {
    if (name == "h.test") return {{"", RrType::kA, Ip4Rdata(1)}};
    if (name == "x.test") return {{"", RrType::kA, Ip4Rdata(2)}};
  } else if (type == RrType::kAaaa) {
    if (name == "h.test" || name == "x.test") {
      return {{"", RrType::kAaaa, "\x20\x01\x0D\xB8"s + std::string(12, '\0')}};
    }
  } else if (type == RrType::kMx && (name == "m.test" || name == "good.test")) {
    return {{"", RrType::kMx, "\0\x0A"s + WireName("x.test")}};
  }
  return {};
}

RrType TypeOf(std::string_view query) {
  size_t at = 12;
  while (query[at] != '\0') at += 1U + static_cast<unsigned char>(query[at]);
  return static_cast<RrType>(static_cast<unsigned char>(query[at + 1]) << 8 |
                             static_cast<unsigned char>(query[at + 2]));
}

Replies Honest(std::string_view query) {
  return {{ReplyTo(query, {}, Truth(QuestionName(query), TypeOf(query)))}};
}

// A record that would let anybody pass, or be the policy, if it were believed.
std::vector<RawRr> Lie(std::string_view query) {
  switch (TypeOf(query)) {
    case RrType::kTxt:
      return {{"", RrType::kTxt,
               TxtRdata(QuestionName(query).starts_with("_dmarc") ? "v=DMARC1; p=none"
                                                                  : "v=spf1 ip4:0.0.0.0/0 -all")}};
    case RrType::kMx:
      return {{"", RrType::kMx, "\0\x0A"s + WireName("h.test")}};
    case RrType::kA:
      return {{"", RrType::kA, Ip4Rdata(1)}};
    default:
      return {};
  }
}

std::string Octets(std::string message, size_t at, std::string_view with) {
  return message.replace(at, with.size(), with);
}

struct LyingKind {
  std::string name;
  std::function<Replies(std::string_view query, Protocol protocol)> answer;
};

Replies Truncated(std::string_view query) { return {{ReplyTo(query, {.tc = true}, Lie(query))}}; }
LyingKind OverTcp(const std::string& name, std::function<Replies(std::string_view query)> then) {
  return {"TruncatedAndTcp" + name,
          [then = std::move(then)](std::string_view query, Protocol protocol) {
            return protocol == Protocol::kUdp ? Truncated(query) : then(query);
          }};
}
LyingKind Changed(
    std::string name,
    std::function<std::string(std::string_view query, const std::string& reply)> change) {
  return {std::move(name),
          [change = std::move(change)](std::string_view query, Protocol) -> Replies {
            return {{change(query, ReplyTo(query, {}, Lie(query)))}};
          }};
}
LyingKind Rcode(std::string name, int rcode) {
  return {std::move(name), [rcode](std::string_view query, Protocol) -> Replies {
            return {{ReplyTo(query, {.rcode = rcode}, Lie(query))}};
          }};
}
LyingKind Aliases(std::string name, size_t count, bool ring) {
  return {std::move(name), [count, ring](std::string_view query, Protocol) -> Replies {
            std::vector<RawRr> chain;
            for (size_t i = 0; i < count; ++i) {
              const std::string next =
                  i + 1 == count && ring ? QuestionName(query) : fmt::format("alias{}.test", i);
              chain.push_back({i == 0 ? "" : fmt::format("alias{}.test", i - 1), RrType::kCname,
                               WireName(next)});
            }
            return {{ReplyTo(query, {}, chain)}};
          }};
}

std::vector<LyingKind> Kinds() {
  const auto silent = [](std::string_view, Protocol) { return Replies{}; };
  return {
      {"Silent", silent},
      Changed("WrongId",
              [](std::string_view query, const std::string& reply) {
                return Octets(reply, 0, std::string(1, static_cast<char>(query[0] ^ 1)));
              }),
      Changed("WrongName",
              [](std::string_view, const std::string& reply) { return Octets(reply, 13, "q"); }),
      Changed("WrongType",
              [](std::string_view query, const std::string& reply) {
                return Octets(reply, 13 + WireName(QuestionName(query)).size() - 1 + 1, "\x63");
              }),
      Changed("NoResponse",
              [](std::string_view, const std::string& reply) { return Octets(reply, 2, "\1"); }),
      Changed("NoQuestion",
              [](std::string_view, const std::string& reply) { return Octets(reply, 4, "\0\0"s); }),
      Changed("HalfAHeader",
              [](std::string_view, const std::string& reply) { return reply.substr(0, 6); }),
      Changed("OnlyAHeader",
              [](std::string_view, const std::string& reply) { return reply.substr(0, 12); }),
      Changed("CutInARecord",
              [](std::string_view, const std::string& reply) {
                return reply.substr(0, reply.size() - 2);
              }),
      Changed(
          "MoreRecordsThanThere",
          [](std::string_view, const std::string& reply) { return Octets(reply, 6, "\xFF\xFF"); }),
      Changed("RdataOverTheEnd",
              [](std::string_view query, const std::string& reply) {
                // Behind the question: owner pointer 2, type 2, class 2, TTL 4, then the length.
                return Octets(reply, 12 + WireName(QuestionName(query)).size() + 4 + 10,
                              "\xFF\xFF");
              }),
      Changed("NamePointsToItself",
              [](std::string_view query, const std::string& reply) {
                const size_t at = 12 + WireName(QuestionName(query)).size() + 4;
                return Octets(reply, at, std::string("\xC0") + static_cast<char>(at));
              }),
      Changed("Empty", [](std::string_view, const std::string&) { return ""s; }),
      {"OtherPort",
       [](std::string_view query, Protocol) -> Replies {
         return {{ReplyTo(query, {}, Lie(query)), ScriptedReply::From::kOtherPort}};
       }},
      {"Garbage",
       [](std::string_view query, Protocol) -> Replies {
         std::string garbage = ReplyTo(query, {}, {});
         for (unsigned i = 0; i < 4000; ++i) garbage += static_cast<char>(i * 197 + i / 7);
         return {{Octets(std::move(garbage), 6, "\0\x20"s)}};
       }},
      Rcode("Servfail", 2),
      Rcode("FormErr", 1),
      Rcode("NotImp", 4),
      Rcode("Refused", 5),
      Rcode("NotAuth", 9),
      Rcode("Rcode15", 15),
      {"ReferralWithoutRecursion",
       [](std::string_view query, Protocol) -> Replies {
         return {{ReplyTo(query, {.ra = false}, {},
                          {{"test", RrType::kNs, WireName("ns.elsewhere.test")}})}};
       }},
      Aliases("AliasOfItself", 1, true),
      Aliases("AliasRing", 3, true),
      Aliases("NineAliases", 9, false),
      Aliases("TwoHundredAliases", 200, false),
      OverTcp("Closed", [](std::string_view) { return Replies{}; }),
      OverTcp("TruncatedAgain", [](std::string_view query) { return Truncated(query); }),
      OverTcp("WrongId",
              [](std::string_view query) -> Replies {
                return {{Octets(ReplyTo(query, {}, Lie(query)), 0,
                                std::string(1, static_cast<char>(query[0] ^ 1)))}};
              }),
      OverTcp("Garbage",
              [](std::string_view) -> Replies { return {{std::string(60000, '\xAA')}}; }),
      OverTcp("Oversized",
              [](std::string_view query) -> Replies {
                return {{ReplyTo(query, {}, Lie(query)).substr(0, 20) + std::string(65000, '\0')}};
              }),
      OverTcp(
          "Servfail",
          [](std::string_view query) -> Replies { return {{ReplyTo(query, {.rcode = 2}, {})}}; }),
      OverTcp("HalfAMessage",
              [](std::string_view query) -> Replies {
                return {{ReplyTo(query, {}, Lie(query)).substr(0, 14)}};
              }),
  };
}

// Which question of the domain is answered with the lie.
struct Target {
  std::string name;
  std::string owner;
  RrType type;
};
const Target kTargets[] = {
    {"Record", "good.test", RrType::kTxt},
    {"Include", "in.test", RrType::kTxt},
    {"Exchanges", "m.test", RrType::kMx},
    {"Exchange", "x.test", RrType::kA},
    {"Host", "h.test", RrType::kA},
    {"Policy", "_dmarc.good.test", RrType::kTxt},
    {"PolicyAbove", "_dmarc.test", RrType::kTxt},
};

class LyingServerTest : public testing::TestWithParam<LyingKind> {
 protected:
  // The resolver of `server`. Errors are kept, so that each is waited for once.
  static std::unique_ptr<LdnsResolver> Resolve(const ScriptedServer& server, const Clock& clock,
                                               absl::Duration deadline) {
    DnsConfig config;
    config.resolvers = {server.server()};
    config.timeout = deadline / 2;
    config.deadline = deadline;
    return LdnsResolver::Create(config, clock, absl::Minutes(5)).value();
  }
  static SpfRequest Request() {
    SpfRequest request;
    request.client = IpAddress::Parse("192.0.2.1").value();
    request.mail_from = "user@good.test";
    return request;
  }
  const SystemClock clock_;
};

TEST_P(LyingServerTest, TeachesNothing) {
  for (const Target& target : kTargets) {
    SCOPED_TRACE(target.name);
    ScriptedServer server([&target](std::string_view query, Protocol protocol) {
      return QuestionName(query) == target.owner && TypeOf(query) == target.type
                 ? GetParam().answer(query, protocol)
                 : Honest(query);
    });
    const absl::Duration deadline = absl::Milliseconds(300);  // honest answers come in one of them
    const auto resolver = Resolve(server, clock_, deadline);
    const absl::Time start = absl::Now();
    const bool of_dmarc = target.owner.starts_with("_dmarc");

    const SpfEvaluation spf = CheckHost(Request(), *resolver, clock_);
    EXPECT_EQ(ToString(spf.result), of_dmarc ? "pass" : "temperror") << spf.reason;

    const auto tree = ExpandSpf(Name("good.test"), *resolver, clock_);
    if (target.name == "Record") {
      EXPECT_TRUE(absl::IsUnavailable(tree.status()) || absl::IsDeadlineExceeded(tree.status()) ||
                  absl::IsResourceExhausted(tree.status()))
          << tree.status();
    } else {
      ASSERT_TRUE(tree.ok()) << tree.status();
      EXPECT_EQ(tree->complete, of_dmarc);
      // Only the host decides about this client; what stands before it can but let it pass, too.
      EXPECT_EQ(
          static_cast<int>(Covers(*tree, Request().client)),
          static_cast<int>(target.name == "Host" ? SpfCoverage::kUnknown : SpfCoverage::kInside));
    }

    const auto discovery = DiscoverDmarc(Name("good.test"), *resolver);
    EXPECT_EQ(discovery.ok(), !of_dmarc) << discovery.status();

    FakeAuthoritativeResolver nobody;
    PostureOptions options;
    options.server_views = ServerViews::kSkip;
    const Posture posture = InspectDomain(Name("good.test"), *resolver, nobody, clock_, options);
    EXPECT_EQ(ToString((of_dmarc ? posture.dmarc.judgement : posture.spf.judgement).verdict),
              "unknown");
    EXPECT_EQ(ToString((of_dmarc ? posture.spf.judgement : posture.dmarc.judgement).verdict),
              "pass");
    EXPECT_EQ(ToString(posture.verdict), "unknown");
    // One question is waited for once, by both families at most; the rest is for slow machines.
    EXPECT_LT(absl::Now() - start, 2 * deadline + absl::Seconds(5));
  }
}

INSTANTIATE_TEST_SUITE_P(All, LyingServerTest, testing::ValuesIn(Kinds()),
                         [](const auto& tested) { return tested.param.name; });

// A forger is faster than the server, but cannot know id, port and question.
class ForgedFirstTest : public LyingServerTest {};
TEST_P(ForgedFirstTest, TheTruthIsTaken) {
  ScriptedServer server([](std::string_view query, Protocol protocol) {
    Replies replies = protocol == Protocol::kUdp ? GetParam().answer(query, protocol) : Replies{};
    for (ScriptedReply& honest : Honest(query)) replies.push_back(std::move(honest));
    return replies;
  });
  const auto resolver = Resolve(server, clock_, absl::Seconds(20));
  const SpfEvaluation spf = CheckHost(Request(), *resolver, clock_);
  EXPECT_EQ(ToString(spf.result), "pass") << spf.reason;
  EXPECT_EQ(spf.matched_term, "a:h.test");
  const auto discovery = DiscoverDmarc(Name("good.test"), *resolver);
  ASSERT_TRUE(discovery.ok()) << discovery.status();
  EXPECT_EQ(discovery->record->Render(), "v=DMARC1; p=reject; rua=mailto:r@good.test");
}

std::vector<LyingKind> Forgeries() {
  std::vector<LyingKind> forgeries;
  for (const LyingKind& kind : Kinds()) {
    for (const char* name : {"WrongId", "WrongName", "WrongType", "NoResponse", "NoQuestion",
                             "HalfAHeader", "OnlyAHeader", "OtherPort", "Empty"}) {
      if (kind.name == name) forgeries.push_back(kind);
    }
  }
  return forgeries;
}
INSTANTIATE_TEST_SUITE_P(All, ForgedFirstTest, testing::ValuesIn(Forgeries()),
                         [](const auto& tested) { return tested.param.name; });

// Answers only when nobody waits any more.
TEST(SlowServer, IsGivenUpWithinTheTimeOfTheCheck) {
  std::atomic<bool> stop = false;
  ScriptedServer server([&stop](std::string_view query, Protocol) {
    for (int i = 0; i < 15 && !stop; ++i) absl::SleepFor(absl::Milliseconds(10));
    return Honest(query);
  });
  DnsConfig config;
  config.resolvers = {server.server()};
  config.timeout = absl::Milliseconds(100);
  config.deadline = absl::Milliseconds(100);
  const SystemClock clock;
  const auto resolver = LdnsResolver::Create(config, clock).value();
  SpfRequest request;
  request.client = IpAddress::Parse("192.0.2.1").value();
  request.mail_from = "user@good.test";
  EXPECT_EQ(CheckHost(request, *resolver, clock).result, SpfResult::kTempError);

  // Both views: the servers of the zone are as slow.
  config.stubs = {{Name("test"), {server.server()}}};
  const auto authoritative = LdnsAuthoritativeResolver::Create(config, *resolver).value();
  PostureOptions options;
  options.selectors = std::vector<std::string>(50, "s");
  options.budget.max_time = absl::Seconds(1);
  const absl::Time start = absl::Now();
  const Posture posture =
      InspectDomain(Name("good.test"), *resolver, *authoritative, clock, options);
  EXPECT_LT(absl::Now() - start, absl::Seconds(8));
  EXPECT_EQ(posture.verdict, Verdict::kUnknown);
  EXPECT_EQ(posture.dkim.back().judgement.verdict, Verdict::kUnknown);
  EXPECT_EQ(posture.mx.judgement.verdict, Verdict::kUnknown);
  stop = true;
}

}  // namespace
}  // namespace dmarcate
