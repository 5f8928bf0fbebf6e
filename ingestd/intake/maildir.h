// ingestd/intake/maildir.h
// Watches Maildirs (https://cr.yp.to/proto/maildir.html): a message in new/, or in cur/ without the
// flag S, is handed to the pipeline and, once it is durable, moved to cur/ with the flag S. So the
// flag means "ingestd has it", a crash in between only leads to a repetition, which the pipeline
// recognises, and nothing is ever deleted.
//
// Nobody should write a file in new/ in place, but people do (cp *.eml Maildir/new/): such a file
// is taken when it is closed or has been left alone for a while, and once more if it changed after.
//
// Files may vanish at any moment, since mail readers move them; then there is nothing to do, or
// their new name comes by. What cannot be taken now is tried again later.

#ifndef DMARCATE_INGESTD_INTAKE_MAILDIR_H_
#define DMARCATE_INGESTD_INTAKE_MAILDIR_H_

#include <sys/stat.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "ingestd/intake/storage_gauge.h"
#include "ingestd/pipeline/byte_budget.h"
#include "ingestd/pipeline/pipeline.h"
#include "lib/base/file.h"

namespace dmarcate {

// The name that a processed file gets in cur/: "1700000000.M1P2.host" and
// "1700000000.M1P2.host:2,F" become "1700000000.M1P2.host:2,S" and "1700000000.M1P2.host:2,FS".
// Flags are in ASCII order, as the format wants.
std::string SeenName(std::string_view name);
// The same for where that name is taken or too long: "1700000000.M1P2.host-1f3a:2,S".
std::string UniqueSeenName(std::string_view name, uint64_t inode);
// Whether the file still has to be taken: no S among its flags, and no hidden file.
bool IsUnseenName(std::string_view name);

struct MaildirOptions {
  // How long until what was left behind is looked at again.
  absl::Duration retry_delay = absl::Seconds(5);
  // A scan leaves out what was written to so lately: it may be half of a file.
  absl::Duration settle_time = absl::Seconds(2);
};

// Whether this user may read and move what is in new/ and cur/.
absl::Status CheckMaildir(const std::string& path);

class MaildirWatcher {
 public:
  // Checks that each of `paths` has new/ and cur/ and starts the thread that scans and then watches
  // them. Files above `message_limit_bytes` are handed over cut just above it, which reading
  // reports as over_limit. `pipeline`, `budget` and `gauge` outlive the watcher.
  //   kNotFound, kPermissionDenied  not a Maildir that we may change
  static absl::StatusOr<std::unique_ptr<MaildirWatcher>> Start(
      const std::vector<std::string>& paths, int64_t message_limit_bytes, Pipeline& pipeline,
      ByteBudget& budget, StorageGauge& gauge, MaildirOptions options = MaildirOptions());
  // Hands over nothing more. What is in the pipeline still gets its flag when it becomes durable,
  // even if the watcher is gone by then.
  void Stop();
  ~MaildirWatcher();

 private:
  struct File {
    std::string maildir, subdirectory, name;  // path, "new" or "cur", file
    friend auto operator<=>(const File&, const File&) = default;
    std::string path() const { return maildir + "/" + subdirectory + "/" + name; }
  };

  MaildirWatcher(std::vector<std::string> paths, int64_t message_limit_bytes, Pipeline& pipeline,
                 ByteBudget& budget, StorageGauge& gauge, MaildirOptions options);
  absl::Status Open();
  void Run();
  void AddWatches();
  void ScanAll();
  void ReadEvents();
  void Take(File file);
  static bool MarkSeen(const File& file, const struct stat& before);
  bool stopping();

  // What the pipeline's answers touch; they keep it alive, in whatever order things are destroyed.
  struct Shared {
    std::mutex mutex;
    bool stopping = false;
    bool rescan = false;     // something was left behind: look again after retry_delay
    std::set<File> in_work;  // with the pipeline
  };

  const std::vector<std::string> paths_;
  const int64_t message_limit_bytes_;
  Pipeline& pipeline_;
  ByteBudget& budget_;
  StorageGauge& gauge_;
  const MaildirOptions options_;
  UniqueFd inotify_, wake_;
  std::map<int, std::pair<std::string, std::string>> watches_;  // descriptor: Maildir, subdirectory

  const std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
  std::thread thread_;
};

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_INTAKE_MAILDIR_H_
