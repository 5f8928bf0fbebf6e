#include "tests/lib/inspect/hostile_dns.h"

#include <cstdlib>
#include <fstream>

#include "absl/time/clock.h"
#include <gtest/gtest.h>

#include "lib/base/status_macros.h"

namespace dmarcate {
namespace {

constexpr int64_t kMaxGrowthBytes = int64_t{96} << 20;
constexpr absl::Duration kMaxRealTime = absl::Seconds(10);  // far over what it takes, for slow CI

// The peak of resident memory above what it was, while `work` ran; absent where the system does not
// say, and under a sanitizer, which keeps what is freed.
std::optional<int64_t> PeakGrowthBytes(const std::function<void()>& work) {
  const auto read = [](std::string_view field) -> int64_t {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with(field))
        return 1024 * std::strtoll(line.c_str() + field.size(), nullptr, 10);
    }
    return -1;
  };
  std::ofstream reset("/proc/self/clear_refs");
  reset << "5" << std::flush;
  const bool measured = reset.good();
  const int64_t before = read("VmRSS:");
  work();
  const int64_t peak = read("VmHWM:");
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return std::nullopt;
#else
  if (!measured || before < 0 || peak < 0) return std::nullopt;
  return peak - before;
#endif
}

}  // namespace

DnsAnswer TxtAnswer(std::string_view text) {
  DnsAnswer answer;
  answer.outcome = DnsOutcome::kRecords;
  answer.txt = {MakeTxtRecord(text)};
  answer.ttl_seconds = 300;
  return answer;
}

std::string Repeat(const std::string& text, size_t times) {
  std::string out;
  for (size_t i = 0; i < times; ++i) out += text;
  return out;
}

void FillAliases(HostileDns& dns, const std::string& first, const std::string& last,
                 size_t aliases) {
  for (size_t i = 0; i < aliases; ++i) {
    dns.zone.SetCname(
        DomainName::Parse(i == 0 ? first : fmt::format("alias{}.test", i)).value(),
        DomainName::Parse(i + 1 == aliases ? last : fmt::format("alias{}.test", i + 1)).value());
  }
}

void ExpectBounded(HostileDns& dns, absl::Duration max_time, int max_queries,
                   const std::function<void()>& work) {
  dns.queries = 0;
  const absl::Duration start = dns.clock().Monotonic();
  const absl::Time real = absl::Now();
  const auto growth = PeakGrowthBytes(work);
  EXPECT_LE(dns.clock().Monotonic() - start, max_time + dns.delay);
  EXPECT_LE(dns.queries, max_queries);
  EXPECT_LE(absl::Now() - real, kMaxRealTime);
  EXPECT_LE(growth.value_or(0), kMaxGrowthBytes);
}

}  // namespace dmarcate
