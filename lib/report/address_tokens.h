// lib/report/address_tokens.h
// Takes the persons out of what failure reports say (RFC 9991 section 7, RFC 6590): local parts of
// mail addresses become tokens. The same address becomes the same token, so that a pattern stays
// visible; without the key nobody finds the address by trying.

#ifndef DMARCATE_LIB_REPORT_ADDRESS_TOKENS_H_
#define DMARCATE_LIB_REPORT_ADDRESS_TOKENS_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/report/model.h"

namespace dmarcate {

// Thread-safe.
class AddressTokens {
 public:
  // `key`: secret, and kept: other keys give other tokens.
  explicit AddressTokens(std::string key) : key_(std::move(key)) {}

  // `text` with "r-" and 16 hexadecimal digits for the local part of everything that has the form
  // of an address, quoted or not. What already is such a token stays, so doing it twice changes
  // nothing. "smtp.mailfrom=" and the like before an address stay, too.
  std::string Replace(std::string_view text) const;

  // Of a field that reports results of authentication (RFC 8601), which names persons without an
  // address as well: Replace() without comments, and with a token for the value of smtp.auth.
  std::string Results(std::string_view value) const;

  // The first address in `value` as "<token@domain>", without display name or comment; "" if there
  // is none.
  std::string Mailbox(std::string_view value) const;

  // A proof that this key was used for `text`.
  std::string Mac(std::string_view text) const;

 private:
  std::string key_;
};

// Replaces addresses, and what Results() replaces, in every text of the report and of its repairs.
// A text that may have been cut within an address loses its last word.
void RedactFailureReport(const AddressTokens& tokens, FailureReport* report);
void RedactRepairs(const AddressTokens& tokens, std::vector<Repair>* repairs);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_REPORT_ADDRESS_TOKENS_H_
