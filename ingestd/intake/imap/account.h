// ingestd/intake/imap/account.h
// A mailbox that is polled: [[imap]] of the configuration.

#ifndef DMARCATE_INGESTD_INTAKE_IMAP_ACCOUNT_H_
#define DMARCATE_INGESTD_INTAKE_IMAP_ACCOUNT_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/base/secret.h"
#include "lib/imap/session.h"

namespace dmarcate {

// What is done to a message once it is stored.
enum class AfterTaken { kFlag, kMove, kNothing };

struct ImapAccount {
  std::string name;  // for logs: "user@host"
  ImapServer server;
  // One of the two: a file with the password (ImapLogin::kPassword), or a program that prints an
  // access token (kXoauth2), run without a shell.
  std::string password_file;
  std::vector<std::string> token_command;
  std::vector<std::string> folders = {"INBOX"};  // UTF-8
  AfterTaken after = AfterTaken::kFlag;
  std::string flag = "\\Seen";
  std::string move_to;  // UTF-8
  absl::Duration interval = absl::Minutes(1);
};

// kFailedPrecondition: somebody else than its owner may do something to the file.
absl::Status CheckPasswordFile(const std::string& path);

// The password or a fresh token.
//   kInvalidArgument    empty, or with characters that no password or token has
//   kDeadlineExceeded   the program ran too long and was killed
//   kFailedPrecondition it ended with a failure     kCancelled  `give_up`, asked often, said so
// and errors of the file. Never with anything that the file or the program says.
absl::StatusOr<Secret> ReadImapSecret(const ImapAccount& account,
                                      const std::function<bool()>& give_up,
                                      absl::Duration timeout = absl::Seconds(30));

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_INTAKE_IMAP_ACCOUNT_H_
