#include "tests/testing/zone_signer.h"

#include "lib/base/file.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "tests/testing/process.h"
#include "tests/testing/temp_dir.h"

namespace dmarcate::testing_support {
namespace {

constexpr size_t kFileLimitBytes = size_t{1} << 20;

absl::StatusOr<std::string> Run(std::vector<std::string> argv) {
  DMARCATE_ASSIGN_OR_RETURN(CommandResult result, RunCommand(argv));
  if (result.exit_code == 0) return std::move(result.output);
  return MakeError(absl::StatusCode::kInternal, fmt::format("{}: {}", argv[0], result.output));
}

// The first line of a file that is no comment.
absl::StatusOr<std::string> RecordIn(const std::string& path) {
  DMARCATE_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kFileLimitBytes));
  for (const std::string_view line : Split(text, '\n')) {
    if (!line.empty() && !line.starts_with(';')) return std::string(line) + "\n";
  }
  return MakeError(absl::StatusCode::kInternal, path + " holds no record");
}

}  // namespace

absl::StatusOr<SignedZone> SignZone(const TestZone& zone, Denial denial, Validity validity) {
  const TempDir directory;
  const std::string& d = directory.path();
  DMARCATE_ASSIGN_OR_RETURN(const std::string made,
                            Run({"dnssec-keygen", "-q", "-K", d, "-a", "ECDSAP256SHA256", "-f",
                                 "KSK", "-n", "ZONE", zone.name}));
  const std::string key = directory.File(TrimAscii(made));  // "Kexample.test.+013+12345"

  const std::string signed_path = directory.File("signed");
  // -S: with the keys found. -P: without verifying, which expired signatures would not pass.
  std::vector<std::string> argv = {
      "dnssec-signzone", "-q", "-S",       "-P", "-z", "-K", d, "-d", d, "-O", "full", "-o",
      zone.name,         "-f", signed_path};
  if (denial == Denial::kNsec3) argv.insert(argv.end(), {"-3", "-", "-H", "0"});
  if (validity == Validity::kExpired) {
    argv.insert(argv.end(), {"-s", "20200101000000", "-e", "20200201000000"});
  }
  argv.push_back(directory.Write("unsigned", zone.text));
  DMARCATE_RETURN_IF_ERROR(Run(std::move(argv)).status());

  SignedZone out{zone};
  DMARCATE_ASSIGN_OR_RETURN(out.zone.text, ReadFile(signed_path, kFileLimitBytes));
  DMARCATE_ASSIGN_OR_RETURN(out.dnskey, RecordIn(key + ".key"));
  DMARCATE_ASSIGN_OR_RETURN(out.ds, RecordIn(directory.File("dsset-" + zone.name + ".")));
  if (validity == Validity::kNow) {
    DMARCATE_ASSIGN_OR_RETURN(std::string private_key, ReadFile(key + ".private", kFileLimitBytes));
    out.zone.signer = ZoneSigner{zone.text, std::move(private_key), denial};
  }
  return out;
}

}  // namespace dmarcate::testing_support
