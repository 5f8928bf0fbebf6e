// lib/report/header_fields.h
// "Name: value" lines as RFC 5322 and message/feedback-report have them: folded, in any case, with
// any line ends. Lenient: what is no field is passed over.

#ifndef DMARCATE_LIB_REPORT_HEADER_FIELDS_H_
#define DMARCATE_LIB_REPORT_HEADER_FIELDS_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dmarcate {

class HeaderFields {
 public:
  static constexpr size_t kMaxFields = 1000;  // more are not read

  HeaderFields() = default;
  explicit HeaderFields(std::string_view text);

  // The first field of that name, unfolded and trimmed; nullptr if there is none.
  const std::string* Find(std::string_view name) const;

 private:
  std::vector<std::pair<std::string, std::string>> fields_;  // name in lower case
};

// Without comments in parentheses, which may nest and hold quoted pairs (RFC 5322 section 3.2.2);
// trimmed.
std::string WithoutComments(std::string_view value);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_REPORT_HEADER_FIELDS_H_
