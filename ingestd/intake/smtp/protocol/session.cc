#include "ingestd/intake/smtp/protocol/session.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "fmt/format.h"

#include "lib/base/text.h"

namespace dmarcate {
namespace {

// With so much to say, taking in pauses until it is said: memory stays small.
constexpr size_t kReplyPauseBytes = 4 << 10;
// A line that goes on for so long is no line.
constexpr size_t kLineExcessBytes = 16 << 10;
// What a message is given at first. The client's word, as far as it is cheap to believe.
constexpr int64_t kFirstRoomBytes = 16 << 10, kBelievedBytes = 256 << 10;
// A message that is refused is read on to its end, but not for ever.
constexpr int64_t kOverrunFactor = 4;

constexpr std::string_view kBareLineEnd =
    "554 5.6.0 message refused: a CR or LF that stands alone ends no line";
constexpr std::string_view kTooLarge = "552 5.3.4 message refused: too large";
constexpr std::string_view kOverBudget = "451 4.7.1 too much mail for now; try again later";
constexpr std::string_view kUnknownRecipient = "550 5.1.1 no address that takes reports";
constexpr std::string_view kUndecidedRecipient =
    "450 4.3.0 the list of report addresses is not there yet; try again later";

std::string_view TextOf(SmtpRefusal refusal) {
  switch (refusal) {
    case SmtpRefusal::kDiskFull:
      return "452 4.3.1 the disk is too full; try again later";
    case SmtpRefusal::kNoRoom:
      return "451 4.3.2 too much to do; try again later";
    case SmtpRefusal::kStoreFailed:
      return "451 4.3.0 the message could not be stored; try again later";
    case SmtpRefusal::kOverBudget:
      return kOverBudget;
  }
  return "451 4.3.0 try again later";
}

// What browsers send when somebody makes them talk to us.
bool IsOtherProtocol(std::string_view verb) {
  for (const std::string_view other : {"GET", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT"}) {
    if (EqualsIgnoreCase(verb, other)) return true;
  }
  return false;
}

bool IsPrintable(std::string_view line) {
  return std::ranges::all_of(line, [](char c) { return (c >= ' ' && c <= '~') || c == '\t'; });
}

// The rest behind `prefix`, compared without case.
std::optional<std::string_view> After(std::string_view text, std::string_view prefix) {
  if (!StartsWithIgnoreCase(text, prefix)) return std::nullopt;
  return text.substr(prefix.size());
}

// RFC 1870 section 3: up to 20 digits.
std::optional<int64_t> ParseSize(std::string_view digits) {
  if (digits.empty() || digits.size() > 20) return std::nullopt;
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (end != digits.data() + digits.size() || error == std::errc::invalid_argument) {
    return std::nullopt;
  }
  constexpr uint64_t kMost = INT64_MAX;
  return error == std::errc() ? static_cast<int64_t>(std::min(value, kMost)) : INT64_MAX;
}

struct MailParameters {
  int64_t size = 0;
  std::string_view error;  // the reply; empty: none
};
MailParameters ParseMailParameters(std::string_view text) {
  constexpr std::string_view kBad = "501 5.5.4 bad value of a parameter";
  MailParameters out;
  bool has_size = false, has_body = false;
  for (const std::string_view parameter : Split(text, ' ')) {
    if (parameter.empty()) continue;
    if (const auto value = After(parameter, "SIZE=")) {
      const auto size = ParseSize(*value);
      if (!size.has_value() || std::exchange(has_size, true)) return {0, kBad};
      out.size = *size;
    } else if (const auto body = After(parameter, "BODY=")) {
      const bool known = EqualsIgnoreCase(*body, "7BIT") || EqualsIgnoreCase(*body, "8BITMIME");
      if (!known || std::exchange(has_body, true)) return {0, kBad};
    } else {
      return {0, "555 5.5.4 a parameter that was not offered"};
    }
  }
  return out;
}

}  // namespace

SmtpSession::SmtpSession(const SmtpSessionOptions& options, const RecipientTable& recipients)
    : options_(options), recipients_(recipients) {
  Reply(fmt::format("220 {} {} receives DMARC and TLS reports, nothing else", options_.hostname,
                    options_.protocol == MailProtocol::kSmtp ? "ESMTP" : "LMTP"));
}

size_t SmtpSession::Feed(std::string_view input) {
  std::string_view rest = input;
  while (action_ == Action::kInput && !rest.empty() && replies_.size() < kReplyPauseBytes) {
    rest.remove_prefix(state_ == State::kData ? ReadData(rest) : ReadLine(rest));
  }
  if (action_ == Action::kStartTls || action_ == Action::kClose) return input.size();
  return input.size() - rest.size();
}

std::string SmtpSession::TakeReplies() { return std::exchange(replies_, std::string()); }

// Up to a line end or the end of `input`.
size_t SmtpSession::ReadLine(std::string_view input) {
  if (line_cr_ && input.front() == '\n') {
    line_cr_ = false;
    ++progress_;
    const std::string line = std::exchange(line_, std::string());
    if (std::exchange(line_excess_bytes_, 0) > 0) {
      Error("500 5.5.2 line too long");
    } else {
      OnLine(line);
    }
    return 1;
  }
  const size_t end = std::min(input.find_first_of("\r\n"), input.size());
  if (line_cr_ || (end < input.size() && input[end] == '\n')) {
    Close("500 5.5.2 a CR or LF that stands alone ends no line", "bare_line_end");
    return input.size();
  }
  const size_t limit = options_.limits.command_line_bytes - 2;
  const size_t kept = std::min(end, limit - line_.size());
  line_.append(input.substr(0, kept));
  line_excess_bytes_ += end - kept;
  if (line_excess_bytes_ > kLineExcessBytes) Close("500 5.5.2 line too long", "line_too_long");
  if (end == input.size()) return end;
  line_cr_ = true;
  return end + 1;
}

void SmtpSession::OnLine(std::string_view line) {
  if (++commands_ > options_.limits.commands) {
    return Close("421 4.7.0 too many commands", "too_many_commands");
  }
  if (!IsPrintable(line)) return Error("500 5.5.2 not a command: only printable ASCII");
  line = TrimAscii(line);
  const size_t blank = std::min(line.find(' '), line.size());
  const std::string_view verb = line.substr(0, blank), argument = TrimAscii(line.substr(blank));
  const auto is = [verb](std::string_view name) { return EqualsIgnoreCase(verb, name); };
  if (is("MAIL")) return Mail(argument);
  if (is("RCPT")) return Rcpt(argument);
  if (is("DATA")) return Data(argument);
  if (is("EHLO") || is("HELO") || is("LHLO")) return Hello(verb, argument);
  if (is("RSET")) {
    if (!argument.empty()) return Error("501 5.5.4 RSET takes nothing");
    ResetTransaction();
    return Reply("250 2.0.0 ok");
  }
  if (is("NOOP")) return Reply("250 2.0.0 ok");
  if (is("QUIT")) return Close("221 2.0.0 bye", "quit");
  if (is("STARTTLS")) return StartTls(argument);
  if (is("VRFY")) return Reply("252 2.0.0 send a report and see");
  if (is("BDAT")) return Close("502 5.5.1 CHUNKING is not offered", "chunking");
  if (IsOtherProtocol(verb)) return Close("500 5.5.1 this is no web server", "not_smtp");
  if (is("EXPN") || is("HELP") || is("AUTH") || is("ETRN") || is("TURN")) {
    return Error("502 5.5.1 not offered");
  }
  Error("500 5.5.1 not a command");
}

void SmtpSession::Hello(std::string_view verb, std::string_view argument) {
  const bool lmtp = options_.protocol == MailProtocol::kLmtp;
  if (EqualsIgnoreCase(verb, "LHLO") != lmtp) {
    return Error(lmtp ? "500 5.5.1 this is LMTP: say LHLO" : "500 5.5.1 this is SMTP: say EHLO");
  }
  if (!IsHelo(argument)) return Error("501 5.5.4 say who you are: EHLO host.name");
  ResetTransaction();
  helo_ = argument;
  if (EqualsIgnoreCase(verb, "HELO")) return Reply(fmt::format("250 {}", options_.hostname));
  Reply(fmt::format("250-{}", options_.hostname));
  Reply("250-PIPELINING");
  Reply(fmt::format("250-SIZE {}", options_.limits.message_bytes));
  Reply("250-8BITMIME");
  if (options_.tls == TlsOffer::kYes && !tls_) Reply("250-STARTTLS");
  Reply("250 ENHANCEDSTATUSCODES");
}

void SmtpSession::Mail(std::string_view argument) {
  if (helo_.empty()) return Error("503 5.5.1 say hello first");
  if (mail_given_) return Error("503 5.5.1 one sender a message");
  const auto text = After(argument, "FROM:");
  const auto parts = text ? SplitPath(*text) : std::nullopt;
  if (!parts.has_value()) return Error("501 5.5.4 want MAIL FROM:<address>");
  if (!IsReversePath(parts->path)) return Error("501 5.1.7 not an address");
  const MailParameters parameters = ParseMailParameters(parts->parameters);
  if (!parameters.error.empty()) return Error(parameters.error);
  if (parameters.size > options_.limits.message_bytes) return Error(kTooLarge);
  message_.mail_from = parts->path;
  declared_bytes_ = parameters.size;
  action_ = Action::kAdmit;
}

void SmtpSession::Admit() {
  action_ = Action::kInput;
  mail_given_ = true;
  Reply("250 2.1.0 ok");
}

void SmtpSession::Rcpt(std::string_view argument) {
  if (!mail_given_) return Error("503 5.5.1 say MAIL first");
  const auto text = After(argument, "TO:");
  const auto parts = text ? SplitPath(*text) : std::nullopt;
  if (!parts.has_value()) return Error("501 5.5.4 want RCPT TO:<address>");
  if (!parts->parameters.empty()) return Error("555 5.5.4 a parameter that was not offered");
  if (missed_) return Error("451 4.7.1 not on this connection; try again on another one");
  const auto mailbox = ParseMailbox(parts->path);
  const RecipientVerdict verdict =
      mailbox.has_value() ? recipients_.Find(*mailbox) : RecipientVerdict();
  if (verdict.kind == RecipientVerdict::Kind::kUndecided) {  // no fault of the client's
    last_error_ = kUndecidedRecipient;
    return Reply(kUndecidedRecipient);
  }
  if (verdict.kind == RecipientVerdict::Kind::kUnknown) {
    // Whoever speaks LMTP knows the addresses, and sends the mail of many over one connection.
    missed_ = options_.protocol == MailProtocol::kSmtp;
    return Error(kUnknownRecipient);
  }
  // Once is enough, where not each is answered for itself in the end.
  if (options_.protocol == MailProtocol::kSmtp &&
      std::ranges::any_of(message_.recipients, [&](const std::string& known) {
        return EqualsIgnoreCase(known, parts->path);
      })) {
    return Reply("250 2.1.5 ok");
  }
  if (message_.recipients.size() >= options_.limits.recipients) {
    return Reply("452 4.5.3 too many recipients");
  }
  message_.recipients.emplace_back(parts->path);
  std::string key = verdict.domain.empty() ? AsciiLower(parts->path) : verdict.domain;
  if (std::ranges::find(message_.budget_keys, key) == message_.budget_keys.end()) {
    message_.budget_keys.push_back(std::move(key));
  }
  Reply("250 2.1.5 ok");
}

void SmtpSession::Data(std::string_view argument) {
  if (!argument.empty()) return Error("501 5.5.4 DATA takes nothing");
  if (!mail_given_) return Error("503 5.5.1 say MAIL first");
  if (message_.recipients.empty()) return Error("503 5.5.1 no valid recipient");
  reader_ = DataReader();
  room_bytes_ = data_bytes_ = 0;
  data_refused_ = "";
  const int64_t most = options_.limits.message_bytes + 1 + DataReader::kPendingBytes;
  wanted_bytes_ =
      std::min({std::max(declared_bytes_ + 1 + DataReader::kPendingBytes, kFirstRoomBytes),
                kBelievedBytes, most});
  action_ = Action::kRoom;
}

void SmtpSession::GrantRoom(int64_t bytes) {
  action_ = Action::kInput;
  room_bytes_ = bytes;
  message_.content.reserve(static_cast<size_t>(bytes));
  if (state_ == State::kData) return;
  state_ = State::kData;
  Reply("354 end with a dot on a line of its own");
}

// As much as there is room for; doubled when it is used up.
size_t SmtpSession::ReadData(std::string_view input) {
  const int64_t limit = options_.limits.message_bytes;
  int64_t allowed = kOverrunFactor * limit - data_bytes_;
  if (!DiscardsMessage()) {
    allowed =
        room_bytes_ - static_cast<int64_t>(message_.content.size()) - DataReader::kPendingBytes;
    if (allowed <= 0) {
      wanted_bytes_ = std::min(2 * room_bytes_, limit + 1 + DataReader::kPendingBytes);
      action_ = Action::kRoom;
      return 0;
    }
  } else if (allowed <= 0) {
    Close(data_refused_, "message_too_large");
    return input.size();
  }
  input = input.substr(0, static_cast<size_t>(allowed));
  const size_t taken = reader_.Read(input, DiscardsMessage() ? nullptr : &message_.content);
  data_bytes_ += static_cast<int64_t>(taken);
  if (reader_.has_bare_line_end()) {
    data_refused_ = kBareLineEnd;
  } else if (!DiscardsMessage() && std::cmp_greater(message_.content.size(), limit)) {
    data_refused_ = kTooLarge;
  }
  if (DiscardsMessage()) std::string().swap(message_.content);
  if (reader_.ended()) OnDataEnd();
  return taken;
}

bool SmtpSession::DiscardsMessage() const { return !data_refused_.empty(); }

void SmtpSession::OnDataEnd() {
  ++progress_;
  if (!DiscardsMessage() && message_.content.empty()) {
    data_refused_ = "554 5.6.0 message refused: empty";
  }
  if (DiscardsMessage()) return EndMessage(data_refused_);
  message_.helo = helo_;
  action_ = Action::kDeliver;
}

SmtpMessage SmtpSession::TakeMessage() {
  std::string content = std::exchange(message_.content, std::string());
  SmtpMessage out = message_;  // the recipients are still to be answered
  out.content = std::move(content);
  return out;
}

void SmtpSession::Delivered() {
  ++messages_;
  commands_ = 0;
  EndMessage("250 2.0.0 stored");
}

void SmtpSession::Refuse(SmtpRefusal refusal) {
  const std::string_view text = TextOf(refusal);
  switch (action_) {
    case Action::kRoom:
      if (state_ == State::kData) {  // told at the end of the message
        action_ = Action::kInput;
        data_refused_ = text;
        std::string().swap(message_.content);
        return;
      }
      [[fallthrough]];
    case Action::kAdmit:
      action_ = Action::kInput;
      ResetTransaction();
      if (refusal == SmtpRefusal::kOverBudget) {
        Error(text);
      } else {
        last_error_ = text;
        Reply(text);
      }
      if (draining_) Drain();
      return;
    default:
      return EndMessage(text);
  }
}

// LMTP: a reply for each recipient (RFC 2033 section 4.2).
void SmtpSession::EndMessage(std::string_view text) {
  action_ = Action::kInput;
  state_ = State::kCommand;
  const size_t replies =
      options_.protocol == MailProtocol::kLmtp ? message_.recipients.size() : size_t{1};
  ResetTransaction();
  for (size_t i = 1; i < replies; ++i) Reply(text);
  if (text.front() == '5' || text == kOverBudget) {
    Error(text);
  } else {
    if (text.front() != '2') last_error_ = text;
    Reply(text);
  }
  if (draining_) Drain();
}

void SmtpSession::StartTls(std::string_view argument) {
  if (options_.tls == TlsOffer::kNo) return Error("502 5.5.1 not offered");
  if (tls_) return Error("503 5.5.1 this is TLS already");
  if (!argument.empty()) return Error("501 5.5.4 STARTTLS takes nothing");
  ResetTransaction();
  Reply("220 2.0.0 go ahead");
  action_ = Action::kStartTls;
}

void SmtpSession::TlsStarted() {
  tls_ = true;
  helo_.clear();
  action_ = Action::kInput;
  if (draining_) Drain();
}

void SmtpSession::Resume() { action_ = Action::kInput; }

void SmtpSession::Drain() {
  draining_ = true;
  if (state_ == State::kCommand && (action_ == Action::kInput || action_ == Action::kPause)) {
    Close("421 4.3.2 shutting down; try again later", "shutdown");
  }
}

void SmtpSession::Abort(std::string_view why) {
  if (action_ == Action::kClose || action_ == Action::kDeliver) return;
  Close(why == "timeout" ? "421 4.4.2 timeout" : "421 4.3.2 shutting down; try again later", why);
}

void SmtpSession::ResetTransaction() {
  mail_given_ = false;
  message_ = SmtpMessage();
  declared_bytes_ = 0;
}

void SmtpSession::Reply(std::string_view text) {
  replies_.append(text);
  replies_.append("\r\n");
}

void SmtpSession::Error(std::string_view text) {
  last_error_ = text;
  Reply(text);
  if (++errors_ >= options_.limits.errors) {
    return Close("421 4.7.0 too many errors", "too_many_errors");
  }
  // Whoever speaks LMTP is the operator's own.
  if (options_.protocol == MailProtocol::kSmtp) action_ = Action::kPause;
}

void SmtpSession::Close(std::string_view text, std::string_view reason) {
  if (text.front() != '2') last_error_ = text;
  Reply(text);
  action_ = Action::kClose;
  close_reason_ = reason;
  ResetTransaction();
}

}  // namespace dmarcate
