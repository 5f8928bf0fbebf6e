#include <optional>

#include "fmt/format.h"
#include "gtest/gtest.h"

#include "tests/ingestd/kill/senders.h"

namespace dmarcate::ingest_testing {
namespace {

// One connection at a time.
class MailSession {
 public:
  MailSession(const MailRoute& route, Gate& gate) : route_(route), gate_(gate) {}

  // True once it is greeted; false: the gate has ended.
  bool Connect() {
    while (!client_) {
      if (gate_.Await() == nullptr) return false;
      client_ = route_.connect();
      const bool lmtp = route_.way == Way::kLmtp;
      if (client_->Reply() != "220" ||
          client_->Say(lmtp ? "LHLO client.test" : "EHLO client.test") != "250") {
        client_.reset();
      }
    }
    return true;
  }

  // One transaction. Those of `recipients` for whom it was acknowledged.
  std::vector<std::string> Send(const std::string& mail,
                                const std::vector<std::string>& recipients) {
    std::string envelope = "MAIL FROM:<reports@reporter.test>\r\n";
    for (const std::string& recipient : recipients) {
      envelope += fmt::format("RCPT TO:<{}>\r\n", recipient);
    }
    if (!client_->Send(envelope + "DATA\r\n")) return Broken();
    for (size_t i = 0; i < recipients.size() + 1; ++i) {
      if (!Said("250")) return Broken();
    }
    if (!Said("354") || !client_->Send(mail + ".\r\n")) return Broken();
    std::vector<std::string> out;
    const size_t answers = route_.way == Way::kLmtp ? recipients.size() : 1;
    for (size_t i = 0; i < answers; ++i) {
      if (!Said("250")) break;
      out.push_back(recipients[i]);
    }
    if (out.size() < answers) client_.reset();
    return out;
  }

 private:
  // Any other answer than `code` and "try again" is a fault.
  bool Said(std::string_view code) {
    const std::string got = client_->Reply();
    EXPECT_TRUE(got == code || got.empty() || got.starts_with('4')) << client_->last_reply();
    return got == code;
  }
  std::vector<std::string> Broken() {
    client_.reset();
    return {};
  }

  const MailRoute& route_;
  Gate& gate_;
  std::optional<MailClient> client_;
};

}  // namespace

void SendMail(const MailRoute& route, Gate& gate, Ledger& ledger) {
  MailSession session(route, gate);
  while (const std::optional<int> report = ledger.Next(route.way)) {
    const std::string mail = MailOf(*report);
    std::vector<std::string> recipients = route.recipients;
    while (!recipients.empty()) {
      if (!session.Connect()) return;
      for (const std::string& recipient : session.Send(mail, recipients)) {
        ledger.Acknowledge(*report, route.way);
        std::erase(recipients, recipient);
      }
    }
  }
}

}  // namespace dmarcate::ingest_testing
