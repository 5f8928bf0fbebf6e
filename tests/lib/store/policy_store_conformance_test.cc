// What every policy store promises (policy_store.h), run on the fake and on RocksDB.

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/store/fake_policy_store.h"
#include "lib/store/policy_codec.h"
#include "lib/store/policy_store.h"
#include "lib/store/rocks_policy_store.h"
#include "tests/lib/store/store_testing.h"

namespace dmarcate {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::IsEmpty;

struct Param {
  std::string name;
  std::unique_ptr<PolicyStore> (*open)(const std::string& directory);
};

const absl::Time kNow = absl::FromUnixMicros(1'764'000'000'123'456);

DomainRecord Domain(std::string name) {
  DomainRecord record;
  record.name = std::move(name);
  record.uid = "uid";
  record.create_time = record.update_time = kNow;
  record.dns_provider = "pdns";
  record.report_mailbox = "r@example.com";
  record.delegation_zone = "ops.example";
  record.managed_terms = {{"include:a.example", "a", true, {"192.0.2.0/24"}},
                          {"include:_spf-0123456789ab.example.com",
                           "(flattened)",
                           false,
                           {},
                           "v=spf1 include:a.example"}};
  record.report_addresses = {{"r-0@reports.example", kNow, kNow + absl::Hours(1)},
                             {"r-1@reports.example", kNow + absl::Minutes(1)}};
  return record;
}

ChangeRecord Change(std::string domain, std::string id, ChangeState state = ChangeState::kPlanned) {
  ChangeRecord record;
  record.domain = std::move(domain);
  record.id = std::move(id);
  record.state = state;
  record.create_time = kNow;
  record.plan_expire_time = kNow + absl::Hours(1);
  return record;
}

// Every field set, so that one that is forgotten shows.
ChangeRecord FullChange() {
  ChangeRecord record = Change("example.com", "01a", ChangeState::kNeedsAttention);
  record.intent = {true, true, "01b"};
  record.intent.prune = {"include:old.example", "ip4:192.0.2.1"};
  RecordChangeRecord change;
  change.zone = "example.com";
  change.owner_name = "_dmarc.example.com";
  change.before = {"\"v=spf1 \xff\"", ""};  // whatever a server gave
  change.after = {"\"v=spf1 -all\""};
  change.ttl_before = 300;
  change.ttl_after = 3600;
  change.term_changes = {{TermAction::kModify, "a", "b", "c", 3},
                         {TermAction::kKeep, "", "", "", 0}};
  change.untouched = {"\"x\""};
  change.lookups_before = 9;
  change.lookups_after = 10;
  change.alias = {"_dmarc.example.com", true, {"\"x\""}};
  record.record_changes = {change, RecordChangeRecord()};
  record.managed_before = {{"t", "s"}};
  record.managed_after = {{"u", "v"}, {"w", "x"}};
  record.plan_digest = "digest";
  record.guards = {
      {"SPF_TOO_MANY_LOOKUPS", GuardVerdict::kRefuse, "why", {{"limit", "10"}, {"a", ""}}}};
  record.dns_provider = "pdns";
  record.provider_class = 4;
  record.by_hand = true;
  record.steps = {{"READ", "detail", kNow}};
  record.verifications = {{"ns1", "192.0.2.1", "example.com", "detail", true, kNow}};
  record.requested_by = "alice";
  record.applied_by = "bob";
  record.apply_time = kNow + absl::Microseconds(1);
  record.end_time = kNow + absl::Seconds(2);
  record.rollback_of = "01c";
  record.rolled_back_by = "01d";
  record.error_reason = "REASON";
  record.error_message = "message";
  record.error_metadata = {{"k", "v"}};
  record.apply_after = kNow + absl::Minutes(10);
  record.lease_holder = std::string("\x01\xff", 2);
  record.fence = 3;
  return record;
}

RequestRecord Request(std::string caller, std::string id, absl::Time time) {
  return {std::move(caller), std::move(id), "Method", "hash", std::string("\0\xff", 2), time};
}

template <typename T, typename Field>
auto Each(const absl::StatusOr<std::vector<T>>& records, Field T::* field) {
  EXPECT_TRUE(records.ok()) << records.status();
  std::vector<Field> out;
  if (records.ok()) {
    for (const T& record : *records) out.push_back(record.*field);
  }
  return out;
}

class PolicyStoreTest : public testing::TestWithParam<Param> {
 protected:
  PolicyStore& store() { return *store_; }

 private:
  TempDir directory_;
  std::unique_ptr<PolicyStore> store_ = GetParam().open(directory_.path("policy"));
};

TEST_P(PolicyStoreTest, KeepsADomain) {
  EXPECT_EQ(store().GetDomain("example.com").status().code(), StatusCode::kNotFound);
  const auto put = store().PutDomain(Domain("example.com"));
  ASSERT_TRUE(put.ok()) << put.status();
  EXPECT_EQ(put->revision, 1u);
  const auto got = store().GetDomain("example.com");
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(EncodeRecord("", *got), EncodeRecord("", *put));
  EXPECT_EQ(got->create_time, kNow);
  EXPECT_EQ(got->managed_terms, put->managed_terms);
  EXPECT_EQ(got->report_addresses, Domain("example.com").report_addresses);
}

TEST(ReportAddresses, TheNewestThatIsNotRevokedIsTheCurrentOne) {
  DomainRecord record;
  EXPECT_EQ(CurrentReportAddress(record), nullptr);
  EXPECT_EQ(MailboxForReports(record), "");
  record.report_addresses = {{"a@x.test", kNow}, {"b@x.test", kNow}, {"c@x.test", kNow, kNow}};
  ASSERT_NE(CurrentReportAddress(record), nullptr);
  EXPECT_EQ(CurrentReportAddress(record)->address, "b@x.test");
  EXPECT_EQ(MailboxForReports(record), "b@x.test");
  record.report_mailbox = "dmarc@y.test";
  EXPECT_EQ(MailboxForReports(record), "dmarc@y.test") << "the operator's choice";
}

TEST_P(PolicyStoreTest, RevisionsAreChecked) {
  DomainRecord record = Domain("example.com");
  record.revision = 1;
  EXPECT_EQ(store().PutDomain(record).status().code(), StatusCode::kNotFound);
  record.revision = 0;
  record = *store().PutDomain(record);
  record = *store().PutDomain(record);
  EXPECT_EQ(record.revision, 2u);
  record.revision = 0;
  EXPECT_EQ(store().PutDomain(record).status().code(), StatusCode::kAlreadyExists);
  for (const uint64_t revision : {1, 3}) {
    record.revision = revision;
    EXPECT_EQ(store().PutDomain(record).status().code(), StatusCode::kAborted) << revision;
  }
  EXPECT_EQ(store().GetDomain("example.com")->revision, 2u);
}

TEST_P(PolicyStoreTest, OneOfManyAtOnceWins) {
  ASSERT_TRUE(store().PutDomain(Domain("example.com")).ok());
  std::atomic<int> won = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&] {
        DomainRecord record = Domain("example.com");
        record.revision = 1;
        if (store().PutDomain(record).ok()) ++won;
      });
    }
  }
  EXPECT_EQ(won, 1);
  EXPECT_EQ(store().GetDomain("example.com")->revision, 2u);
}

TEST_P(PolicyStoreTest, NamesHaveBounds) {
  const std::string longest(kMaxPolicyKeyBytes, 'a');
  EXPECT_TRUE(store().PutDomain(Domain(longest)).ok());
  EXPECT_EQ(store().PutDomain(Domain(longest + "a")).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(store().PutDomain(Domain("")).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(store().PutChange(Change("", "id")).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(store().PutChange(Change("a", "")).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(store().PutRequest(Request("", "id", kNow)).code(), StatusCode::kInvalidArgument);
}

TEST_P(PolicyStoreTest, ListsDomainsByName) {
  for (const char* name : {"b.example", "a.example", "example", "c.example"}) {
    ASSERT_TRUE(store().PutDomain(Domain(name)).ok());
  }
  EXPECT_THAT(Each(store().ListDomains("", 10), &DomainRecord::name),
              ElementsAre("a.example", "b.example", "c.example", "example"));
  EXPECT_THAT(Each(store().ListDomains("a.example", 2), &DomainRecord::name),
              ElementsAre("b.example", "c.example"));
  EXPECT_THAT(Each(store().ListDomains("a.exampl", 1), &DomainRecord::name),
              ElementsAre("a.example"));
  EXPECT_THAT(Each(store().ListDomains("example", 10), &DomainRecord::name), IsEmpty());
  EXPECT_THAT(Each(store().ListDomains("", 0), &DomainRecord::name), IsEmpty());
}

TEST_P(PolicyStoreTest, KeepsDecisionsOfEachDomain) {
  SourceDecision decision;
  decision.domain = "example.com";
  decision.source_id = "sendgrid";
  decision.state = SourceState::kApproved;
  decision.decided_by = "alice";
  decision.note = "note";
  decision.evidence_etag = "etag";
  decision.decide_time = kNow;
  decision.authorization = {AuthorizationSpec::Kind::kSpfAddresses, "x", {"192.0.2.0/24"}};
  ASSERT_TRUE(store().PutDecision(decision).ok());
  decision.source_id = "mailchimp";
  ASSERT_TRUE(store().PutDecision(decision).ok());
  decision.domain = "example.co";
  ASSERT_TRUE(store().PutDecision(decision).ok());
  EXPECT_EQ(store().PutDecision(decision).status().code(), StatusCode::kAlreadyExists);
  EXPECT_THAT(Each(store().ListDecisions("example.com"), &SourceDecision::source_id),
              ElementsAre("mailchimp", "sendgrid"));
  EXPECT_THAT(Each(store().ListDecisions("example"), &SourceDecision::source_id), IsEmpty());
  const auto got = store().GetDecision("example.com", "sendgrid");
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(got->state, SourceState::kApproved);
  EXPECT_EQ(got->authorization, decision.authorization);
  EXPECT_EQ(got->decide_time, kNow);
  EXPECT_EQ(got->note, "note");
  EXPECT_EQ(store().GetDecision("example.com", "x").status().code(), StatusCode::kNotFound);
}

TEST_P(PolicyStoreTest, KeepsProviders) {
  DnsProviderRecord provider;
  provider.id = "pdns";
  provider.type = "powerdns";
  provider.settings = {{"api_url", "http://127.0.0.1:8081"}, {"server", "localhost"}};
  provider.zones = {"example.com", "example.net"};
  provider.secret_name = "pdns.key";
  provider.create_time = kNow;
  const auto put = store().PutProvider(provider);
  ASSERT_TRUE(put.ok()) << put.status();
  const auto got = store().GetProvider("pdns");
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(EncodeRecord("", *got), EncodeRecord("", *put));
  EXPECT_EQ(got->settings, provider.settings);
  EXPECT_EQ(got->zones, provider.zones);
  provider.id = "bind";
  ASSERT_TRUE(store().PutProvider(provider).ok());
  EXPECT_THAT(Each(store().ListProviders("", 10), &DnsProviderRecord::id),
              ElementsAre("bind", "pdns"));
  EXPECT_THAT(Each(store().ListProviders("bind", 10), &DnsProviderRecord::id), ElementsAre("pdns"));
}

TEST_P(PolicyStoreTest, KeepsEveryFieldOfAChange) {
  const ChangeRecord full = FullChange();
  const auto put = store().PutChange(full);
  ASSERT_TRUE(put.ok()) << put.status();
  const auto got = store().GetChange("example.com", "01a");
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(EncodeRecord("", *got), EncodeRecord("", *put));
  // The comparison above would miss what is neither written nor read.
  EXPECT_EQ(got->record_changes[0].before, full.record_changes[0].before);
  EXPECT_EQ(got->record_changes[0].term_changes[0].action, TermAction::kModify);
  EXPECT_EQ(got->record_changes[0].lookups_after, 10);
  EXPECT_EQ(got->guards[0].metadata, full.guards[0].metadata);
  EXPECT_EQ(got->verifications[0].time, kNow);
  EXPECT_EQ(got->intent.rollback_of, "01b");
  EXPECT_EQ(got->intent.prune, full.intent.prune);
  EXPECT_EQ(got->apply_time, full.apply_time);
  EXPECT_EQ(got->end_time, full.end_time);
  EXPECT_EQ(got->error_metadata, full.error_metadata);
  EXPECT_EQ(got->apply_after, full.apply_after);
  EXPECT_EQ(got->lease_holder, full.lease_holder);
  EXPECT_EQ(got->fence, full.fence);
  EXPECT_EQ(got->provider_class, 4);
  EXPECT_TRUE(got->by_hand);
  EXPECT_EQ(got->record_changes[0].alias, full.record_changes[0].alias);
  ASSERT_TRUE(store().PutChange(Change("example.com", "02")).ok());
  EXPECT_EQ(store().GetChange("example.com", "02")->apply_time, absl::InfinitePast());
}

TEST_P(PolicyStoreTest, ListsChangesNewestFirst) {
  for (const auto& [domain, id] : std::vector<std::pair<std::string, std::string>>{
           {"b.example", "03"}, {"a.example", "01"}, {"a.example", "04"}, {"b.example", "02"}}) {
    ASSERT_TRUE(store().PutChange(Change(domain, id)).ok());
  }
  const auto ids = [&](std::string_view domain, std::string_view before, size_t limit) {
    return Each(store().ListChanges(domain, before, limit), &ChangeRecord::id);
  };
  EXPECT_THAT(ids("-", "", 10), ElementsAre("04", "03", "02", "01"));
  EXPECT_THAT(ids("-", "04", 2), ElementsAre("03", "02"));
  EXPECT_THAT(ids("-", "01", 2), IsEmpty());
  EXPECT_THAT(ids("a.example", "", 10), ElementsAre("04", "01"));
  EXPECT_THAT(ids("a.example", "04", 10), ElementsAre("01"));
  EXPECT_THAT(ids("a.example", "03", 10), ElementsAre("01"));
  EXPECT_THAT(ids("c.example", "", 10), IsEmpty());
}

TEST_P(PolicyStoreTest, OpenChangesAreThoseToResume) {
  const std::pair<ChangeState, bool> cases[] = {
      {ChangeState::kPlanned, false},       {ChangeState::kRefused, false},
      {ChangeState::kExpired, false},       {ChangeState::kCancelled, false},
      {ChangeState::kApplying, true},       {ChangeState::kVerifying, true},
      {ChangeState::kSucceeded, false},     {ChangeState::kRollingBack, true},
      {ChangeState::kRolledBack, false},    {ChangeState::kFailed, false},
      {ChangeState::kNeedsAttention, false}};
  std::vector<std::string> want;
  for (const auto& [state, open] : cases) {
    const std::string id = fmt::format("{:02}", static_cast<int>(state));
    ASSERT_TRUE(store().PutChange(Change("example.com", id, state)).ok());
    if (open) want.push_back(id);
  }
  EXPECT_EQ(Each(store().OpenChanges(), &ChangeRecord::id), want);
  ChangeRecord change = *store().GetChange("example.com", want[0]);
  change.state = ChangeState::kSucceeded;
  ASSERT_TRUE(store().PutChange(change).ok());
  want.erase(want.begin());
  EXPECT_EQ(Each(store().OpenChanges(), &ChangeRecord::id), want);
}

TEST_P(PolicyStoreTest, AScheduledPlanIsOpenUntilItEnds) {
  ChangeRecord change = Change("example.com", "01", ChangeState::kPlanned);
  change.apply_after = kNow;
  change = *store().PutChange(change);
  EXPECT_EQ(Each(store().OpenChanges(), &ChangeRecord::id), std::vector<std::string>{"01"});
  change.state = ChangeState::kCancelled;
  ASSERT_TRUE(store().PutChange(change).ok());
  EXPECT_THAT(*store().OpenChanges(), IsEmpty());
}

TEST_P(PolicyStoreTest, ChangeAndDomainAreWrittenTogetherOrNotAtAll) {
  ChangeRecord change = *store().PutChange(Change("example.com", "01", ChangeState::kVerifying));
  DomainRecord domain = *store().PutDomain(Domain("example.com"));
  change.state = ChangeState::kSucceeded;
  domain.managed_terms.clear();
  DomainRecord stale = domain;
  stale.revision = 7;
  EXPECT_EQ(store().PutChangeAndDomain(change, stale).code(), StatusCode::kAborted);
  ChangeRecord stale_change = change;
  stale_change.revision = 7;
  EXPECT_EQ(store().PutChangeAndDomain(stale_change, domain).code(), StatusCode::kAborted);
  EXPECT_EQ(store().GetChange("example.com", "01")->state, ChangeState::kVerifying);
  EXPECT_EQ(store().GetDomain("example.com")->revision, 1u);
  ASSERT_TRUE(store().PutChangeAndDomain(change, domain).ok());
  EXPECT_EQ(store().GetChange("example.com", "01")->revision, 2u);
  EXPECT_THAT(store().GetDomain("example.com")->managed_terms, IsEmpty());
  EXPECT_THAT(*store().OpenChanges(), IsEmpty());
}

TEST_P(PolicyStoreTest, RemembersRequestsForTheirLifetime) {
  EXPECT_EQ(*store().FindRequest("alice", "1"), std::nullopt);
  ASSERT_TRUE(store().PutRequest(Request("alice", "1", kNow)).ok());
  ASSERT_TRUE(store().PutRequest(Request("bob", "1", kNow)).ok());
  const auto found = *store().FindRequest("alice", "1");
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->method, "Method");
  EXPECT_EQ(found->body_sha256, "hash");
  EXPECT_EQ(found->response, std::string("\0\xff", 2));
  EXPECT_EQ(found->time, kNow);
  const absl::Time almost = kNow + kRequestLifetime - absl::Microseconds(1);
  EXPECT_EQ(store().PutRequest(Request("alice", "1", almost)).code(), StatusCode::kAlreadyExists);
  ASSERT_TRUE(store().PutRequest(Request("alice", "2", almost)).ok());
  EXPECT_TRUE(store().FindRequest("bob", "1")->has_value());
  ASSERT_TRUE(store().PutRequest(Request("alice", "1", kNow + kRequestLifetime)).ok());
  EXPECT_EQ((*store().FindRequest("alice", "1"))->time, kNow + kRequestLifetime);
  EXPECT_FALSE(store().FindRequest("bob", "1")->has_value());
  EXPECT_TRUE(store().FindRequest("alice", "2")->has_value());
}

INSTANTIATE_TEST_SUITE_P(
    All, PolicyStoreTest,
    testing::Values(Param{"Fake",
                          +[](const std::string&) -> std::unique_ptr<PolicyStore> {
                            return std::make_unique<FakePolicyStore>();
                          }},
                    Param{"RocksDb",
                          +[](const std::string& directory) -> std::unique_ptr<PolicyStore> {
                            return *RocksPolicyStore::Open(directory);
                          }}),
    [](const auto& each) { return each.param.name; });

}  // namespace
}  // namespace dmarcate
