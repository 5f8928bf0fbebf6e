#include "policyd/analysis/evaluation_check.h"

#include "gtest/gtest.h"

#include "lib/mailauth/public_suffix_list.h"
#include "tests/policyd/analysis/rows.h"

namespace dmarcate {
namespace {

using analysis_testing::Row;
constexpr AlignedResult kPass = AlignedResult::kPass, kFail = AlignedResult::kFail;

AggregateRecord WithSpf(std::optional<std::string> domain, SpfScope scope, AlignedResult reported) {
  AggregateRecord record = Row(1).Evaluated(kFail, reported);
  record.spf.push_back({.domain = std::move(domain), .scope = scope, .result = AuthResult::kPass});
  return record;
}

struct Case {
  std::string name;
  AggregateRecord record;
  EvaluationCheck want;
  std::optional<AlignmentMode> mode = {};
};
const EvaluationCheck kFits = {.compared = true};
const EvaluationCheck kUnsupported = {.compared = true, .unsupported_pass = true};
const EvaluationCheck kUnaligned = {
    .compared = true, .unsupported_pass = true, .unaligned_pass = true};
const EvaluationCheck kMissed = {.compared = true, .missed_pass = true};

const Case kCases[] = {
    {"NothingToCompareWith", Row(1).Evaluated(kPass, kPass), {}},
    {"AlignedSignatureIsAPass", Row(1).Dkim("example.com"), kFits},
    {"SubdomainIsAlignedRelaxed", Row(1).Dkim("mail.example.com"), kFits},
    {"SiblingIsAlignedRelaxed",
     Row(1).Header("a.example.com").Dkim("b.example.com").Evaluated(kPass, kFail), kFits},
    {"SubdomainIsNotAlignedStrict", Row(1).Dkim("mail.example.com"), kUnaligned,
     AlignmentMode::kStrict},
    {"EqualIsAlignedStrict", Row(1).Dkim("example.com"), kFits, AlignmentMode::kStrict},
    {"OtherSignatureDoesNotMatter", Row(1).Dkim("sendgrid.net"), kFits},
    {"PassFromTheWrongDomain", Row(1).Dkim("sendgrid.net").Evaluated(kPass, kFail), kUnaligned},
    {"PassFromNowhere", Row(1).Dkim("example.com", "s", AuthResult::kFail).Evaluated(kPass, kFail),
     kUnsupported},
    {"PassOfTheOtherMechanismIsNone", Row(1).Spf("example.com").Evaluated(kPass, kPass),
     kUnsupported},
    {"OneOfTwoSignaturesIsEnough", Row(1).Dkim("sendgrid.net").Dkim("example.com"), kFits},
    {"PassThatIsNotReported", Row(1).Dkim("example.com").Evaluated(kFail, kFail), kMissed},
    {"NoAlignedResultIsNoPassEither",
     Row(1).Dkim("example.com").Evaluated(AlignedResult::kUnspecified, kFail), kMissed},
    {"SpfPassThatIsNotReported", WithSpf("example.com", SpfScope::kMfrom, kFail), kMissed},
    {"HeloMayCount", WithSpf("mx.example.com", SpfScope::kHelo, kPass), kFits},
    {"HeloNeedNotCount", WithSpf("mx.example.com", SpfScope::kHelo, kFail), kFits},
    {"HeloOfAnotherDoesNot", WithSpf("mx.test", SpfScope::kHelo, kPass), kUnaligned},
    {"SpfWithoutDomainMayCount", WithSpf(std::nullopt, SpfScope::kUnspecified, kPass), kFits},
    {"SpfWithoutDomainNeedNot", WithSpf(std::nullopt, SpfScope::kUnspecified, kFail), kFits},
    {"BelowAPublicSuffixAreStrangers",
     Row(1).Header("a.co.uk").Dkim("b.co.uk").Evaluated(kPass, kFail), kUnaligned},
    {"WhatIsNoDomainIsComparedAsText", Row(1).Header("..").Dkim("..").Evaluated(kPass, kFail),
     kFits},
};
class EvaluationCheckTest : public testing::TestWithParam<Case> {};
TEST_P(EvaluationCheckTest, Case) {
  const auto suffixes = BuiltinPublicSuffixList();
  EvaluationChecker checker(*suffixes);
  const PublishedPolicy policy = {.adkim = GetParam().mode, .aspf = GetParam().mode};
  EXPECT_EQ(checker.Check(GetParam().record, policy), GetParam().want);
  EXPECT_EQ(checker.Check(GetParam().record, policy), GetParam().want) << "from memory";
}
INSTANTIATE_TEST_SUITE_P(All, EvaluationCheckTest, testing::ValuesIn(kCases),
                         [](const auto& each) { return each.param.name; });

}  // namespace
}  // namespace dmarcate
