// ingestd/intake/smtp/sender_gate.h
// The budgets of those who send mail (protocol/sender_budgets.h), shared by the connections, which
// ask, and the pipeline, which tells what the mail of a sender has proved. What is over budget is
// logged, at most once a minute for each budget. Which anchors send from where is kept in a file
// (anchor_file.h), so that they need not prove it anew after a restart, which may come in a flood.

#ifndef DMARCATE_INGESTD_INTAKE_SMTP_SENDER_GATE_H_
#define DMARCATE_INGESTD_INTAKE_SMTP_SENDER_GATE_H_

#include <mutex>
#include <optional>
#include <span>
#include <string>

#include "ingestd/intake/smtp/protocol/sender_budgets.h"
#include "lib/base/clock.h"
#include "lib/base/log_limiter.h"
#include "lib/mailauth/alignment.h"
#include "lib/mailauth/carrier.h"
#include "lib/store/report_store.h"

namespace dmarcate {

// Thread-safe.
class SenderGate {
 public:
  // `suffixes` and `clock` outlive this. `file`: empty: nothing is kept. One that cannot be read is
  // logged and kept aside, as `file`.bad; where even that cannot be done it is left as it is, and
  // nothing is written.
  SenderGate(const SenderBudgetLimits& limits, const PublicSuffixList& suffixes, const Clock& clock,
             std::string file);

  // Whether one more mail is within the budgets; see SenderBudgets.
  bool Admits(const MailSender& sender, std::span<const std::string> recipients);
  // The same, and takes it from them. Nothing: it is over one of them.
  std::optional<SenderBudgets::Charge> Take(const MailSender& sender,
                                            std::span<const std::string> recipients, int64_t bytes);
  // The mail was not kept.
  void GiveBack(const SenderBudgets::Charge& charge);

  // What the verified mail that came with `envelope` proves about who sent it. `best` is the class
  // of the most trusted report in it, kUnspecified if there is none.
  // Writes the file, at most once in kSaveInterval.
  void Learn(const Envelope& envelope, const CarrierAuth& auth, TrustClass best);
  static constexpr absl::Duration kSaveInterval = absl::Minutes(10);
  // Writes what was learnt since, and what could not be written before. At the end.
  void Save();

 private:
  void Load();
  void KeepAside(const absl::Status& why);
  bool Tell(const BudgetVerdict& verdict, absl::Duration now);

  const Clock& clock_;
  std::mutex mutex_;
  SenderBudgets budgets_;
  absl::Duration saved_ = -absl::InfiniteDuration();
  bool unsaved_ = false;
  LogLimiter lines_;
  std::string file_;       // constant once constructed
  std::mutex file_mutex_;  // held before the other
};

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_INTAKE_SMTP_SENDER_GATE_H_
