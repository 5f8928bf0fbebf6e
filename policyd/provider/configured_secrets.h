// policyd/provider/configured_secrets.h
// Secrets as the configuration of policyd says where they are: a file of the secrets directory, a
// credential of systemd's (LoadCredential=, SetCredentialEncrypted=), or what a command prints.
// Accounts name a secret; where it comes from, and what it is for, only the operator says.

#ifndef DMARCATE_POLICYD_PROVIDER_CONFIGURED_SECRETS_H_
#define DMARCATE_POLICYD_PROVIDER_CONFIGURED_SECRETS_H_

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "policyd/provider/secret_source.h"

namespace dmarcate {

// One [[secret]]. Neither `credential` nor `command`: the file of that name.
struct SecretEntry {
  std::string credential;            // its name below $CREDENTIALS_DIRECTORY
  std::vector<std::string> command;  // an absolute path, and its arguments
  std::vector<std::string> uses;     // CheckSecretUse
};
using SecretEntries = std::map<std::string, SecretEntry, std::less<>>;  // by name

// Files and credentials under the rules of DirectorySecretSource. A command runs without a shell,
// has ten seconds, no input and an exit status of 0; one newline at the end of what it prints is
// not part of the secret. What it says on standard error is shown to nobody, for it may hold it.
class ConfiguredSecretSource final : public SecretSource {
 public:
  static constexpr absl::Duration kCommandLimit = absl::Seconds(10);

  // `credentials_directory`: $CREDENTIALS_DIRECTORY; empty: systemd passed none.
  ConfiguredSecretSource(std::string secrets_directory, std::string credentials_directory,
                         SecretEntries entries);

  absl::Status CheckUse(std::string_view name, const SecretUse& use) const override;
  absl::StatusOr<Secret> Read(std::string_view name) override;

 private:
  DirectorySecretSource files_;
  DirectorySecretSource credentials_;
  const bool has_credentials_;
  const SecretEntries entries_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PROVIDER_CONFIGURED_SECRETS_H_
