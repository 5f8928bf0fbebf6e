#include "tests/testing/maildir.h"

#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "fmt/format.h"

namespace dmarcate::testing_support {
namespace {

[[noreturn]] void Die(const std::string& what) {
  std::perror(what.c_str());
  std::abort();
}

}  // namespace

void MakeMaildir(const std::string& path) {
  for (const char* part : {"new", "cur", "tmp"}) {
    std::filesystem::create_directories(fmt::format("{}/{}", path, part));
  }
}

void DeliverToMaildir(const std::string& path, const std::string& name, std::string_view content) {
  const std::string temporary = fmt::format("{}/tmp/{}", path, name);
  std::ofstream out(temporary, std::ios::binary | std::ios::trunc);
  out.write(content.data(), static_cast<std::streamsize>(content.size()));
  out.close();
  struct stat owner = {};
  if (!out || stat(path.c_str(), &owner) != 0 ||
      lchown(temporary.c_str(), owner.st_uid, owner.st_gid) != 0) {
    Die(temporary);
  }
  std::filesystem::rename(temporary, fmt::format("{}/new/{}", path, name));
}

std::string MaildirFlags(std::string_view name) {
  const size_t info = name.rfind(":2,");
  return info == std::string_view::npos ? "" : std::string(name.substr(info + 3));
}

DirectoryWatch::DirectoryWatch(const std::vector<std::string>& directories)
    : inotify_(inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
  for (const std::string& directory : directories) {
    const int watch =
        inotify_add_watch(inotify_.get(), directory.c_str(), IN_CREATE | IN_MOVED_TO | IN_ONLYDIR);
    if (watch < 0) Die(directory);
    watches_.emplace_back(watch, directory);
  }
}

std::vector<std::string> DirectoryWatch::Wait(absl::Duration timeout) {
  std::vector<std::string> out;
  pollfd waiting = {inotify_.get(), POLLIN, 0};
  if (poll(&waiting, 1, static_cast<int>(absl::ToInt64Milliseconds(timeout))) <= 0) return out;
  alignas(inotify_event) char buffer[64 << 10];
  for (ssize_t got; (got = read(inotify_.get(), buffer, sizeof buffer)) > 0;) {
    for (ssize_t at = 0; at < got;) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
      at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
      if ((event->mask & IN_Q_OVERFLOW) != 0) Die("inotify");
      for (const auto& [watch, directory] : watches_) {
        if (watch != event->wd || event->len == 0) continue;
        out.push_back(fmt::format("{}/{}", directory, event->name));
      }
    }
  }
  return out;
}

}  // namespace dmarcate::testing_support
