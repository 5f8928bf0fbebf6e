// Our SPF evaluator against pyspf, another implementation (Debian's python3-spf): generated zones
// and messages. Both must say the same about each, result and explanation.
//
// Where they do not, pyspf.py looks for the fewest of its named repairs to pyspf with which the two
// agree. Each stands for one kind of difference and does nothing else; a difference that no repairs
// remove is unexplained, and fails. DMARCATE_SEED makes other cases.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/inspect/spf_check.h"
#include "tests/lib/inspect/spf_case.h"
#include "tests/testing/process.h"
#include "tests/testing/temp_dir.h"

namespace dmarcate {
namespace {

using nlohmann::json;
using testing_support::RunCommand;

constexpr char kPython[] = "/usr/bin/python3";  // Debian's: python3-spf belongs to it
constexpr char kScript[] = "tests/lib/inspect/pyspf.py";
constexpr int kCases = 2000;
constexpr int kCasesOfTheSuite = 20000;  // ./dev test --suite spf

// A kind of difference: what pyspf does, and what RFC 7208 says of it.
struct Rule {
  std::string_view repair;  // in pyspf.py
  std::string_view section;
  enum class Right { kOurs, kBoth } right;
  std::string_view what;
};
constexpr Rule::Right kOurs = Rule::Right::kOurs;
constexpr Rule::Right kBoth = Rule::Right::kBoth;  // the RFC leaves it open
const Rule kRules[] = {
    {"domain-in-lower-case", "4.1, 7.3", kBoth,
     "keeps the case of the sender's and of included domains in %{d}"},
    {"explanation-length", "6.2, 7.3", kOurs,
     "cuts an explanation over 253 octets as if it were a name"},
    {"implied-domain", "4.8, 5.3", kOurs,
     "takes the domain that a, mx and ptr imply for a domain-spec: checks it, and expands macros a "
     "second time"},
    {"include-of-itself", "4.6, 5.2", kOurs,
     "takes an include of the domain itself for a syntax error, though a term before it matches"},
    {"last-at-sign", "4.3, 7.2", kOurs, "parts the sender at the first of several @"},
    {"macro-syntax", "4.6, 7.1", kOurs,
     "takes macros that are none ('%{d', '%%%x', '%{d0}', '%{d2x}'), characters that are not "
     "printable, and no '%%' at the end"},
    {"modifier-names", "4.6.1, 12", kOurs, "knows redirect= and exp= in lower case only"},
    {"mx-in-order", "5.4", kBoth,
     "asks for the addresses of all exchanges, though one before them matches; what fails then is "
     "an error"},
    {"name-length", "7.3", kOurs,
     "takes one label away from a name over 253 octets, though it is still too long"},
    {"postmaster", "4.3, 7.2", kOurs,
     "has a sender without 'postmaster' where the local part is empty"},
    {"ptr-errors", "5.5", kOurs, "makes temperror of a name that cannot be validated"},
    {"ptr-voids", "4.6.4", kBoth,
     "counts every void look-up while names are validated, again for each term; we count a "
     "missing PTR record once"},
    {"redirect-when-followed", "4.6.4, 6.1", kOurs,
     "counts and expands redirect= before it is known whether it is followed"},
    {"rejoin-with-dots", "7.3", kOurs,
     "puts parts together by the delimiter they were split at, unless the macro is s or l"},
    {"single-label", "4.3", kOurs, "looks for the record of a name that macros made of one label"},
    {"trailing-dot", "4.3", kOurs,
     "takes the empty label at the end of a sender's domain for an error"},
    {"transformer-in-upper-case", "7.1, 12", kOurs, "does not know R for r"},
    {"unknown-modifiers", "6", kOurs,
     "makes permerror of unknown modifiers that repeat or name c, r or t, and does not look into "
     "default= and op="},
    {"validated-name", "4.6.4, 7.3", kOurs,
     "asks for %{p} before its term is reached, does not count it as a look-up, and keeps the "
     "one chosen for another domain"},
};

TEST(Pyspf, AgreesOnGeneratedZones) {
  const auto probe = RunCommand({kPython, "-c", "import spf"});
  if (!probe.ok() || probe->exit_code != 0) GTEST_SKIP() << "python3-spf is not installed";
  const char* const suite = std::getenv("DMARCATE_SUITE");
  const int count = suite != nullptr ? kCasesOfTheSuite : kCases;
  const char* const given = std::getenv("DMARCATE_SEED");
  const auto seed =
      static_cast<uint32_t>(given == nullptr ? 7208 : std::strtoul(given, nullptr, 10));

  SpfCaseGenerator generator(seed);
  const FakeClock clock(absl::UnixEpoch());
  std::vector<std::string> cases;
  std::string lines;
  for (int i = 0; i < count; ++i) {
    const SpfCase one = generator.Next();
    const SpfEvaluation ours = CheckHost(one.request, *one.MakeResolver(), clock);
    json line = one.ToJson();
    line["ours"] = {{"result", ToString(ours.result)},
                    {"explanation", ours.explanation},
                    {"reason", ToValidUtf8(ours.reason)}};
    cases.push_back(line.dump(-1, ' ', /*ensure_ascii=*/true));
    lines += cases.back() + "\n";
  }
  const testing_support::TempDir directory;
  directory.Write("cases", lines);
  const auto run = RunCommand({kPython, kScript, directory.File("cases")}, absl::Minutes(30));
  ASSERT_TRUE(run.ok() && run->exit_code == 0) << run.status() << (run.ok() ? run->output : "");

  std::map<std::string, int> agreed;
  std::map<std::string, int> explained;  // a difference may need several
  int different = 0;
  int unexplained = 0;
  size_t at = 0;
  for (const std::string_view line : Split(run->output, '\n')) {
    if (line.empty()) continue;
    ASSERT_LT(at, cases.size());
    const std::string& one = cases[at++];
    const json theirs = json::parse(line);
    if (!theirs.contains("repairs")) {
      ++agreed[theirs["result"]];
      continue;
    }
    ++different;
    if (theirs["repairs"].is_null() || theirs["repairs"].empty()) {
      if (++unexplained <= 20) {
        ADD_FAILURE() << "seed " << seed << ", case " << at - 1 << ": pyspf says " << theirs << "\n"
                      << one;
      }
      continue;
    }
    for (const std::string repair : theirs["repairs"]) ++explained[repair];
  }
  EXPECT_EQ(at, cases.size());
  EXPECT_EQ(unexplained, 0);

  std::printf("%d cases from seed %u: %d agree", count, seed, count - different);
  for (const auto& [result, cases_of_it] : agreed) {
    std::printf(", %s %d", result.c_str(), cases_of_it);
    // The cases are worth something only if each result is common.
    EXPECT_GE(cases_of_it, count / 200) << result;
  }
  EXPECT_EQ(agreed.size(), 7U);
  std::printf("; %d differ, %d of them unexplained\n", different, unexplained);
  for (const Rule& rule : kRules) {
    const std::string repair(rule.repair);
    std::printf("%6d %-26s RFC 7208 section %s, %s: pyspf %s\n", explained[repair], repair.c_str(),
                std::string(rule.section).c_str(),
                rule.right == kOurs ? "we are right" : "both may", std::string(rule.what).c_str());
    if (suite != nullptr && given == nullptr) {
      EXPECT_GT(explained[repair], 0) << repair << " explains nothing: it is not needed any more";
    }
    explained.erase(repair);
  }
  for (const auto& [repair, differences] : explained) {
    ADD_FAILURE() << repair << " has no rule here: " << differences;
  }
}

}  // namespace
}  // namespace dmarcate
