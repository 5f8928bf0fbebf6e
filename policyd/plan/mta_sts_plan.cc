#include "policyd/plan/mta_sts_plan.h"

#include <utility>

#include "lib/base/status_macros.h"
#include "lib/mailauth/mta_sts_policy.h"
#include "lib/mailauth/mta_sts_record.h"
#include "policyd/mta_sts/explain.h"
#include "policyd/mta_sts/live_record.h"
#include "policyd/mta_sts/next_id.h"
#include "policyd/mta_sts/policy_file.h"
#include "policyd/plan/guard.h"
#include "policyd/plan/txt_image.h"

namespace dmarcate {
namespace {

// The one record of `texts`; empty: none. Several are nobody's to choose from.
std::string OnlyRecord(const std::vector<std::string>& texts) {
  const RecordSelection selection = SelectMtaSts(texts);
  return selection.indexes.size() == 1 ? texts[selection.indexes.front()] : "";
}

GuardRecord TooMany(size_t records) {
  return Refuse(guard_code::kMtaStsRecord,
                fmt::format("there are {} MTA-STS records, so senders see none; which one is meant "
                            "is for a person to say: remove the others at the DNS host",
                            records),
                {{"records", std::to_string(records)}});
}

// Of a record that is to go.
std::vector<GuardRecord> GuardRemoval(const DomainName& domain,
                                      const absl::StatusOr<ServedStsFile>& served) {
  if (!served.ok()) {
    if (served.status().code() == absl::StatusCode::kNotFound) {
      return {Warn(guard_code::kMtaStsFile,
                   fmt::format("no policy is served at {}: senders that have one in their caches "
                               "keep it until it expires there, and are told nothing",
                               StsFileUrl(domain.text())))};
    }
    return {Refuse(
        guard_code::kMtaStsFile,
        fmt::format("whether a policy is still served at {} is not known: {}; plan "
                    "again when it is",
                    StsFileUrl(domain.text()), EscapeForTerminal(MessageOf(served.status()))))};
  }
  const auto policy = ParseMtaStsPolicy(served->body);
  if (policy.ok() && policy->mode != MtaStsMode::kNone) {
    return {Refuse(guard_code::kMtaStsFile,
                   fmt::format("the policy at {} says mode {}; serve mode none, announce that, and "
                               "wait as long as the longest max_age that was ever served (RFC 8461 "
                               "section 8.3): dmarcate mta-sts policy {} --mode none",
                               StsFileUrl(domain.text()), ToString(policy->mode), domain.text()),
                   {{"mode", std::string(ToString(policy->mode))}})};
  }
  // Whether it said so for long enough is not to be seen from here.
  return {
      Warn(guard_code::kMtaStsFile,
           fmt::format("{}: senders may have another policy in their caches for as long as the "
                       "longest max_age that was ever served",
                       policy.ok() ? "the policy says mode none" : "what is served is no policy"))};
}

}  // namespace

StsRecordPlan PlanStsRecord(const DomainName& domain, const std::vector<std::string>& live,
                            const StsAnnouncement& wanted) {
  StsRecordPlan plan;
  const LiveStsRecord found = FindStsRecord(live);
  if (found.records > 1) {
    plan.guards.push_back(TooMany(static_cast<size_t>(found.records)));
    return plan;
  }
  plan.before = plan.after = OnlyRecord(live);
  if (wanted.file.empty()) {
    plan.after.clear();
    return plan;
  }
  const std::string id = wanted.id.empty() ? NextStsId(wanted.file, found) : wanted.id;
  if (id == found.id) return plan;
  plan.after = StsRecordText(id);
  if (const auto record = ParseMtaStsRecord(plan.after); !record.ok()) {
    plan.after = plan.before;
    plan.guards.push_back(
        Refuse(guard_code::kRecordSyntax, fmt::format("the record of {} would be none: {}",
                                                      domain.text(), MessageOf(record.status()))));
  }
  return plan;
}

std::vector<GuardRecord> GuardStsFile(const DomainName& domain, const StsAnnouncement& wanted,
                                      const absl::StatusOr<ServedStsFile>& served) {
  if (wanted.file.empty()) return GuardRemoval(domain, served);
  if (const auto policy = ParseMtaStsPolicy(wanted.file); !policy.ok()) {
    return {Refuse(guard_code::kMtaStsFile,
                   fmt::format("the file is no policy: {}; write one: dmarcate mta-sts policy {}",
                               EscapeForTerminal(MessageOf(policy.status())), domain.text()))};
  }
  const std::string url = StsFileUrl(domain.text());
  const auto refuse = [&url](std::string_view why) {
    return std::vector<GuardRecord>{Refuse(
        guard_code::kMtaStsFile,
        fmt::format("{}: {}; serve the file there, byte for byte, then plan again", url, why),
        {{"url", url}})};
  };
  if (!served.ok()) return refuse(EscapeForTerminal(MessageOf(served.status())));
  if (served->body != wanted.file) {
    return refuse(DescribeStsDifference(wanted.file, served->body));
  }
  if (!served->plain_text) return refuse("it is not served as text/plain");
  return {Pass(guard_code::kMtaStsFile, fmt::format("{} serves the file, byte for byte", url),
               {{"url", url}})};
}

std::vector<GuardRecord> GuardStsMx(const DomainName& domain, const StsAnnouncement& wanted,
                                    const absl::StatusOr<std::vector<std::string>>& hosts) {
  const auto policy = ParseMtaStsPolicy(wanted.file);
  if (wanted.file.empty() || !policy.ok() || policy->mode == MtaStsMode::kNone) return {};
  const bool enforce = policy->mode == MtaStsMode::kEnforce;
  const auto closed = [enforce](std::string message, std::map<std::string, std::string> metadata) {
    return enforce ? Refuse(guard_code::kMtaStsMx, std::move(message), std::move(metadata))
                   : Warn(guard_code::kMtaStsMx, std::move(message), std::move(metadata));
  };
  std::vector<GuardRecord> guards;
  std::vector<std::string> patterns;
  for (const MtaStsMxPattern& pattern : policy->mx) patterns.push_back(pattern.text());
  if (!hosts.ok()) {
    guards.push_back(closed(fmt::format("the MX records could not be read: {}",
                                        EscapeForTerminal(MessageOf(hosts.status()))),
                            {}));
  } else if (const auto unmatched = HostsNotMatched(patterns, *hosts); !unmatched.empty()) {
    guards.push_back(
        closed(fmt::format("the file does not name {}, to which the MX records lead; senders {}",
                           EscapeForTerminal(Join(unmatched, ", ")),
                           enforce ? "would not deliver there" : "will report a failure"),
               {{"hosts", Join(unmatched, " ")}}));
  } else {
    guards.push_back(
        Pass(guard_code::kMtaStsMx, fmt::format("the file names all {} MX hosts", hosts->size())));
  }
  if (enforce && wanted.rollout_id.empty()) {
    guards.push_back(Refuse(
        guard_code::kMtaStsMode,
        fmt::format("mode enforce makes senders keep back mail for MX hosts without valid TLS; "
                    "that each has it, and that reports say so, only a rollout asks: dmarcate "
                    "mta-sts start {}",
                    domain.text())));
  } else if (enforce) {
    guards.push_back(Pass(guard_code::kMtaStsMode, "mode enforce is a step of a rollout",
                          {{"rollout", wanted.rollout_id}}));
  }
  return guards;
}

std::vector<GuardRecord> GuardStsRecord(const std::vector<std::string>& before,
                                        const std::vector<std::string>& after,
                                        const std::optional<StsAnnouncement>& wanted,
                                        DmarcDirection direction) {
  const LiveStsRecord was = FindStsRecord(before);
  const LiveStsRecord is = FindStsRecord(after);
  if (was.records > 1) return {TooMany(static_cast<size_t>(was.records))};
  if (is.records > 1) return {TooMany(static_cast<size_t>(is.records))};
  if (direction == DmarcDirection::kRollback) {
    return {Warn(guard_code::kMtaStsRecord,
                 "the record of before comes back; it does not bring back the file, and senders "
                 "keep what they have in their caches")};
  }
  const auto otherwise = [](std::string_view why) {
    return std::vector<GuardRecord>{Refuse(guard_code::kMtaStsRecord, std::string(why))};
  };
  if (!wanted.has_value()) return otherwise("this change is not about MTA-STS");
  if (wanted->file.empty()) {
    return is.none() ? std::vector<GuardRecord>{Pass(guard_code::kMtaStsRecord, "no record")}
                     : otherwise("a record would stay");
  }
  const bool fits = wanted->id.empty() ? IsStsIdOf(wanted->file, is.id) : is.id == wanted->id;
  if (is.none() || !fits) return otherwise("the record would not be the one of the file");
  return {
      Pass(guard_code::kMtaStsRecord, fmt::format("one record, id {}", is.id), {{"id", is.id}})};
}

absl::StatusOr<LiveStsRecord> StsRecordBefore(const ChangeRecord& change) {
  for (const RecordChangeRecord& record : change.record_changes) {
    const absl::StatusOr<DomainName> owner = DomainName::Parse(record.owner_name);
    if (!owner.ok() || RoleOf(*owner) != RecordRole::kMtaSts) continue;
    DMARCATE_ASSIGN_OR_RETURN(const std::vector<TxtRecord> before,
                              FromPresentations(record.before));
    return FindStsRecord(TextsOf(before));
  }
  return MakeError(absl::StatusCode::kNotFound,
                   fmt::format("change {} writes no MTA-STS record", change.id));
}

}  // namespace dmarcate
