#include "lib/rpc/server.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <future>
#include <latch>

#include "fmt/format.h"
#include "grpcpp/create_channel.h"
#include "gtest/gtest.h"

#include "dmarcate/v1/intake.grpc.pb.h"
#include "dmarcate/v1/report.grpc.pb.h"
#include "lib/base/file.h"
#include "lib/rpc/errors.h"
#include "lib/rpc/server_stream.h"
#include "lib/rpc/unary.h"
#include "tests/lib/rpc/method_probe.h"

namespace dmarcate {
namespace {

const std::string kToken = std::string(kTokenPrefix) + std::string(64, 'b');

// Answers with the caller's name; "wait" blocks until Release() or the deadline.
class EchoService final : public v1::IntakeService::CallbackService {
 public:
  explicit EchoService(const CallHost& host) : host_(host) {}
  grpc::ServerUnaryReactor* SubmitReport(grpc::CallbackServerContext* context,
                                         const v1::SubmitReportRequest* request,
                                         v1::SubmitReportResponse* response) override {
    return ServeUnary(host_, CallKind::kMutation, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        if (in.content() == "wait") {
                          started_.count_down();
                          released_.wait();
                        }
                        out->set_content_sha256(call.principal().name);
                        return grpc::Status::OK;
                      });
  }
  grpc::ServerUnaryReactor* ListQuarantinedMessages(
      grpc::CallbackServerContext* context, const v1::ListQuarantinedMessagesRequest* request,
      v1::ListQuarantinedMessagesResponse* response) override {
    return ServeUnary(host_, CallKind::kRead, context, request, response,
                      [](const Call&, const auto&, auto*) {
                        return ToRpcError(absl::NotFoundError("nothing here"));
                      });
  }
  void AwaitStarted() { started_.wait(); }
  void Release() { released_.count_down(); }

 private:
  const CallHost& host_;
  std::latch started_{1}, released_{1};
};

// Streams the letters a to z, for as long as anybody listens when `name` is "forever"; each of them
// in more bytes than gRPC buffers for a client that does not read when it is "flood".
class LetterService final : public v1::ReportService::CallbackService {
 public:
  explicit LetterService(const CallHost& host) : host_(host) {}
  grpc::ServerWriteReactor<v1::DownloadReportResponse>* DownloadReport(
      grpc::CallbackServerContext* context, const v1::DownloadReportRequest* request) override {
    return ServeStream<v1::DownloadReportRequest, v1::DownloadReportResponse>(
        host_, context, request, [](const Call&, const auto& in, auto& writer) {
          v1::DownloadReportResponse response;
          const bool flood = in.name() == "flood";
          for (int i = 0; i < 26 || flood || in.name() == "forever"; ++i) {
            response.set_chunk(
                std::string(flood ? size_t{1} << 20 : 1, static_cast<char>('a' + i % 26)));
            if (!writer.Write(response)) break;
          }
          return grpc::Status::OK;
        });
  }

 private:
  const CallHost& host_;
};

class ServerTest : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::remove_all(directory_);
    config_.unix_socket = directory_ + "/sock";
    config_.tcp = "127.0.0.1:0";
    config_.tcp_security = TcpSecurity::kInsecureLoopback;
    config_.token_file = directory_ + "/token";
  }
  void TearDown() override {
    server_.reset();
    std::filesystem::remove_all(directory_);
  }
  void Start() {
    auto server = GrpcServer::Start(config_, host_, {&echo_, &letters_});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  std::shared_ptr<grpc::Channel> Tcp() {
    return grpc::CreateChannel(fmt::format("127.0.0.1:{}", server_->port()),
                               grpc::InsecureChannelCredentials());
  }
  std::shared_ptr<grpc::Channel> Unix() {
    return grpc::CreateChannel("unix:" + config_.unix_socket, grpc::InsecureChannelCredentials());
  }
  static grpc::Status Submit(const std::shared_ptr<grpc::Channel>& channel,
                             const std::string& content, v1::SubmitReportResponse* response,
                             const std::string& token = kToken,
                             absl::Duration limit = absl::Seconds(20)) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + limit));
    if (!token.empty()) context.AddMetadata("authorization", "Bearer " + token);
    v1::SubmitReportRequest request;
    request.set_content(content);
    return v1::IntakeService::NewStub(channel)->SubmitReport(&context, request, response);
  }

  std::string directory_ = testing::TempDir() + "rpc_server_test";
  ListenConfig config_;
  Authenticator authenticator_{Secret(kToken), LocalSocketTrust::kDirectoryMode};
  WorkerPool workers_{2, 2};
  CallHost host_{authenticator_, workers_};
  EchoService echo_{host_};
  LetterService letters_{host_};
  std::unique_ptr<GrpcServer> server_;
};

TEST_F(ServerTest, EveryMethodAuthenticates) {
  // Methods that a service leaves out answer UNIMPLEMENTED and so are not asked here.
  Start();
  const std::vector<std::string> methods = rpc_testing::ListMethods(Tcp());
  ASSERT_GT(methods.size(), 3u);
  for (const std::string method :
       {"/dmarcate.v1.IntakeService/SubmitReport", "/dmarcate.v1.ReportService/DownloadReport"}) {
    EXPECT_NE(std::find(methods.begin(), methods.end(), method), methods.end());
    EXPECT_EQ(ExtractError(rpc_testing::CallMethod(Tcp(), method, "")).reason, "TOKEN_MISSING");
    EXPECT_TRUE(rpc_testing::CallMethod(Tcp(), method, "Bearer " + kToken).ok());
  }
}

TEST_F(ServerTest, TheUnixSocketNeedsNoTokenAndTcpDoes) {
  Start();
  v1::SubmitReportResponse response;
  ASSERT_TRUE(Submit(Unix(), "", &response, "").ok());
  EXPECT_EQ(response.content_sha256(), "local");
  ASSERT_TRUE(Submit(Tcp(), "", &response).ok());
  EXPECT_EQ(response.content_sha256(), "token/root");
  EXPECT_EQ(ExtractError(Submit(Tcp(), "", &response, "")).reason, "TOKEN_MISSING");
  struct stat info = {};
  ASSERT_EQ(stat(config_.unix_socket.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0660u);
}

TEST_F(ServerTest, ErrorsOfHandlersCarryAReason) {
  Start();
  grpc::ClientContext context;
  v1::ListQuarantinedMessagesResponse response;
  const grpc::Status status = v1::IntakeService::NewStub(Unix())->ListQuarantinedMessages(
      &context, v1::ListQuarantinedMessagesRequest(), &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(ExtractError(status).reason, "RESOURCE_NOT_FOUND");
}

TEST_F(ServerTest, AStreamDeliversEveryMessageInOrder) {
  Start();
  grpc::ClientContext context;
  const auto reader =
      v1::ReportService::NewStub(Unix())->DownloadReport(&context, v1::DownloadReportRequest());
  std::string got;
  v1::DownloadReportResponse response;
  while (reader->Read(&response)) got += response.chunk();
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(got, "abcdefghijklmnopqrstuvwxyz");
}

TEST_F(ServerTest, AStreamEndsWhenTheDaemonDrains) {
  Start();
  grpc::ClientContext context;
  v1::DownloadReportRequest request;
  request.set_name("forever");
  const auto reader = v1::ReportService::NewStub(Unix())->DownloadReport(&context, request);
  v1::DownloadReportResponse response;
  ASSERT_TRUE(reader->Read(&response));
  auto drained = std::async(std::launch::async, [this] { server_->Drain(absl::Seconds(20)); });
  while (reader->Read(&response)) {
  }
  EXPECT_EQ(ExtractError(reader->Finish()).reason, "SHUTTING_DOWN");
  EXPECT_EQ(drained.wait_for(std::chrono::seconds(15)), std::future_status::ready);
}

TEST_F(ServerTest, AClientThatDoesNotReadIsLeftAtTheDeadline) {
  CallHost host(authenticator_, workers_, absl::Milliseconds(500));
  LetterService letters(host);
  config_.tcp.clear();
  const auto server = GrpcServer::Start(config_, host, {&letters});
  ASSERT_TRUE(server.ok()) << server.status();
  grpc::ClientContext context;
  v1::DownloadReportRequest request;
  request.set_name("flood");
  const auto reader = v1::ReportService::NewStub(Unix())->DownloadReport(&context, request);
  v1::DownloadReportResponse response;
  ASSERT_TRUE(reader->Read(&response));  // the handler runs
  EXPECT_TRUE(host.AwaitIdle(absl::Seconds(20))) << "the worker is still held";
  while (reader->Read(&response)) {
  }
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(ServerTest, AStreamThatReachesTheLimitIsNoWholeOne) {
  CallHost host(authenticator_, workers_, absl::Milliseconds(200));
  LetterService letters(host);
  config_.tcp.clear();
  const auto server = GrpcServer::Start(config_, host, {&letters});
  ASSERT_TRUE(server.ok()) << server.status();
  grpc::ClientContext context;
  v1::DownloadReportRequest request;
  request.set_name("forever");
  const auto reader = v1::ReportService::NewStub(Unix())->DownloadReport(&context, request);
  v1::DownloadReportResponse response;
  while (reader->Read(&response)) {  // a client that takes all it gets
  }
  const grpc::StatusCode code = reader->Finish().error_code();
  // Cancelled if a message was on its way when the time was up.
  EXPECT_TRUE(code == grpc::StatusCode::DEADLINE_EXCEEDED || code == grpc::StatusCode::CANCELLED)
      << code;
}

TEST_F(ServerTest, DrainLetsRunningCallsFinishAndAdmitsNoNewOnes) {
  Start();
  const auto channel = Unix();
  v1::SubmitReportResponse response;
  auto call = std::async(std::launch::async, [&] { return Submit(channel, "wait", &response); });
  echo_.AwaitStarted();
  auto drained = std::async(std::launch::async, [this] { server_->Drain(absl::Seconds(20)); });
  while (!host_.draining()) std::this_thread::yield();
  v1::SubmitReportResponse refused;
  EXPECT_EQ(Submit(channel, "", &refused).error_code(), grpc::StatusCode::UNAVAILABLE);
  echo_.Release();
  EXPECT_TRUE(call.get().ok());
  // Long before the limit: nothing keeps a call that has ended.
  EXPECT_EQ(drained.wait_for(std::chrono::seconds(10)), std::future_status::ready);
}

TEST_F(ServerTest, DrainDoesNotWaitForIdleConnections) {
  Start();
  const std::string& path = config_.unix_socket;
  const UniqueFd idle(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(connect(idle.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  // The preface and empty SETTINGS: a client that then sleeps and answers no PING.
  const std::string_view hello("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33);
  ASSERT_EQ(write(idle.get(), hello.data(), hello.size()), static_cast<ssize_t>(hello.size()));
  char answer = 0;
  ASSERT_EQ(read(idle.get(), &answer, 1), 1) << "the connection stands";
  auto drained = std::async(std::launch::async, [this] { server_->Drain(absl::Seconds(60)); });
  EXPECT_EQ(drained.wait_for(std::chrono::seconds(20)), std::future_status::ready);
}

TEST_F(ServerTest, AtTheDeadlineTheCallEndsThoughTheHandlerGoesOn) {
  Start();
  v1::SubmitReportResponse response;
  const grpc::Status status = Submit(Unix(), "wait", &response, "", absl::Milliseconds(200));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  echo_.Release();
}

TEST_F(ServerTest, AFullQueueIsAnAnswer) {
  Start();
  std::latch busy(2);
  const auto release = std::make_shared<std::latch>(1);
  const auto block = [&busy, release] {
    busy.count_down();
    release->wait();
  };
  ASSERT_TRUE(workers_.TryPost(block));
  ASSERT_TRUE(workers_.TryPost(block));
  busy.wait();  // both threads are taken; now the queue
  ASSERT_TRUE(workers_.TryPost([] {}));
  ASSERT_TRUE(workers_.TryPost([] {}));
  v1::SubmitReportResponse response;
  const ReceivedError got = ExtractError(Submit(Unix(), "", &response, ""));
  EXPECT_EQ(got.reason, "RATE_LIMITED");
  EXPECT_TRUE(got.retry_after.has_value());
  release->count_down();
}

TEST_F(ServerTest, MessagesAboveTheLimitAreRefused) {
  Start();
  v1::SubmitReportResponse response;
  EXPECT_TRUE(Submit(Unix(), std::string(3 << 20, 'x'), &response, "").ok());
  EXPECT_EQ(Submit(Unix(), std::string(kReceiveLimitBytes + 1, 'x'), &response, "").error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(ServerTest, ALivingDaemonsSocketIsNotTaken) {
  Start();
  config_.tcp.clear();
  EXPECT_EQ(GrpcServer::Start(config_, host_, {}).status().code(),
            absl::StatusCode::kAlreadyExists);
}

TEST_F(ServerTest, APortInUseIsRefused) {
  Start();
  ListenConfig second = config_;
  second.unix_socket.clear();
  second.tcp = fmt::format("127.0.0.1:{}", server_->port());
  EXPECT_EQ(GrpcServer::Start(second, host_, {}).status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(ServerTest, ADirectoryOpenToAllIsRefusedWhileItIsTrusted) {
  std::filesystem::create_directory(directory_);
  for (const mode_t mode : {0755, 0751, 0770, 0720}) {
    chmod(directory_.c_str(), mode);
    EXPECT_EQ(GrpcServer::Start(config_, host_, {}).status().code(),
              absl::StatusCode::kFailedPrecondition)
        << std::oct << mode;
  }
  config_.local_trust = LocalSocketTrust::kTokenRequired;
  EXPECT_TRUE(GrpcServer::Start(config_, host_, {}).ok());
}

TEST_F(ServerTest, ADirectoryOfSomebodyElseIsRefusedWhileItIsTrusted) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a directory away";
  std::filesystem::create_directory(directory_);
  chmod(directory_.c_str(), 0750);
  ASSERT_EQ(chown(directory_.c_str(), 12345, 0), 0);
  EXPECT_EQ(GrpcServer::Start(config_, host_, {}).status().code(),
            absl::StatusCode::kFailedPrecondition);
  config_.local_trust = LocalSocketTrust::kTokenRequired;
  EXPECT_TRUE(GrpcServer::Start(config_, host_, {}).ok());
}

struct ListenCase {
  std::string name;
  ListenConfig config;
  bool ok = false;
};
const ListenCase kListenCases[] = {
    {"Nothing", {.token_file = "t"}},
    {"Socket", {.unix_socket = "/run/d/s", .token_file = "t"}, true},
    {"RelativeSocket", {.unix_socket = "run/s", .token_file = "t"}},
    {"LongSocket", {.unix_socket = "/" + std::string(107, 'x'), .token_file = "t"}},
    {"NoTokenFile", {.unix_socket = "/run/d/s"}},
    {"TcpWithoutTls", {.tcp = "127.0.0.1:1", .token_file = "t"}},
    {"TcpWithTls",
     {.tcp = "0.0.0.0:1", .tls_certificate = "c", .tls_key = "k", .token_file = "t"},
     true},
    {"KeyMissing", {.tcp = "0.0.0.0:1", .tls_certificate = "c", .token_file = "t"}},
    {"Loopback",
     {.tcp = "[::1]:1", .tcp_security = TcpSecurity::kInsecureLoopback, .token_file = "t"},
     true},
    {"LoopbackThatIsNone",
     {.tcp = "0.0.0.0:1", .tcp_security = TcpSecurity::kInsecureLoopback, .token_file = "t"}},
    {"HostName",
     {.tcp = "localhost:1", .tcp_security = TcpSecurity::kInsecureLoopback, .token_file = "t"}},
    {"NoPort",
     {.tcp = "127.0.0.1", .tcp_security = TcpSecurity::kInsecureLoopback, .token_file = "t"}},
    {"PortTooLarge",
     {.tcp = "127.0.0.1:65536", .tcp_security = TcpSecurity::kInsecureLoopback, .token_file = "t"}},
};
class ListenConfigTest : public testing::TestWithParam<ListenCase> {};
TEST_P(ListenConfigTest, Case) {
  EXPECT_EQ(CheckListenConfig(GetParam().config).ok(), GetParam().ok)
      << CheckListenConfig(GetParam().config);
}
INSTANTIATE_TEST_SUITE_P(All, ListenConfigTest, testing::ValuesIn(kListenCases),
                         [](const auto& instance) { return instance.param.name; });

}  // namespace
}  // namespace dmarcate
