// lib/mailauth/dmarc_reader.h
// How one standard reads a list of tags. Internal to ParseDmarc.

#ifndef DMARCATE_LIB_MAILAUTH_DMARC_READER_H_
#define DMARCATE_LIB_MAILAUTH_DMARC_READER_H_

#include <string_view>
#include <vector>

#include "lib/mailauth/dmarc_record.h"

namespace dmarcate {

// Octets of the version tag at the head of `text`, blanks before the separator included; 0 if the
// text is no DMARC record by `standard`.
size_t DmarcVersionLength(std::string_view text, DmarcStandard standard);

// Printable ASCII without semicolon, blanks included; not empty (RFC 9989 section 4.8).
bool IsDmarcTagValue(std::string_view value);

// `tags`: all but the version and the empty text behind a last semicolon.
DmarcVerdict ReadDmarcTags(const std::vector<DmarcTag>& tags, DmarcStandard standard);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_MAILAUTH_DMARC_READER_H_
