// tests/policyd/analysis/rows.h
// Rows and reports in few words, for tables.

#ifndef DMARCATE_TESTS_POLICYD_ANALYSIS_ROWS_H_
#define DMARCATE_TESTS_POLICYD_ANALYSIS_ROWS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/base/time.h"
#include "lib/report/model.h"
#include "lib/store/report_store.h"

namespace dmarcate::analysis_testing {

inline constexpr std::string_view kDomain = "example.com";

// One row, built up: Row(3).From("192.0.2.1").Dkim("example.com", "s1").Spf("bounce.test").
class Row {
 public:
  explicit Row(uint64_t count = 1) {
    record_.count = count;
    record_.header_from = kDomain;
    record_.source_ip = IpAddress::Parse("192.0.2.1");
    record_.dkim_aligned = record_.spf_aligned = AlignedResult::kFail;
    record_.disposition = Disposition::kNone;
  }
  Row&& From(std::string_view address) && {
    record_.source_ip = IpAddress::Parse(address);
    return std::move(*this);
  }
  Row&& Header(std::string_view domain) && {
    record_.header_from = domain;
    return std::move(*this);
  }
  // Aligned if it lies at or below example.com, as relaxed alignment has it.
  Row&& Dkim(std::string domain, std::string selector = "",
             AuthResult result = AuthResult::kPass) && {
    if (result == AuthResult::kPass && Aligned(domain)) record_.dkim_aligned = AlignedResult::kPass;
    DkimAuth auth{.domain = std::move(domain), .result = result};
    if (!selector.empty()) auth.selector = std::move(selector);
    record_.dkim.push_back(std::move(auth));
    return std::move(*this);
  }
  Row&& Spf(std::string domain, AuthResult result = AuthResult::kPass) && {
    if (result == AuthResult::kPass && Aligned(domain)) record_.spf_aligned = AlignedResult::kPass;
    record_.spf.push_back({.domain = std::move(domain), .result = result});
    return std::move(*this);
  }
  Row&& Says(ReasonType type, std::string comment = "") && {
    record_.reasons.push_back({type, std::move(comment)});
    return std::move(*this);
  }
  Row&& Then(Disposition disposition) && {
    record_.disposition = disposition;
    return std::move(*this);
  }
  Row&& Evaluated(AlignedResult dkim, AlignedResult spf) && {
    record_.dkim_aligned = dkim;
    record_.spf_aligned = spf;
    return std::move(*this);
  }
  operator AggregateRecord() && { return std::move(record_); }  // NOLINT: a row is a record

 private:
  static bool Aligned(std::string_view domain) {
    return domain == kDomain || domain.ends_with(".example.com");
  }
  AggregateRecord record_;
};

// A report of one UTC day.
inline StoredReport Report(DayNumber day, std::vector<AggregateRecord> records,
                           std::string organization = "receiver.test",
                           TrustClass trust = TrustClass::kImported) {
  StoredReport stored;
  stored.key = {.domain = std::string(kDomain), .day = day};
  stored.report.metadata.org_name = std::move(organization);
  stored.report.metadata.begin = int64_t{day} * 86400;
  stored.report.metadata.end = int64_t{day} * 86400 + 86399;
  stored.report.policy.domain = kDomain;
  stored.report.records = std::move(records);
  stored.trust = trust;
  return stored;
}

}  // namespace dmarcate::analysis_testing

#endif  // DMARCATE_TESTS_POLICYD_ANALYSIS_ROWS_H_
