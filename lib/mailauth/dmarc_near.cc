#include "lib/mailauth/dmarc_near.h"

#include <algorithm>
#include <vector>

#include "lib/base/text.h"
#include "lib/mailauth/chars.h"
#include "lib/mailauth/dmarc_record.h"

namespace dmarcate {
namespace {

constexpr std::string_view kTags[] = {"p",   "sp", "np", "adkim", "aspf", "fo", "pct",
                                      "psd", "rf", "ri", "rua",   "ruf",  "t"};

// Whether a tag begins here: a known name, then '='.
bool BeginsTag(std::string_view text) {
  text = TrimAscii(text);
  size_t end = 0;
  while (end < text.size() &&
         ((text[end] >= 'a' && text[end] <= 'z') || (text[end] >= 'A' && text[end] <= 'Z'))) {
    ++end;
  }
  const std::string name = AsciiLower(text.substr(0, end));
  text = TrimAscii(text.substr(end));
  return std::ranges::find(kTags, name) != std::end(kTags) && text.starts_with('=');
}

// Takes "v", blanks, "=", blanks and "DMARC1" in any case from the front. False: it is not there.
bool TakeVersion(std::string_view* text, bool* exact) {
  if (text->empty() || AsciiLower(text->front()) != 'v') return false;
  std::string_view rest = TrimAscii(text->substr(1));
  if (!rest.starts_with('=')) return false;
  rest = TrimAscii(rest.substr(1));
  constexpr std::string_view kVersion = "DMARC1";
  if (!StartsWithIgnoreCase(rest, kVersion)) return false;
  *exact = rest.starts_with(kVersion);
  *text = rest.substr(kVersion.size());
  return true;
}

// "\;" to ";": what a zone file needs was typed into a form that does not.
bool TakeBackslashes(std::string* text) {
  bool any = false;
  for (size_t at; (at = text->find("\\;")) != std::string::npos;) {
    text->erase(at, 1);
    any = true;
  }
  return any;
}

// A comma in front of a tag to a semicolon; those between addresses stay.
bool TakeCommas(std::string* text) {
  bool any = false;
  for (size_t i = 0; i < text->size(); ++i) {
    if ((*text)[i] != ',' || !BeginsTag(std::string_view(*text).substr(i + 1))) continue;
    (*text)[i] = ';';
    any = true;
  }
  return any;
}

bool IsRecord(const std::string& text) {
  return SelectDmarc({text}).outcome == DmarcSelection::Outcome::kOne;
}

// Read as a policy, or as one of p=none for want of a p, by both.
bool IsGoodRecord(const std::string& text) {
  const absl::StatusOr<DmarcRecord> record = ParseDmarc(text);
  if (!record.ok()) return false;
  return std::ranges::all_of(
      std::vector{DmarcStandard::kRfc9989, DmarcStandard::kRfc7489}, [&](DmarcStandard standard) {
        const DmarcReading reading = record->Verdict(standard).reading;
        return reading == DmarcReading::kPolicy || reading == DmarcReading::kTreatedAsNone;
      });
}

}  // namespace

std::optional<DmarcNearMiss> FindDmarcNearMiss(std::string_view text) {
  if (IsRecord(std::string(text))) return std::nullopt;
  std::vector<std::string> reasons;
  std::string_view rest = TrimAscii(text);
  if (rest.data() != text.data()) reasons.emplace_back("there are blanks before the version");
  if (rest.size() >= 2 && (rest.front() == '"' || rest.front() == '\'') &&
      rest.back() == rest.front()) {
    rest = TrimAscii(rest.substr(1, rest.size() - 2));
    reasons.emplace_back("the text is in quotes of its own");
  }
  bool exact = true;
  if (!TakeVersion(&rest, &exact)) return std::nullopt;
  if (!exact) reasons.emplace_back("the version is not written v=DMARC1");
  std::string tags(rest);
  if (TakeBackslashes(&tags)) reasons.emplace_back("backslashes stand before semicolons");
  std::string_view behind = TrimAscii(tags);
  if (behind.starts_with(',')) {
    behind = TrimAscii(behind.substr(1));
    reasons.emplace_back("a comma follows the version where a semicolon belongs");
  } else if (behind.starts_with(';')) {
    behind = TrimAscii(behind.substr(1));
  } else if (BeginsTag(behind) && behind.data() != tags.data()) {
    reasons.emplace_back("no semicolon follows the version");
  } else if (!behind.empty()) {
    return std::nullopt;  // "v=DMARC10", "v=DMARC1x"
  }
  tags = std::string(behind);
  if (TakeCommas(&tags)) reasons.emplace_back("commas stand between tags");
  DmarcNearMiss found{Join(reasons, ", "), "v=DMARC1; " + tags};
  if (!IsGoodRecord(found.repaired)) found.repaired.clear();
  return found;
}

}  // namespace dmarcate
