// ingestd/intake/imap/bookmarks.h
// How far each folder of an account has been read: by UID, which means something only together with
// UIDVALIDITY (RFC 3501 section 2.3.1.1). One small file an account, replaced atomically and
// synced.
//
// Losing it costs time, not mail: everything is read again and recognised by its content.

#ifndef DMARCATE_INGESTD_INTAKE_IMAP_BOOKMARKS_H_
#define DMARCATE_INGESTD_INTAKE_IMAP_BOOKMARKS_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace dmarcate {

struct ImapBookmark {
  uint32_t uid_validity = 0;    // 0: never read
  uint64_t next_uid = 1;        // what lies below is done, but for these
  std::set<uint32_t> pending;   // could not be read yet
  std::set<uint32_t> unmarked;  // stored, and not flagged or moved yet
  friend bool operator==(const ImapBookmark&, const ImapBookmark&) = default;
};

// By folder.
using ImapBookmarks = std::map<std::string, ImapBookmark>;

// No file: empty. kDataLoss: it does not decode.
absl::StatusOr<ImapBookmarks> LoadImapBookmarks(const std::string& path);
absl::Status SaveImapBookmarks(const std::string& path, const ImapBookmarks& bookmarks);

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_INTAKE_IMAP_BOOKMARKS_H_
