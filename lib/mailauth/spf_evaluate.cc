#include "lib/mailauth/spf_evaluate.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/mailauth/spf_macro.h"
#include "lib/mailauth/syntax_error.h"

namespace dmarcate {
namespace {

constexpr size_t kMaxExchanges = 10;  // more is permerror
constexpr size_t kMaxPtrNames = 10;   // the rest is ignored
constexpr size_t kMaxExplanationOctets = 1000;

// Why an evaluation ends early: temperror or permerror.
struct Stop {
  SpfResult result;
  std::string reason;
};

// A value, or the reason to stop.
template <typename T>
class OrStop {
 public:
  OrStop(T value) : value_(std::move(value)) {}  // NOLINT: converts on purpose
  OrStop(Stop stop) : stop_(std::move(stop)) {}  // NOLINT
  bool ok() const { return value_.has_value(); }
  T& operator*() { return *value_; }
  T* operator->() { return &*value_; }
  Stop& stop() { return *stop_; }

 private:
  std::optional<T> value_;
  std::optional<Stop> stop_;
};

// What one record says.
struct Decision {
  SpfResult result = SpfResult::kNeutral;
  std::string term;              // that matched; empty: none did
  std::string domain;            // of the record that decided
  std::string reason;            // where there is no such record
  std::string explanation_spec;  // of the record that said fail
  std::string explanation_domain;
};

// Not before it is asked for: of each included record nobody does.
std::string ReasonOf(const Decision& decision) {
  if (!decision.reason.empty()) return decision.reason;
  if (decision.term.empty()) return fmt::format("no term of {} matches", decision.domain);
  return fmt::format("{} matches {}", decision.domain, Quoted(decision.term));
}

// The name that an expanded domain-spec stands for, if the DNS can hold it, whatever the
// characters.
std::optional<std::string> DnsName(std::string expanded) {
  std::string name = AsciiLower(FitDomain(std::move(expanded)));
  if (name.empty() || name.size() > 253) return std::nullopt;
  const bool held = std::ranges::all_of(Split(name, '.'), [](std::string_view label) {
    return !label.empty() && label.size() <= 63;
  });
  if (!held) return std::nullopt;
  return name;
}

bool IsAtOrBelow(std::string_view name, std::string_view ancestor) {
  return name == ancestor || (name.size() > ancestor.size() && name.ends_with(ancestor) &&
                              name[name.size() - ancestor.size() - 1] == '.');
}

SpfResult ResultOf(SpfQualifier qualifier) {
  switch (qualifier) {
    case SpfQualifier::kPass:
      return SpfResult::kPass;
    case SpfQualifier::kFail:
      return SpfResult::kFail;
    case SpfQualifier::kSoftFail:
      return SpfResult::kSoftFail;
    case SpfQualifier::kNeutral:
      return SpfResult::kNeutral;
  }
  return SpfResult::kNeutral;
}

class Evaluator {
 public:
  Evaluator(const SpfRequest& request, SpfDns& dns) : dns_(dns) {
    const size_t at = request.mail_from.rfind('@');
    values_.ip = request.client;
    values_.helo = request.helo;
    values_.receiver = request.receiver;
    values_.unix_seconds = request.unix_seconds;
    // Section 2.4: a null MAIL FROM stands for postmaster at the HELO name. Section 4.3: an empty
    // local part is postmaster.
    values_.local = at == std::string::npos ? "" : request.mail_from.substr(0, at);
    values_.sender_domain = request.mail_from.empty() ? request.helo
                            : at == std::string::npos ? request.mail_from
                                                      : request.mail_from.substr(at + 1);
    if (values_.local.empty()) values_.local = "postmaster";
    values_.sender = fmt::format("{}@{}", values_.local, values_.sender_domain);
  }

  SpfEvaluation Run() {
    SpfEvaluation evaluation;
    const auto domain = DomainName::Parse(values_.sender_domain);
    if (!domain.ok() || domain->label_count() < 2) {
      evaluation.reason = "the identity has no domain of two labels or more";
      return evaluation;
    }
    auto decision = EvaluateDomain(domain->text());
    if (decision.ok()) {
      evaluation.result = decision->result;
      evaluation.reason = ReasonOf(*decision);
      evaluation.matched_term = decision->term;
      if (decision->result == SpfResult::kFail) evaluation.explanation = Explain(*decision);
    } else {
      evaluation.result = decision.stop().result;
      evaluation.reason = decision.stop().reason;
    }
    evaluation.lookup_count = lookups_;
    evaluation.void_lookup_count = voids_;
    evaluation.depends_on_sender = depends_on_sender_;
    return evaluation;
  }

 private:
  static Stop Permerror(std::string reason) { return {SpfResult::kPermError, std::move(reason)}; }
  static Stop Temperror(const std::string& name, const absl::Status& status) {
    return {SpfResult::kTempError, fmt::format("{}: {}", name, MessageOf(status))};
  }

  // The recursion ends: each level costs one of ten look-ups.
  OrStop<Decision> EvaluateDomain(const std::string& domain) {
    Decision decision;
    if (domain.find('.') == std::string::npos) {  // section 4.3; a macro can make such a name
      decision.result = SpfResult::kNone;
      decision.reason = fmt::format("{} has one label only", domain);
      return decision;
    }
    const auto texts = dns_.LookupTxt(domain);
    if (!texts.ok()) return Temperror(domain, texts.status());
    const SpfSelection selection = SelectSpf(*texts);
    if (selection.outcome == SpfSelection::Outcome::kNone) {
      decision.result = SpfResult::kNone;
      decision.reason = fmt::format("{} has no SPF record", domain);
      return decision;
    }
    if (selection.outcome == SpfSelection::Outcome::kMultiple) {
      return Permerror(fmt::format("{} has several SPF records", domain));
    }
    const auto record = ParseSpf((*texts)[selection.indexes[0]]);
    if (!record.ok()) {
      return Permerror(fmt::format("{}: {}", domain, MessageOf(record.status())));
    }
    return EvaluateRecord(domain, *record);
  }

  OrStop<Decision> EvaluateRecord(const std::string& domain, const SpfRecord& record) {
    Decision decision;
    decision.domain = domain;
    for (const SpfTerm& term : record.terms) {
      if (term.kind != SpfKind::kExp) continue;
      decision.explanation_spec = term.domain_spec;
      decision.explanation_domain = domain;
    }
    for (const SpfTerm& term : record.terms) {
      if (term.is_modifier()) continue;
      auto matched = Matches(domain, term);
      if (!matched.ok()) return matched.stop();
      if (!*matched) continue;
      decision.result = ResultOf(term.qualifier);
      decision.term = term.text;
      return decision;
    }
    const SpfTerm* redirect = record.redirect();
    if (redirect != nullptr && !record.IndexOfAll().has_value()) {
      return FollowRedirect(domain, *redirect);
    }
    return decision;
  }

  OrStop<Decision> FollowRedirect(const std::string& domain, const SpfTerm& term) {
    if (auto stop = CountLookup(term)) return *stop;
    const auto target = Target(domain, term);
    if (!out_of_time_.ok()) return Temperror(domain, out_of_time_);
    if (!target.has_value()) {
      return Permerror(fmt::format("{} leads to a malformed name", Quoted(term.text)));
    }
    auto decision = EvaluateDomain(*target);
    if (!decision.ok()) return decision.stop();
    if (decision->result == SpfResult::kNone) {
      return Permerror(fmt::format("{}: {}", Quoted(term.text), ReasonOf(*decision)));
    }
    return decision;
  }

  std::optional<Stop> CountLookup(const SpfTerm& term) {
    lookups_ += UsesMacro(term.domain_spec, 'p') ? 2 : 1;
    if (lookups_ <= kMaxSpfLookups) return std::nullopt;
    return Permerror(fmt::format("{}: more than {} look-ups", Quoted(term.text), kMaxSpfLookups));
  }

  std::optional<Stop> CountVoid(const SpfTerm& term) {
    if (++voids_ <= kMaxSpfVoidLookups) return std::nullopt;
    return Permerror(
        fmt::format("{}: more than {} void look-ups", Quoted(term.text), kMaxSpfVoidLookups));
  }

  // Empty for a name that the DNS cannot hold: it cannot match, and cannot be included.
  std::optional<std::string> Target(const std::string& domain, const SpfTerm& term) {
    if (term.domain_spec.empty()) return domain;
    if (!term.has_macros()) return DnsName(term.domain_spec);
    const auto pieces = ParseMacroString(term.domain_spec, SpfMacroUse::kDomainSpec);
    if (!pieces.ok()) return std::nullopt;
    for (const SpfMacroPiece& piece : *pieces) {
      if (piece.letter == 0) continue;
      depends_on_sender_ |= std::string_view("sloh").find(piece.letter) != std::string_view::npos;
      if (piece.letter == 'p') values_.validated = ValidatedName(domain);
    }
    values_.domain = domain;
    return DnsName(ExpandMacros(*pieces, values_));
  }

  OrStop<bool> Matches(const std::string& domain, const SpfTerm& term) {
    if (term.kind == SpfKind::kAll) return true;
    if (term.kind == SpfKind::kIp4 || term.kind == SpfKind::kIp6) {
      return term.network.has_value() && term.network->Contains(values_.ip);
    }
    if (auto stop = CountLookup(term)) return *stop;
    const auto target = Target(domain, term);
    if (!out_of_time_.ok()) return Temperror(domain, out_of_time_);
    switch (term.kind) {
      case SpfKind::kInclude:
        return MatchesInclude(term, target);
      case SpfKind::kA:
        return target.has_value() ? MatchesAddress(*target, term) : OrStop<bool>(false);
      case SpfKind::kMx:
        return target.has_value() ? MatchesMx(*target, term) : OrStop<bool>(false);
      case SpfKind::kExists:
        return target.has_value() ? MatchesExists(*target, term) : OrStop<bool>(false);
      default:
        return MatchesPtr(target, term);
    }
  }

  // Section 5.2: only pass matches; a record that is missing or broken breaks this one.
  OrStop<bool> MatchesInclude(const SpfTerm& term, const std::optional<std::string>& target) {
    if (!target.has_value()) {
      return Permerror(fmt::format("{} leads to a malformed name", Quoted(term.text)));
    }
    auto decision = EvaluateDomain(*target);
    if (!decision.ok()) {
      return Stop{decision.stop().result,
                  fmt::format("{}: {}", Quoted(term.text), decision.stop().reason)};
    }
    if (decision->result == SpfResult::kNone) {
      return Permerror(fmt::format("{}: {}", Quoted(term.text), ReasonOf(*decision)));
    }
    return decision->result == SpfResult::kPass;
  }

  absl::StatusOr<std::vector<IpAddress>> Addresses(const std::string& name) {
    return values_.ip.is_v4() ? dns_.LookupA(name) : dns_.LookupAaaa(name);
  }

  OrStop<bool> MatchesAddress(const std::string& name, const SpfTerm& term) {
    const auto addresses = Addresses(name);
    if (!addresses.ok()) return Temperror(name, addresses.status());
    if (addresses->empty()) {
      if (auto stop = CountVoid(term)) return *stop;
    }
    const int length = values_.ip.is_v4() ? term.ipv4_prefix_length : term.ipv6_prefix_length;
    return std::ranges::any_of(*addresses, [&](const IpAddress& address) {
      return address.is_v4() == values_.ip.is_v4() &&
             address.Masked(length) == values_.ip.Masked(length);
    });
  }

  OrStop<bool> MatchesMx(const std::string& name, const SpfTerm& term) {
    const auto exchanges = dns_.LookupMx(name);
    if (!exchanges.ok()) return Temperror(name, exchanges.status());
    if (exchanges->empty()) {
      if (auto stop = CountVoid(term)) return *stop;
    }
    if (exchanges->size() > kMaxExchanges) {
      return Permerror(
          fmt::format("{}: more than {} mail exchanges", Quoted(term.text), kMaxExchanges));
    }
    for (const DomainName& exchange : *exchanges) {
      if (exchange.IsRoot()) continue;
      auto matched = MatchesAddress(exchange.text(), term);
      if (!matched.ok() || *matched) return matched;
    }
    return false;
  }

  // Section 5.7: an A query, for IPv6 clients too.
  OrStop<bool> MatchesExists(const std::string& name, const SpfTerm& term) {
    const auto addresses = dns_.LookupA(name);
    if (!addresses.ok()) return Temperror(name, addresses.status());
    if (addresses->empty()) {
      if (auto stop = CountVoid(term)) return *stop;
    }
    return !addresses->empty();
  }

  // The client's names are asked for whatever the target is.
  OrStop<bool> MatchesPtr(const std::optional<std::string>& target, const SpfTerm& term) {
    const std::vector<std::string>& names = ValidatedNames();
    if (!out_of_time_.ok()) return Temperror("ptr", out_of_time_);
    if (ptr_was_void_ && !std::exchange(ptr_void_counted_, true)) {
      if (auto stop = CountVoid(term)) return *stop;
    }
    return target.has_value() && std::ranges::any_of(names, [&target](const std::string& name) {
             return IsAtOrBelow(name, *target);
           });
  }

  // Names that the client's address maps to and that map back (section 5.5). Errors mean no name.
  const std::vector<std::string>& ValidatedNames() {
    if (validated_.has_value()) return *validated_;
    validated_.emplace();
    const auto names = dns_.LookupPtr(values_.ip);
    ptr_was_void_ = names.ok() && names->empty();
    NoteTime(names.status());
    if (!names.ok()) return *validated_;
    for (size_t i = 0; i < names->size() && i < kMaxPtrNames; ++i) {
      const std::string& name = (*names)[i].text();
      const auto addresses = Addresses(name);
      NoteTime(addresses.status());
      if (addresses.ok() && std::ranges::find(*addresses, values_.ip) != addresses->end()) {
        validated_->push_back(name);
      }
    }
    return *validated_;
  }

  // What is left out for want of time could have matched.
  void NoteTime(const absl::Status& status) {
    if (absl::IsCancelled(status)) out_of_time_ = status;
  }

  // Section 7.3: the domain itself, else a name below it, else any.
  std::string ValidatedName(const std::string& domain) {
    const std::vector<std::string>& names = ValidatedNames();
    if (names.empty()) return "";
    if (std::ranges::find(names, domain) != names.end()) return domain;
    const auto below = std::ranges::find_if(
        names, [&domain](const std::string& name) { return IsAtOrBelow(name, domain); });
    return below != names.end() ? *below : names[0];
  }

  // Section 6.2: whatever goes wrong, there is no explanation.
  std::string Explain(const Decision& decision) {
    if (decision.explanation_spec.empty()) return "";
    SpfTerm term;
    term.domain_spec = decision.explanation_spec;
    const auto target = Target(decision.explanation_domain, term);
    if (!target.has_value()) return "";
    const auto texts = dns_.LookupTxt(*target);
    if (!texts.ok() || texts->size() != 1) return "";
    const auto pieces = ParseMacroString((*texts)[0], SpfMacroUse::kExplanation);
    if (!pieces.ok()) return "";
    for (const SpfMacroPiece& piece : *pieces) {
      if (piece.letter == 'p') values_.validated = ValidatedName(decision.explanation_domain);
    }
    values_.domain = decision.explanation_domain;
    return ExpandMacros(*pieces, values_).substr(0, kMaxExplanationOctets);
  }

  SpfDns& dns_;
  SpfMacroValues values_;
  std::optional<std::vector<std::string>> validated_;
  absl::Status out_of_time_;  // while names were validated
  bool ptr_was_void_ = false;
  bool ptr_void_counted_ = false;
  int lookups_ = 0;
  int voids_ = 0;
  bool depends_on_sender_ = false;
};

}  // namespace

std::string_view ToString(SpfResult result) {
  switch (result) {
    case SpfResult::kNone:
      return "none";
    case SpfResult::kNeutral:
      return "neutral";
    case SpfResult::kPass:
      return "pass";
    case SpfResult::kFail:
      return "fail";
    case SpfResult::kSoftFail:
      return "softfail";
    case SpfResult::kTempError:
      return "temperror";
    case SpfResult::kPermError:
      return "permerror";
  }
  return "none";
}

SpfEvaluation CheckHost(const SpfRequest& request, SpfDns& dns) {
  return Evaluator(request, dns).Run();
}

}  // namespace dmarcate
