#include "policyd/watch/insights.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

namespace dmarcate {
namespace {

bool IsDecided(const InsightRecord& record) {
  return record.state == InsightState::kAccepted || record.state == InsightState::kDismissed;
}

bool IsWorse(const InsightFinding& found, const InsightRecord& record) {
  return found.severity > record.severity || found.content != record.content ||
         found.weight > record.weight;
}

void Say(const InsightFinding& found, InsightRecord* record) {
  // Of what is decided about the count is that of the decision: from 9 to 8 and back is no news.
  record->weight = IsDecided(*record) ? std::max(record->weight, found.weight) : found.weight;
  record->code = found.code;
  // And of its severity: while something beside it is not known, it may be told as less.
  record->severity =
      IsDecided(*record) ? std::max(record->severity, found.severity) : found.severity;
  record->scope = found.scope;
  record->subject = found.subject;
  record->path = found.path;
  record->message = found.message;
  record->fix_hint = found.fix_hint;
  record->evidence_command = found.evidence_command;
  record->reference = found.reference;
  record->metadata = found.metadata;
  record->content = found.content;
}

void Activate(InsightRecord* record) {
  record->state = InsightState::kActive;
  record->resolve_time = absl::InfiniteFuture();
  record->decision = InsightState::kAccepted;  // as in a new record
  record->decided_by.clear();
  record->note.clear();
  record->decide_time = absl::InfinitePast();
}

InsightRecord NewInsight(const InsightFinding& found, absl::Time now) {
  InsightRecord record;
  record.id = found.id;
  Say(found, &record);
  record.first_seen = std::min(found.since, now);
  record.last_seen = now;
  return record;
}

InsightRecord FoundAgain(InsightRecord record, const InsightFinding& found, absl::Time now) {
  const InsightRecord before = record;
  if (record.state == InsightState::kResolved) {
    Activate(&record);
    // Not before it was gone, whatever the history says.
    record.first_seen = std::clamp(found.since, std::min(before.resolve_time, now), now);
    ++record.active_count;
  } else if (IsDecided(record) && IsWorse(found, record)) {
    Activate(&record);
    ++record.active_count;
  }
  Say(found, &record);
  if (!(record == before)) ++record.revision;
  const absl::Duration unseen = now - record.last_seen;
  if (!(record == before) || unseen >= kLastSeenGrain || unseen < absl::ZeroDuration()) {
    record.last_seen = now;
  }
  return record;
}

InsightRecord Gone(InsightRecord record, absl::Time now) {
  record.state = InsightState::kResolved;
  record.resolve_time = now;
  ++record.revision;
  return record;
}

using Records = std::map<std::string, InsightRecord>;

bool IsOpen(const Records& records, const std::string& id) {
  const auto record = records.find(id);
  return record != records.end() && record->second.state != InsightState::kResolved;
}

// A count that is not known to the end does not take back that it was larger.
bool IsLowerBound(const InsightFinding& found, const Records& records, const InsightLook& look) {
  return !found.more_id.empty() && !IsLearned(look, found.scope) && IsOpen(records, found.more_id);
}

struct LeftOut {
  uint32_t found = 0;    // now
  uint32_t unknown = 0;  // not found, nor known to be gone
};

// Forgets the least of those that are open, down to the limit.
LeftOut KeepWorst(const std::set<std::string>& found, size_t limit, Records* records) {
  std::vector<const InsightRecord*> open;
  for (const auto& [id, record] : *records) {
    if (record.state != InsightState::kResolved) open.push_back(&record);
  }
  if (open.size() <= limit) return {};
  std::ranges::stable_sort(open, [](const InsightRecord* a, const InsightRecord* b) {
    return std::tuple(a->severity, IsDecided(*a), b->first_seen) >
           std::tuple(b->severity, IsDecided(*b), a->first_seen);
  });
  std::vector<std::string> least;
  LeftOut left_out;
  for (size_t i = limit; i < open.size(); ++i) {
    least.push_back(open[i]->id);
    ++(found.contains(open[i]->id) ? left_out.found : left_out.unknown);
  }
  for (const std::string& id : least) records->erase(id);
  return left_out;
}

bool AllIsLearned(const InsightLook& look) {
  return look.learned == look.scopes && look.includes_known && look.selectors_known &&
         look.reports_known;
}

// But for the time.
bool SaysTheSame(InsightLookRecord a, const InsightLookRecord& b) {
  a.time = b.time;
  return a == b;
}

void ForgetResolved(absl::Time now, const InsightLimits& limits, Records* records) {
  std::vector<std::pair<absl::Time, std::string>> resolved;
  for (const auto& [id, record] : *records) {
    if (record.state == InsightState::kResolved) resolved.emplace_back(record.resolve_time, id);
  }
  std::ranges::sort(resolved, std::greater<>());
  for (size_t i = 0; i < resolved.size(); ++i) {
    const auto& [time, id] = resolved[i];
    if (i >= limits.resolved || now - time > limits.resolved_age) records->erase(id);
  }
}

}  // namespace

InsightUpdate FoldInsights(const std::vector<InsightRecord>& stored,
                           const std::optional<InsightLookRecord>& before, const InsightLook& look,
                           absl::Time now, const InsightLimits& limits) {
  Records records;
  for (const InsightRecord& record : stored) records[record.id] = record;
  std::set<std::string> found;
  std::set<std::string> replaced;  // by the finding of a larger count
  for (const InsightFinding& finding : look.found) {
    if (IsLowerBound(finding, records, look)) continue;
    found.insert(finding.id);
    if (!finding.less_id.empty()) replaced.insert(finding.less_id);
    const auto known = records.find(finding.id);
    if (known == records.end()) {
      records[finding.id] = NewInsight(finding, now);
    } else {
      known->second = FoundAgain(std::move(known->second), finding, now);
    }
  }
  for (auto& [id, record] : records) {
    if (found.contains(id) || record.state == InsightState::kResolved) continue;
    if (IsLearned(look, record.scope) || replaced.contains(id))
      record = Gone(std::move(record), now);
  }
  InsightLookRecord looked;
  looked.time = now;
  const LeftOut left_out = KeepWorst(found, limits.open, &records);
  looked.left_out = left_out.found + static_cast<uint32_t>(look.findings_left_out);
  looked.forgotten_unknown = left_out.unknown;
  if (before && !AllIsLearned(look)) looked.forgotten_unknown += before->forgotten_unknown;
  looked.unknown_names = look.unknown_names;
  if (const size_t names = looked.unknown_names.size(); names > limits.unknown_names) {
    looked.unknown_names_left_out = static_cast<uint32_t>(names - limits.unknown_names);
    looked.unknown_names.resize(limits.unknown_names);
  }
  ForgetResolved(now, limits, &records);

  InsightUpdate update;
  for (const InsightRecord& record : stored) {
    const auto kept = records.find(record.id);
    if (kept == records.end()) {
      update.forget.push_back(record.id);
      continue;
    }
    if (!(kept->second == record)) update.put.push_back(std::move(kept->second));
    records.erase(kept);
  }
  for (auto& [id, record] : records) update.put.push_back(std::move(record));
  // What is kept of the look is about records; a look at reports has nothing to say of it.
  if (look.of_reports) return update;
  const bool same = before && SaysTheSame(*before, looked) && now >= before->time &&
                    now - before->time < kLastSeenGrain;
  if (!same) update.look = std::move(looked);
  return update;
}

InsightRecord Decided(InsightRecord record, InsightState state, std::string_view by,
                      std::string_view note, absl::Time now) {
  const bool says_more = !note.empty() && note != record.note;
  if (record.state == InsightState::kResolved || (record.state == state && !says_more)) {
    return record;
  }
  record.state = record.decision = state;
  record.decided_by = std::string(by);
  record.note = std::string(note);
  record.decide_time = now;
  ++record.revision;
  return record;
}

}  // namespace dmarcate
