// lib/unpack/plain_notice.h
// Failure notices without a machine-readable part (report-quirks section 15): the text that Exim's
// and cPanel's scripts and some gateways mail, one "Name: value" a line.

#ifndef DMARCATE_LIB_UNPACK_PLAIN_NOTICE_H_
#define DMARCATE_LIB_UNPACK_PLAIN_NOTICE_H_

#include <optional>
#include <string>
#include <string_view>

namespace dmarcate {

// The notice as the fields of a feedback report (RFC 6591), if `text` is one: it names at least the
// domain and the sending address in its first lines. Nothing is guessed beyond its lines.
std::optional<std::string> FieldsOfPlainNotice(std::string_view text);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_UNPACK_PLAIN_NOTICE_H_
