#include "policyd/service/convert.h"

#include <charconv>

#include "absl/time/civil_time.h"
#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/rpc/errors.h"

namespace dmarcate {
namespace {

absl::Status BadRange(std::string_view message) {
  return ReasonError(Reason::kIntervalInvalid, fmt::format("date_range: {}", message),
                     {{"field", "date_range"}});
}

absl::StatusOr<DayNumber> ReadDate(const v1::Date& date) {
  if (date.year() < 1970 || date.year() > 9999) {
    return BadRange(fmt::format("year {} is not within 1970 to 9999", date.year()));
  }
  const absl::CivilDay day(date.year(), date.month(), date.day());  // normalises 31 February
  if (day.month() != date.month() || day.day() != date.day()) {
    return BadRange(fmt::format("{}-{}-{} is no date", date.year(), date.month(), date.day()));
  }
  return FromCivil(day);
}

}  // namespace

DayRange DefaultRange(const Clock& clock) {
  const DayNumber today = DayOf(clock.Now());
  return {today - kDefaultRangeDays + 1, today};
}

absl::StatusOr<DayRange> ReadRange(const v1::DateRange& range, const Clock& clock) {
  DayRange out = DefaultRange(clock);
  if (range.has_last_date()) {
    DMARCATE_ASSIGN_OR_RETURN(out.last, ReadDate(range.last_date()));
    out.first = out.last - kDefaultRangeDays + 1;
  }
  if (range.has_first_date()) {
    DMARCATE_ASSIGN_OR_RETURN(out.first, ReadDate(range.first_date()));
  }
  if (out.first > out.last) {
    return BadRange(fmt::format("{} is after {}", FormatDay(out.first), FormatDay(out.last)));
  }
  if (out.days() > kMaxRangeDays) {
    return BadRange(fmt::format("{} days, limit {}", out.days(), kMaxRangeDays));
  }
  return out;
}

v1::Date ToMessage(DayNumber day) {
  const absl::CivilDay civil = ToCivil(day);
  v1::Date out;
  out.set_year(static_cast<int32_t>(civil.year()));
  out.set_month(civil.month());
  out.set_day(civil.day());
  return out;
}

v1::DateRange ToMessage(const DayRange& range) {
  v1::DateRange out;
  *out.mutable_first_date() = ToMessage(range.first);
  *out.mutable_last_date() = ToMessage(range.last);
  return out;
}

v1::MessageCounts ToMessage(const Counts& counts) {
  v1::MessageCounts out;
  out.set_message_count(counts.messages);
  out.set_dmarc_pass_count(counts.dmarc_pass);
  out.set_dkim_aligned_count(counts.dkim_aligned);
  out.set_spf_aligned_count(counts.spf_aligned);
  out.set_both_aligned_count(counts.both_aligned);
  out.set_dkim_pass_count(counts.dkim_pass);
  out.set_spf_pass_count(counts.spf_pass);
  out.set_disposition_none_count(counts.disposition_none);
  out.set_quarantine_count(counts.quarantine);
  out.set_reject_count(counts.reject);
  out.set_disposition_unknown_count(counts.disposition_unknown);
  return out;
}

v1::TrustClass ToMessage(TrustClass trust) {
  return static_cast<v1::TrustClass>(trust);  // both number the classes alike
}
static_assert(static_cast<int>(TrustClass::kAnchored) == v1::TRUST_CLASS_ANCHORED &&
              static_cast<int>(TrustClass::kAuthenticated) == v1::TRUST_CLASS_AUTHENTICATED &&
              static_cast<int>(TrustClass::kImported) == v1::TRUST_CLASS_IMPORTED &&
              static_cast<int>(TrustClass::kUnverified) == v1::TRUST_CLASS_UNVERIFIED &&
              static_cast<int>(TrustClass::kQuarantined) == v1::TRUST_CLASS_QUARANTINED);

google::protobuf::Timestamp ToTimestamp(absl::Time time) {
  google::protobuf::Timestamp out;
  const int64_t seconds = absl::ToUnixSeconds(time);  // rounds down, as Timestamp wants it
  out.set_seconds(seconds);
  out.set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
  return out;
}

std::string_view TrustKey(size_t trust) {
  constexpr std::string_view kKeys[kTrustClasses] = {"unspecified", "anchored",   "authenticated",
                                                     "imported",    "unverified", "quarantined"};
  return trust < kTrustClasses ? kKeys[trust] : "unspecified";
}

std::string_view OverrideKey(size_t reason) {
  constexpr std::string_view kKeys[kReasonTypes] = {
      "unspecified",  "forwarded",    "sampled_out", "trusted_forwarder",
      "mailing_list", "local_policy", "other",       "policy_test_mode"};
  return reason < kReasonTypes ? kKeys[reason] : "unspecified";
}

std::string MakeEtag(uint64_t revision) { return fmt::format("r{}", revision); }

absl::StatusOr<uint64_t> ReadEtag(std::string_view etag) {
  if (etag.empty()) {
    return ReasonError(Reason::kEtagRequired, "etag: required; read the resource first",
                       {{"field", "etag"}});
  }
  uint64_t revision = 0;
  const char* const end = etag.data() + etag.size();
  if (etag.front() == 'r') {
    const auto [stop, error] = std::from_chars(etag.data() + 1, end, revision);
    if (error == std::errc() && stop == end) return revision;
  }
  return ReasonError(Reason::kEtagMismatch, "etag: it is none of this resource; read it again");
}

absl::Status CheckEtag(std::string_view etag, uint64_t revision) {
  DMARCATE_ASSIGN_OR_RETURN(const uint64_t named, ReadEtag(etag));
  if (named == revision) return absl::OkStatus();
  return ReasonError(Reason::kEtagMismatch,
                     "etag: the resource has changed since it was read; read it again",
                     {{"etag", MakeEtag(revision)}});
}

}  // namespace dmarcate
