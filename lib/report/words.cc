#include "lib/report/words.h"

#include <algorithm>
#include <span>
#include <string>

#include "lib/base/text.h"

namespace dmarcate {
namespace {

template <typename Enum>
struct Entry {
  std::string_view word;
  Enum value;
  WordForm form = WordForm::kExact;
};

bool MeansNothing(std::string_view folded) {
  return folded.empty() || folded == "nil" || folded == "-" || folded == "n/a";
}

template <typename Enum>
Word<Enum> Find(std::string_view text, std::span<const Entry<Enum>> entries) {
  for (const Entry<Enum>& entry : entries) {
    if (entry.word == text) return {entry.value, entry.form};
  }
  const std::string folded = AsciiLower(text);
  if (MeansNothing(folded)) return {Enum::kUnspecified, WordForm::kEmpty};
  for (const Entry<Enum>& entry : entries) {
    if (entry.word == folded) return {entry.value, entry.form};
  }
  return {Enum::kUnspecified, WordForm::kUnknown};
}

constexpr auto kMapped = WordForm::kMapped;

constexpr Entry<Policy> kPolicies[] = {
    {"none", Policy::kNone}, {"quarantine", Policy::kQuarantine}, {"reject", Policy::kReject}};
constexpr Entry<AlignmentMode> kModes[] = {{"r", AlignmentMode::kRelaxed},
                                           {"s", AlignmentMode::kStrict},
                                           {"relaxed", AlignmentMode::kRelaxed, kMapped},
                                           {"strict", AlignmentMode::kStrict, kMapped}};
constexpr Entry<Disposition> kDispositions[] = {{"none", Disposition::kNone},
                                                {"quarantine", Disposition::kQuarantine},
                                                {"reject", Disposition::kReject},
                                                {"pass", Disposition::kPass}};
constexpr Entry<AlignedResult> kAligned[] = {{"pass", AlignedResult::kPass},
                                             {"fail", AlignedResult::kFail}};
constexpr Entry<SpfScope> kScopes[] = {{"mfrom", SpfScope::kMfrom}, {"helo", SpfScope::kHelo}};
constexpr Entry<DiscoveryMethod> kMethods[] = {{"psl", DiscoveryMethod::kPsl},
                                               {"treewalk", DiscoveryMethod::kTreeWalk}};
constexpr Entry<ReasonType> kReasons[] = {{"forwarded", ReasonType::kForwarded},
                                          {"sampled_out", ReasonType::kSampledOut},
                                          {"trusted_forwarder", ReasonType::kTrustedForwarder},
                                          {"mailing_list", ReasonType::kMailingList},
                                          {"local_policy", ReasonType::kLocalPolicy},
                                          {"other", ReasonType::kOther},
                                          {"policy_test_mode", ReasonType::kPolicyTestMode},
                                          {"mailinglist", ReasonType::kMailingList, kMapped}};

// Shared by both mechanisms, then what differs between them.
constexpr Entry<AuthResult> kResults[] = {{"pass", AuthResult::kPass},
                                          {"fail", AuthResult::kFail},
                                          {"none", AuthResult::kNone},
                                          {"neutral", AuthResult::kNeutral},
                                          {"temperror", AuthResult::kTemperror},
                                          {"permerror", AuthResult::kPermerror},
                                          {"policy", AuthResult::kPolicy},
                                          {"hardfail", AuthResult::kFail, kMapped},
                                          {"unknown", AuthResult::kTemperror, kMapped},
                                          {"error", AuthResult::kPermerror, kMapped},
                                          {"temp_error", AuthResult::kTemperror, kMapped},
                                          {"timeout", AuthResult::kTemperror, kMapped},
                                          {"dnserror", AuthResult::kTemperror, kMapped},
                                          {"temporary_error", AuthResult::kTemperror, kMapped},
                                          {"perm_error", AuthResult::kPermerror, kMapped},
                                          {"permanent_error", AuthResult::kPermerror, kMapped},
                                          {"invalid", AuthResult::kPermerror, kMapped}};
constexpr Entry<AuthResult> kSpfResults[] = {{"softfail", AuthResult::kSoftfail},
                                             {"nxdomain", AuthResult::kNone, kMapped},
                                             {"no_key", AuthResult::kNone, kMapped},
                                             {"bad", AuthResult::kPermerror, kMapped},
                                             {"badsig", AuthResult::kPermerror, kMapped}};
constexpr Entry<AuthResult> kDkimResults[] = {{"softfail", AuthResult::kFail, kMapped},
                                              {"nxdomain", AuthResult::kPermerror, kMapped},
                                              {"no_key", AuthResult::kPermerror, kMapped},
                                              {"bad", AuthResult::kFail, kMapped},
                                              {"badsig", AuthResult::kFail, kMapped}};

std::string WithUnderscores(std::string_view text) {
  std::string out = AsciiLower(text);
  std::ranges::replace_if(out, [](char c) { return c == ' ' || c == '-' || c == '\t'; }, '_');
  return out;
}

}  // namespace

Word<Policy> ReadPolicy(std::string_view text) { return Find<Policy>(text, kPolicies); }
Word<AlignmentMode> ReadAlignmentMode(std::string_view text) {
  return Find<AlignmentMode>(text, kModes);
}
Word<Disposition> ReadDisposition(std::string_view text) {
  return Find<Disposition>(text, kDispositions);
}
Word<AlignedResult> ReadAlignedResult(std::string_view text) {
  return Find<AlignedResult>(text, kAligned);
}
Word<SpfScope> ReadSpfScope(std::string_view text) { return Find<SpfScope>(text, kScopes); }
Word<DiscoveryMethod> ReadDiscoveryMethod(std::string_view text) {
  return Find<DiscoveryMethod>(text, kMethods);
}

Word<ReasonType> ReadReasonType(std::string_view text) {
  Word<ReasonType> word = Find<ReasonType>(text, kReasons);
  if (word.form != WordForm::kUnknown) return word;
  word = Find<ReasonType>(WithUnderscores(text), kReasons);
  if (word.form == WordForm::kUnknown) return {ReasonType::kOther, WordForm::kUnknown};
  return {word.value, WordForm::kMapped};
}

Word<AuthResult> ReadAuthResult(Mechanism mechanism, std::string_view text) {
  Word<AuthResult> word = Find<AuthResult>(text, kResults);
  if (word.form == WordForm::kEmpty) return {AuthResult::kNone, WordForm::kEmpty};
  if (word.form != WordForm::kUnknown) return word;
  const std::span<const Entry<AuthResult>> own =
      mechanism == Mechanism::kSpf ? std::span(kSpfResults) : std::span(kDkimResults);
  word = Find<AuthResult>(text, own);
  if (word.form != WordForm::kUnknown) return word;
  const std::string joined = WithUnderscores(text);
  if (joined == text) return word;
  word = Find<AuthResult>(joined, kResults);
  if (word.form == WordForm::kUnknown) word = Find<AuthResult>(joined, own);
  if (word.form == WordForm::kExact) word.form = WordForm::kMapped;
  return word;
}

}  // namespace dmarcate
