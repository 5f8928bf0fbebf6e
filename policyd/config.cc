#include "policyd/config.h"

#include <charconv>
#include <utility>

#include "lib/base/status_macros.h"
#include "lib/base/toml_config.h"
#include "lib/dns/config.h"
#include "lib/snapshot/report_address.h"

namespace dmarcate {
namespace {

constexpr absl::Duration kShortestWatchInterval = absl::Seconds(1);
// Well below the time for which servers that fall silent are still believed (kServersWord).
constexpr absl::Duration kLongestWatchInterval = absl::Hours(12);
constexpr absl::Duration kShortestProgram = absl::Seconds(1);
constexpr absl::Duration kLongestProgram = absl::Minutes(5);

std::string Directory(TomlConfig& file, std::string_view key, std::string_view fallback) {
  std::string path = file.String(key, fallback);
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  if (!path.starts_with('/')) file.Reject(key, "want an absolute path");
  return path;
}

// An absolute path and its arguments; empty if the key is not there.
std::vector<std::string> Command(TomlConfig& table) {
  std::vector<std::string> command = table.Strings("command", {});
  if (!command.empty() && !command.front().starts_with('/')) {
    table.Reject("command", "want [\"/absolute/path\", \"argument\", ...]; there is no shell");
  }
  return command;
}

std::string TableName(TomlConfig& table) {
  std::string name = table.String("name", "");
  if (!ValidateSecretName(name).ok()) {
    table.Reject("name",
                 "want 1 to 64 of letters, digits, '.', '_' and '-', not beginning with '.'");
  }
  return name;
}

SecretEntries ReadSecrets(TomlConfig& file) {
  SecretEntries out;
  for (TomlConfig* const table : file.Tables("secret")) {
    const std::string name = TableName(*table);
    SecretEntry entry;
    entry.command = Command(*table);
    entry.credential = table->String("credential", "");
    entry.uses = table->Strings("use", {});
    if (!entry.credential.empty() && !ValidateSecretName(entry.credential).ok()) {
      table->Reject("credential", "want the name of a credential, not a path");
    }
    if (!entry.credential.empty() && !entry.command.empty()) {
      table->Reject("command", "and credential: want one of the two");
    }
    if (!out.emplace(name, std::move(entry)).second) table->Reject("name", "is there twice");
  }
  return out;
}

std::string AbsolutePath(TomlConfig& file, std::string_view key, std::string_view fallback) {
  std::string path = file.String(key, fallback);
  if (!path.empty() && !path.starts_with('/')) file.Reject(key, "want an absolute path");
  return path;
}

std::vector<IpNetwork> Networks(TomlConfig& file, std::string_view key) {
  std::vector<IpNetwork> out;
  for (const std::string& text : file.Strings(key, {})) {
    if (const auto network = IpNetwork::Parse(text)) {
      out.push_back(*network);
    } else {
      file.Reject(key, fmt::format("'{}': want 10.1.0.0/16", text));
    }
  }
  return out;
}

ExecPrograms ReadPrograms(TomlConfig& file) {
  ExecPrograms out;
  for (TomlConfig* const table : file.Tables("program")) {
    const std::string name = TableName(*table);
    ExecProgram program;
    program.command = Command(*table);
    if (program.command.empty()) table->Reject("command", "want [\"/absolute/path\", ...]");
    program.time_limit = table->Duration("timeout", program.time_limit);
    if (program.time_limit < kShortestProgram || program.time_limit > kLongestProgram) {
      table->Reject("timeout", "want \"1s\" to \"5m\"");
    }
    if (!out.emplace(name, std::move(program)).second) table->Reject("name", "is there twice");
  }
  return out;
}

void ReadAlerts(TomlConfig& file, PolicydConfig* out) {
  out->notify.guard.allow = Networks(file, "alerts.allow_networks");
  out->alerts_ca_file = AbsolutePath(file, "alerts.ca_file", "");
  out->notify.syslog_socket = AbsolutePath(file, "alerts.syslog_socket", "/dev/log");
  const std::string digest = file.String("alerts.digest", "monday 07:00");
  if (!digest.empty()) {
    out->digest = ParseDigestTime(digest);
    if (!out->digest) file.Reject("alerts.digest", "want \"monday 07:00\" (UTC), or \"\" for none");
  }
  MailRelayConfig& relay = out->notify.relay;
  relay.url = file.String("alerts.mail.relay", "");
  relay.from = file.String("alerts.mail.from", "");
  relay.user = file.String("alerts.mail.user", "");
  relay.secret_name = file.String("alerts.mail.secret", "");
  relay.plain = file.Bool("alerts.mail.plain", false);
  relay.ca_file = AbsolutePath(file, "alerts.mail.ca_file", "");
  if (relay.url.empty()) return;
  if (const absl::Status valid = CheckMailRelay(relay); !valid.ok()) {
    file.Reject("alerts.mail", MessageOf(valid));
  }
}

void ReadHttp(TomlConfig& file, PolicydConfig* out) {
  out->mta_sts_directory = AbsolutePath(file, "http.mta_sts_directory", "");
  const std::string listen = file.String("http.listen", "");
  if (listen.empty()) {
    if (!out->mta_sts_directory.empty()) {
      file.Reject("http.listen", "needed with http.mta_sts_directory: where the files are served");
    }
    return;
  }
  const size_t colon = listen.rfind(':');
  std::string host = listen.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const auto address = IpAddress::Parse(host);
  uint16_t port = 0;
  const char* const end = listen.data() + listen.size();
  const char* const digits = colon == std::string::npos ? end : listen.data() + colon + 1;
  const auto [stop, error] = std::from_chars(digits, end, port);
  if (!address.has_value() || error != std::errc() || stop != end || port == 0) {
    file.Reject("http.listen",
                fmt::format("'{}': want \"127.0.0.1:8461\" or \"[::1]:8461\"", listen));
    return;
  }
  out->http = HttpEndpoint{*address, port};
}

absl::StatusOr<PolicydConfig> Read(TomlConfig file) {
  PolicydConfig out;
  out.listen = ReadListenConfig(file, {.unix_socket = "/run/dmarcate/policyd/socket",
                                       .token_file = "/var/lib/dmarcate/policyd/token"});
  out.store_directory = Directory(file, "store.directory", "/var/lib/dmarcate/policy");
  out.reports_directory = Directory(file, "reports.directory", "/var/lib/dmarcate/reports");
  out.secrets_directory = Directory(file, "secrets.directory", "/etc/dmarcate/secrets");
  out.secrets = ReadSecrets(file);
  out.programs = ReadPrograms(file);
  if (out.store_directory == out.reports_directory) {
    file.Reject("reports.directory", "is store.directory too; each database needs its own");
  }
  out.address_domain = file.String("reports.address_domain", "");
  if (!out.address_domain.empty()) {
    if (const auto host = ParseReportHost(out.address_domain); host.ok()) {
      out.address_domain = host->text();
    } else {
      file.Reject("reports.address_domain", MessageOf(host.status()));
    }
  }
  out.snapshot_file = file.String("snapshot.file", "");
  if (!out.snapshot_file.empty() && !out.snapshot_file.starts_with('/')) {
    file.Reject("snapshot.file", "want an absolute path");
  }
  if (!out.address_domain.empty() && out.snapshot_file.empty()) {
    file.Reject("snapshot.file", "needed with reports.address_domain: how ingestd learns of them");
  }
  out.public_suffix_file = file.String("public_suffix_file", "");
  out.catalogue_file = file.String("catalogue.file", "");
  if (!out.catalogue_file.empty() && !out.catalogue_file.starts_with('/')) {
    file.Reject("catalogue.file", "want an absolute path");
  }
  out.dns = LoadDnsConfig(file);
  out.watch_interval = file.Duration("watch.interval", absl::Hours(1));
  if (out.watch_interval != absl::ZeroDuration() &&
      (out.watch_interval < kShortestWatchInterval || out.watch_interval > kLongestWatchInterval)) {
    file.Reject("watch.interval", "want \"0s\" for never, or \"1s\" to \"12h\"");
  }
  out.watch_looks_per_second = static_cast<int>(file.Int("watch.looks_per_second", 10, 1, 1000));
  out.spf_follow = file.OneOf<SpfFollowMode>("spf.follow",
                                             {{"insight", SpfFollowMode::kInsight},
                                              {"plan", SpfFollowMode::kPlan},
                                              {"apply", SpfFollowMode::kApply}},
                                             SpfFollowMode::kPlan);
  out.source_lookups_per_second =
      static_cast<int>(file.Int("sources.lookups_per_second", 5, 0, 1000));
  out.inbound_networks = Networks(file, "inbound.allow_networks");
  ReadHttp(file, &out);
  ReadAlerts(file, &out);
  out.read_only = file.Bool("changes.read_only", false);
  out.drain_limit = file.Duration("shutdown.limit", absl::Seconds(20));
  out.log = ReadLogConfig(file);
  DMARCATE_RETURN_IF_ERROR(file.Finish());
  return out;
}

}  // namespace

absl::StatusOr<PolicydConfig> LoadPolicydConfig(const std::string& path) {
  DMARCATE_ASSIGN_OR_RETURN(TomlConfig file, TomlConfig::ParseFile(path));
  return Read(std::move(file));
}

absl::StatusOr<PolicydConfig> ParsePolicydConfig(std::string_view text, std::string_view origin) {
  DMARCATE_ASSIGN_OR_RETURN(TomlConfig file, TomlConfig::Parse(text, origin));
  return Read(std::move(file));
}

}  // namespace dmarcate
