#include "lib/rpc/auth.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "fmt/format.h"
#include "grpcpp/server_context.h"
#include <openssl/crypto.h>

#include "lib/base/digest.h"
#include "lib/base/file.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/rpc/errors.h"

namespace dmarcate {
namespace {

constexpr size_t kTokenBytes = 32;
constexpr size_t kTokenFileLimitBytes = 4096;

bool IsToken(std::string_view text) {
  if (!text.starts_with(kTokenPrefix)) return false;
  text.remove_prefix(kTokenPrefix.size());
  return text.size() == 2 * kTokenBytes && FromHex(text).size() == kTokenBytes;
}

// Written under another name and then linked, so that nobody ever reads half a token and the first
// of two daemons wins. kAlreadyExists if `path` is there.
absl::Status MakeTokenFile(const std::string& path, Random& random) {
  const std::string temporary = fmt::format("{}.{}.tmp", path, ToHex(random.Bytes(8)));
  UniqueFd fd(open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd.valid()) return ErrnoError(errno, temporary);
  const std::string line = fmt::format("{}{}\n", kTokenPrefix, ToHex(random.Bytes(kTokenBytes)));
  absl::Status status;
  if (write(fd.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size()) ||
      fsync(fd.get()) != 0 || link(temporary.c_str(), path.c_str()) != 0) {
    status = ErrnoError(errno, path);
  }
  unlink(temporary.c_str());
  return status;
}

absl::StatusOr<std::string> ReadAll(const UniqueFd& fd, const std::string& path) {
  std::string out(kTokenFileLimitBytes + 1, '\0');
  const ssize_t got = pread(fd.get(), out.data(), out.size(), 0);
  if (got < 0) return ErrnoError(errno, fmt::format("token file {}", path));
  if (static_cast<size_t>(got) > kTokenFileLimitBytes) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     fmt::format("token file {}: over {} bytes", path, kTokenFileLimitBytes));
  }
  out.resize(static_cast<size_t>(got));
  return out;
}

}  // namespace

Credentials CredentialsOf(const grpc::CallbackServerContext& context) {
  Credentials out;
  const auto& metadata = context.client_metadata();
  if (const auto found = metadata.find("authorization"); found != metadata.end()) {
    out.authorization = std::string_view(found->second.data(), found->second.size());
  }
  out.over_unix_socket = context.peer().starts_with("unix:");
  return out;
}

Authenticator::Authenticator(const Secret& token, LocalSocketTrust trust)
    : token_sha256_(Sha256(token.Reveal())), trust_(trust) {}

absl::StatusOr<Principal> Authenticator::Authenticate(const Credentials& credentials) const {
  if (!credentials.authorization.has_value()) {
    if (credentials.over_unix_socket && trust_ == LocalSocketTrust::kDirectoryMode) {
      return Principal{"local"};
    }
    return ReasonError(Reason::kTokenMissing, "no credentials: send 'authorization: Bearer TOKEN'");
  }
  std::string_view token = *credentials.authorization;
  constexpr std::string_view kScheme = "bearer ";  // RFC 6750; schemes are compared without case
  const bool bearer = StartsWithIgnoreCase(token, kScheme);
  if (bearer) token = TrimAscii(token.substr(kScheme.size()));
  // Hashing first makes the time independent of how much of a guess is right.
  const std::string digest = Sha256(token);
  const bool equal = CRYPTO_memcmp(digest.data(), token_sha256_.data(), token_sha256_.size()) == 0;
  if (!bearer || !equal) return ReasonError(Reason::kTokenInvalid, "the token is not accepted");
  return Principal{"token/root"};
}

absl::StatusOr<Secret> ReadToken(const std::string& path) {
  // Not a link: who may put one here could have any file of ours read. O_NONBLOCK: opening a FIFO
  // would wait for its writer.
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd.valid()) {
    if (errno == ELOOP) {
      return MakeError(absl::StatusCode::kFailedPrecondition,
                       fmt::format("token file {}: a symbolic link; name the file itself", path));
    }
    return ErrnoError(errno, fmt::format("token file {}", path));
  }
  struct stat info = {};
  if (fstat(fd.get(), &info) != 0) return ErrnoError(errno, path);
  if (!S_ISREG(info.st_mode)) {
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     fmt::format("token file {}: not a regular file", path));
  }
  if ((info.st_mode & 0077) != 0) {
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     fmt::format("token file {}: mode {:04o} lets others in; want 0600", path,
                                 info.st_mode & 07777));
  }
  if (info.st_uid != geteuid() && info.st_uid != 0 && geteuid() != 0) {
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     fmt::format("token file {}: belongs to user {}", path, info.st_uid));
  }
  // From the descriptor: the path may lead elsewhere by now.
  DMARCATE_ASSIGN_OR_RETURN(const std::string text, ReadAll(fd, path));
  const std::string_view token = TrimAscii(text);
  if (!IsToken(token)) {
    return MakeError(
        absl::StatusCode::kInvalidArgument,
        fmt::format("token file {}: no token of the form {}<64 hex digits>", path, kTokenPrefix));
  }
  return Secret(std::string(token));
}

absl::StatusOr<Secret> ReadOrMakeToken(const std::string& path, Random& random) {
  if (access(path.c_str(), F_OK) != 0 && errno == ENOENT) {
    if (const absl::Status made = MakeTokenFile(path, random);
        !made.ok() && made.code() != absl::StatusCode::kAlreadyExists) {
      return Annotate(made, "make token file");
    }
  }
  return ReadToken(path);
}

}  // namespace dmarcate
