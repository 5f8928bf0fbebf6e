#include "tests/lib/unpack/samples.h"

#include <utility>

#include "fmt/format.h"

#include "lib/base/digest.h"
#include "lib/base/text.h"

namespace dmarcate {

std::string SampleXml(std::string_view report_id) {
  return fmt::format(R"(<?xml version="1.0" encoding="UTF-8"?>
<feedback>
  <version>1.0</version>
  <report_metadata>
    <org_name>Reporter</org_name>
    <email>reports@reporter.example</email>
    <report_id>{}</report_id>
    <date_range><begin>1764547200</begin><end>1764633599</end></date_range>
  </report_metadata>
  <policy_published>
    <domain>example.com</domain><adkim>r</adkim><aspf>r</aspf><p>none</p><sp>none</sp><pct>100</pct>
  </policy_published>
  <record>
    <row>
      <source_ip>192.0.2.1</source_ip><count>3</count>
      <policy_evaluated><disposition>none</disposition><dkim>pass</dkim><spf>fail</spf></policy_evaluated>
    </row>
    <identifiers><header_from>example.com</header_from></identifiers>
    <auth_results>
      <dkim><domain>example.com</domain><selector>s1</selector><result>pass</result></dkim>
      <spf><domain>example.net</domain><scope>mfrom</scope><result>fail</result></spf>
    </auth_results>
  </record>
</feedback>
)",
                     report_id);
}

LargestReport MakeLargestReport() {
  const std::string xml = SampleXml();
  LargestReport out;
  out.xml = xml.substr(0, xml.find("  <record>"));
  while (out.xml.size() < (95u << 20)) {
    const int64_t i = out.records++;
    const int64_t count = 1 + i * 7919 % 1000;
    out.messages += count;
    out.xml += fmt::format(
        "<record><row><source_ip>192.0.{}.{}</source_ip><count>{}</count><policy_evaluated>"
        "<disposition>none</disposition><dkim>pass</dkim><spf>fail</spf></policy_evaluated></row>"
        "<identifiers><header_from>news.example.com</header_from><envelope_from>bounce.example.net"
        "</envelope_from></identifiers><auth_results><dkim><domain>example.com</domain><selector>"
        "s1</selector><result>pass</result></dkim><spf><domain>bounce.example.net</domain><scope>"
        "mfrom</scope><result>pass</result></spf></auth_results></record>\n",
        i / 256 % 256, i % 256, count);
  }
  out.xml += "</feedback>\n";
  return out;
}

std::string SampleTlsJson() {
  return R"({"organization-name": "Reporter", "contact-info": "tls@reporter.example",
 "date-range": {"start-datetime": "2025-12-01T00:00:00Z", "end-datetime": "2025-12-01T23:59:59Z"},
 "report-id": "t-1", "policies": [{"policy": {"policy-type": "sts", "policy-string":
 ["version: STSv1"], "policy-domain": "example.com", "mx-host": ["mx.example.com"]},
 "summary": {"total-successful-session-count": 5, "total-failure-session-count": 1}}]})";
}

std::string SampleFeedback() {
  return "Feedback-Type: auth-failure\nUser-Agent: Reporter/1.0\nVersion: 1\n"
         "Original-Mail-From: <x@example.com>\nArrival-Date: Mon, 01 Dec 2025 12:00:00 +0000\n"
         "Source-IP: 192.0.2.1\nReported-Domain: example.com\nAuth-Failure: dmarc\n"
         "Delivery-Result: reject\nIdentity-Alignment: none\n";
}

std::string LeafMail(std::string_view fields, std::string_view body) {
  return fmt::format(
      "From: Reporter <reports@reporter.example>\nTo: rua@example.com\n"
      "Subject: Report Domain: example.com Submitter: reporter.example Report-ID: <r-1>\n"
      "Message-ID: <m-1@reporter.example>\nDate: Tue, 02 Dec 2025 01:00:00 +0000\n"
      "MIME-Version: 1.0\n{}\n\n{}",
      fields, body);
}

std::string MixedMail(const std::vector<std::string>& parts) {
  std::string body;
  for (const std::string& part : parts) body += "--b\n" + part + "\n";
  return LeafMail("Content-Type: multipart/mixed; boundary=b", body + "--b--\n");
}

std::string Base64Lines(std::string_view data) {
  const std::string text = Base64Encode(data);
  std::string out;
  for (size_t i = 0; i < text.size(); i += 76) out += text.substr(i, 76) + "\n";
  return out;
}

std::string Base64Part(std::string_view content_type, std::string_view file_name,
                       std::string_view data) {
  return fmt::format(
      "Content-Type: {}\nContent-Transfer-Encoding: base64\n"
      "Content-Disposition: attachment; filename=\"{}\"\n\n{}",
      content_type, file_name, Base64Lines(data));
}

std::string_view NameOf(Outcome outcome) {
  switch (outcome) {
    case Outcome::kAccepted:
      return "accepted";
    case Outcome::kAcceptedCosmetic:
      return "cosmetic";
    case Outcome::kAcceptedMaterial:
      return "material";
    case Outcome::kQuarantined:
      return "quarantined";
    case Outcome::kOverLimit:
      return "over_limit";
    case Outcome::kNotAReport:
      return "not_a_report";
    case Outcome::kDuplicate:
      return "duplicate";
  }
  return "?";
}

std::string_view NameOf(ReportKind kind) {
  switch (kind) {
    case ReportKind::kAggregate:
      return "aggregate";
    case ReportKind::kFailure:
      return "failure";
    case ReportKind::kTls:
      return "tls";
    case ReportKind::kUnknown:
      break;
  }
  return "unknown";
}

std::string ToLine(const UnpackedReport& report) {
  std::string line = fmt::format("{} {}", NameOf(report.kind), NameOf(report.outcome));
  if (!report.reason.empty()) line += " " + report.reason;
  line += fmt::format(" [{}]", Join(report.container, "/"));
  if (report.aggregate) line += " " + report.aggregate->metadata.report_id;
  if (report.tls) line += " " + report.tls->report_id;
  if (report.failure) line += " " + report.failure->reported_domain;
  if (!report.repairs.empty()) {
    std::vector<std::string> codes;
    for (const Repair& repair : report.repairs) codes.push_back(repair.code);
    line += fmt::format(" {{{}}}", Join(codes, ","));
  }
  return line;
}

std::vector<std::string> UnpackLines(std::string input, std::string_view file_name,
                                     const UnpackLimits& limits, bool handed_in,
                                     MakeRecordSink make_sink) {
  UnpackHints hints;
  hints.handed_in = handed_in;
  hints.make_sink = std::move(make_sink);
  hints.file_name = file_name;
  hints.received_time = absl::FromUnixSeconds(1764720000);  // 2025-12-03
  std::vector<std::string> lines;
  for (const UnpackedReport& report : Unpack(std::move(input), hints, limits).reports) {
    lines.push_back(ToLine(report));
  }
  return lines;
}

}  // namespace dmarcate
