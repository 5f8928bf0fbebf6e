#include "policyd/analysis/learned_forwarders.h"

#include <utility>

#include "policyd/analysis/trusted.h"

namespace dmarcate {

size_t LearnedForwarders::DomainsOf(std::string_view source_id, std::string_view domain) const {
  const auto found = seen_.find(source_id);
  if (found == seen_.end()) return 0;
  const Seen& seen = found->second;
  const size_t forwards = seen.forwards.size() - (seen.forwards.contains(domain) ? 1 : 0);
  const size_t sends = seen.sends.size() - (seen.sends.contains(domain) ? 1 : 0);
  if (forwards < kDomainsToLearn || sends * kMostForwardersOfSender > forwards) return 0;
  return forwards;
}

void ForwarderLedger::Note(const DomainStatistics& month) {
  Shown shown;
  for (const SourceStatistics& source : month.sources) {
    if (shown.forwards.size() + shown.sends.size() == kMaxNotedOfDomain) break;
    if (source.rule == Rule::kOverflow || source.service != nullptr || source.learned_at > 0) {
      continue;
    }
    const bool forwards = source.kind == SourceKind::kForwarder;
    if (!forwards && source.kind != SourceKind::kSender && source.kind != SourceKind::kInternal) {
      continue;
    }
    const TrustedEvidence trusted = TrustedOf(source);
    if (!trusted.conclusive() || trusted.counts.messages < kFewestForwarded) continue;
    (forwards ? shown.forwards : shown.sends).insert(source.id);
  }
  if (shown.forwards.empty() && shown.sends.empty()) {
    domains_.erase(month.domain);
  } else {
    domains_.insert_or_assign(month.domain, std::move(shown));
  }
}

void ForwarderLedger::KeepOnly(const std::set<std::string, std::less<>>& managed) {
  std::erase_if(domains_, [&managed](const auto& entry) { return !managed.contains(entry.first); });
}

LearnedForwarders ForwarderLedger::Learn() const {
  LearnedForwarders out;
  for (const auto& [domain, shown] : domains_) {
    for (const std::string& source : shown.forwards) out.seen_[source].forwards.insert(domain);
  }
  std::erase_if(out.seen_,
                [](const auto& entry) { return entry.second.forwards.size() < kDomainsToLearn; });
  for (const auto& [domain, shown] : domains_) {
    for (const std::string& source : shown.sends) {
      if (const auto seen = out.seen_.find(source); seen != out.seen_.end()) {
        seen->second.sends.insert(domain);
      }
    }
  }
  return out;
}

void ApplyLearned(const LearnedForwarders& learned, DomainStatistics* statistics) {
  if (learned.empty()) return;
  for (SourceStatistics& source : statistics->sources) {
    if (source.kind != SourceKind::kUnknown || source.rule == Rule::kOverflow) continue;
    source.learned_at = learned.DomainsOf(source.id, statistics->domain);
    if (source.learned_at > 0) source.kind = SourceKind::kForwarder;
  }
}

}  // namespace dmarcate
