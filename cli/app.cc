#include "cli/app.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <optional>

#include "absl/time/clock.h"
#include "fmt/format.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "nlohmann/json.hpp"
#include <CLI/CLI.hpp>
#include <grpcpp/grpcpp.h>

#include "lib/base/file.h"
#include "lib/base/ip_address.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"

namespace dmarcate::cli {
namespace {

constexpr size_t kTokenLimitBytes = 4096;
constexpr size_t kCertificatesLimitBytes = 1 << 20;

bool IsUnixSocket(std::string_view endpoint) { return endpoint.starts_with("unix:"); }

// A socket that this user may not connect to, or a folder on the way that he may not enter.
bool IsForbiddenSocket(std::string_view endpoint) {
  if (!IsUnixSocket(endpoint)) return false;
  const std::string path(endpoint.substr(std::string_view("unix:").size()));
  return access(path.c_str(), W_OK) != 0 && errno == EACCES;
}

// "127.0.0.1:8460", "[::1]:8460", "localhost:8460".
bool IsLoopback(std::string_view endpoint) {
  std::string_view host = endpoint.substr(0, endpoint.rfind(':'));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host == "localhost") return true;
  const auto address = IpAddress::Parse(host);
  if (!address) return false;
  return address->is_v4() ? address->v4() >> 24 == 127 : address->ToString() == "::1";
}

std::string FromEnvironment(const char* name, const std::string& fallback) {
  const char* value = std::getenv(name);
  return value == nullptr || *value == '\0' ? fallback : std::string(value);
}

std::optional<Format> FormatNamed(std::string_view name) {
  static const std::map<std::string, Format> kFormats = {
      {"table", Format::kTable}, {"wide", Format::kWide}, {"json", Format::kJson},
      {"jsonl", Format::kJsonl}, {"yaml", Format::kYaml}, {"csv", Format::kCsv},
      {"name", Format::kName}};
  const auto found = kFormats.find(AsciiLower(name));
  if (found == kFormats.end()) return std::nullopt;
  return found->second;
}

int ExitCodeOf(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::OK:
      return kDone;
    case grpc::StatusCode::CANCELLED:
      return kInterrupted;
    case grpc::StatusCode::INVALID_ARGUMENT:
    case grpc::StatusCode::OUT_OF_RANGE:
    case grpc::StatusCode::UNIMPLEMENTED:
      return kUsage;
    case grpc::StatusCode::UNAUTHENTICATED:
    case grpc::StatusCode::PERMISSION_DENIED:
      return kNotAllowed;
    case grpc::StatusCode::NOT_FOUND:
      return kNotFound;
    case grpc::StatusCode::FAILED_PRECONDITION:
      return kRefused;
    case grpc::StatusCode::ABORTED:
    case grpc::StatusCode::ALREADY_EXISTS:
      return kChangedUnderneath;
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return kUnavailable;
    default:
      return kFailed;
  }
}

// What the status says for programs; empty: nothing.
google::rpc::ErrorInfo InfoOf(const grpc::Status& status) {
  google::rpc::Status rich;
  google::rpc::ErrorInfo info;
  if (!rich.ParseFromString(status.error_details())) return info;
  for (const auto& detail : rich.details()) detail.UnpackTo(&info);
  return info;
}

// The next thing to do, by reason: the line on which the eye rests.
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
      {"GATE_UNMET", {"see each gate: dmarcate rollout explain DOMAIN"}},
      {"ROLLOUT_STATE", {"see where it stands: dmarcate rollout show DOMAIN"}},
      {"ROLLOUT_ACTIVE", {"see it: dmarcate rollout show DOMAIN"}},
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

// A next step with the words DOMAIN, CHANGE and SOURCE as the names that `resource` has, so that it
// can be typed as it is. What is not known, or would have to be quoted, stays a word to fill in.
std::string WithNames(std::string step, std::string_view resource) {
  const auto parts = Split(resource, '/');
  if (parts.size() < 2 || parts[0] != "domains" || !IsPlainWord(resource)) return step;
  std::vector<std::pair<std::string_view, std::string_view>> words;
  if (parts[1] != "-") words.emplace_back("DOMAIN", parts[1]);
  if (parts.size() == 4 && parts[2] == "changes") words.emplace_back("CHANGE", resource);
  if (parts.size() == 4 && parts[2] == "sources") words.emplace_back("SOURCE", parts[3]);
  for (const auto& [word, name] : words) {
    const size_t at = step.find(word);
    if (at != std::string::npos) step.replace(at, word.size(), name);
  }
  return step;
}

// Where a resource that was not found would be listed.
std::vector<std::string> WhereListed(std::string_view resource) {
  const auto parts = Split(resource, '/');
  if (parts[0] == "quarantinedMessages") return {"list them: dmarcate reports quarantine list"};
  if (parts[0] == "dnsProviders") return {"list them: dmarcate providers list"};
  if (parts[0] == "fleetChanges") return {"list them: dmarcate fleet list"};
  if (parts[0] == "alertChannels") return {"list them: dmarcate alerts channels list"};
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

// Fields of the API's messages as the command line names them. A message that begins with one is
// told with the other.
std::string WithFlag(const std::string& message) {
  static const std::map<std::string, std::string, std::less<>> kFlags = {
      {"parent", "DOMAIN"},
      {"domain_id", "DOMAIN"},
      {"address", "ADDRESS"},
      {"domain", "--domain"},
      {"source_address", "--address"},
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

}  // namespace

struct App::Options {
  std::string server = FromEnvironment("DMARCATE_SERVER", "unix:/run/dmarcate/policyd/socket");
  std::string ingest_server =
      FromEnvironment("DMARCATE_INGEST_SERVER", "unix:/run/dmarcate/ingestd/socket");
  std::string token_file = FromEnvironment("DMARCATE_TOKEN_FILE", "");
  std::string ingest_token_file = FromEnvironment("DMARCATE_INGEST_TOKEN_FILE", "");
  std::string ca_file = FromEnvironment("DMARCATE_CA_FILE", "");
  Format format = Format::kTable;
  bool yes = false;
};

App::App(CLI::App* root) : options_(std::make_unique<Options>()) {
  root->add_option("--server", options_->server,
                   "policyd: unix:PATH or HOST:PORT (DMARCATE_SERVER)")
      ->capture_default_str();
  root->add_option("--ingest-server", options_->ingest_server,
                   "ingestd: unix:PATH or HOST:PORT (DMARCATE_INGEST_SERVER)")
      ->capture_default_str();
  root->add_option("--token-file", options_->token_file,
                   "file with the bearer token for policyd (DMARCATE_TOKEN_FILE)");
  root->add_option("--ingest-token-file", options_->ingest_token_file,
                   "file with the bearer token for ingestd (DMARCATE_INGEST_TOKEN_FILE)");
  root->add_option(
      "--ca-file", options_->ca_file,
      "certificates to trust for TLS (DMARCATE_CA_FILE); without it TCP is loopback only");
  root->add_option_function<std::string>(
          "-o,--output",
          [this](const std::string& name) {
            const std::optional<Format> format = FormatNamed(name);
            if (!format) {
              throw CLI::ValidationError("--output",
                                         "want table, wide, json, jsonl, yaml, csv or name");
            }
            options_->format = *format;
          },
          "table, wide, json, jsonl, yaml, csv or name")
      ->type_name("FORMAT");
  root->add_flag("-y,--yes", options_->yes, "answer yes; never overrides a guard");
}

App::~App() = default;

Format App::format() const { return options_->format; }

void App::TakeFormat(const std::vector<std::string>& words) {
  for (size_t i = 0; i < words.size(); ++i) {
    std::string_view word = words[i];
    std::string_view name;
    if (word == "-o" || word == "--output") {
      if (i + 1 < words.size()) name = words[i + 1];
    } else if (word.starts_with("--output=")) {
      name = word.substr(word.find('=') + 1);
    } else if (word.starts_with("-o")) {
      name = word.substr(word.starts_with("-o=") ? 3 : 2);
    }
    options_->format = FormatNamed(name).value_or(options_->format);
  }
}

absl::Status App::CheckEndpoints() const {
  if (!options_->ca_file.empty()) {
    const auto pem = ReadFile(options_->ca_file, kCertificatesLimitBytes);
    return pem.ok() ? absl::OkStatus() : Annotate(pem.status(), "--ca-file");
  }
  for (const std::string& endpoint : {options_->server, options_->ingest_server}) {
    if (IsUnixSocket(endpoint) || IsLoopback(endpoint)) continue;
    return MakeError(
        absl::StatusCode::kInvalidArgument,
        fmt::format("{} is another host: name the certificates to trust with --ca-file; "
                    "without TLS the token would be readable on the way",
                    endpoint));
  }
  return absl::OkStatus();
}

std::shared_ptr<grpc::Channel> App::Connect(const std::string& endpoint) const {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(16 << 20);
  std::shared_ptr<grpc::ChannelCredentials> credentials = grpc::InsecureChannelCredentials();
  if (!options_->ca_file.empty() && !IsUnixSocket(endpoint)) {
    grpc::SslCredentialsOptions ssl;
    // CheckEndpoints() has read it; if it vanished since, nothing is trusted and the call fails.
    ssl.pem_root_certs = ReadFile(options_->ca_file, kCertificatesLimitBytes).value_or("none");
    credentials = grpc::SslCredentials(ssl);
  }
  return grpc::CreateCustomChannel(endpoint, credentials, arguments);
}

std::shared_ptr<grpc::Channel> App::policyd() {
  if (!policyd_) policyd_ = Connect(options_->server);
  return policyd_;
}

std::shared_ptr<grpc::Channel> App::ingestd() {
  if (!ingestd_) ingestd_ = Connect(options_->ingest_server);
  return ingestd_;
}

const std::string& App::EndpointAsked() const {
  return asked_ == Daemon::kPolicyd ? options_->server : options_->ingest_server;
}

void App::Prepare(grpc::ClientContext* context, Daemon daemon, absl::Duration timeout) {
  asked_ = daemon;
  context->set_deadline(absl::ToChronoTime(absl::Now() + timeout));
  const std::string& path =
      daemon == Daemon::kPolicyd ? options_->token_file : options_->ingest_token_file;
  if (path.empty()) return;
  const auto token = ReadFile(path, kTokenLimitBytes);
  if (!token.ok()) {
    Note(fmt::format("token not read: {}", MessageOf(token.status())));
    return;
  }
  context->AddMetadata("authorization", fmt::format("Bearer {}", TrimAscii(*token)));
}

int App::Fail(int exit_code, std::string_view reason, std::string_view what, std::string_view why,
              const std::vector<std::string>& next,
              const std::map<std::string, std::string>& details) const {
  FlushOut();  // in the order of the events, where both go to one place
  if (format() == Format::kJson || format() == Format::kJsonl) {
    const nlohmann::ordered_json object = {{"message_type", "exit_error"},
                                           {"code", exit_code},
                                           {"reason", reason},
                                           {"message", fmt::format("{}: {}", what, why)},
                                           {"metadata", details},
                                           {"help", next}};
    WriteErr(fmt::format(
        "{}\n", object.dump(-1, ' ', true, nlohmann::ordered_json::error_handler_t::replace)));
    return exit_code;
  }
  WriteErr(fmt::format("error: {}: {}\n", what, EscapeForTerminal(why)));
  for (const auto& [key, value] : details) {
    const auto lines = Split(value, '\n');
    if (lines.size() == 1) {
      WriteErr(fmt::format("  {}: {}\n", key, EscapeForTerminal(value)));
      continue;
    }
    WriteErr(fmt::format("  {}:\n", key));
    for (const std::string_view line : lines) {
      WriteErr(fmt::format("    {}\n", EscapeForTerminal(line)));
    }
  }
  Try(next);
  if (!reason.empty()) WriteErr(fmt::format("code: {}\n", reason));
  return exit_code;
}

std::vector<std::string> App::NextStepsOf(std::string_view reason) const {
  if (reason == "CHANGE_STATE" && about_.starts_with("fleetChanges/") && IsPlainWord(about_)) {
    return {fmt::format("see where it stands: dmarcate fleet show {}", about_)};
  }
  std::vector<std::string> next = NextSteps(reason);
  for (std::string& step : next) step = WithNames(std::move(step), about_);
  return next;
}

void App::Try(std::vector<std::string> next) const {
  for (std::string& step : next) step = WithNames(std::move(step), about_);
  for (size_t i = 0; i < next.size(); ++i) {
    WriteErr(fmt::format("{}{}\n", i == 0 ? "try:  " : "      ", next[i]));
  }
}

std::string App::ReasonOf(const grpc::Status& status) { return InfoOf(status).reason(); }

int App::Fail(std::string_view what, const grpc::Status& status) const {
  const google::rpc::ErrorInfo info = InfoOf(status);
  std::string reason = info.reason();
  std::map<std::string, std::string> details(info.metadata().begin(), info.metadata().end());
  std::vector<std::string> next = NextStepsOf(reason);
  if (reason == "RESOURCE_NOT_FOUND") {
    const auto resource = details.find("resource");
    next = WhereListed(resource != details.end() ? resource->second : about_);
  }
  if (reason == "NAME_MALFORMED" && next.empty()) {
    next = {"write a domain as example.com, and other names as the list commands print them"};
  }
  const bool policyd = asked_ == Daemon::kPolicyd;
  if (reason == "TOKEN_MISSING" || reason == "TOKEN_INVALID") {
    next = {fmt::format("name the file with your token: {}",
                        policyd ? "--token-file FILE or DMARCATE_TOKEN_FILE"
                                : "--ingest-token-file FILE or DMARCATE_INGEST_TOKEN_FILE")};
  }
  if (reason.empty() && status.error_code() == grpc::StatusCode::UNAVAILABLE) {
    const std::string& endpoint = EndpointAsked();
    if (IsForbiddenSocket(endpoint)) {
      return Fail(
          kNotAllowed, "SOCKET_FORBIDDEN", what, fmt::format("{}: permission denied", endpoint),
          {fmt::format("join the group of the folder that the socket is in, {}, and sign in "
                       "anew",
                       policyd ? "dmarcate by default" : "dmarcate-reports by default")});
    }
    reason = "SERVER_UNREACHABLE";
    next = {fmt::format("is {} running, and is this its address? {} {}",
                        policyd ? "policyd" : "ingestd", policyd ? "--server" : "--ingest-server",
                        endpoint)};
  }
  return Fail(ExitCodeOf(status.error_code()), reason, what, WithFlag(status.error_message()), next,
              details);
}

int App::Fail(std::string_view what, const absl::Status& status,
              const std::vector<std::string>& next) const {
  return Fail(ExitCodeOf(static_cast<grpc::StatusCode>(status.code())),
              absl::StatusCodeToString(status.code()), what, MessageOf(status), next);
}

int App::MissingDomain(std::string_view command, std::string_view id) const {
  return Fail(kUsage, "USAGE", command, fmt::format("'{}' is a short id and needs its domain", id),
              {fmt::format("dmarcate {} {} --domain DOMAIN", command, EscapeForTerminal(id))});
}

void App::Note(std::string_view text) const {
  FlushOut();
  WriteErr(EscapeForTerminal(text) + "\n");
}

bool App::Confirm(Confirmation level, std::string_view question) const {
  if (options_->yes) return true;
  if (!StderrIsTerminal() || isatty(STDIN_FILENO) != 1) {
    Fail(kFailed, "CONFIRMATION_REQUIRED", "nothing done",
         fmt::format("{} Nobody to ask", question),
         {"the same command with --yes, if the answer is yes"});
    return false;
  }
  WriteErr(
      fmt::format("{}{} [y/N] ", level == Confirmation::kSerious ? "careful: " : "", question));
  std::string answer;
  std::getline(std::cin, answer);
  if (answer == "y" || answer == "yes") return true;
  Note("nothing done");
  return false;
}

void App::OnSelected(CLI::App* command, std::function<int()> run) {
  command->callback([this, run = std::move(run)] { run_ = run; });
}

int App::Run() {
  if (const absl::Status status = CheckEndpoints(); !status.ok()) {
    return Fail("not connected", status);
  }
  const int exit_code = run_ ? run_() : kUsage;
  const absl::Status written = FinishOutput();
  if (written.ok()) return exit_code;
  if (absl::IsDataLoss(written)) {  // whatever was found, it was not told
    return Fail(kFailed, "OUTPUT_NOT_PRINTABLE", "the result was not printed", MessageOf(written),
                {"use -o table"});
  }
  Fail(kFailed, "OUTPUT_NOT_WRITTEN", "the result is not complete", MessageOf(written),
       {"make room where it goes to, or send it elsewhere"});
  return exit_code == kDone ? static_cast<int>(kFailed) : exit_code;
}

std::string DomainResource(std::string_view domain) {
  return domain.starts_with("domains/") ? std::string(domain) : fmt::format("domains/{}", domain);
}

std::string ChildResource(std::string_view id, std::string_view collection,
                          std::string_view domain) {
  if (id.starts_with("domains/")) return std::string(id);
  if (domain.empty()) return {};
  return fmt::format("{}/{}/{}", DomainResource(domain), collection, id);
}

std::string_view LastSegment(std::string_view name) {
  return name.substr(name.find_last_of('/') + 1);
}

}  // namespace dmarcate::cli
