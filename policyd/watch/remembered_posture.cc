#include "policyd/watch/remembered_posture.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "fmt/format.h"

#include "lib/mailauth/policy_ladder.h"
#include "policyd/watch/history.h"
#include "policyd/watch/remembered_world.h"

namespace dmarcate {
namespace {

std::string_view DoneTo(DmarcPolicy policy) {
  switch (policy) {
    case DmarcPolicy::kNone:
      return "is delivered as any other";
    case DmarcPolicy::kQuarantine:
      return "goes to the spam folder";
    case DmarcPolicy::kReject:
      return "is refused";
  }
  return "";
}

// "reject of sub-domains": where another subject is treated otherwise than the domain.
std::string Others(const std::array<DmarcPolicy, 3>& effect, DmarcSubject subject) {
  std::string text;
  const auto add = [&](DmarcSubject other, std::string_view name) {
    const DmarcPolicy policy = effect[static_cast<size_t>(other)];
    if (other == subject || policy == effect[static_cast<size_t>(subject)]) return;
    text += fmt::format("; of {} it {}", name, DoneTo(policy));
  };
  if (subject != DmarcSubject::kDomain) return text;
  add(DmarcSubject::kSubdomain, "sub-domains");
  add(DmarcSubject::kNonExistent, "names that do not exist");
  return text;
}

}  // namespace

RememberedPosture JudgeRemembered(const DomainName& domain,
                                  const std::vector<RememberedName>& names, size_t most_selectors,
                                  absl::Time now) {
  constexpr std::string_view kBetween = "._domainkey.";
  RememberedPosture out;
  RememberedAnswers answers;
  std::vector<std::string> selectors;
  for (const auto& [name, history] : names) {
    const auto owner = DomainName::Parse(name.owner);
    if (!owner.ok() || name.kind == RecordKind::kMx) continue;
    answers.emplace(*owner, RememberedTxt(history, now));
    const Observation* last = LastLook(history);
    if (last == nullptr) continue;
    const RememberedLook look{last->first_seen, last->last_seen};
    if (name == ObservedName{domain.text(), RecordKind::kSpf}) out.spf_look = look;
    if (name == ObservedName{"_dmarc." + domain.text(), RecordKind::kDmarc}) out.dmarc_look = look;
    if (name.kind != RecordKind::kDkim || now - last->last_seen > kRememberedFor) continue;
    const size_t end = name.owner.size() - std::min(name.owner.size(), domain.text().size());
    if (end > kBetween.size() && std::string_view(name.owner).substr(0, end).ends_with(kBetween)) {
      selectors.push_back(name.owner.substr(0, end - kBetween.size()));
    }
  }
  std::ranges::sort(selectors);
  if (selectors.size() > most_selectors) selectors.resize(most_selectors);
  NoServers servers;
  RememberedResolver texts(answers, RememberedResolver::Addresses::kUnknown);
  RememberedResolver existence(answers, RememberedResolver::Addresses::kTellExistence);
  out.spf = InspectSpf(domain, texts, servers, StandingClock(now), MemoryOptions());
  out.dmarc = InspectDmarc(domain, existence, servers, MemoryOptions());
  for (const std::string& selector : selectors) {
    out.dkim.push_back(InspectDkim(domain, selector, texts, servers, MemoryOptions()));
  }
  return out;
}

std::string DescribePolicy(const DmarcDiscovery& discovery) {
  if (!discovery.policy_domain || !discovery.record) {
    return "there is no DMARC policy: receivers do as they like, and nobody reports";
  }
  const DmarcRecord& record = *discovery.record;
  const PolicyEffect effect = EffectOf(record);
  const auto subject = static_cast<size_t>(discovery.subject);
  const DmarcVerdict& verdict = record.Verdict(DmarcStandard::kRfc9989);
  if (verdict.reading != DmarcReading::kPolicy && verdict.reading != DmarcReading::kTreatedAsNone) {
    return fmt::format("the record is not in force: {}", verdict.why);
  }
  const DmarcPolicy now = effect.rfc9989[subject], older = effect.rfc7489[subject];
  std::string text = fmt::format("mail that fails {}", DoneTo(now));
  if (older != now) {
    text += fmt::format(" by receivers on RFC 9989, and {} by those on RFC 7489", DoneTo(older));
  } else if (const DmarcPolicy asked = verdict.Requested(discovery.subject); asked != now) {
    text += fmt::format(", while {} is tested", ToString(asked));
  } else if (record.Verdict(DmarcStandard::kRfc7489).pct != 100) {
    text += fmt::format(" (pct={}: some of it, by receivers on RFC 7489)",
                        record.Verdict(DmarcStandard::kRfc7489).pct);
  }
  text += Others(effect.rfc9989, discovery.subject);
  if (verdict.rua.empty()) text += "; nobody is asked for reports";
  return text;
}

}  // namespace dmarcate
