#include "policyd/service/mta_sts_evidence.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <system_error>

#include "lib/base/log.h"
#include "lib/base/time.h"
#include "lib/inspect/posture.h"
#include "policyd/evidence/mta_sts_evidence.h"
#include "policyd/mta_sts/figures.h"
#include "policyd/mta_sts/report_tally.h"
#include "policyd/reconcile/rollout_control.h"
#include "policyd/reconcile/rollout_rules_book.h"

namespace dmarcate {
namespace {

constexpr uintmax_t kLeastRoomBytes = 64 << 20;
// With the fetch of the file it fits into what a call may take (lib/rpc/call.h).
constexpr absl::Duration kLookLimit = absl::Seconds(15);

bool HasNoRoom(const std::vector<std::string>& directories) {
  return std::ranges::any_of(directories, [](const std::string& directory) {
    std::error_code error;
    const std::filesystem::space_info space = std::filesystem::space(directory, error);
    return error || space.available < kLeastRoomBytes;
  });
}

}  // namespace

StsEvidence MtaStsEvidence::Gather(const StsState& state, absl::Time now) {
  StsEvidence evidence;
  evidence.domain = state.domain;
  evidence.control =
      ReadControl(state.domain, "_mta-sts." + state.domain, state.pending_change, from_.policies);
  if (from_.rules != nullptr) {
    AddStandingRules(*from_.rules, state.domain, now, evidence.control, evidence.rules);
  }
  if (from_.read_only) evidence.control.writable = false;
  evidence.disk_full = HasNoRoom(from_.directories);
  const absl::StatusOr<DomainName> domain = DomainName::Parse(state.domain);
  if (!domain.ok()) return evidence;
  AddRecords(state, *domain, now, evidence);
  AddFile(*domain, now, evidence);
  if (state.abort_to.has_value()) return evidence;
  AddMx(*domain, now, evidence);
  AddReports(state, now, evidence);
  return evidence;
}

MtaStsEvidence::Sights MtaStsEvidence::SightsOf(const DomainName& domain) {
  const std::lock_guard lock(mutex_);
  return sights_[domain];
}

void MtaStsEvidence::AddRecords(const StsState& state, const DomainName& domain, absl::Time now,
                                StsEvidence& evidence) {
  const MtaStsPosture mta_sts =
      InspectMtaSts(domain, ReceivesMail::kMaybe, from_.resolver, from_.authoritative);
  const TlsRptPosture tls_rpt =
      InspectTlsRpt(domain, ReceivesMail::kMaybe, from_.resolver, from_.authoritative);
  const absl::Time adopted = std::max(state.create_time, state.resume_time);
  const auto insights = from_.insights.ListInsights(state.domain);
  evidence.records = JudgeStsRecords(
      mta_sts, tls_rpt, now, insights.ok() ? *insights : std::vector<InsightRecord>(), adopted);
  if (!insights.ok()) evidence.records.last_drift = now;  // nobody can say that there was none
}

void MtaStsEvidence::AddFile(const DomainName& domain, absl::Time now, StsEvidence& evidence) {
  Sights sights = SightsOf(domain);
  const absl::Duration clock = from_.clock.Monotonic();
  if (clock - sights.file_asked >= kFileAgain) {
    sights.file = JudgeFileLook(from_.files.Fetch(domain), now, sights.file);
    const std::lock_guard lock(mutex_);
    sights_[domain].file = sights.file;
    sights_[domain].file_asked = clock;
  }
  evidence.file = sights.file;
}

void MtaStsEvidence::AddMx(const DomainName& domain, absl::Time now, StsEvidence& evidence) {
  Sights sights = SightsOf(domain);
  const absl::Duration clock = from_.clock.Monotonic();
  const auto stopping = [this] { return stopping_.load(std::memory_order_relaxed); };
  if (clock - sights.mx_asked >= kMxAgain && !stopping()) {
    const MxPosture mx = InspectMx(domain, from_.resolver, from_.authoritative,
                                   {.server_views = ServerViews::kSkip});
    // The policy has its own look; what is served does not change what a server shows.
    const InboundPosture inbound = from_.look(domain, mx, MtaStsPosture(), kLookLimit, stopping);
    if (!stopping()) {  // what was cut short is no look
      sights.mx = JudgeMxLook(mx, inbound, now, sights.mx);
      const std::lock_guard lock(mutex_);
      sights_[domain].mx = sights.mx;
      sights_[domain].mx_asked = clock;
    }
  }
  evidence.mx = sights.mx;
}

void MtaStsEvidence::AddReports(const StsState& state, absl::Time now, StsEvidence& evidence) {
  const auto live = ParseMtaStsPolicy(state.file);
  if (!live.ok()) return;  // off: there is nothing that a report could be about
  const absl::StatusOr<ReportReader*> reader = from_.reports.Reader();
  if (!reader.ok()) return;
  StsReportTally tally(*live);
  const DayNumber today = DayOf(now);
  const absl::Status read = (*reader)->ForEachTlsReport(
      state.domain, std::max(DayOf(state.stage_start), today - kStsWindowDays), today,
      [&tally](const StoredTlsReport& report) {
        tally.Add(report);
        return true;
      });
  if (!read.ok()) {
    // A sum over some of the reports would be a wrong number.
    return LogWarn("tls_reports_unreadable", {{"domain", state.domain}, {"error", read}});
  }
  tally.Finish(evidence);
}

}  // namespace dmarcate
