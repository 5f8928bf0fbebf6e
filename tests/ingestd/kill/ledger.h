// tests/ingestd/kill/ledger.h
// Reports by number, and the book of what was handed to ingestd by which way in and what it
// acknowledged.

#ifndef DMARCATE_TESTS_INGESTD_KILL_LEDGER_H_
#define DMARCATE_TESTS_INGESTD_KILL_LEDGER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dmarcate::ingest_testing {

// Of the same report, 17 always: its id, domain, messages, and the bytes in which it comes.
std::string IdOf(int report);
std::string DomainOf(int report);
uint64_t MessagesOf(int report);
std::string XmlOf(int report);
std::string MailOf(int report);  // the same in a mail, lines ended by CR LF
// By the first lines of such a mail.
std::optional<int> ReportInMail(std::string_view mail);
std::vector<std::string> AllDomains();

enum class Way { kSmtp, kLmtp, kImapFlag, kImapMove, kMaildir, kUpload, kImport };
inline constexpr std::array kWays = {Way::kSmtp,    Way::kLmtp,   Way::kImapFlag, Way::kImapMove,
                                     Way::kMaildir, Way::kUpload, Way::kImport};
std::string_view NameOf(Way way);
// The bytes of the report as this way carries them.
std::string ContentOf(int report, Way way);

// Thread-safe.
class Ledger {
 public:
  explicit Ledger(uint64_t seed) : random_(seed) {}

  // A report to hand over by `way`. As a rule a new one, sometimes one that another way has just
  // been given, or an old one, as from a client that did not hear the answer. Nothing: closed.
  std::optional<int> Next(Way way);
  // Safe to repeat.
  void Acknowledge(int report, Way way);
  void Close();

  // Every report so far is numbered below.
  int reports() const;
  // Handed over and not acknowledged.
  size_t unacknowledged() const;
  size_t acknowledged(Way way) const;
  size_t shared() const;  // reports that were acknowledged by more than one way
  // What has been acknowledged since the last call.
  std::vector<std::pair<int, Way>> TakeAcknowledged();

 private:
  enum class State : uint8_t { kUnknown, kHandedOver, kAcknowledged };
  using States = std::array<State, kWays.size()>;

  mutable std::mutex mutex_;
  std::mt19937_64 random_;
  bool closed_ = false;
  std::vector<States> reports_;
  std::array<size_t, kWays.size()> acknowledged_ = {};
  size_t unacknowledged_ = 0;
  std::vector<std::pair<int, Way>> fresh_;
};

}  // namespace dmarcate::ingest_testing

#endif  // DMARCATE_TESTS_INGESTD_KILL_LEDGER_H_
