#include "policyd/analysis/reporter_ledger.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "fmt/format.h"

#include "lib/base/digest.h"
#include "lib/base/text.h"
#include "lib/report/repair_log.h"
#include "policyd/analysis/counts.h"
#include "policyd/analysis/evaluation_check.h"

namespace dmarcate {
namespace {

constexpr size_t kMaxIdBytes = 128;
constexpr size_t kIdHashBytes = 8;  // of a key too long for an id

// How often each of several texts was seen. They are few, and a stranger's.
class NameCounts {
 public:
  explicit NameCounts(size_t limit) : limit_(limit) {}
  // False: no room for another one.
  bool Add(std::string_view name) {
    name = CutUtf8(name, kMaxNameBytes);
    const auto found = std::ranges::find(counts_, name, &Entry::first);
    if (found != counts_.end()) {
      ++found->second;
      return true;
    }
    if (counts_.size() >= limit_) return false;
    counts_.emplace_back(name, 1);
    return true;
  }
  std::vector<std::string> Sorted() {
    std::ranges::sort(counts_, [](const Entry& a, const Entry& b) {
      return a.second != b.second ? a.second > b.second : a.first < b.first;
    });
    std::vector<std::string> names;
    for (Entry& entry : counts_) names.push_back(std::move(entry.first));
    return names;
  }

 private:
  using Entry = std::pair<std::string, int64_t>;
  size_t limit_;
  std::vector<Entry> counts_;
};

// The middle of any number of values in bounded memory: when kKept are there, every second one
// goes, and from then on only every second, fourth, eighth ... value is taken.
class MedianSample {
 public:
  void Add(int64_t value) {
    if (seen_++ % stride_ != 0) return;
    if (values_.size() == kKept) {
      for (size_t i = 0; i < kKept / 2; ++i) values_[i] = values_[2 * i];
      values_.resize(kKept / 2);
      stride_ *= 2;
    }
    constexpr int64_t kMax = std::numeric_limits<int32_t>::max();
    values_.push_back(static_cast<int32_t>(std::clamp(value, -kMax, kMax)));
  }
  std::optional<int64_t> Median() {
    if (values_.empty()) return std::nullopt;
    const auto middle = values_.begin() + static_cast<ptrdiff_t>((values_.size() - 1) / 2);
    std::ranges::nth_element(values_, middle);
    return *middle;
  }

 private:
  static constexpr size_t kKept = 1024;  // even, so that the next value is one of the new stride
  std::vector<int32_t> values_;
  uint64_t seen_ = 0, stride_ = 1;
};

// Whether the time of receipt says when the reporter sent it: history that is handed in is old.
bool CameByMail(Channel channel) {
  return channel == Channel::kMaildir || channel == Channel::kSmtp || channel == Channel::kLmtp ||
         channel == Channel::kImap;
}

std::string EmailDomain(std::string_view email) {
  const size_t at = email.rfind('@');
  return at == std::string_view::npos ? "" : AsciiLower(email.substr(at + 1));
}

// One reporter while reports still come in.
struct RowBuild {
  ReporterRow row;
  NameCounts organizations{kMaxOrganizations}, email_domains{kMaxEmailDomains};
  MedianSample delays;
  std::string last_domain;
};

ReporterFinding& FindingOf(ReporterRow& row, std::string_view code) {
  const auto find = [&row](std::string_view wanted) {
    return std::ranges::find(row.findings, wanted, &ReporterFinding::code);
  };
  if (const auto found = find(code); found != row.findings.end()) return *found;
  if (row.findings.size() >= kMaxFindingCodes) {
    if (const auto others = find(kOverflowKey); others != row.findings.end()) return *others;
    code = kOverflowKey;
  }
  row.findings.push_back({.code = std::string(code)});
  return row.findings.back();
}

void AddFindings(const StoredReport& report, ReporterRow& row) {
  std::vector<std::string_view> told;  // a report has a kind of deviation once
  for (const Repair& repair : report.repairs) {
    ReporterFinding& finding = FindingOf(row, repair.code);
    ++finding.findings;
    finding.material = finding.material || repair.material;
    if (std::ranges::find(told, finding.code) != told.end()) continue;
    if (finding.reports == 0 || report.key.day >= finding.last.day) finding.last = report.key;
    ++finding.reports;
    told.push_back(finding.code == kOverflowKey ? kOverflowKey : std::string_view(repair.code));
  }
}

void AddDomain(const std::string& domain, RowBuild& build) {
  if (build.row.domains > 0 && build.last_domain == domain) return;
  build.last_domain = domain;
  ++build.row.domains;
  if (build.row.domain_names.size() < kMaxDomainsListed) build.row.domain_names.push_back(domain);
}

void AddNames(const ReportMetadata& metadata, RowBuild& build) {
  bool all = metadata.org_name.empty() || build.organizations.Add(metadata.org_name);
  const std::string domain = EmailDomain(metadata.email);
  all = (domain.empty() || build.email_domains.Add(domain)) && all;
  build.row.names_left_out = build.row.names_left_out || !all;
}

void AddTimes(const StoredReport& report, RowBuild& build) {
  ReporterRow& row = build.row;
  row.first_received = std::min(row.first_received, report.received_time);
  row.last_received = std::max(row.last_received, report.received_time);
  const int64_t end = report.report.metadata.end;
  row.last_end = std::max(row.last_end.value_or(end), end);
  if (CameByMail(report.channel)) {
    build.delays.Add(absl::ToUnixSeconds(report.received_time) - end);
  }
}

void AddHead(const StoredReport& report, ReporterRow& row) {
  ++row.reports;
  if (report.message_count == 0) ++row.empty_reports;
  row.records = SaturatingAdd(row.records, report.record_count);
  row.messages = SaturatingAdd(
      row.messages, static_cast<int64_t>(std::min<uint64_t>(report.message_count, INT64_MAX)));
  ++(report.report.dialect == Dialect::kRfc9990 ? row.rfc9990_reports : row.rfc7489_reports);
  const PublishedPolicy& policy = report.report.policy;
  if (policy.testing || policy.discovery_method) ++row.rfc9989_reports;
  if (!report.report.metadata.errors.empty()) ++row.error_reports;
  if (report.outcome == Outcome::kAcceptedCosmetic) ++row.cosmetic_reports;
  if (report.outcome == Outcome::kAcceptedMaterial) ++row.material_reports;
}

}  // namespace

std::string ReporterId(std::string_view key) {
  std::string id;
  for (const char c : key) {
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-') {
      id.push_back(c);
    } else {
      id += fmt::format("_{:02x}", static_cast<unsigned char>(c));
    }
  }
  if (id.empty()) return "_";
  if (id.size() <= kMaxIdBytes) return id;
  const std::string mark = "__" + ToHex(Sha256(key).substr(0, kIdHashBytes));
  return id.substr(0, kMaxIdBytes - mark.size()) + mark;
}

Rhythm RhythmOf(const std::vector<DayNumber>& days, DayNumber last) {
  Rhythm rhythm{.days = static_cast<int32_t>(days.size())};
  if (days.empty()) return rhythm;
  rhythm.silent = last - days.back();
  std::vector<int32_t> gaps;
  for (size_t i = 1; i < days.size(); ++i) gaps.push_back(days[i] - days[i - 1]);
  if (gaps.empty()) return rhythm;
  std::ranges::sort(gaps);
  rhythm.usual_gap = gaps[(gaps.size() - 1) / 2];
  rhythm.longest_gap = gaps.back();
  rhythm.overdue =
      rhythm.days >= kFewestDaysOfRhythm && rhythm.silent > rhythm.longest_gap + kOverdueGraceDays;
  return rhythm;
}

const ReporterRow* ReporterLedger::Find(std::string_view id) const {
  const auto found = std::ranges::find(reporters, id, &ReporterRow::id);
  return found == reporters.end() ? nullptr : &*found;
}

struct ReporterLedgerBuilder::Impl {
  Impl(const DayRange& range, const PublicSuffixList& suffixes) : checker(suffixes) {
    out.range = range;
  }
  ReporterLedger out;
  EvaluationChecker checker;
  StringMap<RowBuild> rows;  // of reporters that count
  StringMap<std::array<int64_t, kTrustClasses>> claims;

  // nullptr: there are too many reporters.
  RowBuild* RowOf(const StoredReport& report);
  void AddClaim(const StoredReport& report);
  void AddCounted(const StoredReport& report, RowBuild& build);
  void FinishRow(const std::string& key, RowBuild& build);
};

RowBuild* ReporterLedgerBuilder::Impl::RowOf(const StoredReport& report) {
  const auto found = rows.find(report.reporter_key);
  if (found != rows.end()) return &found->second;
  // Anchors are those of a list that the operator has: they always find room.
  if (rows.size() >= kMaxReporters && report.trust != TrustClass::kAnchored) return nullptr;
  RowBuild& build = rows[report.reporter_key];
  build.row.day_reports.resize(static_cast<size_t>(out.range.days()));
  return &build;
}

void ReporterLedgerBuilder::Impl::AddClaim(const StoredReport& report) {
  auto found = claims.find(report.reporter_key);
  if (found == claims.end() && claims.size() >= kMaxReporters) {
    ++out.other_uncounted_reports;
    return;
  }
  if (found == claims.end()) found = claims.try_emplace(report.reporter_key).first;
  ++found->second[static_cast<size_t>(report.trust) % kTrustClasses];
}

void ReporterLedgerBuilder::Impl::AddCounted(const StoredReport& report, RowBuild& build) {
  ReporterRow& row = build.row;
  AddHead(report, row);
  AddNames(report.report.metadata, build);
  AddTimes(report, build);
  AddDomain(report.key.domain, build);
  AddFindings(report, row);
  ++row.day_reports[static_cast<size_t>(report.key.day - out.range.first)];
  for (const AggregateRecord& record : report.report.records) {
    const EvaluationCheck check = checker.Check(record, report.report.policy);
    EvaluationCounts& counts = row.evaluation;
    counts.compared += check.compared ? 1 : 0;
    counts.contradicting += check.contradicts() ? 1 : 0;
    counts.unsupported_pass += check.unsupported_pass ? 1 : 0;
    counts.unaligned_pass += check.unaligned_pass ? 1 : 0;
    counts.missed_pass += check.missed_pass ? 1 : 0;
  }
}

void ReporterLedgerBuilder::Impl::FinishRow(const std::string& key, RowBuild& build) {
  ReporterRow& row = build.row;
  row.key = key;
  row.id = ReporterId(key);
  row.organizations = build.organizations.Sorted();
  row.email_domains = build.email_domains.Sorted();
  if (const auto delay = build.delays.Median()) row.median_delay = absl::Seconds(*delay);
  std::ranges::sort(row.findings, [](const ReporterFinding& a, const ReporterFinding& b) {
    return a.reports != b.reports ? a.reports > b.reports : a.code < b.code;
  });
  std::vector<DayNumber> days;
  for (size_t i = 0; i < row.day_reports.size(); ++i) {
    if (row.day_reports[i] > 0) days.push_back(out.range.first + static_cast<DayNumber>(i));
  }
  row.rhythm = RhythmOf(days, out.range.last);
}

ReporterLedgerBuilder::ReporterLedgerBuilder(const DayRange& range,
                                             const PublicSuffixList& suffixes)
    : impl_(std::make_unique<Impl>(range, suffixes)) {}
ReporterLedgerBuilder::~ReporterLedgerBuilder() = default;

void ReporterLedgerBuilder::Add(const StoredReport& report) {
  const DayRange& range = impl_->out.range;
  if (report.key.day < range.first || report.key.day > range.last) return;
  if (!IsCounted(report.trust)) return impl_->AddClaim(report);
  RowBuild* const build = impl_->RowOf(report);
  if (build == nullptr) {
    if (report.current) ++impl_->out.other_reports;
    return;
  }
  ++build->row.trust[static_cast<size_t>(report.trust) % kTrustClasses];
  if (report.current) {
    impl_->AddCounted(report, *build);
  } else {
    ++build->row.superseded_reports;
  }
}

ReporterLedger ReporterLedgerBuilder::Finish() {
  ReporterLedger& out = impl_->out;
  for (auto& [key, trust] : impl_->claims) {
    RowBuild& build = impl_->rows[key];
    for (size_t i = 0; i < kTrustClasses; ++i) build.row.trust[i] += trust[i];
  }
  out.reporters.reserve(impl_->rows.size());
  for (auto& [key, build] : impl_->rows) {
    impl_->FinishRow(key, build);
    out.reporters.push_back(std::move(build.row));
  }
  impl_->rows.clear();
  std::ranges::sort(out.reporters, [](const ReporterRow& a, const ReporterRow& b) {
    return a.reports != b.reports ? a.reports > b.reports : a.id < b.id;
  });
  return std::move(out);
}

}  // namespace dmarcate
