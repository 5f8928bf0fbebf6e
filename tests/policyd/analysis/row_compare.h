// tests/policyd/analysis/row_compare.h
// Random reports of everything that a row may say, and whether the sums over compact rows
// (row_sums.h) say of them what the rows themselves do.

#ifndef DMARCATE_TESTS_POLICYD_ANALYSIS_ROW_COMPARE_H_
#define DMARCATE_TESTS_POLICYD_ANALYSIS_ROW_COMPARE_H_

#include <algorithm>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "policyd/analysis/regroup.h"
#include "policyd/analysis/row_sums.h"
#include "tests/policyd/analysis/rows.h"

namespace dmarcate::analysis_testing {

template <typename T>
T PickOne(std::mt19937& random, std::vector<T> from) {
  return from[random() % from.size()];
}

inline AggregateRecord RandomRow(std::mt19937& random) {
  const auto pick = [&random](std::vector<std::string> from) { return PickOne(random, from); };
  AggregateRecord row;
  const uint32_t which = static_cast<uint32_t>(random() % 12);
  if (which > 0) {
    row.source_ip =
        which < 9
            ? IpAddress::FromV4(which < 5 ? 0xc6336400u + static_cast<uint32_t>(random() % 20)
                                          : 0xcb007100u + static_cast<uint32_t>(random() % 40))
            : IpAddress::Parse(
                  pick({"2001:db8::1", "2001:db8::2", "::192.0.2.1", "::c000:201", "::192:0:2:1"}));
  }
  row.count = random() % 10 == 0 ? 0 : 1 + random() % 50;
  row.disposition = static_cast<Disposition>(random() % 5);
  row.dkim_aligned = static_cast<AlignedResult>(random() % 3);
  row.spf_aligned = static_cast<AlignedResult>(random() % 3);
  row.header_from = pick({"example.com", "example.com", "a.example.com", "b.a.example.com"});
  for (uint32_t n = random() % 3; n > 0; --n) {
    DkimAuth auth;
    auth.domain = pick({"example.com", "a.example.com", "sendgrid.net", "other.test", "mailgun.org",
                        "list.test", "amazonses.com", "not a name"});
    if (random() % 4 > 0) auth.selector = pick({"s1", "s2", "s3", "google", "k1", ""});
    if (random() % 40 == 0) auth.selector = "t" + std::to_string(random() % 40);
    auth.result = static_cast<AuthResult>(random() % 3 == 0 ? random() % 9 : 2);
    row.dkim.push_back(std::move(auth));
  }
  for (uint32_t n = random() % 3; n > 0; --n) {
    SpfAuth auth;
    if (random() % 8 > 0) {
      auth.domain = pick({"example.com", "bounce.example.com", "sendgrid.net", "forward.test",
                          "list.test", "a.example.com", "example.net", "no_name"});
    }
    auth.scope = static_cast<SpfScope>(random() % 3);
    auth.result = static_cast<AuthResult>(random() % 2 == 0 ? random() % 9 : 2);
    row.spf.push_back(std::move(auth));
  }
  for (uint32_t n = random() % 6; n > 4; --n) {
    row.reasons.push_back({static_cast<ReasonType>(random() % 8),
                           pick({"", "arc=pass as.1.example.com", "something"})});
  }
  return row;
}

// Some of several days, some that nobody counts, some empty, of few reporters.
inline StoredReport RandomReport(std::mt19937& random, DayNumber day) {
  std::vector<AggregateRecord> rows;
  for (uint32_t n = random() % 20; n > 0; --n) rows.push_back(RandomRow(random));
  StoredReport report =
      Report(day, std::move(rows),
             PickOne<std::string>(random, {"google.com", "Outlook.com", "small.test", "", "Yahoo"}),
             PickOne<TrustClass>(random, {TrustClass::kAnchored, TrustClass::kAuthenticated,
                                          TrustClass::kImported, TrustClass::kImported,
                                          TrustClass::kUnverified, TrustClass::kQuarantined}));
  report.reporter_key = PickOne<std::string>(random, {"google.com", "key.test"});
  if (random() % 6 == 0) {
    const int64_t middle = int64_t{day} * 86400 + 43200;
    const int64_t half = (1 + static_cast<int64_t>(random() % 4)) * 86400;
    report.report.metadata.begin = middle - half;
    report.report.metadata.end = middle + half;
  }
  const std::vector<std::optional<AlignmentMode>> modes = {std::nullopt, AlignmentMode::kRelaxed,
                                                           AlignmentMode::kStrict};
  report.report.policy.adkim = PickOne(random, modes);
  report.report.policy.aspf = PickOne(random, modes);
  return report;
}

// What people may do to the sources of `statistics`: merges and splits, also after one another.
inline std::vector<SourceGrouping> RandomGroupings(std::mt19937& random,
                                                   const DomainStatistics& statistics) {
  std::vector<std::string> ids = {"sendgrid", "split-a", "split-b", "nobody", "ip-203-0-113-9"};
  for (const SourceStatistics& source : statistics.sources) ids.push_back(source.id);
  std::vector<SourceGrouping> rules;
  for (uint32_t n = random() % 12; n > 0; --n) {
    SourceGrouping rule{.from = PickOne(random, ids), .into = PickOne(random, ids)};
    if (random() % 3 == 0) {
      rule.into = PickOne<std::string>(random, {"split-a", "split-b", "split-c"});
      rule.ranges = {PickOne<std::string>(random, {"198.51.100.0/29", "203.0.113.0/27",
                                                   "203.0.113.7", "2001:db8::/127", "0.0.0.0/0"})};
    }
    if (CheckGrouping(rules, rule).ok()) rules.push_back(std::move(rule));
  }
  return rules;
}

inline WhatIf RandomSupposition(std::mt19937& random, const DomainStatistics& statistics) {
  WhatIf out;
  const auto policy = [&random] {
    return PickOne<DmarcPolicy>(
        random, {DmarcPolicy::kNone, DmarcPolicy::kQuarantine, DmarcPolicy::kReject});
  };
  out.policy.p = policy();
  if (random() % 2 == 0) out.policy.sp = policy();
  if (random() % 2 == 0) out.policy.np = policy();
  out.policy.testing = random() % 4 == 0;
  if (random() % 2 == 0) out.policy.adkim = DmarcAlignmentMode::kStrict;
  if (random() % 2 == 0) out.policy.aspf = DmarcAlignmentMode::kStrict;
  if (random() % 2 == 0) out.missing_names.insert("b.a.example.com");
  for (const SourceStatistics& source : statistics.sources) {
    if (random() % 3 == 0) out.treatments[source.id] = static_cast<Treatment>(random() % 4);
  }
  return out;
}

inline std::set<std::string_view> ReportersOf(const SourceStatistics& source,
                                              const DomainStatistics& all) {
  std::set<std::string_view> names;
  for (const uint32_t reporter : source.reporters) names.insert(all.reporters[reporter]);
  return names;
}

// By their names: the numbers of reporters may be others.
inline void CompareAnchors(const SourceStatistics& got, const DomainStatistics& got_all,
                           const SourceStatistics& want, const DomainStatistics& want_all) {
  ASSERT_EQ(got.anchors.size(), want.anchors.size());
  ASSERT_TRUE(std::ranges::is_sorted(got.anchors, {}, &AnchorCounts::reporter));
  for (const AnchorCounts& expected : want.anchors) {
    const std::string& name = want_all.reporters[expected.reporter];
    SCOPED_TRACE(name);
    const auto anchor = std::ranges::find_if(got.anchors, [&](const AnchorCounts& one) {
      return got_all.reporters[one.reporter] == name;
    });
    ASSERT_NE(anchor, got.anchors.end());
    EXPECT_EQ(anchor->counts, expected.counts);
    EXPECT_EQ(anchor->proved, expected.proved);
    EXPECT_EQ(anchor->first_day, expected.first_day);
    EXPECT_EQ(anchor->last_day, expected.last_day);
  }
}

inline void CompareGrounds(const KindGrounds& got, const KindGrounds& want) {
  EXPECT_EQ(got.messages, want.messages);
  EXPECT_EQ(got.dmarc_pass, want.dmarc_pass);
  EXPECT_EQ(got.forwarded_by_override, want.forwarded_by_override);
  EXPECT_EQ(got.own_envelope_denied, want.own_envelope_denied);
  EXPECT_EQ(got.own_signature, want.own_signature);
  EXPECT_EQ(got.own_dkim, want.own_dkim);
  EXPECT_EQ(got.own_selectors, want.own_selectors);
  EXPECT_EQ(got.own_selectors_known, want.own_selectors_known);
}

inline void CompareSource(const SourceStatistics& got, const DomainStatistics& got_all,
                          const SourceStatistics& want, const DomainStatistics& want_all) {
  SCOPED_TRACE(want.id);
  ASSERT_EQ(got.id, want.id);
  EXPECT_EQ(got.kind, want.kind);
  EXPECT_EQ(got.rule, want.rule);
  EXPECT_EQ(got.value, want.value);
  EXPECT_EQ(got.service, want.service);
  EXPECT_EQ(got.counts, want.counts);
  EXPECT_EQ(got.by_trust, want.by_trust);
  ASSERT_NO_FATAL_FAILURE(CompareAnchors(got, got_all, want, want_all));
  CompareGrounds(got.believed, want.believed);
  EXPECT_EQ(got.overrides, want.overrides);
  EXPECT_EQ(got.by_rule, want.by_rule);
  EXPECT_EQ(got.forwarded_by_override, want.forwarded_by_override);
  EXPECT_EQ(got.forwarded_by_broken_spf, want.forwarded_by_broken_spf);
  EXPECT_EQ(got.own_envelope_denied, want.own_envelope_denied);
  EXPECT_EQ(got.own_signature, want.own_signature);
  EXPECT_EQ(got.own_selectors, want.own_selectors);
  EXPECT_EQ(got.own_selectors_known, want.own_selectors_known);
  EXPECT_EQ(ReportersOf(got, got_all), ReportersOf(want, want_all));
  EXPECT_EQ(got.address_count, want.address_count);
  EXPECT_EQ(got.first_day, want.first_day);
  EXPECT_EQ(got.last_day, want.last_day);
}

inline void ComparePage(const SourcePage& got, const std::vector<const SourceStatistics*>& want,
                        const DomainStatistics& want_all) {
  EXPECT_EQ(got.statistics.domain, want_all.domain);
  EXPECT_EQ(got.statistics.range, want_all.range);
  EXPECT_EQ(got.statistics.total, want_all.total);
  ASSERT_EQ(got.statistics.sources.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    ASSERT_NO_FATAL_FAILURE(
        CompareSource(got.statistics.sources[i], got.statistics, *want[i], want_all));
  }
}

// All pages of a random length, and one of those that somebody wants.
inline void ComparePages(const RowDays& rows, const DomainStatistics& want, std::mt19937& random) {
  const size_t limit = want.sources.size() > 1000 ? 1000 : 1 + random() % 7;
  SourceQuery query{.limit = limit};
  for (size_t first = 0;; first += limit) {
    const auto page = ListSources(rows, query);
    ASSERT_TRUE(page.has_value());
    std::vector<const SourceStatistics*> expected;
    for (size_t i = first; i < std::min(first + limit, want.sources.size()); ++i) {
      expected.push_back(&want.sources[i]);
    }
    ASSERT_NO_FATAL_FAILURE(ComparePage(*page, expected, want));
    ASSERT_EQ(page->more, first + limit < want.sources.size());
    if (!page->more) break;
    query.after = {expected.back()->counts.messages, expected.back()->id};
  }
  query = {.limit = 3, .wanted = [](const std::string& id) { return id.size() % 2 == 0; }};
  std::vector<const SourceStatistics*> even;
  for (const SourceStatistics& source : want.sources) {
    if (query.wanted(source.id) && even.size() < query.limit) even.push_back(&source);
  }
  ASSERT_NO_FATAL_FAILURE(ComparePage(*ListSources(rows, query), even, want));
}

inline void CompareSeries(const RowDays& rows, std::string_view source,
                          const DomainStatistics& want) {
  SCOPED_TRACE(source);
  const auto got = SumSeries(rows, source);
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->known, !source.empty() && want.FindSource(source) != nullptr);
  EXPECT_EQ(got->expired, want.expired);
  ASSERT_EQ(got->days.size(), want.days.size());
  for (size_t i = 0; i < want.days.size(); ++i) {
    SCOPED_TRACE(i);
    ASSERT_EQ(got->days[i].day, want.days[i].day);
    ASSERT_EQ(got->days[i].counts, want.days[i].counts);
    ASSERT_EQ(got->days[i].reports, want.days[i].reports);
    ASSERT_EQ(got->days[i].estimated, want.days[i].estimated);
    ASSERT_EQ(got->days[i].expired, want.days[i].expired);
    ASSERT_EQ(got->days[i].expired_reports, want.days[i].expired_reports);
  }
}

inline void CompareBreakdowns(const RowDays& rows, const DomainStatistics& want) {
  std::vector<BreakdownEntry> sources, trusts;
  for (const SourceStatistics& source : want.sources) sources.push_back({source.id, source.counts});
  for (size_t trust = 0; trust < kTrustClasses; ++trust) {
    if (want.by_trust[trust].messages == 0) continue;
    trusts.push_back({std::to_string(trust), want.by_trust[trust]});
  }
  std::ranges::sort(trusts, [](const auto& a, const auto& b) {
    return a.counts.messages != b.counts.messages ? a.counts.messages > b.counts.messages
                                                  : a.key < b.key;
  });
  const std::pair<RowDimension, const std::vector<BreakdownEntry>*> all[] = {
      {RowDimension::kSource, &sources},
      {RowDimension::kReporter, &want.by_reporter},
      {RowDimension::kHeaderFrom, &want.by_header_from},
      {RowDimension::kDisposition, &want.by_disposition},
      {RowDimension::kTrust, &trusts}};
  for (const auto& [dimension, expected] : all) {
    SCOPED_TRACE(static_cast<int>(dimension));
    const auto got = BreakDown(rows, dimension);
    ASSERT_TRUE(got.has_value());
    EXPECT_EQ(got->total, want.total);
    EXPECT_EQ(got->expired, want.expired);
    ASSERT_EQ(got->entries.size(), expected->size());
    for (size_t i = 0; i < expected->size(); ++i) {
      ASSERT_EQ(got->entries[i].key, (*expected)[i].key);
      ASSERT_EQ(got->entries[i].counts, (*expected)[i].counts) << got->entries[i].key;
    }
  }
}

inline void CompareWhatIf(const RowDays& rows, const WhatIf& what_if, const WhatIfResult& want) {
  for (const size_t limit : {size_t{3}, size_t{20'000}}) {
    const auto got = SumWhatIf(rows, what_if, limit);
    ASSERT_TRUE(got.has_value());
    EXPECT_EQ(got->result.total, want.total);
    EXPECT_EQ(got->result.by_trust, want.by_trust);
    const auto compare = [limit](const std::vector<WhatIfRow>& shown, size_t left_out,
                                 const std::vector<WhatIfRow>& expected) {
      ASSERT_EQ(shown.size(), std::min(limit, expected.size()));
      EXPECT_EQ(left_out, expected.size() - shown.size());
      for (size_t i = 0; i < shown.size(); ++i) {
        ASSERT_EQ(shown[i].key, expected[i].key);
        ASSERT_EQ(shown[i].counts, expected[i].counts) << shown[i].key;
        ASSERT_EQ(shown[i].by_trust, expected[i].by_trust) << shown[i].key;
      }
    };
    ASSERT_NO_FATAL_FAILURE(compare(got->result.sources, got->sources_left_out, want.sources));
    ASSERT_NO_FATAL_FAILURE(
        compare(got->result.reporters, got->reporters_left_out, want.reporters));
  }
}

}  // namespace dmarcate::analysis_testing

#endif  // DMARCATE_TESTS_POLICYD_ANALYSIS_ROW_COMPARE_H_
