// Target, mode and settings of a rollout as flags: what they set, and by which path.

#include "cli/rollout_fields.h"

#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dmarcate::cli {
namespace {

using testing::ElementsAre;

struct Parsed {
  v1::Rollout rollout;
  std::vector<std::string> paths;
  bool any = false;
};

Parsed Parse(RolloutFields::Use use, const std::string& line) {
  CLI::App app;
  RolloutFields fields;
  fields.Add(&app, use);
  app.parse(line, false);
  Parsed out;
  google::protobuf::FieldMask mask;
  fields.Fill(&out.rollout, &mask);
  out.paths = {mask.paths().begin(), mask.paths().end()};
  out.any = fields.any();
  return out;
}

TEST(RolloutFields, WhatIsNotGivenIsNotSet) {
  const Parsed parsed = Parse(RolloutFields::Use::kNew, "");
  EXPECT_FALSE(parsed.any);
  EXPECT_TRUE(parsed.paths.empty());
  EXPECT_EQ(parsed.rollout.ByteSizeLong(), 0u);
}

TEST(RolloutFields, SharesAreGivenInPercent) {
  const Parsed parsed = Parse(RolloutFields::Use::kStanding,
                              "--observe-days 45 --source-aligned 98.5 --unexplained 0 "
                              "--target reject --mode automatic");
  EXPECT_TRUE(parsed.any);
  EXPECT_THAT(parsed.paths, ElementsAre("target", "mode", "settings.observe_days",
                                        "settings.source_aligned", "settings.unexplained"));
  EXPECT_EQ(parsed.rollout.target(), v1::Rollout::STAGE_REJECT);
  EXPECT_EQ(parsed.rollout.mode(), v1::Rollout::MODE_AUTOMATIC);
  EXPECT_EQ(parsed.rollout.settings().observe_days(), 45);
  EXPECT_DOUBLE_EQ(parsed.rollout.settings().source_aligned(), 0.985);
  EXPECT_TRUE(parsed.rollout.settings().has_unexplained());
}

TEST(RolloutFields, HoursAreDaysAndTimes) {
  const Parsed parsed = Parse(RolloutFields::Use::kStanding,
                              "--working-days mon-wed,sat --working-hours 09:00-15:30 "
                              "--utc-offset 60");
  EXPECT_THAT(parsed.paths,
              ElementsAre("settings.hours.weekdays", "settings.hours.from_minute",
                          "settings.hours.to_minute", "settings.hours.utc_offset_minutes"));
  const v1::RolloutHours& hours = parsed.rollout.settings().hours();
  EXPECT_THAT(hours.weekdays(), ElementsAre(1, 2, 3, 6));
  EXPECT_EQ(hours.from_minute(), 540);
  EXPECT_EQ(hours.to_minute(), 930);
  EXPECT_EQ(hours.utc_offset_minutes(), 60);
  // Of a new one the days that were not given are the default.
  EXPECT_EQ(Parse(RolloutFields::Use::kNew, "--working-hours 09:00-24:00")
                .rollout.settings()
                .hours()
                .weekdays_size(),
            5);
}

TEST(RolloutFields, WhatWasLeftOutIsAskedForAgain) {
  const Parsed parsed = Parse(RolloutFields::Use::kStanding, "--mailboxes --step-down");
  EXPECT_THAT(parsed.paths, ElementsAre("settings.no_ordinary_mailboxes", "settings.no_step_down"));
  EXPECT_FALSE(parsed.rollout.settings().no_ordinary_mailboxes());
  EXPECT_FALSE(parsed.rollout.settings().no_step_down());
}

TEST(RolloutFields, RefusesWhatIsNoDayOrTime) {
  for (const char* line :
       {"--working-days montag", "--working-days fri-mon", "--working-hours 9-17",
        "--working-hours 17:00-09:00", "--working-hours 09:00-24:01", "--working-hours 09:60-10:00",
        "--mailboxes --no-mailboxes", "--target observe"}) {
    EXPECT_THROW(Parse(RolloutFields::Use::kStanding, line), CLI::ParseError) << line;
  }
}

}  // namespace
}  // namespace dmarcate::cli
