// lib/mail/header_value.h
// The meaning of header values, by GMime: parameters with RFC 2231 continuations and charsets,
// encoded words (RFC 2047), addresses, dates. All take one unfolded value (header.h), all are
// thread-safe, and all strings that come out are valid UTF-8.

#ifndef DMARCATE_LIB_MAIL_HEADER_VALUE_H_
#define DMARCATE_LIB_MAIL_HEADER_VALUE_H_

#include <optional>
#include <string>

#include "absl/time/time.h"

namespace dmarcate {

inline constexpr size_t kMaxFileNameBytes = 512;

struct ContentType {
  std::string type = "text/plain";  // lower case, "type/subtype"
  std::string boundary;
  std::string report_type;  // lower case
  std::string name;
  friend bool operator==(const ContentType&, const ContentType&) = default;
};

// An unreadable value ("application-x-gzip") is application/octet-stream: content decides.
ContentType ParseContentType(const std::string& value);
// The filename parameter of a Content-Disposition, or empty.
std::string ParseDispositionFileName(const std::string& value);
// Encoded words decoded, 8-bit octets guessed, never a failure.
std::string DecodeHeaderText(const std::string& value);
// The domain of the first address, lower case, as A-labels, without a trailing dot, or empty.
std::string FirstAddressDomain(const std::string& value);
// The address of a value that names one mailbox and can be read in one way only: "Name
// <a@example.com>" (single_address.h). The domain as above.
std::optional<std::string> SingleAddress(const std::string& value);
std::optional<absl::Time> ParseMailDate(const std::string& value);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_MAIL_HEADER_VALUE_H_
