#include "cli/next_steps.h"

#include <algorithm>
#include <map>
#include <utility>

#include "fmt/format.h"

#include "lib/base/text.h"

namespace dmarcate::cli {

std::vector<std::string> NextSteps(std::string_view reason) {
  static const std::map<std::string, std::vector<std::string>, std::less<>> kSteps = {
      {"SOURCE_EVIDENCE_CHANGED", {"look again: dmarcate sources explain SOURCE --domain DOMAIN"}},
      {"STALE_PLAN", {"plan anew: dmarcate changes plan DOMAIN"}},
      {"PLAN_EXPIRED", {"plan anew: dmarcate changes plan DOMAIN"}},
      {"CHANGE_STATE",
       {"see where it stands: dmarcate changes show CHANGE",
        "plan anew: dmarcate changes plan DOMAIN"}},
      {"PROVIDER_CREDENTIAL",
       {"put the credential right and test it: dmarcate providers test PROVIDER"}},
      {"PROVIDER_UNAVAILABLE",
       {"see whether it answers: dmarcate providers test PROVIDER, and try again"}},
      {"ZONE_NOT_BOUND",
       {"see which zones the account shows: dmarcate providers test PROVIDER",
        "name another account: dmarcate domains update DOMAIN --provider PROVIDER"}},
      {"VERIFY_TIMEOUT", {"see which server is behind: dmarcate records show DOMAIN"}},
      {"PLAN_DIGEST_MISMATCH", {"look again: dmarcate changes show CHANGE"}},
      {"ETAG_MISMATCH", {"somebody else changed it; read it again and repeat"}},
      {"CHANGE_IN_PROGRESS", {"wait for the running change: dmarcate changes list DOMAIN"}},
      {"GUARD_REFUSED", {"see the guards: dmarcate changes show CHANGE"}},
      {"NOT_RELEASABLE", {"look at it: dmarcate reports quarantine show MESSAGE"}},
      {"ROLLBACK_BLOCKED", {"see what is live: dmarcate records show DOMAIN"}},
      {"NO_PROVIDER",
       {"dmarcate providers add NAME ..., then dmarcate domains update DOMAIN --provider NAME"}},
      {"DNS_UNAVAILABLE", {"see who does not answer: dmarcate records show DOMAIN"}},
      {"REPORT_DOMAIN_MISSING",
       {"set reports.address_domain and snapshot.file in policyd.toml, and snapshot.file in "
        "ingestd.toml; docs/operating.md, Report addresses, says what else"}},
      {"REPORT_ADDRESS_LIMIT",
       {"see them: dmarcate domains address list DOMAIN",
        "revoke one: dmarcate domains address revoke DOMAIN ADDRESS"}},
      {"GATE_UNMET",
       {"see each gate: dmarcate rollout explain DOMAIN; of MTA-STS: dmarcate mta-sts explain "
        "DOMAIN"}},
      {"ROLLOUT_STATE",
       {"see where it stands: dmarcate rollout show DOMAIN; of MTA-STS: dmarcate mta-sts show "
        "DOMAIN"}},
      {"ROLLOUT_ACTIVE",
       {"see it: dmarcate rollout show DOMAIN; of MTA-STS: dmarcate mta-sts show DOMAIN"}},
      {"SHUTTING_DOWN", {"try again in a moment"}},
      {"STARTING", {"try again in a moment"}},
  };
  const auto found = kSteps.find(reason);
  return found == kSteps.end() ? std::vector<std::string>() : found->second;
}

bool IsPlainWord(std::string_view text) {
  return !text.empty() && text.find_first_not_of(
                              "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVW"
                              "XYZ0123456789._-/") == std::string_view::npos;
}

std::string WithNames(std::string step, std::string_view resource) {
  const auto parts = Split(resource, '/');
  if (parts.size() < 2 || !IsPlainWord(resource)) return step;
  std::vector<std::pair<std::string_view, std::string_view>> words;
  if (parts[0] == "dnsProviders") words.emplace_back("PROVIDER", parts[1]);
  if (parts[0] == "domains" && parts[1] != "-") words.emplace_back("DOMAIN", parts[1]);
  if (parts.size() == 4 && parts[2] == "changes") words.emplace_back("CHANGE", resource);
  if (parts.size() == 4 && parts[2] == "sources") words.emplace_back("SOURCE", parts[3]);
  for (const auto& [word, name] : words) {
    const size_t at = step.find(word);
    if (at != std::string::npos) step.replace(at, word.size(), name);
  }
  return step;
}

std::vector<std::string> WhereListed(std::string_view resource) {
  const auto parts = Split(resource, '/');
  if (parts[0] == "quarantinedMessages") return {"list them: dmarcate reports quarantine list"};
  if (parts[0] == "dnsProviders") return {"list them: dmarcate providers list"};
  if (parts[0] == "fleetChanges") return {"list them: dmarcate fleet list"};
  if (parts[0] == "alertChannels") return {"list them: dmarcate alerts channels list"};
  if (parts[0] == "mailServices") {
    return {
        "list them: dmarcate catalogue list",
        "put an entry of your own in the place of a shipped one: dmarcate catalogue add SERVICE"};
  }
  if (parts[0] == "reporters") return {"list them: dmarcate reports reporters"};
  if (parts[0] != "domains" || parts.size() < 2) return {};
  const std::string domain = EscapeForTerminal(parts[1]);
  if (parts.size() == 2) {
    return {fmt::format("put it under management: dmarcate domains add {}", domain),
            "list those that are: dmarcate domains list"};
  }
  static const std::map<std::string, std::string, std::less<>> kCommands = {
      {"sources", "sources list"},
      {"changes", "changes list"},
      {"insights", "insights list"},
      {"rollouts", "rollout list"},
      {"aggregateReports", "reports list"},
      {"failureReports", "reports failures"},
      {"tlsReports", "tls list"}};
  const auto command = kCommands.find(parts[2]);
  if (command == kCommands.end()) return {};
  return {fmt::format("list them: dmarcate {} {}", command->second, domain)};
}

std::string WithFlag(const std::string& message) {
  static const std::map<std::string, std::string, std::less<>> kFlags = {
      {"parent", "DOMAIN"},
      {"domain_id", "DOMAIN"},
      {"address", "ADDRESS"},
      {"domain", "--domain"},
      {"source_address", "--address"},
      {"mail_service_id", "SERVICE"},
      {"mail_service.display_name", "--name"},
      {"mail_service.kind", "--kind"},
      {"page_size", "--limit"},
      {"page_token", "--page-token"},
      {"date_range", "--from, --to"},
      {"domain.report_mailbox", "--report-mailbox"},
      {"domain.delegation_zone", "--delegate-to"},
      {"domain.dns_provider", "--provider"},
      {"dns_provider_id", "NAME"},
      {"dns_provider.powerdns.api_url", "--api-url"},
      {"dns_provider.powerdns.server_id", "--server-id"},
      {"dns_provider.powerdns.secret", "--secret"},
      {"dns_provider: api_url", "--api-url"},
      {"dns_provider: server_id", "--server-id"},
      {"dns_provider: server", "--address"},
      {"dns_provider: key_name", "--key-name"},
      {"dns_provider: algorithm", "--algorithm"},
      {"dns_provider: program", "--program"},
      {"dns_provider.rfc2136.server", "--address"},
      {"dns_provider.rfc2136.key_name", "--key-name"},
      {"dns_provider.rfc2136.algorithm", "--algorithm"},
      {"dns_provider.rfc2136.zones", "--zone"},
      {"dns_provider.rfc2136.secret", "--secret"},
      {"dns_provider.hosted.type", "--type"},
      {"dns_provider.hosted.settings", "--set"},
      {"dns_provider.exec.program", "--program"},
      {"dns_provider.manual.zones", "--zone"},
      {"secret", "--secret"},
      {"authorization", "--spf-include, --spf-addresses, --dkim-only or --already-authorized"},
      {"intent.repair", "--repair"},
      {"intent.repair_keep", "--keep"},
      {"alert_channel_id", "CHANNEL"},
      {"alert_channel.webhook.url", "--webhook"},
      {"alert_channel.webhook.secret", "--secret"},
      {"alert_channel.mail.recipients", "--mail"},
      {"alert_channel.min_severity", "--min-severity"},
      {"alert_channel.domains", "--domain"},
      {"alert_channel.codes", "--code"},
      {"sources", "SOURCE"},
      {"ranges", "--range"},
      {"split_id", "--as"},
      {"accepted_loss", "--accept-loss"},
      {"accepted_bound", "--accept-bound"},
      {"format", "--format"},
      {"delay", "--in"}};
  size_t colon = std::min(message.find(": "), message.size());
  if (message.starts_with("dns_provider: ")) {
    const size_t next = std::min(message.find(": ", colon + 2), message.size());
    if (kFlags.contains(std::string_view(message).substr(0, next))) colon = next;
  }
  const auto flag = kFlags.find(std::string_view(message).substr(0, colon));
  return flag == kFlags.end() ? message : flag->second + message.substr(colon);
}

}  // namespace dmarcate::cli
