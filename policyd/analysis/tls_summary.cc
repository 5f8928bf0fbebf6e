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
  Telling report{.trust = stored.trust, .day = stored.key.day, .told = {}};
  TlsReporterRow& reporter = Place(reporters_, kMaxRows, stored.reporter_key, kOthers)->second;
  ++reporter.reports;
  reporter.last_day = std::max(reporter.last_day, report.day);
  TlsSlice& of_reporter = SliceOf(&reporter.by_trust, &report);
  for (const TlsReport::PolicyResult& policy : stored.report.policies) {
    const auto type = Place(policy_types_, kMaxPolicyTypes, policy.policy_type, kOthers);
    AddSessions(policy, &type->second, &report);
    AddSessions(policy, &out_.days[{report.day, type->first}], &report);
    reporter.sessions.Add(policy.successful_sessions, policy.failed_sessions);
    of_reporter.sessions.Add(policy.successful_sessions, policy.failed_sessions);
    for (const TlsReport::FailureDetail& detail : policy.failures) AddFailure(detail, &report);
  }
}

// Counts the report where it tells of the row for the first time.
TlsSlice& TlsSummarizer::SliceOf(TlsSlices* by_trust, Telling* report) {
  TlsSlice& slice = (*by_trust)[static_cast<size_t>(report->trust)];
  if (report->told.insert(&slice).second) ++slice.reports;
  return slice;
}

void TlsSummarizer::AddSessions(const TlsReport::PolicyResult& policy, TlsCounts* counts,
                                Telling* report) {
  counts->sessions.Add(policy.successful_sessions, policy.failed_sessions);
  SliceOf(&counts->by_trust, report)
      .sessions.Add(policy.successful_sessions, policy.failed_sessions);
}

void TlsSummarizer::AddFailure(const TlsReport::FailureDetail& detail, Telling* report) {
  TlsFailureRow& row =
      Place(failures_, kMaxRows, {detail.result_type, FoldedHost(detail.receiving_mx_hostname)},
            {kOthers, kOthers})
          ->second;
  row.failed = Sum(row.failed, detail.failed_sessions);
  row.first_day = row.reports == 0 ? report->day : std::min(row.first_day, report->day);
  row.last_day = std::max(row.last_day, report->day);
  TlsSlice& slice = row.by_trust[static_cast<size_t>(report->trust)];
  if (!report->told.contains(&slice)) ++row.reports;
  SliceOf(&row.by_trust, report).sessions.Add(0, detail.failed_sessions);
}

TlsSummary TlsSummarizer::Finish() {
  out_.policy_types.assign(policy_types_.begin(), policy_types_.end());
  std::ranges::stable_sort(out_.policy_types, [](const auto& a, const auto& b) {
    return a.second.sessions.total() > b.second.sessions.total();
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
