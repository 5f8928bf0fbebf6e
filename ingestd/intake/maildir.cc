#include "ingestd/intake/maildir.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <memory>
#include <utility>

#include "fmt/format.h"

#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"

namespace dmarcate {
namespace {

// For what no event tells of, as over NFS.
constexpr std::chrono::minutes kFullScanInterval(5);
constexpr size_t kFileNameLimitBytes = 255;
// Together with an inode number and the flag S below the 255 bytes that file systems allow.
constexpr size_t kUniqueNameBytes = 180, kFlagsBytes = 30;
constexpr uint32_t kEvents =
    IN_MOVED_TO | IN_CREATE | IN_CLOSE_WRITE | IN_MOVE_SELF | IN_DELETE_SELF | IN_ONLYDIR;
constexpr std::string_view kInfo = ":2,";

struct CloseDirectory {
  void operator()(DIR* directory) const { closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

struct MailFile {
  std::string content;
  struct stat info = {};  // before reading
};

// Whether both are the same file with the same content, as far as one can tell from outside.
bool IsUnchanged(const struct stat& before, const struct stat& now) {
  return before.st_dev == now.st_dev && before.st_ino == now.st_ino &&
         before.st_size == now.st_size && before.st_mtim.tv_sec == now.st_mtim.tv_sec &&
         before.st_mtim.tv_nsec == now.st_mtim.tv_nsec;
}

// A regular file of at most `limit` bytes and one more; kNotFound also for anything that is no such
// file.
absl::StatusOr<MailFile> ReadMail(const std::string& path, int64_t limit) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd.valid()) return ErrnoError(errno, path);
  MailFile out;
  if (fstat(fd.get(), &out.info) != 0) return ErrnoError(errno, path);
  if (!S_ISREG(out.info.st_mode)) {
    return MakeError(absl::StatusCode::kNotFound, fmt::format("{}: not a regular file", path));
  }
  out.content.resize(static_cast<size_t>(std::min<int64_t>(out.info.st_size, limit + 1)));
  size_t filled = 0;
  while (filled < out.content.size()) {
    const ssize_t got = read(fd.get(), out.content.data() + filled, out.content.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoError(errno, path);
    if (got == 0) break;
    filled += static_cast<size_t>(got);
  }
  out.content.resize(filled);
  return out;
}

int64_t SizeOf(const std::string& path) {
  struct stat info = {};
  return lstat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) ? info.st_size : -1;
}

bool IsSettled(const std::string& path, absl::Duration settle_time) {
  struct stat info = {};
  if (lstat(path.c_str(), &info) != 0) return true;  // nothing to wait for
  const absl::Duration age = absl::Now() - absl::TimeFromTimespec(info.st_mtim);
  return age < absl::ZeroDuration() || age >= settle_time;
}

// False with errno; EEXIST if there is a file of the new name.
bool MoveIfFree(const std::string& from, const std::string& to) {
  if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return true;
  if (errno != EINVAL && errno != ENOSYS) return false;
  // The file system does not know how, as NFS does not.
  return link(from.c_str(), to.c_str()) == 0 && unlink(from.c_str()) == 0;
}

nlink_t LinksOf(const std::string& path) {
  struct stat info = {};
  return lstat(path.c_str(), &info) == 0 ? info.st_nlink : 0;
}

}  // namespace

std::string UniqueSeenName(std::string_view name, uint64_t inode) {
  const size_t info = name.rfind(kInfo);
  const std::string_view flags = info == std::string_view::npos ? "" : name.substr(info);
  return SeenName(fmt::format("{}-{:x}{}", name.substr(0, std::min(info, kUniqueNameBytes)), inode,
                              flags.substr(0, kFlagsBytes)));
}

std::string SeenName(std::string_view name) {
  const size_t info = name.rfind(kInfo);
  const std::string_view base = name.substr(0, info);
  std::string flags(info == std::string_view::npos ? "" : name.substr(info + kInfo.size()));
  if (flags.find('S') == std::string::npos) flags.push_back('S');
  std::ranges::sort(flags);
  return fmt::format("{}{}{}", base, kInfo, flags);
}

bool IsUnseenName(std::string_view name) {
  if (name.empty() || name.front() == '.') return false;
  const size_t info = name.rfind(kInfo);
  return info == std::string_view::npos ||
         name.substr(info + kInfo.size()).find('S') == std::string_view::npos;
}

absl::StatusOr<std::unique_ptr<MaildirWatcher>> MaildirWatcher::Start(
    const std::vector<std::string>& paths, int64_t message_limit_bytes, Pipeline& pipeline,
    ByteBudget& budget, StorageGauge& gauge, MaildirOptions options) {
  std::unique_ptr<MaildirWatcher> watcher(
      new MaildirWatcher(paths, message_limit_bytes, pipeline, budget, gauge, options));
  DMARCATE_RETURN_IF_ERROR(watcher->Open());
  return watcher;
}

MaildirWatcher::MaildirWatcher(std::vector<std::string> paths, int64_t message_limit_bytes,
                               Pipeline& pipeline, ByteBudget& budget, StorageGauge& gauge,
                               MaildirOptions options)
    : paths_(std::move(paths)),
      message_limit_bytes_(message_limit_bytes),
      pipeline_(pipeline),
      budget_(budget),
      gauge_(gauge),
      options_(options) {}

absl::Status CheckMaildir(const std::string& path) {
  for (const char* subdirectory : {"new", "cur"}) {
    const std::string directory = fmt::format("{}/{}", path, subdirectory);
    if (access(directory.c_str(), R_OK | W_OK | X_OK) != 0) return ErrnoError(errno, directory);
  }
  return absl::OkStatus();
}

absl::Status MaildirWatcher::Open() {
  for (const std::string& path : paths_) {
    if (const absl::Status status = CheckMaildir(path); !status.ok()) {
      return Annotate(status, "maildir");
    }
  }
  inotify_ = UniqueFd(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!inotify_.valid()) return ErrnoError(errno, "inotify");
  wake_ = UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake_.valid()) return ErrnoError(errno, "eventfd");
  thread_ = std::thread([this] { Run(); });
  return absl::OkStatus();
}

MaildirWatcher::~MaildirWatcher() { Stop(); }

void MaildirWatcher::Stop() {
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->stopping = true;
  }
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_.get(), &one, sizeof one);
  if (thread_.joinable()) thread_.join();
}

bool MaildirWatcher::stopping() {
  const std::lock_guard lock(shared_->mutex);
  return shared_->stopping;
}

void MaildirWatcher::Run() {
  AddWatches();  // before the scan, so that nothing falls between
  ScanAll();
  pollfd fds[] = {{inotify_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
  using SteadyClock = std::chrono::steady_clock;
  const auto retry_delay = absl::ToChronoNanoseconds(options_.retry_delay);
  SteadyClock::time_point next_retry = SteadyClock::now() + retry_delay;
  SteadyClock::time_point next_full_scan = SteadyClock::now() + kFullScanInterval;
  while (!stopping()) {
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(next_retry - SteadyClock::now());
    const int timeout_ms = static_cast<int>(std::max<int64_t>(wait.count(), 0));
    if (poll(fds, std::size(fds), timeout_ms) > 0) ReadEvents();
    const SteadyClock::time_point now = SteadyClock::now();
    if (now < next_retry) continue;
    next_retry = now + retry_delay;
    bool rescan = watches_.size() < 2 * paths_.size();
    if (rescan) AddWatches();
    {
      const std::lock_guard lock(shared_->mutex);
      rescan |= std::exchange(shared_->rescan, false);
    }
    if (!rescan && now < next_full_scan) continue;
    ScanAll();
    next_full_scan = SteadyClock::now() + kFullScanInterval;
  }
}

// Also again later: a Maildir may be replaced while we run.
void MaildirWatcher::AddWatches() {
  for (const std::string& path : paths_) {
    for (const char* subdirectory : {"new", "cur"}) {
      const std::string directory = fmt::format("{}/{}", path, subdirectory);
      const int watch = inotify_add_watch(inotify_.get(), directory.c_str(), kEvents);
      if (watch >= 0) {
        watches_[watch] = {path, subdirectory};
      } else {
        LogWarn("maildir_unwatched", {{"error", ErrnoError(errno, directory)}});
      }
    }
  }
}

void MaildirWatcher::ScanAll() {
  for (const std::string& path : paths_) {
    for (const char* subdirectory : {"new", "cur"}) {
      const Directory directory(opendir(fmt::format("{}/{}", path, subdirectory).c_str()));
      if (directory == nullptr) continue;
      while (const dirent* entry = readdir(directory.get())) {
        if (stopping()) return;
        File file{path, subdirectory, entry->d_name};
        if (file.subdirectory == "new" && IsUnseenName(file.name) &&
            !IsSettled(file.path(), options_.settle_time)) {
          const std::lock_guard lock(shared_->mutex);
          shared_->rescan = true;
        } else {
          Take(std::move(file));
        }
      }
    }
  }
}

void MaildirWatcher::ReadEvents() {
  alignas(inotify_event) char buffer[64 << 10];
  bool lost = false;
  while (!stopping()) {
    const ssize_t got = read(inotify_.get(), buffer, sizeof buffer);
    if (got <= 0) break;
    for (ssize_t at = 0; at < got;) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
      at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
      lost |= (event->mask & IN_Q_OVERFLOW) != 0;
      const auto watch = watches_.find(event->wd);
      if (watch == watches_.end()) continue;
      if ((event->mask & IN_IGNORED) != 0) {
        watches_.erase(watch);
      } else if ((event->mask & IN_MOVE_SELF) != 0) {
        inotify_rm_watch(inotify_.get(), event->wd);  // answered with IN_IGNORED
      } else if (event->len > 0) {
        const File file{watch->second.first, watch->second.second, event->name};
        if ((event->mask & IN_CREATE) != 0 && LinksOf(file.path()) == 1) {
          // Linked here from tmp/, which is gone already, or being written in place, which nobody
          // should do: complete once it is closed, or when the next scan comes by.
          const std::lock_guard lock(shared_->mutex);
          shared_->rescan = true;
        } else {
          Take(file);
        }
      }
    }
  }
  if (lost) ScanAll();
}

void MaildirWatcher::Take(File file) {
  if (!IsUnseenName(file.name)) return;
  const auto retry_later =
      [this] {  // whether this is the first file left behind since the last scan
        const std::lock_guard lock(shared_->mutex);
        return !std::exchange(shared_->rescan, true);
      };
  const std::string path = file.path();
  const int64_t size = SizeOf(path);
  if (size < 0) return;  // gone, or no file
  if (const absl::Status admitted = gauge_.Admit(Channel::kMaildir); !admitted.ok()) {
    if (retry_later()) LogWarn("maildir_paused", {{"error", admitted}});
    return;
  }
  {
    const std::lock_guard lock(shared_->mutex);
    if (!shared_->in_work.insert(file).second) return;
  }
  const auto forget = [this, &file] {
    const std::lock_guard lock(shared_->mutex);
    shared_->in_work.erase(file);
  };
  ByteBudget::Reservation reservation = budget_.AcquireUnless(
      std::min(size, message_limit_bytes_ + 1), [this] { return stopping(); });
  if (!reservation.valid()) return forget();
  absl::StatusOr<MailFile> mail = ReadMail(path, message_limit_bytes_);
  if (!mail.ok()) {
    if (mail.status().code() != absl::StatusCode::kNotFound) {
      LogWarn("maildir_unreadable", {{"error", mail.status()}});
      retry_later();
    }
    return forget();
  }
  Delivery delivery;
  delivery.content = std::move(mail->content);
  delivery.file_name = ToValidUtf8(std::string_view(file.name).substr(0, kFileNameLimitBytes));
  delivery.channel = Channel::kMaildir;
  delivery.received_time = std::min(absl::TimeFromTimespec(mail->info.st_mtim), absl::Now());
  delivery.reservation = std::move(reservation);
  pipeline_.Submit(
      std::move(delivery),
      [shared = shared_, file, before = mail->info](const absl::Status& durable) {
        const bool done = durable.ok() && MarkSeen(file, before);
        const std::lock_guard lock(shared->mutex);
        shared->in_work.erase(file);
        shared->rescan |= !done;
      },
      [](const auto&) {});
}

// False: what lies there now is not what was taken.
bool MaildirWatcher::MarkSeen(const File& file, const struct stat& before) {
  struct stat now = {};
  // Moved or removed by somebody else meanwhile; under its new name it is recognised by its
  // content.
  if (lstat(file.path().c_str(), &now) != 0) return true;
  if (!IsUnchanged(before, now)) return false;
  for (const std::string& name : {SeenName(file.name), UniqueSeenName(file.name, now.st_ino)}) {
    if (MoveIfFree(file.path(), file.maildir + "/cur/" + name) || errno == ENOENT) return true;
    if (errno != EEXIST && errno != ENAMETOOLONG) break;
  }
  LogWarn("maildir_unmoved", {{"error", ErrnoError(errno, file.path())}});
  return true;
}

}  // namespace dmarcate
