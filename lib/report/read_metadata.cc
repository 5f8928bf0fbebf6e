// report_metadata (report-quirks section 7): who reports, and for which interval.
#include <algorithm>
#include <utility>

#include "absl/time/time.h"
#include <fmt/format.h>

#include "lib/base/text.h"
#include "lib/report/aggregate_reader.h"
#include "lib/report/date_text.h"
#include "lib/report/domain_text.h"

namespace dmarcate {
namespace {

constexpr size_t kErrors = 100;
constexpr std::string_view kRangePath = "report_metadata/date_range";
constexpr int64_t kDaySeconds = 86'400;
constexpr int64_t kEarliest = 1'325'376'000;  // 2012-01-01, the year of the first reports (R17)
constexpr absl::Duration kAhead = absl::Hours(48);

bool IsAddrSpec(std::string_view word) {
  const size_t at = word.rfind('@');
  return at != std::string_view::npos && at > 0 && at + 1 < word.size() && word.find('@') == at;
}

// R4: the first word that is an address, wherever it stands.
std::string_view FirstAddrSpec(std::string_view text) {
  constexpr std::string_view kAround = " \t\r\n,;<>()\"[]:'";
  size_t begin = 0;
  while ((begin = text.find_first_not_of(kAround, begin)) != std::string_view::npos) {
    const size_t end = std::min(text.find_first_of(kAround, begin), text.size());
    const std::string_view word = text.substr(begin, end - begin);
    if (IsAddrSpec(word)) return word;
    begin = end;
  }
  return {};
}

std::string Interval(int64_t begin, int64_t end) { return fmt::format("{}..{}", begin, end); }

}  // namespace

void AggregateReader::ReadMetadata(pugi::xml_node node) {
  has_metadata_ = true;
  ReportMetadata& metadata = report_.metadata;
  ForEachChild(node, "report_metadata", Bit(Element::kError),
               [&](Element element, pugi::xml_node child) {
                 switch (element) {
                   case Element::kOrgName:
                     metadata.org_name = TextOf(child, element, "report_metadata/org_name");
                     return true;
                   case Element::kEmail:
                     ReadEmail(child);
                     return true;
                   case Element::kExtraContactInfo:
                     metadata.extra_contact_info =
                         TextOf(child, element, "report_metadata/extra_contact_info");
                     return true;
                   case Element::kReportId:
                     metadata.report_id = TextOf(child, element, "report_metadata/report_id");
                     return true;
                   case Element::kDateRange:
                     ReadDateRange(child);
                     return true;
                   case Element::kError: {
                     const std::string_view text = TextOf(child, element, "report_metadata/error");
                     if (!text.empty() && metadata.errors.size() < kErrors)
                       metadata.errors.emplace_back(text);
                     return true;
                   }
                   case Element::kGenerator:
                     metadata.generator = TextOf(child, element, "report_metadata/generator");
                     speaks_9990_ = true;
                     return true;
                   case Element::kVersion:  // S7: another position
                     if (report_.version.empty()) {
                       report_.version = TextOf(child, element, "report_metadata/version");
                     }
                     return true;
                   default:
                     return false;
                 }
               });
}

void AggregateReader::ReadEmail(pugi::xml_node node) {
  const std::string_view text = TextOf(node, Element::kEmail, "report_metadata/email");
  const std::string_view address = FirstAddrSpec(text);
  if (address != text) {
    log_.Add(address.empty() ? "email_invalid" : "email_extracted", "report_metadata/email", text,
             address, Effect::kCosmetic);
  }
  report_.metadata.email = address;
}

void AggregateReader::ReadDateRange(pugi::xml_node node) {
  ForEachChild(node, kRangePath, 0, [&](Element element, pugi::xml_node child) {
    if (element == Element::kBegin) {
      begin_text_ = TextOf(child, element, "report_metadata/date_range/begin");
    } else if (element == Element::kEnd) {
      end_text_ = TextOf(child, element, "report_metadata/date_range/end");
    } else {
      return false;
    }
    return true;
  });
}

// R11 to R17. An interval that is missing or absurd is placed by the file name, then by the day the
// mail came; one edge alone stands for both, as an instant (R16).
void AggregateReader::FillDates() {
  const auto read = [&](const std::string& text, DateEdge edge, std::string_view path) {
    const std::optional<DateValue> value = ReadDate(text, edge);
    if (value.has_value() && value->form != DateForm::kSeconds) {
      const auto code = value->form == DateForm::kFraction ? "date_fraction"
                        : value->form == DateForm::kScaled ? "date_scaled"
                                                           : "date_text";
      log_.Add(code, path, text, fmt::format("{}", value->seconds),
               value->form == DateForm::kFraction ? Effect::kCosmetic : Effect::kMaterial);
    }
    return value.has_value() ? value->seconds : 0;
  };
  int64_t begin = read(begin_text_, DateEdge::kBegin, "report_metadata/date_range/begin");
  int64_t end = read(end_text_, DateEdge::kEnd, "report_metadata/date_range/end");
  const bool named = file_name_.has_value() && file_name_->begin > 0 && file_name_->end > 0;
  const bool received_known =
      hints_.received_time > absl::UnixEpoch() && hints_.received_time < absl::InfiniteFuture();
  const int64_t received_day =
      received_known ? absl::ToUnixSeconds(hints_.received_time) / kDaySeconds * kDaySeconds : 0;
  const std::string raw = begin_text_ + ".." + end_text_;
  if (begin == 0 || end == 0) {
    if (begin != 0 || end != 0) {
      begin = end = std::max(begin, end);
    } else if (named) {
      begin = file_name_->begin;
      end = file_name_->end;
      log_.Add("from_filename", kRangePath, hints_.file_name, Interval(begin, end),
               Effect::kMaterial);
    } else if (received_known) {
      begin = received_day;
      end = received_day + kDaySeconds - 1;
    }
    log_.Add("date_missing", kRangePath, raw, begin == 0 ? "" : Interval(begin, end),
             Effect::kMaterial);
  } else if (named && (file_name_->begin != begin || file_name_->end != end)) {
    log_.Add("filename_interval_mismatch", kRangePath, hints_.file_name, Interval(begin, end),
             Effect::kCosmetic);  // N5: the document wins
  }
  const auto plausible = [&](int64_t seconds) {
    return seconds >= kEarliest &&
           (!received_known || seconds <= absl::ToUnixSeconds(hints_.received_time + kAhead));
  };
  if (begin != 0 && (!plausible(begin) || !plausible(end))) {
    if (received_known) {
      begin = received_day;
      end = received_day + kDaySeconds - 1;
    }
    log_.Add("date_implausible", kRangePath, raw, Interval(begin, end), Effect::kMaterial);
  } else if (begin > end) {
    std::swap(begin, end);
    log_.Add("date_swapped", kRangePath, raw, Interval(begin, end), Effect::kMaterial);
  }
  report_.metadata.begin = begin;
  report_.metadata.end = end;
}

void AggregateReader::FillOrgName() {
  ReportMetadata& metadata = report_.metadata;
  if (metadata.report_id.empty() && !has_metadata_ && !subject_.report_id.empty()) {  // S8
    metadata.report_id = subject_.report_id;
    log_.Add("from_subject", "report_metadata/report_id", "", subject_.report_id,
             Effect::kCosmetic);
  }
  if (!metadata.org_name.empty()) return;
  const size_t at = metadata.email.rfind('@');
  if (at != std::string::npos) {
    metadata.org_name = ReadDomainText(metadata.email).text;
  } else if (!hints_.from_domain.empty()) {
    metadata.org_name = ToValidUtf8(hints_.from_domain);
  } else if (file_name_.has_value()) {
    metadata.org_name = file_name_->receiver;
  }
  log_.Add("org_missing", "report_metadata/org_name", "", metadata.org_name, Effect::kCosmetic);
}

}  // namespace dmarcate
