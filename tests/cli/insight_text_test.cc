#include "cli/insight_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dmarcate::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

v1::Insight Dangling() {
  v1::Insight out;
  out.set_name("domains/example.com/insights/spf-dangling-0a1b2c3d4e");
  out.set_code("SPF_DANGLING");
  out.set_severity(v1::SEVERITY_ERROR);
  out.set_state(v1::Insight::STATE_ACTIVE);
  out.set_subject("example.com");
  out.set_path("spf/include:a.test");
  out.set_message("a.test does not exist");
  out.set_fix_hint("Remove the term.");
  out.set_evidence_command("dmarcate records tree example.com");
  out.mutable_first_seen_time()->set_seconds(1782820800);  // 2026-06-30 12:00
  out.mutable_last_seen_time()->set_seconds(1782824400);
  out.set_active_count(1);
  out.set_etag("e1");
  return out;
}

TEST(InsightText, AListIsReadInTheMorning) {
  v1::ListInsightsResponse response;
  *response.add_insights() = Dangling();
  *response.add_insights() = Dangling();
  response.mutable_insights(1)->set_name("domains/example.net/insights/x");
  response.mutable_insights(1)->set_subject("_dmarc.example.net");
  EXPECT_EQ(InsightsText(response),
            "example.com\n"
            "  error   SPF_DANGLING: a.test does not exist\n"
            "          since   2026-06-30T12:00:00Z\n"
            "          fix     Remove the term.\n"
            "          see     dmarcate records tree example.com\n"
            "          id      spf-dangling-0a1b2c3d4e\n"
            "\n"
            "example.net\n"
            "  error   SPF_DANGLING: a.test does not exist\n"
            "          at      _dmarc.example.net\n"
            "          since   2026-06-30T12:00:00Z\n"
            "          fix     Remove the term.\n"
            "          see     dmarcate records tree example.com\n"
            "          id      x\n");
}

TEST(InsightText, AnEmptyListSaysSo) { EXPECT_EQ(InsightsText({}), "no insights\n"); }

TEST(InsightText, OneShowsTheDecision) {
  v1::Insight insight = Dangling();
  insight.set_state(v1::Insight::STATE_RESOLVED);
  insight.mutable_resolve_time()->set_seconds(1782828000);
  insight.set_active_count(2);
  v1::InsightDecision* decision = insight.mutable_decision();
  decision->set_state(v1::Insight::STATE_ACCEPTED);
  decision->set_decided_by("local");
  decision->mutable_decide_time()->set_seconds(1782824400);
  decision->set_note("until\x1b[31m the move");
  EXPECT_EQ(InsightText(insight),
            "error SPF_DANGLING (resolved)\n"
            "  what        a.test does not exist\n"
            "  at          example.com\n"
            "  path        spf/include:a.test\n"
            "  fix         Remove the term.\n"
            "  see         dmarcate records tree example.com\n"
            "  first seen  2026-06-30T12:00:00Z\n"
            "  last seen   2026-06-30T13:00:00Z\n"
            "  resolved    2026-06-30T14:00:00Z\n"
            "  came        2 times\n"
            "  said        accepted by local at 2026-06-30T13:00:00Z: until\\x1b[31m the move\n"
            "  name        domains/example.com/insights/spf-dangling-0a1b2c3d4e\n"
            "  etag        e1\n");
}

TEST(InsightText, StrangersTextIsEscaped) {
  v1::Insight insight = Dangling();
  insight.set_message("a\x1b[2J");
  insight.set_path("b\x07");
  insight.set_evidence_command("c\x1b");
  v1::ListInsightsResponse response;
  *response.add_insights() = insight;
  for (const std::string& text : {InsightsText(response), InsightText(insight)}) {
    EXPECT_THAT(text, Not(HasSubstr("\x1b")));
    EXPECT_THAT(text, Not(HasSubstr("\x07")));
  }
}

TEST(InsightText, SaysWhatIsNotKnown) {
  v1::ListInsightsResponse response;
  EXPECT_THAT(UnknownLines(response), IsEmpty());
  response.add_unknown()->set_domain("domains/a.test");
  v1::InsightUnknown* silent = response.add_unknown();
  silent->set_domain("domains/b.test");
  silent->mutable_look_time()->set_seconds(1782820800);
  for (const char* name : {"n1", "n2", "n3", "n4", "n5"}) silent->add_names(name);
  silent->set_names_left_out_count(30);
  v1::InsightUnknown* stale = response.add_unknown();
  stale->set_domain("domains/c.test");
  stale->mutable_look_time()->set_seconds(1782820800);
  stale->set_stale(true);
  stale->set_left_out_count(7);
  v1::InsightUnknown* unreadable = response.add_unknown();
  unreadable->set_domain("domains/d.test");
  unreadable->set_unreadable(true);
  response.set_unknown_left_out(2);
  EXPECT_THAT(
      UnknownLines(response),
      ElementsAre(
          "a.test: nobody has looked yet, or watch.interval in policyd's configuration is 0s",
          "b.test: nothing could be learned at n1, n2, n3 and 32 more",
          "c.test: nobody has looked since 2026-06-30T12:00:00Z",
          "c.test: 7 more were found than are kept",
          "d.test: what is kept about the last look cannot be read; the next one writes it anew",
          "2 more domains of which not everything is known"));
}

TEST(InsightText, NothingIsKnownWhereNobodyLooked) {
  v1::ListInsightsResponse response;
  EXPECT_FALSE(NothingIsKnown(response));
  v1::InsightUnknown* unknown = response.add_unknown();
  unknown->mutable_look_time()->set_seconds(1782820800);
  unknown->add_names("n1");
  EXPECT_FALSE(NothingIsKnown(response)) << "of one name only";
  unknown->set_stale(true);
  EXPECT_TRUE(NothingIsKnown(response));
  unknown->set_stale(false);
  response.add_unknown()->set_domain("domains/a.test");
  EXPECT_TRUE(NothingIsKnown(response));
}

}  // namespace
}  // namespace dmarcate::cli
