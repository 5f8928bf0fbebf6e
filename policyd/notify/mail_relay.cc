#include "policyd/notify/mail_relay.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "fmt/format.h"
#include <curl/curl.h>

#include "lib/base/freer.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "policyd/alert/mail_message.h"

namespace dmarcate {
namespace {

using CurlHandle = std::unique_ptr<CURL, Freer<curl_easy_cleanup>>;
using CurlList = std::unique_ptr<curl_slist, Freer<curl_slist_free_all>>;

constexpr absl::Duration kConnectTimeout = absl::Seconds(10);

void InitialiseCurlOnce() {
  static const CURLcode initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
  static_cast<void>(initialised);  // handles that fail are reported below
}

// What is still to be sent; and whether it was all asked for, after which the relay may have it.
struct Upload {
  std::string_view rest;
  bool ended = false;
};

size_t OnRead(char* buffer, size_t size, size_t count, void* user) {
  Upload& upload = *static_cast<Upload*>(user);
  const size_t take = std::min(size * count, upload.rest.size());
  std::memcpy(buffer, upload.rest.data(), take);
  upload.rest.remove_prefix(take);
  upload.ended = upload.rest.empty();
  return take;
}

size_t OnIgnored(char*, size_t size, size_t count, void*) { return size * count; }

int OnProgress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return (*static_cast<const std::function<bool()>*>(user))() ? 1 : 0;
}

// The only place where a CURLcode becomes a status. Never CURLOPT_ERRORBUFFER: it quotes the
// server.
absl::Status RelayError(CURLcode code, long reply, bool ended) {
  const auto error = [](absl::StatusCode status, std::string_view what) {
    return MakeError(status, fmt::format("mail relay: {}", what));
  };
  const std::string_view text = curl_easy_strerror(code);
  switch (code) {
    case CURLE_ABORTED_BY_CALLBACK:
      return error(absl::StatusCode::kCancelled, "told to stop");
    case CURLE_LOGIN_DENIED:
      return error(absl::StatusCode::kPermissionDenied, text);
    case CURLE_USE_SSL_FAILED:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CONNECT_ERROR:
      return error(absl::StatusCode::kFailedPrecondition, text);
    default:
      break;
  }
  if (reply >= 500)
    return error(absl::StatusCode::kPermissionDenied, fmt::format("reply {}", reply));
  if (reply >= 400) return error(absl::StatusCode::kUnavailable, fmt::format("reply {}", reply));
  if (ended) {
    return error(absl::StatusCode::kUnknown, fmt::format("{}; it may have taken the mail", text));
  }
  return error(absl::StatusCode::kUnavailable, text);
}

long Milliseconds(absl::Duration duration) { return absl::ToInt64Milliseconds(duration); }

}  // namespace

absl::Status CheckMailRelay(const MailRelayConfig& config) {
  const auto bad = [](std::string_view key, std::string_view why) {
    return MakeError(absl::StatusCode::kInvalidArgument, fmt::format("{}: {}", key, why));
  };
  const bool tls = config.url.starts_with("smtps://");
  if (!tls && !config.url.starts_with("smtp://")) {
    return bad("alerts.mail.relay", "want smtps://HOST:465 or smtp://HOST:587");
  }
  const std::string_view host = std::string_view(config.url).substr(tls ? 8 : 7);
  const bool plain_host = !host.empty() && std::ranges::all_of(host, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == ':' || c == '[' || c == ']';
  });
  if (!plain_host) return bad("alerts.mail.relay", "want a host and a port, no user and no path");
  if (!IsMailAddress(config.from)) return bad("alerts.mail.from", "want an address");
  if (config.user.empty() != config.secret_name.empty()) {
    return bad("alerts.mail.secret", "user and secret belong together");
  }
  if (config.plain && !config.user.empty()) {
    return bad("alerts.mail.plain", "a password is not sent without TLS");
  }
  if (config.plain && tls) return bad("alerts.mail.plain", "smtps is never plain");
  return absl::OkStatus();
}

absl::Status SendMail(const MailRelayConfig& config, const Secret& password,
                      const std::vector<std::string>& recipients, std::string_view mail,
                      const std::function<bool()>& stop) {
  InitialiseCurlOnce();
  const CurlHandle handle(curl_easy_init());
  CURL* const curl = handle.get();
  if (curl == nullptr) {
    return MakeError(absl::StatusCode::kResourceExhausted, "libcurl gave no handle");
  }
  CURLcode setup = CURLE_OK;
  const auto set = [curl, &setup](CURLoption option, auto value) {
    if (setup == CURLE_OK) setup = curl_easy_setopt(curl, option, value);
  };
  Upload upload{.rest = mail};
  const std::string from = fmt::format("<{}>", config.from);
  CurlList list;
  for (const std::string& recipient : recipients) {
    curl_slist* const head = curl_slist_append(list.get(), fmt::format("<{}>", recipient).c_str());
    if (head == nullptr) setup = CURLE_OUT_OF_MEMORY;
    if (list == nullptr) list.reset(head);
  }
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_URL, config.url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "smtp,smtps");
  set(CURLOPT_PROXY, "");
  set(CURLOPT_TIMEOUT_MS, Milliseconds(kMailDeadline));
  set(CURLOPT_CONNECTTIMEOUT_MS, Milliseconds(kConnectTimeout));
  set(CURLOPT_USE_SSL, static_cast<long>(config.plain ? CURLUSESSL_NONE : CURLUSESSL_ALL));
  set(CURLOPT_SSL_VERIFYPEER, 1L);
  set(CURLOPT_SSL_VERIFYHOST, 2L);
  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (!config.ca_file.empty()) set(CURLOPT_CAINFO, config.ca_file.c_str());
  if (!config.user.empty()) {
    set(CURLOPT_USERNAME, config.user.c_str());
    set(CURLOPT_PASSWORD, password.Reveal().c_str());  // libcurl copies it
  }
  set(CURLOPT_MAIL_FROM, from.c_str());
  set(CURLOPT_MAIL_RCPT, list.get());
  set(CURLOPT_UPLOAD, 1L);
  set(CURLOPT_READFUNCTION, OnRead);
  set(CURLOPT_READDATA, static_cast<void*>(&upload));
  set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(mail.size()));
  set(CURLOPT_WRITEFUNCTION, OnIgnored);
  if (stop) {
    set(CURLOPT_NOPROGRESS, 0L);
    set(CURLOPT_XFERINFOFUNCTION, OnProgress);
    set(CURLOPT_XFERINFODATA, const_cast<void*>(static_cast<const void*>(&stop)));
  }
  if (setup != CURLE_OK) return RelayError(setup, 0, false);
  const CURLcode code = curl_easy_perform(curl);
  long reply = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply);
  return code == CURLE_OK ? absl::OkStatus() : RelayError(code, reply, upload.ended);
}

}  // namespace dmarcate
