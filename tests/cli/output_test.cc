#include "cli/output.h"

#include <algorithm>
#include <cstdlib>

#include "nlohmann/json.hpp"
#include <CLI/CLI.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/app.h"
#include "cli/dkim_text.h"
#include "cli/messages.h"
#include "cli/posture_text.h"
#include "dmarcate/v1/record.pb.h"
#include "dmarcate/v1/source.pb.h"

namespace dmarcate::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

struct CsvCase {
  std::string name, cell, want;
};
const CsvCase kCsvCases[] = {
    {"PlainStays", "sendgrid", "sendgrid"},
    {"CommaIsQuoted", "a,b", "\"a,b\""},
    {"QuoteIsDoubled", "a\"b", "\"a\"\"b\""},
    {"LineBreakIsQuoted", "a\nb", "\"a\nb\""},
    {"EqualsIsNoFormula", "=1+1", "\"'=1+1\""},
    {"PlusIsNoFormula", "+cmd", "\"'+cmd\""},
    {"AtIsNoFormula", "@SUM(A1)", "\"'@SUM(A1)\""},
    {"MinusTextIsNoFormula", "-cmd", "\"'-cmd\""},
    {"TabIsNoFormula", "\tx", "\"'\tx\""},
    {"LineFeedIsNoFormula", "\n=x", "\"'\n=x\""},
    {"ControlsAreEscaped", "a\x1b[31m\xC2\x9B\xE2\x80\xAE", "a\\x1b[31m\\u{9b}\\u{202e}"},
    {"CarriageReturnIsNoFormula", "\rx", "\"'\rx\""},
    {"WideEqualsIsNoFormula", "\xEF\xBC\x9Dx", "\"'\xEF\xBC\x9Dx\""},
    {"NegativeNumberStaysANumber", "-12.5", "-12.5"},
    {"NulIsDropped", std::string("a\0b", 3), "ab"},
};
class CsvTest : public testing::TestWithParam<CsvCase> {};
TEST_P(CsvTest, Case) { EXPECT_EQ(CsvField(GetParam().cell), GetParam().want); }
INSTANTIATE_TEST_SUITE_P(All, CsvTest, testing::ValuesIn(kCsvCases),
                         [](const auto& each) { return each.param.name; });

Table TwoColumns() {
  Table table({{"SOURCE"}, {"MESSAGES", Align::kRight}, {"EVIDENCE", Align::kLeft, true}});
  table.Add("domains/example.com/sources/a", {"a", "7", "dkim"});
  table.Add("domains/example.com/sources/bb", {"bb\x1b[31m", "1200", "spf"});
  return table;
}

TEST(Table, AlignsAndLeavesWideColumnsOut) {
  EXPECT_EQ(TwoColumns().Render(Format::kTable),
            "SOURCE      MESSAGES\n"
            "a                  7\n"
            "bb\\x1b[31m      1200\n");
}

TEST(Table, WideHasAllColumnsAndNameHasNamesOnly) {
  EXPECT_THAT(TwoColumns().Render(Format::kWide), HasSubstr("EVIDENCE"));
  EXPECT_EQ(TwoColumns().Render(Format::kName),
            "domains/example.com/sources/a\ndomains/example.com/sources/bb\n");
}

TEST(Table, CsvHasAllColumns) {
  EXPECT_EQ(TwoColumns().Render(Format::kCsv),
            "source,messages,evidence\r\na,7,dkim\r\nbb\\x1b[31m,1200,spf\r\n");
}

TEST(Json, NothingOfAStrangerSteersATerminal) {
  const std::string hostile = "a\x1b[31m\x7F\xC2\x9B\xE2\x80\xAEz";
  v1::ListSourcesResponse response;
  response.set_next_page_token(hostile);
  const std::string json = ToJson(response, true).value();
  EXPECT_EQ(nlohmann::json::parse(json)["next_page_token"], hostile);
  for (const std::string& text : {json, ToYaml(response).value()}) {
    EXPECT_EQ(std::ranges::find_if(text, [](char c) { return c != '\n' && (c < ' ' || c > '~'); }),
              text.end())
        << text;
  }
}

TEST(Json, IsTheProtoMappingWithTheFieldNamesOfTheProto) {
  v1::ListSourcesResponse response;
  v1::Source* source = response.add_sources();
  source->set_name("domains/example.com/sources/a");
  source->set_state(v1::Source::STATE_PENDING);
  source->mutable_stats()->mutable_counts()->set_message_count(7);
  const auto json = nlohmann::json::parse(ToJson(response, true).value());
  EXPECT_EQ(json["sources"][0]["state"], "STATE_PENDING");
  EXPECT_EQ(json["sources"][0]["stats"]["counts"]["message_count"], "7");
  EXPECT_EQ(json["next_page_token"], "");
}

TEST(Json, WhatHasNoJsonFormIsAnErrorAndNotAnEmptyObject) {
  v1::InspectRecordsResponse response;
  response.mutable_read_time()->set_seconds(253'402'300'800);  // the year 10000
  for (const auto& printed : {ToJson(response, true), ToJson(response, false), ToYaml(response)}) {
    EXPECT_EQ(printed.status().code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(printed.status().message()),
                HasSubstr("InspectRecordsResponse has no JSON form"));
  }
  for (const char* format : {"json", "jsonl", "yaml"}) {
    EXPECT_EXIT(
        {
          CLI::App root;
          App app(&root);
          app.TakeFormat({"-o", format});
          app.OnSelected(root.add_subcommand("show"), [&app, &response] {
            Print(app.format(), response, "", Table({}));
            return static_cast<int>(kDifferences);
          });
          root.parse("show");
          std::exit(app.Run());
        },
        testing::ExitedWithCode(kFailed), "OUTPUT_NOT_PRINTABLE|was not printed")
        << format;
  }
}

TEST(Yaml, QuotesTextThatLooksLikeAnotherType) {
  const std::string yaml = JsonToYaml(R"({"a":"no","b":["1"],"c":[],"d":true,"e":null})");
  EXPECT_THAT(yaml, HasSubstr("a: \"no\""));
  EXPECT_THAT(yaml, HasSubstr("- \"1\""));
  EXPECT_THAT(yaml, HasSubstr("c: []"));
  EXPECT_THAT(yaml, HasSubstr("d: true"));
  EXPECT_THAT(yaml, HasSubstr("e: ~"));
  EXPECT_EQ(JsonToYaml("not json"), "{}");
}

TEST(Rate, NeedsADenominatorAndEnoughOfIt) {
  EXPECT_EQ(FormatRate(0, 0), "-");
  EXPECT_EQ(FormatRate(3, 7), "3/7");
  EXPECT_EQ(FormatRate(999, 1000), "99.9%");
  EXPECT_EQ(FormatRate(9999, 10000), "99.9%");  // 100.0% means all of them
  EXPECT_EQ(FormatRate(1000, 1000), "100.0%");
  EXPECT_EQ(FormatRate(INT64_MAX, INT64_MAX), "100.0%");
  EXPECT_EQ(Counted(1, "item"), "1 item");
  EXPECT_EQ(Counted(0, "item"), "0 items");
}

TEST(Resource, ShortNamesNeedTheDomain) {
  EXPECT_EQ(ChildResource("a", "sources", "example.com"), "domains/example.com/sources/a");
  EXPECT_EQ(ChildResource("a", "sources", "domains/example.com"), "domains/example.com/sources/a");
  EXPECT_EQ(ChildResource("domains/x.example/sources/a", "sources", ""),
            "domains/x.example/sources/a");
  EXPECT_EQ(ChildResource("a", "sources", ""), "");
}

TEST(Posture, HostileRecordsArePrintedAsEscapes) {
  v1::InspectRecordsResponse response;
  response.set_consistent(false);
  v1::LiveRecord* record = response.add_records();
  record->set_type(v1::RECORD_TYPE_SPF);
  record->set_owner_name("example.com");
  record->set_outcome(v1::LOOKUP_OUTCOME_RECORDS);
  record->set_record("v=spf1 \x1b]0;owned\x07 -all");
  record->set_verdict(v1::VERDICT_FAIL);
  v1::ServerView* server = record->add_servers();
  server->set_address("192.0.2.53:53");
  server->set_error("timeout");
  const std::string text = PostureText(response);
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(text, HasSubstr("\\x1b]0;owned\\x07"));
  EXPECT_THAT(text, HasSubstr("-- 192.0.2.53:53"));
  EXPECT_THAT(text, HasSubstr("the authoritative servers disagree"));
  EXPECT_EQ(PostureExitCode(response), kDifferences);
}

TEST(Posture, FindingsSayWhere) {
  v1::InspectRecordsResponse response;
  response.set_consistent(true);
  v1::LiveRecord* record = response.add_records();
  v1::LintFinding* finding = record->add_findings();
  finding->set_severity(v1::SEVERITY_WARNING);
  finding->set_code("SPF_PTR");
  finding->set_path("spf/ptr");
  finding->set_message("slow");
  finding->set_position(0);
  finding = record->add_findings();
  finding->set_severity(v1::SEVERITY_ERROR);
  finding->set_code("SPF_NO_ALL");
  finding->set_path("spf");
  finding->set_message("open");
  const std::string text = PostureText(response);
  EXPECT_THAT(text, HasSubstr("warning SPF_PTR at octet 0: slow\n"));
  EXPECT_THAT(text, HasSubstr("error SPF_NO_ALL: open\n"));
  const Table table = FindingsTable(record->findings());
  EXPECT_EQ(table.Render(Format::kCsv),
            "severity,code,path,octet,message,fix,reference\r\n"
            "warning,SPF_PTR,spf/ptr,0,slow,,\r\n"
            "error,SPF_NO_ALL,spf,,open,,\r\n");
  EXPECT_THAT(table.Render(Format::kTable), HasSubstr("spf/ptr      0  slow"));
}

TEST(Dkim, EachSelectorHasALineAndItsFixes) {
  v1::InspectRecordsResponse response;
  v1::LiveRecord* record = response.add_records();
  record->set_owner_name("s1._domainkey.example.com");
  record->set_verdict(v1::VERDICT_WARN);
  record->set_verdict_reason("an RSA key of 1024 bits is weak");
  v1::DkimKeyView* key = record->mutable_dkim_key();
  key->set_selector("s1");
  key->set_state(v1::DKIM_KEY_STATE_USABLE);
  key->set_key_type("rsa");
  key->set_bits(1024);
  key->set_testing(true);
  key->set_strict_identity(true);
  key->mutable_signatures()->set_message_count(12);
  key->mutable_signatures()->set_pass_count(10);
  key->mutable_signatures()->set_fail_count(1);
  v1::LintFinding* finding = record->add_findings();
  finding->set_severity(v1::SEVERITY_WARNING);
  finding->set_code("DKIM_KEY_SHORT");
  finding->set_message("weak");
  finding->set_fix_hint("Publish a new selector.");
  record = response.add_records();
  record->set_owner_name("s2._domainkey.example.com");
  record->set_verdict(v1::VERDICT_UNKNOWN);
  record->mutable_dkim_key()->set_selector("s2\x1b[31m");
  record->mutable_dkim_key()->set_state(v1::DKIM_KEY_STATE_UNKNOWN);
  EXPECT_EQ(DkimTable(response).Render(Format::kTable),
            "SELECTOR    KEY      TYPE  BITS  FLAGS  MESSAGES  PASS  FAIL  VERDICT\n"
            "s1          usable   rsa   1024  t=y:s        12    10     1  warn\n"
            "s2\\x1b[31m  unknown  -        -  -             ?     ?     ?  unknown\n");
  EXPECT_THAT(DkimTable(response).Render(Format::kCsv),
              HasSubstr("s2\\x1b[31m,unknown,-,-,-,,,,unknown,s2._domainkey.example.com,\r\n"))
      << "not known is not 0";
  EXPECT_EQ(DkimTable(response).Render(Format::kName),
            "s1._domainkey.example.com\ns2._domainkey.example.com\n");
  EXPECT_EQ(DkimFindingsText(response),
            "s1._domainkey.example.com\n"
            "        warning DKIM_KEY_SHORT: weak\n"
            "          fix: Publish a new selector.\n");
}

TEST(Posture, MailServersArePrintedWithReasonAndFix) {
  v1::InspectRecordsResponse response;
  EXPECT_EQ(InboundText(response), "") << "nobody asked";
  v1::InboundPosture* inbound = response.mutable_inbound();
  inbound->set_verdict(v1::VERDICT_FAIL);
  v1::MtaStsPolicyView* policy = inbound->mutable_mta_sts_policy();
  policy->set_verdict(v1::VERDICT_PASS);
  policy->set_url("https://mta-sts.example.com/.well-known/mta-sts.txt");
  policy->set_verdict_reason("mode enforce for 30 days");
  v1::MailServerView* server = inbound->add_mail_servers();
  server->set_host("mx.example.com");
  server->set_verdict(v1::VERDICT_FAIL);
  server->set_verdict_reason("no TLSA record matches");
  v1::LintFinding* finding = server->add_findings();
  finding->set_severity(v1::SEVERITY_ERROR);
  finding->set_code("DANE_MISMATCH");
  finding->set_message("no TLSA record matches");
  finding->set_fix_hint("Publish 3 1 1.");
  v1::SmtpProbeView* probe = server->add_probes();
  probe->set_address("192.0.2.1");
  probe->set_stage(v1::SMTP_STAGE_DONE);
  probe->set_tls_version("TLSv1.3");
  probe->set_cipher("TLS_AES_256_GCM_SHA384");
  v1::CertificateView* certificate = probe->add_certificates();
  certificate->set_subject("CN=mx\x1b[2J");
  certificate->mutable_not_after_time()->set_seconds(1'800'000'000);
  v1::SmtpProbeView* silent = server->add_probes();
  silent->set_address("2001:db8::1");
  silent->set_stage(v1::SMTP_STAGE_CONNECT);
  silent->set_error("no route\x07");
  v1::TlsaView* tlsa = server->mutable_dane()->add_records();
  tlsa->set_record("3 1 1 aa");
  tlsa->set_usable(true);
  inbound->set_mail_servers_left_out(3);
  EXPECT_EQ(InboundText(response),
            "pass    POLICY  https://mta-sts.example.com/.well-known/mta-sts.txt\n"
            "        mode enforce for 30 days\n"
            "fail    SERVER  mx.example.com\n"
            "        no TLSA record matches\n"
            "        error DANE_MISMATCH: no TLSA record matches\n"
            "          fix: Publish 3 1 1.\n"
            "        ok 192.0.2.1  TLSv1.3 TLS_AES_256_GCM_SHA384  CN=mx\\x1b[2J until " +
                Text(certificate->not_after_time()) +
                "\n"
                "        -- 2001:db8::1  no route\\x07\n"
                "        -- TLSA 3 1 1 aa  matches no certificate seen\n"
                "3 more mail servers were not looked at\n");
  EXPECT_EQ(PostureExitCode(response), kDifferences);
  server->set_verdict(v1::VERDICT_UNKNOWN);
  inbound->set_verdict(v1::VERDICT_UNKNOWN);
  EXPECT_EQ(PostureExitCode(response), kUnavailable);
}

TEST(Posture, UnknownIsNeverDone) {
  v1::InspectRecordsResponse response;
  response.add_records()->set_verdict(v1::VERDICT_PASS);
  EXPECT_EQ(PostureExitCode(response), kDone);
  response.add_records()->set_verdict(v1::VERDICT_UNKNOWN);
  EXPECT_EQ(PostureExitCode(response), kUnavailable);
}

TEST(SpfTree, IsDrawnWithCosts) {
  v1::SpfTree tree;
  tree.mutable_root()->set_term("example.com");
  v1::SpfNode* include = tree.mutable_root()->add_children();
  include->set_term("include:a.example");
  include->set_lookup_cost(2);
  include->add_children()->set_term("mx");
  tree.mutable_root()->add_children()->set_term("-all");
  tree.set_lookup_count(2);
  tree.set_lookup_limit(10);
  tree.set_void_lookup_limit(2);
  EXPECT_EQ(SpfTreeText(tree),
            "example.com\n"
            "|-- include:a.example  [2 look-ups]\n"
            "|   `-- mx\n"
            "`-- -all\n"
            "at least 2 of 10 look-ups, 0 of 2 void, 0 IPv4 addresses\n");
}

// What a spreadsheet cannot take for a number helps nobody there.
TEST(Output, CsvHasRatesAsFractionsAndCountsAsDigits) {
  Table table({{"MESSAGES"}, {"PASS"}, {"SPF"}, {"NONE"}, {"P"}});
  table.Add("", {CountCell(20), RateCell(999, 1000), RateCell(3, 7), RateCell(0, 0), "-"});
  EXPECT_EQ(table.Render(Format::kCsv), "messages,pass,spf,none,p\r\n20,0.9990,0.4285,,-\r\n");
  EXPECT_EQ(table.Render(Format::kTable),
            "MESSAGES  PASS   SPF  NONE  P\n20        99.9%  3/7  -     -\n");
}

}  // namespace
}  // namespace dmarcate::cli
