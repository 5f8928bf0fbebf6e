// policyd/provider/secret_source.h
// Where credentials come from. Records name a secret; only here does the name become its text.

#ifndef DMARCATE_POLICYD_PROVIDER_SECRET_SOURCE_H_
#define DMARCATE_POLICYD_PROVIDER_SECRET_SOURCE_H_

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "lib/base/secret.h"

namespace dmarcate {

// A plain file name: 1 to 64 of letters, digits, '.', '_' and '-', not beginning with '.'.
//   kInvalidArgument  anything else; a path never gets as far as the file system
absl::Status ValidateSecretName(std::string_view name);

inline constexpr size_t kMaxSecretOctets = 4096;
// Of what a file holds or a command printed: without one newline at its end.
//   kFailedPrecondition  empty, or over kMaxSecretOctets
absl::StatusOr<Secret> TrimSecret(std::string_view context, std::string text);

// What an account is about to do with a secret.
struct SecretUse {
  std::string type;   // of the account: "powerdns"
  std::string where;  // what the account names as its goal: an origin, a program; empty: nothing
  // Whether the secret goes to a machine that whoever added the account has chosen: then only an
  // operator of this machine may say so.
  bool leaves = false;
};

// `uses`: what the configuration binds the secret to; each is a type ("cloudflare") or a type and
// where ("powerdns:https://ns1.example.net:8081", "exec:knot"). None: everything that does not
// leave this machine for a place of the account's choice. Pure.
//   kPermissionDenied  it is not for that; the message says which line would allow it
absl::Status CheckSecretUse(std::string_view name, const std::vector<std::string>& uses,
                            const SecretUse& use);

// Thread-safe.
class SecretSource {
 public:
  virtual ~SecretSource() = default;
  // Whether an account may have it, before it is read; without bindings, as CheckSecretUse.
  virtual absl::Status CheckUse(std::string_view name, const SecretUse& use) const {
    return CheckSecretUse(name, {}, use);
  }
  // Read anew each time, so that a secret may be replaced while policyd runs.
  //   kInvalidArgument     no valid name             kNotFound           no such secret
  //   kUnavailable         the program that tells it did not
  //   kFailedPrecondition  others can read it, it is no regular file, it is empty or over 4 KiB
  //   kPermissionDenied    policyd cannot read it
  virtual absl::StatusOr<Secret> Read(std::string_view name) = 0;
};

// Files in one directory, each readable by its owner and at most its group, writable by the owner
// alone (systemd's credentials are 0400 or 0440). One newline at the end is not part of the secret.
class DirectorySecretSource final : public SecretSource {
 public:
  explicit DirectorySecretSource(std::string directory) : directory_(std::move(directory)) {}
  absl::StatusOr<Secret> Read(std::string_view name) override;

 private:
  const std::string directory_;
};

// In memory, for tests.
class FakeSecretSource final : public SecretSource {
 public:
  using Secrets = std::map<std::string, std::string, std::less<>>;  // by name
  explicit FakeSecretSource(Secrets secrets) : secrets_(std::move(secrets)) {}
  absl::StatusOr<Secret> Read(std::string_view name) override;

 private:
  const Secrets secrets_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PROVIDER_SECRET_SOURCE_H_
