#include "lib/imap/curl_session.h"

#include <poll.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <map>
#include <utility>

#include "fmt/format.h"
#include <curl/curl.h>

#include "lib/base/freer.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/imap/response.h"
#include "lib/imap/words.h"

namespace dmarcate {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr int kWaitSliceMillis = 200;  // between two questions whether to give up
constexpr int64_t kSlowestBytesPerSecond = 16 << 10;
constexpr int kCommandTimeouts = 8;
constexpr size_t kMostFound = 1'000'000;
// A million UIDs of ten digits.
constexpr size_t kSearchLineBytes = 12 << 20;
constexpr size_t kQuotedTextBytes = 200;

using CurlHandle = std::unique_ptr<CURL, Freer<curl_easy_cleanup>>;

void InitialiseCurlOnce() {
  static const CURLcode initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
  static_cast<void>(initialised);  // handles that fail are reported by Connect
}

bool HasControl(std::string_view s) {
  return std::ranges::any_of(s, [](unsigned char c) { return c < 0x20 || c == 0x7F; });
}

// Only what can stand in a URL without a meaning of its own there.
bool IsHost(std::string_view host) {
  return !host.empty() && host.size() <= 255 && std::ranges::all_of(host, [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '.' || c == '-' || c == '_' || c == ':';
  });
}

long Milliseconds(absl::Duration duration) {
  return static_cast<long>(std::clamp<int64_t>(absl::ToInt64Milliseconds(duration), 1, 86'400'000));
}

// The only place where a CURLcode becomes a status. Never CURLOPT_ERRORBUFFER: it may quote what
// the server says.
absl::Status CurlError(CURLcode code) {
  const std::string_view text = curl_easy_strerror(code);
  switch (code) {
    case CURLE_LOGIN_DENIED:
    case CURLE_REMOTE_ACCESS_DENIED:
    case CURLE_AUTH_ERROR:
      return MakeError(absl::StatusCode::kPermissionDenied, text);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_USE_SSL_FAILED:
      return MakeError(absl::StatusCode::kFailedPrecondition, text);
    case CURLE_WEIRD_SERVER_REPLY:
      return MakeError(absl::StatusCode::kDataLoss, text);
    case CURLE_OPERATION_TIMEDOUT:
      return MakeError(absl::StatusCode::kDeadlineExceeded, text);
    case CURLE_ABORTED_BY_CALLBACK:
      return MakeError(absl::StatusCode::kCancelled, "told to give up");
    case CURLE_URL_MALFORMAT:
    case CURLE_BAD_FUNCTION_ARGUMENT:
      return MakeError(absl::StatusCode::kInvalidArgument, text);
    default:
      return MakeError(absl::StatusCode::kUnavailable, text);
  }
}

// RFC 5530 section 3: nothing is wrong with what was asked; later it may be answered.
bool IsServerTrouble(std::string_view code) {
  for (const std::string_view trouble : {"UNAVAILABLE", "SERVERBUG", "INUSE", "LIMIT"}) {
    if (EqualsIgnoreCase(code, trouble)) return true;
  }
  return false;
}

int OnProgress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return (*static_cast<std::function<bool()>*>(user))() ? 1 : 0;
}

size_t OnIgnored(char*, size_t size, size_t count, void*) { return size * count; }

class CurlImapSession final : public ImapSession {
 public:
  CurlImapSession(CurlHandle handle, Secret secret, absl::Duration timeout,
                  std::function<bool()> give_up)
      : handle_(std::move(handle)),
        secret_(std::move(secret)),
        timeout_(absl::ToChronoMilliseconds(timeout)),
        give_up_(std::move(give_up)),
        reader_([this](char* buffer, size_t size) { return Receive(buffer, size); }) {
    curl_easy_getinfo(handle_.get(), CURLINFO_ACTIVESOCKET, &socket_);
  }

  // What the server can, asked after the log-in, since it may depend on it.
  absl::Status AskCapabilities() {
    return Command("CAPABILITY", {}, [this](ImapResponse response) {
      if (const auto words = UntaggedData(response, "CAPABILITY")) {
        for (const std::string_view word : Split(*words, ' ')) {
          has_move_ |= EqualsIgnoreCase(word, "MOVE");
          has_uidplus_ |= EqualsIgnoreCase(word, "UIDPLUS");
        }
      }
      return absl::OkStatus();
    });
  }

  absl::StatusOr<ImapFolder> Select(std::string_view folder, ImapAccess access) override {
    DMARCATE_ASSIGN_OR_RETURN(const std::string quoted, QuotedFolder(folder));
    ImapFolder out;
    const char* verb = access == ImapAccess::kReadOnly ? "EXAMINE" : "SELECT";
    DMARCATE_RETURN_IF_ERROR(
        Command(fmt::format("{} {}", verb, quoted), {}, [&out](ImapResponse response) {
          if (const auto count = UntaggedNumber(response, "EXISTS")) out.messages = *count;
          const auto line = ParseStatusLine(response);
          if (!line) return absl::OkStatus();
          for (const auto& [name, value] : {std::pair("UIDVALIDITY ", &out.uid_validity),
                                            std::pair("UIDNEXT ", &out.uid_next)}) {
            if (!line->code.starts_with(name)) continue;
            const auto number =
                ParseImapNumber(std::string_view(line->code).substr(std::string_view(name).size()));
            if (!number) return MakeError(absl::StatusCode::kDataLoss, "not IMAP: a broken code");
            *value = *number;
          }
          return absl::OkStatus();
        }));
    if (out.uid_validity == 0) {
      return MakeError(absl::StatusCode::kDataLoss, "the server tells no UIDVALIDITY");
    }
    return out;
  }

  absl::StatusOr<std::vector<uint32_t>> Search(uint32_t first, uint32_t last) override {
    first = std::max<uint32_t>(first, 1);
    std::vector<uint32_t> out;
    const std::string range =
        last == 0 ? fmt::format("{}:*", first) : fmt::format("{}:{}", first, last);
    DMARCATE_RETURN_IF_ERROR(
        Command(fmt::format("UID SEARCH UID {}", range), {.line_bytes = kSearchLineBytes},
                [&out, first, last](ImapResponse response) {
                  const auto words = UntaggedData(response, "SEARCH");
                  if (!words) return absl::OkStatus();
                  for (const std::string_view word : Split(*words, ' ')) {
                    if (word.empty()) continue;
                    const auto uid = ParseImapNumber(word);
                    if (!uid)
                      return MakeError(absl::StatusCode::kDataLoss, "not IMAP: a broken SEARCH");
                    // "5:*" names the last message even if its UID is 3.
                    if (*uid < first || (last != 0 && *uid > last)) continue;
                    if (out.size() == kMostFound) {
                      return MakeError(absl::StatusCode::kResourceExhausted,
                                       fmt::format("over {} messages found", kMostFound));
                    }
                    out.push_back(*uid);
                  }
                  return absl::OkStatus();
                }));
    std::ranges::sort(out);
    const auto repeated = std::ranges::unique(out);
    out.erase(repeated.begin(), repeated.end());
    return out;
  }

  absl::StatusOr<std::vector<ImapMessageInfo>> Describe(
      const std::vector<uint32_t>& uids) override {
    DMARCATE_ASSIGN_OR_RETURN(const std::string set, SetOf(uids));
    std::map<uint32_t, ImapFetchItem> found;
    DMARCATE_RETURN_IF_ERROR(
        Command(fmt::format("UID FETCH {} (UID RFC822.SIZE INTERNALDATE)", set), {},
                [&found](ImapResponse response) -> absl::Status {
                  DMARCATE_ASSIGN_OR_RETURN(auto item, ParseFetch(std::move(response)));
                  // One without a size tells of a changed flag.
                  if (item && item->uid != 0 && item->size_bytes)
                    found[item->uid] = *std::move(item);
                  return absl::OkStatus();
                }));
    std::vector<ImapMessageInfo> out;
    for (const uint32_t uid : uids) {
      if (const auto item = found.find(uid); item != found.end()) {
        out.push_back({uid, *item->second.size_bytes, item->second.internal_date});
      }
    }
    return out;
  }

  absl::StatusOr<std::optional<std::string>> Fetch(uint32_t uid, size_t limit_bytes) override {
    DMARCATE_ASSIGN_OR_RETURN(const std::string set, SetOf({uid}));
    ImapFetchItem found;
    DMARCATE_RETURN_IF_ERROR(
        Command(fmt::format("UID FETCH {} (UID BODY.PEEK[])", set), {.literal_bytes = limit_bytes},
                [&found, uid](ImapResponse response) -> absl::Status {
                  DMARCATE_ASSIGN_OR_RETURN(auto item, ParseFetch(std::move(response)));
                  if (!item || item->uid != uid) return absl::OkStatus();
                  found.uid = uid;
                  if (item->body) found.body = std::move(item->body);
                  return absl::OkStatus();
                }));
    if (found.uid == 0) return std::optional<std::string>();
    if (!found.body) {
      return MakeError(absl::StatusCode::kNotFound, "the server gives no content");
    }
    return std::move(found.body);
  }

  absl::Status AddFlag(const std::vector<uint32_t>& uids, std::string_view flag) override {
    if (!IsImapFlag(flag)) return MakeError(absl::StatusCode::kInvalidArgument, "no such flag");
    DMARCATE_ASSIGN_OR_RETURN(const std::string set, SetOf(uids));
    return Command(fmt::format("UID STORE {} +FLAGS.SILENT ({})", set, flag));
  }

  absl::Status Move(const std::vector<uint32_t>& uids, std::string_view folder) override {
    DMARCATE_ASSIGN_OR_RETURN(const std::string quoted, QuotedFolder(folder));
    DMARCATE_ASSIGN_OR_RETURN(const std::string set, SetOf(uids));
    const std::string command =
        fmt::format("UID {} {} {}", has_move_ ? "MOVE" : "COPY", set, quoted);
    absl::Status status = Command(command);
    if (status.code() == absl::StatusCode::kInvalidArgument && last_code_ == "TRYCREATE") {
      DMARCATE_RETURN_IF_ERROR(Command(fmt::format("CREATE {}", quoted)));
      status = Command(command);
    }
    if (!status.ok() || has_move_) return status;
    DMARCATE_RETURN_IF_ERROR(Command(fmt::format("UID STORE {} +FLAGS.SILENT (\\Deleted)", set)));
    return has_uidplus_ ? Command(fmt::format("UID EXPUNGE {}", set)) : absl::OkStatus();
  }

  void Logout() override {
    deadline_ = idle_deadline_ = SteadyClock::now() + std::chrono::seconds(1);
    static_cast<void>(Send("Z LOGOUT\r\n"));
  }

 private:
  using OnResponse = std::function<absl::Status(ImapResponse)>;

  static absl::StatusOr<std::string> SetOf(const std::vector<uint32_t>& uids) {
    const std::string set = UidSet(uids);
    if (set.empty() || uids.size() > kUidsPerCommand) {
      return MakeError(absl::StatusCode::kInvalidArgument,
                       fmt::format("{} UIDs, want 1 to {}", uids.size(), kUidsPerCommand));
    }
    return set;
  }

  // Sends one line and reads up to its answer. `on_response` gets every untagged response.
  absl::Status Command(const std::string& command, const ImapAnswerLimits& limits = {},
                       const OnResponse& on_response = nullptr) {
    if (!broken_.ok()) return broken_;
    const absl::Status status = Exchange(command, limits, on_response);
    // After a plain NO the two sides still agree on where they are.
    if (!status.ok() && status.code() != absl::StatusCode::kInvalidArgument) broken_ = status;
    return status;
  }

  absl::Status Exchange(const std::string& command, const ImapAnswerLimits& limits,
                        const OnResponse& on_response) {
    // The words of a command are checked where they are made; this holds whatever they become.
    if (HasControl(command)) {
      return MakeError(absl::StatusCode::kInvalidArgument, "a command with control characters");
    }
    last_code_.clear();
    const std::string tag = fmt::format("D{}", ++last_tag_);
    const auto size = static_cast<int64_t>(limits.literal_bytes + limits.line_bytes);
    deadline_ = SteadyClock::now() + kCommandTimeouts * timeout_ +
                std::chrono::seconds(size / kSlowestBytesPerSecond);
    DMARCATE_RETURN_IF_ERROR(Send(fmt::format("{} {}\r\n", tag, command)));
    reader_.Begin(limits);
    while (true) {
      DMARCATE_ASSIGN_OR_RETURN(ImapResponse response, reader_.Next());
      if (response.text[0].starts_with("* ")) {
        if (const auto line = ParseStatusLine(response);
            line && line->kind == ImapStatusLine::Kind::kBye) {
          return MakeError(absl::StatusCode::kUnavailable,
                           fmt::format("the server says goodbye: {}", Quoted(*line)));
        }
        if (on_response) DMARCATE_RETURN_IF_ERROR(on_response(std::move(response)));
        continue;
      }
      const auto line = ParseStatusLine(response);
      if (!line || line->tag != tag) {
        return MakeError(absl::StatusCode::kDataLoss, "not IMAP: an answer to nothing");
      }
      if (line->kind == ImapStatusLine::Kind::kOk) {
        // Codes may stand here as well.
        return on_response ? on_response(std::move(response)) : absl::OkStatus();
      }
      last_code_ = line->code;
      return MakeError(IsServerTrouble(line->code) ? absl::StatusCode::kUnavailable
                                                   : absl::StatusCode::kInvalidArgument,
                       fmt::format("the server refuses: {}", Quoted(*line)));
    }
  }

  absl::Status Send(std::string_view data) {
    idle_deadline_ = SteadyClock::now() + timeout_;
    while (!data.empty()) {
      size_t sent = 0;
      const CURLcode code = curl_easy_send(handle_.get(), data.data(), data.size(), &sent);
      if (code == CURLE_AGAIN) {
        DMARCATE_RETURN_IF_ERROR(Wait(POLLOUT));
      } else if (code != CURLE_OK) {
        return CurlError(code);
      }
      data.remove_prefix(sent);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<size_t> Receive(char* buffer, size_t size) {
    idle_deadline_ = SteadyClock::now() + timeout_;
    while (true) {
      // Also where bytes always wait: a server could be fast for ever.
      if (SteadyClock::now() >= deadline_) return TooSlow();
      size_t got = 0;
      const CURLcode code = curl_easy_recv(handle_.get(), buffer, size, &got);
      if (code == CURLE_OK) return got;
      if (code != CURLE_AGAIN) return CurlError(code);
      DMARCATE_RETURN_IF_ERROR(Wait(POLLIN));
    }
  }

  static absl::Status TooSlow() {
    return MakeError(absl::StatusCode::kDeadlineExceeded, "the server takes too long");
  }

  absl::Status Wait(short events) {
    while (true) {
      if (give_up_()) return MakeError(absl::StatusCode::kCancelled, "told to give up");
      const auto now = SteadyClock::now();
      const auto until = std::min(deadline_, idle_deadline_);
      if (now >= until) return TooSlow();
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - now).count();
      pollfd waiting{socket_, events, 0};
      const int ready =
          poll(&waiting, 1, static_cast<int>(std::min<int64_t>(left, kWaitSliceMillis)));
      if (ready > 0) return absl::OkStatus();
      if (ready < 0 && errno != EINTR) {
        return MakeError(absl::StatusCode::kUnavailable, "poll failed");
      }
    }
  }

  // What the server says, fit for a message; it knows the secret and could say that.
  std::string Quoted(const ImapStatusLine& line) const {
    if (line.text.find(secret_.Reveal()) != std::string::npos) return "(it repeats the secret)";
    return EscapeForTerminal(std::string_view(line.text).substr(0, kQuotedTextBytes));
  }

  const CurlHandle handle_;
  const Secret secret_;
  const std::chrono::milliseconds timeout_;
  const std::function<bool()> give_up_;
  ImapResponseReader reader_;
  curl_socket_t socket_ = CURL_SOCKET_BAD;
  SteadyClock::time_point deadline_, idle_deadline_;
  uint64_t last_tag_ = 0;
  std::string last_code_;  // of the last NO or BAD
  absl::Status broken_;    // the connection is of no use
  bool has_move_ = false, has_uidplus_ = false;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ImapSession>> CurlImapConnector::Connect(
    const ImapServer& server, const Secret& secret, std::function<bool()> give_up) {
  InitialiseCurlOnce();
  const auto wrong = [](std::string_view what) {
    return MakeError(absl::StatusCode::kInvalidArgument, what);
  };
  if (!IsHost(server.host)) return wrong("the host is no name and no address");
  if (server.user.empty() || HasControl(server.user)) return wrong("the user cannot be sent");
  if (secret.empty() || HasControl(secret.Reveal())) return wrong("the secret cannot be sent");
  CurlHandle handle(curl_easy_init());
  CURL* const curl = handle.get();
  if (curl == nullptr) {
    return MakeError(absl::StatusCode::kResourceExhausted, "libcurl gave no handle");
  }
  CURLcode setup = CURLE_OK;
  const auto set = [curl, &setup](CURLoption option, auto value) {
    if (setup == CURLE_OK) setup = curl_easy_setopt(curl, option, value);
  };
  const std::string host =
      server.host.find(':') == std::string::npos ? server.host : fmt::format("[{}]", server.host);
  const std::string url = fmt::format(
      "{}://{}:{}/", server.tls == ImapTls::kRequired ? "imaps" : "imap", host, server.port);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_URL, url.c_str());
  set(CURLOPT_PROTOCOLS_STR, server.tls == ImapTls::kRequired ? "imaps" : "imap");
  set(CURLOPT_USE_SSL,
      static_cast<long>(server.tls == ImapTls::kPlain ? CURLUSESSL_NONE : CURLUSESSL_ALL));
  set(CURLOPT_CONNECT_ONLY, 1L);
  set(CURLOPT_PROXY, "");
  set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  set(CURLOPT_CONNECTTIMEOUT_MS, Milliseconds(server.timeout));
  set(CURLOPT_TIMEOUT_MS, Milliseconds(2 * server.timeout));
  set(CURLOPT_SSL_VERIFYPEER, 1L);
  set(CURLOPT_SSL_VERIFYHOST, 2L);
  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (!server.ca_file.empty()) set(CURLOPT_CAINFO, server.ca_file.c_str());
  set(CURLOPT_USERNAME, server.user.c_str());
  if (server.login == ImapLogin::kXoauth2) {
    set(CURLOPT_XOAUTH2_BEARER, secret.Reveal().c_str());
    set(CURLOPT_LOGIN_OPTIONS, "AUTH=XOAUTH2");
  } else {
    set(CURLOPT_PASSWORD, secret.Reveal().c_str());
  }
  set(CURLOPT_HEADERFUNCTION, OnIgnored);
  set(CURLOPT_WRITEFUNCTION, OnIgnored);
  set(CURLOPT_NOPROGRESS, 0L);
  set(CURLOPT_XFERINFOFUNCTION, OnProgress);
  set(CURLOPT_XFERINFODATA, static_cast<void*>(&give_up));
  if (setup != CURLE_OK) return CurlError(setup);
  const CURLcode code = curl_easy_perform(curl);
  if (code != CURLE_OK) return CurlError(code);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 1L);  // `give_up` moves away
  auto session = std::make_unique<CurlImapSession>(std::move(handle), secret, server.timeout,
                                                   std::move(give_up));
  DMARCATE_RETURN_IF_ERROR(session->AskCapabilities());
  return std::unique_ptr<ImapSession>(std::move(session));
}

}  // namespace dmarcate
