// lib/mailauth/dmarc_near.h
// Texts that are meant as a DMARC record and that no receiver takes for one: the version tag must
// come first, exactly so, and a semicolon after it (RFC 9989 section 4.7, RFC 7489 section 6.4). A
// domain that publishes such a text believes that it has a policy. Pure.

#ifndef DMARCATE_LIB_MAILAUTH_DMARC_NEAR_H_
#define DMARCATE_LIB_MAILAUTH_DMARC_NEAR_H_

#include <optional>
#include <string>
#include <string_view>

namespace dmarcate {

struct DmarcNearMiss {
  std::string why;  // "there are blanks before the version, commas stand between tags"
  // The same tags as a record that receivers on both standards take; empty: what it should say
  // cannot be told.
  std::string repaired;
};

// Nothing for a record, good or bad, and for what is not meant as one.
std::optional<DmarcNearMiss> FindDmarcNearMiss(std::string_view text);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_MAILAUTH_DMARC_NEAR_H_
