#include "ingestd/intake/smtp/sender_gate.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>
#include <vector>

#include "fmt/format.h"

#include "ingestd/intake/smtp/anchor_file.h"
#include "lib/base/file.h"
#include "lib/base/log.h"

namespace dmarcate {
namespace {

constexpr size_t kLinesAMinute = 20;

}  // namespace

SenderGate::SenderGate(const SenderBudgetLimits& limits, const PublicSuffixList& suffixes,
                       const Clock& clock, std::string file)
    : clock_(clock), budgets_(limits, suffixes), lines_(kLinesAMinute), file_(std::move(file)) {
  if (!file_.empty()) Load();
}

void SenderGate::Load() {
  const absl::StatusOr<std::vector<AnchorEntry>> entries = LoadAnchorFile(file_);
  if (!entries.ok()) return KeepAside(entries.status());
  const absl::Duration now = clock_.Monotonic();
  const absl::Time wall = clock_.Now();
  for (const AnchorEntry& entry : *entries) {
    // The clock may have been set back since.
    budgets_.Restore({entry.sender, now - std::max(wall - entry.proved, absl::ZeroDuration())});
  }
}

// A person may still make something of it.
void SenderGate::KeepAside(const absl::Status& why) {
  const std::string aside = file_ + ".bad";
  if (rename(file_.c_str(), aside.c_str()) == 0) {
    return LogWarn("anchor_senders_lost", {{"error", why}, {"kept_as", aside}});
  }
  LogWarn("anchor_senders_lost",
          {{"error", why},
           {"not_replaced", ErrnoError(errno, fmt::format("{}: move to {}", file_, aside))}});
  file_.clear();
}

void SenderGate::Save() {
  const std::lock_guard file_lock(file_mutex_);
  std::vector<AnchorEntry> entries;
  {
    const std::lock_guard lock(mutex_);
    if (file_.empty() || !std::exchange(unsaved_, false)) return;
    const absl::Duration now = clock_.Monotonic();
    const absl::Time wall = clock_.Now();
    saved_ = now;
    for (const AnchorProof& proof : budgets_.AnchorProofs(now)) {
      entries.push_back({proof.sender, wall - (now - proof.at)});
    }
  }
  if (const absl::Status saved = SaveAnchorFile(file_, entries); !saved.ok()) {
    LogWarn("anchor_senders_unsaved", {{"error", saved}});
    const std::lock_guard lock(mutex_);
    unsaved_ = true;  // the next time
  }
}

bool SenderGate::Admits(const MailSender& sender, std::span<const std::string> recipients) {
  const std::lock_guard lock(mutex_);
  const absl::Duration now = clock_.Monotonic();  // in the order of the calls
  return Tell(budgets_.Check(sender, recipients, now), now);
}

std::optional<SenderBudgets::Charge> SenderGate::Take(const MailSender& sender,
                                                      std::span<const std::string> recipients,
                                                      int64_t bytes) {
  const std::lock_guard lock(mutex_);
  const absl::Duration now = clock_.Monotonic();
  SenderBudgets::Charge charge;
  if (!Tell(budgets_.Take(sender, recipients, bytes, now, &charge), now)) return std::nullopt;
  return charge;
}

void SenderGate::GiveBack(const SenderBudgets::Charge& charge) {
  const std::lock_guard lock(mutex_);
  budgets_.GiveBack(charge, clock_.Monotonic());
}

bool SenderGate::Tell(const BudgetVerdict& verdict, absl::Duration now) {
  if (verdict.within) return true;
  const std::string_view kind = BudgetKindName(verdict.exhausted);
  if (const auto held_back = lines_.Admit(fmt::format("{} {}", kind, verdict.key), now)) {
    LogWarn("smtp_over_budget", {{"budget", kind}, {"of", verdict.key}, {"held_back", *held_back}});
  }
  return false;
}

// SPF binds the mail to the address that sent it. A signature alone does not: a signed report can
// be sent again by anyone who once got one.
void SenderGate::Learn(const Envelope& envelope, const CarrierAuth& auth, TrustClass best) {
  if (auth.spf.result != SpfResult::kPass) return;
  const bool anchored = best == TrustClass::kAnchored && auth.spf.aligned;
  const MailSender sender{envelope.client, envelope.helo, envelope.mail_from};
  {
    const std::lock_guard lock(mutex_);
    const absl::Duration now = clock_.Monotonic();
    budgets_.Prove(sender, anchored ? SenderStanding::kAnchored : SenderStanding::kConfirmed, now);
    if (anchored) unsaved_ = true;
    if (!unsaved_ || now - saved_ < kSaveInterval) return;
  }
  Save();
}

}  // namespace dmarcate
