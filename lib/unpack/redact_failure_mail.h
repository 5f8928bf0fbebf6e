// lib/unpack/redact_failure_mail.h
// A failure report without the persons in it, before it is written for the first time (RFC 9991
// section 7; report-quirks section 15).

#ifndef DMARCATE_LIB_UNPACK_REDACT_FAILURE_MAIL_H_
#define DMARCATE_LIB_UNPACK_REDACT_FAILURE_MAIL_H_

#include <optional>
#include <string>
#include <string_view>

#include "lib/report/address_tokens.h"

namespace dmarcate {

// If `mail` is one in the form of RFC 6591, a multipart/report with report-type=feedback-report
// that holds the fields and nothing that could be another report: a mail that gives the same
// failure report, and has only the fields that are read, with tokens for local parts. Its subject,
// its text, the body, the recipients and the other header fields of the original are not in it, nor
// is the carrier's signature, which it would break anyway.
//
// nullopt for everything else: what is not recognised here is recognised by being read. Looks at
// the head of `mail` only, unless it has that form. Thread-safe.
std::optional<std::string> RedactFailureMail(std::string_view mail, const AddressTokens& tokens);

// True for what RedactFailureMail() made with the same key.
bool IsRedactedFailureMail(std::string_view mail, const AddressTokens& tokens);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_UNPACK_REDACT_FAILURE_MAIL_H_
