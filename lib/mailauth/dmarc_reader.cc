#include "lib/mailauth/dmarc_reader.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <set>

#include "fmt/format.h"

#include "lib/base/text.h"
#include "lib/mailauth/chars.h"
#include "lib/mailauth/syntax_error.h"

namespace dmarcate {
namespace {

constexpr std::array<std::string_view, 10> kTags9989 = {"p", "sp",  "np", "adkim", "aspf",
                                                        "t", "psd", "fo", "rua",   "ruf"};
constexpr std::array<std::string_view, 10> kTags7489 = {"p",   "sp",  "adkim", "aspf", "fo",
                                                        "rua", "ruf", "pct",   "rf",   "ri"};

bool IsKnown(std::string_view name, DmarcStandard standard) {
  const auto& known = standard == DmarcStandard::kRfc9989 ? kTags9989 : kTags7489;
  return std::ranges::find(known, name) != known.end();
}

template <typename T>
std::optional<T> ParseNumber(std::string_view text, T limit) {
  T value = 0;
  if (text.empty() || !std::ranges::all_of(text, IsDigit)) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || value > limit) return std::nullopt;
  return value;
}

std::optional<DmarcAlignmentMode> ParseMode(std::string_view value) {
  if (EqualsIgnoreCase(value, "r")) return DmarcAlignmentMode::kRelaxed;
  if (EqualsIgnoreCase(value, "s")) return DmarcAlignmentMode::kStrict;
  return std::nullopt;
}

// RFC 9989: one of 0 and 1, d and s at most once, no blanks. RFC 7489: any list of them.
bool IsFailureOptions(std::string_view value, DmarcStandard standard) {
  std::set<char> seen;
  for (std::string_view item : Split(value, ':')) {
    if (standard == DmarcStandard::kRfc7489) item = TrimBlanks(item);
    if (item.size() != 1) return false;
    const char option = AsciiLower(item[0]);
    if (std::string_view("01ds").find(option) == std::string_view::npos) return false;
    if (!seen.insert(option).second && standard == DmarcStandard::kRfc9989) return false;
  }
  return standard == DmarcStandard::kRfc7489 || !(seen.contains('0') && seen.contains('1'));
}

// A receiver that knows none of the formats may drop the record (RFC 7489 section 6.3); afrf is
// the only one there ever was.
bool IsReportFormats(std::string_view value) {
  const auto items = Split(value, ':');
  return std::ranges::any_of(
      items, [](std::string_view item) { return EqualsIgnoreCase(TrimBlanks(item), "afrf"); });
}

class Reader {
 public:
  explicit Reader(DmarcStandard standard) : standard_(standard) {}

  DmarcVerdict Read(const std::vector<DmarcTag>& tags) {
    std::set<std::string_view> seen = {"v"};
    for (const DmarcTag& tag : tags) {
      // RFC 6376 section 3.2, to which both standards point: twice makes the whole list invalid.
      if (!tag.name.empty() && !seen.insert(tag.name).second) {
        DmarcVerdict invalid;
        invalid.reading = DmarcReading::kTagListInvalid;
        invalid.why = fmt::format("tag {} occurs twice", Quoted(tag.name));
        return invalid;
      }
    }
    for (const DmarcTag& tag : tags) ReadTag(tag);
    Conclude();
    return std::move(verdict_);
  }

 private:
  void ReadTag(const DmarcTag& tag) {
    // A tag name of RFC 9989 has letters only; DKIM's syntax, which RFC 7489 takes over, digits and
    // '_' too.
    const bool name_ok =
        standard_ == DmarcStandard::kRfc7489 || std::ranges::all_of(tag.name, IsAlpha);
    if (!tag.well_formed || !name_ok) {
      verdict_.dropped.emplace_back(TrimBlanks(tag.text));
      bad_policy_ |= standard_ == DmarcStandard::kRfc9989 ? IsPolicyTag(tag.name)
                                                          : tag.name == "p" || tag.name == "sp";
      return;
    }
    if (!IsKnown(tag.name, standard_)) {
      verdict_.unknown.push_back(tag.name);
      return;
    }
    if (Accept(tag)) {
      verdict_.effective.push_back(tag.name);
    } else {
      verdict_.dropped.push_back(tag.name);
      bad_policy_ |= IsPolicyTag(tag.name);
    }
  }

  static bool IsPolicyTag(std::string_view name) {
    return name == "p" || name == "sp" || name == "np";
  }

  bool Accept(const DmarcTag& tag) {
    const std::string& name = tag.name;
    if (name == "p") return Take(ParseDmarcPolicy(tag.value), p_);
    if (name == "sp") return Take(ParseDmarcPolicy(tag.value), verdict_.sp);
    if (name == "np") return Take(ParseDmarcPolicy(tag.value), verdict_.np);
    if (name == "adkim") return Take(ParseMode(tag.value), verdict_.adkim);
    if (name == "aspf") return Take(ParseMode(tag.value), verdict_.aspf);
    if (name == "pct") return Take(ParseNumber<int>(tag.value, 100), verdict_.pct);
    if (name == "ri") return Take(ParseNumber<uint32_t>(tag.value, UINT32_MAX), verdict_.ri);
    if (name == "rua") return TakeUris(tag.value, verdict_.rua);
    if (name == "ruf") return TakeUris(tag.value, verdict_.ruf);
    if (name == "fo") return TakeText(IsFailureOptions(tag.value, standard_), tag, verdict_.fo);
    if (name == "rf") return TakeText(IsReportFormats(tag.value), tag, verdict_.rf);
    const char letter = tag.value.size() == 1 ? AsciiLower(tag.value[0]) : '\0';
    if (name == "t") {
      verdict_.testing = letter == 'y';
      return letter == 'y' || letter == 'n';
    }
    if (letter != 'y' && letter != 'n' && letter != 'u') return false;  // psd
    verdict_.psd = letter;
    return true;
  }

  template <typename T, typename U>
  static bool Take(const std::optional<T>& value, U& target) {
    if (!value.has_value()) return false;
    target = *value;
    return true;
  }
  static bool TakeText(bool valid, const DmarcTag& tag, std::string& target) {
    if (valid) target = tag.value;
    return valid;
  }
  bool TakeUris(std::string_view value, std::vector<DmarcUri>& target) const {
    auto uris = ParseDmarcUris(value, standard_);
    if (!uris.ok()) return false;
    target = *std::move(uris);
    return true;
  }

  // RFC 9989 section 4.10.1, RFC 7489 section 6.6.3 step 6.
  void Conclude() {
    if (p_.has_value() && !bad_policy_) {
      verdict_.reading = DmarcReading::kPolicy;
      verdict_.p = *p_;
      return;
    }
    verdict_.why = bad_policy_ ? "a policy tag has no valid value" : "p is missing";
    verdict_.sp.reset();
    verdict_.np.reset();
    std::erase_if(verdict_.effective, [](const std::string& name) { return IsPolicyTag(name); });
    if (verdict_.rua.empty()) {
      verdict_.why += ", and there is no valid rua";
      verdict_.reading = DmarcReading::kNoProcessing;
    } else {
      verdict_.reading = DmarcReading::kTreatedAsNone;
      verdict_.effective.emplace_back("p");
    }
  }

  DmarcStandard standard_;
  DmarcVerdict verdict_;
  std::optional<DmarcPolicy> p_;
  bool bad_policy_ = false;
};

}  // namespace

bool IsDmarcTagValue(std::string_view value) {
  return !value.empty() && std::ranges::all_of(value, [](char c) {
    return IsBlank(c) || (c >= ' ' && c < 0x7f && c != ';');
  });
}

size_t DmarcVersionLength(std::string_view text, DmarcStandard standard) {
  constexpr std::string_view kVersion = "DMARC1";
  size_t i = 0;
  const auto skip_blanks = [&] {
    while (i < text.size() && IsBlank(text[i])) ++i;
  };
  if (text.empty() || AsciiLower(text[i++]) != 'v') return 0;
  skip_blanks();
  if (i >= text.size() || text[i++] != '=') return 0;
  skip_blanks();
  if (text.substr(i, kVersion.size()) != kVersion) return 0;
  i += kVersion.size();
  skip_blanks();
  // RFC 7489 section 6.4: the separator is not optional.
  if (i == text.size()) return standard == DmarcStandard::kRfc9989 ? i : 0;
  return text[i] == ';' ? i : 0;
}

DmarcVerdict ReadDmarcTags(const std::vector<DmarcTag>& tags, DmarcStandard standard) {
  return Reader(standard).Read(tags);
}

}  // namespace dmarcate
