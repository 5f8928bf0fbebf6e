#include "cli/change_apply.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "fmt/format.h"
#include <CLI/CLI.hpp>

#include "cli/call.h"
#include "cli/change_text.h"
#include "cli/messages.h"
#include "dmarcate/v1/change.grpc.pb.h"
#include "lib/base/text.h"

namespace dmarcate::cli {
namespace {

using Stub = v1::ChangeService::Stub;

// An apply may verify for a while; the change goes on when this runs out.
constexpr absl::Duration kPatience = absl::Minutes(2);
// The call that starts it answers soon, with the step reached; from then on it is watched.
constexpr absl::Duration kStartTimeout = absl::Seconds(3);
constexpr absl::Duration kWatchInterval = absl::Milliseconds(300);

struct Options {
  std::string domain, change, digest, in;
  bool dry_run = false;
};

bool LacksDomain(const Options& options) {
  return ChildResource(options.change, "changes", options.domain).empty();
}

grpc::Status GetByName(App* app, Stub& stub, const std::string& name, v1::Change* change) {
  v1::GetChangeRequest request;
  request.set_name(name);
  v1::GetChangeResponse response;
  const grpc::Status status = Call(app, stub, &Stub::GetChange, request, &response);
  *change = response.change();
  return status;
}

grpc::Status Get(App* app, Stub& stub, const Options& options, v1::Change* change) {
  return GetByName(app, stub, ChildResource(options.change, "changes", options.domain), change);
}

// Marks of steps on stderr, each once; on a terminal a last line that counts servers and time.
class StepList {
 public:
  void Show(const v1::Change& change, absl::Duration left) {
    const std::vector<std::string> marks = StepMarks(change);
    if (marks.size() > shown_) EndLine();
    for (; shown_ < marks.size(); ++shown_) WriteErr(marks[shown_] + "\n");
    if (!StderrIsTerminal() || !IsRunning(change)) return;
    const std::string verify = VerifyMark(change);
    if (verify.empty()) return;
    const int64_t seconds = std::max<int64_t>(0, absl::ToInt64Seconds(left));
    WriteErr(fmt::format("\r{}, watched for {}:{:02} more ", verify, seconds / 60, seconds % 60));
    line_open_ = true;
  }
  void Finish(const v1::Change& change) {
    Show(change, absl::ZeroDuration());
    EndLine();
    const std::string verify = VerifyMark(change);
    if (!verify.empty()) WriteErr(verify + "\n");
  }

 private:
  void EndLine() {
    if (std::exchange(line_open_, false)) WriteErr("\r\x1b[K");
  }
  size_t shown_ = 0;
  bool line_open_ = false;
};

enum class Until : uint8_t { kEnd, kWaiting };

// Until policyd is done with it, or patience is at its end; kWaiting: or until it is a person's
// turn.
grpc::Status Watch(App* app, Stub& stub, v1::Change* change, Until until) {
  StepList list;
  const absl::Time end = absl::Now() + kPatience;
  grpc::Status status;
  while (IsRunning(*change) && absl::Now() < end) {
    if (until == Until::kWaiting && WaitsForPerson(*change)) break;
    list.Show(*change, end - absl::Now());
    absl::SleepFor(kWatchInterval);
    v1::Change now;
    status = GetByName(app, stub, change->name(), &now);
    if (!status.ok()) break;
    *change = now;
  }
  list.Finish(*change);
  return status;
}

// That it cannot be asked now does not mean that it failed.
void WatchStarted(App* app, Stub& stub, v1::Change* change) {
  if (Watch(app, stub, change, Until::kWaiting).ok()) return;
  app->Note(fmt::format("{0} goes on; look again: dmarcate changes watch {0}", change->name()));
}

// Runs `start`, which may have begun its work when its time is up.
template <typename Start>
grpc::Status StartAndWatch(App* app, Stub& stub, const std::string& name, const Start& start,
                           v1::Change* change) {
  grpc::Status status = start();
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    const grpc::Status seen = GetByName(app, stub, name, change);
    if (!seen.ok() || change->state() == v1::Change::STATE_PLANNED) return status;
    status = grpc::Status::OK;
  }
  if (!status.ok()) return status;
  WatchStarted(app, stub, change);
  return status;
}

// What can be done about a change that ended otherwise than it should.
void TryNext(const App& app, const v1::Change& change) {
  if (!change.has_error() || app.format() != Format::kTable) return;
  FlushOut();
  app.Try(app.NextStepsOf(change.error().reason()));
}

// `records_shown`: they have been printed with the question.
void ShowOutcome(const App& app, const v1::Change& change, bool records_shown) {
  if (records_shown) {
    WriteOut(
        fmt::format("{}  {}\n{}", change.name(), StateText(change.state()), ProgressText(change)));
  } else {
    ShowChange(app, change);
  }
  TryNext(app, change);
}

void NoteWaiting(const App& app, const v1::Change& change) {
  if (!WaitsForPerson(change)) return;
  FlushOut();
  app.Note(
      fmt::format("set the records above; the DNS is looked at every 30 s until {}. Look again: "
                  "dmarcate changes watch {}",
                  Text(change.plan_expire_time()), change.name()));
}

// As absl, and days: "3d".
bool ParseDelay(const std::string& text, absl::Duration* delay) {
  int days = 0;
  const char* const end = text.data() + text.size();
  const auto [read, error] = std::from_chars(text.data(), end, days);
  if (error == std::errc() && std::string_view(read, end) == "d") {
    *delay = days * absl::Hours(24);
    return true;
  }
  return absl::ParseDuration(text, delay);
}

int Apply(App* app, const Options& options) {
  if (LacksDomain(options)) return app->MissingDomain("changes apply", options.change);
  absl::Duration delay;
  if (!options.in.empty() && (!ParseDelay(options.in, &delay) || delay < absl::Seconds(1))) {
    return app->Fail(kUsage, "USAGE", "command line",
                     fmt::format("--in {}: wants a time like 10m, 2h, 90s or 3d",
                                 EscapeForTerminal(options.in)));
  }
  const auto stub = v1::ChangeService::NewStub(app->policyd());
  v1::Change change;
  grpc::Status status = Get(app, *stub, options, &change);
  if (!status.ok()) return app->Fail("change not read", status);
  // Whoever is asked has seen what is asked about, whatever the format of the result.
  const bool planned = change.state() == v1::Change::STATE_PLANNED;
  const bool shown = planned && app->format() == Format::kTable;
  if (planned) WriteErr(ChangeText(change));
  const std::string when = options.in.empty() ? "" : fmt::format(" in {}", options.in);
  if (planned && !options.dry_run &&
      !app->Confirm(Removes(change) ? Confirmation::kSerious : Confirmation::kMild,
                    change.manual_edits().empty()
                        ? fmt::format("write this to the DNS{}?", when)
                        : fmt::format("wait for somebody to set this by hand{}?", when))) {
    app->Note("the plan is kept");
    return kFailed;
  }
  v1::ApplyChangeRequest request;
  request.set_name(change.name());
  request.set_etag(change.etag());
  request.set_plan_digest(options.digest.empty() ? change.plan_digest() : options.digest);
  request.set_validate_only(options.dry_run);
  if (!options.in.empty()) request.mutable_delay()->set_seconds(absl::ToInt64Seconds(delay));
  const bool checks_only = options.dry_run || !options.in.empty();  // those are made at once
  v1::Change result;
  const auto start = [&] {
    v1::ApplyChangeResponse response;
    const grpc::Status started =
        Call(app, *stub, &Stub::ApplyChange, request, &response, App::Daemon::kPolicyd,
             checks_only ? kCallTimeout : kStartTimeout);
    result = response.change();
    return started;
  };
  // The call may answer while the plan is still being checked. Then it is made again: it joins what
  // runs, and what ends with an error says so to who asks.
  const absl::Time patience = absl::Now() + kPatience;
  bool checking = false;
  do {
    status = StartAndWatch(app, *stub, change.name(), start, &result);
    const bool answered = status.ok() || status.error_code() == grpc::DEADLINE_EXCEEDED;
    checking = !checks_only && answered && result.state() == v1::Change::STATE_PLANNED;
  } while (checking && absl::Now() < patience);
  if (checking) {
    app->Note(
        fmt::format("it is still being checked, and may be written yet; look again: dmarcate "
                    "changes show {}",
                    change.name()));
    return kStillRunning;
  }
  if (!status.ok()) return app->Fail("change not applied", status);
  ShowOutcome(*app, result, shown);
  NoteWaiting(*app, result);
  if (change.state() == v1::Change::STATE_SUCCEEDED) {
    app->Note("it had been applied already; nothing was written now");
  }
  if (result.has_apply_after_time()) {
    app->Note(fmt::format("until then: dmarcate changes cancel {}", result.name()));
  }
  return options.dry_run ? static_cast<int>(kDone) : ExitCodeFor(result);
}

int RollBack(App* app, const Options& options) {
  if (LacksDomain(options)) return app->MissingDomain("changes rollback", options.change);
  const auto stub = v1::ChangeService::NewStub(app->policyd());
  v1::Change change;
  grpc::Status status = Get(app, *stub, options, &change);
  if (!status.ok()) return app->Fail("change not read", status);
  v1::RollbackChangeRequest request;
  request.set_name(change.name());
  request.set_etag(change.etag());
  request.set_validate_only(true);
  v1::RollbackChangeResponse plan;
  app->Expect("what is live now is read at the DNS provider and at each name server");
  status = Call(app, *stub, &Stub::RollbackChange, request, &plan);
  if (!status.ok()) return app->Fail("change not rolled back", status);
  const bool done_before = !change.rolled_back_by().empty();
  if (options.dry_run || done_before || plan.change().state() == v1::Change::STATE_REFUSED) {
    if (done_before) {
      ShowChange(*app, plan.change());
    } else {
      ShowPlan(*app, plan.change());
    }
    if (done_before) {
      app->Note("it had been rolled back already, by the change shown; nothing was written now");
    }
    return options.dry_run ? static_cast<int>(kDone) : ExitCodeFor(plan.change());
  }
  WriteErr(PlanText(plan.change()));
  if (!app->Confirm(Confirmation::kSerious,
                    fmt::format("restore what was before {}?", change.name()))) {
    return kFailed;
  }
  // Exactly what was shown, or nothing.
  request.set_plan_digest(plan.change().plan_digest());
  request.set_validate_only(false);
  v1::RollbackChangeResponse response;
  app->Expect("what is live is compared, written, and looked for at each name server");
  status = Call(app, *stub, &Stub::RollbackChange, request, &response);
  if (!status.ok()) return app->Fail("change not rolled back", status);
  v1::Change result = response.change();
  WatchStarted(app, *stub, &result);
  ShowOutcome(*app, result, app->format() == Format::kTable);
  NoteWaiting(*app, result);
  return ExitCodeFor(result);
}

int Cancel(App* app, const Options& options) {
  if (LacksDomain(options)) return app->MissingDomain("changes cancel", options.change);
  const auto stub = v1::ChangeService::NewStub(app->policyd());
  v1::Change change;
  grpc::Status status = Get(app, *stub, options, &change);
  if (!status.ok()) return app->Fail("change not read", status);
  v1::CancelChangeRequest request;
  request.set_name(change.name());
  request.set_etag(change.etag());
  request.set_validate_only(options.dry_run);
  v1::CancelChangeResponse response;
  status = Call(app, *stub, &Stub::CancelChange, request, &response);
  if (!status.ok()) return app->Fail("change not cancelled", status);
  ShowChange(*app, response.change());
  return kDone;
}

int WatchOne(App* app, const Options& options) {
  if (LacksDomain(options)) return app->MissingDomain("changes watch", options.change);
  const auto stub = v1::ChangeService::NewStub(app->policyd());
  v1::Change change;
  grpc::Status status = Get(app, *stub, options, &change);
  if (status.ok()) status = Watch(app, *stub, &change, Until::kEnd);
  if (!status.ok()) return app->Fail("change not read", status);
  ShowOutcome(*app, change, false);
  return ExitCodeFor(change);
}

}  // namespace

void ShowChange(const App& app, const v1::Change& change) {
  if (app.format() == Format::kTable || app.format() == Format::kWide) {
    WriteOut(ChangeText(change));
  } else {
    Print(app.format(), change, "", OneChange(change));
  }
}

void ShowPlan(const App& app, const v1::Change& change) {
  if (app.format() != Format::kTable && app.format() != Format::kWide) {
    return ShowChange(app, change);
  }
  WriteOut(PlanText(change));
}

int ExitCodeFor(const v1::Change& change) {
  switch (change.state()) {
    case v1::Change::STATE_SUCCEEDED:
    case v1::Change::STATE_PLANNED:
      return kDone;
    case v1::Change::STATE_REFUSED:
      return kRefused;
    case v1::Change::STATE_EXPIRED:
      return kChangedUnderneath;
    case v1::Change::STATE_APPLYING:
    case v1::Change::STATE_VERIFYING:
    case v1::Change::STATE_ROLLING_BACK:
      return kStillRunning;
    case v1::Change::STATE_ROLLED_BACK:
    case v1::Change::STATE_NEEDS_ATTENTION:
      return kNotVerified;
    default:
      return kFailed;
  }
}

void AddChangeApply(CLI::App* group, App* app) {
  auto options = std::make_shared<Options>();
  const auto add = [&](const char* name, const char* purpose) {
    CLI::App* command = group->add_subcommand(name, purpose);
    command->add_option("CHANGE", options->change, "change id or resource name")->required();
    command->add_option("--domain", options->domain, "domain of the change");
    return command;
  };
  CLI::App* apply = add("apply", "write exactly what the plan shows, and verify it");
  apply->add_option("--digest", options->digest, "apply only if the plan has this digest");
  apply->add_option("--in", options->in,
                    "not now: 10m, 2h, 3d, at most 7d; can be cancelled until then");
  apply->add_flag("--dry-run", options->dry_run, "all checks, no write");
  apply->footer(
      "Examples:\n  dmarcate changes apply 20260629-1a2b --domain example.com --dry-run\n"
      "  dmarcate changes apply 20260629-1a2b --domain example.com --in 10m\n"
      "  dmarcate changes apply 20260629-1a2b --domain example.com --yes");
  app->OnSelected(apply, [app, options] { return Apply(app, *options); });

  CLI::App* watch = add("watch", "follow a change until it has ended");
  watch->footer("Examples:\n  dmarcate changes watch 20260629-1a2b --domain example.com");
  app->OnSelected(watch, [app, options] { return WatchOne(app, *options); });

  CLI::App* rollback = add("rollback", "restore the exact bytes from before a change");
  rollback->add_flag("--dry-run", options->dry_run, "show the plan of the rollback");
  rollback->footer("Examples:\n  dmarcate changes rollback 20260629-1a2b --domain example.com");
  app->OnSelected(rollback, [app, options] { return RollBack(app, *options); });

  CLI::App* cancel = add("cancel", "withdraw a plan, or an apply that waits for its time");
  cancel->add_flag("--dry-run", options->dry_run, "only whether it can be cancelled");
  cancel->footer("Examples:\n  dmarcate changes cancel 20260629-1a2b --domain example.com");
  app->OnSelected(cancel, [app, options] { return Cancel(app, *options); });
}

}  // namespace dmarcate::cli
