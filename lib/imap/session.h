// lib/imap/session.h
// What a poller needs of IMAP (RFC 3501, MOVE of RFC 6851, UIDPLUS of RFC 4315), and no more. The
// server is not trusted: it can be wrong, slow or hostile, and then costs a connection, never
// memory or a command that somebody else wrote.

#ifndef DMARCATE_LIB_IMAP_SESSION_H_
#define DMARCATE_LIB_IMAP_SESSION_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/base/secret.h"

namespace dmarcate {

// kPlain is for a server on this machine: it sends the password as it is.
enum class ImapTls { kRequired, kStartTls, kPlain };
enum class ImapLogin { kPassword, kXoauth2 };
enum class ImapAccess { kReadOnly, kReadWrite };

struct ImapServer {
  std::string host;
  uint16_t port = 993;
  ImapTls tls = ImapTls::kRequired;
  std::string ca_file;  // PEM; empty: the system's
  std::string user;
  ImapLogin login = ImapLogin::kPassword;
  // Without a byte from the server for so long it counts as gone. Connecting and logging in may
  // take twice as long; a command eight times, and longer by what it fetches at 16 KiB/s.
  absl::Duration timeout = absl::Seconds(30);
};

struct ImapFolder {
  uint32_t uid_validity = 0;
  uint32_t uid_next = 0;  // 0: not told
  uint32_t messages = 0;
};

struct ImapMessageInfo {
  uint32_t uid = 0;
  uint64_t size_bytes = 0;
  std::optional<absl::Time> internal_date;  // when the server received it, as it says
};

// One connection that is logged in. For one thread. After an error other than kInvalidArgument and
// kNotFound it is of no use any more: open another.
//
// Errors of all methods, beside those named:
//   kUnavailable, kDeadlineExceeded  the connection, or trouble at the server that has nothing to
//                       do with the question (RFC 5530: UNAVAILABLE, SERVERBUG, INUSE, LIMIT);
//                       nothing was learned
//   kDataLoss           what the server says is not IMAP, or not an answer to what was asked
//   kResourceExhausted  it says more than the limit for this question
//   kInvalidArgument    it answers NO or BAD; its text is in the message, made printable
//   kCancelled          the connector was told to give up
class ImapSession {
 public:
  virtual ~ImapSession() = default;
  // `folder` in UTF-8. Every later call is about it. kReadOnly changes nothing in it, not even
  // \Recent.
  virtual absl::StatusOr<ImapFolder> Select(std::string_view folder, ImapAccess access) = 0;
  // The UIDs in [first, last], ascending, each once; last 0: to the end. At most a million.
  virtual absl::StatusOr<std::vector<uint32_t>> Search(uint32_t first, uint32_t last) = 0;
  // In the order of `uids`; those that are gone are left out. At most kUidsPerCommand.
  virtual absl::StatusOr<std::vector<ImapMessageInfo>> Describe(
      const std::vector<uint32_t>& uids) = 0;
  // The whole message; sets no flag. nullopt: there is no such message any more.
  //   kResourceExhausted  it has more than `limit_bytes`, which were not read
  //   kNotFound           the server knows the message and gives no content
  virtual absl::StatusOr<std::optional<std::string>> Fetch(uint32_t uid, size_t limit_bytes) = 0;
  // Both leave out what is gone. At most kUidsPerCommand. `flag` is one for which IsImapFlag holds.
  virtual absl::Status AddFlag(const std::vector<uint32_t>& uids, std::string_view flag) = 0;
  // Makes the folder if there is none. A server without MOVE is told to copy, and to delete what
  // was copied, by UID; one without UIDPLUS keeps the originals, with \Deleted, for it could only
  // expunge all that anybody ever marked.
  virtual absl::Status Move(const std::vector<uint32_t>& uids, std::string_view folder) = 0;
  // Goodbye, without waiting for an answer.
  virtual void Logout() = 0;
};
inline constexpr size_t kUidsPerCommand = 100;

// Opens sessions. Thread-safe.
class ImapConnector {
 public:
  virtual ~ImapConnector() = default;
  // `secret`: the password, or the access token. `give_up` is asked at least once a second, here
  // and by the session.
  //   kPermissionDenied    the server does not let this user in
  //   kFailedPrecondition  its certificate is not right, or it offers no TLS
  //   kInvalidArgument     host, user or secret hold what cannot be sent
  virtual absl::StatusOr<std::unique_ptr<ImapSession>> Connect(const ImapServer& server,
                                                               const Secret& secret,
                                                               std::function<bool()> give_up) = 0;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_IMAP_SESSION_H_
