// The transports: what is sent, what comes back, and whether the server can have seen it.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/file.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/http/curl_transport.h"
#include "lib/http/fake_transport.h"
#include "tests/testing/process.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace dmarcate {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;
using testing_support::FreePort;
using testing_support::IsOk;
using testing_support::Process;
using testing_support::RunCommand;
using testing_support::StatusIs;
using testing_support::TempDir;
using testing_support::WaitUntil;

// An HTTP/1.1 server for scripts: gives each request, whole, to `handler` and writes what that
// returns. One connection at a time, kept open while responses are not empty; an empty one closes
// it.
class ScriptedHttpServer {
 public:
  enum class Then { kAnswer, kHang };
  struct Script {
    std::string response;  // raw; empty: close without a word
    Then then = Then::kAnswer;
  };
  using Handler = std::function<Script(const std::string& request)>;

  explicit ScriptedHttpServer(Handler handler)
      : handler_(std::move(handler)), port_(FreePort()), stop_(eventfd(0, EFD_CLOEXEC)) {
    listener_ = UniqueFd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in local{};
    local.sin_family = AF_INET;
    local.sin_port = htons(port_);
    local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener_.get(), reinterpret_cast<const sockaddr*>(&local), sizeof local) != 0 ||
        listen(listener_.get(), 8) != 0) {
      std::abort();
    }
    thread_ = std::thread([this] { Run(); });
  }
  ~ScriptedHttpServer() {
    const uint64_t one = 1;
    if (write(stop_.get(), &one, sizeof one) != sizeof one) std::abort();
    thread_.join();
  }
  std::string Url(std::string_view path) const {
    return fmt::format("http://127.0.0.1:{}{}", port_, path);
  }
  uint16_t port() const { return port_; }
  std::vector<std::string> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  int connections() const {
    const std::lock_guard lock(mutex_);
    return connections_;
  }

 private:
  // False when the server is to stop.
  bool Wait(int fd) const {
    pollfd fds[] = {{fd, POLLIN, 0}, {stop_.get(), POLLIN, 0}};
    poll(fds, 2, -1);  // a negative fd is ignored
    return fds[1].revents == 0;
  }
  void Run() {
    while (Wait(listener_.get())) {
      const UniqueFd connection(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      {
        const std::lock_guard lock(mutex_);
        ++connections_;
      }
      for (bool idle = false; Serve(connection.get(), idle); idle = true) {
      }
    }
  }
  bool Serve(int fd, bool idle) {
    std::string request;
    size_t want = std::string::npos;
    while (request.size() < want) {
      // An idle connection makes room for the next client.
      pollfd fds[] = {{fd, POLLIN, 0}, {stop_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
      poll(fds, 3, -1);
      if (fds[1].revents != 0) return false;
      if (fds[0].revents == 0) {
        if (idle && request.empty()) return false;
        poll(fds, 2, -1);
        continue;
      }
      char buffer[65536];
      const ssize_t got = recv(fd, buffer, sizeof buffer, 0);
      if (got <= 0) return false;
      request.append(buffer, static_cast<size_t>(got));
      const size_t end = request.find("\r\n\r\n");
      if (end == std::string::npos) continue;
      const size_t length = request.find("Content-Length: ");
      want = end + 4;
      if (length < end) want += std::strtoul(request.c_str() + length + 16, nullptr, 10);
    }
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(request);
    }
    const Script script = handler_(request);
    if (script.then == Then::kHang) {
      Wait(-1);
      return false;
    }
    send(fd, script.response.data(), script.response.size(), MSG_NOSIGNAL);
    return !script.response.empty();
  }

  Handler handler_;
  uint16_t port_;
  UniqueFd stop_;
  UniqueFd listener_;
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  int connections_ = 0;
  std::thread thread_;
};
using Script = ScriptedHttpServer::Script;

Script Ok(std::string_view body) {
  return {fmt::format("HTTP/1.1 200 OK\r\nX-Request-Id: 7\r\nContent-Length: {}\r\n\r\n{}",
                      body.size(), body)};
}

class CurlTransportTest : public testing::Test {
 protected:
  CurlTransport http_;
};

TEST_F(CurlTransportTest, SendsAllOfARequestAndReadsAllOfAResponse) {
  ScriptedHttpServer server([](const std::string&) { return Ok("{\"ok\":true}"); });
  HttpRequest request{.method = "PATCH", .url = server.Url("/zones/a?b=c")};
  request.headers = {{"Authorization", "Bearer secret"}, {"Content-Type", "application/json"}};
  request.body = std::string("a\0b", 3);
  const auto response = http_.Send(request);
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->body, "{\"ok\":true}");
  EXPECT_EQ(response->Header("X-REQUEST-ID"), "7");
  EXPECT_EQ(response->headers[0].name, "x-request-id");
  EXPECT_EQ(response->Header("no-such"), std::nullopt);
  ASSERT_THAT(server.requests(), SizeIs(1));
  const std::string seen = server.requests()[0];
  EXPECT_THAT(seen, testing::StartsWith("PATCH /zones/a?b=c HTTP/1.1\r\n"));
  EXPECT_THAT(seen, HasSubstr("Authorization: Bearer secret\r\n"));
  EXPECT_THAT(seen, HasSubstr("Content-Type: application/json\r\n"));
  EXPECT_THAT(seen, testing::EndsWith(std::string("\r\n\r\na\0b", 7)));
  EXPECT_THAT(seen, Not(HasSubstr("Expect")));
}

TEST_F(CurlTransportTest, EveryMethodSaysItsName) {
  ScriptedHttpServer server([](const std::string& request) {
    return request.starts_with("HEAD") ? Script{"HTTP/1.1 204 No Content\r\n\r\n"} : Ok("");
  });
  for (const char* const method : {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}) {
    const auto response = http_.Send({.method = method, .url = server.Url("/")});
    ASSERT_THAT(response, IsOk()) << method;
    EXPECT_THAT(server.requests().back(), testing::StartsWith(std::string(method) + " / HTTP/1.1"));
  }
}

TEST_F(CurlTransportTest, AStatusIsAResponseAndARedirectIsNotFollowed) {
  ScriptedHttpServer server([](const std::string&) {
    return Script{"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"};
  });
  const auto response = http_.Send({.url = server.Url("/")});
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->status, 302);
  EXPECT_EQ(response->Header("location"), "/elsewhere");
  EXPECT_THAT(server.requests(), SizeIs(1));
}

TEST_F(CurlTransportTest, OnlyReadsShareAConnection) {
  ScriptedHttpServer server([](const std::string&) { return Ok("x"); });
  ASSERT_THAT(http_.Send({.url = server.Url("/1")}), IsOk());
  ASSERT_THAT(http_.Send({.url = server.Url("/2")}), IsOk());
  EXPECT_EQ(server.connections(), 1);
  ASSERT_THAT(http_.Send({.method = "PUT", .url = server.Url("/3")}), IsOk());
  EXPECT_EQ(server.connections(), 2);
}

TEST_F(CurlTransportTest, NothingIsLeftOfTheRequestBefore) {
  ScriptedHttpServer server([](const std::string&) { return Ok("x"); });
  HttpRequest first{.method = "POST", .url = server.Url("/1"), .body = "body"};
  first.headers = {{"Authorization", "Bearer secret"}};
  ASSERT_THAT(http_.Send(first), IsOk());
  ASSERT_THAT(http_.Send({.url = server.Url("/2")}), IsOk());
  EXPECT_THAT(server.requests().back(), AllOf(testing::StartsWith("GET /2"),
                                              Not(HasSubstr("secret")), Not(HasSubstr("body"))));
}

TEST_F(CurlTransportTest, AClosedPortIsUnavailableAndNothingWasSent) {
  HttpRequest request{.url = fmt::format("http://127.0.0.1:{}/token=secret", FreePort())};
  EXPECT_THAT(http_.Send(request),
              StatusIs(absl::StatusCode::kUnavailable,
                       AllOf(HasSubstr("nothing was sent"), Not(HasSubstr("secret")))));
}

TEST_F(CurlTransportTest, TheEnvironmentsProxiesDoNotSeeARequest) {
  ScriptedHttpServer server([](const std::string&) { return Ok("x"); });
  ScriptedHttpServer proxy([](const std::string&) { return Ok("proxy"); });
  const std::vector<std::string> names = {"http_proxy", "all_proxy", "ALL_PROXY"};
  unsetenv("no_proxy");
  unsetenv("NO_PROXY");
  for (const std::string& name : names) setenv(name.c_str(), proxy.Url("").c_str(), 1);
  HttpRequest request{.url = server.Url("/")};
  request.headers = {{"X-API-Key", "secret"}};
  const auto response = http_.Send(request);
  for (const std::string& name : names) unsetenv(name.c_str());
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->body, "x");
  EXPECT_THAT(proxy.requests(), SizeIs(0));
}

TEST_F(CurlTransportTest, AnUnknownHostIsUnavailable) {
  EXPECT_THAT(http_.Send({.url = "http://no-such-host.invalid/"}),
              StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(CurlTransportTest, SilenceAfterSendingIsUnknown) {
  ScriptedHttpServer server(
      [](const std::string&) { return Script{"", ScriptedHttpServer::Then::kHang}; });
  HttpRequest request{.method = "POST", .url = server.Url("/"), .body = "x"};
  request.deadline = absl::Milliseconds(200);
  EXPECT_THAT(http_.Send(request),
              StatusIs(absl::StatusCode::kUnknown, HasSubstr("outcome unknown")));
  EXPECT_THAT(server.requests(), SizeIs(1));
}

TEST_F(CurlTransportTest, ToldToStopItEnds) {
  ScriptedHttpServer server(
      [](const std::string&) { return Script{"", ScriptedHttpServer::Then::kHang}; });
  HttpRequest request{.url = server.Url("/")};
  const absl::Time begin = absl::Now();
  int asked = 0;
  request.stop = [&] {
    ++asked;
    return absl::Now() - begin > absl::Milliseconds(300);
  };
  EXPECT_THAT(http_.Send(request), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_LT(absl::Now() - begin, absl::Seconds(5)) << "the deadline is 30";
  EXPECT_GT(asked, 1);
}

TEST_F(CurlTransportTest, AHangUpAfterSendingIsUnknownAndNotRepeated) {
  ScriptedHttpServer server([](const std::string& request) {
    return request.starts_with("POST") ? Script{""} : Ok("x");
  });
  ASSERT_THAT(http_.Send({.url = server.Url("/")}), IsOk());  // leaves a connection to share
  EXPECT_THAT(http_.Send({.method = "POST", .url = server.Url("/"), .body = "x"}),
              StatusIs(absl::StatusCode::kUnknown));
  EXPECT_THAT(server.requests(), SizeIs(2));
}

TEST_F(CurlTransportTest, ATruncatedBodyIsUnknown) {
  ScriptedHttpServer server([](const std::string& request) {
    return request.empty() ? Script{""}
                           : Script{
                                 "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: "
                                 "close\r\n\r\nabc"};
  });
  HttpRequest request{.url = server.Url("/")};
  request.deadline = absl::Milliseconds(300);
  EXPECT_THAT(http_.Send(request), StatusIs(absl::StatusCode::kUnknown));
}

TEST_F(CurlTransportTest, TheLimitIsOfTheBody) {
  ScriptedHttpServer server([](const std::string&) { return Ok(std::string(1000, 'x')); });
  HttpRequest request{.url = server.Url("/")};
  request.response_limit_bytes = 1000;
  EXPECT_THAT(http_.Send(request), IsOk());
  request.response_limit_bytes = 999;
  EXPECT_THAT(http_.Send(request),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("999")));
}

TEST_F(CurlTransportTest, EndlessHeadersAreCut) {
  ScriptedHttpServer server([](const std::string&) {
    std::string response = "HTTP/1.1 200 OK\r\n";
    for (int i = 0; i < 300; ++i)
      response += fmt::format("X-{}: {}\r\n", i, std::string(1000, 'x'));
    return Script{response + "Content-Length: 0\r\n\r\n"};
  });
  const auto response = http_.Send({.url = server.Url("/")});
  EXPECT_FALSE(response.ok());
}

TEST_F(CurlTransportTest, ConnectToReplacesTheNameLookUp) {
  ScriptedHttpServer server([](const std::string&) { return Ok("x"); });
  HttpRequest request{.url = "http://api.example.test/"};
  request.connect_to = fmt::format("127.0.0.1:{}", server.port());
  ASSERT_THAT(http_.Send(request), IsOk());
  EXPECT_THAT(server.requests()[0], HasSubstr("Host: api.example.test\r\n"));
}

TEST_F(CurlTransportTest, HttpsOnlyRefusesHttp) {
  ScriptedHttpServer server([](const std::string&) { return Ok("x"); });
  CurlTransport secure({.schemes = CurlTransportOptions::Schemes::kHttpsOnly});
  EXPECT_THAT(secure.Send({.url = server.Url("/")}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(server.requests(), SizeIs(0));
}

TEST_F(CurlTransportTest, CertificatesAreChecked) {
  const TempDir directory;
  const std::string key = directory.File("key.pem");
  const std::string certificate = directory.File("cert.pem");
  DMARCATE_ASSERT_OK_AND_ASSIGN(
      const auto made,
      RunCommand({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                  "-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj",
                  "/CN=api.example.test", "-addext", "subjectAltName=DNS:api.example.test"}));
  ASSERT_EQ(made.exit_code, 0) << made.output;
  const uint16_t port = FreePort();
  const std::string log = directory.Write("log", "");
  DMARCATE_ASSERT_OK_AND_ASSIGN(
      Process server,
      Process::Start({.argv = {"openssl", "s_server", "-accept", fmt::format("127.0.0.1:{}", port),
                               "-cert", certificate, "-key", key, "-www"},
                      .output_path = log}));
  ASSERT_TRUE(WaitUntil(
      [&] { return ReadFile(log, 1 << 20).value_or("").find("ACCEPT") != std::string::npos; }));

  HttpRequest request{.url = "https://api.example.test/"};
  request.connect_to = fmt::format("127.0.0.1:{}", port);
  EXPECT_THAT(http_.Send(request), StatusIs(absl::StatusCode::kFailedPrecondition));
  CurlTransport trusting({.ca_file = certificate});
  EXPECT_THAT(trusting.Send(request), IsOk());
  request.url = "https://other.example.test/";
  EXPECT_THAT(trusting.Send(request), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(CurlTransportTest, ServesManyThreads) {
  ScriptedHttpServer server([](const std::string&) { return Ok("x"); });
  std::vector<std::thread> threads;
  std::atomic<int> good = 0;
  for (int i = 0; i < 12; ++i) {
    threads.emplace_back([&] { good += http_.Send({.url = server.Url("/")}).ok() ? 1 : 0; });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 12);
}

struct BadRequest {
  std::string name;
  HttpRequest request;
};
const BadRequest kBadRequests[] = {
    {"Scheme", {.url = "file:///etc/passwd"}},
    {"NoHost", {.url = "https:///x"}},
    {"UserInUrl", {.url = "https://user:secret@example.test/"}},
    {"BlankInUrl", {.url = "https://example.test/a b"}},
    {"LineBreakInUrl", {.url = "https://example.test/\r\nX: y"}},
    {"BackslashInUrl", {.url = "https://example.test\\@evil.test/"}},
    {"LongUrl", {.url = "https://example.test/" + std::string(9000, 'a')}},
    {"Method", {.method = "GET /x", .url = "https://example.test/"}},
    {"HeaderName", {.url = "https://example.test/", .headers = {{"A:", "secret"}}}},
    {"HeaderValue", {.url = "https://example.test/", .headers = {{"A", "secret\r\nB: c"}}}},
    {"ManyHeaders",
     {.url = "https://example.test/", .headers = std::vector<HttpHeader>(65, {"A", "b"})}},
};
class BadRequests : public testing::TestWithParam<BadRequest> {};
TEST_P(BadRequests, AreRefusedByEveryTransport) {
  FakeHttpTransport fake([](const HttpRequest&) { return HttpResponse{}; });
  CurlTransport curl;
  for (HttpTransport* const http : std::initializer_list<HttpTransport*>{&fake, &curl}) {
    EXPECT_THAT(http->Send(GetParam().request),
                StatusIs(absl::StatusCode::kInvalidArgument, Not(HasSubstr("secret"))));
  }
  EXPECT_THAT(fake.requests(), SizeIs(0));
}
INSTANTIATE_TEST_SUITE_P(All, BadRequests, testing::ValuesIn(kBadRequests),
                         [](const auto& instance) { return instance.param.name; });

TEST(OriginOf, LeavesOutWhatMayBeSecret) {
  EXPECT_EQ(OriginOf("https://api.example.test:8443/v1?token=secret"),
            "https://api.example.test:8443");
  EXPECT_EQ(OriginOf("https://user:secret@api.example.test/"), "https://api.example.test");
  EXPECT_EQ(OriginOf("nonsense"), "(no url)");
}

TEST(FakeHttpTransport, RecordsAndAnswers) {
  FakeHttpTransport http;
  EXPECT_THAT(http.Send({.url = "https://a.test/"}), StatusIs(absl::StatusCode::kUnavailable));
  http.SetHandler([](const HttpRequest& request) -> absl::StatusOr<HttpResponse> {
    if (request.method == "PUT") return absl::UnknownError("reset");
    return HttpResponse{.status = 201, .headers = {{"ETag", "x"}}, .body = request.url};
  });
  const auto response = http.Send({.url = "https://a.test/1"});
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->Header("etag"), "x");
  EXPECT_THAT(http.Send({.method = "PUT", .url = "https://a.test/2"}),
              StatusIs(absl::StatusCode::kUnknown));
  EXPECT_THAT(http.requests(), SizeIs(3));
  HttpRequest small{.url = "https://a.test/3"};
  small.response_limit_bytes = 3;
  EXPECT_THAT(http.Send(small), StatusIs(absl::StatusCode::kResourceExhausted));
  small.deadline = absl::ZeroDuration();
  EXPECT_THAT(http.Send(small), StatusIs(absl::StatusCode::kUnavailable));
  http.ClearRequests();
  EXPECT_THAT(http.requests(), ElementsAre());
}

}  // namespace
}  // namespace dmarcate
