// ingestd/intake/smtp/stream.h
// A connected socket, TCP or Unix, that does not block, in clear text or under TLS. OpenSSL works
// on the socket itself, so that an idle connection holds no buffers.

#ifndef DMARCATE_INGESTD_INTAKE_SMTP_STREAM_H_
#define DMARCATE_INGESTD_INTAKE_SMTP_STREAM_H_

#include <functional>
#include <span>
#include <string_view>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "ingestd/intake/smtp/tls.h"

namespace dmarcate {

// Used on one thread.
class MailStream {
 public:
  enum class Io { kDone, kWantRead, kWantWrite, kClosed };

  // Owns `fd` from here on.
  MailStream(boost::asio::io_context& io, int fd);
  // At least one octet if kDone. After all that was there has been read, wants to wait without a
  // look at the socket.
  Io Read(std::span<char> buffer, size_t* got);
  Io Write(std::string_view data, size_t* written);
  // Call it again after the wait it wants. From kDone on everything goes through TLS; before, use
  // neither Read() nor Write().
  Io Handshake(const TlsIdentity& identity);
  // Calls `ready` once, later, when the socket is ready for what `wanted` says, or was closed.
  void Wait(Io wanted, std::function<void()> ready);
  // Tells the peer that this was all. Waits end.
  void Close();

 private:
  Io FromSsl(int result);
  boost::asio::posix::stream_descriptor socket_;
  bool read_all_ = true;  // of what had come; who connects waits for our greeting
  SslPtr ssl_;
};

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_INTAKE_SMTP_STREAM_H_
