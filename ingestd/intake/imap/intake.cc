#include "ingestd/intake/imap/intake.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/status_macros.h"

namespace dmarcate {
namespace {

constexpr absl::Duration kFirstDelay = absl::Seconds(10);
constexpr absl::Duration kLongestDelay = absl::Minutes(10);

}  // namespace

absl::Duration NextPollDelay(absl::Duration interval, const absl::Status& error, int failures) {
  if (error.ok()) return interval;
  const absl::Duration longest = std::max(interval, kLongestDelay);
  if (error.code() == absl::StatusCode::kPermissionDenied) return longest;
  // A folder that is not there does not slow down those that are.
  if (error.code() == absl::StatusCode::kInvalidArgument) return interval;
  absl::Duration delay = std::min(interval, kFirstDelay);
  for (int i = 1; i < failures && delay < longest; ++i) delay *= 2;
  return std::min(delay, longest);
}

absl::StatusOr<std::unique_ptr<ImapIntake>> ImapIntake::Start(
    const std::vector<ImapAccount>& accounts, ImapPollerParts parts) {
  std::unique_ptr<ImapIntake> intake(new ImapIntake);
  if (accounts.empty()) return intake;
  if (mkdir(parts.bookmark_directory.c_str(), 0750) != 0 && errno != EEXIST) {
    return ErrnoError(errno, parts.bookmark_directory);
  }
  for (const ImapAccount& account : accounts) {
    const absl::Status guarded =
        account.password_file.empty() ? absl::OkStatus() : CheckPasswordFile(account.password_file);
    if (!guarded.ok()) LogWarn("imap_password_file", {{"error", guarded}});
    intake->pollers_.push_back(std::make_unique<ImapPoller>(
        account, parts, [raw = intake.get()] { return raw->stopping(); }));
  }
  for (const auto& poller : intake->pollers_) {
    intake->threads_.emplace_back([raw = intake.get(), &poller] { raw->Run(*poller); });
  }
  return intake;
}

bool ImapIntake::stopping() const {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

void ImapIntake::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void ImapIntake::Run(ImapPoller& poller) {
  const ImapAccount& account = poller.account();
  std::string last_error;  // each is logged once
  int failures = 0;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    lock.unlock();
    const absl::Status status = poller.Poll();
    failures = status.ok() ? 0 : failures + 1;
    const absl::Duration delay = NextPollDelay(account.interval, status, failures);
    if (status.ok()) {
      if (!last_error.empty()) LogInfo("imap_recovered", {{"account", account.name}});
      last_error.clear();
    } else if (status.code() != absl::StatusCode::kCancelled && status.ToString() != last_error) {
      last_error = status.ToString();
      LogWarn("imap_failed", {{"account", account.name},
                              {"error", status},
                              {"retry_in", absl::FormatDuration(delay)}});
    }
    lock.lock();
    wake_.wait_for(lock, absl::ToChronoMilliseconds(delay), [this] { return stopping_; });
  }
}

}  // namespace dmarcate
