#include "policyd/provider/configured_secrets.h"

#include <utility>

#include "lib/base/status_macros.h"
#include "policyd/provider/exec/program.h"

namespace dmarcate {
namespace {

absl::StatusOr<Secret> ReadByCommand(std::string_view context,
                                     const std::vector<std::string>& command) {
  ProgramRun run;
  run.argv = command;
  run.time_limit = ConfiguredSecretSource::kCommandLimit;
  run.output_limit_bytes = kMaxSecretOctets + 2;
  absl::StatusOr<ProgramEnd> end = RunProgram(run);
  if (!end.ok()) return Annotate(end.status(), context);
  // Wiped with this object, however it goes on.
  Secret printed(std::move(end->output));
  if (end->how != ProgramEnd::How::kExited || end->code != 0) {
    return MakeError(
        end->how == ProgramEnd::How::kFlooded ? absl::StatusCode::kFailedPrecondition
                                              : absl::StatusCode::kUnavailable,
        fmt::format("{}: its command: {}; run it as the user of policyd to see what it says",
                    context, DescribeEnd(*end, run)));
  }
  return TrimSecret(context, printed.Reveal());
}

}  // namespace

ConfiguredSecretSource::ConfiguredSecretSource(std::string secrets_directory,
                                               std::string credentials_directory,
                                               SecretEntries entries)
    : files_(std::move(secrets_directory)),
      credentials_(credentials_directory),
      has_credentials_(!credentials_directory.empty()),
      entries_(std::move(entries)) {}

absl::Status ConfiguredSecretSource::CheckUse(std::string_view name, const SecretUse& use) const {
  const auto found = entries_.find(name);
  return CheckSecretUse(
      name, found == entries_.end() ? std::vector<std::string>{} : found->second.uses, use);
}

absl::StatusOr<Secret> ConfiguredSecretSource::Read(std::string_view name) {
  DMARCATE_RETURN_IF_ERROR(ValidateSecretName(name));
  const auto found = entries_.find(name);
  if (found == entries_.end()) return files_.Read(name);
  const SecretEntry& entry = found->second;
  const std::string context = fmt::format("secret {}", name);
  if (!entry.command.empty()) return ReadByCommand(context, entry.command);
  if (entry.credential.empty()) return files_.Read(name);
  if (!has_credentials_) {
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     fmt::format("{}: systemd passed no credentials; LoadCredential={}:FILE in the "
                                 "unit does",
                                 context, entry.credential));
  }
  absl::StatusOr<Secret> secret = credentials_.Read(entry.credential);
  if (!secret.ok()) return Annotate(secret.status(), fmt::format("{}: credential", context));
  return secret;
}

}  // namespace dmarcate
