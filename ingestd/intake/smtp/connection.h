// ingestd/intake/smtp/connection.h
// One connection: joins a session, its stream, its time limits and the pipeline. Everything runs on
// the server's one IO thread; answers of the pipeline and of the byte budget are posted to it.
//
// A message is told to be stored only by the pipeline's word that it is on disk. While that is
// awaited nothing is read, so a client cannot hand over more than what was reserved for it.

#ifndef DMARCATE_INGESTD_INTAKE_SMTP_CONNECTION_H_
#define DMARCATE_INGESTD_INTAKE_SMTP_CONNECTION_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "absl/status/status.h"
#include <boost/asio/io_context.hpp>

#include "ingestd/intake/smtp/config.h"
#include "ingestd/intake/smtp/protocol/address_table.h"
#include "ingestd/intake/smtp/protocol/pace.h"
#include "ingestd/intake/smtp/protocol/session.h"
#include "ingestd/intake/smtp/sender_gate.h"
#include "ingestd/intake/smtp/stream.h"
#include "ingestd/intake/smtp/tls.h"
#include "ingestd/intake/storage_gauge.h"
#include "ingestd/pipeline/byte_budget.h"
#include "ingestd/pipeline/pipeline.h"
#include "lib/base/clock.h"
#include "lib/base/ip_address.h"
#include "lib/base/log_limiter.h"

namespace dmarcate {

// What the connections of a server hand mail to. All outlive the server, and `senders` the
// pipeline, too.
struct SmtpParts {
  Pipeline& pipeline;
  ByteBudget& budget;
  StorageGauge& gauge;
  const Clock& clock;
  SenderGate& senders;  // of SMTP; those of LMTP are the operator's own
};

class MailConnection;

// What the connections of one server share; the last of them keeps it alive.
struct SmtpShared {
  SmtpShared(const SmtpConfig& c, const SmtpParts& p);

  const SmtpConfig config;
  const SmtpParts parts;
  SmtpSessionOptions smtp, lmtp;
  ListenerRecipients smtp_recipients, lmtp_recipients;  // on the IO thread
  boost::asio::io_context io{1};
  std::thread::id io_thread;  // set on it, first of all
  std::unique_ptr<TlsIdentity> tls;
  std::string scratch;  // what was read last
  LogLimiter ends;      // that are logged
  std::atomic<size_t> paused = 0;
  std::atomic<uint64_t> looks = 0;
  std::function<void(const std::shared_ptr<MailConnection>&)> on_close;
};

class MailConnection : public std::enable_shared_from_this<MailConnection> {
 public:
  // Owns `fd`. `client`: nullopt for a Unix socket.
  MailConnection(std::shared_ptr<SmtpShared> shared, MailProtocol protocol, int fd,
                 std::optional<IpAddress> client);

  void Start() { Pump(); }
  // Ends what is overdue. `busy`: most connections are taken.
  void CheckTime(bool busy);
  // 421 at the next moment between messages.
  void Drain();
  // 421 now, unless the store is about to answer.
  void Abort(std::string_view why);
  // Without a word.
  void Close(std::string_view why);

  MailProtocol protocol() const { return options_.protocol; }
  const std::optional<IpAddress>& client() const { return client_; }

 private:
  void Pump();
  bool Flush();
  bool ReadSome();
  void Feed(std::string_view input, std::string* rest);
  bool PauseIsOver();
  void EndPause();
  bool Handshake();
  bool HasDisk() const;
  MailSender Sender() const;
  void Admit();
  bool AskForRoom();
  void OnRoom(uint64_t request, ByteBudget::Reservation reservation);
  bool TakeFromBudgets();
  void Deliver();
  void OnDurable(const absl::Status& durable);
  void WaitFor(MailStream::Io wanted, SmtpPhase phase);
  void Enter(SmtpPhase phase);
  void SayGoodbye();
  void LogEnd(std::string_view why) const;

  const std::shared_ptr<SmtpShared> shared_;
  const MailListenerConfig& config_;
  const SmtpSessionOptions& options_;
  const Channel channel_;
  const std::optional<IpAddress> client_;
  MailStream stream_;
  SmtpSession session_;
  SmtpPace pace_;
  int64_t paced_progress_ = -1;
  std::string out_;      // to be sent
  std::string pending_;  // read and not fed yet
  bool closed_ = false;

  // Memory for the message.
  ByteBudget::Reservation reservation_;
  int64_t reserved_bytes_ = 0;
  uint64_t room_request_ = 0, room_ticket_ = 0;
  int64_t room_step_bytes_ = 0;
  bool room_awaited_ = false, asking_ = false;
  int64_t delivered_bytes_ = 0;
  SenderBudgets::Charge charge_;  // for the message that is to be delivered
};

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_INTAKE_SMTP_CONNECTION_H_
