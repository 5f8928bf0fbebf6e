#include "policyd/gateway/http_port.h"

#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "fmt/format.h"
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/base/thread.h"

namespace dmarcate {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using Tcp = asio::ip::tcp;
using Error = boost::system::error_code;

constexpr int kBacklog = 128;
constexpr std::chrono::seconds kLinger(1);
constexpr size_t kDiscardOctets = 4096;
constexpr size_t kMostDiscarded = 64 << 10;
constexpr absl::Duration kAcceptPause = absl::Milliseconds(100);  // out of descriptors

std::string_view ToStd(beast::string_view text) { return {text.data(), text.size()}; }

// What all connections of a port share; on its thread.
struct Shared {
  HttpPort::Handler handler;
  HttpPortLimits limits;
  size_t connections = 0;
};

// One connection; lives as long as something waits for it.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Tcp::socket socket, std::shared_ptr<Shared> shared)
      : stream_(std::move(socket)), shared_(std::move(shared)) {
    ++shared_->connections;
  }
  ~Connection() { --shared_->connections; }

  void Read() {
    parser_.emplace();
    parser_->header_limit(shared_->limits.header_octets);
    parser_->body_limit(0);
    stream_.expires_after(absl::ToChronoMilliseconds(shared_->limits.patience));
    http::async_read(
        stream_, buffer_, *parser_,
        [self = shared_from_this()](const Error& error, size_t) { self->OnRead(error); });
  }

 private:
  void OnRead(const Error& error) {
    if (error == http::error::header_limit) return Answer({431, "too large\n"}, /*last=*/true);
    if (error == http::error::body_limit) return Answer({413, "no bodies\n"}, /*last=*/true);
    if (error.category() == http::make_error_code(http::error::end_of_stream).category() &&
        error != http::error::end_of_stream && error != http::error::partial_message) {
      return Answer({400, "no HTTP\n"}, /*last=*/true);
    }
    if (error) return;  // gone, or too slow: nobody reads an answer
    const auto& request = parser_->get();
    is_head_ = request.method() == http::verb::head;
    const bool last = !request.keep_alive() || ++requests_ >= shared_->limits.requests;
    Answer(shared_->handler({ToStd(request.method_string()), ToStd(request.target()),
                             ToStd(request[http::field::host])}),
           last);
  }

  void Answer(HttpAnswer answer, bool last) {
    response_ = {};
    response_.version(11);
    response_.result(static_cast<unsigned>(answer.status));
    response_.set(http::field::content_type, "text/plain; charset=utf-8");
    response_.set("X-Content-Type-Options", "nosniff");
    response_.set(http::field::cache_control, "no-cache");
    if (!answer.allow.empty()) response_.set(http::field::allow, answer.allow);
    response_.keep_alive(!last);
    const size_t size = answer.body.size();
    if (!is_head_) response_.body() = std::move(answer.body);
    response_.content_length(size);
    stream_.expires_after(absl::ToChronoMilliseconds(shared_->limits.patience));
    http::async_write(stream_, response_,
                      [self = shared_from_this(), last](const Error& error, size_t) {
                        if (error) return;
                        if (!last) return self->Read();
                        Error ignored;
                        self->stream_.socket().shutdown(Tcp::socket::shutdown_send, ignored);
                        self->stream_.expires_after(kLinger);
                        self->Discard();
                      });
  }

  // A socket that is closed with something unread in it takes the answer back.
  void Discard() {
    buffer_.clear();
    stream_.async_read_some(buffer_.prepare(kDiscardOctets),
                            [self = shared_from_this()](const Error& error, size_t octets) {
                              self->discarded_ += octets;
                              if (!error && self->discarded_ < kMostDiscarded) self->Discard();
                            });
  }

  beast::tcp_stream stream_;
  const std::shared_ptr<Shared> shared_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::empty_body>> parser_;
  http::response<http::string_body> response_;
  int requests_ = 0;
  size_t discarded_ = 0;
  bool is_head_ = false;
};

asio::ip::address ToAsio(const IpAddress& address) {
  return asio::ip::make_address(address.ToString());
}

}  // namespace

class HttpPort::Impl {
 public:
  Impl(Handler handler, const HttpPortLimits& limits)
      : shared_(std::make_shared<Shared>(Shared{std::move(handler), limits})),
        acceptor_(io_),
        pause_(io_) {}

  ~Impl() {
    io_.stop();
    if (thread_.joinable()) thread_.join();
  }

  absl::Status Open(const IpAddress& address, uint16_t port) {
    const Tcp::endpoint endpoint(ToAsio(address), port);
    Error error;
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(asio::socket_base::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(kBacklog, error);
    if (error) {
      return MakeError(
          absl::StatusCode::kUnavailable,
          fmt::format("http at {} port {}: {}", address.ToString(), port, error.message()));
    }
    port_ = acceptor_.local_endpoint(error).port();
    Accept();
    thread_ = std::thread([this] {
      NameThread("http");
      io_.run();
    });
    return absl::OkStatus();
  }

  uint16_t port() const { return port_; }

 private:
  void Accept() {
    acceptor_.async_accept([this](const Error& error, Tcp::socket socket) {
      if (error == asio::error::operation_aborted) return;
      if (error) {
        LogWarn("http_accept_failed", {{"error", error.message()}});
        pause_.expires_after(absl::ToChronoMilliseconds(kAcceptPause));
        pause_.async_wait([this](const Error& stopped) {
          if (!stopped) Accept();
        });
        return;
      }
      if (shared_->connections < shared_->limits.connections) {
        std::make_shared<Connection>(std::move(socket), shared_)->Read();
      }
      Accept();
    });
  }

  const std::shared_ptr<Shared> shared_;
  asio::io_context io_{1};
  Tcp::acceptor acceptor_;
  asio::steady_timer pause_;
  uint16_t port_ = 0;
  std::thread thread_;
};

HttpPort::HttpPort(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpPort::~HttpPort() = default;
uint16_t HttpPort::port() const { return impl_->port(); }

absl::StatusOr<std::unique_ptr<HttpPort>> HttpPort::Start(const IpAddress& address, uint16_t port,
                                                          Handler handler,
                                                          const HttpPortLimits& limits) {
  auto impl = std::make_unique<Impl>(std::move(handler), limits);
  DMARCATE_RETURN_IF_ERROR(impl->Open(address, port));
  return std::unique_ptr<HttpPort>(new HttpPort(std::move(impl)));
}

}  // namespace dmarcate
