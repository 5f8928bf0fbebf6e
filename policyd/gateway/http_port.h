// policyd/gateway/http_port.h
// One HTTP/1.1 port, without TLS: for the machine itself, and for a proxy that terminates TLS. One
// thread does all of it.
//
// Whoever reaches it is a stranger: what a connection may send, how long it may take and how many
// there may be is bounded (HttpPortLimits), and bodies are not taken.

#ifndef DMARCATE_POLICYD_GATEWAY_HTTP_PORT_H_
#define DMARCATE_POLICYD_GATEWAY_HTTP_PORT_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/base/ip_address.h"
#include "policyd/gateway/pages.h"

namespace dmarcate {

struct HttpPortLimits {
  uint32_t header_octets = 8 << 10;             // request line and fields; more: 431
  size_t connections = 256;                     // more are closed as they come
  int requests = 100;                           // of one connection; then it is closed
  absl::Duration patience = absl::Seconds(10);  // for a whole request, and for taking the answer
};

// Not thread-safe.
class HttpPort {
 public:
  using Handler = std::function<HttpAnswer(const HttpQuestion&)>;

  // Listens at `address` and `port` (0: a free one), and answers by `handler`, on its own thread.
  //   kUnavailable  the address cannot be listened at
  static absl::StatusOr<std::unique_ptr<HttpPort>> Start(const IpAddress& address, uint16_t port,
                                                         Handler handler,
                                                         const HttpPortLimits& limits = {});
  // Closes what is open and ends.
  ~HttpPort();
  HttpPort(const HttpPort&) = delete;
  HttpPort& operator=(const HttpPort&) = delete;

  uint16_t port() const;

 private:
  class Impl;
  explicit HttpPort(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_GATEWAY_HTTP_PORT_H_
