#include "cli/import/walk.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <vector>

#include "lib/archive/unzip.h"
#include "lib/base/file.h"

namespace dmarcate::cli {
namespace {

namespace fs = std::filesystem;

// False: the visitor wants no more.
bool VisitFile(const fs::path& path, const FileVisitor& visitor) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  return visitor.file(path.string(), error ? -1 : static_cast<int64_t>(size));
}

bool VisitDirectory(const fs::path& directory, const FileVisitor& visitor) {
  std::error_code error;
  std::vector<std::string> names;
  fs::directory_iterator it(directory, error);
  for (const fs::directory_iterator end; !error && it != end; it.increment(error)) {
    names.push_back(it->path().filename().string());
  }
  if (error) visitor.unreadable(directory.string(), error.message());
  std::ranges::sort(names);
  const bool is_maildir =
      std::ranges::binary_search(names, "cur") && std::ranges::binary_search(names, "new");
  for (const std::string& name : names) {
    const fs::path path = directory / name;
    const fs::file_status status = fs::symlink_status(path, error);
    if (fs::is_directory(status)) {
      if (is_maildir && name == "tmp") continue;
      if (!VisitDirectory(path, visitor)) return false;
    } else if (fs::is_regular_file(fs::is_symlink(status) ? fs::status(path, error) : status)) {
      // Beside its folders a Maildir has only the indexes of mail servers.
      if (is_maildir || IsDesktopJunk(name)) continue;
      if (!VisitFile(path, visitor)) return false;
    }
  }
  return true;
}

}  // namespace

absl::Status WalkFiles(const std::string& path, const FileVisitor& visitor) {
  std::error_code error;
  const fs::file_status status = path == "-" ? fs::file_status() : fs::status(path, error);
  if (path == "-") {
    visitor.file(path, -1);
  } else if (error || !fs::exists(status)) {
    return ErrnoError(error ? error.value() : ENOENT, path);
  } else if (fs::is_directory(status)) {
    VisitDirectory(path, visitor);
  } else {
    VisitFile(path, visitor);
  }
  return absl::OkStatus();
}

}  // namespace dmarcate::cli
