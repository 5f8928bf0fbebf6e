#include "policyd/analysis/advice.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "fmt/format.h"

#include "lib/base/digest.h"
#include "lib/base/text.h"
#include "policyd/analysis/trusted.h"

namespace dmarcate {
namespace {

std::string OfMessages(int64_t part, int64_t whole) {
  return fmt::format("{} of {} messages", part, whole);
}

// Whether its mail passes SPF aligned now and then: a service whose envelope domain is its own may
// have been given one of ours. What no two anchors say, nor a report that was handed in, is no
// ground to advise an include.
bool IsSeenToAlignBySpf(const SourceStatistics& source) {
  const TrustedEvidence trusted = TrustedOf(source);
  if (trusted.ground != TrustedGround::kAnchors) return trusted.counts.spf_aligned > 0;
  return std::ranges::count_if(source.anchors, [](const AnchorCounts& anchor) {
           return anchor.counts.spf_aligned > 0;
         }) >= 2;
}

bool SpfCannotAlign(const SourceStatistics& source) {
  if (source.service == nullptr || IsSeenToAlignBySpf(source)) return false;
  return source.service->spf_alignment == SpfAlignment::kNever ||
         source.service->spf_alignment == SpfAlignment::kCustomReturnPath;
}

std::string_view FirstInclude(const SourceStatistics& source) {
  if (source.service == nullptr || source.service->spf_includes.empty()) return {};
  return source.service->spf_includes.front();
}

// " SETUP See URL" of the catalogue.
std::string HowTo(const SourceStatistics& source) {
  std::string text;
  if (!source.service->setup.empty()) text += fmt::format(" {}", source.service->setup);
  if (!source.service->url.empty()) text += fmt::format(" See {}", source.service->url);
  return text;
}

Advice AdviseService(const SourceStatistics& source, const Counts& counts,
                     std::string_view domain) {
  const MailService& service = *source.service;
  Advice advice;
  if (SpfCannotAlign(source)) {
    advice.proposal.kind = AuthorizationSpec::Kind::kDkimOnly;
    advice.sentence = fmt::format(
        "If it is yours, let it sign as {1}; an SPF include does not help: the envelope domain of "
        "{0} "
        "is its own.{2}",
        service.name, domain, HowTo(source));
    return advice;
  }
  const std::string_view include = FirstInclude(source);
  if (include.empty()) {
    advice.sentence = fmt::format(
        "DKIM aligns for {}; no SPF include of {} is known, so let it sign as {}.{}",
        OfMessages(counts.dkim_aligned, counts.messages), service.name, domain, HowTo(source));
    return advice;
  }
  advice.proposal.kind = AuthorizationSpec::Kind::kSpfInclude;
  advice.proposal.include_domain = include;
  advice.spf_needed = true;
  advice.sentence =
      fmt::format("If it is yours, approve it with include:{}: DKIM aligns for {} only.{}", include,
                  OfMessages(counts.dkim_aligned, counts.messages), HowTo(source));
  return advice;
}

// The claim that decided the grouping.
EvidenceItem IdentityEvidence(const SourceStatistics& source, Rule rule, int64_t messages) {
  EvidenceItem evidence{.verdict = "supports", .messages = messages};
  const std::string value =
      rule == source.rule ? EscapeForTerminal(source.value) : std::string("the same sender");
  // Mail of a service may have been merged into a source that is none.
  const std::string entry = source.service == nullptr
                                ? "an entry of the catalogue"
                                : fmt::format("catalogue entry {}", source.service->id);
  switch (rule) {
    case Rule::kCatalogueDkim:
      evidence.claim = fmt::format("{} messages carry a DKIM pass of {}", messages, value);
      evidence.checked_against = entry + ": signing domains";
      break;
    case Rule::kCatalogueSelector:
      evidence.claim = fmt::format("{} messages carry a DKIM pass of your domain with selector {}",
                                   messages, value);
      evidence.checked_against = entry + ": selectors";
      break;
    case Rule::kCatalogueEnvelope:
      evidence.claim = fmt::format("{} messages pass SPF for {}", messages, value);
      evidence.checked_against = entry + ": envelope domains";
      break;
    case Rule::kCatalogueRange:
      evidence.claim = fmt::format("{} messages come from addresses such as {}", messages, value);
      evidence.checked_against = entry + ": address ranges";
      break;
    case Rule::kCatalogueReverseName:
      evidence.claim =
          fmt::format("{} messages come from addresses named such as {}", messages, value);
      evidence.checked_against = entry + ": names of its addresses, confirmed both ways";
      break;
    case Rule::kOwnDkim:
      evidence.claim = fmt::format("{} messages carry a DKIM pass of {}", messages, value);
      evidence.checked_against = "your own domain";
      break;
    case Rule::kOwnEnvelope:
      evidence.claim = fmt::format("{} messages pass SPF for {}", messages, value);
      evidence.checked_against = "your own domain";
      break;
    case Rule::kForwarderEnvelope:
      evidence.claim =
          fmt::format("{} messages pass SPF for {} and look passed on", messages, value);
      evidence.checked_against = "your signature and the reporters' reasons";
      break;
    case Rule::kOtherDkim:
      evidence.claim = fmt::format("{} messages carry a DKIM pass of {}", messages, value);
      evidence.checked_against = "no catalogue entry";
      evidence.verdict = "neutral";
      break;
    case Rule::kOtherEnvelope:
      evidence.claim = fmt::format("{} messages pass SPF for {}", messages, value);
      evidence.checked_against = "no catalogue entry";
      evidence.verdict = "neutral";
      break;
    case Rule::kAddress:
      evidence.claim = fmt::format(
          "{} messages carry no passing DKIM or SPF domain; they come "
          "from {}",
          messages, value.empty() ? "an address not reported" : value);
      evidence.checked_against = "nothing";
      evidence.verdict = "neutral";
      break;
    case Rule::kOverflow:
      evidence.claim =
          fmt::format("{} messages of senders that were too many to keep apart", messages);
      evidence.checked_against = "nothing";
      evidence.verdict = "neutral";
      break;
  }
  return evidence;
}

}  // namespace

Advice Advise(const SourceStatistics& source, std::string_view domain) {
  const TrustedEvidence trusted = TrustedOf(source);
  const Counts& counts = trusted.counts;
  Advice advice;
  const std::string name = DisplayName(source);
  if (const std::string_view include = FirstInclude(source); !include.empty()) {
    advice.spf_term = fmt::format("include:{}", include);
  }
  if (source.kind == SourceKind::kForwarder) {
    advice.sentence = fmt::format(
        "Nothing to approve: {} passes on mail of others. What you sign with DKIM survives it; SPF "
        "cannot.",
        name);
  } else if (!trusted.conclusive()) {
    advice.sentence = fmt::format(
        "Wait: of its {} messages {}, which is a ground for nothing. If you know that it is yours, "
        "say how its approval shall be realised.",
        source.counts.messages,
        trusted.ground == TrustedGround::kOneAnchor ? "one anchor alone reports"
                                                    : "only reporters that are no anchors speak");
  } else if (trusted.dkim_set_up == Agreement::kSplit) {
    advice.sentence =
        "Look yourself: the anchors contradict each other about its DKIM, so nothing is proposed.";
  } else if (trusted.dkim_set_up == Agreement::kYes) {
    advice.proposal.kind = AuthorizationSpec::Kind::kDkimOnly;
    advice.sentence =
        fmt::format("If it is yours, approve it: DKIM aligns for {}, so nothing is added to SPF.",
                    OfMessages(counts.dkim_aligned, counts.messages));
  } else if (trusted.spf_set_up == Agreement::kYes) {
    advice.proposal.kind = AuthorizationSpec::Kind::kAlreadyAuthorized;
    advice.sentence = fmt::format(
        "If it is yours, approve it: SPF aligns for {}, so your record covers it already. Let it "
        "sign as {} too, since SPF does not survive forwarding.",
        OfMessages(counts.spf_aligned, counts.messages), domain);
  } else if (source.service != nullptr) {
    Advice of_service = AdviseService(source, counts, domain);
    of_service.spf_term = std::move(advice.spf_term);
    return of_service;
  } else if (trusted.passes == Agreement::kYes) {
    advice.proposal.kind = AuthorizationSpec::Kind::kAlreadyAuthorized;
    advice.sentence = fmt::format("If it is yours, approve it: {} pass by DKIM or by SPF already.",
                                  OfMessages(counts.dmarc_pass, counts.messages));
  } else if (counts.dmarc_pass == 0) {
    advice.sentence = fmt::format(
        "Nothing of it aligns and no service is known by {}: reject it unless you know it; if it "
        "is "
        "yours, let it sign as {}.",
        name, domain);
  } else {
    advice.sentence = fmt::format(
        "{} pass. No SPF term is known for {}: find out who runs it, and if it is yours, let all "
        "of "
        "it sign as {}.",
        OfMessages(counts.dmarc_pass, counts.messages), name, domain);
  }
  return advice;
}

bool NeedsSpf(const SourceStatistics& source) {
  const TrustedEvidence trusted = TrustedOf(source);
  return !trusted.conclusive() || trusted.dkim_set_up != Agreement::kYes;
}

std::vector<EvidenceItem> EvidenceFor(const SourceStatistics& source,
                                      const DomainStatistics& domain) {
  std::vector<EvidenceItem> items;
  for (size_t i = 0; i < kRuleCount; ++i) {
    if (source.by_rule[i] > 0 || static_cast<Rule>(i) == source.rule) {
      items.push_back(IdentityEvidence(source, static_cast<Rule>(i), source.by_rule[i]));
    }
  }
  const Counts& counts = source.counts;
  const auto add = [&items](std::string claim, std::string against, std::string_view verdict,
                            int64_t messages) {
    items.push_back({std::move(claim), std::move(against), std::string(verdict), messages});
  };
  add(fmt::format("DKIM aligns for {}", OfMessages(counts.dkim_aligned, counts.messages)),
      "the reporters' evaluation", counts.dkim_aligned > 0 ? "supports" : "contradicts",
      counts.dkim_aligned);
  add(fmt::format("SPF aligns for {}", OfMessages(counts.spf_aligned, counts.messages)),
      "the reporters' evaluation", counts.spf_aligned > 0 ? "supports" : "neutral",
      counts.spf_aligned);
  if (!source.own_selectors.empty()) {
    std::vector<std::string> shown;
    for (const std::string& selector : source.own_selectors) {
      shown.push_back(EscapeForTerminal(selector));
    }
    add(fmt::format("it carries your signature with selectors {}{}", Join(shown, ", "),
                    source.own_selectors_known ? "" : " and more"),
        "auth_results", "supports", source.own_signature);
  }
  if (source.forwarded_by_override > 0) {
    add(fmt::format("reporters call {} messages forwarded or from a list",
                    source.forwarded_by_override),
        "override reasons", "contradicts", source.forwarded_by_override);
  }
  if (source.forwarded_by_broken_spf > 0) {
    add(fmt::format("in {} messages your signature is intact and SPF is not yours",
                    source.forwarded_by_broken_spf),
        "what forwarding does", "neutral", source.forwarded_by_broken_spf);
  }
  add(fmt::format("{} of {} reporting organisations saw it, from {} addresses",
                  source.reporters.size(), domain.reporters.size(), source.address_count),
      "the reports of the range", source.reporters.size() > 1 ? "supports" : "neutral",
      counts.messages);
  // The numbers above are those of all reports that count; who decides by them has to know it.
  const int64_t claimed = counts.messages - BelievedCounts(source.by_trust).messages;
  if (claimed > 0) {
    add(fmt::format("of {} only reporters that are no anchors speak",
                    OfMessages(claimed, counts.messages)),
        "the trust classes of the reports", "neutral", claimed);
  }
  return items;
}

std::string KindReason(const SourceStatistics& source) {
  const int64_t all = source.counts.messages;
  switch (source.kind) {
    case SourceKind::kSender:
      if (source.service != nullptr) {
        return fmt::format("catalogue entry {}, by {}", source.service->id, ToString(source.rule));
      }
      return fmt::format("your signature on {}, with a selector that no other sender of yours uses",
                         OfMessages(source.own_signature, all));
    case SourceKind::kForwarder:
      if (source.learned_at > 0) {
        return fmt::format("{} other domains of yours show that it passes on mail",
                           source.learned_at);
      }
      if (source.service != nullptr) {
        return fmt::format("catalogue entry {}, which passes mail on", source.service->id);
      }
      if (source.forwarded_by_override > 0) {
        return fmt::format("reporters call {} forwarded or from a list",
                           OfMessages(source.forwarded_by_override, all));
      }
      return fmt::format(
          "your signature is intact on {} under another envelope, and each selector is one of your "
          "own senders'",
          OfMessages(source.own_signature, all));
    case SourceKind::kInternal:
      return fmt::format("{} pass for your own domain, and none for a service",
                         OfMessages(source.counts.dmarc_pass, all));
    case SourceKind::kSuspicious:
      if (source.own_envelope_denied > 0) {
        return fmt::format("your SPF record denies {}, and nothing else supports it",
                           OfMessages(source.own_envelope_denied, all));
      }
      return fmt::format("none of {} messages passes DKIM or SPF for any domain", all);
    case SourceKind::kUnknown:
      break;
  }
  return fmt::format(
      "it passes for {}, which is not yours and in no catalogue entry; {} pass DMARC",
      source.value.empty() ? "no domain" : EscapeForTerminal(source.value),
      OfMessages(source.counts.dmarc_pass, all));
}

std::vector<std::string> WarningsFor(const SourceStatistics& source) {
  std::vector<std::string> codes;
  const Counts& counts = source.counts;
  if (counts.dkim_aligned > 0 && !NearlyAll(counts.dkim_aligned, counts.messages)) {
    codes.emplace_back("DKIM_PARTLY_ALIGNED");
  }
  if (source.kind == SourceKind::kForwarder) codes.emplace_back("FORWARDED");
  if (counts.messages > 0 && counts.dmarc_pass == 0) codes.emplace_back("NOTHING_ALIGNS");
  if (source.service == nullptr) codes.emplace_back("NO_CATALOGUE_ENTRY");
  if (source.rule == Rule::kOverflow) codes.emplace_back("OVERFLOW");
  if (source.reporters.size() == 1) codes.emplace_back("SINGLE_REPORTER");
  if (source.forwarded_by_broken_spf > 0) codes.emplace_back("SPF_BREAKS");
  if (SpfCannotAlign(source)) codes.emplace_back("SPF_CANNOT_ALIGN");
  return codes;
}

std::string EvidenceEtag(const SourceStatistics& source, const DomainStatistics& domain) {
  const Advice advice = Advise(source, domain.domain);
  std::string grounds = fmt::format(
      "{}\n{}\n{}\n{}\n{}\n{}\n{}\n", domain.domain, source.id, static_cast<int>(source.kind),
      ToString(source.rule), source.value, advice.spf_term, static_cast<int>(advice.proposal.kind));
  for (size_t i = 0; i < kRuleCount; ++i) grounds += source.by_rule[i] > 0 ? '1' : '0';
  for (const std::string& code : WarningsFor(source)) grounds += fmt::format("\n{}", code);
  const auto day = [](DayNumber number) {
    std::string text = FormatDay(number);
    std::erase(text, '-');
    return text;
  };
  return fmt::format("{}-{}-{}", day(domain.range.first), day(domain.range.last),
                     Sha256Hex(grounds).substr(0, 20));
}

std::optional<DayRange> RangeOfEtag(std::string_view etag) {
  constexpr size_t kLength = 8 + 1 + 8 + 1 + 20;
  if (etag.size() != kLength || etag[8] != '-' || etag[17] != '-') return std::nullopt;
  const auto day = [&etag](size_t at) {
    return ParseDay(fmt::format("{}-{}-{}", etag.substr(at, 4), etag.substr(at + 4, 2),
                                etag.substr(at + 6, 2)));
  };
  const auto first = day(0), last = day(9);
  if (!first.ok() || !last.ok() || *last < *first) return std::nullopt;
  return DayRange{*first, *last};
}

std::string DisplayName(const SourceStatistics& source) {
  if (source.service != nullptr) return std::string(source.service->name);
  if (source.id.starts_with(kSplitPrefix)) return source.id.substr(kSplitPrefix.size());
  switch (source.rule) {
    case Rule::kOwnDkim:
    case Rule::kOwnEnvelope:
      return fmt::format("Your own senders ({})", EscapeForTerminal(source.value));
    case Rule::kOverflow:
      return "Other senders";
    default:
      return source.value.empty() ? "Unknown address" : EscapeForTerminal(source.value);
  }
}

}  // namespace dmarcate
