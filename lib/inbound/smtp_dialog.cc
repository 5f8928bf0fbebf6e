#include "lib/inbound/smtp_dialog.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"
#include <openssl/err.h>

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/inbound/x509.h"
#include "lib/mailauth/syntax_error.h"

namespace dmarcate {
namespace {

// The first octet of what a TLS server may send first (RFC 8446 section 5.1).
constexpr char kTlsAlert = 0x15;
constexpr char kTlsHandshake = 0x16;

// One for the process. Old versions and weak keys are taken: they are what is looked for.
SSL_CTX* ClientContext() {
  static SSL_CTX* const context = [] {
    SSL_CTX* const made = SSL_CTX_new(TLS_client_method());
    if (made == nullptr) return made;
    SSL_CTX_set_security_level(made, 0);
    SSL_CTX_set_min_proto_version(made, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(made, 0);  // the newest, whatever openssl.cnf says
    SSL_CTX_set_cipher_list(made, "DEFAULT:@SECLEVEL=0");
    SSL_CTX_set_options(made, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                  SSL_OP_LEGACY_SERVER_CONNECT | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_session_cache_mode(made, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_max_cert_list(made, kMaxChainOctets);
    // Certificates are judged afterwards, in more than one way.
    SSL_CTX_set_cert_verify_callback(made, [](X509_STORE_CTX*, void*) { return 1; }, nullptr);
    return made;
  }();
  return context;
}

std::string Reason() {
  const char* const reason = ERR_reason_error_string(ERR_peek_error());
  ERR_clear_error();
  return reason == nullptr ? "no TLS" : reason;
}

}  // namespace

std::string_view ToString(SmtpStage stage) {
  switch (stage) {
    case SmtpStage::kRefused:
      return "refused";
    case SmtpStage::kConnect:
      return "connect";
    case SmtpStage::kGreeting:
      return "greeting";
    case SmtpStage::kEhlo:
      return "ehlo";
    case SmtpStage::kStartTls:
      return "starttls";
    case SmtpStage::kTls:
      return "tls";
    case SmtpStage::kTlsEhlo:
      return "tls-ehlo";
    case SmtpStage::kDone:
      return "done";
  }
  return "connect";
}

// A TLS client between two buffers.
class SmtpDialog::Tls {
 public:
  explicit Tls(const DomainName& host) {
    SSL_CTX* const context = ClientContext();
    ssl_.reset(context == nullptr ? nullptr : SSL_new(context));
    BIO* const in = BIO_new(BIO_s_mem());
    BIO* const out = BIO_new(BIO_s_mem());
    if (ssl_ == nullptr || in == nullptr || out == nullptr) {
      BIO_free(in);
      BIO_free(out);
      ssl_.reset();
      return;
    }
    SSL_set_bio(ssl_.get(), in, out);  // the connection's
    SSL_set_connect_state(ssl_.get());
    SSL_set_tlsext_host_name(ssl_.get(), host.text().c_str());
  }

  bool established() const { return ssl_ != nullptr && SSL_is_init_finished(ssl_.get()) == 1; }

  // One step of the handshake.
  absl::Status Handshake() {
    ERR_clear_error();
    if (ssl_ == nullptr) return MakeError(absl::StatusCode::kFailedPrecondition, Reason());
    const int result = SSL_do_handshake(ssl_.get());
    if (result == 1 || SSL_get_error(ssl_.get(), result) == SSL_ERROR_WANT_READ) {
      return absl::OkStatus();
    }
    return MakeError(absl::StatusCode::kFailedPrecondition, Reason());
  }

  void Feed(std::string_view octets) {
    BIO_write(SSL_get_rbio(ssl_.get()), octets.data(), static_cast<int>(octets.size()));
  }
  void Write(std::string_view text) {
    SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size()));
  }
  std::string TakeOutput() {
    std::string out;
    BIO* const bio = ssl_ == nullptr ? nullptr : SSL_get_wbio(ssl_.get());
    if (bio == nullptr) return out;
    out.resize(BIO_ctrl_pending(bio));
    if (!out.empty()) BIO_read(bio, out.data(), static_cast<int>(out.size()));
    return out;
  }

  // What has been decrypted since; `closed` if the server says that there is no more.
  absl::StatusOr<std::string> Read(bool& closed) {
    std::string out;
    char buffer[4096];
    while (true) {
      ERR_clear_error();
      const int got = SSL_read(ssl_.get(), buffer, sizeof buffer);
      if (got > 0) {
        out.append(buffer, static_cast<size_t>(got));
        continue;
      }
      const int why = SSL_get_error(ssl_.get(), got);
      closed = why == SSL_ERROR_ZERO_RETURN;
      if (closed || why == SSL_ERROR_WANT_READ) return out;
      return MakeError(absl::StatusCode::kFailedPrecondition, Reason());
    }
  }

  void Describe(SmtpProbe& probe) const {
    probe.tls_version = SSL_get_version(ssl_.get());
    probe.tls_current = SSL_version(ssl_.get()) >= TLS1_2_VERSION;
    probe.cipher = SSL_get_cipher_name(ssl_.get());
    const STACK_OF(X509)* const chain = SSL_get_peer_cert_chain(ssl_.get());
    const int count = chain == nullptr ? 0 : sk_X509_num(chain);
    for (int i = 0; i < std::min(count, static_cast<int>(kMaxChainCertificates)); ++i) {
      probe.chain.push_back(X509ToDer(sk_X509_value(chain, i)));
    }
  }

 private:
  SslPtr ssl_;
};

SmtpDialog::SmtpDialog(const DomainName& host, std::string own_name)
    : host_(host), own_name_(std::move(own_name)) {
  probe_.stage = SmtpStage::kGreeting;
}
SmtpDialog::~SmtpDialog() = default;

bool SmtpDialog::done() const { return done_; }
const SmtpProbe& SmtpDialog::probe() const { return probe_; }

void SmtpDialog::End(absl::Status error) {
  probe_.error = std::move(error);
  done_ = true;
}

void SmtpDialog::Say(std::string_view command) {
  if (tls_ != nullptr && tls_->established()) {
    tls_->Write(fmt::format("{}\r\n", command));
    output_ += tls_->TakeOutput();
  } else {
    output_ += fmt::format("{}\r\n", command);
  }
}

std::string SmtpDialog::TakeOutput() { return std::exchange(output_, ""); }

void SmtpDialog::EndOfStream() {
  if (done_) return;
  End(MakeError(absl::StatusCode::kUnavailable, "the server closed the connection"));
}

void SmtpDialog::Receive(std::string_view octets) {
  if (done_) return;
  received_ += octets.size();
  if (received_ > kMaxSmtpSessionOctets) {
    End(MakeError(absl::StatusCode::kResourceExhausted,
                  fmt::format("more than {} octets in a session", kMaxSmtpSessionOctets)));
  } else if (tls_ != nullptr) {
    ReceiveTls(octets);
  } else {
    input_ += octets;
    ReadLines();
  }
}

void SmtpDialog::ReadLines() {
  size_t begin = 0;
  while (!done_) {
    const size_t end = input_.find('\n', begin);
    const bool whole = end != std::string::npos;
    if ((whole ? end : input_.size()) - begin > kMaxSmtpReplyLine) {
      End(MakeError(absl::StatusCode::kResourceExhausted,
                    fmt::format("a line of more than {} octets", kMaxSmtpReplyLine)));
    }
    if (done_ || !whole) break;
    std::string line = input_.substr(begin, end - begin);
    begin = end + 1;
    if (line.ends_with('\r')) line.pop_back();
    const bool tls = tls_ != nullptr;
    if (!tls) probe_.reply = line;
    const bool code = line.size() >= 3 && std::ranges::all_of(line.substr(0, 3), [](char c) {
                        return c >= '0' && c <= '9';
                      });
    if (!code || (line.size() > 3 && line[3] != ' ' && line[3] != '-')) {
      End(MakeError(absl::StatusCode::kInvalidArgument, "what the server says is no SMTP reply"));
      break;
    }
    if (++lines_ > kMaxSmtpReplyLines) {
      End(MakeError(absl::StatusCode::kResourceExhausted,
                    fmt::format("a reply of more than {} lines", kMaxSmtpReplyLines)));
      break;
    }
    if (probe_.stage == SmtpStage::kEhlo) OnEhloLine(line);
    if (line.size() > 3 && line[3] == '-') continue;
    lines_ = 0;
    const bool clear = tls_ == nullptr;
    OnReply(line.substr(0, 3));
    if (clear && tls_ != nullptr) {
      // RFC 3207 section 4.2: what came before TLS is not to be believed. Here it is counted.
      probe_.clear_octets = input_.size() - begin;
      input_.clear();
      return;
    }
  }
  input_.erase(0, begin);
}

void SmtpDialog::OnEhloLine(std::string_view line) {
  std::string_view keyword = line.substr(std::min<size_t>(4, line.size()));
  keyword = keyword.substr(0, keyword.find(' '));
  starttls_line_ |= EqualsIgnoreCase(keyword, "STARTTLS");
}

void SmtpDialog::OnReply(std::string_view code) {
  const auto refused = [this](std::string_view to) {
    End(MakeError(absl::StatusCode::kFailedPrecondition,
                  tls_ == nullptr
                      ? fmt::format("the server answers {} with {}", to, Quoted(probe_.reply))
                      : fmt::format("the server refuses {} under TLS", to)));
  };
  switch (probe_.stage) {
    case SmtpStage::kGreeting:
      if (code != "220") return refused("a connection");
      probe_.stage = SmtpStage::kEhlo;
      return Say(fmt::format("EHLO {}", own_name_));
    case SmtpStage::kEhlo:
      // A server that does not know EHLO offers nothing; one that refuses us may offer it to
      // others.
      if (code != "250" && code != "500" && code != "502") return refused("EHLO");
      probe_.stage = SmtpStage::kStartTls;
      probe_.starttls_offered = code == "250" && starttls_line_;
      if (probe_.starttls_offered) return Say("STARTTLS");
      Say("QUIT");
      return End(absl::OkStatus());
    case SmtpStage::kStartTls:
      if (code != "220") return refused("STARTTLS");
      probe_.stage = SmtpStage::kTls;
      return StartTls();
    case SmtpStage::kTlsEhlo:
      if (code != "250") return refused("EHLO");
      probe_.stage = SmtpStage::kDone;
      Say("QUIT");
      return End(absl::OkStatus());
    default:
      return;
  }
}

void SmtpDialog::StartTls() {
  tls_ = std::make_unique<Tls>(host_);
  const absl::Status status = tls_->Handshake();
  output_ += tls_->TakeOutput();
  if (!status.ok()) End(status);
}

void SmtpDialog::ReceiveTls(std::string_view octets) {
  if (!tls_begun_ && !octets.empty()) {
    tls_begun_ = true;
    if (octets[0] != kTlsHandshake && octets[0] != kTlsAlert) {
      probe_.clear_octets += octets.size();
      return End(MakeError(absl::StatusCode::kFailedPrecondition,
                           "the server goes on in clear where TLS should begin"));
    }
  }
  tls_->Feed(octets);
  if (probe_.stage == SmtpStage::kTls) {
    const absl::Status status = tls_->Handshake();
    output_ += tls_->TakeOutput();  // an alert, too
    if (!status.ok()) return End(status);
    if (!tls_->established()) return;
    tls_->Describe(probe_);
    probe_.stage = SmtpStage::kTlsEhlo;
    Say(fmt::format("EHLO {}", own_name_));
  }
  bool closed = false;
  const auto text = tls_->Read(closed);
  output_ += tls_->TakeOutput();
  if (!text.ok()) return End(text.status());
  input_ += *text;
  ReadLines();
  if (closed) EndOfStream();
}

}  // namespace dmarcate
