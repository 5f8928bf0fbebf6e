// lib/mailauth/field_list.h
// The form that TLS-RPT records (RFC 8460 section 3) and MTA-STS records (RFC 8461 section 3.1)
// share: a version, then fields "name=value" between semicolons. Unlike in DMARC, case counts
// everywhere and no blank stands beside "=". Bytes are kept, those of unknown fields included.
// Pure.

#ifndef DMARCATE_LIB_MAILAUTH_FIELD_LIST_H_
#define DMARCATE_LIB_MAILAUTH_FIELD_LIST_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "lib/mailauth/finding_list.h"

namespace dmarcate {

struct RecordField {
  std::string name;
  std::string value;
  int position = 0;        // of the name in the record
  int value_position = 0;  // of the value

  friend bool operator==(const RecordField&, const RecordField&) = default;
};

struct FieldList {
  std::vector<RecordField> fields;    // in order, without the version
  std::vector<std::string> segments;  // text between semicolons, exactly as written; version first

  // The bytes that were parsed.
  std::string Render() const;
  const RecordField* Find(std::string_view name) const;  // the first, or null
  // Blanks behind the last field without a semicolon, which the grammar does not have.
  bool ends_in_blanks() const;

  friend bool operator==(const FieldList&, const FieldList&) = default;
};

// `version` as it must stand at the head: "v=STSv1". Values are not looked at, but for their
// characters: visible ASCII and blanks.
//   kInvalidArgument  another version, no field, or a field that is none; with the position
//                     (syntax_error.h)
absl::StatusOr<FieldList> ParseFieldList(std::string_view text, std::string_view version);

inline constexpr size_t kMaxFieldNameOctets = 32;
// A letter or digit, and at most 31 letters, digits, '_', '-' and '.': the names of fields, and of
// the keys of an MTA-STS policy (RFC 8461 section 3.2).
bool IsFieldName(std::string_view name);

// Visible ASCII without '=' (and ';'), at least one octet: tlsrpt-ext-value, sts-ext-value.
bool IsExtensionValue(std::string_view value);

// Which of the TXT records at a name is the record (RFC 8460 section 3, RFC 8461 section 3.1).
// Where there are several, those that do not begin with version and semicolon, "v=STSv1;", are
// dropped, although the grammar has blanks between the two; unless one is left, there is none.
struct RecordSelection {
  enum class Outcome : uint8_t { kNone, kOne, kMultiple };
  Outcome outcome = Outcome::kNone;
  std::vector<size_t> indexes;
};
// `records`: each with its character-strings joined.
RecordSelection SelectByVersion(const std::vector<std::string>& records, std::string_view version);

// Findings of both: what is outside the grammar but read nonetheless, and names other than `known`.
struct FieldListCodes {
  std::string_view syntax;
  std::string_view unknown_field;
  std::string_view rfc_section;
};
void LintFieldList(const FieldList& list, std::string_view version,
                   const std::vector<std::string>& known, const FieldListCodes& codes,
                   FindingList& findings);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_MAILAUTH_FIELD_LIST_H_
