#include "policyd/provider/exec/exec_provider.h"

#include <algorithm>
#include <utility>

#include "lib/base/status_macros.h"
#include "policyd/provider/api/scrub.h"
#include "policyd/provider/exec/exec_message.h"

namespace dmarcate {
namespace {

constexpr size_t kMaxQuotedError = 300;

std::string InZone(const DomainName& zone) { return fmt::format("zone {}", zone.text()); }

// The end of what it said is where the reason stands.
std::string LastWords(const ProgramEnd& end, const std::vector<std::string>& secrets) {
  std::string said = end.error_was_cut ? ScrubCut(end.error, secrets) : Scrub(end.error, secrets);
  said = std::string(TrimAscii(said));
  if (said.size() > kMaxQuotedError) said = "..." + said.substr(said.size() - kMaxQuotedError);
  return EscapeForTerminal(ToValidUtf8(said));
}

}  // namespace

ExecProvider::ExecProvider(std::string_view name, ExecProgram program, ProviderClass provider_class,
                           Secret secret)
    : name_(fmt::format("exec {}", name)),
      program_(std::move(program)),
      class_(provider_class),
      secret_(std::move(secret)) {}

absl::Status ExecProvider::Fail(std::string_view operation, const absl::Status& status) const {
  // What the program says of itself may hold its secret, and was cut where it is long.
  return MakeError(status.code(), fmt::format("{}: {}: {}", name_, operation,
                                              ScrubCut(MessageOf(status), {secret_.Reveal()})));
}

absl::StatusOr<std::string> ExecProvider::Run(std::string_view operation, std::string request,
                                              Operation kind) {
  ProgramRun run;
  run.argv = program_.command;
  run.input = request;
  run.secret = secret_.Reveal();
  run.time_limit = program_.time_limit;
  if (!secret_.empty()) {
    run.environment.push_back(fmt::format("{}={}", kExecSecretVariable, kProgramSecretFd));
  }
  absl::StatusOr<ProgramEnd> end = RunProgram(run);
  if (!end.ok()) return Fail(operation, end.status());
  if (end->how == ProgramEnd::How::kExited && end->code == 0) return std::move(end->output);
  // Whatever it said before is no answer. It may have written, and failed then.
  absl::StatusCode code = absl::StatusCode::kUnknown;
  if (kind == Operation::kRead) {
    code = end->how == ProgramEnd::How::kFlooded ? absl::StatusCode::kDataLoss
                                                 : absl::StatusCode::kUnavailable;
  }
  std::string what = DescribeEnd(*end, run);
  if (const std::string said = LastWords(*end, {secret_.Reveal()}); !said.empty()) {
    what += fmt::format(": {}", said);
  }
  return MakeError(code, fmt::format("{}: {}: {}", name_, operation, what));
}

absl::StatusOr<std::vector<DomainName>> ExecProvider::ListZones() {
  DMARCATE_ASSIGN_OR_RETURN(const std::string answer,
                            Run("list_zones", ExecListZonesRequest(), Operation::kRead));
  absl::StatusOr<std::vector<DomainName>> zones = ParseExecZones(answer);
  if (!zones.ok()) return Fail("list_zones", zones.status());
  return zones;
}

absl::StatusOr<DomainName> ExecProvider::FindZone(const DomainName& owner) {
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<DomainName> zones, ListZones());
  for (DomainName candidate = owner; !candidate.IsRoot(); candidate = candidate.Parent()) {
    if (std::ranges::binary_search(zones, candidate)) return candidate;
  }
  return MakeError(absl::StatusCode::kNotFound,
                   fmt::format("{}: none of its zones holds {}", name_, owner.text()));
}

absl::StatusOr<RrSet> ExecProvider::ReadRrSet(const DomainName& zone, const DomainName& owner) {
  const absl::StatusOr<std::string> answer =
      Run("read", ExecReadRequest(zone, owner), Operation::kRead);
  if (!answer.ok()) return Annotate(answer.status(), InZone(zone));
  absl::StatusOr<RrSet> rrset = ParseExecRrSet(*answer);
  if (!rrset.ok()) return Annotate(Fail("read", rrset.status()), InZone(zone));
  return rrset;
}

absl::Status ExecProvider::Write(const DomainName& zone, const RrSetChange& change,
                                 const std::vector<TxtRecord>& expected) {
  DMARCATE_ASSIGN_OR_RETURN(
      const std::string answer,
      Run("write", ExecWriteRequest(zone, change, expected), Operation::kWrite));
  const absl::Status said = ParseExecWritten(answer);
  if (said.ok()) return said;
  const absl::Status failed = Fail("write", said);
  if (said.code() != absl::StatusCode::kDataLoss) return failed;
  return MakeError(absl::StatusCode::kUnknown, MessageOf(failed));
}

absl::Status ExecProvider::Apply(const DomainName& zone, const RrSetChange& change) {
  if (!change.owner.IsAtOrBelow(zone)) {
    return MakeError(absl::StatusCode::kNotFound,
                     fmt::format("{}: does not hold {}", InZone(zone), change.owner.text()));
  }
  DMARCATE_ASSIGN_OR_RETURN(const RrSet now, ReadRrSet(zone, change.owner));
  if (SameTexts(now.records, change.after)) return absl::OkStatus();
  const std::string context = fmt::format("{}: {}", InZone(zone), name_);
  const absl::Status changed =
      MakeError(absl::StatusCode::kAborted,
                fmt::format("{}: {} no longer holds what was read", context, change.owner.text()));
  if (!SameTexts(now.records, change.before)) return changed;

  const absl::Status written = Write(zone, change, now.records);
  if (!written.ok() && written.code() != absl::StatusCode::kAborted) {
    return Annotate(written, InZone(zone));
  }
  const absl::StatusOr<RrSet> then = ReadRrSet(zone, change.owner);
  if (then.ok() && SameTexts(then->records, change.after)) return absl::OkStatus();
  if (written.code() == absl::StatusCode::kAborted) return Annotate(written, InZone(zone));
  const std::string why =
      then.ok()
          ? fmt::format("says that it was written, but {} does not hold it", change.owner.text())
          : fmt::format("written, then: {}", MessageOf(then.status()));
  return MakeError(absl::StatusCode::kUnknown, fmt::format("{}: {}", context, why));
}

ProviderTest ExecProvider::Test() {
  const absl::StatusOr<std::string> answer = Run("test", ExecTestRequest(), Operation::kRead);
  if (!answer.ok()) return FailedTest(answer.status());
  const absl::StatusOr<ExecTest> told = ParseExecTest(*answer);
  if (!told.ok()) return FailedTest(Fail("test", told.status()));
  ProviderTest test;
  test.zones = told->zones;
  for (const std::string& warning : told->warnings) {
    test.warnings.push_back(ScrubCut(warning, {secret_.Reveal()}));
  }
  if (told->zones.empty()) {
    test.message = fmt::format("{} runs, and shows no zone", name_);
    return test;
  }
  if (told->provider_class > class_) {
    test.message = fmt::format(
        "{} promises class {} only, and the account is entered as class {}; "
        "add it anew with class={}",
        name_, ToString(told->provider_class), ToString(class_), ToString(told->provider_class));
    return test;
  }
  // That it lists a zone says nothing about its records.
  const absl::StatusOr<RrSet> apex = ReadRrSet(told->zones.front(), told->zones.front());
  if (!apex.ok()) {
    test = FailedTest(apex.status());
    test.zones = told->zones;
    return test;
  }
  test.state = ProviderTest::State::kWorking;
  test.message = fmt::format("{} works, and shows {} zones", name_, test.zones.size());
  return test;
}

}  // namespace dmarcate
