#include "ingestd/intake/smtp/tls.h"

#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <utility>

#include "fmt/format.h"
#include <openssl/err.h>

#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/status_macros.h"

namespace dmarcate {
namespace {

// OpenSSL's reason for the last failure; it holds no content of files.
absl::Status TlsError(std::string_view what) {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return MakeError(absl::StatusCode::kInvalidArgument,
                   fmt::format("{}: {}", what, reason == nullptr ? "unusable" : reason));
}

}  // namespace

absl::StatusOr<std::unique_ptr<TlsIdentity>> TlsIdentity::Load(const std::string& certificate,
                                                               const std::string& key) {
  std::unique_ptr<TlsIdentity> out(new TlsIdentity(certificate, key));
  DMARCATE_RETURN_IF_ERROR(out->Read());
  return out;
}

TlsIdentity::Stamp TlsIdentity::Look() const {
  return {FileStamp::Of(certificate_), FileStamp::Of(key_)};
}

absl::Status TlsIdentity::Read() {
  seen_ = Look();  // before reading: a change meanwhile is seen the next time
  for (const std::string& path : {certificate_, key_}) {  // OpenSSL does not say why
    if (access(path.c_str(), R_OK) != 0) return ErrnoError(errno, path);
  }
  ERR_clear_error();
  SslContextPtr context(SSL_CTX_new(TLS_server_method()));
  if (context == nullptr) return TlsError("tls");
  SSL_CTX* const raw = context.get();
  SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
  SSL_CTX_set_options(
      raw, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(raw, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                            SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  // An encrypted key is refused; by default OpenSSL would ask at the terminal.
  SSL_CTX_set_default_passwd_cb(raw, [](char*, int, int, void*) { return 0; });
  if (SSL_CTX_use_certificate_chain_file(raw, certificate_.c_str()) != 1) {
    return TlsError(certificate_);
  }
  if (SSL_CTX_use_PrivateKey_file(raw, key_.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(raw) != 1) {
    return TlsError(key_);
  }
  context_ = std::move(context);
  return absl::OkStatus();
}

void TlsIdentity::ReloadIfChanged() {
  if (Look() == seen_) return;
  if (const absl::Status read = Read(); read.ok()) {
    LogInfo("smtp_certificate_read", {{"certificate", certificate_}});
  } else {
    LogWarn("smtp_certificate_unusable", {{"error", read}});
  }
}

SslPtr TlsIdentity::NewServer(int fd) const {
  ERR_clear_error();
  SslPtr out(SSL_new(context_.get()));
  if (out == nullptr || SSL_set_fd(out.get(), fd) != 1) return nullptr;
  SSL_set_accept_state(out.get());
  return out;
}

}  // namespace dmarcate
