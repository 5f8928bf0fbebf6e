#include "policyd/plan/change_plan.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "lib/base/digest.h"
#include "lib/base/status_macros.h"
#include "lib/mailauth/domain_name.h"
#include "lib/mailauth/spf_record.h"
#include "policyd/plan/dmarc_plan.h"
#include "policyd/plan/guard.h"
#include "policyd/plan/mta_sts_plan.h"
#include "policyd/plan/prune_plan.h"
#include "policyd/plan/repair_plan.h"
#include "policyd/plan/spf_children.h"
#include "policyd/plan/spf_choice.h"
#include "policyd/plan/spf_compile.h"
#include "policyd/plan/txt_image.h"

namespace dmarcate {
namespace {

constexpr uint8_t kClassD = 4;  // ChangeRecord::provider_class

// Length-prefixed fields: no text can pass for a border between two.
class DigestInput {
 public:
  void Add(std::string_view text) {
    bytes_ += fmt::format("{}:", text.size());
    bytes_ += text;
  }
  void Add(uint64_t number) { Add(std::to_string(number)); }
  void Add(const std::vector<std::string>& texts) {
    Add(texts.size());
    for (const std::string& text : texts) Add(text);
  }
  void Add(const std::vector<ManagedTerm>& terms) {
    Add(terms.size());
    for (const ManagedTerm& term : terms) {
      Add(term.term);
      Add(term.source_id);
      Add(uint64_t{term.flattened});
      Add(term.networks);
    }
  }
  std::string Finish() const { return Sha256Hex(bytes_); }

 private:
  std::string bytes_;
};

void Append(std::vector<GuardRecord>& guards, std::vector<GuardRecord> more) {
  std::ranges::move(more, std::back_inserter(guards));
}

// What a domain published before may come back, whatever it costs: an operator who goes back must
// not be held up by a vendor's record that grew meanwhile. Losing what is others' stays refused.
void RelaxForRollback(std::vector<GuardRecord>& guards) {
  for (GuardRecord& guard : guards) {
    const bool is_cost =
        guard.code == guard_code::kSpfLookupLimit || guard.code == guard_code::kSpfVoidLimit ||
        guard.code == guard_code::kDanglingInclude || guard.code == guard_code::kSpfPlusAll ||
        guard.code == guard_code::kTxtTooLarge || guard.code == guard_code::kWriteGap;
    if (is_cost && guard.verdict == GuardVerdict::kRefuse) guard.verdict = GuardVerdict::kWarn;
  }
}

struct Images {
  DomainName owner;
  std::vector<TxtRecord> before, after;
  // Of a record in delegated mode to which the domain's own zone does not lead yet: what receivers
  // see in its place.
  std::vector<TxtRecord> seen_instead;
};

absl::StatusOr<Images> ImagesOf(const RecordChangeRecord& change) {
  const absl::StatusOr<DomainName> owner = DomainName::Parse(change.owner_name);
  if (!owner.ok()) {
    return MakeError(absl::StatusCode::kDataLoss,
                     fmt::format("stored owner name: {}", MessageOf(owner.status())));
  }
  Images images{*owner, {}, {}};
  DMARCATE_ASSIGN_OR_RETURN(images.before, FromPresentations(change.before));
  DMARCATE_ASSIGN_OR_RETURN(images.after, FromPresentations(change.after));
  if (!change.alias.in_place) {
    DMARCATE_ASSIGN_OR_RETURN(images.seen_instead, FromPresentations(change.alias.held));
  }
  return images;
}

std::string OnlySpf(const std::vector<TxtRecord>& records) {
  const std::vector<std::string> texts = TextsOf(records);
  const SpfSelection selection = SelectSpf(texts);
  return selection.indexes.empty() ? "" : texts[selection.indexes.front()];
}

bool IsChild(const ChangeRecord& change, const DomainName& owner) {
  const absl::StatusOr<DomainName> domain = DomainName::Parse(change.domain);
  return domain.ok() && IsSpfChildOf(owner, *domain);
}

// A child record is ours alone: it holds what we write there, or it is none of ours to touch.
GuardRecord GuardChild(const Images& images) {
  for (const std::vector<TxtRecord>* side : {&images.before, &images.after}) {
    const std::string text = OnlySpf(*side);
    if (text.empty()) continue;
    const absl::StatusOr<SpfChildContent> content = ParseSpfChild(text);
    if (content.ok()) continue;
    return Refuse(guard_code::kSpfChildForeign,
                  fmt::format("{} holds an SPF record that is not ours: {}", images.owner.text(),
                              MessageOf(content.status())),
                  {{"owner", images.owner.text()}});
  }
  return Pass(guard_code::kSpfChildForeign,
              fmt::format("{} holds addresses of ours only", images.owner.text()));
}

// What caches have of a child is what it says: it comes, named after its text, or goes.
GuardRecord GuardChildInUse(const ChangeRecord& change, const Images& images) {
  const std::string before = OnlySpf(images.before);
  const std::string after = OnlySpf(images.after);
  const auto refuse = [&](std::string_view why) {
    return Refuse(guard_code::kSpfChildInUse, fmt::format("{} {}", images.owner.text(), why),
                  {{"owner", images.owner.text()}});
  };
  if (!before.empty() && !after.empty() && before != after) {
    return refuse("would change while receivers may have it in their caches");
  }
  if (after.empty() && !change.intent.rollback_of.empty()) {
    return refuse("would go while receivers may have a record that leads to it in their caches");
  }
  const absl::StatusOr<DomainName> domain = DomainName::Parse(change.domain);
  if (!after.empty() && (!domain.ok() || !IsNamedAfterText({images.owner, after}, *domain))) {
    return refuse("would not be named after what it says");
  }
  return Pass(guard_code::kSpfChildInUse,
              fmt::format("{} {}", images.owner.text(),
                          after.empty() ? "is led to no more" : "never said anything else"));
}

// What is meant leaves what others wrote as it is, too.
void GuardMeaning(const ChangeRecord& change, const Images& images,
                  std::vector<GuardRecord>& guards) {
  const absl::StatusOr<DomainName> domain = DomainName::Parse(change.domain);
  const std::string after = OnlySpf(images.after);
  if (!domain.ok() || after.empty()) return;
  for (GuardRecord& guard :
       GuardSpfText({after}, {UnflattenedText(*domain, after, change.managed_after)},
                    change.managed_after, UnflattenedTerms(change.managed_after))) {
    if (guard.verdict != GuardVerdict::kRefuse) continue;
    guard.message = fmt::format("the record that is meant, not flattened: {}", guard.message);
    guards.push_back(std::move(guard));
  }
}

absl::StatusOr<std::vector<GuardRecord>> JudgeRepair(const ChangeRecord& change,
                                                     const Images& images,
                                                     const std::optional<SpfMeasures>& measures) {
  const absl::StatusOr<DomainName> domain = DomainName::Parse(change.domain);
  if (!domain.ok()) return MakeError(absl::StatusCode::kDataLoss, MessageOf(domain.status()));
  std::vector<GuardRecord> guards =
      GuardRepair(change, *domain, TextsOf(images.before), TextsOf(images.after));
  if (change.intent.repair != RepairKind::kSpf) return guards;
  guards.push_back(GuardPlusAll(OnlySpf(images.after)));
  if (measures.has_value()) {
    Append(guards, GuardSpfCost(measures->before, measures->after));
  } else {
    guards.push_back(Refuse(guard_code::kSpfLookupLimit, "the look-ups were not counted"));
  }
  return guards;
}

std::vector<GuardRecord> JudgePrune(const ChangeRecord& change, const Images& images) {
  std::vector<GuardRecord> guards =
      GuardPrune(change, images.owner, TextsOf(images.before), TextsOf(images.after));
  guards.push_back(GuardPlusAll(OnlySpf(images.after)));
  return guards;
}

bool HoldsSpf(const RecordChangeRecord& change) {
  const absl::StatusOr<DomainName> owner = DomainName::Parse(change.owner_name);
  return owner.ok() && RoleOf(*owner) == RecordRole::kSpf;
}

TermAction Opposite(TermAction action) {
  if (action == TermAction::kAdd) return TermAction::kRemove;
  if (action == TermAction::kRemove) return TermAction::kAdd;
  return action;
}

RecordChangeRecord Swap(const RecordChangeRecord& change) {
  RecordChangeRecord out = change;
  std::swap(out.before, out.after);
  std::swap(out.ttl_before, out.ttl_after);
  std::swap(out.lookups_before, out.lookups_after);
  for (TermChangeRecord& term : out.term_changes) {
    term.action = Opposite(term.action);
    if (term.action == TermAction::kModify) std::swap(term.term, term.before);
  }
  return out;
}

}  // namespace

absl::StatusOr<std::vector<GuardRecord>> JudgeChange(const ChangeRecord& change,
                                                     const std::optional<SpfMeasures>& measures) {
  std::vector<GuardRecord> guards;
  const DmarcDirection direction =
      change.intent.rollback_of.empty() ? DmarcDirection::kForward : DmarcDirection::kRollback;
  bool main_written = false;
  for (const RecordChangeRecord& record : change.record_changes) {
    DMARCATE_ASSIGN_OR_RETURN(const Images images, ImagesOf(record));
    if (change.intent.repair != RepairKind::kNone) {
      Append(guards, GuardImages(images.owner, WithoutNearMisses(images.before), images.after));
      DMARCATE_ASSIGN_OR_RETURN(std::vector<GuardRecord> repair,
                                JudgeRepair(change, images, measures));
      Append(guards, std::move(repair));
      main_written = true;
      continue;
    }
    Append(guards, GuardImages(images.owner, images.before, images.after));
    switch (RoleOf(images.owner)) {
      case RecordRole::kSpf:
        if (IsChild(change, images.owner)) {
          guards.push_back(GuardChild(images));
          guards.push_back(GuardChildInUse(change, images));
          break;
        }
        main_written = true;
        if (change.intent.prune.empty()) {
          Append(guards, GuardSpfText(TextsOf(images.before), TextsOf(images.after),
                                      change.managed_before, change.managed_after));
        } else {
          Append(guards, JudgePrune(change, images));
        }
        if (NeedsProof(change)) GuardMeaning(change, images, guards);
        if (measures.has_value()) {
          Append(guards, GuardSpfCost(measures->before, measures->after));
        } else {
          guards.push_back(Refuse(guard_code::kSpfLookupLimit, "the look-ups were not counted"));
        }
        break;
      case RecordRole::kDmarc:
        // A copy of the record that the domain has: made and taken back, it changes nothing.
        Append(guards,
               GuardDmarcText(TextsOf(images.before.empty() ? images.seen_instead : images.before),
                              TextsOf(images.after.empty() ? images.seen_instead : images.after),
                              direction, change.intent.policy));
        break;
      case RecordRole::kMtaSts:
        Append(guards, GuardStsRecord(TextsOf(images.before), TextsOf(images.after),
                                      change.intent.mta_sts, direction));
        break;
      case RecordRole::kReportAuthorization:
        break;
    }
  }
  if (change.provider_class == kClassD && !change.record_changes.empty()) {
    guards.push_back(Refuse(guard_code::kWriteGap,
                            "this DNS host can only delete and create: for a moment there would be "
                            "no record; change it there by hand, or let another host hold it"));
  }
  if (!main_written && !SpfChildChangesOf(change).empty()) {
    // The record itself stays; what it leads to does not.
    if (measures.has_value()) {
      Append(guards, GuardSpfCost(measures->before, measures->after));
    } else {
      guards.push_back(Refuse(guard_code::kSpfLookupLimit, "the look-ups were not counted"));
    }
  }
  if (NeedsProof(change)) {
    guards.push_back(measures.has_value() && measures->proof.has_value()
                         ? GuardSpfProof(*measures->proof)
                         : Refuse(guard_code::kSpfFlattenProof, "nothing was proved"));
  }
  if (direction == DmarcDirection::kRollback) RelaxForRollback(guards);
  return guards;
}

absl::StatusOr<std::vector<GuardRecord>> WarnOfRevoked(const ChangeRecord& change,
                                                       const std::vector<std::string>& revoked) {
  std::vector<GuardRecord> guards;
  for (const RecordChangeRecord& record : change.record_changes) {
    DMARCATE_ASSIGN_OR_RETURN(const Images images, ImagesOf(record));
    if (RoleOf(images.owner) != RecordRole::kDmarc) continue;
    // Joined: a cut between two character-strings may go through an address. No other address has
    // the 80 random bits of one of ours.
    const std::string before = AsciiLower(Join(TextsOf(images.before), "\n"));
    const std::string after = AsciiLower(Join(TextsOf(images.after), "\n"));
    std::vector<std::string> named;
    bool comes = false;
    for (const std::string& address : revoked) {
      if (after.find(address) == std::string::npos) continue;
      named.push_back(address);
      comes = comes || before.find(address) == std::string::npos;
    }
    if (named.empty()) continue;
    guards.push_back(Warn(
        guard_code::kDmarcRuaRevoked,
        fmt::format("{} {} {}, which {} revoked: reports to {} are refused; take {} out of rua "
                    "by hand",
                    record.owner_name, comes ? "would name" : "goes on naming", Join(named, ", "),
                    named.size() == 1 ? "was" : "were", named.size() == 1 ? "it" : "them",
                    named.size() == 1 ? "it" : "them"),
        {{"addresses", Join(named, " ")}}));
  }
  return guards;
}

absl::StatusOr<std::optional<SpfTexts>> SpfTextsOf(const ChangeRecord& change) {
  for (const RecordChangeRecord& record : change.record_changes) {
    DMARCATE_ASSIGN_OR_RETURN(const Images images, ImagesOf(record));
    if (RoleOf(images.owner) != RecordRole::kSpf || IsChild(change, images.owner)) continue;
    return SpfTexts{OnlySpf(images.before), OnlySpf(images.after)};
  }
  return std::nullopt;
}

std::vector<const RecordChangeRecord*> SpfChildChangesOf(const ChangeRecord& change) {
  std::vector<const RecordChangeRecord*> out;
  for (const RecordChangeRecord& record : change.record_changes) {
    const absl::StatusOr<DomainName> owner = DomainName::Parse(record.owner_name);
    if (owner.ok() && IsChild(change, *owner)) out.push_back(&record);
  }
  return out;
}

bool NeedsProof(const ChangeRecord& change) {
  if (!change.intent.rollback_of.empty()) return false;
  const auto flattened = [](const std::vector<ManagedTerm>& managed) {
    return std::ranges::any_of(managed, &ManagedTerm::flattened);
  };
  const bool spf = std::ranges::any_of(change.record_changes, HoldsSpf);
  return spf && (flattened(change.managed_before) || flattened(change.managed_after));
}

std::string PlanDigest(const ChangeRecord& change) {
  DigestInput input;
  input.Add("dmarcate plan 2");
  input.Add(change.domain);
  input.Add(change.dns_provider);
  input.Add(static_cast<uint64_t>(change.intent.spf_from_decisions));
  input.Add(static_cast<uint64_t>(change.intent.dmarc_report_address));
  input.Add(static_cast<uint64_t>(change.intent.flatten));
  input.Add(change.intent.rollback_of);
  if (change.intent.repair != RepairKind::kNone) {
    input.Add("repair");
    input.Add(static_cast<uint64_t>(change.intent.repair));
    input.Add(change.intent.repair_keep);
  }
  if (!change.intent.prune.empty()) {
    input.Add("prune");
    input.Add(change.intent.prune);
  }
  if (change.intent.policy.has_value()) {
    input.Add("policy");
    input.Add(static_cast<uint64_t>(change.intent.policy->scope));
    input.Add(static_cast<uint64_t>(change.intent.policy->to));
    input.Add(static_cast<uint64_t>(change.intent.policy->direction));
    input.Add(change.intent.policy->rollout_id);
  }
  if (change.intent.mta_sts.has_value()) {
    input.Add("mta-sts");
    input.Add(change.intent.mta_sts->file);
    input.Add(change.intent.mta_sts->id);
    input.Add(change.intent.mta_sts->rollout_id);
  }
  input.Add(change.record_changes.size());
  for (const RecordChangeRecord& record : change.record_changes) {
    input.Add(record.zone);
    input.Add(record.owner_name);
    input.Add(record.type);
    input.Add(record.before);
    input.Add(record.after);
    input.Add(uint64_t{record.ttl_before});
    input.Add(uint64_t{record.ttl_after});
    if (record.alias.name.empty()) continue;
    input.Add(record.alias.name);
    input.Add(uint64_t{record.alias.in_place});
    input.Add(record.alias.held);
  }
  input.Add(change.managed_before);
  input.Add(change.managed_after);
  input.Add(change.guards.size());
  for (const GuardRecord& guard : change.guards) {
    input.Add(guard.code);
    input.Add(static_cast<uint64_t>(guard.verdict));
    input.Add(guard.metadata.size());
    for (const auto& [key, value] : guard.metadata) {
      input.Add(key);
      input.Add(value);
    }
  }
  // Behind all that was there before there were such, so that a plan without any has the digest
  // that it always had.
  for (const std::vector<ManagedTerm>* terms : {&change.managed_before, &change.managed_after}) {
    for (const ManagedTerm& term : *terms) {
      if (term.stands_for.empty()) continue;
      input.Add(terms == &change.managed_before ? "stood for" : "stands for");
      input.Add(term.term);
      input.Add(term.stands_for);
    }
  }
  return input.Finish();
}

std::vector<ManagedTerm> ManagedAfterRollback(const ChangeRecord& change,
                                              const std::vector<ManagedTerm>& managed_now) {
  const auto holds = [](const std::vector<ManagedTerm>& terms, const ManagedTerm& term) {
    return std::ranges::find(terms, term) != terms.end();
  };
  // Of a source's term there is one that stands in the record and one that is flattened at most.
  const auto same = [](const ManagedTerm& a, const ManagedTerm& b) {
    return a.term == b.term && a.source_id == b.source_id && a.flattened == b.flattened;
  };
  std::vector<ManagedTerm> back;  // what the change took out, or wrote otherwise
  for (const ManagedTerm& term : change.managed_before) {
    if (!holds(change.managed_after, term)) back.push_back(term);
  }
  std::vector<ManagedTerm> out;
  for (const ManagedTerm& term : managed_now) {
    const bool came = holds(change.managed_after, term) && !holds(change.managed_before, term);
    // The child records stay, and are ours.
    if (came && term.source_id != kFlattenedSourceId) continue;
    if (std::ranges::any_of(back, [&](const ManagedTerm& one) { return same(one, term); }))
      continue;
    out.push_back(term);
  }
  std::ranges::move(back, std::back_inserter(out));
  return out;
}

ChangeRecord PlanRollback(const ChangeRecord& change, const std::vector<ManagedTerm>& managed_now) {
  ChangeRecord rollback;
  rollback.domain = change.domain;
  rollback.intent.rollback_of = change.id;
  rollback.intent.policy = change.intent.policy;
  rollback.intent.prune = change.intent.prune;
  rollback.intent.mta_sts = change.intent.mta_sts;
  rollback.rollback_of = change.id;
  rollback.dns_provider = change.dns_provider;
  rollback.provider_class = change.provider_class;
  rollback.managed_before = rollback.managed_after = managed_now;
  for (auto it = change.record_changes.rbegin(); it != change.record_changes.rend(); ++it) {
    if (HoldsSpf(*it)) rollback.managed_after = ManagedAfterRollback(change, managed_now);
    if (BringsSpfChild(change, *it)) continue;
    rollback.record_changes.push_back(Swap(*it));
  }
  // Child records that come back, before the record that leads to them.
  std::ranges::stable_partition(rollback.record_changes, [&](const RecordChangeRecord& record) {
    const absl::StatusOr<DomainName> owner = DomainName::Parse(record.owner_name);
    return owner.ok() && IsChild(change, *owner);
  });
  return rollback;
}

bool BringsSpfChild(const ChangeRecord& change, const RecordChangeRecord& record) {
  const absl::StatusOr<Images> images = ImagesOf(record);
  return images.ok() && IsChild(change, images->owner) && OnlySpf(images->before).empty() &&
         !OnlySpf(images->after).empty();
}

bool TakesSpfChild(const ChangeRecord& change, const RecordChangeRecord& record) {
  const absl::StatusOr<Images> images = ImagesOf(record);
  return images.ok() && IsChild(change, images->owner) && !OnlySpf(images->before).empty() &&
         OnlySpf(images->after).empty();
}

std::vector<ManagedTerm> UniteTerms(const std::vector<ManagedTerm>& a,
                                    const std::vector<ManagedTerm>& b) {
  std::vector<ManagedTerm> all = a;
  for (const ManagedTerm& term : b) {
    if (std::ranges::find(all, term) != all.end()) continue;
    const auto other = std::ranges::find_if(all, [&](const ManagedTerm& one) {
      return one.flattened && term.flattened && one.term == term.term &&
             one.source_id == term.source_id;
    });
    if (other == all.end()) {
      all.push_back(term);
      continue;
    }
    const IpRangeSet networks =
        IpRangeSet(ParseNetworks(other->networks)).Union(IpRangeSet(ParseNetworks(term.networks)));
    other->networks.clear();
    for (const IpNetwork& network : networks.ToNetworks()) {
      other->networks.push_back(network.ToString());
    }
  }
  return all;
}

}  // namespace dmarcate
