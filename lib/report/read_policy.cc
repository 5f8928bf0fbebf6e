// policy_published (report-quirks section 8): the record as the reporter saw it. Defaults are never
// filled in: an absent sp is not sp=none.
#include <charconv>

#include "lib/base/text.h"
#include "lib/report/aggregate_reader.h"
#include "lib/report/domain_text.h"
#include "lib/report/words.h"

namespace dmarcate {

std::optional<Policy> AggregateReader::ReadPolicyWord(pugi::xml_node node, Element element,
                                                      std::string_view path) {
  const std::string_view text = TextOf(node, element, path);
  if (element == Element::kP) report_.policy.p_raw = text;
  const Word<Policy> word = ReadPolicy(text);
  // Empty stays apart from absent: present and unspecified. "nil" says as little.
  if (word.form == WordForm::kEmpty && !text.empty()) {
    log_.Add("policy_nil", path, text, "", Effect::kCosmetic);
    return std::nullopt;
  }
  if (word.form == WordForm::kUnknown) {
    log_.Add("policy_unknown", path, text, "", Effect::kCosmetic);
  }
  return word.value;
}

std::optional<AlignmentMode> AggregateReader::ReadMode(pugi::xml_node node, Element element,
                                                       std::string_view path) {
  const std::string_view text = TextOf(node, element, path);
  const Word<AlignmentMode> word = ReadAlignmentMode(text);
  if (word.form == WordForm::kMapped) {
    log_.Add("alignment_word", path, text, word.value == AlignmentMode::kStrict ? "s" : "r",
             Effect::kCosmetic);
  } else if (word.form == WordForm::kUnknown) {
    log_.Add("alignment_unknown", path, text, "", Effect::kCosmetic);
  }
  return word.value;
}

std::optional<int32_t> AggregateReader::ReadPct(pugi::xml_node node) {
  constexpr std::string_view kPath = "policy_published/pct";
  const std::string_view text = TextOf(node, Element::kPct, kPath);
  if (text.empty()) return std::nullopt;
  int32_t value = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string_view tail(rest, static_cast<size_t>(text.data() + text.size() - rest));
  const bool zeros = tail.starts_with('.') && tail.find_first_not_of('0', 1) == tail.npos;
  if (error != std::errc() || value < 0 || value > 100 || !(tail.empty() || tail == "%" || zeros)) {
    log_.Add("pct_invalid", kPath, text, "", Effect::kCosmetic);
    return std::nullopt;
  }
  if (!tail.empty()) {
    log_.Add("pct_folded", kPath, text, text.substr(0, text.size() - tail.size()),
             Effect::kCosmetic);
  }
  return value;
}

std::optional<bool> AggregateReader::ReadTesting(pugi::xml_node node) {
  constexpr std::string_view kPath = "policy_published/testing";
  const std::string text = AsciiLower(TextOf(node, Element::kTesting, kPath));
  speaks_9990_ = true;
  if (text == "y" || text == "t") return true;  // some write the name of the tag (P11)
  if (text == "n") return false;
  if (!text.empty()) log_.Add("testing_unknown", kPath, text, "", Effect::kCosmetic);
  return std::nullopt;
}

std::optional<DiscoveryMethod> AggregateReader::ReadMethod(pugi::xml_node node) {
  constexpr std::string_view kPath = "policy_published/discovery_method";
  const std::string_view text = TextOf(node, Element::kDiscoveryMethod, kPath);
  speaks_9990_ = true;
  const Word<DiscoveryMethod> word = ReadDiscoveryMethod(text);
  if (word.form == WordForm::kUnknown) {
    log_.Add("discovery_method_unknown", kPath, text, "", Effect::kCosmetic);
  }
  return word.value;
}

void AggregateReader::ReadPolicyPublished(pugi::xml_node node) {
  has_policy_ = true;
  PublishedPolicy& policy = report_.policy;
  ForEachChild(node, "policy_published", 0, [&](Element element, pugi::xml_node child) {
    switch (element) {
      case Element::kDomain:
        policy.domain = DomainOf(child, element, "policy_published/domain");
        return true;
      case Element::kP:
        policy.p = ReadPolicyWord(child, element, "policy_published/p");
        return true;
      case Element::kSp:
        policy.sp = ReadPolicyWord(child, element, "policy_published/sp");
        return true;
      case Element::kNp:
        policy.np = ReadPolicyWord(child, element, "policy_published/np");
        speaks_9990_ = true;
        return true;
      case Element::kAdkim:
        policy.adkim = ReadMode(child, element, "policy_published/adkim");
        return true;
      case Element::kAspf:
        policy.aspf = ReadMode(child, element, "policy_published/aspf");
        return true;
      case Element::kPct:
        policy.pct = ReadPct(child);
        return true;
      case Element::kFo:
        policy.fo = TextOf(child, element, "policy_published/fo");
        return true;
      case Element::kTesting:
        policy.testing = ReadTesting(child);
        return true;
      case Element::kDiscoveryMethod:
        policy.discovery_method = ReadMethod(child);
        return true;
      default:
        return false;  // rf, ri, rua, v, ...: names noted (P10)
    }
  });
}

// S9: the second block is kept as text. That it names another domain is more than a curiosity.
void AggregateReader::NotePolicyRepeated(pugi::xml_node node) {
  std::string raw;
  std::string domain;
  for (pugi::xml_node child = node.first_child(); child; child = child.next_sibling()) {
    if (child.type() != pugi::node_element || raw.size() > 256) continue;
    const std::string_view value = TrimAscii(child.value());
    raw.append(raw.empty() ? "" : " ").append(child.name()).append("=").append(value);
    if (ElementOf(child.name()) == Element::kDomain) domain = ReadDomainText(value).text;
  }
  const bool other = !domain.empty() && domain != report_.policy.domain;
  log_.Add("policy_repeated", "policy_published", raw, "the first",
           other ? Effect::kMaterial : Effect::kCosmetic);
}

void AggregateReader::FillPolicyDomain() {
  std::string& domain = report_.policy.domain;
  if (IsHostName(domain)) return;
  domain.clear();  // "domain_invalid" was noted: it becomes no key of the store
  if (file_name_.has_value()) {
    domain = file_name_->domain;
    log_.Add("from_filename", "policy_published/domain", hints_.file_name, domain,
             Effect::kMaterial);
  } else if (!subject_.domain.empty()) {
    domain = subject_.domain;
    log_.Add("from_subject", "policy_published/domain", hints_.subject, domain, Effect::kMaterial);
  }
}

}  // namespace dmarcate
