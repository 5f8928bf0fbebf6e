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
#include "policyd/plan/spf_children.h"
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
    Append(guards, GuardImages(images.owner, images.before, images.after));
    switch (RoleOf(images.owner)) {
      case RecordRole::kSpf:
        if (IsChild(change, images.owner)) {
          guards.push_back(GuardChild(images));
          break;
        }
        main_written = true;
        Append(guards, GuardSpfText(TextsOf(images.before), TextsOf(images.after),
                                    change.managed_before, change.managed_after));
        if (measures.has_value()) {
          Append(guards, GuardSpfCost(measures->before, measures->after));
        } else {
          guards.push_back(Refuse(guard_code::kSpfLookupLimit, "the look-ups were not counted"));
        }
        break;
      case RecordRole::kDmarc:
        Append(guards, GuardDmarcText(TextsOf(images.before), TextsOf(images.after), direction,
                                      change.intent.policy));
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
  if (change.intent.policy.has_value()) {
    input.Add("policy");
    input.Add(static_cast<uint64_t>(change.intent.policy->scope));
    input.Add(static_cast<uint64_t>(change.intent.policy->to));
    input.Add(static_cast<uint64_t>(change.intent.policy->direction));
    input.Add(change.intent.policy->rollout_id);
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
  return input.Finish();
}

ChangeRecord PlanRollback(const ChangeRecord& change, const std::vector<ManagedTerm>& managed_now) {
  ChangeRecord rollback;
  rollback.domain = change.domain;
  rollback.intent.rollback_of = change.id;
  rollback.intent.policy = change.intent.policy;
  rollback.rollback_of = change.id;
  rollback.dns_provider = change.dns_provider;
  rollback.provider_class = change.provider_class;
  rollback.managed_before = rollback.managed_after = managed_now;
  for (auto it = change.record_changes.rbegin(); it != change.record_changes.rend(); ++it) {
    rollback.record_changes.push_back(Swap(*it));
    if (HoldsSpf(*it)) rollback.managed_after = change.managed_before;
  }
  return rollback;
}

}  // namespace dmarcate
