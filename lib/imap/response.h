// lib/imap/response.h
// From a server's bytes to its responses (RFC 3501 section 7), within limits that hold while
// reading: the size of a literal is judged before its first byte. Does no IO itself.

#ifndef DMARCATE_LIB_IMAP_RESPONSE_H_
#define DMARCATE_LIB_IMAP_RESPONSE_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace dmarcate {

// One response without its last CR LF: text, and a literal between each two pieces of text. text[i]
// ends with the "{123}" of literals[i]; so there is one text more.
struct ImapResponse {
  std::vector<std::string> text;
  std::vector<std::string> literals;
};

// How much one command may be answered with.
struct ImapAnswerLimits {
  size_t line_bytes = 16 << 10;     // of text in one response
  size_t literal_bytes = 16 << 10;  // of all literals
  size_t responses = 10'000;
};

// Cuts bytes into responses. Not thread-safe.
class ImapResponseReader {
 public:
  // Puts at most `size` bytes into `buffer`, waiting for the first; how many.
  using Source = std::function<absl::StatusOr<size_t>(char* buffer, size_t size)>;
  explicit ImapResponseReader(Source source) : source_(std::move(source)) {}

  // Starts counting against `limits`.
  void Begin(const ImapAnswerLimits& limits);
  // The source's errors, and
  //   kResourceExhausted  over a limit; `what` was too much is in the message
  //   kDataLoss           a line that ends with a bare CR or LF, holds NUL, or is no response
  absl::StatusOr<ImapResponse> Next();

 private:
  absl::Status ReadLine(std::string* out);
  absl::Status ReadLiteral(size_t size, std::string* out);
  absl::Status Fill();

  const Source source_;
  ImapAnswerLimits limits_;
  size_t line_left_ = 0, literal_left_ = 0, responses_left_ = 0;
  std::string buffer_;
  size_t at_ = 0;  // of buffer_: what is consumed
};

// What a response says. kOther: one that we need not understand.
struct ImapStatusLine {
  enum class Kind { kOk, kNo, kBad, kBye, kPreauth };
  Kind kind = Kind::kOk;
  std::string tag;   // "*" or the command's
  std::string code;  // within [ ], upper case up to the first space: "UIDVALIDITY 17"
  std::string text;  // the rest, as sent
};
std::optional<ImapStatusLine> ParseStatusLine(const ImapResponse& response);

// The words after "* SEARCH" or "* CAPABILITY"; nullopt for any other response.
std::optional<std::string_view> UntaggedData(const ImapResponse& response, std::string_view name);
// "* 12 EXISTS" -> 12.
std::optional<uint32_t> UntaggedNumber(const ImapResponse& response, std::string_view name);
// Digits only, no sign, at most 4294967295, not empty.
std::optional<uint32_t> ParseImapNumber(std::string_view text);

// One "* n FETCH (...)": what of it concerns us. Items may come in any order, and others between.
struct ImapFetchItem {
  uint32_t uid = 0;  // 0: not told
  std::optional<uint64_t> size_bytes;
  std::optional<absl::Time> internal_date;
  bool has_body = false;            // there was a BODY[]
  std::optional<std::string> body;  // nullopt: NIL
};
// nullopt: another response. kDataLoss: begins as this one and does not go on so.
absl::StatusOr<std::optional<ImapFetchItem>> ParseFetch(ImapResponse response);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_IMAP_RESPONSE_H_
