#include "lib/store/report_store.h"

#include <charconv>

#include "absl/time/civil_time.h"
#include "fmt/format.h"

#include "lib/store/report_rules.h"

namespace dmarcate {
namespace {

// All of `text` as a number without sign; nothing else.
template <typename T>
bool ParseNumber(std::string_view text, int base, T* out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out, base);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

std::string ReportKey::ToId() const {
  const absl::CivilDay civil = ToCivil(day);
  return fmt::format("{:04}{:02}{:02}-{:016x}-{}", civil.year(), civil.month(), civil.day(),
                     receipt, item);
}

std::optional<ReportKey> ReportKey::FromId(std::string_view domain, std::string_view id) {
  constexpr size_t kDate = 8, kReceipt = 16;
  if (id.size() < kDate + kReceipt + 3 || id.size() > kDate + kReceipt + 7) return std::nullopt;
  int32_t date = 0;
  ReportKey key;
  key.domain = domain;
  if (!ParseNumber(id.substr(0, kDate), 10, &date) || date < 0 ||
      !ParseNumber(id.substr(kDate + 1, kReceipt), 16, &key.receipt) ||
      !ParseNumber(id.substr(kDate + kReceipt + 2), 10, &key.item)) {
    return std::nullopt;
  }
  key.day = FromCivil(absl::CivilDay(date / 10000, date / 100 % 100, date % 100));
  // One report, one id: whatever would print otherwise is no id.
  if (key.day < 0 || key.ToId() != id) return std::nullopt;
  return key;
}

}  // namespace dmarcate
