#include "tests/ingestd/daemon.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "fmt/format.h"
#include "grpcpp/create_channel.h"

#include "dmarcate/v1/intake.grpc.pb.h"
#include "lib/base/digest.h"
#include "lib/base/file.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"

namespace dmarcate::ingest_testing {
namespace {

constexpr size_t kChunkBytes = 64 << 10;

std::string BinaryPath(std::string_view program) {
  const char* directory = std::getenv("DMARCATE_BIN");
  return fmt::format("{}/{}", directory != nullptr ? directory : "build/bin", program);
}

bool Answers(const std::string& path) {
  const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

}  // namespace

Daemon::Daemon(Carriers carriers) : carriers_(carriers), port_(testing_support::FreePort()) {
  // A client without a call in progress looks after its connections every five seconds only, and so
  // keeps a server waiting that says goodbye. Read once, before gRPC's first use in this process.
  setenv("GRPC_CLIENT_CHANNEL_BACKUP_POLL_INTERVAL_MS", "50", 1);
}

absl::Status Daemon::Launch(const std::vector<std::string>& maildirs, const std::string& more) {
  std::string config = fmt::format(R"(
[listen]
socket = "{0}/run/socket"
tcp = "127.0.0.1:{1}"
insecure_loopback = true
token_file = "{0}/token"
[store]
directory = "{0}/reports"
import_watermark_percent = 100
watermark_percent = 100
)",
                                   directory_.path(), port_);
  for (const std::string& maildir : maildirs) {
    for (const char* part : {"new", "cur", "tmp"}) {
      std::filesystem::create_directories(directory_.File(maildir + "/" + part));
    }
    config += fmt::format("[[maildir]]\npath = \"{}\"\n", directory_.File(maildir));
  }
  config += fmt::format("[trust]\nverify = {}\n", carriers_ == Carriers::kVerified);
  directory_.Write("ingestd.toml", config + more);
  testing_support::ProcessOptions options;
  options.argv = {BinaryPath("ingestd"), "--config", directory_.File("ingestd.toml")};
  options.output_path = directory_.File("log");
  DMARCATE_ASSIGN_OR_RETURN(process_, testing_support::Process::Start(options));
  return absl::OkStatus();
}

absl::Status Daemon::Start(const std::vector<std::string>& maildirs, const std::string& more) {
  DMARCATE_RETURN_IF_ERROR(Launch(maildirs, more));
  if (!testing_support::WaitUntil([&] { return Answers(directory_.File("run/socket")); })) {
    return MakeError(absl::StatusCode::kUnavailable, "ingestd does not answer:\n" + log());
  }
  // A new channel each time: an old one waits seconds before it tries again.
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  channel_ = grpc::CreateCustomChannel("unix:" + directory_.File("run/socket"),
                                       grpc::InsecureChannelCredentials(), arguments);
  return absl::OkStatus();
}

std::shared_ptr<grpc::Channel> Daemon::tcp_channel() const {
  return grpc::CreateChannel(fmt::format("127.0.0.1:{}", port_),
                             grpc::InsecureChannelCredentials());
}

std::string Daemon::token() const {
  const auto text = ReadFile(directory_.File("token"), 1000);
  return text.ok() ? "Bearer " + std::string(TrimAscii(*text)) : "";
}

std::string Daemon::log() const { return ReadFile(directory_.File("log"), 64 << 20).value_or(""); }

int64_t Daemon::PeakKib() const {
  std::ifstream in(fmt::format("/proc/{}/status", process_->pid()));
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("VmHWM:")) return std::stoll(line.substr(6));
  }
  return -1;
}

void Daemon::ForgetPeak() const {
  std::ofstream(fmt::format("/proc/{}/clear_refs", process_->pid())) << "5";
}

absl::StatusOr<testing_support::CommandResult> Daemon::Cli(
    const std::vector<std::string>& arguments) const {
  std::vector<std::string> argv = {BinaryPath("dmarcate"), "--ingest-server",
                                   "unix:" + directory_.File("run/socket")};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return testing_support::RunCommand(std::move(argv), absl::Seconds(60));
}

absl::StatusOr<std::unique_ptr<RocksReportReader>> Daemon::Reader() const {
  DMARCATE_ASSIGN_OR_RETURN(
      auto reader, RocksReportReader::Follow(directory_.File("reports"),
                                             directory_.File("follower"), absl::Seconds(20)));
  DMARCATE_RETURN_IF_ERROR(reader->CatchUp());
  return reader;
}

grpc::Status Submit(const std::shared_ptr<grpc::Channel>& channel, const std::string& content,
                    v1::SubmitReportResponse* response) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(60)));
  v1::SubmitReportRequest request;
  request.set_content(content);
  return v1::IntakeService::NewStub(channel)->SubmitReport(&context, request, response);
}

grpc::Status Import(const std::shared_ptr<grpc::Channel>& channel,
                    const std::vector<ImportItem>& items,
                    const std::function<void(const v1::ItemResult&)>& on_result) {
  grpc::ClientContext context;
  const auto stub = v1::IntakeService::NewStub(channel);
  const auto stream = stub->ImportReports(&context);
  std::thread reader([&] {
    v1::ImportReportsResponse response;
    while (stream->Read(&response)) on_result(response.result());
  });
  const auto send = [&](const ImportItem& item, int64_t id) {
    v1::ImportReportsRequest request;
    request.mutable_start()->set_item_id(id);
    request.mutable_start()->set_file_name(item.name);
    request.mutable_start()->set_size_bytes(static_cast<int64_t>(item.content.size()));
    request.mutable_start()->set_sha256(Sha256(item.content));
    if (!stream->Write(request)) return false;
    for (size_t at = 0; at < item.content.size(); at += kChunkBytes) {
      request.set_chunk(item.content.substr(at, kChunkBytes));
      if (!stream->Write(request)) return false;
    }
    request.mutable_end();
    return stream->Write(request);
  };
  for (size_t i = 0; i < items.size(); ++i) {
    if (!send(items[i], static_cast<int64_t>(i))) break;
  }
  stream->WritesDone();
  reader.join();
  return stream->Finish();
}

std::string MakeReportXml(std::string_view domain, std::string_view report_id,
                          const std::vector<int>& counts) {
  std::string xml = fmt::format(
      "<?xml version=\"1.0\"?>\n<feedback><report_metadata><org_name>Reporter</org_name>"
      "<email>dmarc@reporter.test</email><report_id>{1}</report_id><date_range>"
      "<begin>1767225600</begin><end>1767311999</end></date_range></report_metadata>"
      "<policy_published><domain>{0}</domain><adkim>r</adkim><aspf>r</aspf><p>none</p><sp>none</sp>"
      "<pct>100</pct></policy_published>\n",
      domain, report_id);
  for (size_t i = 0; i < counts.size(); ++i) {
    xml += fmt::format(
        "<record><row><source_ip>192.0.2.{1}</source_ip><count>{2}</count><policy_evaluated>"
        "<disposition>none</disposition><dkim>pass</dkim><spf>fail</spf></policy_evaluated></row>"
        "<identifiers><header_from>{0}</header_from></identifiers><auth_results><dkim><domain>{0}"
        "</domain><selector>s1</selector><result>pass</result></dkim><spf><domain>{0}</domain>"
        "<result>fail</result></spf></auth_results></record>\n",
        domain, i % 250 + 1, counts[i]);
  }
  return xml + "</feedback>\n";
}

}  // namespace dmarcate::ingest_testing
