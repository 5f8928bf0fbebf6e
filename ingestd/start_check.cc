#include "ingestd/start_check.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "fmt/format.h"

#include "ingestd/intake/imap/account.h"
#include "ingestd/intake/maildir.h"
#include "ingestd/intake/smtp/tls.h"
#include "ingestd/intake/snapshot_watcher.h"
#include "lib/base/status_macros.h"
#include "lib/rpc/auth.h"

namespace dmarcate {
namespace {

std::filesystem::path Normal(const std::filesystem::path& directory) {
  return (directory / "").lexically_normal().parent_path();
}

// Whether a start makes `directory` before it listens, with the store, the token or the socket.
bool IsMadeByStart(const std::filesystem::path& directory, const IngestConfig& config) {
  const std::filesystem::path wanted = Normal(directory);
  const std::filesystem::path token(config.listen.token_file), socket(config.listen.unix_socket);
  // With all that is missing above them.
  for (const std::filesystem::path& made :
       {Normal(config.store_directory), Normal(token.parent_path())}) {
    if (std::ranges::mismatch(wanted, made).in1 == wanted.end()) return true;
  }
  return !socket.empty() && Normal(socket.parent_path()) == wanted;
}

absl::Status CheckLmtpSocket(const std::string& path, const IngestConfig& config) {
  const std::filesystem::path directory = std::filesystem::path(path).parent_path();
  absl::Status there = CheckDirectory(directory, W_OK | X_OK);
  if (absl::IsNotFound(there) && IsMadeByStart(directory, config)) return absl::OkStatus();
  DMARCATE_RETURN_IF_ERROR(there);
  struct stat info = {};
  if (lstat(path.c_str(), &info) == 0 && !S_ISSOCK(info.st_mode)) {
    return MakeError(absl::StatusCode::kAlreadyExists, path + ": in use, and no socket");
  }
  return absl::OkStatus();
}

void CheckSmtp(const IngestConfig& config, StartCheck* check) {
  const SmtpConfig& smtp = config.smtp;
  if (smtp.smtp.listens() && !smtp.certificate.empty()) {
    const absl::Status certificate = CheckAccess(smtp.certificate, R_OK);
    const absl::Status key = CheckAccess(smtp.key, R_OK);
    check->Require("smtp.certificate", certificate);
    check->Require("smtp.key", key);
    if (certificate.ok() && key.ok()) {
      check->Require("smtp.certificate, smtp.key",
                     TlsIdentity::Load(smtp.certificate, smtp.key).status());
    }
  }
  if (!smtp.snapshot_file.empty()) {
    // Without it the daemon starts, and puts off what it cannot decide.
    check->Expect("snapshot.file", ReadSnapshotFile(smtp.snapshot_file).status());
  }
  if (!smtp.lmtp.unix_socket.empty()) {
    check->Require("lmtp.socket", CheckLmtpSocket(smtp.lmtp.unix_socket, config));
  }
}

void CheckImap(const ImapAccount& account, const std::string& table, StartCheck* check) {
  if (!account.token_command.empty()) {
    check->Expect(table + ".token_command", CheckAccess(account.token_command[0], X_OK));
    return;
  }
  absl::Status file = CheckPasswordFile(account.password_file);
  if (file.ok()) file = ReadImapSecret(account, [] { return false; }).status();
  check->Expect(table + ".password_file", file);
}

}  // namespace

StartCheck CheckIngestStart(const IngestConfig& config) {
  StartCheck check;
  check.RequireListen(config.listen);
  check.RequireOwnDirectory("store.directory", config.store_directory);
  if (const absl::Status key = ReadToken(config.RedactionKeyFile()).status();
      !absl::IsNotFound(key)) {  // else it is made
    check.Require("store.directory", key);
  }
  CheckSmtp(config, &check);
  for (size_t i = 0; i < config.maildirs.size(); ++i) {
    check.Require(fmt::format("maildir[{}].path", i), CheckMaildir(config.maildirs[i]));
  }
  for (size_t i = 0; i < config.imap.size(); ++i) {
    CheckImap(config.imap[i], fmt::format("imap[{}]", i), &check);
  }
  return check;
}

}  // namespace dmarcate
