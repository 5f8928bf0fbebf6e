// ingestd/intake/smtp/protocol/address_table.h
// The report addresses of a snapshot, and what a listener takes by them and by its configuration.
//
// Addresses are looked up by a keyed hash under a key of this process. So how long a look-up takes
// depends on nothing that a client could choose its guesses by, and one that was revoked is not
// told from one that never was.

#ifndef DMARCATE_INGESTD_INTAKE_SMTP_PROTOCOL_ADDRESS_TABLE_H_
#define DMARCATE_INGESTD_INTAKE_SMTP_PROTOCOL_ADDRESS_TABLE_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"

#include "ingestd/intake/smtp/protocol/address.h"
#include "ingestd/intake/smtp/protocol/recipients.h"
#include "lib/snapshot/snapshot.h"

namespace dmarcate {

// Immutable, so thread-safe.
class AddressTable {
 public:
  // `key`: 32 random bytes that nobody else knows.
  AddressTable(const Snapshot& snapshot, std::string key);
  // The domain that the address takes reports for; null: it takes none.
  const std::string* Find(const Mailbox& mailbox) const;
  size_t size() const { return domains_.size(); }

 private:
  using Digest = std::array<uint64_t, 2>;
  Digest DigestOf(std::string_view address) const;

  const std::string key_;
  absl::flat_hash_map<Digest, std::string> domains_;  // by address
};

// What one listener takes. Not thread-safe: the sessions that ask and whoever sets the addresses
// are on one thread, so nothing is locked or counted on the way of a RCPT.
class ListenerRecipients final : public RecipientTable {
 public:
  // kAwaited: report addresses come from a snapshot. Until the first one has been read nobody can
  // say whether an address of their form takes reports: it is put off, not refused.
  enum class Addresses : uint8_t { kNone, kAwaited };
  ListenerRecipients(ConfiguredRecipients configured, Addresses addresses)
      : configured_(std::move(configured)), addresses_(addresses) {}

  void Set(std::shared_ptr<const AddressTable> table) { table_ = std::move(table); }
  RecipientVerdict Find(const Mailbox& mailbox) const override;

 private:
  const ConfiguredRecipients configured_;
  const Addresses addresses_;
  std::shared_ptr<const AddressTable> table_;  // null: none was read yet
};

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_INTAKE_SMTP_PROTOCOL_ADDRESS_TABLE_H_
