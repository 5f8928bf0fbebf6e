#include "policyd/watch/look.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/policyd/watch/watch_testing.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using watch_testing::At;
using Texts = std::vector<std::string>;

DnsAnswer Answer(const Texts& texts, uint32_t ttl_seconds = 300) {
  DnsAnswer out;
  out.outcome = texts.empty() ? DnsOutcome::kNoData : DnsOutcome::kRecords;
  for (const std::string& text : texts) out.txt.push_back(MakeTxtRecord(text));
  out.ttl_seconds = ttl_seconds;
  return out;
}

// The resolver says `resolver`, the servers one of `servers` each.
RecordView View(const absl::StatusOr<DnsAnswer>& resolver,
                const std::vector<absl::StatusOr<DnsAnswer>>& servers) {
  RecordView view;
  view.resolver = resolver;
  view.servers_asked = !servers.empty();
  if (servers.empty()) return view;
  AuthoritativeAnswer all;
  for (size_t i = 0; i < servers.size(); ++i) {
    const std::string number = std::to_string(i + 1);
    all.servers.push_back(
        {*DomainName::Parse("ns" + number + ".test"), "192.0.2." + number + ":53", servers[i]});
  }
  view.servers = all;
  return view;
}

const absl::Status kTimeout = absl::DeadlineExceededError("nobody answered");
const absl::Status kServfail = absl::UnavailableError("SERVFAIL");
const absl::Status kBogus = absl::DataLossError("bogus");

TEST(ObserveView, TheServersAreAheadOfACache) {
  const Observation seen = ObserveView(
      View(Answer({"old"}, 17), {Answer({"b", "a"}), Answer({"a", "b"})}), nullptr, At(1));
  EXPECT_EQ(seen.outcome, ObservedOutcome::kRecords);
  EXPECT_THAT(seen.values, ElementsAre("a", "b")) << "in any order";
  EXPECT_EQ(seen.ttl_seconds, 300u);
  EXPECT_TRUE(seen.from_servers);
  EXPECT_THAT(seen.disagreeing, IsEmpty());
  EXPECT_EQ(seen.first_seen, At(1));
  EXPECT_EQ(seen.last_seen, At(1));
}

TEST(ObserveView, FiveKindsOfAnswerAreKeptApart) {
  struct {
    absl::StatusOr<DnsAnswer> answer;
    ObservedOutcome want;
  } const kCases[] = {
      {Answer({"a"}), ObservedOutcome::kRecords},
      {Answer({}), ObservedOutcome::kNoData},
      {DnsAnswer{.outcome = DnsOutcome::kNxDomain}, ObservedOutcome::kNxDomain},
      {kServfail, ObservedOutcome::kServfail},
      {kTimeout, ObservedOutcome::kTimeout},
      {kBogus, ObservedOutcome::kBogus},
      {absl::ResourceExhaustedError("chain"), ObservedOutcome::kServfail},
  };
  for (const auto& test : kCases) {
    const Observation seen = ObserveView(View(test.answer, {}), nullptr, At(0));
    EXPECT_EQ(seen.outcome, test.want);
    EXPECT_EQ(seen.error.empty(), test.answer.ok());
    EXPECT_FALSE(seen.from_servers);
  }
}

TEST(ObserveView, BogusIsUnknownWhateverTheServersSay) {
  const Observation seen = ObserveView(View(kBogus, {Answer({"a"})}), nullptr, At(0));
  EXPECT_EQ(seen.outcome, ObservedOutcome::kBogus);
  EXPECT_EQ(seen.dnssec, DnssecState::kBogus);
  EXPECT_THAT(seen.values, IsEmpty());
}

TEST(ObserveView, TheServersSufficeAndTheResolverDoesToo) {
  Observation seen = ObserveView(View(kTimeout, {Answer({"a"})}), nullptr, At(0));
  EXPECT_THAT(seen.values, ElementsAre("a"));
  EXPECT_EQ(seen.dnssec, DnssecState::kUnknown);
  seen = ObserveView(View(Answer({"a"}), {kTimeout, kServfail}), nullptr, At(0));
  EXPECT_THAT(seen.values, ElementsAre("a"));
  EXPECT_FALSE(seen.from_servers);
  RecordView lost = View(Answer({"a"}), {});
  lost.servers_asked = true;
  lost.servers = kServfail;
  EXPECT_THAT(ObserveView(lost, nullptr, At(0)).values, ElementsAre("a"));
  EXPECT_EQ(ObserveView(View(kTimeout, {kServfail}), nullptr, At(0)).outcome,
            ObservedOutcome::kTimeout);
}

TEST(ObserveView, ACacheDoesNotSpeakForServersThatFellSilent) {
  const RecordView silent = View(Answer({"old"}), {kTimeout, kServfail});
  Observation known = watch_testing::Seen({"new"}, 0);
  Observation seen = ObserveView(silent, &known, At(1));
  EXPECT_EQ(seen.outcome, ObservedOutcome::kTimeout);
  EXPECT_THAT(seen.error, testing::HasSubstr("nobody answered"));
  RecordView lost = View(Answer({"old"}), {});
  lost.servers_asked = true;
  lost.servers = kServfail;
  EXPECT_EQ(ObserveView(lost, &known, At(1)).outcome, ObservedOutcome::kServfail);
  // Where they could never be asked, or have been silent for longer than anything is cached.
  EXPECT_THAT(ObserveView(silent, &known, At(25)).values, ElementsAre("old"));
  known.from_servers = false;
  EXPECT_THAT(ObserveView(silent, &known, At(1)).values, ElementsAre("old"));
  // They were not asked, or one answers.
  known.from_servers = true;
  EXPECT_THAT(ObserveView(View(Answer({"old"}), {}), &known, At(1)).values, ElementsAre("old"));
  EXPECT_THAT(ObserveView(View(Answer({"old"}), {kTimeout, Answer({"b"})}), &known, At(1)).values,
              ElementsAre("b"));
}

TEST(ObserveView, TheMajorityCountsAndTheOthersAreNamed) {
  const Observation seen = ObserveView(
      View(Answer({"new"}), {Answer({"new"}), Answer({"old"}), Answer({"old"}), kTimeout}), nullptr,
      At(0));
  EXPECT_THAT(seen.values, ElementsAre("old"));
  EXPECT_THAT(
      seen.disagreeing,
      ElementsAre(ObservedServer{"ns1.test", "192.0.2.1:53", ObservedOutcome::kRecords, {"new"}}));
}

TEST(ObserveView, OfEquallyManyTheResolversCount) {
  EXPECT_THAT(
      ObserveView(View(Answer({"b"}), {Answer({"a"}), Answer({"b"})}), nullptr, At(0)).values,
      ElementsAre("b"));
  const Texts first =
      ObserveView(View(kTimeout, {Answer({"a"}), Answer({"b"})}), nullptr, At(0)).values;
  EXPECT_EQ(ObserveView(View(kTimeout, {Answer({"b"}), Answer({"a"})}), nullptr, At(0)).values,
            first)
      << "the same in any order";
}

TEST(ObserveView, DnssecIsTheResolversWord) {
  DnsAnswer answer = Answer({"a"});
  EXPECT_EQ(ObserveView(View(answer, {}), nullptr, At(0)).dnssec, DnssecState::kInsecure);
  answer.validated = true;
  EXPECT_EQ(ObserveView(View(answer, {Answer({"a"})}), nullptr, At(0)).dnssec,
            DnssecState::kSecure);
}

TEST(ObserveView, MxIsWritten) {
  DnsAnswer answer;
  answer.outcome = DnsOutcome::kRecords;
  answer.type = RrType::kMx;
  answer.mx = {{20, *DomainName::Parse("b.test")}, {10, *DomainName::Parse("a.test")}};
  EXPECT_THAT(ObserveView(View(answer, {}), nullptr, At(0)).values,
              ElementsAre("10 a.test.", "20 b.test."));
}

TEST(ObserveView, HugeAnswersAreCutAndTheirChangesSeen) {
  const std::string large(20'000, 'x'), small = "v=spf1 -all";
  const Observation seen = ObserveView(View(Answer({large, small}), {}), nullptr, At(0));
  EXPECT_THAT(seen.values, ElementsAre(small));
  EXPECT_THAT(seen.values_sha256, SizeIs(32));
  const Observation other = ObserveView(View(Answer({large + "y", small}), {}), nullptr, At(0));
  EXPECT_EQ(other.values, seen.values);
  EXPECT_NE(other.values_sha256, seen.values_sha256);
  EXPECT_THAT(ObserveView(View(absl::UnavailableError(large), {}), nullptr, At(0)).error,
              SizeIs(kMaxObservedErrorBytes));
}

TEST(ObserveView, ServersThatDisagreeAreBounded) {
  std::vector<absl::StatusOr<DnsAnswer>> servers(40, Answer({"a"}));
  for (int i = 0; i < 30; ++i) servers.push_back(Answer({std::to_string(i)}));
  EXPECT_THAT(ObserveView(View(Answer({"a"}), servers), nullptr, At(0)).disagreeing,
              SizeIs(kMaxObservedServers));
}

}  // namespace
}  // namespace dmarcate
