// cli/import/walk.h
// The files that a path stands for.

#ifndef DMARCATE_CLI_IMPORT_WALK_H_
#define DMARCATE_CLI_IMPORT_WALK_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace dmarcate::cli {

struct FileVisitor {
  // `size` in bytes; -1: not known, a pipe. False: no more are wanted.
  std::function<bool(const std::string& path, int64_t size)> file;
  // A directory that cannot be read, and why.
  std::function<void(const std::string& path, std::string_view why)> unreadable;
};

// Visits `path`, or the regular files below it, each directory's in the order of their names. Of a
// Maildir those in cur/ and new/, and the folders within it; tmp/ holds unfinished deliveries.
// Links to files are followed, links to directories are not. "-" is visited as it is. Holds the
// names of the directories on the way. kNotFound if there is no such path.
absl::Status WalkFiles(const std::string& path, const FileVisitor& visitor);

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_IMPORT_WALK_H_
