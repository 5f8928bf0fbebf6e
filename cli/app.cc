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

#include "cli/next_steps.h"
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

std::string App::TakeExpected(Daemon daemon) {
  std::string what = std::exchange(expected_, "");
  if (!what.empty()) return what;
  return daemon == Daemon::kPolicyd ? "policyd has not answered yet"
                                    : "ingestd has not answered yet";
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
  // What keeps an account from being removed says itself what to do.
  if (reason == "GUARD_REFUSED" && about_.starts_with("dnsProviders/")) return {};
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

bool App::ConfirmName(std::string_view question, std::string_view name,
                      std::string_view given) const {
  if (given == name) return true;
  if (!given.empty()) {
    Fail(kFailed, "CONFIRMATION_REQUIRED", "nothing done",
         fmt::format("--confirm says {}, and this is {}", given, name));
    return false;
  }
  if (!StderrIsTerminal() || isatty(STDIN_FILENO) != 1) {
    Fail(kFailed, "CONFIRMATION_REQUIRED", "nothing done",
         fmt::format("{} Nobody to ask", question),
         {fmt::format("the same command with --confirm {}; --yes is not enough for this", name)});
    return false;
  }
  WriteErr(fmt::format("careful: {} Type {} to go on: ", question, name));
  std::string answer;
  std::getline(std::cin, answer);
  if (TrimAscii(answer) == name) return true;
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
