#include "cli/parsed_report.h"

#include <utility>
#include <vector>

#include "cli/report_text.h"
#include "lib/base/text.h"
#include "lib/view/report_view.h"

namespace dmarcate::cli {
namespace {

std::vector<Column> ColumnsOf(const std::vector<const char*>& titles) {
  std::vector<Column> out;
  for (const char* title : titles) out.push_back({title});
  return out;
}

}  // namespace

v1::AggregateReport ToApi(const UnpackedReport& report) {
  v1::AggregateReport out;
  ToMessage(*report.aggregate, &out);
  for (const AggregateRecord& record : report.aggregate->records) {
    ToMessage(record, out.add_records());
  }
  for (const Repair& repair : report.repairs) ToMessage(repair, out.add_findings());
  out.set_finding_count(static_cast<int32_t>(report.repairs.size()));
  out.set_outcome(ToMessage(report.outcome));
  out.set_content_sha256(ToHex(report.document_sha256));
  return out;
}

bool ParsedTables::Add(const std::string& where, const UnpackedReport& report) {
  if (report.aggregate) {
    AddRecords(ToApi(report), where, &records_);
  } else if (report.tls) {
    AddTls(where, *report.tls);
  } else if (report.failure) {
    AddFailure(where, *report.failure);
  } else {
    return false;
  }
  return true;
}

// A row for each policy with its sums, and one for each failure below it without: sums must not
// stand there twice.
void ParsedTables::AddTls(const std::string& where, const TlsReport& report) {
  if (!tls_) {
    tls_.emplace(ColumnsOf({"FILE", "DOMAIN", "ORGANIZATION", "REPORT_ID", "BEGIN", "END", "POLICY",
                            "OK", "FAILED", "RESULT", "RESULT_FAILED", "MX", "SENDER"}));
  }
  for (const TlsReport::PolicyResult& policy : report.policies) {
    const std::vector<Cell> common = {where,
                                      policy.policy_domain,
                                      report.organization_name,
                                      report.report_id,
                                      report.begin_text,
                                      report.end_text,
                                      policy.policy_type};
    std::vector<Cell> sums = common;
    sums.emplace_back(std::to_string(policy.successful_sessions));
    sums.emplace_back(std::to_string(policy.failed_sessions));
    tls_->Add(where, std::move(sums));
    for (const TlsReport::FailureDetail& failure : policy.failures) {
      std::vector<Cell> row = common;
      for (const std::string& cell : {std::string(), std::string(), failure.result_type,
                                      std::to_string(failure.failed_sessions),
                                      failure.receiving_mx_hostname, failure.sending_mta_ip}) {
        row.emplace_back(cell);
      }
      tls_->Add(where, std::move(row));
    }
  }
}

void ParsedTables::AddFailure(const std::string& where, const FailureReport& report) {
  if (!failures_) {
    failures_.emplace(ColumnsOf({"FILE", "DOMAIN", "ADDRESS", "FAILED", "ARRIVED", "DELIVERY",
                                 "FROM", "MAIL_FROM", "DKIM", "SELECTOR", "MESSAGES", "REPORTER"}));
  }
  failures_->Add(where,
                 {where, report.reported_domain, report.source_ip, Join(report.auth_failure, " "),
                  report.arrival_date, report.delivery_result, report.original_from_domain,
                  report.original_mail_from_domain, report.dkim_domain, report.dkim_selector,
                  std::to_string(report.incidents), report.user_agent});
}

void ParsedTables::Write() const {
  bool first = true;
  for (const std::optional<Table>* table : {&records_, &tls_, &failures_}) {
    if (!table->has_value()) continue;
    if (!std::exchange(first, false)) WriteOut("\r\n");
    WriteOut((*table)->Render(Format::kCsv));
  }
}

}  // namespace dmarcate::cli
