// ingestd/intake/imap/poller.h
// One account: takes what is new in its folders, in the order that loses nothing:
//
//   fetch by UID -> pipeline -> durable -> flag or move -> bookmark, synced
//
// A crash anywhere leads to a repetition, which the pipeline recognises by its content. A message
// that cannot be read now does not stop those behind it: it is kept with the bookmark and tried
// again at the end of a poll, later and later, those that failed least first.

#ifndef DMARCATE_INGESTD_INTAKE_IMAP_POLLER_H_
#define DMARCATE_INGESTD_INTAKE_IMAP_POLLER_H_

#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

#include "ingestd/intake/imap/account.h"
#include "ingestd/intake/imap/bookmarks.h"
#include "ingestd/intake/storage_gauge.h"
#include "ingestd/pipeline/byte_budget.h"
#include "ingestd/pipeline/pipeline.h"
#include "lib/base/clock.h"
#include "lib/imap/session.h"

namespace dmarcate {

// What pollers share. All of it outlives them.
struct ImapPollerParts {
  const Clock& clock;
  ImapConnector& connector;
  Pipeline& pipeline;
  ByteBudget& budget;
  StorageGauge& gauge;
  std::string bookmark_directory;   // exists; belongs to the pollers alone
  int64_t message_limit_bytes = 0;  // what is larger is logged and left where it is
};

// For one thread.
class ImapPoller {
 public:
  // So often at least, and for so long, a message is asked for that the server says it has and does
  // not give: its storage may be out of order.
  static constexpr int kTries = 3;
  static constexpr absl::Duration kPatience = absl::Hours(24);
  static constexpr absl::Duration kLongestPause = absl::Hours(1);  // between two of these
  // `stopping` is asked often and from Poll() only.
  ImapPoller(ImapAccount account, ImapPollerParts parts, std::function<bool()> stopping);

  // One round over all folders with one connection. An error, with the folder, says what stopped
  // it; what was taken until then is kept. kResourceExhausted: the disk is full; kCancelled:
  // `stopping`.
  absl::Status Poll();

  const ImapAccount& account() const { return account_; }
  std::string bookmark_path() const;

 private:
  struct Page;
  struct Tries {
    int count = 0;
    absl::Time first, next;
  };
  absl::Status PollFolder(ImapSession& session, const std::string& folder);
  absl::Status TakeNew(ImapSession& session, const std::string& folder, uint64_t uid_next,
                       ImapBookmark* bookmark);
  absl::Status TakePage(ImapSession& session, const std::string& folder,
                        const std::vector<uint32_t>& uids, ImapBookmark* bookmark);
  absl::Status FetchPage(ImapSession& session, const std::string& folder, Page* page);
  absl::Status Take(ImapSession& session, const std::string& folder, const ImapMessageInfo& info,
                    Page* page);
  absl::Status Mark(ImapSession& session, ImapBookmark* bookmark);
  // Those of `pending` whose time has come.
  std::vector<uint32_t> DueAgain(const std::string& folder,
                                 const std::set<uint32_t>& pending) const;
  // Notes a failure and when to ask for the message again.
  const Tries& CountTry(const std::string& folder, uint32_t uid);
  // Whether to do so.
  bool WorthAnotherTry(const std::string& folder, uint32_t uid, const absl::Status& error);
  void LoadBookmarks();
  absl::Status SaveBookmarks();

  const ImapAccount account_;
  const ImapPollerParts parts_;
  const std::function<bool()> stopping_;
  bool loaded_ = false;
  ImapBookmarks bookmarks_, saved_;
  std::map<std::pair<std::string, uint32_t>, Tries> tries_;  // of what the server did not give
};

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_INTAKE_IMAP_POLLER_H_
