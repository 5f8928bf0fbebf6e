#include "lib/mailauth/field_list.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/mailauth/chars.h"
#include "lib/mailauth/syntax_error.h"

namespace dmarcate {
namespace {

constexpr size_t kMaxOctets = 65535;  // what a TXT record can hold
constexpr size_t kMaxFields = 1000;

bool IsVisible(char c) { return c > ' ' && c < 0x7f; }

// `text`: one segment without the blanks around it.
absl::StatusOr<RecordField> ParseField(std::string_view text, size_t position) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos) {
    return SyntaxError(position, text.empty() ? "a field is expected between two semicolons"
                                              : fmt::format("{} is no name=value", Quoted(text)));
  }
  RecordField field;
  field.name = std::string(text.substr(0, equals));
  field.value = std::string(text.substr(equals + 1));
  field.position = static_cast<int>(position);
  field.value_position = static_cast<int>(position + equals + 1);
  if (field.name.ends_with(' ') || field.name.ends_with('\t') || field.value.starts_with(' ') ||
      field.value.starts_with('\t')) {
    return SyntaxError(position, fmt::format("{} has a blank beside '='", Quoted(text)));
  }
  if (!IsFieldName(field.name)) {
    return SyntaxError(position,
                       fmt::format("{} is no field name: letters, digits, '_', '-' and '.', at "
                                   "most {}, a letter or digit first",
                                   Quoted(field.name), kMaxFieldNameOctets));
  }
  if (field.value.empty()) {
    return SyntaxError(position, fmt::format("field {} is empty", field.name));
  }
  if (!std::ranges::all_of(field.value, [](char c) { return IsVisible(c) || IsBlank(c); })) {
    return SyntaxError(
        position, fmt::format("field {} has characters that are not visible ASCII", field.name));
  }
  return field;
}

}  // namespace

bool IsFieldName(std::string_view name) {
  const auto is_alphanumeric = [](char c) { return IsAlpha(c) || IsDigit(c); };
  return !name.empty() && name.size() <= kMaxFieldNameOctets && is_alphanumeric(name[0]) &&
         std::ranges::all_of(
             name, [&](char c) { return is_alphanumeric(c) || c == '_' || c == '-' || c == '.'; });
}

std::string FieldList::Render() const { return Join(segments, ";"); }

const RecordField* FieldList::Find(std::string_view name) const {
  const auto found = std::ranges::find(fields, name, &RecordField::name);
  return found == fields.end() ? nullptr : &*found;
}

bool FieldList::ends_in_blanks() const {
  return !segments.empty() && !segments.back().empty() && IsBlank(segments.back().back()) &&
         !TrimBlanks(segments.back()).empty();
}

absl::StatusOr<FieldList> ParseFieldList(std::string_view text, std::string_view version) {
  if (text.size() > kMaxOctets) {
    return SyntaxError(kMaxOctets, "record is longer than a TXT record can be");
  }
  FieldList list;
  size_t position = 0;
  for (const std::string_view segment : Split(text, ';')) {
    const std::string_view trimmed = TrimBlanks(segment);
    const bool last = position + segment.size() == text.size();
    const size_t blanks = static_cast<size_t>(trimmed.data() - segment.data());
    if (list.segments.empty()) {
      if (trimmed != version || blanks != 0) {
        return SyntaxError(0, fmt::format("record does not begin with '{}'", version));
      }
    } else if (!last || !trimmed.empty()) {
      if (list.fields.size() == kMaxFields) {
        return SyntaxError(position, fmt::format("more than {} fields", kMaxFields));
      }
      DMARCATE_ASSIGN_OR_RETURN(RecordField field, ParseField(trimmed, position + blanks));
      list.fields.push_back(std::move(field));
    }
    list.segments.emplace_back(segment);
    position += segment.size() + 1;
  }
  if (list.fields.empty()) return SyntaxError(text.size(), "no field follows the version");
  return list;
}

bool IsExtensionValue(std::string_view value) {
  return !value.empty() &&
         std::ranges::all_of(value, [](char c) { return IsVisible(c) && c != '=' && c != ';'; });
}

RecordSelection SelectByVersion(const std::vector<std::string>& records, std::string_view version) {
  RecordSelection selection;
  for (size_t i = 0; i < records.size(); ++i) {
    const std::string_view text = records[i];
    if (!text.starts_with(version)) continue;
    std::string_view rest = text.substr(version.size());
    if (records.size() == 1) {
      while (!rest.empty() && IsBlank(rest.front())) rest.remove_prefix(1);
    }
    if (rest.starts_with(';')) selection.indexes.push_back(i);
  }
  using Outcome = RecordSelection::Outcome;
  selection.outcome = selection.indexes.empty()       ? Outcome::kNone
                      : selection.indexes.size() == 1 ? Outcome::kOne
                                                      : Outcome::kMultiple;
  return selection;
}

void LintFieldList(const FieldList& list, std::string_view version,
                   const std::vector<std::string>& known, const FieldListCodes& codes,
                   FindingList& findings) {
  if (list.segments.front() != version) {
    findings.Add(codes.syntax, Severity::kWarning, "", static_cast<int>(version.size()),
                 fmt::format("a blank stands before the first semicolon: where there are other TXT "
                             "records, senders drop what does not begin with '{};'",
                             version),
                 fmt::format("Write {}; without the blank.", version), codes.rfc_section);
  }
  if (list.ends_in_blanks()) {
    findings.Add(codes.syntax, Severity::kWarning, "", static_cast<int>(list.Render().size()) - 1,
                 "the record ends in a blank, which its grammar does not allow",
                 "Remove the blank, or put a semicolon before it.", codes.rfc_section);
  }
  for (const RecordField& field : list.fields) {
    if (findings.full()) return;
    if (std::ranges::find(known, field.name) != known.end()) continue;
    const std::string near = Nearest(AsciiLower(field.name), known);
    LintFinding& finding = findings.Add(
        codes.unknown_field, Severity::kInfo, field.name, field.position,
        fmt::format("senders ignore field {}", Quoted(field.name)),
        near.empty() ? "Remove it." : fmt::format("Did you mean {}? Otherwise remove it.", near),
        codes.rfc_section);
    finding.metadata["field"] = field.name;
  }
}

}  // namespace dmarcate
