// Names that the SPF record leads to: others publish there, so what they do is told, not judged.

#include <algorithm>
#include <utility>

#include "fmt/format.h"

#include "lib/base/text.h"
#include "lib/mailauth/spf_record.h"
#include "policyd/watch/drift.h"
#include "policyd/watch/history.h"
#include "policyd/watch/remembered.h"

namespace dmarcate {
namespace {

// The one SPF record; empty: none or several, which receivers treat alike (RFC 7208 section 5.2).
std::string SpfOf(const Observation& seen) {
  const SpfSelection selected = SelectSpf(seen.values);
  if (selected.outcome != SpfSelection::Outcome::kOne) return {};
  return seen.values[selected.indexes[0]];
}

std::string_view ToText(ObservedOutcome outcome) {
  switch (outcome) {
    case ObservedOutcome::kTimeout:
      return "no server answers";
    case ObservedOutcome::kBogus:
      return "DNSSEC says bogus";
    default:
      return "the servers fail";
  }
}

// The answers, newest first.
std::vector<const Observation*> AnswersOf(const std::vector<Observation>& history) {
  std::vector<const Observation*> out;
  for (const Observation& seen : history) {
    if (IsAnswer(seen.outcome)) out.push_back(&seen);
  }
  return out;
}

}  // namespace

std::vector<Drift> FindIncludedDrift(const DomainName& domain, const ObservedName& name,
                                     const std::vector<Observation>& history, absl::Time now) {
  std::vector<Drift> out;
  const std::vector<const Observation*> answers = AnswersOf(history);
  const std::string live = answers.empty() ? std::string() : SpfOf(*answers[0]);
  const auto add = [&](std::string_view code, Severity severity, absl::Time since,
                       std::string message, std::string fix_hint) {
    Drift& drift = out.emplace_back();
    drift.code = code;
    drift.severity = severity;
    drift.name = name;
    drift.since = since;
    drift.message = std::move(message);
    drift.fix_hint = std::move(fix_hint);
    drift.live = live;
  };
  const std::string owner = EscapeForTerminal(name.owner);

  const Observation* last = LastLook(history);
  if (last == nullptr || now - last->last_seen > kRememberedFor) return out;
  if (!IsAnswer(last->outcome)) {
    add(drift_code::kIncludeUnreadable, Severity::kWarning, last->first_seen,
        fmt::format("{}, which the SPF record of {} includes, cannot be read: {}", owner,
                    domain.text(), ToText(last->outcome)),
        "ask who runs it; receivers that cannot read it defer mail or treat it as unauthorized");
    out.back().expected = live;
    return out;
  }

  // How long what is there now has been there, and what was before.
  absl::Time since = answers[0]->first_seen;
  size_t before = 1;
  while (before < answers.size() && SpfOf(*answers[before]) == live) {
    since = answers[before++]->first_seen;
  }
  std::string expected = before < answers.size() ? SpfOf(*answers[before]) : std::string();
  if (!live.empty()) {
    // From nothing to a record is a repair.
    if (expected.empty() || now - since > kIncludeChangedFor) return out;
    add(drift_code::kIncludeChanged, Severity::kInfo, since,
        fmt::format("{}, which the SPF record of {} includes, has another record", owner,
                    domain.text()),
        fmt::format("see what it lets through now: dmarcate records tree {}", domain.text()));
  } else if (answers[0]->outcome == ObservedOutcome::kNxDomain) {
    add(drift_code::kIncludeGone, Severity::kError, since,
        fmt::format("{}, which the SPF record of {} includes, does not exist{}", owner,
                    domain.text(), expected.empty() ? "" : " any more"),
        fmt::format(
            "take it out of the SPF record, where `dmarcate records tree {}` shows it: whoever "
            "gets hold of the name may send as {}",
            domain.text(), domain.text()));
  } else if (answers[0]->values_sha256.empty()) {
    add(drift_code::kIncludeNoSpf, Severity::kError, since,
        fmt::format("{}, which the SPF record of {} includes, {}", owner, domain.text(),
                    SelectSpf(answers[0]->values).outcome == SpfSelection::Outcome::kMultiple
                        ? "has several SPF records"
                        : "has no SPF record"),
        fmt::format("take it out of the SPF record, where `dmarcate records tree {}` shows it: "
                    "receivers end with permerror there",
                    domain.text()));
  } else {
    return out;  // not all values were kept, and the record may be among the rest
  }
  out.back().expected = std::move(expected);
  return out;
}

}  // namespace dmarcate
