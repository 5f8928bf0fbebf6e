#include "lib/mailauth/mta_sts_record.h"

#include <algorithm>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/mailauth/chars.h"
#include "lib/mailauth/syntax_error.h"

namespace dmarcate {
namespace {

constexpr std::string_view kVersion = "v=STSv1";
constexpr std::string_view kSection = "RFC 8461 section 3.1";
constexpr size_t kMaxIdOctets = 32;

bool IsPolicyId(std::string_view value) {
  return !value.empty() && value.size() <= kMaxIdOctets &&
         std::ranges::all_of(value, [](char c) { return IsAlpha(c) || IsDigit(c); });
}

}  // namespace

absl::StatusOr<MtaStsRecord> ParseMtaStsRecord(std::string_view text) {
  MtaStsRecord record;
  DMARCATE_ASSIGN_OR_RETURN(record.list, ParseFieldList(text, kVersion));
  for (const RecordField& field : record.list.fields) {
    if (!IsExtensionValue(field.value)) {
      return SyntaxError(static_cast<size_t>(field.position),
                         fmt::format("field {} has a blank or '=' in its value", field.name));
    }
  }
  // Of a field that occurs twice, all but the first are ignored (section 3.2, for records too).
  const RecordField* id = record.list.Find("id");
  if (id == nullptr) return SyntaxError(text.size(), "there is no id");
  if (!IsPolicyId(id->value)) {
    return SyntaxError(
        static_cast<size_t>(id->value_position),
        fmt::format("{} is no id: at most {} letters and digits", Quoted(id->value), kMaxIdOctets));
  }
  record.id = id->value;
  return record;
}

RecordSelection SelectMtaSts(const std::vector<std::string>& records) {
  return SelectByVersion(records, kVersion);
}

std::vector<LintFinding> LintMtaStsRecord(const MtaStsRecord& record, std::string_view path) {
  FindingList findings(path);
  LintFieldList(record.list, kVersion, {"id"},
                {lint_code::kMtaStsSyntax, lint_code::kMtaStsUnknownField, kSection}, findings);
  const RecordField* first = record.list.Find("id");
  for (const RecordField& field : record.list.fields) {
    if (field.name != "id" || &field == first) continue;
    findings.Add(lint_code::kMtaStsDuplicateField, Severity::kWarning, "id", field.position,
                 "there are several ids, of which senders read the first", "Keep one id.",
                 "RFC 8461 section 3.2");
  }
  return findings.Take();
}

}  // namespace dmarcate
