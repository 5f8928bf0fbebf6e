#include "policyd/plan/delegation.h"

#include <algorithm>
#include <map>
#include <utility>

#include "lib/base/status_macros.h"
#include "lib/mailauth/spf_record.h"
#include "policyd/plan/dmarc_plan.h"
#include "policyd/plan/guard.h"
#include "policyd/plan/zone_guard.h"

namespace dmarcate {
namespace {

std::string_view LabelOf(RecordRole role) { return role == RecordRole::kSpf ? "_spf" : "_dmarc"; }

std::string_view WordOf(RecordRole role) { return role == RecordRole::kSpf ? "include" : "CNAME"; }

bool Includes(const std::vector<TxtRecord>& records, const DomainName& target) {
  const std::vector<std::string> texts = TextsOf(records);
  const SpfSelection selection = SelectSpf(texts);
  if (selection.outcome != SpfSelection::Outcome::kOne) return false;
  const absl::StatusOr<SpfRecord> record = ParseSpf(texts[selection.indexes.front()]);
  if (!record.ok()) return false;
  const absl::StatusOr<SpfTerm> include = ParseSpfTerm(fmt::format("include:{}", target.text()));
  return include.ok() && record->Find(*include).has_value();
}

// The record that leads there, as a line of a zone file, and in words.
std::string Advice(const DelegationSight& sight, std::string& line) {
  if (sight.role != RecordRole::kSpf) {
    line = fmt::format("{}. CNAME {}.", sight.owner.text(), sight.target.text());
    return sight.held.empty()
               ? fmt::format("set once, in the domain's own zone: {}", line)
               : fmt::format(
                     "set once, in the domain's own zone, in the place of the TXT record "
                     "that stands there: {}",
                     line);
  }
  const std::vector<std::string> texts = TextsOf(sight.held);
  const SpfSelection selection = SelectSpf(texts);
  const absl::StatusOr<std::string> text =
      WithInclude(selection.indexes.empty() ? "" : texts[selection.indexes.front()], sight.target);
  line = text.ok()
             ? fmt::format("{}. TXT {}", sight.owner.text(), MakeTxtRecord(*text).ToPresentation())
             : fmt::format("include:{}", sight.target.text());
  return fmt::format("set once, in the domain's own zone, an include of {}: {}",
                     sight.target.text(), line);
}

// The first alias that leads elsewhere, and whose it is.
std::string ForeignAlias(const DelegationSight& sight, const AuthoritativeAnswer& servers) {
  for (const ServerAnswer& server : servers.servers) {
    if (!server.answer.ok() || server.answer->cname_chain.empty()) continue;
    const DomainName& leads = server.answer->cname_chain.front();
    if (sight.role == RecordRole::kSpf || leads != sight.target) return leads.text();
  }
  return "";
}

bool LeadsBack(const DelegationSight& sight, const AuthoritativeAnswer& at_target) {
  return std::ranges::any_of(at_target.servers, [&](const ServerAnswer& server) {
    return server.answer.ok() && std::ranges::find(server.answer->cname_chain, sight.owner) !=
                                     server.answer->cname_chain.end();
  });
}

}  // namespace

absl::StatusOr<DomainName> DelegatedOwner(RecordRole role, const DomainName& domain,
                                          const DomainName& operator_zone) {
  return DomainName::Parse(
      fmt::format("{}.{}.{}", domain.text(), LabelOf(role), operator_zone.text()));
}

bool LeadsTo(RecordRole role, const ServerAnswer& server, const DomainName& target) {
  if (!server.answer.ok()) return false;
  const DnsAnswer& answer = *server.answer;
  if (role == RecordRole::kSpf) return answer.cname_chain.empty() && Includes(answer.txt, target);
  return !answer.cname_chain.empty() && answer.cname_chain.front() == target;
}

DelegationSight JudgeDelegation(RecordRole role, const DomainName& owner, const DomainName& target,
                                const AuthoritativeAnswer& servers,
                                const AuthoritativeAnswer& at_target) {
  DelegationSight sight{role, owner, target};
  const std::map<std::string, std::string> names = {{"owner", owner.text()},
                                                    {"target", target.text()}};
  const auto refuse = [&](std::string_view code, std::string message) {
    sight.guards.push_back(Refuse(code, std::move(message), names));
    return sight;
  };
  const std::vector<std::string> silent = SilentServers(servers);
  if (servers.servers.empty() || !silent.empty()) {
    return refuse(guard_code::kZoneInconsistent,
                  servers.servers.empty()
                      ? fmt::format("no authoritative server of {} is known", owner.text())
                      : fmt::format("not every authoritative server answers for {}: {} stay silent",
                                    owner.text(), Join(silent, ", ")));
  }
  if (LeadsBack(sight, at_target)) {
    return refuse(guard_code::kDelegationLoop,
                  fmt::format("{} is an alias that leads back to {}: a loop; remove it, the record "
                              "itself belongs there",
                              target.text(), owner.text()));
  }
  if (const std::string foreign = ForeignAlias(sight, servers); !foreign.empty()) {
    return refuse(
        guard_code::kDelegationForeign,
        role == RecordRole::kSpf
            ? fmt::format("{} is an alias of {}: no SPF record can stand there", owner.text(),
                          foreign)
            : fmt::format("{} is a CNAME to {}, and not to {}: another service holds this record; "
                          "nothing is written until its CNAME leads here",
                          owner.text(), foreign, target.text()));
  }
  size_t leading = 0;
  for (const ServerAnswer& server : servers.servers) {
    if (!server.answer.ok()) continue;
    if (LeadsTo(role, server, target)) {
      ++leading;
    } else {
      sight.held = server.answer->txt;
    }
  }
  const auto answering = static_cast<size_t>(std::ranges::count_if(
      servers.servers, [](const ServerAnswer& server) { return server.answer.ok(); }));
  if (leading != 0 && leading != answering) {
    return refuse(guard_code::kZoneInconsistent,
                  fmt::format("{} of {} servers lead from {} to {}; wait until all do", leading,
                              answering, owner.text(), target.text()));
  }
  sight.in_place = leading != 0;
  std::map<std::string, std::string> metadata = names;
  if (sight.in_place) {
    sight.guards.push_back(
        Pass(guard_code::kDelegation,
             fmt::format("{} leads to {} by its {}", owner.text(), target.text(), WordOf(role)),
             std::move(metadata)));
    return sight;
  }
  std::string line;
  std::string advice = Advice(sight, line);
  metadata["record"] = line;
  sight.guards.push_back(
      Warn(guard_code::kDelegation,
           fmt::format("{} does not lead to {} yet, so receivers do not see what is written there; "
                       "{}",
                       owner.text(), target.text(), advice),
           std::move(metadata)));
  return sight;
}

std::vector<GuardRecord> TellPrepared(const DelegationSight& sight,
                                      const std::vector<std::string>& prepared) {
  const std::vector<std::string> held = TextsOf(sight.held);
  if (sight.in_place || SelectDmarc(held).outcome == DmarcSelection::Outcome::kNone ||
      SelectDmarc(prepared).outcome == DmarcSelection::Outcome::kNone) {
    return {};
  }
  const std::vector<GuardRecord> compared =
      GuardDmarcText(held, prepared, DmarcDirection::kForward);
  const GuardRecord* const differs = FindRefusal(compared);
  if (differs == nullptr) return {};
  return {
      Warn(guard_code::kDelegation,
           fmt::format("what is prepared at {} is not what {} holds: {}; the CNAME would change "
                       "that",
                       sight.target.text(), sight.owner.text(), differs->message),
           {{"owner", sight.owner.text()}, {"target", sight.target.text()}})};
}

absl::StatusOr<std::string> WithInclude(std::string_view spf_text, const DomainName& target) {
  DMARCATE_ASSIGN_OR_RETURN(SpfTerm include,
                            ParseSpfTerm(fmt::format("include:{}", target.text())));
  DMARCATE_ASSIGN_OR_RETURN(SpfRecord record,
                            ParseSpf(spf_text.empty() ? "v=spf1 ~all" : spf_text));
  if (!record.Find(include).has_value()) record.InsertBeforeAll(std::move(include));
  return record.Render();
}

}  // namespace dmarcate
