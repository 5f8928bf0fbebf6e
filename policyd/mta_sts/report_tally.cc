#include "policyd/mta_sts/report_tally.h"

#include <algorithm>

#include "fmt/format.h"

#include "lib/base/text.h"
#include "policyd/mta_sts/policy_file.h"

namespace dmarcate {
namespace {

constexpr char kOthers[] = "(others)";
// More would overflow in a sum of 180 days and 1,000 reporters.
constexpr uint64_t kMostSessions = 100'000'000'000;

int64_t Cut(uint64_t count) { return static_cast<int64_t>(std::min(count, kMostSessions)); }

int64_t Sum(int64_t a, int64_t b) { return std::min<int64_t>(a + b, kMostSessions); }

// "mx.example.com" for "MX.Example.com.".
std::string FoldedHost(std::string_view host) {
  std::string folded = AsciiLower(host);
  if (folded.ends_with('.')) folded.pop_back();
  return ToValidUtf8(folded);
}

}  // namespace

bool QuotesPolicy(const std::vector<std::string>& policy_strings, const MtaStsPolicy& live) {
  const auto quoted = ParseMtaStsPolicy(Join(policy_strings, "\n"));
  return quoted.ok() && SaysTheSame(*quoted, live);
}

void StsReportTally::Add(const StoredTlsReport& stored) {
  if (!stored.current || !IsCounted(stored.trust)) return;
  if (stored.trust != TrustClass::kAnchored) {
    ++not_anchored_;
    return;
  }
  if (!reporters_.contains(stored.reporter_key) && reporters_.size() == kMaxReporters) {
    ++left_out_;
    return;
  }
  for (const TlsReport::PolicyResult& result : stored.report.policies) AddResult(stored, result);
}

void StsReportTally::AddResult(const StoredTlsReport& stored,
                               const TlsReport::PolicyResult& result) {
  if (FoldedHost(result.policy_domain) != stored.key.domain) return;
  int64_t failed = Cut(result.failed_sessions);
  // A reporter that names failures and forgets to count them is not believed to have seen none.
  // Details overlap, so that the largest is the least there can be.
  for (const TlsReport::FailureDetail& detail : result.failures) {
    failed = std::max(failed, Cut(detail.failed_sessions));
  }
  int64_t sessions = Sum(Cut(result.successful_sessions), failed);
  if (result.policy_type == "no-policy-found") no_policy_ = Sum(no_policy_, sessions);
  if (result.policy_type != "sts") return;
  if (!ParseMtaStsPolicy(Join(result.policy_strings, "\n")).ok()) {
    sessions = failed;  // that there was no policy to quote may be what failed
  } else if (!QuotesPolicy(result.policy_strings, live_)) {
    other_policies_ = Sum(other_policies_, sessions);
    return;
  }
  if (sessions == 0) return;
  StsReporterDay& day = reporters_[stored.reporter_key][stored.key.day];
  day.day = stored.key.day;
  day.sessions = Sum(day.sessions, sessions);
  day.failed = Sum(day.failed, failed);
  for (const TlsReport::FailureDetail& detail : result.failures) {
    auto key = std::make_tuple(stored.key.day, stored.reporter_key, ToValidUtf8(detail.result_type),
                               FoldedHost(detail.receiving_mx_hostname));
    if (!failures_.contains(key) && failures_.size() >= kMaxFailures) {
      key = {stored.key.day, stored.reporter_key, kOthers, ""};
    }
    int64_t& count = failures_[key];
    count = Sum(count, Cut(detail.failed_sessions));
  }
}

void StsReportTally::Finish(StsEvidence& evidence) const {
  evidence.reporters.clear();
  evidence.failures.clear();
  std::map<std::string, int32_t> index;
  for (const auto& [id, days] : reporters_) {
    index[id] = static_cast<int32_t>(evidence.reporters.size());
    StsReporter& reporter = evidence.reporters.emplace_back();
    reporter.id = id;
    for (const auto& [day, counts] : days) reporter.days.push_back(counts);
  }
  for (const auto& [key, failed] : failures_) {
    const auto& [day, reporter, result_type, mx_host] = key;
    evidence.failures.push_back({day, index[reporter], result_type, mx_host, failed});
  }
  const auto tell = [&evidence](int64_t count, std::string_view what) {
    if (count > 0) evidence.advisories.push_back(fmt::format("{} {}", count, what));
  };
  tell(not_anchored_, "TLS reports of reporters that are no anchors say something, too");
  tell(other_policies_, "sessions were under another policy, which senders have in their caches");
  tell(no_policy_, "sessions were of senders that found no policy");
  tell(left_out_, "TLS reports are left out, as there are too many reporters");
}

}  // namespace dmarcate
