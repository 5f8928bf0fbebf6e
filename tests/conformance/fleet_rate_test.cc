// A change of many domains at a host that limits how fast it is asked: the documented rate is kept
// so well that the host never throttles; where none is documented, the host's Retry-After is kept
// by all threads at once. The host counts.
//
// Time runs ten times as fast as ours, for host and adapter alike.

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "fmt/format.h"
#include <gtest/gtest.h>

#include "lib/base/clock.h"
#include "lib/base/random.h"
#include "lib/dns/fake_resolver.h"
#include "lib/mailauth/public_suffix_list.h"
#include "lib/store/fake_fleet_store.h"
#include "lib/store/fake_policy_store.h"
#include "policyd/provider/api/pace.h"
#include "policyd/provider/factory.h"
#include "policyd/reconcile/change_engine.h"
#include "policyd/reconcile/fleet_engine.h"
#include "tests/conformance/provider_conformance.h"
#include "tests/conformance/vendor/ns1_server.h"
#include "tests/conformance/vendor/vultr_server.h"

namespace dmarcate {
namespace {

using testing_support::Ns1Server;
using testing_support::VendorServer;
using testing_support::VultrServer;

constexpr int kHaste = 10;

class FastClock final : public Clock {
 public:
  absl::Time Now() const override { return start_ + (absl::Now() - start_) * kHaste; }
  absl::Duration Monotonic() const override { return system_.Monotonic() * kHaste; }

 private:
  const absl::Time start_ = absl::Now();
  SystemClock system_;
};

// In front of a host: throttles who asks more than `limit`, and keeps book.
class Gatekeeper final : public HttpTransport {
 public:
  Gatekeeper(VendorServer& host, const Clock& clock, RateLimit limit, absl::Duration hold)
      : host_(host), clock_(clock), limit_(limit), hold_(hold) {}

  absl::StatusOr<HttpResponse> Send(const HttpRequest& request) override {
    {
      const std::lock_guard lock(mutex_);
      const absl::Duration now = clock_.Monotonic();
      while (!recent_.empty() && recent_.front() + limit_.window <= now) recent_.pop_front();
      ++requests_;
      if (now < held_until_) ++impatient_;
      if (now < held_until_ || static_cast<int>(recent_.size()) >= limit_.requests) {
        if (now >= held_until_) {
          ++throttles_;
          held_until_ = now + hold_;
        }
        HttpResponse response = host_.ErrorResponse(429, "slow down");
        response.headers.push_back({"retry-after", std::to_string(absl::ToInt64Seconds(absl::Ceil(
                                                       held_until_ - now, absl::Seconds(1))))});
        return response;
      }
      recent_.push_back(now);
      most_ = std::max(most_, static_cast<int>(recent_.size()));
    }
    return host_.Send(request);
  }

  struct Book {
    int requests = 0;
    int throttles = 0;  // times that the limit was passed
    int impatient = 0;  // requests that came although the host had asked to wait
    int most = 0;       // that it took within one window
  };
  Book book() const {
    const std::lock_guard lock(mutex_);
    return {requests_, throttles_, impatient_, most_};
  }

 private:
  VendorServer& host_;
  const Clock& clock_;
  const RateLimit limit_;
  const absl::Duration hold_;
  mutable std::mutex mutex_;
  std::deque<absl::Duration> recent_;
  absl::Duration held_until_ = -absl::InfiniteDuration();
  int requests_ = 0, throttles_ = 0, impatient_ = 0, most_ = 0;
};

// Two servers of every zone that show what the host has.
class HostServers final : public AuthoritativeResolver {
 public:
  HostServers(const VendorServer& host, std::vector<DomainName> zones)
      : host_(host), zones_(std::move(zones)) {}
  absl::StatusOr<AuthoritativeAnswer> LookupAll(const DomainName& owner, RrType, bool) override {
    AuthoritativeAnswer out;
    const auto zone = std::ranges::find_if(
        zones_, [&](const DomainName& name) { return owner.IsAtOrBelow(name); });
    if (zone == zones_.end()) return absl::UnavailableError("no zone cut found");
    out.zone = *zone;
    for (int i = 1; i <= 2; ++i) {
      DnsAnswer answer;
      answer.authoritative = true;
      answer.txt = host_.Served(owner);
      answer.outcome = answer.txt.empty() ? DnsOutcome::kNoData : DnsOutcome::kRecords;
      out.servers.push_back(
          {TestName(fmt::format("ns{}.host.test", i)), fmt::format("192.0.2.{}:53", i), answer});
    }
    return out;
  }

 private:
  const VendorServer& host_;
  const std::vector<DomainName> zones_;
};

// All domains get their report mailbox, by way of `gate`.
void ChangeFleet(const std::string& type, VendorServer& host, Gatekeeper& gate, const Clock& clock,
                 int domains) {
  FakePolicyStore store;
  FakeFleetStore fleets;
  DnsProviderRecord account;
  account.id = "host";
  account.type = type;
  account.secret_name = "key";
  ASSERT_TRUE(store.PutProvider(account).ok());
  std::vector<DomainName> zones;
  for (int i = 0; i < domains; ++i) {
    DomainRecord domain;
    domain.name = fmt::format("d{:02}.test", i);
    domain.dns_provider = "host";
    domain.report_mailbox = "r@" + domain.name;
    ASSERT_TRUE(store.PutDomain(domain).ok());
    host.AddZone(domain.name);
    host.SetTxt(TestName("_dmarc." + domain.name), {MakeTxtRecord("v=DMARC1; p=reject")});
    zones.push_back(TestName(domain.name));
  }
  FakeSecretSource secrets(FakeSecretSource::Secrets{{"key", "ns-7Zq2kXw9VtB4mLr8YpNs"}});
  RealProviderFactory factory(
      ApiWorld{gate, clock, [](absl::Duration pause) { absl::SleepFor(pause / kHaste); }}, secrets);
  HostServers servers(host, zones);
  FakeResolver resolver;
  const auto suffixes = BuiltinPublicSuffixList();
  SystemClock system;
  SeededRandom random(1);
  SystemPacer pacer;
  SystemPacer fleet_pacer;
  ChangeEngineOptions options;
  options.max_running = 8;
  options.first_pause = absl::Milliseconds(10);
  ChangeEngine changes({store, factory, resolver, servers, *suffixes, system, random, pacer},
                       options);
  FleetEngineOptions fleet_options;
  fleet_options.first_trouble_pause = absl::Milliseconds(100);
  FleetEngine engine({fleets, store, changes, system, random, fleet_pacer}, fleet_options);

  FleetRequest request;
  request.intent.dmarc_report_address = true;
  const FleetRecord created = engine.Create(request).value();
  engine.WaitIdle();
  const FleetRecord planned = engine.Look(created.id)->record;
  ASSERT_EQ(planned.state, FleetState::kPlanned);
  ASSERT_TRUE(engine
                  .Apply({planned.id,
                          planned.plan_digest,
                          planned.revision,
                          "a",
                          {.canaries = 2, .max_failures = 0}})
                  .ok());
  engine.WaitIdle();
  const FleetProgress done = engine.Look(created.id).value();
  EXPECT_EQ(done.record.state, FleetState::kSucceeded) << done.record.pause_message;
  EXPECT_EQ(CountOf(done.counts, FleetMemberState::kSucceeded), static_cast<uint32_t>(domains));
  for (const DomainName& zone : zones) {
    const std::vector<TxtRecord> records = host.Served(*zone.Child("_dmarc"));
    ASSERT_EQ(records.size(), 1U);
    EXPECT_EQ(records[0].Joined(), fmt::format("v=DMARC1; p=reject; rua=mailto:r@{}", zone.text()));
  }
  EXPECT_EQ(host.writes(), domains);
}

TEST(FleetRateTest, TheDocumentedRateIsKeptAndNobodyIsThrottled) {
  const FastClock clock;
  VultrServer host("ns-7Zq2kXw9VtB4mLr8YpNs");
  const RateLimit limit = DocumentedRate("vultr");
  ASSERT_EQ(limit.requests, 30);
  Gatekeeper gate(host, clock, limit, absl::Seconds(5));
  const absl::Duration begin = clock.Monotonic();
  ASSERT_NO_FATAL_FAILURE(ChangeFleet("vultr", host, gate, clock, 30));
  const double seconds = absl::ToDoubleSeconds(clock.Monotonic() - begin);
  const Gatekeeper::Book book = gate.book();
  std::printf(
      "documented: %d requests in %.0f s of the host's, %.1f a second, most in a second "
      "%d, limit %d, throttled %d times\n",
      book.requests, seconds, book.requests / seconds, book.most, limit.requests, book.throttles);
  EXPECT_EQ(book.throttles, 0);
  EXPECT_LE(book.most, limit.requests);
  EXPECT_GT(book.most, limit.requests / 2) << "kept, and used";
}

TEST(FleetRateTest, WhatTheHostAsksForIsKeptByAllThreads) {
  const FastClock clock;
  Ns1Server host("ns-7Zq2kXw9VtB4mLr8YpNs");
  ASSERT_EQ(DocumentedRate("ns1").requests, 0);
  const RateLimit limit{20, absl::Seconds(1)};
  Gatekeeper gate(host, clock, limit, absl::Seconds(3));
  const absl::Duration begin = clock.Monotonic();
  ASSERT_NO_FATAL_FAILURE(ChangeFleet("ns1", host, gate, clock, 20));
  const double seconds = absl::ToDoubleSeconds(clock.Monotonic() - begin);
  const Gatekeeper::Book book = gate.book();
  std::printf(
      "undocumented: %d requests in %.0f s of the host's, most in a second %d, limit %d, "
      "throttled %d times, %d requests while it had asked to wait\n",
      book.requests, seconds, book.most, limit.requests, book.throttles, book.impatient);
  EXPECT_GT(book.throttles, 0) << "or nothing is shown";
  EXPECT_LE(book.most, limit.requests);
  // Only those that were on their way when it began to throttle.
  EXPECT_LE(book.impatient, book.throttles * static_cast<int>(FleetBounds().per_account - 1));
}

}  // namespace
}  // namespace dmarcate
