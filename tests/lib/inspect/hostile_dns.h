// tests/lib/inspect/hostile_dns.h
// A DNS in memory that means no good, and what holds our answer to it.

#ifndef DMARCATE_TESTS_LIB_INSPECT_HOSTILE_DNS_H_
#define DMARCATE_TESTS_LIB_INSPECT_HOSTILE_DNS_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"

#include "lib/base/clock.h"
#include "lib/dns/fake_resolver.h"

namespace dmarcate {

// A zone, and behind it a function for the names that it does not hold.
class HostileDns final : public Resolver {
 public:
  using Wild = std::function<absl::StatusOr<DnsAnswer>(const DomainName&, RrType)>;
  explicit HostileDns(FakeClock& clock) : clock_(clock) {}

  void Spf(std::string_view name, const std::string& text) {
    zone.SetTxt(DomainName::Parse(name).value(), {text});
  }
  absl::StatusOr<DnsAnswer> Lookup(const DomainName& name, RrType type) override {
    ++queries;
    clock_.Advance(delay);
    auto answer = zone.Lookup(name, type);
    const bool known = !answer.ok() || answer->outcome == DnsOutcome::kRecords;
    return known || wild == nullptr ? answer : wild(name, type);
  }

  FakeClock& clock() { return clock_; }

  FakeResolver zone;
  Wild wild;
  absl::Duration delay;  // of every answer
  int queries = 0;

 private:
  FakeClock& clock_;
};

DnsAnswer TxtAnswer(std::string_view text);
std::string Repeat(const std::string& text, size_t times);
// first -> alias1.test -> ... -> last: `aliases` of them.
void FillAliases(HostileDns& dns, const std::string& first, const std::string& last,
                 size_t aliases);

// Runs `work` and fails the test if it takes more than `max_time` of the DNS's clock and its
// answer, or `max_queries`; or, whatever it does, seconds of real time or much memory.
void ExpectBounded(HostileDns& dns, absl::Duration max_time, int max_queries,
                   const std::function<void()>& work);

}  // namespace dmarcate

#endif  // DMARCATE_TESTS_LIB_INSPECT_HOSTILE_DNS_H_
