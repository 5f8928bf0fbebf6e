#include "policyd/plan/repair_plan.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "lib/base/status_macros.h"
#include "lib/mailauth/dmarc_near.h"
#include "lib/mailauth/dmarc_record.h"
#include "lib/mailauth/spf_record.h"
#include "policyd/plan/guard.h"

namespace dmarcate {
namespace {

// A record as it is live, and as it would be if it were the one.
struct Candidate {
  std::string live, text;
};

std::map<std::string, std::string> Named(const std::vector<Candidate>& candidates) {
  std::map<std::string, std::string> metadata;
  for (size_t i = 0; i < candidates.size(); ++i) {
    metadata[fmt::format("record_{}", i + 1)] = candidates[i].live;
  }
  return metadata;
}

GuardRecord RefuseChoice(std::string_view name, std::string_view why,
                         const std::vector<Candidate>& candidates) {
  return Refuse(guard_code::kRepairChoice,
                fmt::format("the records of {} are not merged: {}; say which one stays", name, why),
                Named(candidates));
}

RepairPlan Blocked(GuardRecord guard, const std::vector<ManagedTerm>& managed = {}) {
  RepairPlan plan;
  plan.guards.push_back(std::move(guard));
  plan.managed_after = managed;
  return plan;
}

// The candidate that `keep` names; null: there is none such.
const Candidate* FindKept(const std::vector<Candidate>& candidates, std::string_view keep) {
  const auto found = std::ranges::find(candidates, keep, &Candidate::live);
  return found == candidates.end() ? nullptr : &*found;
}

GuardRecord RefuseUnknown(std::string_view name, const std::vector<Candidate>& candidates) {
  return Refuse(guard_code::kRepairChoice,
                fmt::format("the record that was to stay is none of those at {}", name),
                Named(candidates));
}

std::vector<std::string> LiveOf(const std::vector<Candidate>& candidates) {
  std::vector<std::string> texts;
  for (const Candidate& candidate : candidates) texts.push_back(candidate.live);
  return texts;
}

// --- SPF

int Softness(SpfQualifier qualifier) {
  switch (qualifier) {
    case SpfQualifier::kFail:
      return 0;
    case SpfQualifier::kSoftFail:
      return 1;
    case SpfQualifier::kNeutral:
      return 2;
    case SpfQualifier::kPass:
      return 3;
  }
  return 3;
}

// Why these records cannot be one without a choice; empty: they can.
std::string CannotMerge(const std::vector<SpfRecord>& records) {
  std::map<std::string, std::string> modifiers;  // by name: its meaning
  bool has_all = false;
  for (const SpfRecord& record : records) {
    const std::optional<size_t> all = record.IndexOfAll();
    has_all = has_all || all.has_value();
    for (size_t i = 0; i < record.terms.size(); ++i) {
      const SpfTerm& term = record.terms[i];
      if (term.is_modifier()) {
        const std::string name = AsciiLower(term.text.substr(0, term.text.find('=')));
        const auto [known, is_new] = modifiers.emplace(name, term.Canonical());
        if (!is_new && known->second != term.Canonical()) {
          return fmt::format("they have different {}=", name);
        }
      } else if (all.has_value() && i > *all) {
        return fmt::format("{} stands behind all, where no receiver gets to", term.text);
      } else if (term.kind != SpfKind::kAll && term.qualifier != SpfQualifier::kPass) {
        return fmt::format("what {} means depends on what stands before it", term.text);
      }
    }
  }
  if (has_all && modifiers.contains("redirect")) {
    return "one ends in all and another in redirect=, which all would make void";
  }
  return "";
}

SpfRecord Merge(const std::vector<SpfRecord>& records) {
  SpfRecord merged;
  std::optional<SpfTerm> all;
  std::vector<SpfTerm> modifiers;
  for (const SpfRecord& record : records) {
    for (const SpfTerm& term : record.terms) {
      if (term.kind == SpfKind::kAll && !term.is_modifier()) {
        if (!all.has_value() || Softness(term.qualifier) > Softness(all->qualifier)) all = term;
      } else if (term.is_modifier()) {
        if (std::ranges::find(modifiers, term) == modifiers.end()) modifiers.push_back(term);
      } else if (!merged.Find(term).has_value()) {
        merged.terms.push_back(term);
      }
    }
  }
  if (all.has_value()) merged.terms.push_back(*all);
  std::ranges::move(modifiers, std::back_inserter(merged.terms));
  return merged;
}

std::string RenderAnew(const SpfRecord& record) {
  std::string text = "v=spf1";
  for (const SpfTerm& term : record.terms) text += " " + term.text;
  return text;
}

void DescribeTerms(const std::vector<SpfRecord>& records, const SpfRecord& after,
                   const std::vector<ManagedTerm>& managed, RepairPlan& plan) {
  const auto source_of = [&](const std::string& text) {
    const auto found = std::ranges::find(managed, text, &ManagedTerm::term);
    return found == managed.end() ? std::string() : found->source_id;
  };
  std::set<std::string> kept;
  for (const SpfTerm& term : after.terms) {
    kept.insert(term.text);
    plan.term_changes.push_back({TermAction::kKeep, term.text, "", source_of(term.text), 0});
  }
  std::set<std::string> gone;
  for (const SpfRecord& record : records) {
    for (const SpfTerm& term : record.terms) {
      if (kept.contains(term.text) || !gone.insert(term.text).second) continue;
      plan.term_changes.push_back({TermAction::kRemove, term.text, "", source_of(term.text), 0});
    }
  }
  for (const ManagedTerm& one : managed) {
    if (kept.contains(one.term) || one.flattened) plan.managed_after.push_back(one);
  }
}

// --- DMARC

// What decides about mail: there an absent tag says something, too.
constexpr std::string_view kDecisive[] = {"p", "sp", "np", "t", "pct", "psd", "adkim", "aspf"};

// Tags whose values differ among the records; of report addresses none can.
std::vector<std::string> Conflicts(const std::vector<DmarcRecord>& records) {
  std::map<std::string, std::string> values;
  std::vector<std::string> conflicts;
  for (const std::string_view name : kDecisive) {
    const bool first = records.front().Find(name) != nullptr;
    const bool differ = std::ranges::any_of(records, [&](const DmarcRecord& record) {
      return (record.Find(name) != nullptr) != first;
    });
    if (differ) conflicts.emplace_back(name);
  }
  for (const DmarcRecord& record : records) {
    for (const DmarcTag& tag : record.tags()) {
      if (tag.name == "rua") continue;
      const std::string value = tag.well_formed ? AsciiLower(tag.value) : tag.text;
      const auto [known, is_new] = values.emplace(tag.name, value);
      if (!is_new && known->second != value) conflicts.push_back(tag.name);
    }
  }
  return conflicts;
}

// The first record with the tags and report addresses of the others.
absl::StatusOr<DmarcRecord> Merge(const std::vector<DmarcRecord>& records) {
  DmarcRecord merged = records.front();
  for (size_t i = 1; i < records.size(); ++i) {
    for (const DmarcTag& tag : records[i].tags()) {
      if (tag.name == "rua") {
        std::vector<std::string> uris;
        for (const std::string_view uri : Split(tag.value, ',')) uris.emplace_back(TrimAscii(uri));
        DMARCATE_ASSIGN_OR_RETURN(merged, merged.WithRua(uris));
      } else if (merged.Find(tag.name) == nullptr) {
        DMARCATE_ASSIGN_OR_RETURN(merged, merged.WithTag(tag.name, tag.value));
      }
    }
  }
  return merged;
}

void DescribeTags(const std::vector<DmarcRecord>& records, const DmarcRecord& after,
                  RepairPlan& plan) {
  std::set<std::string> kept;
  for (const DmarcTag& tag : after.tags()) {
    const std::string text(TrimAscii(tag.text));
    kept.insert(text);
    plan.term_changes.push_back({TermAction::kKeep, EscapeForTerminal(text), "", "", 0});
  }
  std::set<std::string> gone;
  for (const DmarcRecord& record : records) {
    for (const DmarcTag& tag : record.tags()) {
      const std::string text(TrimAscii(tag.text));
      if (kept.contains(text) || !gone.insert(text).second) continue;
      plan.term_changes.push_back({TermAction::kRemove, EscapeForTerminal(text), "", "", 0});
    }
  }
}

std::string Requested(const DmarcRecord& record) {
  std::string said;
  for (const DmarcStandard standard : {DmarcStandard::kRfc9989, DmarcStandard::kRfc7489}) {
    const DmarcVerdict& verdict = record.Verdict(standard);
    const bool in_force =
        verdict.reading == DmarcReading::kPolicy || verdict.reading == DmarcReading::kTreatedAsNone;
    const std::string one =
        in_force ? fmt::format("p={}", ToString(verdict.Requested(DmarcSubject::kDomain)))
                 : fmt::format("no policy ({})", verdict.why);
    if (said.empty()) {
      said = one;
    } else if (said != one) {
      said += fmt::format(", for receivers on RFC 7489 {}", one);
    }
  }
  return said;
}

}  // namespace

RepairPlan PlanSpfRepair(const DomainName& domain, const std::vector<std::string>& live,
                         const std::vector<ManagedTerm>& managed, std::string_view keep) {
  std::vector<Candidate> candidates;
  for (const size_t index : SelectSpf(live).indexes)
    candidates.push_back({live[index], live[index]});
  RepairPlan plan;
  plan.managed_after = managed;
  if (candidates.size() < 2) return plan;
  std::vector<SpfRecord> records;
  std::string broken;
  for (const Candidate& candidate : candidates) {
    absl::StatusOr<SpfRecord> record = ParseSpf(candidate.live);
    if (!record.ok() && (keep.empty() || candidate.live == keep)) {
      broken = std::string(MessageOf(record.status()));
    }
    if (record.ok()) records.push_back(*std::move(record));
  }
  if (!keep.empty() && FindKept(candidates, keep) == nullptr) {
    return Blocked(RefuseUnknown(domain.text(), candidates), managed);
  }
  if (!broken.empty()) {
    return Blocked(Refuse(guard_code::kRecordSyntax,
                          fmt::format("an SPF record of {} does not parse: {}; say which other one "
                                      "stays",
                                      domain.text(), broken),
                          Named(candidates)),
                   managed);
  }
  SpfRecord after;
  if (!keep.empty()) {
    after = *ParseSpf(keep);
    plan.after = std::string(keep);
  } else {
    if (const std::string why = CannotMerge(records); !why.empty()) {
      return Blocked(RefuseChoice(domain.text(), why, candidates), managed);
    }
    after = Merge(records);
    plan.after = RenderAnew(after);
  }
  plan.replaced = LiveOf(candidates);
  plan.managed_after.clear();  // those that are left follow
  DescribeTerms(records, after, managed, plan);
  return plan;
}

RepairPlan PlanDmarcRepair(const DomainName& domain, const std::vector<std::string>& live,
                           std::string_view keep) {
  const std::string name = fmt::format("_dmarc.{}", domain.text());
  const DmarcSelection selection = SelectDmarc(live);
  std::vector<Candidate> candidates;
  std::string unclear;
  for (size_t i = 0; i < live.size(); ++i) {
    if (std::ranges::find(selection.indexes, i) != selection.indexes.end()) {
      candidates.push_back({live[i], live[i]});
    } else if (const auto near = FindDmarcNearMiss(live[i]); near.has_value()) {
      candidates.push_back({live[i], near->repaired});
      if (near->repaired.empty() && (keep.empty() || keep == live[i])) unclear = live[i];
    }
  }
  RepairPlan plan;
  // One record is in force, whatever stands beside it.
  if (candidates.empty() || selection.outcome == DmarcSelection::Outcome::kOne) return plan;
  const Candidate* kept = nullptr;
  if (!keep.empty()) {
    kept = FindKept(candidates, keep);
    if (kept == nullptr) return Blocked(RefuseUnknown(name, candidates));
  }
  if (!unclear.empty()) {
    return Blocked(Refuse(guard_code::kRecordSyntax,
                          fmt::format("what {} should say cannot be told; write it by hand",
                                      EscapeForTerminal(unclear)),
                          Named(candidates)));
  }
  std::vector<DmarcRecord> records;
  std::string broken;
  for (const Candidate& candidate : candidates) {
    absl::StatusOr<DmarcRecord> record = ParseDmarc(candidate.text);
    if (record.ok()) {
      records.push_back(*std::move(record));
    } else {
      broken = std::string(MessageOf(record.status()));
    }
  }
  // What cannot be read is not merged away; who knows which one is meant may keep that.
  if (!broken.empty() && kept == nullptr) {
    return Blocked(
        Refuse(guard_code::kRecordSyntax,
               fmt::format("a DMARC record at {} does not parse: {}; say which other one "
                           "stays",
                           name, broken),
               Named(candidates)));
  }
  absl::StatusOr<DmarcRecord> after =
      kept != nullptr ? ParseDmarc(kept->text) : absl::StatusOr<DmarcRecord>(records.front());
  if (kept == nullptr) {
    if (const std::vector<std::string> conflicts = Conflicts(records); !conflicts.empty()) {
      return Blocked(RefuseChoice(
          name, fmt::format("they disagree about {}", Join(conflicts, ", ")), candidates));
    }
    after = Merge(records);
  }
  if (!after.ok()) {
    return Blocked(Refuse(guard_code::kRecordSyntax,
                          fmt::format("no record can be made of them: {}; say which one stays",
                                      MessageOf(after.status())),
                          Named(candidates)));
  }
  plan.replaced = LiveOf(candidates);
  plan.after = after->Render();
  DescribeTags(records, *after, plan);
  return plan;
}

RecordChangeRecord ReplaceBroken(const TxtImage& image, const RepairPlan& plan) {
  TxtImage rest = image;
  std::erase_if(rest.records, [&](const TxtRecord& record) {
    return record.Joined() != plan.replaced.front() &&
           std::ranges::find(plan.replaced, record.Joined()) != plan.replaced.end();
  });
  // Of equal ones the first stays.
  bool seen = false;
  std::erase_if(rest.records, [&](const TxtRecord& record) {
    return record.Joined() == plan.replaced.front() && std::exchange(seen, true);
  });
  RecordChangeRecord change = plan.after == plan.replaced.front()
                                  ? ReplaceText(rest, "", "")  // only the others go
                                  : ReplaceText(rest, plan.replaced.front(), plan.after);
  // A text that stays exactly keeps its cuts, too.
  const auto kept = std::ranges::find_if(
      image.records, [&](const TxtRecord& record) { return record.Joined() == plan.after; });
  if (kept != image.records.end()) {
    for (std::string& text : change.after) {
      if (text == MakeTxtRecord(plan.after).ToPresentation()) text = kept->ToPresentation();
    }
  }
  change.before = ToPresentations(image.records);
  change.ttl_before = image.records.empty() ? 0 : image.ttl_seconds;
  std::erase_if(change.untouched, [&](const std::string& text) {
    return std::ranges::any_of(image.records, [&](const TxtRecord& record) {
      return record.ToPresentation() == text &&
             (record.Joined() == plan.after ||
              std::ranges::find(plan.replaced, record.Joined()) != plan.replaced.end());
    });
  });
  return change;
}

std::vector<TxtRecord> WithoutNearMisses(const std::vector<TxtRecord>& records) {
  std::vector<TxtRecord> out;
  for (const TxtRecord& record : records) {
    if (!FindDmarcNearMiss(record.Joined()).has_value()) out.push_back(record);
  }
  return out;
}

std::vector<GuardRecord> GuardRepair(const ChangeRecord& change, const DomainName& domain,
                                     const std::vector<std::string>& before,
                                     const std::vector<std::string>& after) {
  const bool spf = change.intent.repair == RepairKind::kSpf;
  const RepairPlan plan =
      spf ? PlanSpfRepair(domain, before, change.managed_before, change.intent.repair_keep)
          : PlanDmarcRepair(domain, before, change.intent.repair_keep);
  std::vector<GuardRecord> guards = plan.guards;
  const std::string_view multiple = spf ? guard_code::kSpfMultiple : guard_code::kDmarcMultiple;
  const std::vector<size_t> left = spf ? SelectSpf(after).indexes : SelectDmarc(after).indexes;
  if (left.size() != 1 || plan.replaced.empty() || after[left.front()] != plan.after ||
      (spf && plan.managed_after != change.managed_after)) {
    guards.push_back(Refuse(multiple, "the result is not the one record that the repair comes to",
                            {{"records", std::to_string(left.size())}}));
    return guards;
  }
  guards.push_back(Pass(multiple, "one record is left"));
  if (spf) {
    guards.push_back(
        Warn(guard_code::kSpfRepair,
             fmt::format("receivers now: permerror for all mail, because of {} records; after: one "
                         "record, and mail passes or fails by it",
                         plan.replaced.size()),
             {{"before", Join(plan.replaced, "\n")}, {"after", plan.after}}));
    return guards;
  }
  const absl::StatusOr<DmarcRecord> record = ParseDmarc(plan.after);
  guards.push_back(
      Warn(guard_code::kDmarcRepair,
           fmt::format("receivers now: no DMARC record at {}, whatever stands there; after: {}",
                       fmt::format("_dmarc.{}", domain.text()),
                       record.ok() ? Requested(*record) : "no policy"),
           {{"before", Join(plan.replaced, "\n")}, {"after", plan.after}}));
  return guards;
}

}  // namespace dmarcate
