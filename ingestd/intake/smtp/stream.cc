#include "ingestd/intake/smtp/stream.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

#include <openssl/err.h>

namespace dmarcate {
namespace {

// Read and thrown away at the end: what is left unread would make the kernel drop our last reply.
constexpr int kFarewellReads = 8;

bool WouldBlock() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

}  // namespace

MailStream::MailStream(boost::asio::io_context& io, int fd) : socket_(io) {
  boost::system::error_code error;
  static_cast<void>(socket_.assign(fd, error));  // `error` says it, too
  if (error) {
    close(fd);
    return;
  }
  static_cast<void>(socket_.native_non_blocking(true, error));
}

MailStream::Io MailStream::Read(std::span<char> buffer, size_t* got) {
  *got = 0;
  if (!socket_.is_open()) return Io::kClosed;
  if (ssl_ != nullptr) {
    ERR_clear_error();
    const int result = SSL_read(ssl_.get(), buffer.data(),
                                static_cast<int>(std::min<size_t>(buffer.size(), INT_MAX)));
    if (result <= 0) return FromSsl(result);
    *got = static_cast<size_t>(result);
    return Io::kDone;
  }
  // Most clients say one thing at a time: a second look at the socket would find nothing.
  if (std::exchange(read_all_, false)) return Io::kWantRead;
  const ssize_t result = recv(socket_.native_handle(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (result < 0 && WouldBlock()) return Io::kWantRead;
  if (result <= 0) return Io::kClosed;
  *got = static_cast<size_t>(result);
  read_all_ = *got < buffer.size();
  return Io::kDone;
}

MailStream::Io MailStream::Write(std::string_view data, size_t* written) {
  *written = 0;
  if (!socket_.is_open()) return Io::kClosed;
  if (ssl_ != nullptr) {
    ERR_clear_error();
    const int result = SSL_write(ssl_.get(), data.data(),
                                 static_cast<int>(std::min<size_t>(data.size(), INT_MAX)));
    if (result <= 0) return FromSsl(result);
    *written = static_cast<size_t>(result);
    return Io::kDone;
  }
  const ssize_t result =
      send(socket_.native_handle(), data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (result < 0) return WouldBlock() ? Io::kWantWrite : Io::kClosed;
  *written = static_cast<size_t>(result);
  return Io::kDone;
}

MailStream::Io MailStream::Handshake(const TlsIdentity& identity) {
  if (!socket_.is_open()) return Io::kClosed;
  if (ssl_ == nullptr) ssl_ = identity.NewServer(socket_.native_handle());
  if (ssl_ == nullptr) return Io::kClosed;
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  return result == 1 ? Io::kDone : FromSsl(result);
}

MailStream::Io MailStream::FromSsl(int result) {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return Io::kWantRead;
    case SSL_ERROR_WANT_WRITE:
      return Io::kWantWrite;
    default:
      SSL_set_quiet_shutdown(ssl_.get(), 1);  // nothing more can be said
      return Io::kClosed;
  }
}

void MailStream::Wait(Io wanted, std::function<void()> ready) {
  using Descriptor = boost::asio::posix::stream_descriptor;
  socket_.async_wait(wanted == Io::kWantWrite ? Descriptor::wait_write : Descriptor::wait_read,
                     [ready = std::move(ready)](const boost::system::error_code&) { ready(); });
}

void MailStream::Close() {
  if (!socket_.is_open()) return;
  if (ssl_ != nullptr && SSL_is_init_finished(ssl_.get())) {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
  }
  shutdown(socket_.native_handle(), SHUT_WR);
  char rest[4096];
  for (int i = 0; i < kFarewellReads; ++i) {
    if (recv(socket_.native_handle(), rest, sizeof rest, MSG_DONTWAIT) <= 0) break;
  }
  boost::system::error_code error;
  static_cast<void>(socket_.close(error));
  ssl_.reset();
}

}  // namespace dmarcate
