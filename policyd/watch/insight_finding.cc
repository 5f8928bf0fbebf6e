#include "policyd/watch/insight_finding.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "fmt/format.h"

#include "lib/base/digest.h"
#include "lib/base/text.h"
#include "lib/inspect/spf_tree.h"

namespace dmarcate {
namespace {

// Lints that are insights. The others are about how a record is written, and stay with it.
constexpr std::string_view kTaken[] = {
    lint_code::kSpfMissing,      lint_code::kSpfSyntax,
    lint_code::kSpfMultiple,     lint_code::kSpfLookupLimit,
    lint_code::kSpfLookupMargin, lint_code::kSpfPlusAll,
    lint_code::kSpfTooWide,      lint_code::kSpfDangling,
    lint_code::kDmarcMissing,    lint_code::kDmarcSyntax,
    lint_code::kDmarcMultiple,   lint_code::kDmarcNoRua,
    lint_code::kDmarcPMissing,   lint_code::kDmarcRuaUnauthorized,
    lint_code::kDkimSyntax,      lint_code::kDkimMultiple,
    lint_code::kDkimKeyShort,    lint_code::kDkimKeyRevokedInUse,
    lint_code::kDkimTestMode,    lint_code::kDkimDangling,
    lint_code::kDkimMissing,     lint_code::kCnameAtName,
};

// Drift as insights have it.
constexpr std::string_view kDriftTaken[] = {
    drift_code::kRecordGone,     drift_code::kRecordMultiple,    drift_code::kCname,
    drift_code::kTermLost,       drift_code::kRuaLost,           drift_code::kRecordChanged,
    drift_code::kIncludeChanged, drift_code::kIncludeUnreadable,
};

// Counts in metadata: more is worse, fewer is not another thing to know.
constexpr std::string_view kCounts[] = {"lookups", "count", "ipv4_address_count"};
// What is told beside a count, and moves with it.
constexpr std::string_view kBesideCounts[] = {"limit", "costliest_term", "costliest_lookups"};

template <typename Range>
bool Has(const Range& range, std::string_view text) {
  return std::ranges::find(range, text) != std::end(range);
}

std::string Cut(std::string text, size_t limit) {
  if (text.size() > limit) text = text.substr(0, limit) + "...";
  return text;
}

// A digest of the parts; no two lists of parts have the same bytes.
std::string Digest(const std::vector<std::string_view>& parts, size_t hex_digits) {
  std::string all;
  for (const std::string_view part : parts) all += fmt::format("{}:{}", part.size(), part);
  return Sha256Hex(all).substr(0, hex_digits);
}

// `place` tells apart what has one code and one subject.
std::string IdOf(std::string_view code, std::string_view subject, std::string_view place) {
  std::string id = AsciiLower(code);
  std::ranges::replace(id, '_', '-');
  return fmt::format("{}-{}", id, Digest({code, subject, place}, 20));
}

// A name as a word of a command line. Whoever copies the command must not run what a stranger
// called a name.
std::string ShellWord(std::string_view text) {
  const bool plain = std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
  });
  if (plain && !text.empty() && text.front() != '-') return std::string(text);
  std::string quoted = "'";
  for (const char c : EscapeForTerminal(text))
    quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string HistoryCommand(const DomainName& domain, std::string_view owner) {
  return fmt::format("dmarcate records history {} --name {}", domain.text(), ShellWord(owner));
}

// "dkim/s1" to "s1"; empty for other paths.
std::string_view SelectorOf(std::string_view path) {
  constexpr std::string_view kPrefix = "dkim/";
  return path.starts_with(kPrefix) ? path.substr(kPrefix.size()) : std::string_view();
}

bool NeedsTree(const LintFinding& finding) {
  return finding.path != "spf" || finding.code == lint_code::kSpfLookupLimit ||
         finding.code == lint_code::kSpfLookupMargin || finding.code == lint_code::kSpfTooWide;
}

// However a record spells it, a name is one name.
std::string NameText(std::string_view text) {
  const auto name = DomainName::Parse(text);
  return name.ok() ? name->text() : AsciiLower(text);
}

std::string ScopeOf(const LintFinding& finding) {
  if (const std::string_view selector = SelectorOf(finding.path); !selector.empty()) {
    return insight_scope::Dkim(selector);
  }
  if (finding.path.starts_with("spf")) {
    return std::string(NeedsTree(finding) ? insight_scope::kSpfTree : insight_scope::kSpf);
  }
  if (finding.code == lint_code::kDmarcMissing) return std::string(insight_scope::kDmarcPolicy);
  if (finding.code == lint_code::kDmarcRuaUnauthorized) {
    const auto name = finding.metadata.find("query_name");
    return insight_scope::DmarcReport(name == finding.metadata.end() ? "" : NameText(name->second));
  }
  return std::string(insight_scope::kDmarc);
}

// Where in the subject it is. The path alone says it, but for names that may be led to by several
// paths, and for the addresses of one tag.
std::string PlaceOf(const LintFinding& finding) {
  for (const std::string_view key : {"target", "query_name"}) {
    const auto found = finding.metadata.find(std::string(key));
    if (finding.code != lint_code::kCnameAtName && found != finding.metadata.end()) {
      return NameText(found->second);
    }
  }
  return SelectorOf(finding.path).empty() ? finding.path : AsciiLower(finding.path);
}

std::string CommandFor(const DomainName& domain, const LintFinding& finding) {
  const std::string_view selector = SelectorOf(finding.path);
  if (!selector.empty()) {
    return fmt::format("dmarcate records show {} --selector {}", domain.text(),
                       ShellWord(selector));
  }
  if (finding.path.starts_with("spf") && NeedsTree(finding)) {
    return fmt::format("dmarcate records tree {}", domain.text());
  }
  return fmt::format("dmarcate records show {}", domain.text());
}

void PutMetadata(const std::map<std::string, std::string>& from, InsightFinding* to) {
  for (const auto& [key, value] : from) to->metadata[key] = Cut(value, kMaxInsightTextBytes);
}

// The dangling name `target`, whoever found it.
// `gone`: it does not exist, so whoever registers it sends as the domain.
InsightFinding Dangling(const DomainName& domain, std::string_view name, bool gone) {
  const std::string target = NameText(name);
  InsightFinding out;
  out.code = std::string(lint_code::kSpfDangling);
  out.severity = Severity::kError;
  out.scope = insight_scope::Include(target);
  out.subject = domain.text();
  out.id = IdOf(out.code, out.subject, target);
  out.evidence_command = fmt::format("dmarcate records tree {}", domain.text());
  out.reference = "RFC 7208 section 5.2";
  out.content = Digest({out.code, gone ? "NXDOMAIN" : "NO_SPF"}, 16);
  return out;
}

}  // namespace

namespace insight_scope {
std::string DmarcReport(std::string_view query_name) {
  return fmt::format("dmarc-report/{}", query_name);
}
std::string Dkim(std::string_view selector) { return fmt::format("dkim/{}", AsciiLower(selector)); }
std::string Dnssec(std::string_view owner) { return fmt::format("dnssec/{}", owner); }
std::string Drift(std::string_view owner) { return fmt::format("drift/{}", owner); }
std::string Include(std::string_view owner) { return fmt::format("include/{}", owner); }
std::string Flattened(std::string_view term) { return fmt::format("flattened/{}", term); }
}  // namespace insight_scope

bool IsInsightCode(std::string_view code) {
  constexpr std::string_view kOthers[] = {
      lint_code::kDnssecBogus,        insight_code::kSpfVendorChanged,
      insight_code::kSpfVendorBroken, insight_code::kSourceUnapproved,
      insight_code::kSourceFailing,   insight_code::kSpoofingBurst,
      insight_code::kReporterSilent,  insight_code::kQuarantineSpike,
      insight_code::kRolloutBlocked,  insight_code::kRolloutReady,
      insight_code::kRolloutPaused,   insight_code::kPolicyLowered,
      insight_code::kMtaStsBlocked,   insight_code::kMtaStsReady,
      insight_code::kMtaStsPaused,    insight_code::kMtaStsLowered,
  };
  return Has(kTaken, code) || Has(kDriftTaken, code) || Has(kOthers, code);
}

std::string InsightIdOf(std::string_view code, std::string_view subject, std::string_view place) {
  return IdOf(code, subject, place);
}
std::string ShellWordOf(std::string_view text) { return ShellWord(text); }

std::optional<InsightFinding> SelectLint(const DomainName& domain, const LintFinding& finding,
                                         std::string_view subject, absl::Time since) {
  if (!Has(kTaken, finding.code)) return std::nullopt;
  // A key is an alias as often as not.
  const bool alias = finding.code == lint_code::kCnameAtName;
  if (alias && !SelectorOf(finding.path).empty()) return std::nullopt;
  InsightFinding out;
  if (finding.code == lint_code::kSpfDangling) {
    out = Dangling(domain, finding.metadata.at("target"),
                   finding.metadata.at("dangling") == ToString(SpfDangling::kNxDomain));
  } else {
    out.code = finding.code;
    out.severity = finding.severity;
    out.scope = ScopeOf(finding);
    out.subject = std::string(subject);
    out.id = IdOf(out.code, out.subject, PlaceOf(finding));
    out.evidence_command = CommandFor(domain, finding);
    out.reference = finding.rfc_section;
    std::vector<std::string_view> said = {finding.code};
    for (const auto& [key, value] : finding.metadata) {
      if (Has(kBesideCounts, key)) continue;
      if (Has(kCounts, key)) {
        int64_t count = 0;
        for (const char c : value) count = c >= '0' && c <= '9' ? count * 10 + (c - '0') : count;
        out.weight = count;
        continue;
      }
      said.push_back(key);
      said.push_back(value);
    }
    if (finding.code == lint_code::kSpfLookupMargin) {
      out.more_id = IdOf(lint_code::kSpfLookupLimit, out.subject, PlaceOf(finding));
    } else if (finding.code == lint_code::kSpfLookupLimit) {
      out.less_id = IdOf(lint_code::kSpfLookupMargin, out.subject, PlaceOf(finding));
    }
    // Where the message alone tells one fault from the other.
    if (finding.code == lint_code::kSpfSyntax || finding.code == lint_code::kDmarcSyntax ||
        finding.code == lint_code::kDkimSyntax || finding.code == lint_code::kSpfMissing) {
      said.push_back(finding.message);
    }
    out.content = Digest(said, 16);
  }
  out.path = Cut(finding.path, kMaxInsightTextBytes);
  out.message = Cut(finding.message, kMaxInsightMessageBytes);
  out.fix_hint = Cut(finding.fix_hint, kMaxInsightMessageBytes);
  PutMetadata(finding.metadata, &out);
  out.since = since;
  return out;
}

std::optional<InsightFinding> SelectDrift(const DomainName& domain, const Drift& drift,
                                          absl::Time now) {
  InsightFinding out;
  if (drift.code == drift_code::kIncludeGone || drift.code == drift_code::kIncludeNoSpf) {
    out = Dangling(domain, drift.name.owner, drift.code == drift_code::kIncludeGone);
    out.metadata["target"] = Cut(drift.name.owner, kMaxInsightTextBytes);
  } else {
    if (drift.code == drift_code::kIncludeUnreadable && now - drift.since < kUnreadableTold) {
      return std::nullopt;
    }
    out.code = drift.code;
    out.severity = drift.severity;
    const bool included = drift.code.starts_with("INCLUDE_");
    out.scope = included ? insight_scope::Include(drift.name.owner)
                         : insight_scope::Drift(drift.name.owner);
    out.subject = drift.name.owner;
    std::string place;
    std::vector<std::string_view> said = {drift.code, drift.expected, drift.live};
    for (const auto& [key, value] : drift.metadata) place += fmt::format("{}={};", key, value);
    // Whatever is live: the address is not among it, or the name does not answer.
    const bool whole =
        drift.code == drift_code::kRecordChanged || drift.code == drift_code::kIncludeChanged;
    if (!whole) said = {drift.code};
    // Its message names the target, and no other field does.
    if (drift.code == drift_code::kCname) said.push_back(drift.message);
    out.id = IdOf(out.code, out.subject, place);
    out.content = Digest(said, 16);
    out.evidence_command = HistoryCommand(domain, drift.name.owner);
    PutMetadata(drift.metadata, &out);
    if (!drift.change_id.empty()) out.metadata["change"] = drift.change_id;
  }
  out.message = Cut(drift.message, kMaxInsightMessageBytes);
  out.fix_hint = Cut(drift.fix_hint, kMaxInsightMessageBytes);
  out.since = drift.since;
  return out;
}

std::optional<InsightFinding> VendorFinding(const DomainName& domain, const ManagedTerm& term,
                                            const VendorFollow& follow, absl::Time since) {
  using Outcome = VendorFollow::Outcome;
  if (follow.outcome == Outcome::kSame || follow.outcome == Outcome::kUnknown) return std::nullopt;
  const std::string shown = EscapeForTerminal(term.term);
  InsightFinding out;
  out.scope = insight_scope::Flattened(term.term);
  out.subject = domain.text();
  out.metadata = {{"term", Cut(ToValidUtf8(term.term), kMaxInsightTextBytes)},
                  {"source", term.source_id}};
  if (follow.outcome == Outcome::kBroken) {
    out.code = insight_code::kSpfVendorBroken;
    out.severity = Severity::kError;
    out.message = fmt::format(
        "{} stands as addresses in the SPF record of {}, and what it names can no longer be read "
        "as addresses: {}; the addresses that it had are still published",
        shown, domain.text(), EscapeForTerminal(follow.why));
    out.fix_hint = fmt::format(
        "ask who runs it; if {} does not send any more, reject the source and plan: "
        "dmarcate changes plan {} --spf",
        term.source_id, domain.text());
    out.content = Digest({out.code, follow.why}, 16);
  } else {
    const std::vector<IpNetwork> gained = follow.change.gained.ToNetworks();
    const std::vector<IpNetwork> lost = follow.change.lost.ToNetworks();
    out.code = insight_code::kSpfVendorChanged;
    out.severity = gained.empty() ? Severity::kWarning : Severity::kError;
    out.message = fmt::format(
        "{} stands as addresses in the SPF record of {}, and has other ones now: {} networks came, "
        "{} went{}",
        shown, domain.text(), gained.size(), lost.size(),
        gained.empty() ? "" : "; mail from the new ones fails SPF until they are published");
    if (!follow.change.needs_person.empty()) {
      out.message += fmt::format("; look at it first: {}", follow.change.needs_person);
    }
    out.fix_hint =
        fmt::format("plan again and apply it: dmarcate changes plan {} --spf", domain.text());
    out.metadata["gained"] = std::to_string(gained.size());
    out.metadata["lost"] = std::to_string(lost.size());
    out.metadata["needs_person"] = Cut(follow.change.needs_person, kMaxInsightTextBytes);
    std::vector<std::string_view> said = {out.code};
    said.insert(said.end(), follow.networks.begin(), follow.networks.end());
    out.content = Digest(said, 16);
  }
  out.id = IdOf(out.code, out.subject, term.term);
  out.evidence_command = fmt::format("dmarcate changes plan {} --spf --dry-run", domain.text());
  out.message = Cut(std::move(out.message), kMaxInsightMessageBytes);
  out.fix_hint = Cut(std::move(out.fix_hint), kMaxInsightMessageBytes);
  out.since = since;
  return out;
}

InsightFinding BogusName(const DomainName& domain, const std::string& owner, absl::Time since) {
  InsightFinding out;
  out.code = std::string(lint_code::kDnssecBogus);
  out.severity = Severity::kError;
  out.scope = insight_scope::Dnssec(owner);
  out.subject = owner;
  out.id = IdOf(out.code, out.subject, "");
  out.message = Cut(fmt::format("DNSSEC says bogus at {}, so receivers that validate see nothing",
                                EscapeForTerminal(owner)),
                    kMaxInsightMessageBytes);
  out.fix_hint = "Repair the zone's signatures or the DS record at its parent.";
  out.evidence_command = HistoryCommand(domain, owner);
  out.reference = "RFC 4035 section 5.5";
  out.content = Digest({out.code}, 16);
  out.since = since;
  return out;
}

std::string_view Superseded(std::string_view code, bool spf) {
  if (code == drift_code::kRecordGone) {
    return spf ? lint_code::kSpfMissing : lint_code::kDmarcMissing;
  }
  if (code == drift_code::kRecordMultiple) {
    return spf ? lint_code::kSpfMultiple : lint_code::kDmarcMultiple;
  }
  if (code == drift_code::kCname) return lint_code::kCnameAtName;
  if (code == drift_code::kRuaLost) return lint_code::kDmarcNoRua;
  return {};
}

}  // namespace dmarcate
