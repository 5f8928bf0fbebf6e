#include "lib/mailauth/finding_list.h"

#include "fmt/format.h"

namespace dmarcate {

LintFinding& FindingList::Add(std::string_view code, Severity severity, std::string_view part,
                              int position, std::string message, std::string fix_hint,
                              std::string_view rfc_section) {
  if (full()) return dropped_ = {};
  LintFinding finding;
  finding.code = std::string(code);
  finding.severity = severity;
  finding.path = part.empty() ? path_ : fmt::format("{}/{}", path_, part);
  finding.position = position;
  finding.message = std::move(message);
  finding.fix_hint = std::move(fix_hint);
  finding.rfc_section = std::string(rfc_section);
  return findings_.emplace_back(std::move(finding));
}

}  // namespace dmarcate
