// ingestd/intake/smtp/server.h
// The SMTP and LMTP listeners. One thread does all their IO: what costs time, reading and
// committing, is the pipeline's, and group commits form there from what many connections hand over.

#ifndef DMARCATE_INGESTD_INTAKE_SMTP_SERVER_H_
#define DMARCATE_INGESTD_INTAKE_SMTP_SERVER_H_

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "ingestd/intake/smtp/config.h"
#include "ingestd/intake/smtp/connection.h"

namespace dmarcate {

// Not thread-safe.
class SmtpServer {
 public:
  // Nothing happens if `config` listens nowhere. What `parts` names outlives the server, and the
  // pipeline is started. `addresses`: the report addresses that are known; null: none yet.
  //   kInvalidArgument  certificate or key     otherwise  an address cannot be listened at
  static absl::StatusOr<std::unique_ptr<SmtpServer>> Start(
      const SmtpConfig& config, const SmtpParts& parts,
      std::shared_ptr<const AddressTable> addresses = nullptr);
  // From any thread, not after Stop(). What a RCPT that is read later goes by; messages under way
  // keep the recipients that they have.
  void SetAddresses(std::shared_ptr<const AddressTable> addresses);
  // Takes no new connection, ends those that are between messages with 421, and waits until the
  // others have handed in their message and heard of it; those that have not after `limit` are
  // told 421.
  void Drain(absl::Duration limit);
  // When the pipeline has answered all that it was given: passes the answers on, for at most
  // `limit`, and ends.
  void Stop(absl::Duration limit);
  ~SmtpServer();

  // Where it listens, in the order of the configuration, SMTP first.
  const std::vector<uint16_t>& ports() const { return ports_; }
  size_t connections() const;
  // As of now. Thread-safe.
  struct Counts {
    size_t paused = 0;   // connections whose clients are kept waiting for a refusal
    uint64_t looks = 0;  // how often it has looked for what is due, and done that
  };
  Counts counts() const;

 private:
  using Descriptor = boost::asio::posix::stream_descriptor;
  struct Listener {
    Listener(boost::asio::io_context& io, int fd, MailProtocol p) : socket(io, fd), protocol(p) {}
    Descriptor socket;
    MailProtocol protocol;
    bool paused = false;  // out of descriptors
  };

  SmtpServer(const SmtpConfig& config, const SmtpParts& parts);
  absl::Status Open();
  absl::Status Listen(const TcpEndpoint& endpoint, MailProtocol protocol);
  absl::Status Listen(const std::string& unix_socket);
  void Accept(Listener& listener);
  void Take(MailProtocol protocol, int fd, std::optional<IpAddress> client);
  void OnClose(const std::shared_ptr<MailConnection>& connection);
  void Watch();
  bool AwaitNone(absl::Duration limit);
  template <typename Visit>
  void ForEach(Visit visit);

  const std::shared_ptr<SmtpShared> shared_;
  std::vector<uint16_t> ports_;
  std::optional<boost::asio::executor_work_guard<boost::asio::io_context::executor_type>> work_;

  // On the IO thread.
  std::vector<std::unique_ptr<Listener>> listeners_;
  boost::asio::steady_timer watch_;
  bool stopping_ = false;
  std::map<IpAddress, int> by_address_;
  int smtp_connections_ = 0, lmtp_connections_ = 0;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::set<std::shared_ptr<MailConnection>> open_;  // changed on the IO thread only

  std::thread thread_;
};

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_INTAKE_SMTP_SERVER_H_
