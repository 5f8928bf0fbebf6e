#include "ingestd/intake/verify_totals.h"

#include <string>
#include <string_view>
#include <utility>

#include "ingestd/intake/to_proto.h"
#include "lib/base/text.h"
#include "lib/base/time.h"
#include "lib/mailauth/domain_name.h"
#include "lib/rpc/errors.h"

namespace dmarcate {
namespace {

constexpr std::string_view kDomains = "domains/";
constexpr int64_t kDaysInOneMessage = 100;
constexpr int kDifferencesInOneMessage = 1000;

void AddDifferences(const DayCheck& check, v1::VerifyTotalsResponse* out) {
  const auto compare = [&](std::string_view field, uint64_t total, uint64_t recount) {
    if (total == recount) return;
    out->set_difference_count(out->difference_count() + 1);
    v1::TotalsDifference* difference = out->add_differences();
    difference->set_domain(std::string(kDomains) + ToValidUtf8(check.domain));
    const absl::CivilDay day = ToCivil(check.total.day);
    difference->mutable_date()->set_year(static_cast<int32_t>(day.year()));
    difference->mutable_date()->set_month(day.month());
    difference->mutable_date()->set_day(day.day());
    difference->set_field(std::string(field));
    difference->set_total(total);
    difference->set_recount(recount);
  };
  const DayTotals &a = check.total, &b = check.recount;
  compare("reports", static_cast<uint64_t>(a.reports), static_cast<uint64_t>(b.reports));
  compare("records", static_cast<uint64_t>(a.records), static_cast<uint64_t>(b.records));
  compare("messages", a.messages, b.messages);
  compare("dmarc_pass", a.dmarc_pass, b.dmarc_pass);
  compare("dkim_aligned", a.dkim_aligned, b.dkim_aligned);
  compare("spf_aligned", a.spf_aligned, b.spf_aligned);
  compare("both_aligned", a.both_aligned, b.both_aligned);
  compare("disposition_none", a.disposition_none, b.disposition_none);
  compare("quarantine", a.quarantine, b.quarantine);
  compare("reject", a.reject, b.reject);
  compare("pass", a.pass, b.pass);
  compare("disposition_unknown", a.disposition_unknown, b.disposition_unknown);
}

}  // namespace

grpc::Status VerifyTotals(ReportWriter& store, const Call& call, const v1::VerifyTotalsRequest& in,
                          StreamWriter<v1::VerifyTotalsResponse>& writer) {
  if (!in.parent().starts_with(kDomains) || in.parent().size() == kDomains.size()) {
    return FieldError(Reason::kNameMalformed, "parent", "want domains/{domain} or domains/-");
  }
  // As reports are filed: in canonical form, or as they name it if that is no domain name.
  const auto text = std::string_view(in.parent()).substr(kDomains.size());
  const auto name = DomainName::Parse(text);
  std::string domain;  // of "-" none, which means all
  if (text != "-") domain = name.ok() ? name->text() : AsciiLower(text);
  v1::VerifyTotalsResponse progress;
  bool ended = false;
  const absl::Status status = store.VerifyTotals(domain, [&](const DayCheck& check) {
    progress.set_day_count(progress.day_count() + 1);
    progress.set_report_count(progress.report_count() + check.recount.reports);
    AddDifferences(check, &progress);
    if (progress.day_count() % kDaysInOneMessage == 0 ||
        progress.differences_size() >= kDifferencesInOneMessage) {
      ended = !writer.Write(progress);
      progress.clear_differences();
    }
    ended = ended || call.cancelled();
    return !ended;
  });
  if (!status.ok()) return ToRpcError(status, Reason::kStoreUnavailable);
  if (ended) return grpc::Status::OK;  // nobody listens
  progress.set_complete(true);
  writer.Write(progress);
  return grpc::Status::OK;
}

}  // namespace dmarcate
