#include "policyd/notify/syslog.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace dmarcate {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using testing_support::IsOk;
using testing_support::StatusIs;
using testing_support::TempDir;

// As a syslog daemon has it.
class LogSocket {
 public:
  explicit LogSocket(const std::string& path) : fd_(socket(AF_UNIX, SOCK_DGRAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    EXPECT_EQ(bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  ~LogSocket() { close(fd_); }
  std::string Read() {
    char buffer[4096];
    const ssize_t size = recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT);
    return size < 0 ? "" : std::string(buffer, static_cast<size_t>(size));
  }

 private:
  int fd_;
};

DeliveryRecord Delivery() {
  DeliveryRecord out;
  out.id = "a-1";
  AlertRecord alert;
  alert.domain = "example.com";
  alert.insight = "i";
  alert.code = "SPF_DANGLING";
  alert.severity = Severity::kError;
  alert.message = "one\ntwo" + std::string(5000, 'x');
  out.alerts = {alert, alert};
  out.alerts[1].event = AlertEvent::kCleared;
  return out;
}

TEST(Syslog, OneDatagramForEachAlert) {
  TempDir directory;
  const std::string path = directory.path() + "/log";
  LogSocket log(path);
  ASSERT_THAT(SendSyslog(path, Delivery(), absl::UnixEpoch()), IsOk());
  const std::string first = log.Read();
  EXPECT_THAT(first, StartsWith("<27>Jan  1 "));  // daemon, error
  EXPECT_THAT(first, HasSubstr(" policyd["));
  EXPECT_THAT(first, HasSubstr("error: SPF_DANGLING of example.com id=a-1 insight=i: one"));
  EXPECT_THAT(first, Not(HasSubstr("\n")));
  EXPECT_LE(first.size(), 2000u);
  EXPECT_THAT(log.Read(), StartsWith("<29>"));  // notice
  EXPECT_EQ(log.Read(), "");
}

TEST(Syslog, NobodyListens) {
  TempDir directory;
  EXPECT_THAT(SendSyslog(directory.path() + "/log", Delivery(), absl::UnixEpoch()),
              StatusIs(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace dmarcate
