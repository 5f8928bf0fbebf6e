#include "tests/testing/dovecot.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>

#include "fmt/format.h"

#include "lib/base/file.h"
#include "lib/base/status_macros.h"
#include "tests/testing/maildir.h"

namespace dmarcate::testing_support {
namespace {

// Without the empty chroot lines it does not start as anybody but root.
constexpr char kConfig[] = R"(
base_dir = {0}/run
state_dir = {0}/state
protocols = imap
listen = 127.0.0.1
log_path = {0}/log
default_internal_user = {1}
default_login_user = {1}
default_internal_group = {2}
first_valid_uid = 1
ssl = yes
ssl_cert = <{0}/cert.pem
ssl_key = <{0}/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain
mail_max_userip_connections = 100
passdb {{
  driver = passwd-file
  args = {0}/users
}}
userdb {{
  driver = static
  args = uid={3} gid={4} home={0}/mail
}}
mail_location = maildir:~/Maildir
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {5}
  }}
  inet_listener imaps {{
    port = {6}
    ssl = yes
  }}
}}
)";

bool Greets(uint16_t port) {
  const UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval timeout{.tv_sec = 2, .tv_usec = 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  char first = 0;
  return connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
         recv(fd.get(), &first, 1, 0) == 1 && first == '*';
}

}  // namespace

RealDovecot::RealDovecot() : imap_port_(FreePort()), imaps_port_(FreePort()) {}

absl::StatusOr<std::unique_ptr<RealDovecot>> RealDovecot::Start() {
  std::unique_ptr<RealDovecot> out(new RealDovecot);
  const TempDir& directory = out->directory_;
  DMARCATE_ASSIGN_OR_RETURN(
      const CommandResult made,
      RunCommand({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                  "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                  "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout",
                  directory.File("key.pem"), "-out", directory.File("cert.pem")}));
  if (made.exit_code != 0) return MakeError(absl::StatusCode::kUnavailable, made.output);
  const bool nobody = MayBecomeNobody();
  const uid_t uid = nobody ? kNobody : geteuid();
  const gid_t gid = nobody ? kNobody : getegid();
  DMARCATE_ASSIGN_OR_RETURN(const CommandResult user,
                            RunCommand({"id", "-un", std::to_string(uid)}));
  DMARCATE_ASSIGN_OR_RETURN(const CommandResult group,
                            RunCommand({"getent", "group", std::to_string(gid)}));
  directory.Write("users", fmt::format("{}:{{PLAIN}}{}\n", kUser, kPassword));
  directory.Write("log", "");
  const std::string config =
      directory.Write("dovecot.conf", fmt::format(kConfig, directory.path(),
                                                  user.output.substr(0, user.output.find('\n')),
                                                  group.output.substr(0, group.output.find(':')),
                                                  uid, gid, out->imap_port_, out->imaps_port_));
  MakeMaildir(out->Maildir(""));
  directory.GiveAway();
  ProcessOptions options;
  options.argv = {"dovecot", "-F", "-c", config};
  options.output_path = directory.File("log");
  options.user = ProcessOptions::User::kNobodyIfRoot;
  DMARCATE_ASSIGN_OR_RETURN(Process process, Process::Start(options));
  out->process_.emplace(std::move(process));
  if (!WaitUntil([&out] { return !out->process_->Running() || Greets(out->imap_port_); }) ||
      !out->process_->Running()) {
    return MakeError(absl::StatusCode::kUnavailable, "dovecot is not ready:\n" + out->log());
  }
  return out;
}

std::string RealDovecot::log() const {
  return ReadFile(directory_.File("log"), size_t{16} << 20).value_or("(no log)");
}

std::string RealDovecot::Maildir(std::string_view folder) const {
  return directory_.File(fmt::format("mail/Maildir/{}", folder));
}

void RealDovecot::MakeFolder(std::string_view folder) {
  if (std::filesystem::exists(Maildir(folder))) return;
  MakeMaildir(Maildir(folder));
  directory_.GiveAway();
}

void RealDovecot::Deliver(std::string_view folder, std::string_view name,
                          std::string_view content) {
  MakeFolder(folder);
  DeliverToMaildir(Maildir(folder), std::string(name), content);
}

std::vector<std::string> RealDovecot::Flags(std::string_view folder) const {
  std::vector<std::string> out;
  for (const char* part : {"new", "cur"}) {
    std::error_code error;
    for (const auto& entry :
         std::filesystem::directory_iterator(fmt::format("{}/{}", Maildir(folder), part), error)) {
      out.push_back(MaildirFlags(entry.path().filename().string()));
    }
  }
  return out;
}

}  // namespace dmarcate::testing_support
