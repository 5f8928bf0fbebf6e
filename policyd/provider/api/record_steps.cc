#include "policyd/provider/api/record_steps.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "lib/base/status_macros.h"

namespace dmarcate {
namespace {

constexpr absl::Duration kPauseBetweenTries = absl::Seconds(1);

// "v=spf1", "v=DMARC1": what makes two texts versions of one record.
std::string_view KindOf(std::string_view text) { return text.substr(0, text.find('=')); }

std::string VersionOf(const std::string& text) {
  if (!StartsWithIgnoreCase(text, "v=")) return std::string(KindOf(text));
  return AsciiLower(text.substr(0, text.find_first_of(" ;")));
}

// Which of `now` stay, and which of `after` are new; texts count as often as they are there.
struct Difference {
  std::vector<const HostedRecord*> gone;
  std::vector<const TxtRecord*> fresh;
  std::vector<std::pair<const HostedRecord*, const TxtRecord*>> kept;
};

Difference Compare(const HostedRrSet& now, const std::vector<TxtRecord>& after) {
  Difference difference;
  std::vector<const HostedRecord*> left;
  for (const HostedRecord& record : now.records) {
    if (record.txt) left.push_back(&record);
  }
  for (const TxtRecord& record : after) {
    const auto same = std::ranges::find_if(left, [&](const HostedRecord* candidate) {
      return candidate->txt->Joined() == record.Joined();
    });
    if (same == left.end()) {
      difference.fresh.push_back(&record);
    } else {
      difference.kept.emplace_back(*same, &record);
      left.erase(same);
    }
  }
  difference.gone = std::move(left);
  return difference;
}

absl::Status Locked(const HostedRecord& record) {
  if (record.locked.empty()) return absl::OkStatus();
  return MakeError(absl::StatusCode::kFailedPrecondition,
                   fmt::format("record {} cannot be changed: {}", EscapeForTerminal(record.id),
                               EscapeForTerminal(record.locked)));
}

}  // namespace

absl::StatusOr<std::vector<RecordStep>> PlanRecordSteps(const HostedRrSet& now,
                                                        const std::vector<TxtRecord>& after,
                                                        TxtForm form) {
  Difference difference = Compare(now, after);
  std::vector<RecordStep> updates, creations, deletions;
  const auto rewrite = [&](const HostedRecord& old, const TxtRecord& fresh) -> absl::Status {
    DMARCATE_RETURN_IF_ERROR(Locked(old));
    DMARCATE_ASSIGN_OR_RETURN(std::string value, EncodeTxt(form, fresh));
    updates.push_back({RecordStep::Kind::kUpdate, old.id, std::move(value)});
    return absl::OkStatus();
  };
  // Of one kind first, then whatever is left.
  for (const bool same_kind : {true, false}) {
    for (auto fresh = difference.fresh.begin(); fresh != difference.fresh.end();) {
      const auto old = std::ranges::find_if(difference.gone, [&](const HostedRecord* candidate) {
        return !same_kind || VersionOf(candidate->txt->Joined()) == VersionOf((*fresh)->Joined());
      });
      if (old == difference.gone.end()) {
        ++fresh;
        continue;
      }
      DMARCATE_RETURN_IF_ERROR(rewrite(**old, **fresh));
      difference.gone.erase(old);
      fresh = difference.fresh.erase(fresh);
    }
  }
  for (const TxtRecord* fresh : difference.fresh) {
    DMARCATE_ASSIGN_OR_RETURN(std::string value, EncodeTxt(form, *fresh));
    creations.push_back({RecordStep::Kind::kCreate, "", std::move(value)});
  }
  for (const HostedRecord* old : difference.gone) {
    DMARCATE_RETURN_IF_ERROR(Locked(*old));
    deletions.push_back({RecordStep::Kind::kDelete, old->id, ""});
  }
  std::vector<RecordStep> steps = std::move(updates);
  std::ranges::move(creations, std::back_inserter(steps));
  std::ranges::move(deletions, std::back_inserter(steps));
  return steps;
}

absl::Status TakeRecordSteps(ApiCall& call, const std::vector<RecordStep>& steps,
                             const std::function<absl::Status(const RecordStep&)>& take) {
  for (size_t i = 0; i < steps.size(); ++i) {
    absl::Status status = take(steps[i]);
    while (i > 0 && status.code() == absl::StatusCode::kUnavailable &&
           call.Pause(kPauseBetweenTries, status)) {
      status = take(steps[i]);
    }
    if (status.ok()) continue;
    if (i == 0) return status;
    return MakeError(absl::StatusCode::kUnknown, fmt::format("{} of {} records changed, then: {}",
                                                             i, steps.size(), MessageOf(status)));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> KeepValues(const HostedRrSet& now,
                                                    const std::vector<TxtRecord>& after,
                                                    TxtForm form) {
  return KeepValues(now, after,
                    [form](const TxtRecord& record) { return EncodeTxt(form, record); });
}

absl::StatusOr<std::vector<std::string>> KeepValues(const HostedRrSet& now,
                                                    const std::vector<TxtRecord>& after,
                                                    const EncodeTxtBy& encode) {
  const Difference difference = Compare(now, after);
  std::vector<std::string> values;
  for (const TxtRecord& record : after) {
    const auto kept = std::ranges::find_if(
        difference.kept, [&](const auto& pair) { return pair.second == &record; });
    if (kept != difference.kept.end()) {
      values.push_back(kept->first->raw);
      continue;
    }
    DMARCATE_ASSIGN_OR_RETURN(std::string value, encode(record));
    values.push_back(std::move(value));
  }
  for (const HostedRecord& record : now.records) {
    if (!record.txt) values.push_back(record.raw);
  }
  return values;
}

}  // namespace dmarcate
