#include "tests/lib/report/quirk_case.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dmarcate {

std::string GoodReport() {
  return R"(<?xml version="1.0" encoding="UTF-8"?>
<feedback>
 <version>1.0</version>
 <report_metadata>
  <org_name>Receiver</org_name><email>dmarc@receiver.example</email><report_id>id-1</report_id>
  <date_range><begin>1700006400</begin><end>1700092799</end></date_range>
 </report_metadata>
 <policy_published>
  <domain>example.com</domain><adkim>r</adkim><aspf>r</aspf><p>none</p><sp>reject</sp><pct>100</pct>
 </policy_published>
 <record>
  <row><source_ip>192.0.2.1</source_ip><count>2</count>
   <policy_evaluated><disposition>none</disposition><dkim>pass</dkim><spf>fail</spf></policy_evaluated>
  </row>
  <identifiers><header_from>example.com</header_from></identifiers>
  <auth_results>
   <dkim><domain>example.com</domain><selector>s1</selector><result>pass</result></dkim>
   <spf><domain>bounce.example.net</domain><scope>mfrom</scope><result>pass</result></spf>
  </auth_results>
 </record>
 <record>
  <row><source_ip>192.0.2.2</source_ip><count>3</count>
   <policy_evaluated><disposition>none</disposition><dkim>fail</dkim><spf>fail</spf></policy_evaluated>
  </row>
  <identifiers><header_from>news.example.com</header_from></identifiers>
  <auth_results>
   <spf><domain>other.example</domain><scope>helo</scope><result>softfail</result></spf>
  </auth_results>
 </record>
</feedback>
)";
}

std::string Replaced(std::string text, std::string_view from, std::string_view to) {
  const size_t at = text.find(from);
  if (at == std::string::npos) {
    ADD_FAILURE() << "the report does not hold " << from;
    return text;
  }
  return text.replace(at, from.size(), to);
}

std::string Changed(std::string_view from, std::string_view to) {
  return Replaced(GoodReport(), from, to);
}

ReportHints Hints() {
  ReportHints hints;
  hints.from_domain = "mail.receiver.example";
  hints.received_time = absl::FromUnixSeconds(1'700'100'000);  // 2023-11-16T02:00:00Z
  return hints;
}

std::vector<std::string> RepairTexts(const ParsedAggregate& parsed) {
  std::vector<std::string> texts;
  for (const Repair& r : parsed.repairs) {
    texts.push_back(r.code + " " + r.path + " [" + r.raw + "] -> [" + r.chosen + "]" +
                    (r.material ? " material" : ""));
  }
  return texts;
}

ParsedAggregate ParseOne(std::string document, const ReportHints& hints,
                         const AggregateLimits& limits) {
  std::vector<ParsedAggregate> results = ParseAggregate(std::move(document), hints, limits);
  EXPECT_EQ(results.size(), 1u);
  return results.empty() ? ParsedAggregate() : std::move(results[0]);
}

void PrintTo(const QuirkCase& c, std::ostream* out) { *out << c.name; }

void CheckQuirk(const QuirkCase& c) {
  const ParsedAggregate got = ParseOne(c.document);
  EXPECT_EQ(got.outcome, c.outcome) << got.reason << ": " << got.detail;
  EXPECT_THAT(RepairTexts(got), testing::ElementsAreArray(c.repairs));
  if (!got.report.has_value()) {
    ADD_FAILURE() << "no report: " << got.reason << ": " << got.detail;
    return;
  }
  if (c.check != nullptr) c.check(*got.report);
}

}  // namespace dmarcate
