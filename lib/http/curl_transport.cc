#include "lib/http/curl_transport.h"

#include <algorithm>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

#include <curl/curl.h>

#include "lib/base/freer.h"
#include "lib/base/status_macros.h"

namespace dmarcate {
namespace {

constexpr size_t kHeaderLimitBytes = size_t{256} << 10;

using CurlHandle = std::unique_ptr<CURL, Freer<curl_easy_cleanup>>;
using CurlList = std::unique_ptr<curl_slist, Freer<curl_slist_free_all>>;

void InitialiseCurlOnce() {
  static const CURLcode initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
  static_cast<void>(initialised);  // thread-safe since 7.84; failing handles are reported by Send
}

// Where libcurl's callbacks put what arrives.
struct Sink {
  HttpResponse response;
  size_t limit_bytes = 0;
  size_t header_bytes = 0;
  bool over_limit = false;
};

size_t OnBody(char* data, size_t size, size_t count, void* user) {
  Sink& sink = *static_cast<Sink*>(user);
  const size_t bytes = size * count;
  if (bytes > sink.limit_bytes - sink.response.body.size()) {
    sink.over_limit = true;
    return 0;  // CURLE_WRITE_ERROR
  }
  sink.response.body.append(data, bytes);
  return bytes;
}

size_t OnHeader(char* data, size_t size, size_t count, void* user) {
  Sink& sink = *static_cast<Sink*>(user);
  const size_t bytes = size * count;
  sink.header_bytes += bytes;
  if (sink.header_bytes > kHeaderLimitBytes) {
    sink.over_limit = true;
    return 0;
  }
  const std::string_view line = TrimAscii({data, bytes});
  if (StartsWithIgnoreCase(line, "HTTP/")) {
    sink.response.headers.clear();  // a 1xx or a proxy's answer came before
  } else if (const size_t colon = line.find(':'); colon != std::string_view::npos && colon > 0) {
    sink.response.headers.push_back({AsciiLower(std::string(line.substr(0, colon))),
                                     std::string(TrimAscii(line.substr(colon + 1)))});
  }
  return bytes;
}

// libcurl calls it about once a second, and whenever something happens.
int OnProgress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<const HttpRequest*>(user)->stop() ? 1 : 0;  // CURLE_ABORTED_BY_CALLBACK
}

// The only place where a CURLcode becomes a status. `sent`: the server can have seen something.
absl::Status CurlError(CURLcode code, bool sent, const Sink& sink, const HttpRequest& request) {
  const auto error = [&request](absl::StatusCode status, std::string_view what) {
    return MakeError(status, fmt::format("{} {}: {}", request.method, OriginOf(request.url), what));
  };
  if (sink.over_limit) {
    return error(absl::StatusCode::kResourceExhausted,
                 fmt::format("response over {} bytes", request.response_limit_bytes));
  }
  // Never CURLOPT_ERRORBUFFER: it may quote the URL.
  const std::string_view text = curl_easy_strerror(code);
  switch (code) {
    case CURLE_ABORTED_BY_CALLBACK:
      return error(absl::StatusCode::kCancelled, "told to stop");
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return error(absl::StatusCode::kInvalidArgument, text);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
      return error(absl::StatusCode::kFailedPrecondition, text);
    default:  // CURLE_SSL_CACERT_BADFILE, too: that we have no authorities says nothing of a server
      break;
  }
  if (!sent)
    return error(absl::StatusCode::kUnavailable, fmt::format("{}, nothing was sent", text));
  return error(absl::StatusCode::kUnknown, fmt::format("{} after sending, outcome unknown", text));
}

long Milliseconds(absl::Duration duration) {
  return static_cast<long>(std::clamp<int64_t>(absl::ToInt64Milliseconds(duration), 1, 86'400'000));
}

}  // namespace

class CurlTransport::Pool {
 public:
  CurlHandle Take() {
    {
      const std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        CurlHandle handle = std::move(idle_.back());
        idle_.pop_back();
        return handle;
      }
    }
    return CurlHandle(curl_easy_init());
  }
  void Give(CurlHandle handle) {
    curl_easy_reset(
        handle.get());  // forgets options (and the credentials in them), keeps connections
    const std::lock_guard lock(mutex_);
    if (idle_.size() < kPooledHandles) idle_.push_back(std::move(handle));
  }

 private:
  std::mutex mutex_;
  std::vector<CurlHandle> idle_;
};

CurlTransport::CurlTransport(CurlTransportOptions options)
    : options_(std::move(options)), pool_(std::make_unique<Pool>()) {
  InitialiseCurlOnce();
}

CurlTransport::~CurlTransport() = default;

absl::StatusOr<HttpResponse> CurlTransport::Send(const HttpRequest& request) {
  DMARCATE_RETURN_IF_ERROR(ValidateRequest(request));
  CurlHandle handle = pool_->Take();
  CURL* const curl = handle.get();
  if (curl == nullptr) {
    return MakeError(absl::StatusCode::kResourceExhausted, "libcurl gave no handle");
  }
  CURLcode setup = CURLE_OK;
  const auto set = [curl, &setup](CURLoption option, auto value) {
    if (setup == CURLE_OK) setup = curl_easy_setopt(curl, option, value);
  };
  Sink sink;
  sink.limit_bytes = request.response_limit_bytes;

  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_URL, request.url.c_str());
  set(CURLOPT_PROTOCOLS_STR,
      options_.schemes == CurlTransportOptions::Schemes::kHttpsOnly ? "https" : "https,http");
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_PROXY, "");  // none; unset, the environment would decide
  set(CURLOPT_TIMEOUT_MS, Milliseconds(request.deadline));
  set(CURLOPT_CONNECTTIMEOUT_MS,
      Milliseconds(std::min(options_.connect_timeout, request.deadline)));
  set(CURLOPT_SSL_VERIFYPEER, 1L);
  set(CURLOPT_SSL_VERIFYHOST, 2L);
  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (!options_.ca_file.empty()) set(CURLOPT_CAINFO, options_.ca_file.c_str());
  set(CURLOPT_USERAGENT, options_.user_agent.c_str());
  set(CURLOPT_ACCEPT_ENCODING, "");  // what libcurl decodes; the limit counts decoded bytes
  set(CURLOPT_WRITEFUNCTION, OnBody);
  set(CURLOPT_WRITEDATA, static_cast<void*>(&sink));
  set(CURLOPT_HEADERFUNCTION, OnHeader);
  set(CURLOPT_HEADERDATA, static_cast<void*>(&sink));

  if (request.stop) {
    set(CURLOPT_NOPROGRESS, 0L);
    set(CURLOPT_XFERINFOFUNCTION, OnProgress);
    set(CURLOPT_XFERINFODATA, const_cast<void*>(static_cast<const void*>(&request)));
  }

  const bool safe = request.method == "GET" || request.method == "HEAD";
  if (!safe) set(CURLOPT_FRESH_CONNECT, 1L);
  if (request.method == "HEAD") {
    set(CURLOPT_NOBODY, 1L);
  } else {
    if (!request.body.empty() || request.method == "POST" || request.method == "PUT" ||
        request.method == "PATCH") {
      set(CURLOPT_POST, 1L);
      set(CURLOPT_POSTFIELDS, request.body.c_str());
      set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    }
    set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }

  CurlList headers;
  const auto append = [](CurlList& list, const std::string& line) {
    curl_slist* const head = curl_slist_append(list.get(), line.c_str());
    if (head == nullptr) return false;
    static_cast<void>(list.release());  // the head changes only for the first line
    list.reset(head);
    return true;
  };
  // "Expect" costs a second where the server ignores it; the form type is libcurl's guess, not
  // ours.
  bool listed = append(headers, "Expect:");
  bool typed = false;
  for (const HttpHeader& header : request.headers) {
    typed = typed || EqualsIgnoreCase(header.name, "Content-Type");
    // "Name;" is how libcurl is told to send a header without a value.
    listed = listed && append(headers, header.value.empty() ? header.name + ";"
                                                            : header.name + ": " + header.value);
  }
  if (!typed) listed = listed && append(headers, "Content-Type:");
  set(CURLOPT_HTTPHEADER, headers.get());

  CurlList connect_to;
  if (!request.connect_to.empty()) {
    listed = listed && append(connect_to, "::" + request.connect_to);
    set(CURLOPT_CONNECT_TO, connect_to.get());
  }
  if (setup != CURLE_OK || !listed) {
    return MakeError(
        absl::StatusCode::kInvalidArgument,
        fmt::format("{} {}: {}", request.method, OriginOf(request.url), curl_easy_strerror(setup)));
  }

  const CURLcode code = curl_easy_perform(curl);
  // Pre-transfer time is set when the request is about to go out: from there on it may have been
  // seen.
  curl_off_t before_transfer_us = 0;
  long request_bytes = 0;
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_PRETRANSFER_TIME_T, &before_transfer_us);
  curl_easy_getinfo(curl, CURLINFO_REQUEST_SIZE, &request_bytes);
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  const bool sent = before_transfer_us > 0 || request_bytes > 0;
  pool_->Give(std::move(handle));
  if (code != CURLE_OK) return CurlError(code, sent, sink, request);
  sink.response.status = static_cast<int>(status);
  return std::move(sink.response);
}

}  // namespace dmarcate
