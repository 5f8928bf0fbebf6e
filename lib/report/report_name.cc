#include "lib/report/report_name.h"

#include <algorithm>
#include <vector>

#include "lib/base/text.h"
#include "lib/report/date_text.h"
#include "lib/report/domain_text.h"

namespace dmarcate {
namespace {

constexpr size_t kLongestName = 1024;

std::string WithBangs(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i, 3) == "%21") {
      out += '!';
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

// The time of one field; digits up to the end or, in the last field, up to the extension.
bool ReadTime(std::string_view field, DateEdge edge, int64_t& seconds) {
  field = field.substr(0, field.find('.'));
  if (field.empty() || field.find_first_not_of("0123456789") != std::string_view::npos)
    return false;
  const auto date = ReadDate(field, edge);
  seconds = date.has_value() ? date->seconds : 0;
  return true;
}

// The word after `label` in `subject`, which `folded` repeats in lower case.
std::string_view After(std::string_view subject, std::string_view folded, std::string_view label) {
  const size_t at = folded.find(label);
  if (at == std::string_view::npos) return {};
  std::string_view rest = subject.substr(at + label.size());
  rest = rest.substr(std::min(rest.size(), rest.find_first_not_of(" \t\r\n:")));
  if (rest.starts_with('<'))
    return rest.substr(
        1, rest.find('>') == std::string_view::npos ? std::string_view::npos : rest.find('>') - 1);
  return rest.substr(0, rest.find_first_of(" \t\r\n"));
}

}  // namespace

std::optional<ReportFileName> ReadReportFileName(std::string_view file_name) {
  if (file_name.size() > kLongestName) return std::nullopt;
  std::string name = WithBangs(file_name);
  name.erase(0, name.find_last_of("/\\") + 1);  // npos + 1 is 0
  const std::vector<std::string_view> fields = Split(name, '!');
  ReportFileName result;
  if (fields.size() < 4 || !ReadTime(fields[2], DateEdge::kBegin, result.begin) ||
      !ReadTime(fields[3], DateEdge::kEnd, result.end)) {
    return std::nullopt;
  }
  result.receiver = AsciiLower(TrimAscii(fields[0]));
  result.domain = ReadDomainText(TrimAscii(fields[1]), OddDomain::kKeep).text;
  if (!IsHostName(result.domain)) return std::nullopt;
  if (!result.receiver.empty() && !IsHostName(result.receiver)) return std::nullopt;
  return result;
}

ReportSubject ReadReportSubject(std::string_view subject) {
  ReportSubject result;
  if (subject.size() > kLongestName) return result;
  const std::string folded = AsciiLower(subject);
  const std::string domain = ReadDomainText(After(subject, folded, "report domain")).text;
  if (IsHostName(domain)) result.domain = domain;
  const std::string submitter = ReadDomainText(After(subject, folded, "submitter")).text;
  if (IsHostName(submitter)) result.submitter = submitter;
  result.report_id = ToValidUtf8(After(subject, folded, "report-id"));
  return result;
}

}  // namespace dmarcate
