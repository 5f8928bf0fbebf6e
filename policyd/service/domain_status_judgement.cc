#include "policyd/service/domain_status_judgement.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "fmt/format.h"

#include "lib/base/text.h"
#include "lib/mailauth/dmarc_record.h"
#include "policyd/watch/insight_finding.h"

namespace dmarcate {
namespace {

// Where the watch runs, a domain is looked at every hour or so.
constexpr absl::Duration kStale = absl::Hours(24);

using Standing = v1::DomainStatus::Standing;

// Something to do about the domain. The list is in the order in which things are told: the first is
// the one that is.
struct Matter {
  Standing standing = v1::DomainStatus::STANDING_OPEN;
  std::string reason;
  std::string command;  // empty: nobody can do anything but wait
};
using Matters = std::vector<Matter>;

// "domains/example.com" to "example.com".
std::string LastSegment(std::string_view name) {
  return std::string(name.substr(name.rfind('/') + 1));
}
std::string DomainOf(const v1::DomainStatus& status) { return LastSegment(status.name()); }

std::string Counted(int64_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

bool IsChanging(const v1::DomainStatus& status) {
  return std::ranges::any_of(status.changes().open(), [](const v1::ChangesStatus::Brief& change) {
    return change.state() != v1::Change::STATE_PLANNED &&
           change.state() != v1::Change::STATE_NEEDS_ATTENTION;
  });
}

// What has begun, or may have gone wrong, at the DNS.
void AddChanges(const v1::DomainStatus& status, Matters& matters) {
  for (const v1::ChangesStatus::Brief& change : status.changes().open()) {
    if (change.state() != v1::Change::STATE_NEEDS_ATTENTION) continue;
    matters.push_back(
        {v1::DomainStatus::STANDING_TROUBLE,
         "a change needs attention: what is live is neither what was nor what was planned",
         fmt::format("dmarcate changes show {}", change.name())});
  }
  for (const v1::ChangesStatus::Brief& change : status.changes().open()) {
    if (!change.waits_for_person()) continue;
    matters.push_back({v1::DomainStatus::STANDING_OPEN,
                       "a change waits for somebody to set records by hand",
                       fmt::format("dmarcate changes show {}", change.name())});
  }
}

void AddPlans(const v1::DomainStatus& status, Matters& matters) {
  for (const v1::ChangesStatus::Brief& change : status.changes().open()) {
    if (change.state() != v1::Change::STATE_PLANNED || change.of_rollout() ||
        change.has_apply_after_time()) {
      continue;
    }
    matters.push_back({v1::DomainStatus::STANDING_OPEN, "a plan waits for a yes",
                       fmt::format("dmarcate changes apply {}", change.name())});
  }
}

void AddInsights(const v1::DomainStatus& status, v1::Severity severity, int count,
                 Matters& matters) {
  if (count == 0) return;
  for (const v1::Insight& insight : status.insights().worst()) {
    if (insight.severity() != severity) continue;
    matters.push_back({severity == v1::SEVERITY_ERROR ? v1::DomainStatus::STANDING_TROUBLE
                                                      : v1::DomainStatus::STANDING_OPEN,
                       fmt::format("{}: {}", insight.code(), insight.message()),
                       insight.evidence_command()});
    return;
  }
}

void AddPolicy(const v1::DomainStatus& status, Matters& matters) {
  if (!status.has_policy() || status.policy().requested() != v1::POLICY_KIND_UNSPECIFIED) return;
  const std::string domain = DomainOf(status);
  matters.push_back(
      {v1::DomainStatus::STANDING_TROUBLE,
       status.policy().record().empty() ? "there is no DMARC record" : status.policy().meaning(),
       status.dns_provider().empty()
           ? fmt::format("dmarcate domains update {} --provider NAME", domain)
           : fmt::format("dmarcate changes plan {}", domain)});
}

void AddProvider(const v1::DomainStatus& status, Matters& matters) {
  if (!status.dns_provider().empty()) return;
  matters.push_back({v1::DomainStatus::STANDING_OPEN,
                     "no DNS provider is named, so nothing can be planned",
                     fmt::format("dmarcate domains update {} --provider NAME", DomainOf(status))});
}

// That reports come to an address that somebody reads.
void AddReportAddress(const StatusContext& context, const v1::DomainStatus& status,
                      Matters& matters) {
  if (!status.has_policy() || status.policy().record().empty() || status.dns_provider().empty()) {
    return;
  }
  const std::string domain = DomainOf(status);
  if (context.report_address.empty()) {
    matters.push_back({v1::DomainStatus::STANDING_OPEN, "the domain has no address for reports",
                       fmt::format("dmarcate domains update {} --report-mailbox ADDRESS", domain)});
    return;
  }
  const auto record = ParseDmarc(status.policy().record());
  if (!record.ok() || status.policy().inherited()) return;
  for (const DmarcUri& uri : record->Verdict(DmarcStandard::kRfc9989).rua) {
    if (AsciiLower(uri.mailbox) == AsciiLower(context.report_address)) return;
  }
  if (!context.delegation_zone.empty()) {
    matters.push_back(
        {v1::DomainStatus::STANDING_OPEN,
         fmt::format("no reports come to {}: the domain's own zone does not lead to {} yet, or "
                     "nothing is published there; the plan says what is to be set",
                     context.report_address, context.delegation_zone),
         fmt::format("dmarcate changes plan {}", domain)});
    return;
  }
  matters.push_back(
      {v1::DomainStatus::STANDING_OPEN,
       fmt::format("rua= does not have {}, so no reports come", context.report_address),
       fmt::format("dmarcate changes plan {}", domain)});
}

void AddRollouts(const v1::DomainStatus& status, Matters& matters) {
  const std::string domain = DomainOf(status);
  for (const v1::RolloutStatus& one : status.rollouts()) {
    const std::string scope = one.rollout().scope() == v1::Rollout::SCOPE_SUBDOMAINS ? " --scope sp"
                              : one.rollout().scope() == v1::Rollout::SCOPE_NON_EXISTENT
                                  ? " --scope np"
                                  : "";
    if (one.rollout().state() == v1::Rollout::STATE_PAUSED) {
      matters.push_back({v1::DomainStatus::STANDING_TROUBLE,
                         fmt::format("the rollout is paused ({}): {}", one.rollout().pause_reason(),
                                     one.rollout().pause_detail()),
                         fmt::format("dmarcate rollout explain {}{}", domain, scope)});
    } else if (one.rollout().state() == v1::Rollout::STATE_ACTIVE && one.decision() == "ready" &&
               one.rollout().mode() == v1::Rollout::MODE_CONFIRM) {
      matters.push_back({v1::DomainStatus::STANDING_OPEN, one.reason(),
                         fmt::format("dmarcate rollout advance {}{}", domain, scope)});
    }
  }
}

void AddMtaSts(const v1::DomainStatus& status, Matters& matters) {
  if (!status.has_mta_sts()) return;
  const v1::MtaStsStatus& one = status.mta_sts();
  const std::string domain = DomainOf(status);
  if (one.rollout().state() == v1::Rollout::STATE_PAUSED) {
    matters.push_back({v1::DomainStatus::STANDING_TROUBLE,
                       fmt::format("MTA-STS is paused ({}): {}", one.rollout().pause_reason(),
                                   one.rollout().pause_detail()),
                       fmt::format("dmarcate mta-sts explain {}", domain)});
  } else if (one.rollout().state() == v1::Rollout::STATE_ACTIVE && one.decision() == "ready" &&
             one.rollout().next_file().empty() &&
             one.rollout().mode() == v1::Rollout::MODE_CONFIRM) {
    matters.push_back({v1::DomainStatus::STANDING_OPEN, fmt::format("MTA-STS: {}", one.reason()),
                       fmt::format("dmarcate mta-sts advance {}", domain)});
  }
}

void AddSources(const v1::DomainStatus& status, Matters& matters) {
  const v1::SourcesStatus& sources = status.sources();
  if (sources.largest_pending().empty()) return;
  const std::string id = LastSegment(sources.largest_pending());
  matters.push_back(
      {v1::DomainStatus::STANDING_OPEN,
       fmt::format("nobody has decided about {}, with {} in 30 days", id,
                   Counted(sources.largest_pending_message_count(), "message")),
       fmt::format("dmarcate sources explain {} --domain {}", ShellWordOf(id), DomainOf(status))});
}

void AddStart(const v1::DomainStatus& status, Matters& matters) {
  if (!status.rollouts().empty() || !status.has_policy() || status.policy().inherited() ||
      status.policy().applied() != v1::POLICY_KIND_NONE || status.dns_provider().empty()) {
    return;
  }
  matters.push_back({v1::DomainStatus::STANDING_OPEN,
                     "the policy does nothing to mail that fails, and no rollout moves it",
                     fmt::format("dmarcate rollout start {}", DomainOf(status))});
}

// What goes on by itself.
std::optional<Matter> Waiting(const v1::DomainStatus& status) {
  for (const v1::RolloutStatus& one : status.rollouts()) {
    if (one.rollout().state() != v1::Rollout::STATE_ACTIVE || one.reason().empty()) continue;
    return Matter{v1::DomainStatus::STANDING_GOOD, one.reason(), ""};
  }
  for (const v1::ChangesStatus::Brief& change : status.changes().open()) {
    if (change.state() == v1::Change::STATE_PLANNED && !change.has_apply_after_time()) continue;
    return Matter{v1::DomainStatus::STANDING_GOOD, "a change is on its way", ""};
  }
  return std::nullopt;
}

bool NobodyLooks(const v1::DomainStatus& status, absl::Time now) {
  if (!status.has_policy() && !status.has_spf()) return true;
  if (!status.has_insights() || !status.insights().has_look_time()) return true;
  return now - absl::FromUnixSeconds(status.insights().look_time().seconds()) > kStale;
}

}  // namespace

void JudgeStatus(const StatusContext& context, absl::Time now, v1::DomainStatus* status) {
  Matters matters;
  // Of one zone one change runs at a time, so no other is advised meanwhile.
  const bool running = IsChanging(*status);
  AddChanges(*status, matters);
  if (!running) AddPolicy(*status, matters);
  AddInsights(*status, v1::SEVERITY_ERROR, status->insights().error_count(), matters);
  AddRollouts(*status, matters);
  AddMtaSts(*status, matters);
  if (!running) AddPlans(*status, matters);
  AddProvider(*status, matters);
  if (!running) AddReportAddress(context, *status, matters);
  AddSources(*status, matters);
  AddInsights(*status, v1::SEVERITY_WARNING, status->insights().warning_count(), matters);
  if (!running) AddStart(*status, matters);

  const bool unknown = NobodyLooks(*status, now);
  const Matter* gravest = nullptr;  // the first in trouble, else the first
  for (const Matter& matter : matters) {
    if (gravest == nullptr || (gravest->standing == v1::DomainStatus::STANDING_OPEN &&
                               matter.standing == v1::DomainStatus::STANDING_TROUBLE)) {
      gravest = &matter;
    }
  }
  if (gravest != nullptr && gravest->standing == v1::DomainStatus::STANDING_TROUBLE) {
    status->set_standing(gravest->standing);
    status->set_reason(ToValidUtf8(gravest->reason));
  } else if (unknown) {
    status->set_standing(v1::DomainStatus::STANDING_UNKNOWN);
    status->set_reason("nobody has looked at its records for a day, or ever");
  } else if (gravest != nullptr) {
    status->set_standing(gravest->standing);
    status->set_reason(ToValidUtf8(gravest->reason));
  } else {
    const auto waiting = Waiting(*status);
    status->set_standing(v1::DomainStatus::STANDING_GOOD);
    status->set_reason(waiting ? ToValidUtf8(waiting->reason) : "nothing waits for anybody");
  }
  if (gravest == nullptr) return;
  status->set_next_command(ToValidUtf8(gravest->command));
  status->set_next_reason(ToValidUtf8(gravest->reason));
}

}  // namespace dmarcate
