#include "policyd/reconcile/rollout_rules_book.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/base/time.h"
#include "policyd/reconcile/reason.h"
#include "policyd/reconcile/rollout_fields.h"

namespace dmarcate {
namespace {

std::string NameOf(const std::string& domain) {
  return domain == kRulesOfAll ? "all domains" : domain;
}

std::string SpanOf(const RolloutFreeze& freeze) {
  return fmt::format("{} to {}: {}", FormatRfc3339(freeze.begin), FormatRfc3339(freeze.end),
                     freeze.reason);
}

absl::StatusOr<std::string> SetTwoPeople(bool wanted, const std::string& who, absl::Time now,
                                         RolloutRules& rules) {
  const bool asked = !rules.release_by.empty() && rules.release_time <= now &&
                     now - rules.release_time <= RolloutRulesBook::kReleaseLifetime;
  if (wanted) {
    const bool news = !rules.two_people || !rules.release_by.empty();
    rules.two_people = true;
    rules.release_by.clear();
    rules.release_time = absl::InfinitePast();
    return news ? std::string("two people are wanted for each step up") : std::string();
  }
  if (!rules.two_people) return std::string();
  if (!asked) {
    rules.release_by = who;
    rules.release_time = now;
    return std::string("asked that one person be enough; another person's word is wanted");
  }
  if (rules.release_by == who) {
    return MakeReasonedError(
        absl::StatusCode::kFailedPrecondition, "ROLLOUT_STATE",
        fmt::format("{} has asked already that one person be enough for {}; another person's word "
                    "is wanted",
                    who, NameOf(rules.domain)));
  }
  std::string told = fmt::format("one person is enough, as {} has asked, too", rules.release_by);
  rules.two_people = false;
  rules.release_by.clear();
  rules.release_time = absl::InfinitePast();
  return told;
}

}  // namespace

absl::StatusOr<RolloutRules> RolloutRulesBook::Put(const RulesRequest& request,
                                                   const Change& change) {
  const absl::Time now = clock_.Now();
  const auto overtaken = [&request] {
    return MakeReasonedError(
        absl::StatusCode::kAborted, "ETAG_MISMATCH",
        fmt::format("the rules of {} are not what was shown any more; look again",
                    NameOf(request.domain)));
  };
  constexpr int kMostTries = 5;
  for (int i = 1;; ++i) {
    DMARCATE_ASSIGN_OR_RETURN(RolloutRules rules, store_.GetRolloutRules(request.domain));
    if (request.revision.has_value() && *request.revision != rules.revision) return overtaken();
    DMARCATE_ASSIGN_OR_RETURN(const std::string told, change(rules, now));
    if (told.empty() || request.mode == RunMode::kValidateOnly) return rules;
    std::erase_if(rules.freezes,
                  [now](const RolloutFreeze& freeze) { return now - freeze.end > kFreezeKept; });
    std::ranges::sort(rules.freezes, {}, [](const RolloutFreeze& freeze) {
      return std::tuple(freeze.begin, freeze.id);
    });
    rules.log.push_back({now, request.principal, told});
    if (rules.log.size() > kMostEntries) {
      rules.log.erase(rules.log.begin(), rules.log.end() - kMostEntries);
    }
    absl::StatusOr<RolloutRules> stored = store_.PutRolloutRules(std::move(rules));
    if (stored.ok()) {
      LogInfo("rollout_rules_changed",
              {{"of", request.domain}, {"by", request.principal}, {"what", told}});
      return stored;
    }
    // kAlreadyExists: of those that nobody had set before.
    const bool lost = stored.status().code() == absl::StatusCode::kAborted ||
                      stored.status().code() == absl::StatusCode::kAlreadyExists;
    if (!lost) return stored.status();
    if (request.revision.has_value() || i == kMostTries) return overtaken();
  }
}

absl::StatusOr<RolloutRules> RolloutRulesBook::Update(const RulesRequest& request,
                                                      const RulesEdit& edit) {
  if (edit.suspended.value_or(false) && edit.suspend_reason.empty()) {
    return RolloutFieldInvalid("suspend_reason", "required with suspended");
  }
  return Put(request, [&](RolloutRules& rules, absl::Time now) -> absl::StatusOr<std::string> {
    std::vector<std::string> told;
    if (edit.two_people.has_value()) {
      DMARCATE_ASSIGN_OR_RETURN(std::string text,
                                SetTwoPeople(*edit.two_people, request.principal, now, rules));
      if (!text.empty()) told.push_back(std::move(text));
    }
    const std::string reason = edit.suspended.value_or(false) ? edit.suspend_reason : "";
    if (edit.suspended.has_value() &&
        (rules.suspended != *edit.suspended || rules.suspend_reason != reason)) {
      rules.suspended = *edit.suspended;
      rules.suspend_reason = reason;
      told.push_back(rules.suspended ? fmt::format("suspended: {}", reason)
                                     : std::string("not suspended any more"));
    }
    return Join(told, "; ");
  });
}

absl::StatusOr<RolloutRulesBook::Frozen> RolloutRulesBook::AddFreeze(const RulesRequest& request,
                                                                     RolloutFreeze freeze) {
  const absl::Time now = clock_.Now();
  if (freeze.reason.empty()) return RolloutFieldInvalid("freeze.reason", "required");
  if (freeze.end <= freeze.begin) {
    return RolloutFieldInvalid("freeze.end_time", "is not after the start");
  }
  if (freeze.end <= now) return RolloutFieldInvalid("freeze.end_time", "is over already");
  if (freeze.end - freeze.begin > kLongestFreeze) {
    return RolloutFieldInvalid("freeze.end_time",
                               "is more than 400 days after the start; a domain on which nothing "
                               "may be done is suspended");
  }
  freeze.id = MakeSortableId(now, random_);
  freeze.created_by = request.principal;
  freeze.create_time = now;
  DMARCATE_ASSIGN_OR_RETURN(
      RolloutRules rules,
      Put(request, [&](RolloutRules& rules, absl::Time) -> absl::StatusOr<std::string> {
        const auto live = std::ranges::count_if(rules.freezes, [now](const RolloutFreeze& one) {
          return now - one.end <= kFreezeKept;
        });
        if (static_cast<size_t>(live) >= kMostFreezes) {
          return RolloutFieldInvalid("freeze",
                                     fmt::format("{} there are already; remove some", live));
        }
        rules.freezes.push_back(freeze);
        return fmt::format("freezes {}", SpanOf(freeze));
      }));
  return Frozen{std::move(rules), std::move(freeze)};
}

absl::StatusOr<RolloutRules> RolloutRulesBook::RemoveFreeze(const RulesRequest& request,
                                                            std::string_view id) {
  return Put(request, [&](RolloutRules& rules, absl::Time) -> absl::StatusOr<std::string> {
    const auto found = std::ranges::find(rules.freezes, id, &RolloutFreeze::id);
    if (found == rules.freezes.end()) {
      return MakeReasonedError(absl::StatusCode::kNotFound, "RESOURCE_NOT_FOUND",
                               fmt::format("domains/{}/rolloutFreezes/{} does not exist",
                                           request.domain, EscapeForTerminal(id)));
    }
    std::string told = fmt::format("takes back the freeze {}", SpanOf(*found));
    rules.freezes.erase(found);
    return told;
  });
}

void AddStandingRules(RolloutRulesStore& store, const std::string& domain, absl::Time now,
                      ControlEvidence& control, StandingRules& standing) {
  for (const std::string& whose : {std::string(kRulesOfAll), domain}) {
    const absl::StatusOr<RolloutRules> rules = store.GetRolloutRules(whose);
    if (!rules.ok()) {
      // What was forbidden there is not known, so everything is.
      control.suspended = true;
      control.why = fmt::format("the rules of {} cannot be read: {}", NameOf(whose),
                                MessageOf(rules.status()));
      continue;
    }
    standing.two_people = standing.two_people || rules->two_people;
    for (const RolloutFreeze& freeze : rules->freezes) {
      if (freeze.end > now) {
        standing.freezes.push_back({freeze.begin, freeze.end, freeze.reason});
      }
    }
    if (!rules->suspended) continue;
    control.suspended = true;
    control.why =
        fmt::format("{} suspended: {}", whose == kRulesOfAll ? "all domains are" : "the domain is",
                    rules->suspend_reason);
  }
  std::ranges::sort(standing.freezes, {}, [](const FreezeWindow& freeze) {
    return std::tuple(freeze.begin, freeze.end, freeze.reason);
  });
}

}  // namespace dmarcate
