#include "ingestd/intake/smtp/protocol/address_table.h"

#include <cstring>

#include "fmt/format.h"

#include "lib/base/digest.h"
#include "lib/snapshot/report_address.h"

namespace dmarcate {

AddressTable::AddressTable(const Snapshot& snapshot, std::string key) : key_(std::move(key)) {
  domains_.reserve(snapshot.addresses.size());
  for (const auto& [address, domain] : snapshot.addresses) {
    domains_.emplace(DigestOf(address), domain);
  }
}

AddressTable::Digest AddressTable::DigestOf(std::string_view address) const {
  Digest out;
  const std::string hash = HmacSha256(key_, address);
  std::memcpy(out.data(), hash.data(), sizeof out);
  return out;
}

const std::string* AddressTable::Find(const Mailbox& mailbox) const {
  const auto found = domains_.find(DigestOf(fmt::format("{}@{}", mailbox.local, mailbox.domain)));
  return found == domains_.end() ? nullptr : &found->second;
}

RecipientVerdict ListenerRecipients::Find(const Mailbox& mailbox) const {
  using Kind = RecipientVerdict::Kind;
  if (RecipientVerdict verdict = configured_.Find(mailbox); verdict.kind == Kind::kTaken) {
    return verdict;
  }
  if (addresses_ == Addresses::kNone) return {};
  if (table_ == nullptr) {
    return {IsReportLocalPart(mailbox.local) ? Kind::kUndecided : Kind::kUnknown, ""};
  }
  const std::string* domain = table_->Find(mailbox);
  return domain == nullptr ? RecipientVerdict() : RecipientVerdict{Kind::kTaken, *domain};
}

}  // namespace dmarcate
