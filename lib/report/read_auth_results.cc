// auth_results (report-quirks section 11): what SPF and DKIM said, before alignment.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "lib/base/text.h"
#include "lib/report/aggregate_reader.h"
#include "lib/report/domain_text.h"
#include "lib/report/words.h"

namespace dmarcate {
namespace {

constexpr size_t kSignatures = 100;  // RFC 9990 section 3.1.3
constexpr size_t kSpfResults = 100;
// Read before the best are chosen; a record with more is no honest one.
constexpr size_t kSignaturesRead = 10'000;

// A11: "pass (ip4)", "fail; key not found" are a result and its explanation. Words that are results
// themselves ("temporary error") stay whole.
struct ResultText {
  std::string_view result;
  std::string_view rest;
};
ResultText SplitResult(Mechanism mechanism, std::string_view text) {
  if (ReadAuthResult(mechanism, text).form != WordForm::kUnknown) return {text, {}};
  const size_t end = text.find_first_of(" \t\n;(,:");
  if (end == std::string_view::npos || end == 0) return {text, {}};
  const std::string_view first = text.substr(0, end);
  if (ReadAuthResult(mechanism, first).form == WordForm::kUnknown) return {text, {}};
  std::string_view rest = text.substr(end);
  rest.remove_prefix(std::min(rest.size(), rest.find_first_not_of(" \t\n;,:")));
  return {first, rest};
}

std::string_view NameOf(AuthResult result) {
  static constexpr std::string_view kNames[] = {
      "", "none", "pass", "fail", "policy", "neutral", "temperror", "permerror", "softfail"};
  return kNames[static_cast<size_t>(result)];
}

// RFC 9990's order: aligned strictly, aligned relaxed, other passes, the rest. Without a public
// suffix list relaxed means that one name is below the other.
int Rank(const DkimAuth& auth, std::string_view header_from) {
  const bool pass = auth.result == AuthResult::kPass;
  if (auth.domain == header_from) return pass ? 0 : 3;
  const bool related = !auth.domain.empty() && (IsAtOrBelowText(auth.domain, header_from) ||
                                                IsAtOrBelowText(header_from, auth.domain));
  if (related) return pass ? 1 : 4;
  return pass ? 2 : 5;
}

}  // namespace

void AggregateReader::ReadAuthResults(pugi::xml_node node, AggregateRecord& record) {
  ForEachChild(node, "auth_results", Bit(Element::kDkim) | Bit(Element::kSpf),
               [&](Element element, pugi::xml_node child) {
                 if (element == Element::kDkim) {
                   ReadDkim(child, record);
                 } else if (element == Element::kSpf) {
                   ReadSpf(child, record);
                 } else {
                   return false;
                 }
                 return true;
               });
}

AuthResult AggregateReader::ReadResult(pugi::xml_node node, Mechanism mechanism,
                                       std::string_view path, std::string& human_result) {
  if (!node) {
    log_.Add("result_missing", path, "", "", Effect::kCosmetic);
    return AuthResult::kUnspecified;
  }
  const std::string_view text = TextOf(node, Element::kResult, path);
  const ResultText split = SplitResult(mechanism, text);
  if (!split.rest.empty()) {
    human_result = split.rest;
    log_.Add("result_text", path, text, split.result, Effect::kCosmetic);
  }
  const Word<AuthResult> word = ReadAuthResult(mechanism, split.result);
  switch (word.form) {
    case WordForm::kExact:
      break;
    case WordForm::kEmpty:
      log_.Add("result_empty", path, text, "none", Effect::kCosmetic);
      break;
    case WordForm::kMapped:
      log_.Add("result_mapped", path, split.result, NameOf(word.value), Effect::kMaterial);
      break;
    case WordForm::kUnknown:
      log_.Add("result_unknown", path, text, "", Effect::kMaterial);
      break;
  }
  return word.value;
}

void AggregateReader::ReadDkim(pugi::xml_node node, AggregateRecord& record) {
  constexpr std::string_view kPath = "auth_results/dkim";
  DkimAuth auth;
  pugi::xml_node result;
  std::string explanation;
  ForEachChild(node, kPath, 0, [&](Element element, pugi::xml_node child) {
    switch (element) {
      case Element::kDomain:
        auth.domain = SignatureDomainOf(child, "auth_results/dkim/domain");
        return true;
      case Element::kSelector:
        if (const auto text = TextOf(child, element, "auth_results/dkim/selector"); !text.empty()) {
          auth.selector = text;  // A5: an empty one is none
        }
        return true;
      case Element::kResult:
        result = child;
        return true;
      case Element::kHumanResult:
        auth.human_result = TextOf(child, element, "auth_results/dkim/human_result");
        return true;
      default:
        return false;
    }
  });
  const std::string_view raw = TrimAscii(result.value());
  if (auth.domain.empty() && !auth.selector.has_value() && raw.empty() && !result.first_child()) {
    log_.Add("dkim_hollow", kPath, "", "", Effect::kCosmetic);  // A4: unsigned mail
    return;
  }
  if (record.dkim.size() >= kSignaturesRead) return;
  auth.result = ReadResult(result, Mechanism::kDkim, "auth_results/dkim/result", explanation);
  if (auth.human_result.empty()) auth.human_result = std::move(explanation);
  record.dkim.push_back(std::move(auth));
}

void AggregateReader::ReadSpf(pugi::xml_node node, AggregateRecord& record) {
  constexpr std::string_view kScopePath = "auth_results/spf/scope";
  if (record.spf.size() >= kSpfResults) {
    log_.Add("spf_capped", "auth_results/spf", "", "", Effect::kCosmetic);
    return;
  }
  SpfAuth auth;
  pugi::xml_node result;
  std::string explanation;
  ForEachChild(node, "auth_results/spf", 0, [&](Element element, pugi::xml_node child) {
    switch (element) {
      case Element::kDomain: {
        std::string domain = SignatureDomainOf(child, "auth_results/spf/domain");
        if (!domain.empty()) auth.domain = std::move(domain);  // A6
        return true;
      }
      case Element::kScope: {
        const std::string_view text = TextOf(child, element, kScopePath);
        const Word<SpfScope> word = ReadSpfScope(text);
        auth.scope = word.value;
        if (word.form == WordForm::kUnknown) {
          log_.Add("scope_unknown", kScopePath, text, "", Effect::kCosmetic);
        }
        return true;
      }
      case Element::kResult:
        result = child;
        return true;
      case Element::kHumanResult:
        auth.human_result = TextOf(child, element, "auth_results/spf/human_result");
        return true;
      default:
        return false;
    }
  });
  auth.result = ReadResult(result, Mechanism::kSpf, "auth_results/spf/result", explanation);
  if (auth.human_result.empty()) auth.human_result = std::move(explanation);
  record.spf.push_back(std::move(auth));
}

void AggregateReader::CapDkim(AggregateRecord& record) {
  if (record.dkim.size() <= kSignatures) return;
  const std::string& from = record.header_from.empty() ? report_.policy.domain : record.header_from;
  std::ranges::stable_sort(record.dkim, {}, [&](const DkimAuth& auth) { return Rank(auth, from); });
  log_.Add("dkim_capped", "auth_results/dkim", fmt::format("{}", record.dkim.size()),
           fmt::format("{}", kSignatures), Effect::kCosmetic);
  record.dkim.resize(kSignatures);
  record.dkim.shrink_to_fit();
}

}  // namespace dmarcate
