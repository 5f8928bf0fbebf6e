#include "policyd/plan/dmarc_plan.h"

#include <algorithm>
#include <utility>

#include "lib/base/status_macros.h"
#include "lib/mailauth/dmarc_near.h"
#include "policyd/plan/guard.h"

namespace dmarcate {
namespace {

// The old grammar asks for the semicolon (reference/dmarc.md section 6).
constexpr std::string_view kAuthorizationText = "v=DMARC1;";

bool IsUnreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

// What RFC 6068 lets stand in the local part, less what a DMARC URI list reserves.
std::string PercentEncode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (IsUnreserved(c) || c == '+' || c == '$' || c == '\'' || c == '*') {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

// RFC 1123 section 2.1. A DNS name may hold any octet; in a record, where a URI stands unescaped, a
// comma or an exclamation mark in it would begin another address or a size.
bool IsHostName(const DomainName& name) {
  return std::ranges::all_of(name.labels(), [](std::string_view label) {
    return !label.starts_with('-') && !label.ends_with('-') &&
           std::ranges::all_of(label, [](char c) {
             return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
           });
  });
}

struct Mailbox {
  std::string local_part;
  DomainName host;
};

absl::StatusOr<Mailbox> ParseMailbox(std::string_view mailbox) {
  const size_t at = mailbox.rfind('@');
  const auto refuse = [&](std::string_view why) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     fmt::format("report mailbox \"{}\": {}", EscapeForTerminal(mailbox), why));
  };
  if (at == std::string_view::npos || at == 0) return refuse("local-part@host is wanted");
  const std::string_view local_part = mailbox.substr(0, at);
  if (local_part.size() > 64) return refuse("the local part is over 64 octets");
  const bool plain = std::ranges::all_of(
      local_part, [](char c) { return c > 0x20 && c < 0x7f && c != '"' && c != '@' && c != '\\'; });
  if (!plain) return refuse("only printable ASCII without quotes, blanks and backslashes");
  const absl::StatusOr<DomainName> host = DomainName::Parse(mailbox.substr(at + 1));
  if (!host.ok()) return refuse(MessageOf(host.status()));
  if (host->label_count() < 2) return refuse("the host is no domain name");
  if (!IsHostName(*host)) return refuse("a host has letters, digits and hyphens only");
  return Mailbox{std::string(local_part), *host};
}

bool Lists(const DmarcRecord& record, const Mailbox& mailbox) {
  for (const DmarcStandard standard : {DmarcStandard::kRfc9989, DmarcStandard::kRfc7489}) {
    const std::vector<DmarcUri>& uris = record.Verdict(standard).rua;
    const bool found = std::ranges::any_of(uris, [&](const DmarcUri& uri) {
      return uri.scheme == "mailto" &&
             EqualsIgnoreCase(uri.mailbox,
                              fmt::format("{}@{}", mailbox.local_part, mailbox.host.text()));
    });
    if (!found) return false;
  }
  return true;
}

std::vector<TermChangeRecord> DiffTags(const DmarcRecord* before, const DmarcRecord& after) {
  std::vector<TermChangeRecord> changes;
  for (const DmarcTag& tag : after.tags()) {
    const DmarcTag* old = before == nullptr ? nullptr : before->Find(tag.name);
    TermChangeRecord change;
    change.term = EscapeForTerminal(TrimAscii(tag.text));
    if (old == nullptr) {
      change.action = TermAction::kAdd;
    } else if (old->text != tag.text) {
      change.action = TermAction::kModify;
      change.before = EscapeForTerminal(TrimAscii(old->text));
    }
    changes.push_back(std::move(change));
  }
  return changes;
}

GuardRecord RefuseInherited(const DomainName& domain, const InheritedDmarc& inherited) {
  return Refuse(
      guard_code::kDmarcPolicyChanged,
      fmt::format(
          "{} inherits p={} from {}; a record of its own with p=none would weaken it. Add the "
          "report address to the record of {}",
          domain.text(), ToString(inherited.policy), inherited.policy_domain.text(),
          inherited.policy_domain.text()),
      {{"policy_domain", inherited.policy_domain.text()},
       {"policy", std::string(ToString(inherited.policy))}});
}

// Who published it believes that the domain has this policy: p=none beside it would be news to
// them.
std::optional<GuardRecord> RefuseNearMiss(const DomainName& domain,
                                          const std::vector<std::string>& live) {
  for (const std::string& text : live) {
    const std::optional<DmarcNearMiss> near = FindDmarcNearMiss(text);
    if (!near.has_value()) continue;
    return Refuse(guard_code::kRecordSyntax,
                  fmt::format("_dmarc.{} holds \"{}\", which no receiver takes for a DMARC record: "
                              "{}; repair it first (changes plan {} --repair dmarc)",
                              domain.text(), EscapeForTerminal(text), near->why, domain.text()),
                  {{"record", EscapeForTerminal(text)}});
  }
  return std::nullopt;
}

}  // namespace

absl::StatusOr<std::string> MailtoUri(std::string_view mailbox) {
  DMARCATE_ASSIGN_OR_RETURN(const Mailbox parsed, ParseMailbox(mailbox));
  return fmt::format("mailto:{}@{}", PercentEncode(parsed.local_part), parsed.host.text());
}

absl::StatusOr<DomainName> HostOfMailbox(std::string_view mailbox) {
  DMARCATE_ASSIGN_OR_RETURN(Mailbox parsed, ParseMailbox(mailbox));
  return std::move(parsed.host);
}

absl::StatusOr<DmarcPlan> PlanDmarcRua(const DomainName& domain,
                                       const std::vector<std::string>& live,
                                       std::string_view mailbox,
                                       const std::optional<InheritedDmarc>& inherited) {
  DMARCATE_ASSIGN_OR_RETURN(const Mailbox parsed, ParseMailbox(mailbox));
  DMARCATE_ASSIGN_OR_RETURN(const std::string uri, MailtoUri(mailbox));
  DmarcPlan plan;
  const DmarcSelection selection = SelectDmarc(live);
  if (selection.outcome == DmarcSelection::Outcome::kMultiple) {
    plan.guards.push_back(
        Refuse(guard_code::kDmarcMultiple,
               fmt::format("_dmarc.{} has {} DMARC records; receivers ignore them all, and which "
                           "one is meant is for a person to say (changes plan {} --repair dmarc)",
                           domain.text(), selection.indexes.size(), domain.text()),
               {{"records", std::to_string(selection.indexes.size())}}));
    return plan;
  }
  if (selection.outcome == DmarcSelection::Outcome::kNone) {
    if (inherited.has_value() && inherited->policy != DmarcPolicy::kNone) {
      plan.guards.push_back(RefuseInherited(domain, *inherited));
      return plan;
    }
    if (std::optional<GuardRecord> near = RefuseNearMiss(domain, live)) {
      plan.guards.push_back(*std::move(near));
      return plan;
    }
    DMARCATE_ASSIGN_OR_RETURN(const DmarcRecord created,
                              ParseDmarc(fmt::format("v=DMARC1; p=none; rua={}", uri)));
    // Read as receivers read it, it must say what was meant.
    if (!Lists(created, parsed)) {
      return MakeError(
          absl::StatusCode::kInvalidArgument,
          fmt::format("report mailbox \"{}\": a record cannot say it", EscapeForTerminal(mailbox)));
    }
    plan.after = created.Render();
    plan.tag_changes = DiffTags(nullptr, created);
    return plan;
  }

  plan.before = plan.after = live[selection.indexes.front()];
  const auto refuse_syntax = [&](const absl::Status& why) {
    plan.guards.push_back(Refuse(
        guard_code::kRecordSyntax,
        fmt::format("the DMARC record of {} cannot be edited: {}", domain.text(), MessageOf(why))));
    return plan;
  };
  const absl::StatusOr<DmarcRecord> record = ParseDmarc(plan.before);
  if (!record.ok()) return refuse_syntax(record.status());
  if (Lists(*record, parsed)) {
    plan.tag_changes = DiffTags(&*record, *record);
    return plan;
  }
  const absl::StatusOr<DmarcRecord> edited = record->WithRua({uri});
  if (!edited.ok()) return refuse_syntax(edited.status());
  plan.after = edited->Render();
  plan.tag_changes = DiffTags(&*record, *edited);
  return plan;
}

absl::StatusOr<DomainName> AuthorizationOwner(const DomainName& domain, const DomainName& host) {
  return host.Child(fmt::format("{}._report._dmarc", domain.text()));
}

AuthorizationPlan PlanReportAuthorization(const DomainName& domain, const ReportHostFacts& facts) {
  AuthorizationPlan plan;
  if (!facts.needed) return plan;
  if (facts.authorized) {
    plan.guards.push_back(
        Pass(guard_code::kDmarcRuaUnauthorized,
             fmt::format("{} wants reports about {}", facts.host.text(), domain.text())));
    return plan;
  }
  const absl::StatusOr<DomainName> owner = AuthorizationOwner(domain, facts.host);
  if (!owner.ok()) {
    plan.guards.push_back(
        Warn(guard_code::kDmarcRuaUnauthorized,
             fmt::format("{} cannot authorize reports about {}: {}", facts.host.text(),
                         domain.text(), MessageOf(owner.status()))));
    return plan;
  }
  if (!facts.ours.has_value()) {
    plan.guards.push_back(Warn(
        guard_code::kDmarcRuaUnauthorized,
        fmt::format("receivers send no report about {} to {} until its zone has: {} TXT \"{}\"",
                    domain.text(), facts.host.text(), owner->text(), kAuthorizationText),
        {{"owner", owner->text()}, {"text", std::string(kAuthorizationText)}}));
    return plan;
  }
  plan.change = ReplaceText(*facts.ours, "", kAuthorizationText);
  plan.change->term_changes.push_back(
      {TermAction::kAdd, std::string(kAuthorizationText), "", "", 0});
  plan.guards.push_back(
      Pass(guard_code::kDmarcRuaUnauthorized,
           fmt::format("{} will authorize reports about {}", facts.host.text(), domain.text())));
  return plan;
}

}  // namespace dmarcate
