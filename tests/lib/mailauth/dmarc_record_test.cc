#include "lib/mailauth/dmarc_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/status_macros.h"
#include "tests/lib/mailauth/corpus.h"

namespace dmarcate {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

DmarcRecord Dmarc(std::string_view text) { return ParseDmarc(text).value(); }

struct ReadingCase {
  std::string name;
  std::string text;
  std::string rfc9989;  // the reading; with a policy also "p sp np" as applied
  std::string rfc7489;
};
std::string Describe(const DmarcVerdict& verdict) {
  if (verdict.reading != DmarcReading::kPolicy) return std::string(ToString(verdict.reading));
  std::string out;
  for (const auto subject :
       {DmarcSubject::kDomain, DmarcSubject::kSubdomain, DmarcSubject::kNonExistent}) {
    out += std::string(out.empty() ? "" : " ") + std::string(ToString(verdict.Applied(subject)));
  }
  return out;
}
const ReadingCase kReadings[] = {
    {"Plain", "v=DMARC1; p=reject", "reject reject reject", "reject reject reject"},
    {"SubdomainPolicy", "v=DMARC1; p=reject; sp=quarantine; np=none", "reject quarantine none",
     "reject quarantine quarantine"},
    {"PctZeroAlone", "v=DMARC1; p=quarantine; pct=0", "quarantine quarantine quarantine",
     "none none none"},
    {"TestingAlone", "v=DMARC1; p=reject; t=y", "quarantine quarantine quarantine",
     "reject reject reject"},
    {"TestStageForBoth", "v=DMARC1; p=reject; t=y; pct=0", "quarantine quarantine quarantine",
     "quarantine quarantine quarantine"},
    {"PartialPctCountsInFull", "v=DMARC1; p=reject; pct=25", "reject reject reject",
     "reject reject reject"},
    {"NoSemicolonAtAll", "v=DMARC1", "no-dmarc-processing", "not-a-dmarc-record"},
    {"BadNpWithoutRua", "v=DMARC1; p=reject; np=typo", "no-dmarc-processing",
     "reject reject reject"},
    {"BadSpWithRua", "v=DMARC1; p=reject; sp=typo; rua=mailto:a@b.test", "treated-as-p-none",
     "treated-as-p-none"},
    {"EmptyP", "v=DMARC1; p=; rua=mailto:a@b.test", "treated-as-p-none", "treated-as-p-none"},
    {"Twice", "v=DMARC1; p=none; P=none", "tag-list-invalid", "tag-list-invalid"},
    {"VersionTwice", "v=DMARC1; v=DMARC1; p=none", "tag-list-invalid", "tag-list-invalid"},
    {"BlanksEverywhere", "v\t=  DMARC1 ;\tp = Reject\t; ", "reject reject reject",
     "reject reject reject"},
};
class ReadingTest : public testing::TestWithParam<ReadingCase> {};
TEST_P(ReadingTest, BothStandards) {
  const DmarcRecord record = Dmarc(GetParam().text);
  EXPECT_EQ(Describe(record.Verdict(DmarcStandard::kRfc9989)), GetParam().rfc9989);
  EXPECT_EQ(Describe(record.Verdict(DmarcStandard::kRfc7489)), GetParam().rfc7489);
  EXPECT_EQ(record.Render(), GetParam().text);
}
INSTANTIATE_TEST_SUITE_P(All, ReadingTest, testing::ValuesIn(kReadings),
                         [](const auto& tested) { return tested.param.name; });

TEST(ParseDmarc, RefusesWhatIsNoDmarcRecord) {
  for (const std::string text : {"", "v=spf1 -all", " v=DMARC1; p=none", "v=DMARC12; p=none",
                                 "v=dmarc1; p=none", "v=DMARC1 p=none", "p=none; v=DMARC1"}) {
    EXPECT_EQ(ParseDmarc(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
  EXPECT_FALSE(ParseDmarc("v=DMARC1;" + std::string(70000, 'a')).ok());
  std::string many = "v=DMARC1";
  for (int i = 0; i < 1001; ++i) many += ";a";
  EXPECT_FALSE(ParseDmarc(many).ok());
}

struct EditCase {
  std::string name;
  std::string before;
  std::string edit;   // "+name=value", "-name", "rua+uri", "rua-uri"
  std::string after;  // or the code of the error
};
absl::StatusOr<DmarcRecord> Apply(const DmarcRecord& record, const std::string& edit) {
  if (edit.starts_with("rua+")) return record.WithRua({edit.substr(4)});
  if (edit.starts_with("rua-")) return record.WithoutRua({edit.substr(4)});
  if (edit.starts_with("-")) return record.WithoutTag(edit.substr(1));
  const size_t equals = edit.find('=');
  return record.WithTag(edit.substr(1, equals - 1), edit.substr(equals + 1));
}
const EditCase kEdits[] = {
    {"InPlace", "v=DMARC1; p = none ; rua=mailto:a@b.test;", "+p=quarantine",
     "v=DMARC1; p = quarantine ; rua=mailto:a@b.test;"},
    {"CaseOfNameIsKept", "v=DMARC1;P=none", "+p=reject", "v=DMARC1;P=reject"},
    {"AtTheEnd", "v=DMARC1; p=none; x=y", "+t=y", "v=DMARC1; p=none; x=y; t=y"},
    {"BeforeALastSemicolon", "v=DMARC1; p=none; ", "+t=y", "v=DMARC1; p=none; t=y; "},
    {"TightStyle", "v=DMARC1;p=none", "+t=y", "v=DMARC1;p=none;t=y"},
    {"PolicyFirst", "v=DMARC1; rua=mailto:a@b.test", "+p=none",
     "v=DMARC1; p=none; rua=mailto:a@b.test"},
    {"SpBehindP", "v=DMARC1; p=none; rua=mailto:a@b.test", "+sp=none",
     "v=DMARC1; p=none; sp=none; rua=mailto:a@b.test"},
    {"NpBehindSp", "v=DMARC1; p=none; sp=none; rua=mailto:a@b.test", "+np=reject",
     "v=DMARC1; p=none; sp=none; np=reject; rua=mailto:a@b.test"},
    {"MalformedTagIsMended", "v=DMARC1; p=; x=1", "+p=none", "v=DMARC1; p=none; x=1"},
    {"OnlyVersion", "v=DMARC1", "+p=none", "v=DMARC1; p=none"},
    {"UnknownTagsStay", "v=DMARC1;  p=none;weird  = thing ;  y=1", "+p=reject",
     "v=DMARC1;  p=reject;weird  = thing ;  y=1"},
    {"Removed", "v=DMARC1; p=none; pct=0; t=y", "-pct", "v=DMARC1; p=none; t=y"},
    {"RemovedAbsent", "v=DMARC1; p=none", "-pct", "v=DMARC1; p=none"},
    {"BadPolicy", "v=DMARC1; p=none", "+p=rejct", "INVALID_ARGUMENT"},
    {"BadForNewReceiversOnly", "v=DMARC1; p=none", "+fo=0:1", "INVALID_ARGUMENT"},
    {"BadForOldReceiversOnly", "v=DMARC1; p=none", "+pct=101", "INVALID_ARGUMENT"},
    {"Injection", "v=DMARC1; p=none", "+t=y; p=reject", "INVALID_ARGUMENT"},
    {"Version", "v=DMARC1; p=none", "+v=DMARC1", "INVALID_ARGUMENT"},
    {"InvalidListIsNotEdited", "v=DMARC1; p=none; p=none", "+t=y", "FAILED_PRECONDITION"},
    {"FirstRua", "v=DMARC1; p=none", "rua+mailto:r@x.test",
     "v=DMARC1; p=none; rua=mailto:r@x.test"},
    {"SecondRua", "v=DMARC1; rua = mailto:a@b.test!10m ; p=none", "rua+mailto:r@x.test",
     "v=DMARC1; rua = mailto:a@b.test!10m,mailto:r@x.test ; p=none"},
    {"RuaIsThere", "v=DMARC1; p=none; rua=MAILTO:R@X.test", "rua+mailto:r@x.test",
     "v=DMARC1; p=none; rua=MAILTO:R@X.test"},
    {"RuaIsThereWithSize", "v=DMARC1; p=none; rua=mailto:r@x.test!1m", "rua+mailto:r@x.test",
     "v=DMARC1; p=none; rua=mailto:r@x.test!1m"},
    {"EmptyRuaIsMended", "v=DMARC1; p=none; rua=", "rua+mailto:r@x.test",
     "v=DMARC1; p=none; rua=mailto:r@x.test"},
    {"BrokenRuaIsNotTouched", "v=DMARC1; p=none; rua=a@b.test", "rua+mailto:r@x.test",
     "FAILED_PRECONDITION"},
    {"NoUri", "v=DMARC1; p=none", "rua+r@x.test", "INVALID_ARGUMENT"},
    {"TwoUris", "v=DMARC1; p=none", "rua+mailto:r@x.test,mailto:s@x.test", "INVALID_ARGUMENT"},
    {"RuaRemoved", "v=DMARC1; p=none; rua=mailto:a@b.test , mailto:R@x.test", "rua-mailto:r@x.test",
     "v=DMARC1; p=none; rua=mailto:a@b.test"},
    {"LastRuaRemoved", "v=DMARC1; rua=mailto:r@x.test; p=none", "rua-mailto:r@x.test",
     "v=DMARC1; p=none"},
};
class EditTest : public testing::TestWithParam<EditCase> {};
TEST_P(EditTest, ChangesNothingElse) {
  const auto got = Apply(Dmarc(GetParam().before), GetParam().edit);
  if (got.ok()) {
    EXPECT_EQ(got->Render(), GetParam().after);
    EXPECT_EQ(*Apply(*got, GetParam().edit), *got) << "an edit is safe to repeat";
  } else {
    EXPECT_EQ(absl::StatusCodeToString(got.status().code()), GetParam().after) << got.status();
  }
}
INSTANTIATE_TEST_SUITE_P(All, EditTest, testing::ValuesIn(kEdits),
                         [](const auto& tested) { return tested.param.name; });

TEST(ParseDmarcUris, ReadsParts) {
  const auto uris = ParseDmarcUris("mailto:user%2Ba@Example.NET!10m , https://h.test:8080/x",
                                   DmarcStandard::kRfc7489);
  ASSERT_TRUE(uris.ok()) << uris.status();
  ASSERT_EQ(uris->size(), 2u);
  EXPECT_EQ((*uris)[0].mailbox, "user+a@Example.NET");
  EXPECT_EQ((*uris)[0].host, "example.net");
  EXPECT_EQ((*uris)[0].uri, "mailto:user%2Ba@Example.NET");
  EXPECT_EQ((*uris)[0].size_suffix, "10m");
  EXPECT_EQ((*uris)[1].scheme, "https");
  EXPECT_EQ((*uris)[1].host, "h.test");
  for (const char* const bad :
       {"", "mailto:", "a@b.test", "mailto:a@b.test,", "mailto:a b@c.test", "mailto:a%2@b.test",
        "mailto:a@b.test!18446744073709551616", "mailto:a@b.test!16777216t"}) {
    EXPECT_FALSE(ParseDmarcUris(bad, DmarcStandard::kRfc7489).ok()) << bad;
  }
  EXPECT_TRUE(ParseDmarcUris("mailto:a@b.test!18446744073709551616", DmarcStandard::kRfc9989).ok());
  std::string many = "mailto:a@b.test";
  for (int i = 0; i < 100; ++i) many += ",mailto:a@b.test";
  EXPECT_FALSE(ParseDmarcUris(many, DmarcStandard::kRfc9989).ok());
}

TEST(SelectDmarc, TwoAreMultiple) {
  using Outcome = DmarcSelection::Outcome;
  EXPECT_EQ(SelectDmarc({"x", "v=spf1 -all"}).outcome, Outcome::kNone);
  EXPECT_THAT(SelectDmarc({"x", "v=DMARC1; p=none"}).indexes, ElementsAre(1));
  EXPECT_EQ(SelectDmarc({"v=DMARC1; p=none", "v=DMARC1;"}).outcome, Outcome::kMultiple);
  EXPECT_EQ(SelectDmarc({"v=DMARC1"}).outcome, Outcome::kOne);
  EXPECT_EQ(SelectDmarc({"v=DMARC1"}, DmarcStandard::kRfc7489).outcome, Outcome::kNone);
}

struct LintCase {
  std::string name;
  std::string text;
  std::vector<std::string> want;
};
const LintCase kLints[] = {
    {"Good", "v=DMARC1; p=reject; sp=reject; np=reject; rua=mailto:a@b.test", {}},
    {"TestStageIsSilent", "v=DMARC1; p=reject; rua=mailto:a@b.test; t=y; pct=0", {}},
    {"PctZeroAlone",
     "v=DMARC1; p=reject; rua=mailto:a@b.test; pct=0",
     {"DMARC_OBSOLETE_TAG dmarc/pct", "DMARC_READINGS_DIFFER dmarc"}},
    {"Historic",
     "v=DMARC1; p=none; rua=mailto:a@b.test; rf=afrf; ri=3600; pct=100",
     {"DMARC_OBSOLETE_TAG dmarc/rf", "DMARC_OBSOLETE_TAG dmarc/ri",
      "DMARC_OBSOLETE_TAG dmarc/pct"}},
    {"NoRua", "v=DMARC1; p=none", {"DMARC_NO_RUA dmarc"}},
    {"NoP", "v=DMARC1; rua=mailto:a@b.test", {"DMARC_P_MISSING dmarc"}},
    {"PNotFirst", "v=DMARC1; rua=mailto:a@b.test; p=none", {"DMARC_P_NOT_FIRST dmarc/p"}},
    {"Unknown",
     "v=DMARC1; p=none; rua=mailto:a@b.test; adkin=s",
     {"DMARC_UNKNOWN_TAG dmarc/adkin"}},
    {"BadPolicy",
     "v=DMARC1; p=reject; np=typo; rua=mailto:a@b.test",
     {"DMARC_BAD_VALUE dmarc/np", "DMARC_READINGS_DIFFER dmarc"}},
    {"BadMode", "v=DMARC1; p=none; adkim=x; rua=mailto:a@b.test", {"DMARC_BAD_VALUE dmarc/adkim"}},
    {"NoTag", "v=DMARC1; p=none;; rua=mailto:a@b.test", {"DMARC_SYNTAX dmarc"}},
    {"Twice", "v=DMARC1; p=none; p=none", {"DMARC_SYNTAX dmarc"}},
    {"SizeSuffix", "v=DMARC1; p=none; rua=mailto:a@b.test!10m", {"DMARC_OBSOLETE_TAG dmarc/rua"}},
};
class DmarcLintTest : public testing::TestWithParam<LintCase> {};
TEST_P(DmarcLintTest, Finds) {
  std::vector<std::string> got;
  for (const LintFinding& finding : LintDmarc(Dmarc(GetParam().text))) {
    got.push_back(finding.code + " " + finding.path);
    EXPECT_FALSE(finding.message.empty());
    EXPECT_FALSE(finding.fix_hint.empty());
    EXPECT_THAT(finding.rfc_section, HasSubstr("RFC "));
  }
  EXPECT_EQ(got, GetParam().want);
}
INSTANTIATE_TEST_SUITE_P(All, DmarcLintTest, testing::ValuesIn(kLints),
                         [](const auto& tested) { return tested.param.name; });

// What the corpus calls effective, rebuilt from a verdict.
json EffectiveOf(const DmarcVerdict& verdict) {
  const auto mode = [](DmarcAlignmentMode m) {
    return m == DmarcAlignmentMode::kStrict ? "s" : "r";
  };
  const auto uris = [](const std::vector<DmarcUri>& list) {
    json out = json::array();
    for (const DmarcUri& uri : list) out.push_back(uri.uri);
    return out;
  };
  json out = json::object();
  for (const std::string& name : verdict.effective) {
    if (name == "p") out[name] = ToString(verdict.p);
    if (name == "sp") out[name] = ToString(*verdict.sp);
    if (name == "np") out[name] = ToString(*verdict.np);
    if (name == "adkim") out[name] = mode(verdict.adkim);
    if (name == "aspf") out[name] = mode(verdict.aspf);
    if (name == "t") out[name] = verdict.testing ? "y" : "n";
    if (name == "psd") out[name] = std::string(1, verdict.psd);
    if (name == "pct") out[name] = verdict.pct;
    if (name == "ri") out[name] = verdict.ri;
    if (name == "fo") out[name] = verdict.fo;
    if (name == "rf") out[name] = verdict.rf;
    if (name == "rua") out[name] = uris(verdict.rua);
    if (name == "ruf") out[name] = uris(verdict.ruf);
  }
  return out;
}

void ExpectVerdict(const json& want, const DmarcVerdict& got, const std::string& where) {
  EXPECT_EQ(std::string(ToString(got.reading)), want["reading"]) << where;
  if (want.contains("effective")) {
    EXPECT_EQ(EffectiveOf(got), want["effective"]) << where;
  }
  const bool list_valid = want["reading"] != "tag-list-invalid";
  if (want.contains("dropped")) {
    EXPECT_THAT(got.dropped,
                testing::UnorderedElementsAreArray(want["dropped"].get<std::vector<std::string>>()))
        << where;
  }
  if (!want.contains("dropped") && list_valid) {
    EXPECT_TRUE(got.dropped.empty()) << where;
  }
  if (want.contains("unknown")) {
    EXPECT_EQ(json(got.unknown), want["unknown"]) << where;
  }
}

TEST(DmarcCorpus, ReadsAsBothStandardsSay) {
  const auto lines = ReadCorpusLines("dns-records/dmarc-records.jsonl");
  if (lines.empty()) GTEST_SKIP() << "no corpus";
  for (const json& line : lines) {
    const std::string text = line["record"];
    const std::string id = line["id"].get<std::string>() + " " + text;
    const auto record = ParseDmarc(text);
    const DmarcVerdict none;
    ExpectVerdict(line["rfc9989"], record.ok() ? record->Verdict(DmarcStandard::kRfc9989) : none,
                  id + " (9989)");
    ExpectVerdict(line["rfc7489"], record.ok() ? record->Verdict(DmarcStandard::kRfc7489) : none,
                  id + " (7489)");
    if (record.ok()) {
      EXPECT_EQ(record->Render(), text);
    }
  }
}

}  // namespace
}  // namespace dmarcate
