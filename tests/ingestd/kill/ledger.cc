#include "tests/ingestd/kill/ledger.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "fmt/format.h"

#include "tests/ingestd/daemon.h"

namespace dmarcate::ingest_testing {
namespace {

constexpr int kDomains = 5;
constexpr std::string_view kSubject = "Subject: report ";
// One report in so many is repeated.
constexpr uint64_t kOneInShared = 5, kOneInOld = 20;
constexpr size_t kJustNow = 8;  // reports

// Most are small. Some are read in several commits' time, some are larger than what ingestd keeps
// in memory until it is read.
int RowsOf(int report) {
  if (report % 211 == 210) return 700;
  if (report % 53 == 52) return 200;
  return 1 + report % 6;
}

size_t IndexOf(Way way) { return static_cast<size_t>(way); }

}  // namespace

std::string IdOf(int report) { return fmt::format("r{}", report); }

std::string DomainOf(int report) { return fmt::format("d{}.test", report % kDomains); }

uint64_t MessagesOf(int report) {
  return static_cast<uint64_t>(RowsOf(report)) * (1 + static_cast<uint64_t>(report) % 3);
}

std::string XmlOf(int report) {
  return MakeReportXml(DomainOf(report), IdOf(report),
                       std::vector<int>(static_cast<size_t>(RowsOf(report)), 1 + report % 3));
}

std::string MailOf(int report) {
  std::string mail = fmt::format(
      "{}{}\r\nFrom: reports@reporter.test\r\nTo: dmarc@reports.test\r\nMIME-Version: 1.0\r\n"
      "Content-Type: text/xml\r\n\r\n",
      kSubject, report);
  for (const char c : XmlOf(report)) {
    if (c == '\n') mail += '\r';
    mail += c;
  }
  return mail;
}

std::optional<int> ReportInMail(std::string_view mail) {
  if (!mail.starts_with(kSubject)) return std::nullopt;
  mail.remove_prefix(kSubject.size());
  int report = 0;
  const auto [end, error] = std::from_chars(mail.data(), mail.data() + mail.size(), report);
  if (error != std::errc() || end == mail.data() + mail.size()) return std::nullopt;
  return report;
}

std::vector<std::string> AllDomains() {
  std::vector<std::string> out;
  for (int i = 0; i < kDomains; ++i) out.push_back(DomainOf(i));
  return out;
}

std::string_view NameOf(Way way) {
  switch (way) {
    case Way::kSmtp:
      return "smtp";
    case Way::kLmtp:
      return "lmtp";
    case Way::kImapFlag:
      return "imap, flagged";
    case Way::kImapMove:
      return "imap, moved";
    case Way::kMaildir:
      return "maildir";
    case Way::kUpload:
      return "upload";
    case Way::kImport:
      return "import";
  }
  std::abort();
}

std::string ContentOf(int report, Way way) {
  return way == Way::kUpload || way == Way::kImport ? XmlOf(report) : MailOf(report);
}

std::optional<int> Ledger::Next(Way way) {
  const std::lock_guard lock(mutex_);
  if (closed_) return std::nullopt;
  size_t report = reports_.size();
  if (report > 0 && random_() % kOneInShared == 0) {
    report -= 1 + random_() % std::min(report, kJustNow);
  } else if (report > 0 && random_() % kOneInOld == 0) {
    report = random_() % report;
  }
  // On its way already: then it will come.
  if (report < reports_.size() && reports_[report][IndexOf(way)] == State::kHandedOver) {
    report = reports_.size();
  }
  if (report == reports_.size()) reports_.emplace_back();
  State& state = reports_[report][IndexOf(way)];
  if (state == State::kUnknown) {
    state = State::kHandedOver;
    ++unacknowledged_;
  }
  return static_cast<int>(report);
}

void Ledger::Acknowledge(int report, Way way) {
  const std::lock_guard lock(mutex_);
  fresh_.emplace_back(report, way);
  State& state = reports_.at(static_cast<size_t>(report))[IndexOf(way)];
  if (state == State::kAcknowledged) return;
  state = State::kAcknowledged;
  ++acknowledged_[IndexOf(way)];
  --unacknowledged_;
}

void Ledger::Close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
}

int Ledger::reports() const {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(reports_.size());
}

size_t Ledger::unacknowledged() const {
  const std::lock_guard lock(mutex_);
  return unacknowledged_;
}

size_t Ledger::acknowledged(Way way) const {
  const std::lock_guard lock(mutex_);
  return acknowledged_[IndexOf(way)];
}

size_t Ledger::shared() const {
  const std::lock_guard lock(mutex_);
  return static_cast<size_t>(std::ranges::count_if(reports_, [](const States& states) {
    return std::ranges::count(states, State::kAcknowledged) > 1;
  }));
}

std::vector<std::pair<int, Way>> Ledger::TakeAcknowledged() {
  const std::lock_guard lock(mutex_);
  return std::exchange(fresh_, {});
}

}  // namespace dmarcate::ingest_testing
