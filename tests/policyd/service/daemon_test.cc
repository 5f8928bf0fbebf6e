// policyd as a process: it starts without ingestd's store, finds it when it comes, lets nobody in
// without credentials, and drains.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <optional>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/generic/generic_stub.h"
#include "gtest/gtest.h"

#include "dmarcate/v1/domain.grpc.pb.h"
#include "dmarcate/v1/report.grpc.pb.h"
#include "dmarcate/v1/source.grpc.pb.h"
#include "lib/base/digest.h"
#include "lib/base/file.h"
#include "lib/base/text.h"
#include "lib/rpc/errors.h"
#include "lib/store/rocks_report_store.h"
#include "tests/lib/rpc/method_probe.h"
#include "tests/policyd/analysis/rows.h"
#include "tests/testing/process.h"
#include "tests/testing/temp_dir.h"

namespace dmarcate {
namespace {

using testing::HasSubstr;
using testing_support::Process;
using testing_support::WaitUntil;

std::string Program() {
  const char* bin = std::getenv("DMARCATE_BIN");
  return fmt::format("{}/policyd", bin != nullptr ? bin : "build/bin");
}

bool Accepts(const std::string& path) {
  const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

class DaemonTest : public testing::Test {
 protected:
  // `listen`: more lines of that table.
  void Start(const std::string& listen = "") {
    const std::string config = fmt::format(R"(
[listen]
socket = "{0}/run/policyd.sock"
token_file = "{0}/token"
{1}
[store]
directory = "{0}/policy"
[reports]
directory = "{0}/reports"
[secrets]
directory = "{0}/secrets"
[dns]
resolvers = ["127.0.0.1:1"]
)",
                                           directory_.path(), listen);
    const std::string path = directory_.Write("policyd.toml", config);
    auto started = Process::Start(
        {.argv = {Program(), "--config", path}, .output_path = directory_.File("log")});
    ASSERT_TRUE(started.ok()) << started.status();
    process_.emplace(*std::move(started));
    // A channel that fails once tries again only seconds later.
    const std::string socket = directory_.File("run/policyd.sock");
    ASSERT_TRUE(WaitUntil([&] { return Accepts(socket); })) << Log();
    channel_ = grpc::CreateChannel("unix:" + socket, grpc::InsecureChannelCredentials());
    ASSERT_TRUE(WaitUntil([this] { return Health("") == 1; })) << Log();
  }
  std::string Log() { return ReadFile(directory_.File("log"), 1 << 20).value_or(""); }

  // grpc.health.v1: 1 SERVING, 2 NOT_SERVING, -1 no answer or unknown. The message is one string
  // in field 1, the answer one enum in field 1.
  int Health(const std::string& part) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(5));
    std::string bytes;
    if (!part.empty()) bytes = std::string("\x0a") + static_cast<char>(part.size()) + part;
    grpc::Slice slice(bytes);
    grpc::ByteBuffer request(&slice, 1), response;
    grpc::CompletionQueue queue;
    grpc::GenericStub stub(channel_);
    const auto call =
        stub.PrepareUnaryCall(&context, "/grpc.health.v1.Health/Check", request, &queue);
    grpc::Status status;
    call->StartCall();
    call->Finish(&response, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    if (!status.ok()) return -1;
    grpc::Slice answer;
    if (!response.DumpToSingleSlice(&answer).ok() || answer.size() != 2) return -1;
    return answer.begin()[1];
  }

  // One report of example.com, written as ingestd does.
  void WriteReports() {
    const auto writer = RocksReportWriter::Open(directory_.File("reports"));
    ASSERT_TRUE(writer.ok()) << writer.status();
    const std::string raw = "a report";
    CommitBatch accepting;
    accepting.accepted.push_back({{.raw_sha256 = Sha256(raw), .size_bytes = 8}, raw});
    const auto accepted = (*writer)->Commit(std::move(accepting), Sync::kYes);
    ASSERT_TRUE(accepted.ok()) << accepted.status();
    StoredReport report = analysis_testing::Report(DayOf(absl::Now()) - 1,
                                                   {analysis_testing::Row(7).Dkim("sendgrid.net")});
    report.key.receipt = accepted->accepted[0];
    report.document_sha256 = Sha256(raw);
    report.report.metadata.report_id = "1";
    report.reporter_key = "receiver.test";
    CommitBatch processing;
    processing.processed.push_back({.receipt = report.key.receipt});
    processing.processed[0].items.push_back({{.outcome = Outcome::kAccepted}, report});
    ASSERT_TRUE((*writer)->Commit(std::move(processing), Sync::kYes).ok());
  }

  testing_support::TempDir directory_;
  std::optional<Process> process_;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(DaemonTest, ServesBeforeIngestdHasRunAndFindsItsStore) {
  Start();
  EXPECT_EQ(Health("reports"), 2) << "NOT_SERVING";
  v1::CreateDomainRequest create;
  create.set_domain_id("example.com");
  v1::CreateDomainResponse created;
  grpc::ClientContext context;
  const grpc::Status status =
      v1::DomainService::NewStub(channel_)->CreateDomain(&context, create, &created);
  ASSERT_TRUE(status.ok()) << status.error_message();

  const auto list = [this](v1::ListSourcesResponse* response) {
    v1::ListSourcesRequest request;
    request.set_parent("domains/example.com");
    grpc::ClientContext list_context;
    return v1::SourceService::NewStub(channel_)->ListSources(&list_context, request, response);
  };
  v1::ListSourcesResponse response;
  EXPECT_EQ(ExtractError(list(&response)).reason, "STARTING");
  // Which is how it is at the first start, and nobody's fault.
  EXPECT_TRUE(
      WaitUntil([this] { return Log().find("reports_store_awaited") != std::string::npos; }));
  EXPECT_EQ(Log().find("level=warn"), std::string::npos) << Log();
  WriteReports();
  ASSERT_TRUE(WaitUntil([this] { return Health("reports") == 1; })) << Log();
  ASSERT_TRUE(WaitUntil([&] { return list(&response).ok() && response.sources_size() == 1; }))
      << Log();
  EXPECT_EQ(response.sources(0).name(), "domains/example.com/sources/sendgrid");
  EXPECT_EQ(response.total().message_count(), 7);

  v1::ListReportersResponse reporters;
  grpc::ClientContext reporters_context;
  const grpc::Status listed =
      v1::ReportService::NewStub(channel_)->ListReporters(&reporters_context, {}, &reporters);
  ASSERT_TRUE(listed.ok()) << listed.error_message();
  ASSERT_EQ(reporters.reporters_size(), 1);
  EXPECT_EQ(reporters.reporters(0).name(), "reporters/receiver.test");
  EXPECT_EQ(reporters.reporters(0).message_count(), 7);
  EXPECT_EQ(reporters.reporters(0).evaluation().compared_record_count(), 1);
}

TEST_F(DaemonTest, EveryMethodAsksForCredentials) {
  Start("trust_local_socket = false");
  EXPECT_GE(rpc_testing::ExpectEveryMethodAuthenticates(channel_), 25u);
  const auto token = ReadFile(directory_.File("token"), 4096);
  ASSERT_TRUE(token.ok());
  const grpc::Status status =
      rpc_testing::CallMethod(channel_, "/dmarcate.v1.DomainService/ListDomains",
                              fmt::format("Bearer {}", TrimAscii(*token)));
  EXPECT_TRUE(status.ok()) << status.error_message();
}

TEST_F(DaemonTest, TheTokenIsMadeOnceAndForItsOwnerOnly) {
  Start();
  struct stat info = {};
  ASSERT_EQ(stat(directory_.File("token").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  const auto first = ReadFile(directory_.File("token"), 4096);
  EXPECT_EQ(process_->Stop(), 0);
  Start();
  EXPECT_EQ(*ReadFile(directory_.File("token"), 4096), *first);
  EXPECT_EQ(Log().find(std::string(TrimAscii(*first))), std::string::npos);
}

TEST_F(DaemonTest, DrainsOnSigterm) {
  Start();
  process_->Signal(SIGTERM);
  const auto code = process_->Wait(absl::Seconds(15));  // the limit is 20, with calls running
  ASSERT_TRUE(code.ok()) << code.status();
  EXPECT_EQ(*code, 0) << Log();
  EXPECT_THAT(Log(), HasSubstr("event=stopping"));
}

TEST_F(DaemonTest, WhatWasDecidedSurvivesACrash) {
  Start();
  v1::CreateDomainRequest create;
  create.set_domain_id("example.com");
  v1::CreateDomainResponse created;
  grpc::ClientContext context;
  ASSERT_TRUE(v1::DomainService::NewStub(channel_)->CreateDomain(&context, create, &created).ok());
  process_->Kill();
  Start();
  v1::ListDomainsResponse response;
  grpc::ClientContext again;
  ASSERT_TRUE(v1::DomainService::NewStub(channel_)->ListDomains(&again, {}, &response).ok());
  EXPECT_EQ(response.domains_size(), 1);
}

TEST(DaemonConfig, CheckReadsAndEnds) {
  testing_support::TempDir directory;
  const std::string good = directory.Write("good.toml", "[log]\nlevel = \"info\"\n");
  const auto ok = testing_support::RunCommand({Program(), "--config", good, "--check"});
  ASSERT_TRUE(ok.ok()) << ok.status();
  EXPECT_EQ(ok->exit_code, 0) << ok->output;
  const std::string bad = directory.Write("bad.toml", "[lgo]\nlevel = \"info\"\n");
  const auto refused = testing_support::RunCommand({Program(), "--config", bad, "--check"});
  ASSERT_TRUE(refused.ok());
  EXPECT_EQ(refused->exit_code, 1);
  EXPECT_THAT(refused->output, HasSubstr("lgo"));
  directory.Write("open/x", "");
  ASSERT_EQ(chmod(directory.File("open").c_str(), 0755), 0);
  const std::string exposed = directory.Write(
      "exposed.toml", fmt::format("[listen]\nsocket = \"{0}/socket\"\n[secrets]\ndirectory = "
                                  "\"{0}/none\"\n",
                                  directory.File("open")));
  const auto told = testing_support::RunCommand({Program(), "--config", exposed, "--check"});
  ASSERT_TRUE(told.ok());
  EXPECT_EQ(told->exit_code, 1);
  EXPECT_THAT(told->output,
              testing::AllOf(HasSubstr("exposed.toml: listen.socket: socket directory"),
                             HasSubstr("note: "), HasSubstr("secrets.directory: ")));
}

}  // namespace
}  // namespace dmarcate
