#include "cli/messages.h"

#include "absl/time/clock.h"
#include "fmt/format.h"
#include <CLI/CLI.hpp>

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/base/time.h"

namespace dmarcate::cli {
namespace {

void SetDate(DayNumber day, v1::Date* out) {
  const absl::CivilDay civil = ToCivil(day);
  out->set_year(static_cast<int32_t>(civil.year()));
  out->set_month(civil.month());
  out->set_day(civil.day());
}

absl::StatusOr<DayNumber> DayOption(std::string_view flag, const std::string& text) {
  const auto day = ParseDay(text);
  if (day.ok()) return *day;
  return MakeError(day.status().code(),
                   fmt::format("{}: '{}' is no day; want YYYY-MM-DD", flag, text));
}

}  // namespace

std::string Text(const v1::Date& date) {
  if (date.year() == 0) return "-";
  return fmt::format("{:04}-{:02}-{:02}", date.year(), date.month(), date.day());
}

std::string Text(const google::protobuf::Timestamp& time) {
  if (time.seconds() == 0) return "-";
  return FormatRfc3339(absl::FromUnixSeconds(time.seconds()));
}

std::string EnumText(std::string_view value_name, std::string_view prefix) {
  if (value_name.starts_with(prefix)) value_name.remove_prefix(prefix.size());
  return AsciiLower(value_name);
}

void DateRangeOptions::Add(CLI::App* command) {
  command->add_option("--from", from, "first UTC day, YYYY-MM-DD");
  command->add_option("--to", to, "last UTC day, YYYY-MM-DD; default today");
  command->add_option("--days", days, "so many days up to the last one, at most 400; default 30")
      ->check(CLI::Range(1, 400))
      ->excludes("--from");
}

absl::Status DateRangeOptions::Fill(v1::DateRange* range) const {
  DayNumber last = DayOf(absl::Now());
  if (!to.empty()) {
    DMARCATE_ASSIGN_OR_RETURN(last, DayOption("--to", to));
    SetDate(last, range->mutable_last_date());
  }
  if (!from.empty()) {
    DMARCATE_ASSIGN_OR_RETURN(const DayNumber first, DayOption("--from", from));
    SetDate(first, range->mutable_first_date());
  } else if (days > 0) {
    SetDate(last - days + 1, range->mutable_first_date());
  }
  return absl::OkStatus();
}

std::vector<Column> CountColumns() {
  return {{"MESSAGES", Align::kRight},       {"PASS", Align::kRight},
          {"DKIM", Align::kRight},           {"SPF", Align::kRight},
          {"DKIM_RAW", Align::kRight, true}, {"SPF_RAW", Align::kRight, true},
          {"NONE", Align::kRight, true},     {"QUARANTINE", Align::kRight, true},
          {"REJECT", Align::kRight, true}};
}

void AppendCounts(const v1::MessageCounts& counts, std::vector<Cell>* cells) {
  const int64_t n = counts.message_count();
  cells->push_back(CountCell(n));
  cells->push_back(RateCell(counts.dmarc_pass_count(), n));
  cells->push_back(RateCell(counts.dkim_aligned_count(), n));
  cells->push_back(RateCell(counts.spf_aligned_count(), n));
  cells->push_back(RateCell(counts.dkim_pass_count(), n));
  cells->push_back(RateCell(counts.spf_pass_count(), n));
  cells->push_back(CountCell(counts.disposition_none_count()));
  cells->push_back(CountCell(counts.quarantine_count()));
  cells->push_back(CountCell(counts.reject_count()));
}

}  // namespace dmarcate::cli
