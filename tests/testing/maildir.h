// tests/testing/maildir.h
// A Maildir (https://cr.yp.to/proto/maildir.html), as a mail server delivers to it and as one looks
// at it to see what became of the mail.

#ifndef DMARCATE_TESTS_TESTING_MAILDIR_H_
#define DMARCATE_TESTS_TESTING_MAILDIR_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

#include "lib/base/file.h"

namespace dmarcate::testing_support {

// new/, cur/ and tmp/ below `path`.
void MakeMaildir(const std::string& path);

// Written in tmp/ and renamed to new/; it belongs to whom the Maildir does. `name` is new there.
// Aborts if it cannot.
void DeliverToMaildir(const std::string& path, const std::string& name, std::string_view content);

// The flags of a file by its name: "FS" of "1700000000.M1P2.host:2,FS".
std::string MaildirFlags(std::string_view name);

// Tells of files that come to stand in directories, by creation or rename. For one thread.
class DirectoryWatch {
 public:
  // Aborts if one cannot be watched.
  explicit DirectoryWatch(const std::vector<std::string>& directories);
  // Paths of those that have come since the last call, after at most `timeout`. Aborts if so many
  // came that the kernel forgot some.
  std::vector<std::string> Wait(absl::Duration timeout);

 private:
  UniqueFd inotify_;
  std::vector<std::pair<int, std::string>> watches_;  // descriptor and directory
};

}  // namespace dmarcate::testing_support

#endif  // DMARCATE_TESTS_TESTING_MAILDIR_H_
