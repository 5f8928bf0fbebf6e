#include "lib/report/date_text.h"

#include <array>
#include <charconv>

#include "absl/time/civil_time.h"
#include "absl/time/time.h"

#include "lib/base/text.h"

namespace dmarcate {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Consumes from the front of a text; every method leaves it unchanged when it returns false.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}

  bool AtEnd() const { return text_.empty(); }
  bool Take(char c) {
    if (text_.empty() || text_[0] != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool TakeNumber(size_t shortest, size_t longest, int& value) {
    size_t length = 0;
    while (length < text_.size() && length < longest && IsDigit(text_[length])) ++length;
    if (length < shortest) return false;
    std::from_chars(text_.data(), text_.data() + length, value);
    text_.remove_prefix(length);
    return true;
  }
  std::string_view TakeLetters() {
    size_t length = 0;
    while (length < text_.size() && AsciiLower(text_[length]) >= 'a' &&
           AsciiLower(text_[length]) <= 'z') {
      ++length;
    }
    const std::string_view letters = text_.substr(0, length);
    text_.remove_prefix(length);
    return letters;
  }
  void SkipBlanks() {
    while (Take(' ') || Take('\t')) {
    }
  }
  void SkipDigits() {
    while (!text_.empty() && IsDigit(text_[0])) text_.remove_prefix(1);
  }

 private:
  std::string_view text_;
};

// "+0800", "+08:00", "Z", "GMT", "EST", or nothing. Seconds east of UTC.
bool TakeZone(Cursor& cursor, int& offset) {
  offset = 0;
  int sign = 0;
  if (cursor.Take('+')) sign = 1;
  if (sign == 0 && cursor.Take('-')) sign = -1;
  if (sign != 0) {
    int hours = 0;
    int minutes = 0;
    if (!cursor.TakeNumber(2, 2, hours)) return false;
    cursor.Take(':');
    if (!cursor.TakeNumber(2, 2, minutes)) return false;
    offset = sign * (hours * 3600 + minutes * 60);
    return hours < 24 && minutes < 60;
  }
  struct Zone {
    std::string_view name;
    int hours;
  };
  static constexpr Zone kZones[] = {{"", 0},     {"z", 0},    {"ut", 0},   {"utc", 0},  {"gmt", 0},
                                    {"est", -5}, {"edt", -4}, {"cst", -6}, {"cdt", -5}, {"mst", -7},
                                    {"mdt", -6}, {"pst", -8}, {"pdt", -7}};  // RFC 5322 section 4.3
  const std::string name = AsciiLower(cursor.TakeLetters());
  for (const Zone& zone : kZones) {
    if (zone.name == name) {
      offset = zone.hours * 3600;
      return true;
    }
  }
  return false;
}

struct Fields {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, offset = 0;
};

std::optional<int64_t> ToSeconds(const Fields& f) {
  const int second = f.second == 60 ? 59 : f.second;  // a leap second is the last one of its minute
  const absl::CivilSecond civil(f.year, f.month, f.day, f.hour, f.minute, second);
  // The constructor normalises; a real date comes back as it was.
  if (civil.year() != f.year || civil.month() != f.month || civil.day() != f.day ||
      civil.hour() != f.hour || civil.minute() != f.minute || civil.second() != second) {
    return std::nullopt;
  }
  return absl::ToUnixSeconds(absl::FromCivil(civil, absl::UTCTimeZone())) - f.offset;
}

bool TakeClock(Cursor& cursor, Fields& f) {
  if (!cursor.TakeNumber(1, 2, f.hour) || !cursor.Take(':') || !cursor.TakeNumber(2, 2, f.minute)) {
    return false;
  }
  if (cursor.Take(':') && !cursor.TakeNumber(2, 2, f.second)) return false;
  if (cursor.Take('.') || cursor.Take(',')) cursor.SkipDigits();
  return true;
}

std::optional<int64_t> ReadRfc3339(std::string_view text) {
  Cursor cursor(text);
  Fields f;
  if (!cursor.TakeNumber(4, 4, f.year) || !cursor.Take('-') || !cursor.TakeNumber(2, 2, f.month) ||
      !cursor.Take('-') || !cursor.TakeNumber(2, 2, f.day)) {
    return std::nullopt;
  }
  if (cursor.AtEnd()) return ToSeconds(f);
  if (!cursor.Take('T') && !cursor.Take('t') && !cursor.Take(' ')) return std::nullopt;
  if (!TakeClock(cursor, f)) return std::nullopt;
  cursor.SkipBlanks();
  if (!TakeZone(cursor, f.offset) || !cursor.AtEnd()) return std::nullopt;
  return ToSeconds(f);
}

std::optional<int64_t> ReadRfc5322(std::string_view text) {
  static constexpr std::array<std::string_view, 12> kMonths = {
      "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"};
  Cursor cursor(text);
  Fields f;
  cursor.TakeLetters();  // the day of the week
  cursor.Take(',');
  cursor.SkipBlanks();
  if (!cursor.TakeNumber(1, 2, f.day)) return std::nullopt;
  cursor.SkipBlanks();
  const std::string month = AsciiLower(cursor.TakeLetters());
  for (size_t i = 0; i < kMonths.size(); ++i) {
    if (month.starts_with(kMonths[i])) f.month = static_cast<int>(i) + 1;
  }
  cursor.SkipBlanks();
  if (f.month == 0 || !cursor.TakeNumber(2, 4, f.year)) return std::nullopt;
  if (f.year < 100) f.year += f.year < 50 ? 2000 : 1900;  // RFC 5322 section 4.3
  cursor.SkipBlanks();
  if (!TakeClock(cursor, f)) return std::nullopt;
  cursor.SkipBlanks();
  if (!TakeZone(cursor, f.offset)) return std::nullopt;
  cursor.SkipBlanks();
  if (!cursor.AtEnd() && !cursor.Take('(')) return std::nullopt;
  return ToSeconds(f);
}

}  // namespace

std::optional<int64_t> ReadDateText(std::string_view text) {
  constexpr size_t kLongest = 64;
  text = TrimAscii(text);
  if (text.empty() || text.size() > kLongest) return std::nullopt;
  if (const auto value = ReadRfc3339(text); value.has_value()) return value;
  return ReadRfc5322(text);
}

std::optional<DateValue> ReadDate(std::string_view text, DateEdge edge) {
  DateValue value;
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  const auto [rest, error] = std::from_chars(begin, end, value.seconds);
  if (error == std::errc::result_out_of_range) return std::nullopt;
  bool fraction = false;
  if (error == std::errc() && rest != end) {
    if (*rest != '.') {
      const auto seconds = ReadDateText(text);
      if (!seconds.has_value()) return std::nullopt;
      return DateValue{.seconds = *seconds, .form = DateForm::kText};
    }
    for (const char* p = rest + 1; p != end; ++p) {
      if (!IsDigit(*p)) return std::nullopt;
      fraction = fraction || *p != '0';
    }
    value.form = DateForm::kFraction;
  } else if (error != std::errc()) {
    const auto seconds = ReadDateText(text);
    if (!seconds.has_value()) return std::nullopt;
    return DateValue{.seconds = *seconds, .form = DateForm::kText};
  }
  if (value.seconds <= 0) return std::nullopt;
  constexpr int64_t kMillis = 100'000'000'000;  // 10^11: as seconds, the year 5138
  constexpr int64_t kMicros = kMillis * 1000;
  constexpr int64_t kNanos = kMicros * 1000;
  if (value.seconds > kMillis) {
    value.seconds /= value.seconds > kNanos    ? 1'000'000'000
                     : value.seconds > kMicros ? 1'000'000
                                               : 1000;
    value.form = DateForm::kScaled;
  } else if (fraction && edge == DateEdge::kEnd) {
    ++value.seconds;
  }
  return value;
}

}  // namespace dmarcate
