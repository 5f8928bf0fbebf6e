// What trees of strangers may cost those who compare them.

#include "lib/inspect/spf_outcome.h"

#include <functional>
#include <string>
#include <string_view>

#include "fmt/format.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/clock.h"
#include "lib/dns/fake_resolver.h"
#include "lib/inspect/spf_tree.h"

namespace dmarcate {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

DomainName Name(std::string_view text) { return DomainName::Parse(text).value(); }

SpfTree Expand(const std::string& text, FakeResolver& dns) {
  static const SystemClock clock;
  return ExpandSpfText(Name("d.test"), text, dns, clock).value();
}

absl::Duration TimeOf(const std::function<void()>& work) {
  const SystemClock clock;
  const absl::Duration begin = clock.Monotonic();
  work();
  return clock.Monotonic() - begin;
}

// Each record asks a question and includes the next one twice: 2^9 records, and more ways through
// them than could ever be walked (2, 5, 26, 677, 458330, ...).
class DoublingTree : public testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 9; ++i) {
      const std::string next = fmt::format("include:v{0}.test", i + 1);
      dns_.SetTxt(Name(fmt::format("v{}.test", i)),
                  {fmt::format("v=spf1 -exists:%{{i}}.q{}.test {} {} ~all", i, next, next)});
    }
    dns_.SetTxt(Name("v9.test"), {"v=spf1 ip4:192.0.2.0/24 exists:%{i}.end.test -all"});
  }
  FakeResolver dns_;
};

TEST_F(DoublingTree, IsJudgedInTime) {
  const SpfTree tree = Expand("v=spf1 include:v0.test ~all", dns_);
  ASSERT_TRUE(tree.complete) << tree.incomplete_reason;
  SpfPassSet set;
  EXPECT_LT(TimeOf([&] { set = PassSetOf(tree.root, "d.test"); }), absl::Seconds(20));
  EXPECT_TRUE(set.depends);
}

TEST_F(DoublingTree, IsTheSameAsItselfAndNotAsAnother) {
  // Its ways are without number, its questions are not too many.
  dns_.SetTxt(Name("v8.test"), {"v=spf1 ip4:192.0.2.0/24 exists:%{i}.end.test -all"});
  const SpfTree one = Expand("v=spf1 include:v0.test ~all", dns_);
  dns_.SetTxt(Name("v8.test"), {"v=spf1 ip4:192.0.2.0/24 exists:%{i}.other.test -all"});
  const SpfTree other = Expand("v=spf1 include:v0.test ~all", dns_);
  SpfOutcomes outcomes;
  bool differ = false;
  for (const SpfSpan& span : CompareSpf(
           {{&one.root, "d.test"}, {&one.root, "d.test"}, {&other.root, "d.test"}}, outcomes)) {
    EXPECT_EQ(span.outcomes[0], span.outcomes[1]);
    differ = differ || span.outcomes[0] != span.outcomes[2];
  }
  EXPECT_FALSE(outcomes.overflowed());
  EXPECT_TRUE(differ);
}

TEST_F(DoublingTree, IsToldInAFewWords) {
  dns_.SetTxt(Name("v8.test"), {"v=spf1 ip4:192.0.2.0/24 exists:%{i}.end.test -all"});
  const SpfTree tree = Expand("v=spf1 include:v0.test ~all", dns_);
  SpfOutcomes outcomes;
  std::string text;
  EXPECT_LT(TimeOf([&] {
              text = outcomes.ToText(
                  outcomes.Evaluate(tree.root, "d.test", *IpAddress::Parse("203.0.113.1")));
            }),
            absl::Seconds(20));
  EXPECT_LT(text.size(), 2000U);
  EXPECT_THAT(text, HasSubstr("..."));
}

TEST(SpfOutcomesTest, TooManyQuestionsAreNoAnswer) {
  SpfOutcomes outcomes;
  const auto pass = outcomes.Leaf(SpfResult::kPass);
  const auto fail = outcomes.Leaf(SpfResult::kFail);
  SpfOutcomes::Id id = fail;
  for (size_t i = 0; i < kMaxSpfQuestions; ++i)
    id = outcomes.Ask(fmt::format("q{}", i), pass, fail);
  EXPECT_FALSE(outcomes.overflowed());
  id = outcomes.Ask("one more", pass, fail);
  EXPECT_TRUE(outcomes.overflowed());
  EXPECT_FALSE(outcomes.IsLeaf(id));
  EXPECT_EQ(outcomes.ToText(id), "too much to tell");
  EXPECT_EQ(outcomes.AsInclude(id, pass, fail), id) << "it is too much for who includes it, too";
}

TEST(SpfOutcomesTest, QuestionsAreNotAskedWithoutEnd) {
  SpfOutcomes outcomes;
  SpfOutcomes::Id id = outcomes.Leaf(SpfResult::kFail);
  for (size_t i = 0; i <= kMaxSpfQuestionDepth; ++i) {
    EXPECT_FALSE(outcomes.overflowed()) << i;
    id = outcomes.Ask(fmt::format("q{}", i), outcomes.Leaf(SpfResult::kPass), id);
  }
  EXPECT_TRUE(outcomes.overflowed());
}

TEST(SpfOutcomesTest, ARecordOfQuestionsOnlyDependsOnMoreThanTheAddress) {
  FakeResolver dns;
  std::string text = "v=spf1";
  for (int i = 0; i < 2000; ++i) text += fmt::format(" -exists:%{{i}}.q{}.test", i);
  const SpfTree tree = Expand(text + " +all", dns);
  const SpfPassSet set = PassSetOf(tree.root, "d.test");
  EXPECT_TRUE(set.depends);
  EXPECT_THAT(set.passing.ToNetworks(), SizeIs(0));
}

}  // namespace
}  // namespace dmarcate
