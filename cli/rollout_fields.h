// cli/rollout_fields.h
// Target, mode and settings of a rollout as flags: of `rollout start`, `set` and `simulate`.

#ifndef DMARCATE_CLI_ROLLOUT_FIELDS_H_
#define DMARCATE_CLI_ROLLOUT_FIELDS_H_

#include <functional>
#include <string>
#include <vector>

#include <google/protobuf/field_mask.pb.h>

#include "dmarcate/v1/rollout.pb.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace dmarcate::cli {

// "none", "quarantine-test", ...; unspecified: none of them.
v1::Rollout::Stage StageNamed(const std::string& text);

// Lives as long as the command that its flags are of.
class RolloutFields {
 public:
  // kNew: of a rollout that begins. kStanding: of one that is there, where what was left out can be
  // asked for again (--mailboxes, --step-down).
  enum class Use { kNew, kStanding };
  void Add(CLI::App* command, Use use);
  // What was given.
  bool any() const;
  // Sets what was given in `rollout`, and names it in `mask` unless that is null.
  void Fill(v1::Rollout* rollout, google::protobuf::FieldMask* mask = nullptr) const;

 private:
  using Set = std::function<void(v1::Rollout&)>;
  struct Flag {
    CLI::Option* option;
    std::string path;  // "settings.observe_days"
    Set set;
  };
  void AddDays(CLI::App* command);
  void AddThresholds(CLI::App* command);
  void AddHours(CLI::App* command);
  void Note(CLI::Option* option, std::string path, Set set);

  std::string target_, mode_, accept_loss_, weekdays_, hours_;
  std::vector<std::string> waive_;
  bool mailboxes_ = false, no_mailboxes_ = false, step_down_ = false, no_step_down_ = false;
  int observe_days_ = 0, test_days_ = 0, quarantine_days_ = 0, min_anchors_ = 0, covered_days_ = 0;
  int freshness_hours_ = 0, source_floor_ = 0, utc_offset_ = 0;
  double source_aligned_ = 0, source_dkim_ = 0, unexplained_ = 0, forwarding_loss_ = 0;
  double receiver_proof_ = 0, signed_impact_ = 0;  // in percent
  std::vector<Flag> flags_;
};

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_ROLLOUT_FIELDS_H_
