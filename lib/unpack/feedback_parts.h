// lib/unpack/feedback_parts.h
// Which parts of a mail are a failure report's: the fields, and the header of the message that they
// are about (RFC 6591 section 3.1, report-quirks section 15).

#ifndef DMARCATE_LIB_UNPACK_FEEDBACK_PARTS_H_
#define DMARCATE_LIB_UNPACK_FEEDBACK_PARTS_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "lib/mail/mime_scan.h"

namespace dmarcate {

// `decoded` is the leaf's body, decoded.
bool IsFeedbackPart(const MailLeaf& leaf, std::string_view decoded);

// The header section of the mail that the feedback part `feedback` is about, decoded; empty if the
// report encloses none.
std::string OriginalHeaders(const Mail& mail, size_t feedback);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_UNPACK_FEEDBACK_PARTS_H_
