// The findings about an MTA-STS policy that need no look-up.

#include <algorithm>
#include <array>
#include <set>

#include "fmt/format.h"

#include "lib/base/text.h"
#include "lib/mailauth/finding_list.h"
#include "lib/mailauth/mta_sts_policy.h"
#include "lib/mailauth/syntax_error.h"

namespace dmarcate {
namespace {

constexpr std::string_view kSection = "RFC 8461 section 3.2";
// Whoever can stop fetches for as long as this can strip TLS; the RFC speaks of weeks.
constexpr absl::Duration kShortAge = absl::Hours(24);

class Linter {
 public:
  Linter(const MtaStsPolicy& policy, std::string_view path) : policy_(policy), findings_(path) {}

  // What the policy says comes first: lines that senders ignore can fill the list.
  std::vector<LintFinding> Run() {
    CheckMode();
    CheckMaxAge();
    for (const MtaStsLine& line : policy_.lines) {
      if (findings_.full()) break;
      CheckLine(line);
    }
    return findings_.Take();
  }

 private:
  // The first line of the name is the one that counts.
  int PositionOfFirst(std::string_view name) const {
    return std::ranges::find(policy_.lines, name, &MtaStsLine::name)->position;
  }

  void CheckLine(const MtaStsLine& line) {
    if (line.name.empty()) {
      findings_.Add(lint_code::kMtaStsSyntax, Severity::kWarning, "", line.position,
                    "there is an empty line, which the grammar does not allow",
                    "Remove the empty line.", kSection);
      return;
    }
    if (line.name == "mx") {
      CheckMx(line);
    } else if (std::ranges::find(kKeys, line.name) == kKeys.end()) {
      const std::string near = Nearest(AsciiLower(line.name), {"version", "mode", "max_age", "mx"});
      findings_.Add(lint_code::kMtaStsUnknownField, Severity::kInfo, line.name, line.position,
                    fmt::format("senders ignore {}", Quoted(line.name)),
                    near.empty() ? "Remove the line."
                                 : fmt::format("Did you mean {}? Otherwise remove the line.", near),
                    kSection);
    } else if (!seen_keys_.insert(line.name).second) {
      findings_.Add(
          lint_code::kMtaStsDuplicateField, Severity::kWarning, line.name, line.position,
          fmt::format("there are several lines {}, of which senders read the first", line.name),
          fmt::format("Keep one line {}.", line.name), kSection);
    }
  }

  void CheckMx(const MtaStsLine& line) {
    if (seen_mx_.insert(AsciiLower(line.value)).second) return;
    findings_.Add(lint_code::kMtaStsDuplicateField, Severity::kInfo, "mx", line.position,
                  fmt::format("mx {} is there already", Quoted(line.value)), "Remove the line.",
                  kSection);
  }

  void CheckMode() {
    const int position = PositionOfFirst("mode");
    if (policy_.mode == MtaStsMode::kTesting) {
      findings_.Add(lint_code::kMtaStsNotEnforced, Severity::kInfo, "mode", position,
                    "senders deliver without TLS too, and only report it",
                    "Once TLS reports show no failures, write mode: enforce, then change the id of "
                    "the record.",
                    "RFC 8461 section 5");
    } else if (policy_.mode == MtaStsMode::kNone) {
      findings_.Add(
          lint_code::kMtaStsNotEnforced, Severity::kInfo, "mode", position,
          "the policy says that there is none any more",
          "Remove policy and record when every policy that was served before has expired.",
          "RFC 8461 section 8.3");
    }
  }

  void CheckMaxAge() {
    const int position = PositionOfFirst("max_age");
    const int64_t seconds = absl::ToInt64Seconds(policy_.max_age);
    if (policy_.max_age > kMaxMtaStsAge) {
      findings_
          .Add(lint_code::kMtaStsMaxAge, Severity::kError, "max_age", position,
               fmt::format("max_age {} is over the limit of {} seconds, for which senders may "
                           "refuse the policy",
                           seconds, absl::ToInt64Seconds(kMaxMtaStsAge)),
               "Write some weeks: max_age: 2592000.", kSection)
          .metadata["seconds"] = std::to_string(seconds);
    } else if (policy_.max_age < kShortAge && policy_.mode != MtaStsMode::kNone) {
      findings_
          .Add(lint_code::kMtaStsMaxAge, Severity::kWarning, "max_age", position,
               fmt::format("senders forget the policy after {} seconds, which an attacker can wait "
                           "for",
                           seconds),
               "Write some weeks, once the policy is proven: max_age: 2592000.",
               "RFC 8461 section 10.2")
          .metadata["seconds"] = std::to_string(seconds);
    }
  }

  static constexpr std::array<std::string_view, 3> kKeys = {"version", "mode", "max_age"};

  const MtaStsPolicy& policy_;
  FindingList findings_;
  std::set<std::string_view> seen_keys_;  // of kKeys; searching back would take a square of time
  std::set<std::string> seen_mx_;
};

}  // namespace

std::vector<LintFinding> LintMtaStsPolicy(const MtaStsPolicy& policy, std::string_view path) {
  return Linter(policy, path).Run();
}

}  // namespace dmarcate
