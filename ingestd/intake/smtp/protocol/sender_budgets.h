// ingestd/intake/smtp/protocol/sender_budgets.h
// How much mail is taken from whom, so that a flood costs those who send it and nobody else
// (safety.md section 3, "Report flood"). Pure: the time is an argument.
//
// Three budgets apply to a mail: of the address that sends it, of the domain in whose name it
// comes, and of each recipient. What a sender has proved decides with whom it shares them: those
// whose domain SPF has confirmed at this address do not share with those who only say so, or a
// flood in the name of a reporter would use up that reporter's budget. Whose mail was ANCHORED and
// passed SPF with alignment has a budget of its own instead of the three, and so gets through
// whatever all others do. Everybody can have a domain that SPF confirms, and many of them could use
// up what those whom it confirms share of a recipient: so a few mails an hour of each such domain
// (kOwnMails) count to no recipient.
//
// A budget is given in mails an hour and can be saved up for an hour; a large mail counts as one
// for each begun MiB. What is over budget is to be put off with 451 (RFC 5321 section 4.2.1):
// honest servers try again for days.
//
// Memory is bounded: of each kind so many senders are remembered, those that came last. Who was
// forgotten starts afresh, so the addresses of a large enough flood escape their budgets, but
// hardly those of their domains, and never those of the recipients, of which there are few. What
// SPF confirmed is forgotten of the domain that has the most addresses: who has a large network can
// fill what is free, and makes only himself forgotten. It takes as many domains as are remembered
// to push out one that has one address.

#ifndef DMARCATE_INGESTD_INTAKE_SMTP_PROTOCOL_SENDER_BUDGETS_H_
#define DMARCATE_INGESTD_INTAKE_SMTP_PROTOCOL_SENDER_BUDGETS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"

#include "ingestd/intake/smtp/protocol/fair_recent_map.h"
#include "ingestd/intake/smtp/protocol/recent_map.h"
#include "lib/base/ip_address.h"
#include "lib/mailauth/alignment.h"

namespace dmarcate {

// Mails an hour; 0: any number.
struct SenderBudgetLimits {
  int64_t per_address = 1'000;
  int64_t per_domain = 3'000;
  int64_t per_recipient = 10'000;
  int64_t per_anchor = 10'000;
  size_t senders = 16'384;  // of each kind, remembered at a time; 1 or more
};

// Who sends a mail, as far as the session knows. Views.
struct MailSender {
  IpAddress client;
  std::string_view helo, mail_from;  // as said
};

// What the mail of a sender has proved before.
enum class SenderStanding : uint8_t {
  kStranger,
  kConfirmed,  // SPF passed for this domain at this address
  kAnchored,   // and it carried an ANCHORED report of the aligned domain
};

enum class BudgetKind : uint8_t { kAddress, kDomain, kRecipient, kAnchor };
std::string_view BudgetKindName(BudgetKind kind);  // "address"

// Whether one more mail is within all budgets.
struct BudgetVerdict {
  bool within = true;
  BudgetKind exhausted = BudgetKind::kAddress;  // otherwise: which of them is used up,
  std::string key;                              // and whose; printable ASCII
};

// That an anchor sends from an address: what is worth keeping over a restart.
struct AnchorProof {
  std::array<uint64_t, 2> sender{};  // a hash of address and domain
  absl::Duration at;                 // when it was proved last
  friend bool operator==(const AnchorProof&, const AnchorProof&) = default;
};

// What counts as one address: an IPv4 address, or an IPv6 /64.
IpAddress SenderNetwork(const IpAddress& address);

// The Organizational Domain of the reverse path or, where that is empty, of the greeting
// (RFC 7208 section 2.4); empty if it is no domain.
std::string SenderDomain(const MailSender& sender, const PublicSuffixList& suffixes);

// Not thread-safe. Times count from any start and do not go back.
class SenderBudgets {
 public:
  // For so long a proof holds after the last mail that gave it. Some report monthly.
  static constexpr absl::Duration kProofHolds = absl::Hours(35 * 24);
  // So many mails an hour of a domain that SPF confirmed do not count to their recipients.
  static constexpr int64_t kOwnMails = 50;

  // What a mail took, from which of the budgets.
  class Charge;

  // `suffixes` outlives this.
  SenderBudgets(const SenderBudgetLimits& limits, const PublicSuffixList& suffixes);

  // `recipients` are mailboxes that are accepted, in any case; none if they are not known yet.
  // Takes nothing.
  BudgetVerdict Check(const MailSender& sender, std::span<const std::string> recipients,
                      absl::Duration now);
  // The same, and takes a mail of `bytes` from the budgets if it is within all of them; then
  // `charge`, unless it is null, is what was taken.
  BudgetVerdict Take(const MailSender& sender, std::span<const std::string> recipients,
                     int64_t bytes, absl::Duration now, Charge* charge = nullptr);
  // The mail was not kept: puts back what it took, where it is still remembered.
  void GiveBack(const Charge& charge, absl::Duration now);
  // Mail of `sender` has proved this much.
  void Prove(const MailSender& sender, SenderStanding standing, absl::Duration now);
  SenderStanding StandingOf(const MailSender& sender, absl::Duration now);

  // Those that hold; what was used longest ago comes first.
  std::vector<AnchorProof> AnchorProofs(absl::Duration now) const;
  // Of an earlier AnchorProofs(), in its order; `at` by the times of this.
  void Restore(const AnchorProof& proof);

  // In all tables: at most 7 times limits.senders.
  size_t entries() const;

 private:
  using Key = std::array<uint64_t, 2>;  // of a hash
  struct Bucket {
    double mails = 0;  // that may be taken; negative after a large one
    absl::Duration at;
  };
  class Table {
   public:
    Table(int64_t per_hour, size_t most)
        : per_hour_(static_cast<double>(per_hour)), buckets_(most) {}
    bool HasRoom(const Key& key, absl::Duration now);
    void Take(const Key& key, double mails, absl::Duration now);
    void GiveBack(const Key& key, double mails, absl::Duration now);
    size_t size() const { return buckets_.size(); }

   private:
    double MailsAt(const Bucket& bucket, absl::Duration now) const;
    const double per_hour_;
    RecentMap<Key, Bucket> buckets_;
  };
  // A sender with the keys of its budgets.
  struct Account {
    std::string network, domain;
    SenderStanding standing = SenderStanding::kStranger;
    Key pair{};
  };
  // When it was proved last, by address and domain.
  using Anchored = RecentMap<Key, absl::Duration>;
  // Of a domain, too.
  using Confirmed = FairRecentMap<Key, Key, absl::Duration>;

  static Key KeyOf(std::string_view kind, std::string_view first, std::string_view second);
  // Whether the account has mails left that count to no recipient.
  bool HasOwn(const Account& account, absl::Duration now);
  static Key ShareOf(const Account& account, std::string_view first);
  Account AccountOf(const MailSender& sender, absl::Duration now);
  SenderStanding StandingOf(const Key& pair, absl::Duration now);
  BudgetVerdict Check(const Account& account, std::span<const std::string> recipients,
                      absl::Duration now);

  const PublicSuffixList& suffixes_;
  Table addresses_, domains_, recipients_, anchors_, own_;
  // Apart, so that a flood of senders that SPF confirms does not make anchors forgotten.
  Confirmed confirmed_;
  Anchored anchored_;
};

class SenderBudgets::Charge {
 private:
  friend SenderBudgets;
  double mails_ = 0;
  std::vector<std::pair<Table SenderBudgets::*, Key>> taken_;
};

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_INTAKE_SMTP_PROTOCOL_SENDER_BUDGETS_H_
