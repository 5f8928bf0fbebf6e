#include "lib/imap/fake_imap.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/imap/words.h"

namespace dmarcate {

class FakeImapServer::Session final : public ImapSession {
 public:
  explicit Session(FakeImapServer& server) : server_(server) {}

  absl::StatusOr<ImapFolder> Select(std::string_view folder, ImapAccess access) override {
    DMARCATE_RETURN_IF_ERROR(server_.Pass(fmt::format("select {}", folder)));
    DMARCATE_RETURN_IF_ERROR(QuotedFolder(folder).status());
    const std::lock_guard lock(server_.mutex_);
    const auto found = server_.folders_.find(std::string(folder));
    if (found == server_.folders_.end()) {
      return MakeError(absl::StatusCode::kInvalidArgument, "the server refuses: no such folder");
    }
    selected_ = found->first;
    access_ = access;
    return ImapFolder{found->second.uid_validity, found->second.uid_next,
                      static_cast<uint32_t>(found->second.messages.size())};
  }

  absl::StatusOr<std::vector<uint32_t>> Search(uint32_t first, uint32_t last) override {
    DMARCATE_RETURN_IF_ERROR(server_.Pass(fmt::format("search {}:{}", first, last)));
    const std::lock_guard lock(server_.mutex_);
    std::vector<uint32_t> out;
    for (const auto& [uid, message] : Selected().messages) {
      if (uid >= first && (last == 0 || uid <= last)) out.push_back(uid);
    }
    return out;
  }

  absl::StatusOr<std::vector<ImapMessageInfo>> Describe(
      const std::vector<uint32_t>& uids) override {
    DMARCATE_RETURN_IF_ERROR(server_.Pass(fmt::format("describe {}", UidSet(uids))));
    const std::lock_guard lock(server_.mutex_);
    std::vector<ImapMessageInfo> out;
    for (const uint32_t uid : uids) {
      const auto found = Selected().messages.find(uid);
      if (found == Selected().messages.end()) continue;
      const Message& message = found->second;
      out.push_back(
          {uid, message.told_size != 0 ? message.told_size : message.content.size(), std::nullopt});
    }
    return out;
  }

  absl::StatusOr<std::optional<std::string>> Fetch(uint32_t uid, size_t limit_bytes) override {
    DMARCATE_RETURN_IF_ERROR(server_.Pass(fmt::format("fetch {}", uid)));
    const std::lock_guard lock(server_.mutex_);
    const auto found = Selected().messages.find(uid);
    if (found == Selected().messages.end() || found->second.withheld) {
      return std::optional<std::string>();
    }
    if (!found->second.has_content) {
      return MakeError(absl::StatusCode::kNotFound, "the server gives no content");
    }
    if (found->second.content.size() > limit_bytes) {
      return MakeError(absl::StatusCode::kResourceExhausted, "a literal over the limit");
    }
    return std::optional(found->second.content);
  }

  absl::Status AddFlag(const std::vector<uint32_t>& uids, std::string_view flag) override {
    DMARCATE_RETURN_IF_ERROR(server_.Pass(fmt::format("flag {} {}", UidSet(uids), flag)));
    DMARCATE_RETURN_IF_ERROR(CheckWritable());
    const std::lock_guard lock(server_.mutex_);
    for (const uint32_t uid : uids) {
      const auto found = Selected().messages.find(uid);
      if (found != Selected().messages.end()) found->second.flags.emplace(flag);
    }
    return absl::OkStatus();
  }

  absl::Status Move(const std::vector<uint32_t>& uids, std::string_view folder) override {
    DMARCATE_RETURN_IF_ERROR(server_.Pass(fmt::format("move {} {}", UidSet(uids), folder)));
    DMARCATE_RETURN_IF_ERROR(CheckWritable());
    const std::lock_guard lock(server_.mutex_);
    Folder& target = server_.folders_[std::string(folder)];
    for (const uint32_t uid : uids) {
      const auto found = Selected().messages.find(uid);
      if (found == Selected().messages.end()) continue;
      target.messages[target.uid_next++] = std::move(found->second);
      Selected().messages.erase(found);
    }
    return absl::OkStatus();
  }

  void Logout() override {}

 private:
  Folder& Selected() { return server_.folders_[selected_]; }
  absl::Status CheckWritable() const {
    if (access_ == ImapAccess::kReadWrite) return absl::OkStatus();
    return MakeError(absl::StatusCode::kInvalidArgument, "the server refuses: read-only");
  }

  FakeImapServer& server_;
  std::string selected_;
  ImapAccess access_ = ImapAccess::kReadOnly;
};

uint32_t FakeImapServer::Deliver(const std::string& folder, std::string content) {
  const std::lock_guard lock(mutex_);
  Folder& target = folders_[folder];
  target.messages[target.uid_next].content = std::move(content);
  return target.uid_next++;
}

void FakeImapServer::Change(const std::string& folder, uint32_t uid,
                            const std::function<void(Message&)>& change) {
  const std::lock_guard lock(mutex_);
  change(folders_[folder].messages[uid]);
}

void FakeImapServer::Remove(const std::string& folder, uint32_t uid) {
  const std::lock_guard lock(mutex_);
  folders_[folder].messages.erase(uid);
}

void FakeImapServer::Renumber(const std::string& folder, uint32_t uid_validity,
                              uint32_t first_uid) {
  const std::lock_guard lock(mutex_);
  Folder& target = folders_[folder];
  std::map<uint32_t, Message> old = std::exchange(target.messages, {});
  target.uid_validity = uid_validity;
  target.uid_next = first_uid;
  for (auto& [uid, message] : old) target.messages[target.uid_next++] = std::move(message);
}

std::map<uint32_t, FakeImapServer::Message> FakeImapServer::Messages(
    const std::string& folder) const {
  const std::lock_guard lock(mutex_);
  const auto found = folders_.find(folder);
  return found == folders_.end() ? std::map<uint32_t, Message>() : found->second.messages;
}

void FakeImapServer::SetGate(Gate gate) {
  const std::lock_guard lock(mutex_);
  gate_ = std::move(gate);
}

std::vector<std::string> FakeImapServer::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

void FakeImapServer::ClearCalls() {
  const std::lock_guard lock(mutex_);
  calls_.clear();
}

absl::Status FakeImapServer::Pass(const std::string& call) {
  Gate gate;
  {
    const std::lock_guard lock(mutex_);
    calls_.push_back(call);
    gate = gate_;
  }
  return gate ? gate(call) : absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<ImapSession>> FakeImapServer::Connect(const ImapServer&,
                                                                     const Secret&,
                                                                     std::function<bool()>) {
  DMARCATE_RETURN_IF_ERROR(Pass("connect"));
  return std::unique_ptr<ImapSession>(std::make_unique<Session>(*this));
}

}  // namespace dmarcate
