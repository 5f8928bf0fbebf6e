#include "ingestd/intake/imap/poller.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <set>

#include "fmt/format.h"

#include "lib/base/digest.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"

namespace dmarcate {
namespace {

constexpr uint64_t kSearchWindow = 1'000'000;  // what one search may find (ImapSession::Search)
constexpr uint64_t kLastUid = UINT32_MAX;
// More than a few mean that something else is wrong.
constexpr size_t kPendingLimit = 1000;
// Mail beyond stays unmarked: marks are for people, and every poll tries all of them.
constexpr size_t kUnmarkedLimit = 10'000;
constexpr std::chrono::milliseconds kWaitSlice(50);

absl::Status Stopping() { return MakeError(absl::StatusCode::kCancelled, "stopping"); }

// The pipeline's answers. They may come after the poller has gone.
class Answers {
 public:
  size_t Add() {
    const std::lock_guard lock(mutex_);
    answers_.emplace_back();
    return answers_.size() - 1;
  }
  void Set(size_t i, const absl::Status& status) {
    {
      const std::lock_guard lock(mutex_);
      answers_[i] = status;
      ++known_;
    }
    changed_.notify_all();
  }
  // Until all are known. False: `stopping` said so before.
  bool Await(const std::function<bool()>& stopping) {
    std::unique_lock lock(mutex_);
    while (known_ < answers_.size()) {
      changed_.wait_for(lock, kWaitSlice);
      if (known_ < answers_.size() && stopping()) return false;
    }
    return true;
  }
  absl::Status Get(size_t i) const {
    const std::lock_guard lock(mutex_);
    return *answers_[i];
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::optional<absl::Status>> answers_;
  size_t known_ = 0;
};

}  // namespace

// Some messages on their way from the folder to the store.
struct ImapPoller::Page {
  std::vector<uint32_t> uids;
  std::shared_ptr<Answers> answers = std::make_shared<Answers>();
  std::vector<std::pair<uint32_t, size_t>> submitted;  // UID and answer
  std::set<uint32_t> done;                             // nothing is left to do
  std::set<uint32_t> later;                            // to be asked for again
};

ImapPoller::ImapPoller(ImapAccount account, ImapPollerParts parts, std::function<bool()> stopping)
    : account_(std::move(account)), parts_(std::move(parts)), stopping_(std::move(stopping)) {}

std::string ImapPoller::bookmark_path() const {
  const std::string whose =
      fmt::format("{}\n{}\n{}", account_.server.host, account_.server.port, account_.server.user);
  return fmt::format("{}/{}", parts_.bookmark_directory, Sha256Hex(whose).substr(0, 32));
}

absl::Status ImapPoller::Poll() {
  if (!loaded_) LoadBookmarks();
  // Not even a connection while nothing may be taken.
  DMARCATE_RETURN_IF_ERROR(parts_.gauge.Admit(Channel::kImap));
  DMARCATE_ASSIGN_OR_RETURN(const Secret secret, ReadImapSecret(account_, stopping_));
  DMARCATE_ASSIGN_OR_RETURN(const std::unique_ptr<ImapSession> session,
                            parts_.connector.Connect(account_.server, secret, stopping_));
  absl::Status first_error;
  for (const std::string& folder : account_.folders) {
    if (stopping_()) return Stopping();
    const absl::Status status = PollFolder(*session, folder);
    if (status.ok()) continue;
    const absl::Status error = Annotate(status, fmt::format("folder {}", folder));
    // The server's no concerns this folder; anything else the connection, or us.
    if (status.code() != absl::StatusCode::kInvalidArgument) return error;
    if (first_error.ok()) first_error = error;
  }
  session->Logout();
  return first_error;
}

absl::Status ImapPoller::PollFolder(ImapSession& session, const std::string& folder) {
  const ImapAccess access =
      account_.after == AfterTaken::kNothing ? ImapAccess::kReadOnly : ImapAccess::kReadWrite;
  DMARCATE_ASSIGN_OR_RETURN(const ImapFolder info, session.Select(folder, access));
  ImapBookmark& bookmark = bookmarks_[folder];
  if (bookmark.uid_validity != info.uid_validity) {
    if (bookmark.uid_validity != 0) {
      LogWarn("imap_uidvalidity_changed", {{"account", account_.name},
                                           {"folder", folder},
                                           {"before", bookmark.uid_validity},
                                           {"now", info.uid_validity}});
    }
    bookmark = {.uid_validity = info.uid_validity};
    std::erase_if(tries_, [&folder](const auto& entry) { return entry.first.first == folder; });
  }
  if (account_.after == AfterTaken::kNothing) bookmark.unmarked.clear();
  absl::Status marked = Mark(session, &bookmark);
  if (!marked.ok() && marked.code() != absl::StatusCode::kInvalidArgument) return marked;
  const std::vector<uint32_t> again = DueAgain(folder, bookmark.pending);
  DMARCATE_RETURN_IF_ERROR(TakeNew(session, folder, info.uid_next, &bookmark));
  for (size_t at = 0; at < again.size(); at += kUidsPerCommand) {
    const auto from = again.begin() + static_cast<std::ptrdiff_t>(at);
    const auto count = std::min(kUidsPerCommand, again.size() - at);
    DMARCATE_RETURN_IF_ERROR(
        TakePage(session, folder, {from, from + static_cast<std::ptrdiff_t>(count)}, &bookmark));
  }
  if (marked.ok() && !bookmark.unmarked.empty()) {
    marked = MakeError(absl::StatusCode::kInvalidArgument,
                       fmt::format("{} stored messages could not be {}", bookmark.unmarked.size(),
                                   account_.after == AfterTaken::kMove ? "moved" : "flagged"));
  }
  return marked;
}

absl::Status ImapPoller::TakeNew(ImapSession& session, const std::string& folder, uint64_t uid_next,
                                 ImapBookmark* bookmark) {
  // Windows end, whatever UIDNEXT the server tells: there are 4,295 of them.
  while (bookmark->next_uid <= kLastUid && (uid_next == 0 || bookmark->next_uid < uid_next)) {
    if (stopping_()) return Stopping();
    const uint64_t last =
        uid_next == 0 ? 0 : std::min(bookmark->next_uid + kSearchWindow, uid_next) - 1;
    DMARCATE_ASSIGN_OR_RETURN(const std::vector<uint32_t> found,
                              session.Search(static_cast<uint32_t>(bookmark->next_uid),
                                             static_cast<uint32_t>(std::min(last, kLastUid))));
    for (size_t at = 0; at < found.size(); at += kUidsPerCommand) {
      const auto from = found.begin() + static_cast<std::ptrdiff_t>(at);
      const auto count = std::min(kUidsPerCommand, found.size() - at);
      DMARCATE_RETURN_IF_ERROR(
          TakePage(session, folder, {from, from + static_cast<std::ptrdiff_t>(count)}, bookmark));
    }
    if (last == 0) break;
    bookmark->next_uid = std::max(bookmark->next_uid, last + 1);
  }
  return SaveBookmarks();
}

absl::Status ImapPoller::TakePage(ImapSession& session, const std::string& folder,
                                  const std::vector<uint32_t>& uids, ImapBookmark* bookmark) {
  Page page;
  page.uids = uids;
  absl::Status status = FetchPage(session, folder, &page);
  if (!page.answers->Await(stopping_)) return Stopping();
  size_t taken = 0;
  for (const auto& [uid, answer] : page.submitted) {
    const absl::Status durable = page.answers->Get(answer);
    if (durable.ok()) {
      ++taken;
      page.done.insert(uid);
      if (account_.after != AfterTaken::kNothing && bookmark->unmarked.size() < kUnmarkedLimit) {
        bookmark->unmarked.insert(uid);
      }
    } else if (status.ok()) {
      status = Annotate(durable, "store");
    }
  }
  for (const uint32_t uid : uids) {
    if (page.done.contains(uid)) {
      bookmark->pending.erase(uid);
      tries_.erase({folder, uid});
    } else if (page.later.contains(uid) && bookmark->pending.size() < kPendingLimit) {
      bookmark->pending.insert(uid);
    } else if (!bookmark->pending.contains(uid)) {
      if (status.ok()) {
        status = MakeError(absl::StatusCode::kDataLoss,
                           fmt::format("over {} messages cannot be read", kPendingLimit));
      }
      break;  // from here on the next poll goes on
    }
    bookmark->next_uid = std::max(bookmark->next_uid, uint64_t{uid} + 1);
  }
  // Not over a connection that is broken, and not after the store refused: the next poll will.
  if (status.ok()) {
    const absl::Status marked = Mark(session, bookmark);
    if (marked.code() != absl::StatusCode::kInvalidArgument) status = marked;
  }
  if (taken > 0) {
    LogInfo("imap_taken", {{"account", account_.name}, {"folder", folder}, {"messages", taken}});
  }
  const absl::Status saved = SaveBookmarks();
  return status.ok() ? saved : status;
}

absl::Status ImapPoller::FetchPage(ImapSession& session, const std::string& folder, Page* page) {
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<ImapMessageInfo> infos, session.Describe(page->uids));
  std::set<uint32_t> known;
  for (const ImapMessageInfo& info : infos) known.insert(info.uid);
  for (const uint32_t uid : page->uids) {
    if (!known.contains(uid)) page->done.insert(uid);  // gone meanwhile
  }
  for (const ImapMessageInfo& info : infos) {
    if (stopping_()) return Stopping();
    DMARCATE_RETURN_IF_ERROR(Take(session, folder, info, page));
  }
  return absl::OkStatus();
}

// An error ends the page.
absl::Status ImapPoller::Take(ImapSession& session, const std::string& folder,
                              const ImapMessageInfo& info, Page* page) {
  const auto too_large = [&](std::string_view size) {
    LogWarn("imap_over_limit", {{"account", account_.name},
                                {"folder", folder},
                                {"uid", info.uid},
                                {"size", size},
                                {"limit", parts_.message_limit_bytes}});
    page->done.insert(info.uid);
  };
  const auto limit = static_cast<uint64_t>(parts_.message_limit_bytes);
  if (info.size_bytes > limit) {
    too_large(std::to_string(info.size_bytes));
    return absl::OkStatus();
  }
  DMARCATE_RETURN_IF_ERROR(parts_.gauge.Admit(Channel::kImap));
  auto reserved = std::max<int64_t>(static_cast<int64_t>(info.size_bytes), 1);
  ByteBudget::Reservation reservation = parts_.budget.AcquireUnless(reserved, stopping_);
  if (!reservation.valid()) return Stopping();
  absl::StatusOr<std::optional<std::string>> content = session.Fetch(info.uid, limit);
  if (!content.ok()) {
    const absl::Status error = Annotate(content.status(), fmt::format("message {}", info.uid));
    switch (content.status().code()) {
      case absl::StatusCode::kCancelled:
        return error;
      case absl::StatusCode::kResourceExhausted:
        too_large("not as told");
        return error;
      case absl::StatusCode::kUnavailable:
      case absl::StatusCode::kDeadlineExceeded:
        // The network, or a message that breaks this server: so the others come first.
        CountTry(folder, info.uid);
        page->later.insert(info.uid);
        return error;
      default:
        (WorthAnotherTry(folder, info.uid, error) ? page->later : page->done).insert(info.uid);
        return content.status().code() == absl::StatusCode::kDataLoss ? error : absl::OkStatus();
    }
  }
  if (!content->has_value()) {
    // Described a moment ago. If it is gone, the next description will be without it.
    const absl::Status error = MakeError(absl::StatusCode::kNotFound, "the server gives nothing");
    (WorthAnotherTry(folder, info.uid, error) ? page->later : page->done).insert(info.uid);
    return absl::OkStatus();
  }
  // Sizes are what servers say. At most this one message is not counted, for a moment.
  if (std::cmp_greater((*content)->size(), reserved)) {
    reservation.Release();
    reserved = static_cast<int64_t>((*content)->size());
    reservation = parts_.budget.AcquireUnless(reserved, stopping_);
    if (!reservation.valid()) return Stopping();
  }
  Delivery delivery;
  delivery.content = *std::move(*content);
  delivery.file_name = ToValidUtf8(fmt::format("{};UID={}", folder.substr(0, 200), info.uid));
  delivery.channel = Channel::kImap;
  const absl::Time now = parts_.clock.Now();
  delivery.received_time = std::min(info.internal_date.value_or(now), now);
  delivery.reservation = std::move(reservation);
  const size_t answer = page->answers->Add();
  page->submitted.emplace_back(info.uid, answer);
  parts_.pipeline.Submit(
      std::move(delivery),
      [answers = page->answers, answer](const absl::Status& durable) {
        answers->Set(answer, durable);
      },
      [](const auto&) {});
  return absl::OkStatus();
}

std::vector<uint32_t> ImapPoller::DueAgain(const std::string& folder,
                                           const std::set<uint32_t>& pending) const {
  const absl::Time now = parts_.clock.Now();
  std::vector<std::pair<int, uint32_t>> due;  // by the number of failures
  for (const uint32_t uid : pending) {
    const auto tries = tries_.find({folder, uid});
    if (tries == tries_.end()) {
      due.emplace_back(0, uid);
    } else if (tries->second.next <= now) {
      due.emplace_back(tries->second.count, uid);
    }
  }
  std::ranges::sort(due);
  std::vector<uint32_t> out;
  for (const auto& [count, uid] : due) out.push_back(uid);
  return out;
}

const ImapPoller::Tries& ImapPoller::CountTry(const std::string& folder, uint32_t uid) {
  constexpr int kMostDoublings = 20;
  const absl::Time now = parts_.clock.Now();
  Tries& tries = tries_.try_emplace({folder, uid}, Tries{0, now, now}).first->second;
  tries.next =
      now + std::min(account_.interval * (int64_t{1} << std::min(tries.count, kMostDoublings)),
                     kLongestPause);
  ++tries.count;
  return tries;
}

bool ImapPoller::WorthAnotherTry(const std::string& folder, uint32_t uid,
                                 const absl::Status& error) {
  const Tries& tries = CountTry(folder, uid);
  if (tries.count < kTries || parts_.clock.Now() - tries.first < kPatience) return true;
  LogError("imap_message_unreadable", {{"account", account_.name},
                                       {"folder", folder},
                                       {"uid", uid},
                                       {"tries", tries.count},
                                       {"error", error}});
  tries_.erase({folder, uid});
  return false;
}

absl::Status ImapPoller::Mark(ImapSession& session, ImapBookmark* bookmark) {
  while (!bookmark->unmarked.empty()) {
    std::vector<uint32_t> uids;
    for (const uint32_t uid : bookmark->unmarked) {
      if (uids.size() == kUidsPerCommand) break;
      uids.push_back(uid);
    }
    DMARCATE_RETURN_IF_ERROR(account_.after == AfterTaken::kMove
                                 ? session.Move(uids, account_.move_to)
                                 : session.AddFlag(uids, account_.flag));
    for (const uint32_t uid : uids) bookmark->unmarked.erase(uid);
  }
  return absl::OkStatus();
}

void ImapPoller::LoadBookmarks() {
  absl::StatusOr<ImapBookmarks> loaded = LoadImapBookmarks(bookmark_path());
  if (loaded.ok()) {
    bookmarks_ = saved_ = *std::move(loaded);
  } else {
    LogError("imap_bookmarks_lost", {{"account", account_.name}, {"error", loaded.status()}});
  }
  loaded_ = true;
}

absl::Status ImapPoller::SaveBookmarks() {
  if (bookmarks_ == saved_) return absl::OkStatus();
  DMARCATE_RETURN_IF_ERROR(Annotate(SaveImapBookmarks(bookmark_path(), bookmarks_), "bookmarks"));
  saved_ = bookmarks_;
  return absl::OkStatus();
}

}  // namespace dmarcate
