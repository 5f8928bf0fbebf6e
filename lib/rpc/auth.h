// lib/rpc/auth.h
// Who is calling. One bearer token per daemon, made at its first start; the daemon keeps only its
// SHA-256 and compares digests in constant time. Every handler begins with Authenticate(), through
// ServeUnary() and ServeStream(); a test lists all methods by reflection and proves it.
//
// The Unix socket needs no token by default: gRPC tells no peer uid, so the mode of the socket's
// directory (0750 or stricter, owned by the daemon's user or root; checked at start) is what admits
// people, and the token what admits hosts.

#ifndef DMARCATE_LIB_RPC_AUTH_H_
#define DMARCATE_LIB_RPC_AUTH_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "lib/base/random.h"
#include "lib/base/secret.h"

namespace grpc {
class CallbackServerContext;
}

namespace dmarcate {

inline constexpr std::string_view kTokenPrefix =
    "dmarcate_";  // for secret scanners; 64 hex digits follow

struct Principal {
  std::string name;  // "token/root" or "local"; goes into the audit trail
};

enum class LocalSocketTrust { kDirectoryMode, kTokenRequired };

// What a call brings along.
struct Credentials {
  std::optional<std::string_view> authorization;  // the metadata value: "Bearer dmarcate_..."
  bool over_unix_socket = false;
};
Credentials CredentialsOf(const grpc::CallbackServerContext& context);

// Thread-safe.
class Authenticator {
 public:
  Authenticator(const Secret& token, LocalSocketTrust trust);
  // kUnauthenticated with TOKEN_MISSING or TOKEN_INVALID attached. A token that is presented must
  // be right, on a trusted socket too.
  absl::StatusOr<Principal> Authenticate(const Credentials& credentials) const;
  absl::StatusOr<Principal> Authenticate(const grpc::CallbackServerContext& context) const {
    return Authenticate(CredentialsOf(context));
  }

 private:
  std::string token_sha256_;
  LocalSocketTrust trust_;
};

// The token in `path`, which is made with a new one, mode 0600, if it does not exist. Two daemons
// that share the file and start together end up with the same token.
//   kFailedPrecondition  others than the owner may read or write it, it belongs to somebody else,
//                        or it is a symbolic link or no regular file
//   kInvalidArgument     it holds no token
absl::StatusOr<Secret> ReadOrMakeToken(const std::string& path, Random& random);
// The same for a client: never makes the file. kNotFound.
absl::StatusOr<Secret> ReadToken(const std::string& path);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_RPC_AUTH_H_
