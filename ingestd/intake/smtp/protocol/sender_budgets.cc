#include "ingestd/intake/smtp/protocol/sender_budgets.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "fmt/format.h"

#include "lib/base/digest.h"
#include "lib/base/text.h"
#include "lib/mailauth/domain_name.h"

namespace dmarcate {
namespace {

constexpr int kV6NetworkBits = 64;
constexpr int64_t kBytesOfOneMail = 1 << 20;

double MailsOf(int64_t bytes) {
  return static_cast<double>(std::max<int64_t>(1, (bytes + kBytesOfOneMail - 1) / kBytesOfOneMail));
}

}  // namespace

std::string_view BudgetKindName(BudgetKind kind) {
  switch (kind) {
    case BudgetKind::kAddress:
      return "address";
    case BudgetKind::kDomain:
      return "domain";
    case BudgetKind::kRecipient:
      return "recipient";
    case BudgetKind::kAnchor:
      return "anchor";
  }
  return "";
}

IpAddress SenderNetwork(const IpAddress& address) {
  return address.is_v4() ? address : address.Masked(kV6NetworkBits);
}

std::string SenderDomain(const MailSender& sender, const PublicSuffixList& suffixes) {
  const auto name = DomainName::Parse(
      sender.mail_from.empty() ? sender.helo
                               : sender.mail_from.substr(sender.mail_from.rfind('@') + 1));
  return name.ok() && !name->IsRoot() ? suffixes.OrganizationalDomain(*name).text() : "";
}

double SenderBudgets::Table::MailsAt(const Bucket& bucket, absl::Duration now) const {
  const double hours = std::max(0.0, absl::ToDoubleHours(now - bucket.at));
  return std::min(per_hour_, bucket.mails + hours * per_hour_);
}

bool SenderBudgets::Table::HasRoom(const Key& key, absl::Duration now) {
  if (per_hour_ == 0) return true;
  const Bucket* bucket = buckets_.Find(key);
  return bucket == nullptr || MailsAt(*bucket, now) >= 1;
}

void SenderBudgets::Table::Take(const Key& key, double mails, absl::Duration now) {
  if (per_hour_ == 0) return;
  Bucket* bucket = buckets_.Find(key);
  if (bucket == nullptr) {
    // A full one says no more than none.
    while (buckets_.oldest() != nullptr && MailsAt(*buckets_.oldest(), now) >= per_hour_) {
      buckets_.DropOldest();
    }
    bucket = buckets_.Insert(key, {per_hour_, now});
  }
  *bucket = {MailsAt(*bucket, now) - mails, now};
}

void SenderBudgets::Table::GiveBack(const Key& key, double mails, absl::Duration now) {
  Bucket* bucket = buckets_.Find(key);
  if (bucket != nullptr) *bucket = {std::min(per_hour_, MailsAt(*bucket, now) + mails), now};
}

SenderBudgets::SenderBudgets(const SenderBudgetLimits& limits, const PublicSuffixList& suffixes)
    : suffixes_(suffixes),
      addresses_(limits.per_address, limits.senders),
      domains_(limits.per_domain, limits.senders),
      recipients_(limits.per_recipient, limits.senders),
      anchors_(limits.per_anchor, limits.senders),
      own_(kOwnMails, limits.senders),
      confirmed_(limits.senders),
      anchored_(limits.senders) {}

// Strangers choose what goes in, so nothing but a hash that they cannot aim is kept of it: as small
// for a long name as for a short one.
SenderBudgets::Key SenderBudgets::KeyOf(std::string_view kind, std::string_view first,
                                        std::string_view second) {
  const std::string hash = Sha256(fmt::format("{}\n{}\n{}", kind, first, second));
  Key out;
  std::memcpy(out.data(), hash.data(), sizeof out);
  return out;
}

// Confirmed senders and strangers do not use up each other's budgets.
SenderBudgets::Key SenderBudgets::ShareOf(const Account& account, std::string_view first) {
  return KeyOf(account.standing == SenderStanding::kConfirmed ? "confirmed" : "stranger", first,
               "");
}

bool SenderBudgets::HasOwn(const Account& account, absl::Duration now) {
  return account.standing == SenderStanding::kConfirmed &&
         own_.HasRoom(ShareOf(account, account.domain), now);
}

SenderBudgets::Account SenderBudgets::AccountOf(const MailSender& sender, absl::Duration now) {
  Account out;
  out.network = SenderNetwork(sender.client).ToString();
  out.domain = SenderDomain(sender, suffixes_);
  out.pair = KeyOf("pair", out.network, out.domain);
  out.standing = StandingOf(out.pair, now);
  return out;
}

SenderStanding SenderBudgets::StandingOf(const Key& pair, absl::Duration now) {
  const auto holds = [&](auto& proofs) {
    const absl::Duration* at = proofs.Find(pair);
    return at != nullptr && now - *at <= kProofHolds;
  };
  if (holds(anchored_)) return SenderStanding::kAnchored;
  return holds(confirmed_) ? SenderStanding::kConfirmed : SenderStanding::kStranger;
}

SenderStanding SenderBudgets::StandingOf(const MailSender& sender, absl::Duration now) {
  return AccountOf(sender, now).standing;
}

BudgetVerdict SenderBudgets::Check(const Account& account, std::span<const std::string> recipients,
                                   absl::Duration now) {
  if (account.standing == SenderStanding::kAnchored) {
    if (anchors_.HasRoom(account.pair, now)) return {};
    return {false, BudgetKind::kAnchor, fmt::format("{} at {}", account.domain, account.network)};
  }
  if (!addresses_.HasRoom(ShareOf(account, account.network), now)) {
    return {false, BudgetKind::kAddress, account.network};
  }
  if (!domains_.HasRoom(ShareOf(account, account.domain), now)) {
    return {false, BudgetKind::kDomain, account.domain};
  }
  if (HasOwn(account, now)) return {};
  for (const std::string& recipient : recipients) {
    std::string mailbox = AsciiLower(recipient);
    if (!recipients_.HasRoom(ShareOf(account, mailbox), now)) {
      return {false, BudgetKind::kRecipient, std::move(mailbox)};
    }
  }
  return {};
}

BudgetVerdict SenderBudgets::Check(const MailSender& sender,
                                   std::span<const std::string> recipients, absl::Duration now) {
  return Check(AccountOf(sender, now), recipients, now);
}

BudgetVerdict SenderBudgets::Take(const MailSender& sender, std::span<const std::string> recipients,
                                  int64_t bytes, absl::Duration now, Charge* charge) {
  const Account account = AccountOf(sender, now);
  BudgetVerdict verdict = Check(account, recipients, now);
  if (!verdict.within) return verdict;
  Charge taken;
  taken.mails_ = MailsOf(bytes);
  const auto take = [&](Table SenderBudgets::* table, const Key& key) {
    (this->*table).Take(key, taken.mails_, now);
    taken.taken_.emplace_back(table, key);
  };
  if (account.standing == SenderStanding::kAnchored) {
    take(&SenderBudgets::anchors_, account.pair);
  } else {
    take(&SenderBudgets::addresses_, ShareOf(account, account.network));
    take(&SenderBudgets::domains_, ShareOf(account, account.domain));
    if (HasOwn(account, now)) {
      take(&SenderBudgets::own_, ShareOf(account, account.domain));
    } else {
      for (const std::string& recipient : recipients) {
        take(&SenderBudgets::recipients_, ShareOf(account, AsciiLower(recipient)));
      }
    }
  }
  if (charge != nullptr) *charge = std::move(taken);
  return verdict;
}

void SenderBudgets::GiveBack(const Charge& charge, absl::Duration now) {
  for (const auto& [table, key] : charge.taken_) {
    (this->*table).GiveBack(key, charge.mails_, now);
  }
}

void SenderBudgets::Prove(const MailSender& sender, SenderStanding standing, absl::Duration now) {
  if (standing == SenderStanding::kStranger) return;
  const Account account = AccountOf(sender, now);
  if (standing == SenderStanding::kAnchored) return Restore({account.pair, now});
  if (absl::Duration* known = confirmed_.Find(account.pair)) {
    *known = now;
  } else {
    confirmed_.Insert(KeyOf("domain", account.domain, ""), account.pair, now);
  }
}

std::vector<AnchorProof> SenderBudgets::AnchorProofs(absl::Duration now) const {
  std::vector<AnchorProof> out;
  anchored_.ForEach([&](const Key& pair, absl::Duration at) {
    if (now - at <= kProofHolds) out.push_back({pair, at});
  });
  return out;
}

void SenderBudgets::Restore(const AnchorProof& proof) {
  if (absl::Duration* known = anchored_.Find(proof.sender)) {
    *known = std::max(*known, proof.at);
  } else {
    anchored_.Insert(proof.sender, proof.at);
  }
}

size_t SenderBudgets::entries() const {
  return addresses_.size() + domains_.size() + recipients_.size() + anchors_.size() + own_.size() +
         confirmed_.size() + anchored_.size();
}

}  // namespace dmarcate
