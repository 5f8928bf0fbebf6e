// lib/dns/exchange.h
// Moving one DNS message to one server and back. Knows sockets and deadlines, nothing of names.
//
// ldns's own sending takes replies with a wrong id, a wrong question or from a wrong port
// (CVE-2026-10846), so nothing of it is used here. A UDP query has a connected socket of its own:
// the kernel picks the port at random and drops what comes from anywhere but the server. What does
// come is shown to `accept`; a mismatch is dropped and the wait goes on, so that a forger who
// guesses wrong changes nothing. Case randomisation (0x20) is left out: it breaks with servers that
// fold case, and proofs go over TCP anyway.

#ifndef DMARCATE_LIB_DNS_EXCHANGE_H_
#define DMARCATE_LIB_DNS_EXCHANGE_H_

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/base/file.h"
#include "lib/dns/config.h"

namespace dmarcate {

// Always the machine's steady clock: sockets wait in real time.
using NetDeadline = std::chrono::steady_clock::time_point;
NetDeadline NetDeadlineAfter(absl::Duration duration);
// The sooner of `deadline` and `duration` from now.
NetDeadline NetDeadlineWithin(NetDeadline deadline, absl::Duration duration);
bool IsOver(NetDeadline deadline);

// Is `reply`, from where it should be, the reply that was waited for?
using AcceptReply = std::function<bool(std::string_view reply)>;

// Sends `message` once and returns the first datagram that `accept` takes.
//   kDeadlineExceeded  none came    kUnavailable  no route, port closed
absl::StatusOr<std::string> ExchangeUdp(const ServerAddress& server, std::string_view message,
                                        const AcceptReply& accept, NetDeadline deadline);

// A TCP connection for messages with a length before them (RFC 7766). Movable, not thread-safe.
class TcpConnection {
 public:
  //   kDeadlineExceeded, kUnavailable: not connected, nothing was sent
  static absl::StatusOr<TcpConnection> Open(const ServerAddress& server, NetDeadline deadline);
  // An error may leave a part of it sent. kInvalidArgument over 65535 octets.
  absl::Status Send(std::string_view message, NetDeadline deadline);
  absl::StatusOr<std::string> Receive(NetDeadline deadline);

 private:
  explicit TcpConnection(UniqueFd fd) : fd_(std::move(fd)) {}
  absl::Status ReceiveExactly(char* out, size_t size, NetDeadline deadline);
  UniqueFd fd_;
};

// As ExchangeUdp, over a connection of its own.
absl::StatusOr<std::string> ExchangeTcp(const ServerAddress& server, std::string_view message,
                                        const AcceptReply& accept, NetDeadline deadline);

// Whether this machine has a route to the server's address. Sends nothing.
bool HasRoute(const ServerAddress& server);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_DNS_EXCHANGE_H_
