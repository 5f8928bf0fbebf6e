// lib/mailauth/spf_term_parser.h
// The grammar of one SPF term, RFC 7208 section 12. Internal to ParseSpf.

#ifndef DMARCATE_LIB_MAILAUTH_SPF_TERM_PARSER_H_
#define DMARCATE_LIB_MAILAUTH_SPF_TERM_PARSER_H_

#include <cstddef>
#include <string_view>

#include "absl/status/statusor.h"

#include "lib/mailauth/spf_record.h"

namespace dmarcate {

// As ParseSpfTerm, for a term that stands at `begin` of its record: errors count from there.
absl::StatusOr<SpfTerm> ParseSpfTermAt(std::string_view text, size_t begin);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_MAILAUTH_SPF_TERM_PARSER_H_
