#include "policyd/analysis/what_if.h"

#include <map>
#include <random>
#include <set>

#include "fmt/format.h"
#include "gtest/gtest.h"

#include "lib/mailauth/public_suffix_list.h"
#include "policyd/analysis/attribution.h"
#include "tests/policyd/analysis/rows.h"

namespace dmarcate {
namespace {

using analysis_testing::kDomain;
using analysis_testing::Report;
using analysis_testing::Row;

constexpr DayNumber kDay = 20'000;
const DayRange kRange{kDay, kDay + 29};

const PublicSuffixList& Suffixes() {
  static const PublicSuffixList& list = *BuiltinPublicSuffixList().release();
  return list;
}

WhatIfCounts One(const AggregateRecord& row, const WhatIf& what_if, PublishedPolicy published = {},
                 std::string_view source = "somebody") {
  return Evaluate(row, published, kDomain, source, what_if, Suffixes());
}

TEST(WhatIf, RejectAsksToRefuseWhatDoesNotPass) {
  const WhatIf what_if{.policy = {.p = DmarcPolicy::kReject}};
  const WhatIfCounts failing = One(Row(7).Spf("other.test"), what_if);
  EXPECT_EQ(failing.rejected, 7);
  EXPECT_EQ(failing.newly_refused, 7);
  EXPECT_EQ(failing.delivered(), 0);
  const WhatIfCounts passing = One(Row(7).Dkim("example.com"), what_if);
  EXPECT_EQ(passing.rejected, 0);
  EXPECT_EQ(passing.would_pass, 7);
}

TEST(WhatIf, SubdomainsFollowSpAndMissingOnesNp) {
  const AggregateRecord row = Row(3).Header("a.example.com").Spf("other.test");
  WhatIf what_if{.policy = {.p = DmarcPolicy::kReject}};
  EXPECT_EQ(One(row, what_if).rejected, 3);
  what_if.policy.sp = DmarcPolicy::kNone;
  EXPECT_EQ(One(row, what_if).delivered(), 3);
  what_if.policy.np = DmarcPolicy::kQuarantine;
  EXPECT_EQ(One(row, what_if).delivered(), 3) << "the name exists";
  what_if.missing_names.insert("a.example.com");
  EXPECT_EQ(One(row, what_if).quarantined, 3);
}

TEST(WhatIf, TestingAsksForOneStepLess) {
  WhatIf what_if{.policy = {.p = DmarcPolicy::kReject, .testing = true}};
  EXPECT_EQ(One(Row(), what_if).quarantined, 1);
  what_if.policy.p = DmarcPolicy::kQuarantine;
  EXPECT_EQ(One(Row(), what_if).delivered(), 1);
}

TEST(WhatIf, StrictAlignmentNeedsTheSameName) {
  const WhatIf what_if{.policy = {.p = DmarcPolicy::kReject, .adkim = DmarcAlignmentMode::kStrict}};
  EXPECT_EQ(One(Row().Dkim("mail.example.com"), what_if).rejected, 1);
  EXPECT_EQ(One(Row().Dkim("example.com"), what_if).would_pass, 1);
}

TEST(WhatIf, RelaxedAlignmentTakesWhatStrictRefused) {
  AggregateRecord row = Row().Dkim("mail.example.com");
  row.dkim_aligned = AlignedResult::kFail;
  row.disposition = Disposition::kReject;
  const WhatIfCounts got =
      One(row, {.policy = {.p = DmarcPolicy::kReject}}, {.adkim = AlignmentMode::kStrict});
  EXPECT_EQ(got.would_pass, 1);
  EXPECT_EQ(got.newly_delivered, 1);
}

TEST(WhatIf, APassWithoutAnIdentityIsKeptAndCountedAsAssumed) {
  const AggregateRecord row = Row(5).Evaluated(AlignedResult::kPass, AlignedResult::kFail);
  const WhatIf strict{.policy = {.p = DmarcPolicy::kReject, .adkim = DmarcAlignmentMode::kStrict}};
  EXPECT_EQ(One(row, strict).would_pass, 5);
  EXPECT_EQ(One(row, strict).assumed, 5);
  EXPECT_EQ(One(row, {.policy = {.p = DmarcPolicy::kReject}}).assumed, 0);
}

TEST(WhatIf, AnIncludeHelpsOnlyWhereTheEnvelopeAligns) {
  const WhatIf what_if{.policy = {.p = DmarcPolicy::kReject},
                       .treatments = {{"somebody", Treatment::kSpfAuthorized}}};
  EXPECT_EQ(One(Row().Spf("bounce.example.com", AuthResult::kFail), what_if).would_pass, 1);
  EXPECT_EQ(One(Row().Spf("sendgrid.net"), what_if).rejected, 1);
  EXPECT_EQ(
      One(Row().Spf("bounce.example.com", AuthResult::kFail), what_if, {}, "another").rejected, 1);
}

TEST(WhatIf, SigningMakesAllOfItPass) {
  const WhatIf what_if{.policy = {.p = DmarcPolicy::kReject},
                       .treatments = {{"somebody", Treatment::kSigned}}};
  EXPECT_EQ(One(Row().Spf("sendgrid.net"), what_if).would_pass, 1);
}

TEST(WhatIf, WithdrawingCostsWhatPassesBySpfAlone) {
  const WhatIf what_if{.policy = {.p = DmarcPolicy::kReject},
                       .treatments = {{"somebody", Treatment::kSpfWithdrawn}}};
  EXPECT_EQ(One(Row().Spf("example.com"), what_if).newly_refused, 1);
  EXPECT_EQ(One(Row().Spf("example.com").Dkim("example.com"), what_if).would_pass, 1);
}

TEST(WhatIf, TellsMailThatReceiversHadAReasonToDeliver) {
  const WhatIf what_if{.policy = {.p = DmarcPolicy::kReject}};
  EXPECT_EQ(One(Row(4).Says(ReasonType::kMailingList), what_if).excused, 4);
  EXPECT_EQ(One(Row(4).Says(ReasonType::kSampledOut), what_if).excused, 0);
}

TEST(WhatIf, CountsNoReportThatNobodyVouchesFor) {
  const WhatIf what_if{.policy = {.p = DmarcPolicy::kReject}};
  WhatIfBuilder builder(kDomain, kRange, Catalogue::Default(), Suffixes(), what_if);
  builder.Add(Report(kDay, {Row(5)}, "a", TrustClass::kUnverified));
  builder.Add(Report(kDay, {Row(6)}, "a", TrustClass::kQuarantined));
  builder.Add(Report(kDay - 1, {Row(7)}, "a"));
  builder.Add(Report(kDay, {Row(8)}, "a"));
  EXPECT_EQ(builder.Finish().total.messages, 8);
}

// E2: a recount that shares no code with what_if.cc but the attribution: message by message, with
// strings alone.
std::string LastTwoLabels(const std::string& name) {
  const size_t last = name.rfind('.');
  if (last == std::string::npos) return name;
  const size_t before = name.rfind('.', last - 1);
  return before == std::string::npos ? name : name.substr(before + 1);
}

struct Recount {
  int64_t messages = 0, would_pass = 0, quarantined = 0, rejected = 0, newly_refused = 0,
          newly_delivered = 0, excused = 0, assumed = 0;
  friend bool operator==(const Recount&, const Recount&) = default;
};
void PrintTo(const Recount& r, std::ostream* out) {
  *out << fmt::format("{} pass {} q {} r {} +{} -{} e {} a {}", r.messages, r.would_pass,
                      r.quarantined, r.rejected, r.newly_refused, r.newly_delivered, r.excused,
                      r.assumed);
}
Recount From(const WhatIfCounts& c) {
  return {c.messages,      c.would_pass,      c.quarantined, c.rejected,
          c.newly_refused, c.newly_delivered, c.excused,     c.assumed};
}

class BruteForce {
 public:
  explicit BruteForce(const WhatIf& what_if) : what_if_(what_if) {}

  void Count(const StoredReport& report) {
    for (const AggregateRecord& row : report.report.records) {
      const std::string source = Attribute(row, kDomain, Catalogue::Default()).source_id;
      for (uint64_t i = 0; i < row.count; ++i) {
        const Recount one = Message(row, report.report.policy, source);
        const auto trust = static_cast<int>(report.trust);
        for (Recount* sum :
             {&total, &by_trust[trust], &by_source[{source, trust}], &by_source[{source, -1}],
              &by_reporter[{report.report.metadata.org_name, trust}],
              &by_reporter[{report.report.metadata.org_name, -1}]}) {
          sum->messages += one.messages;
          sum->would_pass += one.would_pass;
          sum->quarantined += one.quarantined;
          sum->rejected += one.rejected;
          sum->newly_refused += one.newly_refused;
          sum->newly_delivered += one.newly_delivered;
          sum->excused += one.excused;
          sum->assumed += one.assumed;
        }
      }
    }
  }

  Recount total;
  std::map<int, Recount> by_trust;
  std::map<std::pair<std::string, int>, Recount> by_source, by_reporter;

 private:
  static bool Same(bool strict, const std::string& a, const std::string& b) {
    return a == b || (!strict && LastTwoLabels(a) == LastTwoLabels(b));
  }
  // 0 fail, 1 pass, 2 pass that is assumed.
  static int Judge(bool reported, bool was_strict, bool strict, const std::string& from,
                   const std::vector<std::string>& passing) {
    if (was_strict == strict) return reported ? 1 : 0;
    int aligned = 0;
    for (const std::string& name : passing) aligned += Same(strict, from, name) ? 1 : 0;
    if (!strict) return reported || aligned > 0 ? 1 : 0;
    if (!reported) return 0;
    if (passing.empty()) return 2;
    return aligned > 0 ? 1 : 0;
  }
  Recount Message(const AggregateRecord& row, const PublishedPolicy& published,
                  const std::string& source) const {
    const WhatIfPolicy& policy = what_if_.policy;
    const auto treatment = what_if_.treatments.find(source);
    const Treatment t =
        treatment == what_if_.treatments.end() ? Treatment::kAsItIs : treatment->second;
    std::vector<std::string> dkim_names, spf_names, envelopes;
    for (const DkimAuth& auth : row.dkim) {
      if (auth.result == AuthResult::kPass) dkim_names.push_back(auth.domain);
    }
    for (const SpfAuth& auth : row.spf) {
      if (auth.scope == SpfScope::kHelo) continue;
      envelopes.push_back(*auth.domain);
      if (auth.result == AuthResult::kPass) spf_names.push_back(*auth.domain);
    }
    const bool dkim_strict = policy.adkim == DmarcAlignmentMode::kStrict;
    const bool spf_strict = policy.aspf == DmarcAlignmentMode::kStrict;
    int dkim =
        Judge(row.dkim_aligned == AlignedResult::kPass, published.adkim == AlignmentMode::kStrict,
              dkim_strict, row.header_from, dkim_names);
    int spf =
        Judge(row.spf_aligned == AlignedResult::kPass, published.aspf == AlignmentMode::kStrict,
              spf_strict, row.header_from, spf_names);
    if (t == Treatment::kSigned) dkim = 1;
    if (t == Treatment::kSpfWithdrawn) spf = 0;
    if (t == Treatment::kSpfAuthorized) {
      for (const std::string& name : envelopes) {
        if (Same(spf_strict, row.header_from, name)) spf = 1;
      }
    }
    int asked = static_cast<int>(policy.p);
    if (row.header_from != kDomain) {
      if (policy.sp) asked = static_cast<int>(*policy.sp);
      if (policy.np && what_if_.missing_names.contains(row.header_from)) {
        asked = static_cast<int>(*policy.np);
      }
    }
    if (policy.testing && asked > 0) --asked;
    Recount out{.messages = 1};
    const bool was_refused =
        row.disposition == Disposition::kQuarantine || row.disposition == Disposition::kReject;
    if (dkim > 0 || spf > 0) {
      out.would_pass = 1;
      if (dkim != 1 && spf != 1) out.assumed = 1;
    } else if (asked == 1) {
      out.quarantined = 1;
    } else if (asked == 2) {
      out.rejected = 1;
    }
    const bool refused = out.quarantined + out.rejected > 0;
    out.newly_refused = refused && !was_refused ? 1 : 0;
    out.newly_delivered = !refused && was_refused ? 1 : 0;
    for (const OverrideReason& reason : row.reasons) {
      if (refused && reason.type != ReasonType::kSampledOut &&
          reason.type != ReasonType::kPolicyTestMode && reason.type != ReasonType::kUnspecified) {
        out.excused = 1;
      }
    }
    return out;
  }

  const WhatIf& what_if_;
};

using Random = std::mt19937_64;
template <typename T>
T Pick(Random& random, std::initializer_list<T> choices) {
  return choices.begin()[random() % choices.size()];
}

std::vector<StoredReport> RandomReports(Random& random) {
  std::vector<StoredReport> out;
  for (int i = 0; i < 60; ++i) {
    std::vector<AggregateRecord> rows;
    for (uint64_t n = random() % 12; n > 0; --n) {
      AggregateRecord row = Row(random() % 9);
      row.source_ip = IpAddress::FromV4(0xC6336400 + static_cast<uint32_t>(random() % 12));
      row.header_from = Pick<const char*>(
          random, {"example.com", "example.com", "a.example.com", "b.a.example.com"});
      for (uint64_t k = random() % 3; k > 0; --k) {
        row.dkim.push_back({.domain = Pick<const char*>(
                                random, {"example.com", "a.example.com", "sendgrid.net", "x.test"}),
                            .result = Pick(random, {AuthResult::kPass, AuthResult::kFail})});
      }
      for (uint64_t k = random() % 3; k > 0; --k) {
        row.spf.push_back(
            {.domain = Pick<const char*>(random, {"example.com", "bounce.example.com",
                                                  "a.example.com", "sendgrid.net", "fwd.test"}),
             .scope = Pick(random, {SpfScope::kMfrom, SpfScope::kUnspecified, SpfScope::kHelo}),
             .result =
                 Pick(random, {AuthResult::kPass, AuthResult::kFail, AuthResult::kSoftfail})});
      }
      // The receiver's word, which need not follow from what it lists.
      row.dkim_aligned = Pick(random, {AlignedResult::kPass, AlignedResult::kFail});
      row.spf_aligned =
          Pick(random, {AlignedResult::kPass, AlignedResult::kFail, AlignedResult::kUnspecified});
      row.disposition = Pick(random, {Disposition::kNone, Disposition::kPass,
                                      Disposition::kQuarantine, Disposition::kReject});
      if (random() % 4 == 0) {
        row.reasons.push_back({Pick(random, {ReasonType::kForwarded, ReasonType::kMailingList,
                                             ReasonType::kSampledOut, ReasonType::kLocalPolicy,
                                             ReasonType::kPolicyTestMode}),
                               ""});
      }
      rows.push_back(std::move(row));
    }
    StoredReport report = Report(
        kDay + static_cast<DayNumber>(random() % 30), std::move(rows),
        Pick<const char*>(random, {"google.com", "Outlook.com", "small.test"}),
        Pick(random, {TrustClass::kAnchored, TrustClass::kAuthenticated, TrustClass::kImported}));
    report.report.policy.adkim = Pick<std::optional<AlignmentMode>>(
        random, {std::nullopt, AlignmentMode::kRelaxed, AlignmentMode::kStrict});
    report.report.policy.aspf = Pick<std::optional<AlignmentMode>>(
        random, {std::nullopt, AlignmentMode::kRelaxed, AlignmentMode::kStrict});
    out.push_back(std::move(report));
  }
  return out;
}

WhatIf RandomWhatIf(Random& random, const std::vector<std::string>& sources) {
  WhatIf out;
  const auto policy = [&random] {
    return Pick(random, {DmarcPolicy::kNone, DmarcPolicy::kQuarantine, DmarcPolicy::kReject});
  };
  out.policy.p = policy();
  if (random() % 2 == 0) out.policy.sp = policy();
  if (random() % 2 == 0) out.policy.np = policy();
  out.policy.testing = random() % 4 == 0;
  out.policy.adkim = Pick(random, {DmarcAlignmentMode::kRelaxed, DmarcAlignmentMode::kStrict});
  out.policy.aspf = Pick(random, {DmarcAlignmentMode::kRelaxed, DmarcAlignmentMode::kStrict});
  if (random() % 2 == 0) out.missing_names.insert("b.a.example.com");
  for (const std::string& source : sources) {
    if (random() % 3 != 0) continue;
    out.treatments[source] = Pick(random, {Treatment::kAsItIs, Treatment::kSpfAuthorized,
                                           Treatment::kSigned, Treatment::kSpfWithdrawn});
  }
  return out;
}

TEST(WhatIf, EqualsARecountForAThousandPoliciesAndDecisions) {
  Random random(20261130);
  int64_t messages = 0, refused = 0;
  for (int round = 0; round < 1000; ++round) {
    SCOPED_TRACE(round);
    const std::vector<StoredReport> reports = RandomReports(random);
    std::set<std::string> ids;
    for (const StoredReport& report : reports) {
      for (const AggregateRecord& row : report.report.records) {
        ids.insert(Attribute(row, kDomain, Catalogue::Default()).source_id);
      }
    }
    const WhatIf what_if = RandomWhatIf(random, {ids.begin(), ids.end()});
    WhatIfBuilder builder(kDomain, kRange, Catalogue::Default(), Suffixes(), what_if);
    BruteForce want(what_if);
    for (const StoredReport& report : reports) {
      builder.Add(report);
      want.Count(report);
    }
    const WhatIfResult got = builder.Finish();
    ASSERT_EQ(From(got.total), want.total);
    const auto compare = [&](const std::vector<WhatIfRow>& rows,
                             const std::map<std::pair<std::string, int>, Recount>& expected) {
      WhatIfCounts sum;
      for (const WhatIfRow& row : rows) {
        SCOPED_TRACE(row.key);
        sum.Add(row.counts);
        ASSERT_EQ(From(row.counts), expected.at({row.key, -1}));
        for (size_t trust = 0; trust < kTrustClasses; ++trust) {
          const auto it = expected.find({row.key, static_cast<int>(trust)});
          ASSERT_EQ(From(row.by_trust[trust]), it == expected.end() ? Recount() : it->second);
        }
      }
      ASSERT_EQ(sum, got.total);
    };
    compare(got.sources, want.by_source);
    compare(got.reporters, want.by_reporter);
    for (size_t trust = 0; trust < kTrustClasses; ++trust) {
      const auto it = want.by_trust.find(static_cast<int>(trust));
      ASSERT_EQ(From(got.by_trust[trust]), it == want.by_trust.end() ? Recount() : it->second);
    }
    if (HasFatalFailure()) return;
    messages += got.total.messages;
    refused += got.total.quarantined + got.total.rejected;
  }
  fmt::print("1000 policies and decision sets, {} messages, {} refused: each count equal\n",
             messages, refused);
  EXPECT_GT(refused, messages / 20);  // there was something to count
  EXPECT_LT(refused, messages);
}

}  // namespace
}  // namespace dmarcate
