#include "ingestd/start_check.h"

#include <unistd.h>

#include <filesystem>

#include "fmt/format.h"

#include "ingestd/intake/imap/account.h"
#include "ingestd/intake/maildir.h"
#include "ingestd/intake/smtp/tls.h"

namespace dmarcate {
namespace {

void CheckSmtp(const SmtpConfig& smtp, StartCheck* check) {
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
  if (!smtp.lmtp.unix_socket.empty()) {
    check->Require(
        "lmtp.socket",
        CheckDirectory(std::filesystem::path(smtp.lmtp.unix_socket).parent_path(), W_OK | X_OK));
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
  CheckSmtp(config.smtp, &check);
  for (size_t i = 0; i < config.maildirs.size(); ++i) {
    check.Require(fmt::format("maildir[{}].path", i), CheckMaildir(config.maildirs[i]));
  }
  for (size_t i = 0; i < config.imap.size(); ++i) {
    CheckImap(config.imap[i], fmt::format("imap[{}]", i), &check);
  }
  return check;
}

}  // namespace dmarcate
