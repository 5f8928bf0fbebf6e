// lib/imap/fake_imap.h
// A mail server in memory.

#ifndef DMARCATE_LIB_IMAP_FAKE_IMAP_H_
#define DMARCATE_LIB_IMAP_FAKE_IMAP_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "lib/imap/session.h"

namespace dmarcate {

// Thread-safe; sessions, too.
class FakeImapServer final : public ImapConnector {
 public:
  struct Message {
    std::string content;
    std::set<std::string> flags;
    uint64_t told_size = 0;  // 0: the true one
    bool has_content = true;
    bool withheld = false;  // described, and an answer to Fetch() leaves it out
  };

  // `folder` is made if it is not there, with UIDVALIDITY 1. The message's UID.
  uint32_t Deliver(const std::string& folder, std::string content);
  void Change(const std::string& folder, uint32_t uid, const std::function<void(Message&)>& change);
  void Remove(const std::string& folder, uint32_t uid);
  // The same messages, numbered anew, as after a mailbox was rebuilt.
  void Renumber(const std::string& folder, uint32_t uid_validity, uint32_t first_uid);
  std::map<uint32_t, Message> Messages(const std::string& folder) const;

  // Asked before every call with what it does: "connect", "select INBOX", "search 1:0", "describe
  // 3,4", "fetch 7", "flag 3 \Seen", "move 3:5 Done". An error makes the call fail without any
  // effect.
  using Gate = std::function<absl::Status(const std::string& call)>;
  void SetGate(Gate gate);
  // All calls so far, those that failed included.
  std::vector<std::string> calls() const;
  void ClearCalls();

  absl::StatusOr<std::unique_ptr<ImapSession>> Connect(const ImapServer& server,
                                                       const Secret& secret,
                                                       std::function<bool()> give_up) override;

 private:
  class Session;
  struct Folder {
    uint32_t uid_validity = 1, uid_next = 1;
    std::map<uint32_t, Message> messages;
  };
  absl::Status Pass(const std::string& call);

  mutable std::mutex mutex_;
  std::map<std::string, Folder> folders_;
  Gate gate_;
  std::vector<std::string> calls_;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_IMAP_FAKE_IMAP_H_
