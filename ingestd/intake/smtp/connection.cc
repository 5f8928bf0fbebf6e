#include "ingestd/intake/smtp/connection.h"

#include <algorithm>
#include <utility>

#include <boost/asio/post.hpp>

#include "lib/base/log.h"

namespace dmarcate {
namespace {

constexpr size_t kScratchBytes = 32 << 10;
// After so many reads in a row the others have their turn.
constexpr int kReadsInARow = 4;
// Strangers decide how many connections end with an error.
constexpr size_t kEndsAMinute = 20;

SmtpSessionOptions OptionsOf(const SmtpConfig& config, MailProtocol protocol) {
  const bool smtp = protocol == MailProtocol::kSmtp;
  SmtpSessionOptions out;
  out.protocol = protocol;
  out.tls = smtp && !config.certificate.empty() ? TlsOffer::kYes : TlsOffer::kNo;
  out.hostname = config.hostname;
  out.limits = (smtp ? config.smtp : config.lmtp).limits;
  return out;
}

ListenerRecipients::Addresses AddressesOf(const SmtpConfig& config) {
  using Addresses = ListenerRecipients::Addresses;
  return config.snapshot_file.empty() ? Addresses::kNone : Addresses::kAwaited;
}

SmtpRefusal RefusalOf(const absl::Status& status) {
  return absl::IsResourceExhausted(status) ? SmtpRefusal::kDiskFull : SmtpRefusal::kStoreFailed;
}

std::string TextOf(const std::optional<IpAddress>& client) {
  return client.has_value() ? client->ToString() : "local";
}

}  // namespace

SmtpShared::SmtpShared(const SmtpConfig& c, const SmtpParts& p)
    : config(c),
      parts(p),
      smtp(OptionsOf(c, MailProtocol::kSmtp)),
      lmtp(OptionsOf(c, MailProtocol::kLmtp)),
      smtp_recipients(c.smtp.recipients, AddressesOf(c)),
      lmtp_recipients(c.lmtp.recipients, AddressesOf(c)),
      scratch(kScratchBytes, '\0'),
      ends(kEndsAMinute) {}

MailConnection::MailConnection(std::shared_ptr<SmtpShared> shared, MailProtocol protocol, int fd,
                               std::optional<IpAddress> client)
    : shared_(std::move(shared)),
      config_(protocol == MailProtocol::kSmtp ? shared_->config.smtp : shared_->config.lmtp),
      options_(protocol == MailProtocol::kSmtp ? shared_->smtp : shared_->lmtp),
      channel_(protocol == MailProtocol::kSmtp ? Channel::kSmtp : Channel::kLmtp),
      client_(client),
      stream_(shared_->io, fd),
      session_(options_, protocol == MailProtocol::kSmtp ? shared_->smtp_recipients
                                                         : shared_->lmtp_recipients),
      pace_(config_.times, shared_->parts.clock.Monotonic()) {}

// Goes on until something has to be waited for.
void MailConnection::Pump() {
  const auto self = shared_from_this();
  int reads = 0;
  while (!closed_) {
    // Before a pause: others may be waiting for the room of what was refused.
    if (reserved_bytes_ > 0 && !session_.holds_message()) {
      reservation_.Release();
      reserved_bytes_ = 0;
    }
    if (session_.action() == SmtpSession::Action::kPause && !PauseIsOver()) return;
    if (session_.action() == SmtpSession::Action::kAdmit) {  // before its reply: they go together
      Admit();
      continue;
    }
    if (!pending_.empty() && session_.action() == SmtpSession::Action::kInput && out_.empty()) {
      const std::string input = std::exchange(pending_, std::string());
      Feed(input, &pending_);
      if (session_.action() == SmtpSession::Action::kAdmit) continue;
    }
    out_ += session_.TakeReplies();
    if (!out_.empty()) {
      if (!Flush()) return;
      continue;
    }
    switch (session_.action()) {
      case SmtpSession::Action::kInput:
        if (!pending_.empty()) continue;
        if (++reads > kReadsInARow) {
          boost::asio::post(shared_->io, [self] { self->Pump(); });
          return;
        }
        if (!ReadSome()) return;
        break;
      case SmtpSession::Action::kRoom:
        if (!AskForRoom()) return;
        break;
      case SmtpSession::Action::kDeliver:
        if (!HasDisk()) {  // it may have filled since MAIL
          session_.Refuse(SmtpRefusal::kDiskFull);
          break;
        }
        if (!TakeFromBudgets()) {
          session_.Refuse(SmtpRefusal::kOverBudget);
          break;
        }
        return Deliver();
      case SmtpSession::Action::kStartTls:
        if (!Handshake()) return;
        break;
      case SmtpSession::Action::kClose:
        return Close(session_.close_reason());
      case SmtpSession::Action::kAdmit:
      case SmtpSession::Action::kPause:
        break;
    }
  }
}

// Each of these returns false if the rest comes later, or never.

// Nothing is awaited meanwhile but the server's look at the time: whatever the client does in a
// pause, it is as long.
bool MailConnection::PauseIsOver() {
  const absl::Duration now = shared_->parts.clock.Monotonic();
  if (pace_.phase() != SmtpPhase::kPause) {
    pace_.Pause(session_.errors(), now);
    ++shared_->paused;
  }
  if (now < pace_.Deadline(false)) return false;
  EndPause();
  return true;
}

void MailConnection::EndPause() {
  session_.Resume();
  Enter(SmtpPhase::kCommand);
  --shared_->paused;
}

bool MailConnection::Flush() {
  while (!out_.empty()) {
    size_t written = 0;
    const MailStream::Io io = stream_.Write(out_, &written);
    if (io != MailStream::Io::kDone) {
      WaitFor(io, SmtpPhase::kReply);
      return false;
    }
    out_.erase(0, written);
  }
  return true;
}

bool MailConnection::ReadSome() {
  const bool in_message = session_.in_message();
  if (pace_.phase() != (in_message ? SmtpPhase::kData : SmtpPhase::kCommand) ||
      paced_progress_ != session_.progress()) {
    paced_progress_ = session_.progress();
    Enter(in_message ? SmtpPhase::kData : SmtpPhase::kCommand);
  }
  size_t got = 0;
  const MailStream::Io io = stream_.Read(shared_->scratch, &got);
  if (io != MailStream::Io::kDone) {
    WaitFor(io, pace_.phase());
    return false;
  }
  if (in_message) pace_.Received(static_cast<int64_t>(got));
  Feed(std::string_view(shared_->scratch).substr(0, got), &pending_);
  return true;
}

void MailConnection::Feed(std::string_view input, std::string* rest) {
  const size_t taken = session_.Feed(input);
  if (taken < input.size()) rest->assign(input.substr(taken));
}

bool MailConnection::Handshake() {
  if (pace_.phase() != SmtpPhase::kHandshake) Enter(SmtpPhase::kHandshake);
  const MailStream::Io io = stream_.Handshake(*shared_->tls);
  if (io == MailStream::Io::kClosed) {
    Close("tls_failed");
    return false;
  }
  if (io != MailStream::Io::kDone) {
    WaitFor(io, SmtpPhase::kHandshake);
    return false;
  }
  pending_.clear();
  session_.TlsStarted();
  return true;
}

void MailConnection::WaitFor(MailStream::Io wanted, SmtpPhase phase) {
  if (wanted == MailStream::Io::kClosed) return Close("disconnected");
  if (pace_.phase() != phase) Enter(phase);
  stream_.Wait(wanted, [self = shared_from_this()] {
    if (!self->closed_) self->Pump();
  });
}

void MailConnection::Enter(SmtpPhase phase) {
  pace_.Enter(phase, shared_->parts.clock.Monotonic());
}

bool MailConnection::HasDisk() const { return shared_->parts.gauge.Admit(channel_).ok(); }

// Of the message that is being given.
MailSender MailConnection::Sender() const {
  return {client_.value_or(IpAddress()), session_.helo(), session_.envelope().mail_from};
}

void MailConnection::Admit() {
  if (!HasDisk()) {
    session_.Refuse(SmtpRefusal::kDiskFull);
  } else if (channel_ == Channel::kSmtp && !shared_->parts.senders.Admits(Sender(), {})) {
    session_.Refuse(SmtpRefusal::kOverBudget);
  } else {
    session_.Admit();
  }
}

bool MailConnection::AskForRoom() {
  ByteBudget& budget = shared_->parts.budget;
  if (!session_.in_message()) {
    // Before its octets come; they are taken from the budgets when all of them are here.
    if (channel_ == Channel::kSmtp &&
        !shared_->parts.senders.Admits(Sender(), session_.envelope().budget_keys)) {
      session_.Refuse(SmtpRefusal::kOverBudget);
      return true;
    }
    pace_.BeginMessage(shared_->parts.clock.Monotonic());
  }
  // What is larger than the whole budget may have it alone.
  room_step_bytes_ = std::min(session_.wanted_bytes(), budget.total_bytes()) - reserved_bytes_;
  if (room_step_bytes_ <= 0) {
    session_.GrantRoom(session_.wanted_bytes());
    return true;
  }
  Enter(SmtpPhase::kRoom);
  room_awaited_ = asking_ = true;
  const uint64_t request = ++room_request_;
  room_ticket_ = budget.Acquire(
      room_step_bytes_, [weak = weak_from_this(), request](ByteBudget::Reservation reservation) {
        const auto self = weak.lock();
        if (self == nullptr) return;
        if (std::this_thread::get_id() == self->shared_->io_thread && self->asking_) {
          return self->OnRoom(request, std::move(reservation));
        }
        boost::asio::post(self->shared_->io,
                          [weak, request, reservation = std::move(reservation)]() mutable {
                            const auto waiting = weak.lock();
                            if (waiting == nullptr) return;
                            if (waiting->room_request_ != request || !waiting->room_awaited_)
                              return;
                            waiting->OnRoom(request, std::move(reservation));
                            waiting->Pump();
                          });
      });
  asking_ = false;
  return !room_awaited_;
}

void MailConnection::OnRoom(uint64_t request, ByteBudget::Reservation reservation) {
  if (closed_ || request != room_request_ || !room_awaited_) return;
  room_awaited_ = false;
  if (!reservation.valid()) return session_.Refuse(SmtpRefusal::kNoRoom);  // shutting down
  reservation_.Absorb(std::move(reservation));
  reserved_bytes_ += room_step_bytes_;
  session_.GrantRoom(session_.wanted_bytes());
}

bool MailConnection::TakeFromBudgets() {
  if (channel_ != Channel::kSmtp) return true;
  const SmtpMessage& message = session_.envelope();
  auto charge = shared_->parts.senders.Take(Sender(), message.budget_keys,
                                            static_cast<int64_t>(message.content.size()));
  if (!charge) return false;
  charge_ = *std::move(charge);
  return true;
}

void MailConnection::Deliver() {
  SmtpMessage message = session_.TakeMessage();
  Delivery delivery;
  delivered_bytes_ = static_cast<int64_t>(message.content.size());
  delivery.content = std::move(message.content);
  delivery.received_time = shared_->parts.clock.Now();
  delivery.reservation = std::move(reservation_);
  reserved_bytes_ = 0;
  delivery.channel = channel_;
  if (channel_ == Channel::kSmtp) {
    delivery.envelope = Envelope{client_.value_or(IpAddress()), std::move(message.helo),
                                 std::move(message.mail_from), std::move(message.recipients)};
  }
  Enter(SmtpPhase::kCommit);
  shared_->parts.pipeline.Submit(
      std::move(delivery),
      [weak = weak_from_this(), &senders = shared_->parts.senders,
       charge = std::exchange(charge_, {})](const absl::Status& durable) {
        // Before the client hears of it, and also if it has gone.
        if (!durable.ok()) senders.GiveBack(charge);
        const auto self = weak.lock();
        if (self == nullptr) return;
        boost::asio::post(self->shared_->io, [weak, durable] {
          if (const auto waiting = weak.lock()) waiting->OnDurable(durable);
        });
      },
      [](const auto&) {});
}

void MailConnection::OnDurable(const absl::Status& durable) {
  if (closed_) return;
  if (durable.ok()) {
    session_.Delivered();
    LogInfo("mail_stored", {{"channel", ChannelName(channel_)},
                            {"client", TextOf(client_)},
                            {"helo", session_.helo()},
                            {"tls", session_.tls()},
                            {"bytes", delivered_bytes_}});
  } else {
    session_.Refuse(RefusalOf(durable));
  }
  Pump();
}

void MailConnection::CheckTime(bool busy) {
  if (shared_->parts.clock.Monotonic() < pace_.Deadline(busy)) return;
  switch (pace_.phase()) {
    case SmtpPhase::kRoom:
      if (!room_awaited_) return;
      room_awaited_ = false;
      shared_->parts.budget.Withdraw(room_ticket_);
      session_.Refuse(SmtpRefusal::kNoRoom);
      Enter(SmtpPhase::kCommit);  // ours; what comes next enters its own
      return Pump();
    case SmtpPhase::kPause:
      EndPause();
      return Pump();
    case SmtpPhase::kReply:
    case SmtpPhase::kHandshake:
      return Close("timeout");
    default:
      return Abort("timeout");
  }
}

void MailConnection::Drain() {
  session_.Drain();
  if (session_.action() == SmtpSession::Action::kClose) SayGoodbye();
}

void MailConnection::Abort(std::string_view why) {
  if (session_.action() == SmtpSession::Action::kStartTls) return Close(why);
  session_.Abort(why);
  if (session_.action() == SmtpSession::Action::kClose) SayGoodbye();
}

// Once, whatever the socket takes of it.
void MailConnection::SayGoodbye() {
  out_ += session_.TakeReplies();
  size_t written = 0;
  if (!out_.empty()) stream_.Write(out_, &written);
  Close(session_.close_reason());
}

void MailConnection::Close(std::string_view why) {
  if (std::exchange(closed_, true)) return;
  const auto self = shared_from_this();
  if (pace_.phase() == SmtpPhase::kPause) --shared_->paused;
  if (std::exchange(room_awaited_, false)) shared_->parts.budget.Withdraw(room_ticket_);
  reservation_.Release();
  stream_.Close();
  LogEnd(why);
  shared_->on_close(self);
}

void MailConnection::LogEnd(std::string_view why) const {
  std::optional<int64_t> held_back;
  if (!session_.last_error().empty()) {
    const std::string key = client_ ? SenderNetwork(*client_).ToString() : "";
    held_back = shared_->ends.Admit(key, shared_->parts.clock.Monotonic());
  }
  Log(held_back ? LogLevel::kInfo : LogLevel::kDebug, "smtp_closed",
      {{"client", TextOf(client_)},
       {"helo", session_.helo()},
       {"why", why},
       {"messages", session_.messages()},
       {"errors", session_.errors()},
       {"last_error", session_.last_error()},
       {"tls", session_.tls()},
       {"held_back", held_back.value_or(0)}});
}

}  // namespace dmarcate
