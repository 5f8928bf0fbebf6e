// However a stream is cut, the session says and delivers the same; what it delivers has no CR or LF
// that stands alone, is within the limits, and goes to accepted recipients; every reply is a line
// of printable ASCII.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ingestd/intake/smtp/protocol/session.h"

namespace {

using dmarcate::SmtpSession;

const dmarcate::ConfiguredRecipients& Recipients() {
  static const auto* table =
      new dmarcate::ConfiguredRecipients(*dmarcate::ConfiguredRecipients::Parse({"r@x.test"}));
  return *table;
}

struct Said {
  std::string replies;
  std::vector<std::string> contents;
};

void Check(const dmarcate::SmtpMessage& message, int64_t limit) {
  const std::string& content = message.content;
  if (content.empty() || std::cmp_greater(content.size(), limit)) std::abort();
  for (size_t i = 0; i < content.size(); ++i) {
    if (content[i] == '\r' && (i + 1 == content.size() || content[i + 1] != '\n')) std::abort();
    if (content[i] == '\n' && (i == 0 || content[i - 1] != '\r')) std::abort();
  }
  if (message.recipients.empty() || message.helo.empty()) std::abort();
  for (const std::string& recipient : message.recipients) {
    const auto mailbox = dmarcate::ParseMailbox(recipient);
    if (!mailbox || !Recipients().Accepts(*mailbox)) std::abort();
  }
}

Said Run(std::string_view input, const dmarcate::SmtpSessionOptions& options, size_t piece) {
  Said out;
  SmtpSession session(options, Recipients());
  while (true) {
    out.replies += session.TakeReplies();
    switch (session.action()) {
      case SmtpSession::Action::kInput: {
        if (input.empty()) return out;
        const size_t taken = session.Feed(input.substr(0, piece));
        if (taken > input.size()) std::abort();
        input.remove_prefix(taken);
        break;
      }
      case SmtpSession::Action::kPause:
        session.Resume();
        break;
      case SmtpSession::Action::kAdmit:
        session.Admit();
        break;
      case SmtpSession::Action::kRoom:
        if (session.wanted_bytes() > options.limits.message_bytes + 2) std::abort();
        session.GrantRoom(session.wanted_bytes());
        break;
      case SmtpSession::Action::kDeliver: {
        const dmarcate::SmtpMessage message = session.TakeMessage();
        Check(message, options.limits.message_bytes);
        out.contents.push_back(message.content);
        session.Delivered();
        break;
      }
      case SmtpSession::Action::kStartTls:
        return out;  // what follows depends on when it comes
      case SmtpSession::Action::kClose:
        return out;
    }
  }
}

}  // namespace

// The first octet chooses protocol and pieces.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  dmarcate::SmtpSessionOptions options;
  options.protocol =
      (data[0] & 1) != 0 ? dmarcate::MailProtocol::kLmtp : dmarcate::MailProtocol::kSmtp;
  options.tls = dmarcate::TlsOffer::kYes;
  options.hostname = "mx.test";
  options.limits.message_bytes = 50'000;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Said whole = Run(input, options, input.size());
  const Said cut = Run(input, options, size_t{1} + (data[0] >> 1) % 16);
  if (whole.replies != cut.replies || whole.contents != cut.contents) std::abort();
  for (size_t i = 0; i < whole.replies.size(); ++i) {
    const char c = whole.replies[i];
    const bool line_end =
        (c == '\r' && i + 1 < whole.replies.size() && whole.replies[i + 1] == '\n') ||
        (c == '\n' && i > 0 && whole.replies[i - 1] == '\r');
    if (!line_end && (c < ' ' || c > '~')) std::abort();
  }
  return 0;
}
