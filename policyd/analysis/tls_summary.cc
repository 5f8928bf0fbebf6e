#include "policyd/analysis/tls_summary.h"

#include <algorithm>
#include <limits>
#include <tuple>

#include "lib/base/text.h"

namespace dmarcate {
namespace {

constexpr char kOthers[] = "(others)";

uint64_t Sum(uint64_t a, uint64_t b) {
  constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
  return a > kMax - b ? kMax : a + b;
}

// The value under `key`, or under `others` where no further key may be told apart.
template <typename Map>
typename Map::iterator Place(Map& map, size_t limit, typename Map::key_type key,
                             typename Map::key_type others) {
  if (const auto found = map.find(key); found != map.end()) return found;
  const bool room = map.size() < limit;
  return map.try_emplace(room ? std::move(key) : std::move(others)).first;
}

// "mx.example.com" for "MX.Example.com.": one server, one row.
std::string FoldedHost(std::string_view host) {
  std::string folded = AsciiLower(host);
  if (folded.ends_with('.')) folded.pop_back();
  return folded;
}

}  // namespace

void TlsSessions::Add(uint64_t more_successful, uint64_t more_failed) {
  successful = Sum(successful, more_successful);
  failed = Sum(failed, more_failed);
}
uint64_t TlsSessions::total() const { return Sum(successful, failed); }

void TlsSummarizer::Add(const StoredTlsReport& stored) {
  if (!IsCounted(stored.trust)) {
    ++out_.uncounted_reports;
    return;
  }
  ++out_.reports;
  const DayNumber day = stored.key.day;
  TlsReporterRow& reporter = Place(reporters_, kMaxRows, stored.reporter_key, kOthers)->second;
  ++reporter.reports;
  reporter.last_day = std::max(reporter.last_day, day);
  std::set<const TlsFailureRow*> told;  // a report tells of a kind of failure once
  for (const TlsReport::PolicyResult& policy : stored.report.policies) {
    const auto type = Place(policy_types_, kMaxPolicyTypes, policy.policy_type, kOthers);
    type->second.Add(policy.successful_sessions, policy.failed_sessions);
    out_.days[{day, type->first}].Add(policy.successful_sessions, policy.failed_sessions);
    reporter.sessions.Add(policy.successful_sessions, policy.failed_sessions);
    for (const TlsReport::FailureDetail& detail : policy.failures) AddFailure(detail, day, &told);
  }
}

void TlsSummarizer::AddFailure(const TlsReport::FailureDetail& detail, DayNumber day,
                               std::set<const TlsFailureRow*>* told) {
  TlsFailureRow& row =
      Place(failures_, kMaxRows, {detail.result_type, FoldedHost(detail.receiving_mx_hostname)},
            {kOthers, kOthers})
          ->second;
  row.failed = Sum(row.failed, detail.failed_sessions);
  row.first_day = row.reports == 0 ? day : std::min(row.first_day, day);
  row.last_day = std::max(row.last_day, day);
  if (told->insert(&row).second) ++row.reports;
}

TlsSummary TlsSummarizer::Finish() {
  out_.policy_types.assign(policy_types_.begin(), policy_types_.end());
  std::ranges::stable_sort(out_.policy_types, [](const auto& a, const auto& b) {
    return a.second.total() > b.second.total();
  });
  for (auto& [key, row] : failures_) {
    std::tie(row.result_type, row.mx_host) = key;
    out_.failures.push_back(std::move(row));
  }
  std::ranges::stable_sort(out_.failures,
                           [](const auto& a, const auto& b) { return a.failed > b.failed; });
  for (auto& [key, row] : reporters_) {
    row.reporter = key;
    out_.reporters.push_back(std::move(row));
  }
  std::ranges::stable_sort(out_.reporters, [](const auto& a, const auto& b) {
    return a.sessions.total() > b.sessions.total();
  });
  return std::move(out_);
}

}  // namespace dmarcate
