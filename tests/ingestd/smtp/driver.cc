#include "tests/ingestd/smtp/driver.h"

#include <algorithm>

namespace dmarcate::ingest_testing {

const RecipientTable& TestRecipients() {
  static const auto* table = new ConfiguredRecipients(
      *ConfiguredRecipients::Parse({"dmarc@reports.test", "TLS@reports.test"}));
  return *table;
}

Conversation Converse(SmtpSession& session, std::string_view input,
                      const std::function<size_t(std::string_view)>& next_piece,
                      const Answers& answers) {
  using Action = SmtpSession::Action;
  Conversation out;
  const auto settle = [&] {
    while (true) {
      const std::string replies = session.TakeReplies();
      out.replies += replies;
      if (session.action() == Action::kPause) out.paused += replies;
      switch (session.action()) {
        case Action::kAdmit:
          answers.admit(session);
          break;
        case Action::kRoom:
          answers.room(session);
          break;
        case Action::kDeliver: {
          SmtpMessage message = session.TakeMessage();
          const int before = session.messages();
          answers.deliver(session);
          if (session.messages() > before) out.messages.push_back(std::move(message));
          break;
        }
        case Action::kPause:
          session.Resume();
          break;
        case Action::kInput:
          return true;
        case Action::kStartTls:
          out.tls_asked = true;
          return false;
        case Action::kClose:
          out.close_reason = session.close_reason();
          return false;
      }
    }
  };
  bool open = settle();
  while (open && !input.empty()) {
    std::string_view piece = input.substr(0, next_piece ? next_piece(input) : input.size());
    input.remove_prefix(piece.size());
    while (open && !piece.empty()) {
      piece.remove_prefix(session.Feed(piece));
      open = settle();
    }
  }
  return out;
}

std::string CodesOf(std::string_view replies) {
  std::string out;
  while (!replies.empty()) {
    const std::string_view line = replies.substr(0, replies.find("\r\n"));
    replies.remove_prefix(std::min(line.size() + 2, replies.size()));
    if (line.size() < 4 || line[3] != ' ') continue;
    if (!out.empty()) out += ' ';
    out += line.substr(0, 3);
  }
  return out;
}

}  // namespace dmarcate::ingest_testing
