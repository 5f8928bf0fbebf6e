#include "policyd/provider/secret_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <utility>

#include "lib/base/file.h"
#include "lib/base/status_macros.h"

namespace dmarcate {
namespace {

constexpr size_t kMaxNameOctets = 64;

bool IsNameOctet(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

absl::StatusOr<std::string> ReadAll(int fd, std::string_view context) {
  std::string text(kMaxSecretOctets + 2, '\0');  // one newline, one octet to notice more
  size_t size = 0;
  while (size < text.size()) {
    const ssize_t n = ::read(fd, text.data() + size, text.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoError(errno, context);
    if (n == 0) break;
    size += static_cast<size_t>(n);
  }
  text.resize(size);
  return text;
}

}  // namespace

absl::Status ValidateSecretName(std::string_view name) {
  if (name.empty() || name.size() > kMaxNameOctets || name.front() == '.' ||
      !std::ranges::all_of(name, IsNameOctet)) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     "secret: a plain file name is wanted, 1 to 64 of letters, digits, '.', '_' "
                     "and '-', not beginning with '.'");
  }
  return absl::OkStatus();
}

absl::StatusOr<Secret> TrimSecret(std::string_view context, std::string text) {
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  Secret secret(std::move(text));
  if (secret.empty() || secret.Reveal().size() > kMaxSecretOctets) {
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     fmt::format("{}: is empty or over {} octets", context, kMaxSecretOctets));
  }
  return secret;
}

absl::Status CheckSecretUse(std::string_view name, const std::vector<std::string>& uses,
                            const SecretUse& use) {
  const std::string exact =
      use.where.empty() ? use.type : fmt::format("{}:{}", use.type, use.where);
  const bool named = std::ranges::find(uses, exact) != uses.end();
  const bool by_type = uses.empty() || std::ranges::find(uses, use.type) != uses.end();
  if (named || (by_type && !use.leaves)) return absl::OkStatus();
  return MakeError(
      absl::StatusCode::kPermissionDenied,
      fmt::format("secret {}: it is not for \"{}\"; the configuration of policyd would "
                  "allow it by [[secret]] name = \"{}\", use = [\"{}\"]",
                  name, EscapeForTerminal(exact), name, EscapeForTerminal(exact)));
}

absl::StatusOr<Secret> DirectorySecretSource::Read(std::string_view name) {
  DMARCATE_RETURN_IF_ERROR(ValidateSecretName(name));
  const std::string context = fmt::format("secret {}", name);
  const std::string path = fmt::format("{}/{}", directory_, name);
  // O_NONBLOCK: a FIFO would block the open for ever.
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd.valid()) {
    if (errno == ELOOP) {
      return MakeError(absl::StatusCode::kFailedPrecondition,
                       fmt::format("{}: is a symbolic link; a regular file is wanted", context));
    }
    return ErrnoError(errno, context);
  }
  struct stat info = {};
  if (::fstat(fd.get(), &info) != 0) return ErrnoError(errno, context);
  if (!S_ISREG(info.st_mode)) {
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     fmt::format("{}: is no regular file", context));
  }
  if ((info.st_mode & (S_IWGRP | S_IRWXO)) != 0) {
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     fmt::format("{}: its mode {:04o} lets others at it; chmod 0400", context,
                                 info.st_mode & 07777));
  }
  DMARCATE_ASSIGN_OR_RETURN(std::string text, ReadAll(fd.get(), context));
  return TrimSecret(context, std::move(text));
}

absl::StatusOr<Secret> FakeSecretSource::Read(std::string_view name) {
  DMARCATE_RETURN_IF_ERROR(ValidateSecretName(name));
  const auto found = secrets_.find(name);
  if (found == secrets_.end()) {
    return MakeError(absl::StatusCode::kNotFound, fmt::format("secret {}: not found", name));
  }
  return Secret(found->second);
}

}  // namespace dmarcate
