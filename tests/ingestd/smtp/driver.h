// tests/ingestd/smtp/driver.h
// Drives a session through a stream of octets and answers what it asks for.

#ifndef DMARCATE_TESTS_INGESTD_SMTP_DRIVER_H_
#define DMARCATE_TESTS_INGESTD_SMTP_DRIVER_H_

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "ingestd/intake/smtp/protocol/session.h"

namespace dmarcate::ingest_testing {

// Accepts dmarc@reports.test and tls@reports.test.
const RecipientTable& TestRecipients();

struct Conversation {
  std::string replies;
  std::vector<SmtpMessage> messages;  // delivered
  std::string close_reason;           // empty: still open
  std::string paused;                 // what was kept back for a while, and came with `replies`
  bool tls_asked = false;             // and the stream ended there
};

struct Answers {
  std::function<void(SmtpSession&)> admit = [](SmtpSession& s) { s.Admit(); };
  std::function<void(SmtpSession&)> room = [](SmtpSession& s) { s.GrantRoom(s.wanted_bytes()); };
  std::function<void(SmtpSession&)> deliver = [](SmtpSession& s) { s.Delivered(); };
};

// `next_piece` is given what is left and says how many octets come next, at least one.
Conversation Converse(SmtpSession& session, std::string_view input,
                      const std::function<size_t(std::string_view)>& next_piece = nullptr,
                      const Answers& answers = Answers());

// "220 250 354": the code of each reply, a reply of many lines once.
std::string CodesOf(std::string_view replies);

}  // namespace dmarcate::ingest_testing

#endif  // DMARCATE_TESTS_INGESTD_SMTP_DRIVER_H_
