// policyd's HTTP port on loopback: what it answers, and what strangers cannot make it do.

#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "fmt/format.h"
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policyd/gateway/http_port.h"
#include "policyd/gateway/pages.h"
#include "policyd/gateway/sts_directory.h"
#include "tests/testing/process.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace dmarcate {
namespace {

namespace asio = boost::asio;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using testing_support::IsOk;
using testing_support::StatusIs;

constexpr std::string_view kPolicy =
    "version: STSv1\r\nmode: testing\r\nmx: mx1.example.com\r\nmax_age: 86400\r\n";
const IpAddress kLoopback = IpAddress::Parse("127.0.0.1").value();

struct HostCase {
  std::string host, want;  // want: empty: none
};
const HostCase kHosts[] = {
    {"mta-sts.example.com", "example.com"},
    {"MTA-STS.Example.Com:443", "example.com"},
    {"mta-sts.example.com.", "example.com"},
    {"mta-sts.mail.example.com", "mail.example.com"},
    {"mta-sts", ""},
    {"mta-sts.", ""},
    {"", ""},
    {":443", ""},
    {"example.com", ""},
    {"xmta-sts.example.com", ""},
    {"mta-sts..example.com", ""},
    {"mta-sts.../etc/passwd", ""},
    {"mta-sts.example.com/../x", ""},
    {"mta-sts._dmarc.example.com", ""},
    {"[::1]:443", ""},
    {"mta-sts.ex\xc3\xa4mple.com", ""},
    {"mta-sts.example.com:44x", ""},
};
TEST(StsDomainOfTest, IsTheNameBehindTheLabel) {
  for (const HostCase& one : kHosts) {
    const auto domain = StsDomainOf(one.host);
    EXPECT_EQ(domain.has_value() ? domain->text() : "", one.want) << one.host;
  }
}

TEST(StsDirectoryTest, ServesPoliciesOnly) {
  const testing_support::TempDir directory;
  StsDirectory files(directory.path());
  const auto name = [](std::string_view text) { return DomainName::Parse(text).value(); };
  EXPECT_EQ(files.Find(name("example.com")), std::nullopt);
  directory.Write("example.com.txt", std::string(kPolicy));
  EXPECT_EQ(files.Find(name("example.com")), kPolicy);
  directory.Write("page.com.txt", "<html>");
  EXPECT_EQ(files.Find(name("page.com")), std::nullopt);
  directory.Write("large.com.txt", std::string(kPolicy) + std::string(65 << 10, '\n'));
  EXPECT_EQ(files.Find(name("large.com")), std::nullopt);
  EXPECT_EQ(files.Find(DomainName()), std::nullopt);
  EXPECT_EQ(files.Find(name("_dmarc.example.com")), std::nullopt);
}

class HttpPortTest : public testing::Test {
 protected:
  void Start(const HttpPortLimits& limits = {}) {
    sources_.is_ready = [this] { return ready_.load(); };
    sources_.sts_file = [](const DomainName& domain) -> std::optional<std::string> {
      if (domain.text() != "example.com") return std::nullopt;
      return std::string(kPolicy);
    };
    DMARCATE_ASSERT_OK_AND_ASSIGN(
        port_, HttpPort::Start(
                   kLoopback, 0,
                   [this](const HttpQuestion& question) { return AnswerPage(question, sources_); },
                   limits));
  }

  asio::ip::tcp::socket Connect() {
    asio::ip::tcp::socket socket(io_);
    socket.connect({asio::ip::make_address("127.0.0.1"), port_->port()});
    timeval limit{20, 0};
    setsockopt(socket.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return socket;
  }
  static std::string ReadAll(asio::ip::tcp::socket& socket) {
    std::string out;
    boost::system::error_code error;
    asio::read(socket, asio::dynamic_buffer(out), error);
    return out;
  }
  // Sends `bytes` and reads until the port closes.
  std::string Talk(const std::string& bytes) {
    asio::ip::tcp::socket socket = Connect();
    boost::system::error_code error;
    asio::write(socket, asio::buffer(bytes), error);
    return ReadAll(socket);
  }
  std::string Get(const std::string& target, const std::string& host = "127.0.0.1",
                  const std::string& method = "GET") {
    return Talk(fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", method,
                            target, host));
  }

  asio::io_context io_;
  std::atomic<bool> ready_{true};
  PageSources sources_;
  std::unique_ptr<HttpPort> port_;
};

TEST_F(HttpPortTest, TellsThatItLivesAndIsReady) {
  Start();
  EXPECT_THAT(Get("/healthz"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(Get("/readyz?verbose"), StartsWith("HTTP/1.1 200 "));
  ready_ = false;
  EXPECT_THAT(Get("/readyz"), StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(Get("/healthz"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpPortTest, ServesThePolicyByteForByte) {
  Start();
  const std::string answer = Get("/.well-known/mta-sts.txt", "mta-sts.example.com");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(answer, HasSubstr("Content-Type: text/plain"));
  EXPECT_EQ(answer.substr(answer.find("\r\n\r\n") + 4), kPolicy);
  const std::string head = Get("/.well-known/mta-sts.txt", "mta-sts.example.com", "HEAD");
  EXPECT_THAT(head, HasSubstr(fmt::format("Content-Length: {}", kPolicy.size())));
  EXPECT_THAT(head, testing::EndsWith("\r\n\r\n"));
  EXPECT_THAT(Get("/.well-known/mta-sts.txt", "mta-sts.example.net"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(Get("/.well-known/mta-sts.txt", "example.com"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(Talk("GET /.well-known/mta-sts.txt HTTP/1.0\r\n\r\n"), StartsWith("HTTP/1.1 404 "));
}

TEST_F(HttpPortTest, NothingElseIsThere) {
  Start();
  EXPECT_THAT(Get("/"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(Get("/.well-known/../healthz"), StartsWith("HTTP/1.1 404 "));
  const std::string refused = Get("/healthz", "127.0.0.1", "DELETE");
  EXPECT_THAT(refused, StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(refused, HasSubstr("Allow: GET, HEAD"));
}

TEST_F(HttpPortTest, AConnectionIsUsedAgainButNotForEver) {
  Start({.requests = 3});
  std::string bytes;
  for (int i = 0; i < 5; ++i) bytes += "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
  const std::string answers = Talk(bytes);
  size_t count = 0;
  for (size_t at = answers.find("HTTP/1.1 200"); at != std::string::npos;
       at = answers.find("HTTP/1.1 200", at + 1)) {
    ++count;
  }
  EXPECT_EQ(count, 3u);
}

TEST_F(HttpPortTest, TakesNoBodiesAndNoLongHeads) {
  Start();
  EXPECT_THAT(Talk("POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"),
              StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(Talk("GET /healthz HTTP/1.1\r\nHost: a\r\nX: " + std::string(9000, 'x') + "\r\n\r\n"),
              StartsWith("HTTP/1.1 431 "));
  EXPECT_THAT(Talk("\x16\x03\x01\x02\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Get("/healthz"), StartsWith("HTTP/1.1 200 ")) << "and goes on";
}

TEST_F(HttpPortTest, WaitsForNobodyForLong) {
  Start({.patience = absl::Milliseconds(300)});
  asio::ip::tcp::socket silent = Connect();
  asio::ip::tcp::socket slow = Connect();
  asio::write(slow, asio::buffer(std::string("GET /healthz HTTP/1.1\r\n")));
  const absl::Time begin = absl::Now();
  EXPECT_EQ(ReadAll(silent), "");
  EXPECT_EQ(ReadAll(slow), "");
  EXPECT_LT(absl::Now() - begin, absl::Seconds(15));
  EXPECT_THAT(Get("/healthz"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpPortTest, TakesOnlySoManyAtOnce) {
  Start({.connections = 4, .patience = absl::Seconds(60)});
  std::vector<asio::ip::tcp::socket> open;
  for (int i = 0; i < 4; ++i) open.push_back(Connect());
  asio::write(open.back(), asio::buffer(std::string("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")));
  char first = 0;
  asio::read(open.back(), asio::buffer(&first, 1));  // all four have been taken
  EXPECT_EQ(Get("/healthz"), "") << "the fifth is closed at once";
  open.clear();
  EXPECT_TRUE(
      testing_support::WaitUntil([&] { return Get("/healthz").starts_with("HTTP/1.1 200 "); }));
}

TEST_F(HttpPortTest, EndsWithConnectionsOpen) {
  Start();
  std::vector<asio::ip::tcp::socket> open;
  for (int i = 0; i < 8; ++i) open.push_back(Connect());
  port_.reset();
  for (asio::ip::tcp::socket& socket : open) EXPECT_EQ(ReadAll(socket), "");
}

TEST_F(HttpPortTest, SaysWhereItCannotListen) {
  Start();
  const auto second =
      HttpPort::Start(kLoopback, port_->port(), [](const HttpQuestion&) { return HttpAnswer{}; });
  EXPECT_THAT(second, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("http at 127.0.0.1 port"));
}

}  // namespace
}  // namespace dmarcate
