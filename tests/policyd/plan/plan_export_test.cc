#include "policyd/plan/export/plan_export.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policyd/plan/txt_image.h"
#include "tests/testing/golden.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using testing::HasSubstr;
using testing_support::MatchesGolden;

RecordChangeRecord Record(const std::string& owner, const std::vector<std::string>& texts) {
  RecordChangeRecord record;
  record.zone = "example.com";
  record.owner_name = owner;
  record.before = {"\"old\""};
  record.ttl_after = 3600;
  std::vector<TxtRecord> records;
  for (const std::string& text : texts) records.push_back(MakeTxtRecord(text));
  record.after = ToPresentations(records);
  return record;
}

ChangeRecord Change(std::vector<RecordChangeRecord> records) {
  ChangeRecord change;
  change.domain = "example.com";
  change.id = "01jd2y4q8zj0k5c6v7w8x9y0ab";
  change.plan_digest = std::string(64, 'a');
  change.record_changes = std::move(records);
  return change;
}

// A long text, a macro, quotes, and a name without records.
ChangeRecord Everything() {
  std::string spf = "v=spf1";
  for (int i = 1; i <= 14; ++i) spf += " ip4:203.0.113." + std::to_string(i * 16) + "/28";
  return Change({Record("_dmarc.example.com", {"v=DMARC1; p=none; rua=mailto:r@example.com"}),
                 Record("example.com",
                        {spf + " exists:%{i}._spf.example.com ~all", "it's \"quoted\" ${x} %%"}),
                 Record("old.example.com", {})});
}

TEST(PlanExportTest, Bind) {
  EXPECT_THAT(ExportPlan(Everything(), ExportFormat::kBind).value(),
              MatchesGolden("export/plan.bind.want"));
}
TEST(PlanExportTest, Dnscontrol) {
  EXPECT_THAT(ExportPlan(Everything(), ExportFormat::kDnscontrol).value(),
              MatchesGolden("export/plan.dnscontrol.want"));
}
TEST(PlanExportTest, Octodns) {
  EXPECT_THAT(ExportPlan(Everything(), ExportFormat::kOctodns).value(),
              MatchesGolden("export/plan.octodns.want"));
}
TEST(PlanExportTest, Terraform) {
  EXPECT_THAT(ExportPlan(Everything(), ExportFormat::kTerraform).value(),
              MatchesGolden("export/plan.terraform.want"));
}

// What a zone file says is read back as the records, whatever their octets.
TEST(PlanExportTest, ZoneFileLinesHoldEveryOctet) {
  std::string every;
  for (int i = 0; i < 256; ++i) every += static_cast<char>(i);
  const std::string out =
      ExportPlan(Change({Record("a;b.example.com", {every})}), ExportFormat::kBind).value();
  EXPECT_THAT(out, HasSubstr("\na\\;b.example.com. 3600 IN TXT "));
  const size_t at = out.find(" IN TXT ");
  ASSERT_NE(at, std::string::npos);
  std::string rdata = out.substr(at + 8);
  ASSERT_EQ(rdata.find('\n'), rdata.size() - 1) << "one line";
  rdata.pop_back();
  EXPECT_EQ(ParseTxtPresentation(rdata)->Joined(), every);
}

TEST(PlanExportTest, WhatAFormatCannotCarryIsSaid) {
  for (const ExportFormat format :
       {ExportFormat::kDnscontrol, ExportFormat::kOctodns, ExportFormat::kTerraform}) {
    for (const std::string& text : {std::string("\xc3\xa9"), std::string("a\nb")}) {
      const auto out = ExportPlan(Change({Record("example.com", {text})}), format);
      EXPECT_THAT(out, testing_support::StatusIs(absl::StatusCode::kFailedPrecondition));
      EXPECT_THAT(out.status().ToString(), HasSubstr("TXT at example.com"));
    }
  }
  for (const std::string& text :
       {std::string("a\\;b"), std::string("\"a"), std::string("a\" \"b")}) {
    EXPECT_THAT(ExportPlan(Change({Record("example.com", {text})}), ExportFormat::kOctodns),
                testing_support::StatusIs(absl::StatusCode::kFailedPrecondition));
    EXPECT_TRUE(ExportPlan(Change({Record("example.com", {text})}), ExportFormat::kTerraform).ok());
  }
}

TEST(PlanExportTest, StoredNamesAreChecked) {
  ChangeRecord change = Change({Record("example.org", {"x"})});
  EXPECT_THAT(ExportPlan(change, ExportFormat::kBind),
              testing_support::StatusIs(absl::StatusCode::kDataLoss));
}

}  // namespace
}  // namespace dmarcate
