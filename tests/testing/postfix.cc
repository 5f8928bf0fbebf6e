#include "tests/testing/postfix.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <iterator>
#include <utility>

#include "fmt/format.h"

#include "lib/base/file.h"
#include "lib/base/status_macros.h"

namespace dmarcate::testing_support {
namespace {

constexpr char kDaemons[] = "/usr/lib/postfix/sbin";
constexpr char kOwner[] = "postfix";
constexpr absl::Duration kStartLimit = absl::Minutes(1);

constexpr char kMainConfig[] = R"(
compatibility_level = 3.6
queue_directory = {0}/queue
data_directory = {0}/data
maillog_file = {0}/log
maillog_file_prefixes = {0}
myhostname = mx.{1}
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
virtual_mailbox_domains = {1}
virtual_mailbox_base = {0}
virtual_mailbox_maps = static:mail/
virtual_uid_maps = static:{2}
virtual_gid_maps = static:{2}
)";

// Debian's, without what sends mail and without chroots, which want files of the system copied.
constexpr char kServices[] = R"(
127.0.0.1:{} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
)";

absl::Status Write(const std::string& path, const std::string& text) {
  return WriteFileAtomically(path, text, 0644);
}

bool Greets(uint16_t port) {
  const UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval timeout = {.tv_sec = 5, .tv_usec = 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  char first = 0;
  return connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
         recv(fd.get(), &first, 1, 0) == 1 && first == '2';
}

}  // namespace

absl::StatusOr<std::unique_ptr<RealPostfix>> RealPostfix::Start(const std::string& directory,
                                                                std::string_view domain) {
  if (geteuid() != 0) {
    return MakeError(absl::StatusCode::kPermissionDenied, "only root can start Postfix");
  }
  std::unique_ptr<RealPostfix> out(new RealPostfix(std::filesystem::absolute(directory)));
  DMARCATE_RETURN_IF_ERROR(out->Launch(domain));
  return out;
}

absl::Status RealPostfix::Launch(std::string_view domain) {
  const passwd* const owner = getpwnam(kOwner);
  if (owner == nullptr) return MakeError(absl::StatusCode::kNotFound, "postfix is not installed");
  for (const char* part : {"config", "queue", "data", "mail"}) {
    std::filesystem::create_directories(directory_ + "/" + part);
  }
  if (chown((directory_ + "/data").c_str(), owner->pw_uid, owner->pw_gid) != 0 ||
      chown((directory_ + "/mail").c_str(), kNobody, kNobody) != 0) {
    return ErrnoError(errno, directory_);
  }
  const std::string config = directory_ + "/config";
  DMARCATE_RETURN_IF_ERROR(
      Write(config + "/main.cf", fmt::format(kMainConfig, directory_, domain, kNobody)));
  DMARCATE_RETURN_IF_ERROR(Write(config + "/master.cf", fmt::format(kServices, port_)));
  // Also makes the directories of the queue.
  DMARCATE_ASSIGN_OR_RETURN(const CommandResult checked,
                            RunCommand({"postfix", "-c", config, "check"}, kStartLimit));
  if (checked.exit_code != 0) return MakeError(absl::StatusCode::kUnavailable, checked.output);
  ProcessOptions options;
  // Without the script around it: this is the process that ends the others when it is ended.
  options.argv = {fmt::format("{}/master", kDaemons), "-c", config, "-s"};
  options.output_path = directory_ + "/output";
  DMARCATE_ASSIGN_OR_RETURN(master_, Process::Start(options));
  DMARCATE_ASSIGN_OR_RETURN(EndsWithUs ends_with_us, EndsWithUs::Watch(master_->pid()));
  ends_with_us_.emplace(std::move(ends_with_us));
  if (!WaitUntil([&] { return !master_->Running() || Greets(port_); }, kStartLimit) ||
      !master_->Running()) {
    return MakeError(absl::StatusCode::kUnavailable, "postfix is not ready:\n" + log());
  }
  return absl::OkStatus();
}

RealPostfix::~RealPostfix() {
  if (master_) master_->Stop();
  // The others go once they see that.
  std::error_code error;
  WaitUntil(
      [&] {
        std::filesystem::remove_all(directory_, error);
        return !error;
      },
      absl::Seconds(5));
}

size_t RealPostfix::Delivered() const {
  std::error_code error;
  const std::filesystem::directory_iterator begin(directory_ + "/mail/new", error);
  return static_cast<size_t>(std::distance(begin, std::filesystem::directory_iterator()));
}

size_t RealPostfix::RemoveDelivered() {
  std::error_code error;
  size_t out = 0;
  for (const auto& mail : std::filesystem::directory_iterator(directory_ + "/mail/new", error)) {
    out += std::filesystem::remove(mail.path(), error) ? 1 : 0;
  }
  return out;
}

std::string RealPostfix::log() const {
  std::string out;
  for (const char* name : {"/output", "/log"}) {
    out += ReadFile(directory_ + name, size_t{64} << 20).value_or("");
  }
  return out;
}

}  // namespace dmarcate::testing_support
