// Which insights the watch's memory of a domain gives, and what of it is not known.

#include "policyd/watch/insight_look.h"

#include <algorithm>
#include <functional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/policyd/watch/watch_testing.h"

namespace dmarcate {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::UnorderedElementsAre;
using watch_testing::At;
using watch_testing::kStart;
using watch_testing::Seen;
using watch_testing::Unknown;
using Texts = std::vector<std::string>;

DomainName Name(std::string_view text) { return *DomainName::Parse(text); }
const ObservedName kSpf{"example.com", RecordKind::kSpf};
const ObservedName kMx{"example.com", RecordKind::kMx};
const ObservedName kDmarc{"_dmarc.example.com", RecordKind::kDmarc};
const ObservedName kKey{"s1._domainkey.example.com", RecordKind::kDkim};
const ObservedName kInclude{"_spf.vendor.test", RecordKind::kSpf};
const ObservedName kAbove{"_dmarc.com", RecordKind::kDmarc};

// A domain at which everything is well, seen two hours ago for the last time.
class Memory {
 public:
  Memory() {
    domain_.name = "example.com";
    Set(kSpf, {Seen({"v=spf1 include:_spf.vendor.test -all"}, 1, 8)});
    Set(kInclude, {Seen({"v=spf1 ip4:192.0.2.0/24 -all"}, 1, 8)});
    Set(kDmarc, {Seen({"v=DMARC1; p=reject; rua=mailto:r@example.com"}, 1, 8)});
    Set(kAbove, {Gone(1, 8)});
    Set(kMx, {Seen({"10 mx.example.com."}, 1, 8)});
  }
  static Observation Gone(int first, int last) {
    Observation out = Seen({}, first, last);
    out.outcome = ObservedOutcome::kNxDomain;
    return out;
  }
  void Set(const ObservedName& name, std::vector<Observation> history) {
    histories_[name] = std::move(history);
  }
  void SetText(const ObservedName& name, Texts values) {
    std::ranges::sort(values);
    Set(name, {Seen(std::move(values), 3, 8)});
  }
  void Forget(const ObservedName& name) { histories_.erase(name); }
  void SetKey(const std::string& text) {
    SetText(kKey, {text});
    selectors_ = {"s1"};
  }
  void Apply(const std::string& owner, const std::string& text,
             ChangeState state = ChangeState::kSucceeded) {
    ChangeRecord change;
    change.id = "01";
    change.state = state;
    change.end_time = At(0);
    RecordChangeRecord& record = change.record_changes.emplace_back();
    record.owner_name = owner;
    record.after = {MakeTxtRecord(text).ToPresentation()};
    changes_.push_back(change);
  }
  void DamageApplied() { changes_.back().record_changes.back().after = {"\"not closed"}; }
  DomainRecord& domain() { return domain_; }
  Texts& selectors() { return selectors_; }

  InsightLook Judge(absl::Time now = At(10)) const {
    DomainSight sight(domain_, Name(domain_.name), changes_, now);
    for (const auto& [name, history] : histories_) sight.Add(name, history);
    sight.SetSelectors(selectors_, !selectors_.empty());
    return sight.Judge();
  }

 private:
  DomainRecord domain_;
  std::vector<ChangeRecord> changes_;
  std::map<ObservedName, std::vector<Observation>> histories_;
  Texts selectors_;
};

Texts Codes(const InsightLook& look) {
  Texts out;
  for (const InsightFinding& found : look.found) out.push_back(found.code);
  return out;
}

const InsightFinding& Only(const InsightLook& look, std::string_view code) {
  static const InsightFinding none;
  for (const InsightFinding& found : look.found) {
    if (found.code == code) return found;
  }
  ADD_FAILURE() << "no " << code;
  return none;
}

std::string SpfWithIncludes(int count, Memory* memory) {
  std::string text = "v=spf1";
  for (int i = 0; i < count; ++i) {
    const std::string name = "i" + std::to_string(i) + ".vendor.test";
    text += " include:" + name;
    memory->SetText({name, RecordKind::kSpf}, {"v=spf1 ip4:192.0.2.1 -all"});
  }
  return text + " -all";
}

const char kRevoked[] = "v=DKIM1; p=";
// 512 bits.
const char kShort[] =
    "v=DKIM1; k=rsa; p=MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAJzaECFfm1BW5j3v9S6mPTFkwYJm1OHWwxYC1DkPyw+g"
    "UUcXj1XUyYLhHkeBqyq5p/rW7s8hTXtUyO5UFMqoCUECAwEAAQ==";

struct Case {
  std::string name;
  std::function<void(Memory&)> set;
  Texts want;  // codes, in any order
  std::string subject = "example.com";
  std::string command;  // of the first wanted code; empty: not compared
};

void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }

const Case kCases[] = {
    {"AllIsWell", [](Memory&) {}, {}},
    {"SeveralSpfRecords",
     [](Memory& m) { m.SetText(kSpf, {"v=spf1 -all", "v=spf1 mx -all"}); },
     {"SPF_MULTIPLE"},
     "example.com",
     "dmarcate records show example.com"},
    {"SeveralDmarcRecords",
     [](Memory& m) {
       m.SetText(kDmarc, {"v=DMARC1; p=none; rua=mailto:a@example.com", "v=DMARC1; p=reject"});
     },
     {"DMARC_MULTIPLE"},
     "_dmarc.example.com"},
    {"NoSpf", [](Memory& m) { m.SetText(kSpf, {"hello"}); }, {"SPF_MISSING"}},
    {"NoDmarc", [](Memory& m) { m.SetText(kDmarc, {}); }, {"DMARC_MISSING"}, "_dmarc.example.com"},
    {"SpfThatDoesNotParse",
     [](Memory& m) { m.SetText(kSpf, {"v=spf1 ip4:nonsense -all"}); },
     {"SPF_SYNTAX"}},
    {"SevenLookupsAreFine", [](Memory& m) { m.SetText(kSpf, {SpfWithIncludes(7, &m)}); }, {}},
    {"EightLookupsOfTen",
     [](Memory& m) { m.SetText(kSpf, {SpfWithIncludes(8, &m)}); },
     {"SPF_LOOKUP_MARGIN"},
     "example.com",
     "dmarcate records tree example.com"},
    {"ElevenLookups",
     [](Memory& m) { m.SetText(kSpf, {SpfWithIncludes(11, &m)}); },
     {"SPF_LOOKUP_LIMIT"}},
    {"DanglingIncludeIsToldOnce",
     [](Memory& m) { m.Set(kInclude, {Memory::Gone(5, 8), Seen({"v=spf1 -all"}, 1, 4)}); },
     {"SPF_DANGLING"},
     "example.com",
     "dmarcate records tree example.com"},
    {"PlusAll", [](Memory& m) { m.SetText(kSpf, {"v=spf1 +all"}); }, {"SPF_PLUS_ALL"}},
    {"PlusAllInAnInclude",
     [](Memory& m) { m.SetText(kInclude, {"v=spf1 +all"}); },
     {"SPF_PLUS_ALL"}},
    {"WideRange",
     [](Memory& m) { m.SetText(kSpf, {"v=spf1 ip4:10.0.0.0/9 -all"}); },
     {"SPF_TOO_WIDE"}},
    {"ManyAddressesInAnInclude",
     [](Memory& m) { m.SetText(kInclude, {"v=spf1 ip4:10.0.0.0/9 -all"}); },
     {"SPF_TOO_WIDE"}},
    {"ShortKeyInUse",
     [](Memory& m) { m.SetKey(kShort); },
     {"DKIM_KEY_SHORT"},
     "s1._domainkey.example.com",
     "dmarcate records show example.com --selector s1"},
    {"RevokedKeyInUse",
     [](Memory& m) { m.SetKey(kRevoked); },
     {"DKIM_KEY_REVOKED_IN_USE"},
     "s1._domainkey.example.com"},
    {"RevokedKeyThatNobodyUses",
     [](Memory& m) {
       m.SetKey(kRevoked);
       m.selectors() = {};
     },
     {}},
    {"KeyInUseIsGone",
     [](Memory& m) {
       m.SetText(kKey, {});
       m.selectors() = {"s1"};
     },
     {"DKIM_MISSING"},
     "s1._domainkey.example.com"},
    {"NoRua",
     [](Memory& m) { m.SetText(kDmarc, {"v=DMARC1; p=reject"}); },
     {"DMARC_NO_RUA"},
     "_dmarc.example.com"},
    {"RuaThatDidNotAgree",
     [](Memory& m) {
       m.SetText(kDmarc, {"v=DMARC1; p=reject; rua=mailto:r@reports.test"});
       m.Set({"example.com._report._dmarc.reports.test", RecordKind::kDmarc}, {Memory::Gone(2, 8)});
     },
     {"DMARC_RUA_UNAUTHORIZED"},
     "_dmarc.example.com"},
    {"RuaThatAgreed",
     [](Memory& m) {
       m.SetText(kDmarc, {"v=DMARC1; p=reject; rua=mailto:r@reports.test"});
       m.SetText({"example.com._report._dmarc.reports.test", RecordKind::kDmarc}, {"v=DMARC1"});
     },
     {}},
    {"RuaOfWhichNothingIsKnown",
     [](Memory& m) {
       m.SetText(kDmarc, {"v=DMARC1; p=reject; rua=mailto:r@reports.test"});
       m.Set({"example.com._report._dmarc.reports.test", RecordKind::kDmarc},
             {Unknown(ObservedOutcome::kTimeout, 2, 8)});
     },
     {}},
    {"Drift",
     [](Memory& m) { m.Apply("_dmarc.example.com", "v=DMARC1; p=quarantine"); },
     {"DRIFT_RECORD_CHANGED"},
     "_dmarc.example.com",
     "dmarcate records history example.com --name _dmarc.example.com"},
    {"DriftSaysMoreThanTheLint",
     [](Memory& m) {
       m.Apply("_dmarc.example.com", "v=DMARC1; p=quarantine");
       m.SetText(kDmarc, {});
     },
     {"DRIFT_RECORD_GONE"},
     "_dmarc.example.com"},
    {"NoDriftWhileAChangeRuns",
     [](Memory& m) {
       m.Apply("_dmarc.example.com", "v=DMARC1; p=quarantine", ChangeState::kVerifying);
     },
     {}},
    {"IncludeChanged",
     [](Memory& m) {
       m.Set(kInclude, {Seen({"v=spf1 ip4:192.0.2.0/25 -all"}, 6, 8),
                        Seen({"v=spf1 ip4:192.0.2.0/24 -all"}, 1, 5)});
     },
     {"INCLUDE_CHANGED"},
     "_spf.vendor.test"},
    {"IncludeSilentForHoursOnly",
     [](Memory& m) {
       m.Set(kInclude, {Unknown(ObservedOutcome::kTimeout, 2, 8), Seen({"v=spf1 -all"}, 0, 1)});
     },
     {}},
    {"IncludeSilentForLong",
     [](Memory& m) {
       m.Set(kInclude, {Unknown(ObservedOutcome::kServfail, -30, 8), Seen({"v=spf1 -all"}, -40)});
     },
     {"INCLUDE_UNREADABLE"},
     "_spf.vendor.test"},
    {"AliasBesideMx",
     [](Memory& m) {
       Observation alias = Seen({"v=spf1 -all"}, 3, 8);
       alias.cname_chain = {"host.vendor.test"};
       m.Set(kSpf, {alias});
     },
     {"CNAME_AT_NAME"}},
    {"AliasForAKeyIsUsual",
     [](Memory& m) {
       m.SetKey(kRevoked);
       Observation alias = Seen({kRevoked}, 3, 8);
       alias.cname_chain = {"s1.vendor.test"};
       m.Set(kKey, {alias});
     },
     {"DKIM_KEY_REVOKED_IN_USE"},
     "s1._domainkey.example.com"},
    {"EachBogusNameIsAnInsight",
     [](Memory& m) {
       for (const ObservedName& name : {kSpf, kDmarc, kMx}) {
         m.Set(name, {Unknown(ObservedOutcome::kBogus, 4, 8)});
       }
     },
     {"DNSSEC_BOGUS", "DNSSEC_BOGUS"},
     ""},
};

class InsightLookTest : public testing::TestWithParam<Case> {};
TEST_P(InsightLookTest, Case) {
  Memory memory;
  GetParam().set(memory);
  const InsightLook look = memory.Judge();
  EXPECT_THAT(Codes(look), testing::UnorderedElementsAreArray(GetParam().want));
  if (look.found.empty()) return;
  if (!GetParam().subject.empty()) {
    EXPECT_EQ(look.found[0].subject, GetParam().subject);
  }
  if (!GetParam().command.empty()) {
    EXPECT_EQ(look.found[0].evidence_command, GetParam().command);
  }
  for (const InsightFinding& found : look.found) {
    EXPECT_THAT(found.message, Not(IsEmpty()));
    EXPECT_THAT(found.fix_hint, Not(IsEmpty()));
    EXPECT_THAT(found.content, testing::SizeIs(16));
    EXPECT_LT(found.since, At(10));
  }
}
INSTANTIATE_TEST_SUITE_P(All, InsightLookTest, testing::ValuesIn(kCases),
                         [](const auto& each) { return each.param.name; });

TEST(InsightLook, AllIsLearnedWhereAllAnswered) {
  const InsightLook look = Memory().Judge();
  EXPECT_EQ(look.learned, look.scopes);
  EXPECT_TRUE(look.includes_known);
  EXPECT_THAT(look.unknown_names, IsEmpty());
  EXPECT_THAT(look.missing, IsEmpty());
  EXPECT_TRUE(IsLearned(look, "include/long.gone.test")) << "the record no longer leads there";
  EXPECT_FALSE(IsLearned(look, "dkim/s1")) << "reports may not be readable";
  EXPECT_FALSE(IsLearned(look, "drift/_dmarc.example.com")) << "nothing was applied there";
}

TEST(InsightLook, WhatDidNotAnswerIsNotLearned) {
  Memory memory;
  memory.Set(kSpf, {Unknown(ObservedOutcome::kTimeout, 5, 8), Seen({"v=spf1 +all"}, 1, 4)});
  memory.Set(kDmarc, {Unknown(ObservedOutcome::kServfail, 5, 8), Seen({}, 1, 4)});
  const InsightLook look = memory.Judge();
  EXPECT_THAT(Codes(look), IsEmpty()) << "no absence is made of it";
  for (const char* scope :
       {"spf", "spf-tree", "dmarc", "dmarc-policy", "dmarc-reports", "dmarc-report/a.test",
        "dnssec/example.com", "include/long.gone.test"}) {
    EXPECT_FALSE(IsLearned(look, scope)) << scope;
  }
  EXPECT_TRUE(IsLearned(look, "include/_spf.vendor.test"));
  EXPECT_THAT(look.unknown_names, ElementsAre("_dmarc.example.com", "example.com"));
}

TEST(InsightLook, ASilentIncludeHidesTheTreeAndNotTheRecord) {
  Memory memory;
  memory.Set(kInclude, {Unknown(ObservedOutcome::kTimeout, 5, 8)});
  const InsightLook look = memory.Judge();
  EXPECT_TRUE(IsLearned(look, "spf"));
  EXPECT_FALSE(IsLearned(look, "spf-tree"));
  EXPECT_FALSE(IsLearned(look, "include/_spf.vendor.test"));
  EXPECT_FALSE(IsLearned(look, "include/long.gone.test"));
}

TEST(InsightLook, NearTheLimitAndOverItKnowEachOther) {
  Memory near, over;
  near.SetText(kSpf, {SpfWithIncludes(8, &near)});
  over.SetText(kSpf, {SpfWithIncludes(11, &over)});
  const InsightFinding margin = Only(near.Judge(), "SPF_LOOKUP_MARGIN");
  const InsightFinding limit = Only(over.Judge(), "SPF_LOOKUP_LIMIT");
  EXPECT_EQ(margin.more_id, limit.id);
  EXPECT_EQ(limit.less_id, margin.id);
  EXPECT_EQ(margin.less_id + limit.more_id, "");
}

TEST(InsightLook, AddressesAreNoHoleInTheTree) {
  Memory memory;
  memory.SetText(kSpf, {"v=spf1 a mx include:_spf.vendor.test -all"});
  EXPECT_TRUE(IsLearned(memory.Judge(), "spf-tree"));
}

TEST(InsightLook, AfterAChangeOfUnknownOutcomeNothingDrifts) {
  Memory memory;
  memory.Apply("_dmarc.example.com", "v=DMARC1; p=quarantine");
  const InsightFinding before = Only(memory.Judge(), "DRIFT_RECORD_CHANGED");
  Memory lost;
  lost.Apply("_dmarc.example.com", "v=DMARC1; p=none", ChangeState::kNeedsAttention);
  lost.Apply("_dmarc.example.com", "v=DMARC1; p=quarantine");
  EXPECT_THAT(Codes(lost.Judge()), IsEmpty());
  EXPECT_TRUE(IsLearned(lost.Judge(), before.scope)) << "else it would be told for ever";
  EXPECT_THAT(lost.Judge().unknown_names, testing::Contains("_dmarc.example.com"))
      << "an empty list is not taken for a clean domain";
  Memory running;
  running.Apply("_dmarc.example.com", "v=DMARC1; p=none", ChangeState::kVerifying);
  running.Apply("_dmarc.example.com", "v=DMARC1; p=quarantine");
  EXPECT_FALSE(IsLearned(running.Judge(), before.scope)) << "it has yet to say";
}

TEST(InsightLook, WhatWasAppliedAndCannotBeReadBackLeavesDriftOpen) {
  Memory memory;
  memory.Apply("_dmarc.example.com", "v=DMARC1; p=quarantine");
  memory.DamageApplied();
  EXPECT_THAT(Codes(memory.Judge()), IsEmpty());
  EXPECT_FALSE(IsLearned(memory.Judge(), "drift/_dmarc.example.com"));
}

TEST(InsightLook, DriftIsToldFromTheLastLookAlone) {
  Memory memory;
  memory.Apply("_dmarc.example.com", "v=DMARC1; p=quarantine");
  memory.Set(kDmarc, {Unknown(ObservedOutcome::kTimeout, 5, 8),
                      Seen({"v=DMARC1; p=reject; rua=mailto:r@example.com"}, 1, 4)});
  EXPECT_THAT(Codes(memory.Judge()), IsEmpty());
  EXPECT_FALSE(IsLearned(memory.Judge(), "drift/_dmarc.example.com"));
}

TEST(InsightLook, AnOldLookSaysNothingAboutNow) {
  Memory memory;
  memory.SetText(kSpf, {"v=spf1 +all"});
  EXPECT_THAT(Codes(memory.Judge()), ElementsAre("SPF_PLUS_ALL"));
  const InsightLook late = memory.Judge(At(8) + kRememberedFor + absl::Seconds(1));
  EXPECT_THAT(Codes(late), IsEmpty());
  EXPECT_THAT(late.learned, IsEmpty());
}

TEST(InsightLook, NamesThatWouldTellMoreAreAskedFor) {
  Memory memory;
  memory.Forget(kAbove);
  EXPECT_THAT(memory.Judge().missing, ElementsAre(kAbove));
  EXPECT_FALSE(IsLearned(memory.Judge(), "dmarc-policy"));
  memory.Set(kAbove, {Memory::Gone(1, 8)});
  memory.SetText(kDmarc, {"v=DMARC1; p=reject; rua=mailto:r@reports.test"});
  EXPECT_THAT(
      memory.Judge().missing,
      ElementsAre(ObservedName{"example.com._report._dmarc.reports.test", RecordKind::kDmarc}));
}

TEST(InsightLook, AReportHostThatCannotBeAskedHidesItselfAlone) {
  Memory memory;
  memory.SetText(kDmarc,
                 {"v=DMARC1; p=reject; rua=mailto:r@silent.test,mailto:r@refuses.test,mailto:x@"});
  memory.Set({"example.com._report._dmarc.silent.test", RecordKind::kDmarc},
             {Unknown(ObservedOutcome::kTimeout, 2, 8)});
  memory.Set({"example.com._report._dmarc.refuses.test", RecordKind::kDmarc}, {Memory::Gone(2, 8)});
  const InsightLook look = memory.Judge();
  EXPECT_EQ(Only(look, "DMARC_RUA_UNAUTHORIZED").scope,
            "dmarc-report/example.com._report._dmarc.refuses.test");
  EXPECT_TRUE(IsLearned(look, "dmarc-report/example.com._report._dmarc.refuses.test"));
  EXPECT_FALSE(IsLearned(look, "dmarc-report/example.com._report._dmarc.silent.test"));
  EXPECT_TRUE(IsLearned(look, "dmarc-report/example.com._report._dmarc.taken-out.test"))
      << "the record no longer names it";
  EXPECT_FALSE(IsLearned(look, "dmarc-reports")) << "as older insights have it";
}

TEST(InsightLook, MoreReportHostsThanAreAskedStayUnknown) {
  Memory memory;
  std::string rua;
  for (int i = 0; i < 12; ++i) {
    const std::string host = "h" + std::to_string(i) + ".test";
    rua += (i == 0 ? "mailto:r@" : ",mailto:r@") + host;
    memory.SetText({"example.com._report._dmarc." + host, RecordKind::kDmarc}, {"v=DMARC1"});
  }
  memory.SetText(kDmarc, {"v=DMARC1; p=reject; rua=" + rua});
  const InsightLook look = memory.Judge();
  EXPECT_TRUE(IsLearned(look, "dmarc-report/example.com._report._dmarc.h9.test"));
  EXPECT_FALSE(IsLearned(look, "dmarc-report/example.com._report._dmarc.h10.test"));
}

TEST(InsightLook, ASubdomainMayInheritItsPolicy) {
  Memory memory;
  memory.domain().name = "mail.example.com";
  memory.SetText({"mail.example.com", RecordKind::kSpf}, {"v=spf1 -all"});
  memory.Set({"_dmarc.mail.example.com", RecordKind::kDmarc}, {Memory::Gone(1, 8)});
  const InsightLook inherited = memory.Judge();
  EXPECT_THAT(Codes(inherited), Not(Contains("DMARC_MISSING")));
  EXPECT_TRUE(IsLearned(inherited, "dmarc-policy"));
  memory.SetText(kDmarc, {});
  EXPECT_THAT(Codes(memory.Judge()), Contains("DMARC_MISSING"));
}

TEST(InsightLook, DriftIsLearnedFromALookSinceTheChange) {
  Memory memory;
  memory.Apply("_dmarc.example.com", "v=DMARC1; p=reject; rua=mailto:r@example.com");
  EXPECT_TRUE(IsLearned(memory.Judge(), "drift/_dmarc.example.com"));
  memory.Set(kDmarc, {Unknown(ObservedOutcome::kTimeout, 1, 8),
                      Seen({"v=DMARC1; p=reject; rua=mailto:r@example.com"}, -5, -1)});
  EXPECT_FALSE(IsLearned(memory.Judge(), "drift/_dmarc.example.com"));
}

TEST(InsightLook, SinceIsTheTimeFirstSeen) {
  Memory memory;
  memory.SetText(kSpf, {"v=spf1 +all"});
  EXPECT_EQ(Only(memory.Judge(), "SPF_PLUS_ALL").since, At(3));
  memory = Memory();
  memory.Set(kInclude, {Memory::Gone(5, 8), Seen({"v=spf1 -all"}, 1, 4)});
  EXPECT_EQ(Only(memory.Judge(), "SPF_DANGLING").since, At(5)) << "of the include, not the record";
}

TEST(InsightLook, MoreLookupsAreTheSameInsightWithMoreWeight) {
  Memory eight, nine;
  eight.SetText(kSpf, {SpfWithIncludes(8, &eight)});
  nine.SetText(kSpf, {SpfWithIncludes(9, &nine)});
  const InsightFinding before = Only(eight.Judge(), "SPF_LOOKUP_MARGIN");
  const InsightFinding after = Only(nine.Judge(), "SPF_LOOKUP_MARGIN");
  EXPECT_EQ(before.id, after.id);
  EXPECT_EQ(before.content, after.content);
  EXPECT_EQ(before.weight, 8);
  EXPECT_EQ(after.weight, 9);
}

TEST(InsightLook, AnotherChangeOfAnIncludeIsOtherContent) {
  const auto changed = [](const std::string& now) {
    Memory memory;
    memory.Set(kInclude, {Seen({now}, 6, 8), Seen({"v=spf1 ip4:192.0.2.0/24 -all"}, 1, 5)});
    return Only(memory.Judge(), "INCLUDE_CHANGED");
  };
  const InsightFinding one = changed("v=spf1 ip4:192.0.2.1 -all");
  const InsightFinding other = changed("v=spf1 ip4:192.0.2.2 -all");
  EXPECT_EQ(one.id, other.id);
  EXPECT_NE(one.content, other.content);
}

TEST(InsightLook, WhatStrangersPublishIsCutAndQuoted) {
  Memory memory;
  const std::string odd = "a';reboot;'.vendor.test";
  memory.SetText(kSpf, {"v=spf1 include:" + odd + " -all"});
  memory.Set({odd, RecordKind::kSpf}, {Seen({"v=spf1 -all " + std::string(4000, 'x') + "=1"}, 6, 8),
                                       Seen({"v=spf1 -all"}, 1, 5)});
  const InsightFinding found = Only(memory.Judge(), "INCLUDE_CHANGED");
  EXPECT_THAT(found.evidence_command, HasSubstr("--name 'a'\\'';reboot;'\\''.vendor.test'"));
  EXPECT_LE(found.message.size(), kMaxInsightMessageBytes + 3);
}

TEST(InsightLook, ValuesThatWereNotKeptAreUnknown) {
  Memory memory;
  Observation cut = Seen({"hello"}, 3, 8);
  cut.values_sha256 = std::string(32, 'h');
  memory.Set(kSpf, {cut});
  const InsightLook look = memory.Judge();
  EXPECT_THAT(Codes(look), IsEmpty()) << "the record may be among the rest";
  EXPECT_FALSE(IsLearned(look, "spf"));
}

TEST(InsightLook, ABogusKeyAtWhichNobodyLooksStaysUnknown) {
  Memory memory;
  memory.Set(kKey, {Unknown(ObservedOutcome::kBogus, 4, 8)});
  memory.selectors() = {"s1"};
  const InsightFinding found = Only(memory.Judge(), "DNSSEC_BOGUS");
  EXPECT_EQ(found.scope, "dnssec/s1._domainkey.example.com");
  memory.Forget(kKey);
  memory.selectors() = {};
  EXPECT_FALSE(IsLearned(memory.Judge(), found.scope)) << "reports may not be readable";
  EXPECT_TRUE(IsLearned(memory.Judge(), "dnssec/example.com"));
  memory.selectors() = {"s2"};
  EXPECT_TRUE(IsLearned(memory.Judge(), found.scope)) << "no longer in use";
}

TEST(InsightLook, AWorseFactIsOtherContent) {
  Memory missing, gone;
  missing.SetText(kSpf, {"hello"});
  gone.Set(kSpf, {Memory::Gone(3, 8)});
  EXPECT_EQ(Only(missing.Judge(), "SPF_MISSING").id, Only(gone.Judge(), "SPF_MISSING").id);
  EXPECT_NE(Only(missing.Judge(), "SPF_MISSING").content,
            Only(gone.Judge(), "SPF_MISSING").content);
  Memory no_spf, no_name;
  no_spf.SetText(kInclude, {"hello"});
  no_name.Set(kInclude, {Memory::Gone(3, 8)});
  EXPECT_EQ(Only(no_spf.Judge(), "SPF_DANGLING").id, Only(no_name.Judge(), "SPF_DANGLING").id);
  EXPECT_NE(Only(no_spf.Judge(), "SPF_DANGLING").content,
            Only(no_name.Judge(), "SPF_DANGLING").content);
  const auto alias = [](const std::string& target) {
    Memory memory;
    const std::string text = "v=DMARC1; p=reject; rua=mailto:r@example.com";
    memory.Apply("_dmarc.example.com", text);
    Observation seen = Seen({text}, 3, 8);
    seen.cname_chain = {target};
    memory.Set(kDmarc, {seen});
    return Only(memory.Judge(), "DRIFT_CNAME");
  };
  EXPECT_EQ(alias("a.test").id, alias("b.test").id);
  EXPECT_NE(alias("a.test").content, alias("b.test").content);
}

TEST(InsightLook, SpellingMakesNoOtherInsight) {
  const auto dangling = [](const std::string& target) {
    Memory memory;
    memory.SetText(kSpf, {"v=spf1 include:" + target + " -all"});
    memory.Set(kInclude, {Memory::Gone(3, 8)});
    return Only(memory.Judge(), "SPF_DANGLING");
  };
  EXPECT_EQ(dangling("_SPF.Vendor.test.").id, dangling("_spf.vendor.test").id);
  EXPECT_EQ(dangling("_SPF.Vendor.test.").scope, "include/_spf.vendor.test");
  EXPECT_THAT(dangling("_spf.vendor.test").id, testing::MatchesRegex("spf-dangling-[0-9a-f]+"));
  EXPECT_THAT(dangling("_spf.vendor.test").id, testing::SizeIs(13 + 20));
  EXPECT_EQ(insight_scope::Dkim("S1"), "dkim/s1");
}

TEST(InsightLook, ValuesThatWereNotKeptResolveNothing) {
  Observation cut = Seen({"hello"}, 3, 8);
  cut.values_sha256 = std::string(32, 'h');
  Memory memory;
  memory.Apply("_dmarc.example.com", "v=DMARC1; p=reject; rua=mailto:r@example.com");
  memory.Set(kInclude, {cut});
  memory.Set(kDmarc, {cut});
  const InsightLook look = memory.Judge();
  EXPECT_FALSE(IsLearned(look, "include/_spf.vendor.test"));
  EXPECT_FALSE(IsLearned(look, "drift/_dmarc.example.com"));
  EXPECT_THAT(look.unknown_names, ElementsAre("_dmarc.example.com", "_spf.vendor.test"));
}

TEST(InsightLook, ATreeThatWasCutHidesWhatFollows) {
  Memory memory;
  std::string text = "v=spf1";
  for (int i = 0; i < 100; ++i) text += " a:a" + std::to_string(i) + ".vendor.test";
  memory.SetText(kInclude, {text + " include:behind.vendor.test -all"});
  memory.SetText({"behind.vendor.test", RecordKind::kSpf}, {"v=spf1 +all"});
  const InsightLook look = memory.Judge();
  EXPECT_TRUE(IsLearned(look, "spf"));
  EXPECT_FALSE(IsLearned(look, "spf-tree"));
  EXPECT_FALSE(IsLearned(look, "include/long.gone.test"));
}

TEST(InsightLook, FindingsThatWereLeftOutAreNotGone) {
  Memory memory;
  std::string text = "v=spf1";
  for (int i = 0; i < 120; ++i) {
    const std::string name = "i" + std::to_string(i) + ".vendor.test";
    text += " include:" + name;
    memory.SetText({name, RecordKind::kSpf}, {"v=spf1 +all"});
  }
  memory.SetText(kSpf, {text + " -all"});
  const InsightLook look = memory.Judge();
  EXPECT_EQ(look.found.size(), 100u);
  EXPECT_GE(look.findings_left_out, 20);
  EXPECT_FALSE(IsLearned(look, "spf-tree"));
  EXPECT_TRUE(look.includes_known) << "all names were looked at";
}

TEST(InsightLook, ATreeThatIsTooDeepHidesWhatFollows) {
  Memory memory;
  for (int i = 0; i < 25; ++i) {
    const std::string next = "d" + std::to_string(i + 1) + ".vendor.test";
    const std::string name = i == 0 ? kInclude.owner : "d" + std::to_string(i) + ".vendor.test";
    memory.SetText({name, RecordKind::kSpf}, {"v=spf1 a include:" + next + " -all"});
  }
  EXPECT_FALSE(IsLearned(memory.Judge(), "spf-tree"));
}

}  // namespace
}  // namespace dmarcate
