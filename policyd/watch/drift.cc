#include "policyd/watch/drift.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "fmt/format.h"

#include "lib/base/text.h"
#include "lib/mailauth/dmarc_record.h"
#include "lib/mailauth/spf_record.h"
#include "lib/store/policy_rules.h"
#include "policyd/plan/dmarc_plan.h"
#include "policyd/plan/txt_image.h"
#include "policyd/watch/history.h"
#include "policyd/watch/remembered.h"

namespace dmarcate {
namespace {

// What is compared, and what each finding begins with.
struct Comparison {
  const DomainRecord& domain;
  const AppliedRecord& applied;
  RecordRole role = RecordRole::kSpf;
  std::string expected;
  std::string live;
  std::vector<Drift> found;

  std::string_view What() const { return role == RecordRole::kSpf ? "SPF" : "DMARC"; }
  std::string PlanCommand() const {
    return fmt::format("dmarcate changes plan {} --{}", domain.name,
                       role == RecordRole::kSpf ? "spf" : "dmarc");
  }
  std::string HistoryCommand() const {
    return fmt::format("dmarcate records history {} --name {}", domain.name,
                       applied.record.owner_name);
  }
  Drift& Add(std::string_view code, Severity severity, std::string message, std::string fix_hint) {
    Drift& drift = found.emplace_back();
    drift.code = code;
    drift.severity = severity;
    drift.name = {applied.record.owner_name,
                  role == RecordRole::kSpf ? RecordKind::kSpf : RecordKind::kDmarc};
    drift.message = std::move(message);
    drift.fix_hint = std::move(fix_hint);
    drift.expected = expected;
    drift.live = live;
    drift.change_id = applied.change_id;
    return drift;
  }
  void AddChanged(Severity severity, std::string message) {
    Add(drift_code::kRecordChanged, severity, std::move(message),
        fmt::format(
            "see who changed it and when: {}; if it is right, nothing is to do, the next plan "
            "starts from it; if not, put the old text back at the DNS host",
            HistoryCommand()));
  }
};

// What becomes of a client that no other term names; neutral without `all` (RFC 7208 section 4.7).
SpfQualifier Others(const SpfRecord& record) {
  const auto all = record.IndexOfAll();
  return all ? record.terms[*all].qualifier : SpfQualifier::kNeutral;
}
int Strictness(SpfQualifier qualifier) {
  switch (qualifier) {
    case SpfQualifier::kPass:
      return 0;
    case SpfQualifier::kNeutral:
      return 1;
    case SpfQualifier::kSoftFail:
      return 2;
    case SpfQualifier::kFail:
      return 3;
  }
  return 0;
}

void CompareSpf(Comparison& compared) {
  auto expected = ParseSpf(compared.expected);
  const auto live = ParseSpf(compared.live);
  if (!expected.ok()) return;  // it was linted before it was applied
  if (!live.ok()) {
    compared.AddChanged(Severity::kError,
                        fmt::format("the SPF record of {} was replaced by one that does not parse",
                                    compared.domain.name));
    return;
  }
  for (const ManagedTerm& managed : compared.domain.managed_terms) {
    const auto term = ParseSpfTerm(managed.term);
    if (!term.ok()) continue;
    const auto was = expected->Find(*term);
    if (!was || live->Find(*term)) continue;
    expected->terms.erase(expected->terms.begin() + static_cast<ptrdiff_t>(*was));
    Drift& drift = compared.Add(
        drift_code::kTermLost, Severity::kError,
        fmt::format("{}, which source {} needs, is no longer in the SPF record of {}",
                    EscapeForTerminal(managed.term), managed.source_id, compared.domain.name),
        fmt::format("put it back: {}; or reject the source, if it is not to send any more",
                    compared.PlanCommand()));
    drift.metadata = {{"term", ToValidUtf8(managed.term)}, {"source", managed.source_id}};
  }
  if (*expected == *live) return;
  const SpfQualifier was = Others(*expected);
  const SpfQualifier is = Others(*live);
  if (Strictness(is) < Strictness(was)) {
    compared.AddChanged(
        Severity::kError,
        fmt::format("the SPF record of {} was weakened from {}all to {}all", compared.domain.name,
                    static_cast<char>(was), static_cast<char>(is)));
  } else {
    compared.AddChanged(Severity::kWarning,
                        fmt::format("the SPF record of {} has other terms than were applied",
                                    compared.domain.name));
  }
}

// The addresses of ours that `record` asks reports to.
std::vector<std::string> OwnAddresses(const DomainRecord& domain) {
  std::vector<std::string> out;
  if (!domain.report_mailbox.empty()) out.push_back(domain.report_mailbox);
  for (const ReportAddressRecord& address : domain.report_addresses) {
    if (!address.revoked()) out.push_back(address.address);
  }
  return out;
}

const DmarcUri* FindMailbox(const DmarcRecord& record, std::string_view mailbox) {
  const std::vector<DmarcUri>& rua = record.Verdict(DmarcStandard::kRfc9989).rua;
  const auto found = std::ranges::find_if(
      rua, [mailbox](const DmarcUri& uri) { return EqualsIgnoreCase(uri.mailbox, mailbox); });
  return found == rua.end() ? nullptr : &*found;
}

void CompareDmarc(Comparison& compared) {
  auto expected = ParseDmarc(compared.expected);
  const auto live = ParseDmarc(compared.live);
  if (!expected.ok()) return;  // it was linted before it was applied
  if (!live.ok()) {
    compared.AddChanged(
        Severity::kError,
        fmt::format("the DMARC record of {} was replaced by one that receivers do not read",
                    compared.domain.name));
    return;
  }
  for (const std::string& address : OwnAddresses(compared.domain)) {
    const DmarcUri* was = FindMailbox(*expected, address);
    if (was == nullptr || FindMailbox(*live, address) != nullptr) continue;
    auto without = expected->WithoutRua({was->text});
    if (without.ok()) expected = std::move(without);
    Drift& drift =
        compared.Add(drift_code::kRuaLost, Severity::kError,
                     fmt::format("{} is no longer in rua= of {}, so no reports come to it",
                                 EscapeForTerminal(address), compared.domain.name),
                     fmt::format("put it back: {}", compared.PlanCommand()));
    drift.metadata = {{"address", ToValidUtf8(address)}};
  }
  if (*expected == *live) return;
  const std::pair<DmarcSubject, std::string_view> kSubjects[] = {
      {DmarcSubject::kDomain, ""},
      {DmarcSubject::kSubdomain, " for subdomains"},
      {DmarcSubject::kNonExistent, " for names that do not exist"},
  };
  for (const auto& [subject, who] : kSubjects) {
    const DmarcPolicy was = expected->Verdict(DmarcStandard::kRfc9989).Applied(subject);
    const DmarcPolicy is = live->Verdict(DmarcStandard::kRfc9989).Applied(subject);
    if (is >= was) continue;
    compared.AddChanged(Severity::kError,
                        fmt::format("the policy of {}{} was weakened from {} to {}",
                                    compared.domain.name, who, ToString(was), ToString(is)));
    return;
  }
  compared.AddChanged(
      Severity::kWarning,
      fmt::format("the DMARC record of {} has other tags than were applied", compared.domain.name));
}

// The records of the kind among TXT texts.
std::vector<std::string> OfRole(RecordRole role, const std::vector<std::string>& texts) {
  std::vector<std::string> out;
  std::ranges::copy_if(texts, std::back_inserter(out),
                       [role](const std::string& text) { return IsOfRole(role, text); });
  return out;
}

std::vector<Drift> Judge(const DomainRecord& domain, const AppliedRecord& applied, RecordRole role,
                         const std::string& expected, const Observation& seen) {
  Comparison compared{
      .domain = domain, .applied = applied, .role = role, .expected = expected, .live = {}};
  const std::vector<std::string> live = OfRole(role, seen.values);
  if (live.size() == 1) compared.live = live[0];
  const std::string& owner = applied.record.owner_name;
  if (!seen.cname_chain.empty()) {
    // A change is never applied at an alias (CNAME_AT_NAME), so it came later.
    compared.Add(drift_code::kCname, live.size() == 1 ? Severity::kWarning : Severity::kError,
                 fmt::format("{} is an alias of {} now, where the record was", owner,
                             seen.cname_chain.front()),
                 "remove the CNAME at the DNS host; what it leads to is not written by Dmarcate");
  }
  if (live.empty()) {
    if (!seen.values_sha256.empty()) return std::move(compared.found);  // not all were kept
    compared.Add(drift_code::kRecordGone, Severity::kError,
                 fmt::format("{} has no {} record any more", owner, compared.What()),
                 fmt::format("publish it again at the DNS host: {}", EscapeForTerminal(expected)));
  } else if (live.size() > 1) {
    compared.Add(drift_code::kRecordMultiple, Severity::kError,
                 fmt::format("{} has {} {} records now, which is as good as none", owner,
                             live.size(), compared.What()),
                 "remove those that somebody added at the DNS host");
  } else if (role == RecordRole::kSpf) {
    CompareSpf(compared);
  } else {
    CompareDmarc(compared);
  }
  return std::move(compared.found);
}

// What became of the newest change of each owner name.
struct Outcomes {
  std::vector<AppliedRecord> applied;
  std::set<std::string> unknown;  // NEEDS_ATTENTION
};

// Both empty while a change is under way.
Outcomes LastOutcomes(const std::vector<ChangeRecord>& changes) {
  Outcomes out;
  std::set<std::string> told;  // owner names
  for (const ChangeRecord& change : changes) {
    // A plan has written nothing, whatever time it waits for.
    if (change.state != ChangeState::kPlanned && !IsEndState(change.state)) return {};
    const bool succeeded = change.state == ChangeState::kSucceeded;
    if (!succeeded && change.state != ChangeState::kNeedsAttention) continue;
    for (const RecordChangeRecord& record : change.record_changes) {
      if (!told.insert(record.owner_name).second) continue;
      if (succeeded) {
        out.applied.push_back({change.id, change.end_time, record});
      } else {
        out.unknown.insert(record.owner_name);
      }
    }
  }
  return out;
}

bool IsSame(const Drift& a, const Drift& b) { return a.code == b.code && a.metadata == b.metadata; }

}  // namespace

std::vector<AppliedRecord> LastApplied(const std::vector<ChangeRecord>& changes) {
  return LastOutcomes(changes).applied;
}

std::set<std::string> NothingExpectedAt(const std::vector<ChangeRecord>& changes) {
  return LastOutcomes(changes).unknown;
}

bool CanTellDrift(const std::vector<Observation>& history, absl::Time now) {
  const Observation* last = LastLook(history);
  return last != nullptr && IsAnswer(last->outcome) && now - last->last_seen <= kRememberedFor;
}

bool CanBeCompared(const AppliedRecord& applied) {
  return DomainName::Parse(applied.record.owner_name).ok() &&
         FromPresentations(applied.record.after).ok();
}

std::vector<Drift> FindDrift(const DomainRecord& domain, const AppliedRecord& applied,
                             const std::vector<Observation>& history, absl::Time now) {
  if (!CanTellDrift(history, now)) return {};
  const auto owner = DomainName::Parse(applied.record.owner_name);
  const auto after = FromPresentations(applied.record.after);
  if (!owner.ok() || !after.ok()) return {};
  const RecordRole role = RoleOf(*owner);
  if (role != RecordRole::kSpf && role != RecordRole::kDmarc) return {};  // not looked at
  const std::vector<std::string> expected = OfRole(role, TextsOf(*after));
  if (expected.size() != 1) return {};  // a rollback to no record
  std::vector<Drift> out;
  std::vector<bool> goes_back;  // by index: it has been so in all entries until now
  for (const Observation& seen : history) {
    if (!IsAnswer(seen.outcome)) continue;
    if (seen.last_seen < applied.end_time) break;
    const bool newest = goes_back.empty();
    const std::vector<Drift> found = Judge(domain, applied, role, expected[0], seen);
    if (newest) {
      out = found;
      goes_back.assign(out.size(), true);
      if (out.empty()) break;
    }
    for (size_t i = 0; i < out.size(); ++i) {
      goes_back[i] = goes_back[i] && std::ranges::any_of(found, [&](const Drift& drift) {
                       return IsSame(drift, out[i]);
                     });
      if (goes_back[i]) out[i].since = std::max(seen.first_seen, applied.end_time);
    }
  }
  return out;
}

}  // namespace dmarcate
