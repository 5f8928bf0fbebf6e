#include "policyd/plan/manual_sheet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using testing::IsEmpty;
using testing_support::StatusIs;

ChangeRecord Change(const std::string& owner, std::vector<std::string> before,
                    std::vector<std::string> after) {
  RecordChangeRecord record;
  record.zone = "example.com";
  record.owner_name = owner;
  record.before = std::move(before);
  record.after = std::move(after);
  record.ttl_before = 600;
  record.ttl_after = 300;
  ChangeRecord change;
  change.record_changes = {record};
  return change;
}

TEST(ManualSheetTest, ANewRecordIsAdded) {
  const auto edits =
      ManualEditsOf(Change("_dmarc.sub.example.com", {}, {"\"v=DMARC1; p=none\""})).value();
  ASSERT_EQ(edits.size(), 1u);
  EXPECT_EQ(edits[0].action, ManualEdit::Action::kAdd);
  EXPECT_EQ(edits[0].zone, "example.com");
  EXPECT_EQ(edits[0].host, "_dmarc.sub");
  EXPECT_EQ(edits[0].ttl_seconds, 300u);
  EXPECT_EQ(edits[0].value, "v=DMARC1; p=none");
  EXPECT_EQ(edits[0].old_value, "");
  EXPECT_EQ(edits[0].zone_line, "_dmarc.sub.example.com. 300 IN TXT \"v=DMARC1; p=none\"");
}

TEST(ManualSheetTest, OnlyWhatChangesIsInIt) {
  const auto edits =
      ManualEditsOf(Change("example.com", {"\"verification\"", "\"v=spf1 -all\"", "\"twice\""},
                           {"\"twice\"", "\"v=spf1 mx -all\"", "\"verification\""}))
          .value();
  ASSERT_EQ(edits.size(), 1u);
  EXPECT_EQ(edits[0].action, ManualEdit::Action::kReplace);
  EXPECT_EQ(edits[0].host, "@");
  EXPECT_EQ(edits[0].old_value, "v=spf1 -all");
  EXPECT_EQ(edits[0].value, "v=spf1 mx -all");
}

TEST(ManualSheetTest, ARecordOfAnotherKindIsNotReplacedButRemoved) {
  const auto edits =
      ManualEditsOf(Change("example.com", {"\"v=spf1 -all\""}, {"\"verification\""})).value();
  ASSERT_EQ(edits.size(), 2u);
  EXPECT_EQ(edits[0].action, ManualEdit::Action::kAdd);
  EXPECT_EQ(edits[1].action, ManualEdit::Action::kRemove);
  EXPECT_EQ(edits[1].old_value, "v=spf1 -all");
  EXPECT_EQ(edits[1].zone_line, "");
}

TEST(ManualSheetTest, TheSameTextInOtherPiecesIsNoEdit) {
  EXPECT_THAT(
      ManualEditsOf(Change("example.com", {"\"v=spf1\" \" -all\""}, {"\"v=spf1 -all\""})).value(),
      IsEmpty());
}

TEST(ManualSheetTest, ALongTextIsWholeInTheFormAndCutInTheZoneFile) {
  const std::string text = "v=spf1 " + std::string(300, 'x');
  const auto edits =
      ManualEditsOf(Change("example.com", {},
                           {"\"" + text.substr(0, 255) + "\" \"" + text.substr(255) + "\""}))
          .value();
  EXPECT_EQ(edits[0].value, text);
  EXPECT_NE(edits[0].zone_line.find("\" \""), std::string::npos);
}

TEST(ManualSheetTest, WhatIsNoPlainTextIsInPresentationForm) {
  const auto edits = ManualEditsOf(Change("example.com", {}, {"\"a\\255\""})).value();
  EXPECT_EQ(edits[0].value, "\"a\\255\"");
}

TEST(ManualSheetTest, AStoredChangeThatDoesNotParse) {
  EXPECT_THAT(ManualEditsOf(Change("example.org", {}, {"\"x\""})),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(ManualEditsOf(Change("example.com", {}, {"\"x"})),
              StatusIs(absl::StatusCode::kDataLoss));
}

}  // namespace
}  // namespace dmarcate
