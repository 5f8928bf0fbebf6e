#include "cli/source_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dmarcate::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

v1::Source Hostile() {
  v1::Source out;
  out.set_name("domains/example.com/sources/dkim-mailer.example");
  out.set_state(v1::Source::STATE_PENDING);
  out.set_kind(v1::Source::KIND_UNKNOWN);
  out.mutable_identity()->set_kind(v1::Identity::KIND_DKIM_DOMAIN);
  out.mutable_identity()->set_value("a,\"b\"");
  out.set_proposed_spf_term("=HYPERLINK(\"http://evil.test\")");
  out.mutable_stats()->mutable_counts()->set_message_count(1200);
  out.mutable_stats()->mutable_counts()->set_dmarc_pass_count(600);
  out.mutable_stats()->set_address_count(3);
  out.mutable_stats()->set_reporter_count(2);
  out.mutable_last_seen_date()->set_year(2026);
  out.mutable_last_seen_date()->set_month(6);
  out.mutable_last_seen_date()->set_day(30);
  return out;
}

TEST(SourceTable, CsvQuotesAndDisarms) {
  EXPECT_EQ(OneSource(Hostile()).Render(Format::kCsv),
            "source,state,kind,messages,pass,dkim,spf,dkim_raw,spf_raw,none,quarantine,reject,"
            "addresses,reporters,evidence,spf_term,suggested,declared,last_seen\r\n"
            "dkim-mailer.example,pending,unknown,1200,0.5000,0.0000,0.0000,0.0000,0.0000,0,"
            "0,0,3,2,\"dkim_domain=a,\"\"b\"\"\","
            "\"'=HYPERLINK(\"\"http://evil.test\"\")\",no,,2026-06-30\r\n");
}

TEST(GroupingTable, CsvDisarmsNotes) {
  google::protobuf::RepeatedPtrField<v1::SourceGrouping> groupings;
  v1::SourceGrouping& grouping = *groupings.Add();
  grouping.set_source("domains/example.com/sources/sendgrid");
  grouping.set_into("domains/example.com/sources/split-shop");
  grouping.add_ranges("192.0.2.0/24");
  grouping.add_ranges("2001:db8::/64");
  grouping.set_decided_by("token/root");
  grouping.set_note("@SUM(1+1)");
  grouping.mutable_decide_time()->set_seconds(1782820800);
  EXPECT_EQ(GroupingTable(groupings).Render(Format::kCsv),
            "source,into,ranges,by,time,note\r\n"
            "sendgrid,split-shop,192.0.2.0/24 2001:db8::/64,token/root,2026-06-30T12:00:00Z,"
            "\"'@SUM(1+1)\"\r\n");
}

TEST(SourceChangeTable, CsvDisarmsSentences) {
  v1::CompareSourcesResponse response;
  v1::SourceChange& change = *response.add_changes();
  change.set_name("domains/example.com/sources/sendgrid");
  change.set_kind(v1::SourceChange::KIND_NEW);
  change.set_sentence("-2+3 is no number");
  EXPECT_THAT(SourceChangeTable(response).Render(Format::kCsv),
              HasSubstr("new,sendgrid,0,0,,,\"'-2+3 is no number\"\r\n"));
}

TEST(AddressTable, CsvDisarmsReporters) {
  v1::ListSourceAddressesResponse response;
  response.add_addresses()->set_address("192.0.2.1");
  response.mutable_addresses(0)->add_reporters("+1 test");
  EXPECT_THAT(AddressTable(response).Render(Format::kCsv), HasSubstr(",\"'+1 test\","));
}

TEST(ExplainText, SaysWhoSawItWhatItCostsAndWhichTermsAreIdle) {
  v1::ExplainSourceResponse response;
  *response.mutable_source() = Hostile();
  response.mutable_source()->set_suggestion_reason("1 of 2 anchors have seen it");
  response.set_advice("Wait.");
  response.set_would_be_refused_count(600);
  response.set_spf_only_count(40);
  v1::AnchorVoice& anchor = *response.add_anchors();
  anchor.set_reporter("google.com\x1b[2J");
  anchor.mutable_counts()->set_message_count(100);
  anchor.mutable_counts()->set_dkim_aligned_count(50);
  anchor.set_proved_count(7);
  const auto term = [&response](const char* text, int64_t of_domain, bool complete) {
    v1::SpfTermTraffic& out = *response.add_spf_terms();
    out.set_term(text);
    out.set_domain_message_count(of_domain);
    out.set_complete(complete);
  };
  for (const char* from : {"example.com", "shop.example.com\x1b[2J"}) {
    v1::HeaderFromCounts& out = *response.add_header_froms();
    out.set_header_from(from);
    out.mutable_counts()->set_message_count(800);
    out.mutable_counts()->set_dmarc_pass_count(200);
  }
  term("include:busy.test", 9, true);
  term("include:idle.test", 0, true);
  term("exists:%{i}.test", 0, false);
  const std::string text = ExplainText(response);
  EXPECT_THAT(text, HasSubstr("\nnot suggested: 1 of 2 anchors have seen it\n"));
  EXPECT_THAT(text, HasSubstr("\n  google.com\\x1b[2J: 100 messages from "));
  EXPECT_THAT(text, HasSubstr("DKIM aligned 50.0%, SPF aligned 0.0%, proving who it is 7\n"));
  EXPECT_THAT(text, HasSubstr("\np=reject would have refused 600 of its 1200 messages\n"
                              "40 of them pass by SPF alone"));
  EXPECT_THAT(text, HasSubstr("  include:busy.test: 0 of this source, 9 of all\n"
                              "  include:idle.test: 0 of this source, 0 of all: it carries no "
                              "traffic\n"
                              "  exists:%{i}.test: 0 of this source, 0 of all; not all"));
  EXPECT_THAT(text, HasSubstr("\nby the name in From:\n"
                              "  example.com: 800 messages, pass DMARC 25.0%\n"
                              "  shop.example.com\\x1b[2J: 800 messages, pass DMARC 25.0%\n"));
  response.mutable_header_froms()->RemoveLast();
  EXPECT_THAT(ExplainText(response), Not(HasSubstr("by the name in From")));
  response.clear_anchors();
  EXPECT_THAT(ExplainText(response), HasSubstr("anchors: none has seen it\n"));
}

}  // namespace
}  // namespace dmarcate::cli
