#include "cli/rollout_fields.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include "fmt/format.h"
#include <CLI/CLI.hpp>

#include "cli/rollout_text.h"
#include "lib/base/text.h"

namespace dmarcate::cli {
namespace {

constexpr std::array<std::string_view, 7> kWeekdays = {"mon", "tue", "wed", "thu",
                                                       "fri", "sat", "sun"};

v1::Rollout::Mode ModeOf(const std::string& text) {
  if (text == "advise") return v1::Rollout::MODE_ADVISE;
  return text == "automatic" ? v1::Rollout::MODE_AUTOMATIC : v1::Rollout::MODE_CONFIRM;
}

// "mon,tue" or "mon-fri" as 1 to 7; nothing: neither.
std::vector<int> ParseWeekdays(std::string_view text) {
  std::vector<int> out;
  const auto number = [](std::string_view day) {
    const auto found = std::ranges::find(kWeekdays, day);
    return found == kWeekdays.end() ? 0 : static_cast<int>(found - kWeekdays.begin()) + 1;
  };
  for (const std::string_view part : Split(text, ',')) {
    const size_t dash = part.find('-');
    const int first = number(part.substr(0, dash));
    const int last = dash == std::string_view::npos ? first : number(part.substr(dash + 1));
    if (first == 0 || last < first) return {};
    for (int day = first; day <= last; ++day) out.push_back(day);
  }
  return out;
}

// Minutes of "09:30"; nothing: it is none.
std::optional<int> ParseClock(std::string_view text) {
  int hour = 0;
  int minute = 0;
  if (text.size() != 5 || text[2] != ':') return std::nullopt;
  const auto parse = [](std::string_view digits, int& value) {
    const auto [stop, error] = std::from_chars(digits.data(), digits.data() + 2, value);
    return error == std::errc() && stop == digits.data() + 2 && value >= 0;
  };
  if (!parse(text.substr(0, 2), hour) || !parse(text.substr(3, 2), minute)) return std::nullopt;
  const int all = 60 * hour + minute;
  return minute < 60 && all <= 24 * 60 ? std::optional(all) : std::nullopt;
}

std::optional<std::pair<int, int>> ParseHours(std::string_view text) {
  const size_t dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const std::optional<int> from = ParseClock(text.substr(0, dash));
  const std::optional<int> to = ParseClock(text.substr(dash + 1));
  if (!from.has_value() || !to.has_value() || *from >= *to) return std::nullopt;
  return std::pair(*from, *to);
}

CLI::Validator IsWeekdays() {
  return {[](const std::string& text) {
            return ParseWeekdays(text).empty() ? std::string("want \"mon-fri\" or \"mon,wed\"")
                                               : std::string();
          },
          ""};
}
CLI::Validator IsHours() {
  return {[](const std::string& text) {
            return ParseHours(text).has_value() ? std::string()
                                                : std::string("want \"09:00-17:00\"");
          },
          ""};
}

v1::RolloutSettings& SettingsOf(v1::Rollout& rollout) { return *rollout.mutable_settings(); }

// Hours of which only a part was given begin with the days that are the default.
v1::RolloutHours& HoursOf(v1::Rollout& rollout) {
  v1::RolloutSettings& settings = SettingsOf(rollout);
  if (!settings.has_hours()) {
    for (int day = 1; day <= 5; ++day) settings.mutable_hours()->add_weekdays(day);
  }
  return *settings.mutable_hours();
}

}  // namespace

v1::Rollout::Stage StageNamed(const std::string& text) {
  if (text == "none") return v1::Rollout::STAGE_OBSERVE;
  for (int i = v1::Rollout::STAGE_OBSERVE; i <= v1::Rollout::STAGE_REJECT; ++i) {
    const auto stage = static_cast<v1::Rollout::Stage>(i);
    if (StageText(stage) == text) return stage;
  }
  return v1::Rollout::STAGE_UNSPECIFIED;
}

void RolloutFields::Note(CLI::Option* option, std::string path, Set set) {
  flags_.push_back({option, std::move(path), std::move(set)});
}

void RolloutFields::AddDays(CLI::App* command) {
  struct Days {
    const char* flag;
    const char* path;
    const char* help;
    int* value;
    void (v1::RolloutSettings::*set)(int32_t);
  };
  const Days kDays[] = {
      {"--observe-days", "settings.observe_days", "14 to 365; default 30", &observe_days_,
       &v1::RolloutSettings::set_observe_days},
      {"--test-days", "settings.test_days", "3 to 365; default 7", &test_days_,
       &v1::RolloutSettings::set_test_days},
      {"--quarantine-days", "settings.quarantine_days", "14 to 365; default 30", &quarantine_days_,
       &v1::RolloutSettings::set_quarantine_days},
      {"--min-anchors", "settings.min_anchors", "known receivers that report; 2 to 20; default 2",
       &min_anchors_, &v1::RolloutSettings::set_min_anchors},
      {"--covered-days", "settings.covered_days", "of the last 30; 20 to 30; default 25",
       &covered_days_, &v1::RolloutSettings::set_covered_days},
      {"--freshness-hours", "settings.freshness_hours",
       "age of the newest report; 24 to 168; default 72", &freshness_hours_,
       &v1::RolloutSettings::set_freshness_hours}};
  for (const Days& days : kDays) {
    Note(command->add_option(days.flag, *days.value, days.help), days.path,
         [value = days.value, set = days.set](v1::Rollout& rollout) {
           (SettingsOf(rollout).*set)(*value);
         });
  }
}

void RolloutFields::AddThresholds(CLI::App* command) {
  Note(command->add_option("--source-floor", source_floor_,
                           "messages from which on a source has a rate; 1 to 500; default 50"),
       "settings.source_floor",
       [this](v1::Rollout& rollout) { SettingsOf(rollout).set_source_floor(source_floor_); });
  struct Share {
    const char* flag;
    const char* path;
    const char* help;
    double* value;
    void (v1::RolloutSettings::*set)(double);
  };
  const Share kShares[] = {
      {"--source-aligned", "settings.source_aligned",
       "percent of each source that align; 97 to 100; default 99", &source_aligned_,
       &v1::RolloutSettings::set_source_aligned},
      {"--source-dkim", "settings.source_dkim",
       "percent of each source that are signed, for reject; 95 to 100; default 98", &source_dkim_,
       &v1::RolloutSettings::set_source_dkim},
      {"--unexplained", "settings.unexplained",
       "percent that may look legitimate and be undecided; 0 to 2; default 0.5", &unexplained_,
       &v1::RolloutSettings::set_unexplained},
      {"--forwarding-loss", "settings.forwarding_loss",
       "percent that may be lost through forwarders; 0 to 5; default 1", &forwarding_loss_,
       &v1::RolloutSettings::set_forwarding_loss},
      {"--receiver-proof", "settings.receiver_proof",
       "percent of the volume that has seen the policy; 50 to 100; default 80", &receiver_proof_,
       &v1::RolloutSettings::set_receiver_proof},
      {"--signed-impact", "settings.signed_impact",
       "percent that mode automatic may touch without a yes; 0 to 2; default 1", &signed_impact_,
       &v1::RolloutSettings::set_signed_impact}};
  for (const Share& share : kShares) {
    Note(command->add_option(share.flag, *share.value, share.help), share.path,
         [value = share.value, set = share.set](v1::Rollout& rollout) {
           (SettingsOf(rollout).*set)(*value / 100);
         });
  }
}

void RolloutFields::AddHours(CLI::App* command) {
  Note(command
           ->add_option("--working-days", weekdays_,
                        "on which a step up may be taken: mon-fri (default), or mon,wed,sat")
           ->check(IsWeekdays()),
       "settings.hours.weekdays", [this](v1::Rollout& rollout) {
         v1::RolloutHours& hours = HoursOf(rollout);
         hours.clear_weekdays();
         for (const int day : ParseWeekdays(weekdays_)) hours.add_weekdays(day);
       });
  CLI::Option* const hours =
      command
          ->add_option("--working-hours", hours_,
                       "in which a step up may be taken: 09:00-17:00; default: all day")
          ->check(IsHours());
  Note(hours, "settings.hours.from_minute", [this](v1::Rollout& rollout) {
    HoursOf(rollout).set_from_minute(ParseHours(hours_)->first);
  });
  Note(hours, "settings.hours.to_minute", [this](v1::Rollout& rollout) {
    HoursOf(rollout).set_to_minute(ParseHours(hours_)->second);
  });
  Note(command->add_option("--utc-offset", utc_offset_,
                           "of these hours, in minutes: 60 is an hour east; default 0"),
       "settings.hours.utc_offset_minutes",
       [this](v1::Rollout& rollout) { HoursOf(rollout).set_utc_offset_minutes(utc_offset_); });
}

void RolloutFields::Add(CLI::App* command, Use use) {
  Note(command->add_option("--target", target_, "quarantine (default) or reject")
           ->check(CLI::IsMember({"quarantine", "reject"}).description("")),
       "target", [this](v1::Rollout& rollout) { rollout.set_target(StageNamed(target_)); });
  Note(command->add_option("--mode", mode_, "advise, confirm (default) or automatic")
           ->check(CLI::IsMember({"advise", "confirm", "automatic"}).description("")),
       "mode", [this](v1::Rollout& rollout) { rollout.set_mode(ModeOf(mode_)); });
  Note(command->add_option("--accept-loss", accept_loss_,
                           "what is lost through lists and forwarders, in your words; reject needs "
                           "it"),
       "settings.accepted_loss",
       [this](v1::Rollout& rollout) { SettingsOf(rollout).set_accepted_loss(accept_loss_); });
  Note(command->add_flag("--no-mailboxes", no_mailboxes_,
                         "nobody of the domain writes to mailing lists"),
       "settings.no_ordinary_mailboxes",
       [](v1::Rollout& rollout) { SettingsOf(rollout).set_no_ordinary_mailboxes(true); });
  Note(command->add_flag("--no-step-down", no_step_down_, "never lower by itself"),
       "settings.no_step_down",
       [](v1::Rollout& rollout) { SettingsOf(rollout).set_no_step_down(true); });
  if (use == Use::kStanding) {
    Note(command->add_flag("--mailboxes", mailboxes_, "people of the domain write to lists")
             ->excludes("--no-mailboxes"),
         "settings.no_ordinary_mailboxes",
         [](v1::Rollout& rollout) { SettingsOf(rollout).set_no_ordinary_mailboxes(false); });
    Note(command->add_flag("--step-down", step_down_, "lower by itself on breakage that was seen")
             ->excludes("--no-step-down"),
         "settings.no_step_down",
         [](v1::Rollout& rollout) { SettingsOf(rollout).set_no_step_down(false); });
  }
  Note(command->add_option("--waive", waive_,
                           "approved source without mail; may be repeated, and names them all"),
       "settings.waived_sources", [this](v1::Rollout& rollout) {
         SettingsOf(rollout).clear_waived_sources();
         for (const std::string& source : waive_) SettingsOf(rollout).add_waived_sources(source);
       });
  AddDays(command);
  AddThresholds(command);
  AddHours(command);
}

bool RolloutFields::any() const {
  return std::ranges::any_of(flags_, [](const Flag& flag) { return flag.option->count() > 0; });
}

void RolloutFields::Fill(v1::Rollout* rollout, google::protobuf::FieldMask* mask) const {
  for (const Flag& flag : flags_) {
    if (flag.option->count() == 0) continue;
    flag.set(*rollout);
    if (mask != nullptr) mask->add_paths(flag.path);
  }
}

}  // namespace dmarcate::cli
