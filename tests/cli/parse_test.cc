// `dmarcate parse`: what comes out for each format, and where it goes.

#include <cstdlib>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "lib/base/text.h"
#include "tests/cli/import/containers.h"
#include "tests/ingestd/daemon.h"
#include "tests/testing/process.h"
#include "tests/testing/temp_dir.h"

namespace dmarcate {
namespace {

using cli_testing::Entry;
using cli_testing::Packing;
using ingest_testing::MakeReportXml;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::CommandResult;

constexpr char kTls[] = R"({"organization-name":"Reporter","date-range":
{"start-datetime":"2026-01-01T00:00:00Z","end-datetime":"2026-01-01T23:59:59Z"},
"contact-info":"a@reporter.test","report-id":"tls-1","policies":[{"policy":{"policy-type":"sts",
"policy-domain":"tls.test"},"summary":{"total-successful-session-count":90,
"total-failure-session-count":10},"failure-details":[{"result-type":"certificate-expired",
"receiving-mx-hostname":"mx.tls.test","failed-session-count":10}]}]})";

constexpr char kFailure[] =
    "From: a@reporter.test\nSubject: f\n"
    "Content-Type: multipart/report; report-type=feedback-report; boundary=b\n\n--b\n"
    "Content-Type: message/feedback-report\n\nFeedback-Type: auth-failure\n"
    "User-Agent: R/1\nVersion: 1\nSource-IP: 192.0.2.7\nReported-Domain: failed.test\n"
    "Auth-Failure: dmarc\n\n--b\nContent-Type: text/rfc822-headers\n\n"
    "From: person@failed.test\n\n--b--\n";

std::string Program() {
  const char* directory = std::getenv("DMARCATE_BIN");
  return fmt::format("{}/dmarcate", directory != nullptr ? directory : "build/bin");
}

class ParseTest : public testing::Test {
 protected:
  CommandResult Parse(std::vector<std::string> arguments) {
    std::vector<std::string> argv = {Program(), "parse"};
    for (std::string& argument : arguments) argv.push_back(std::move(argument));
    return *testing_support::RunCommand(std::move(argv));
  }
  // The objects that `parse --summary -o jsonl` prints.
  std::vector<nlohmann::json> Summaries(const std::string& path, int exit_code) {
    const CommandResult result = Parse({"--summary", "-o", "jsonl", path});
    EXPECT_EQ(result.exit_code, exit_code) << result.output;
    std::vector<nlohmann::json> out;
    for (const std::string_view line : Split(result.output, '\n')) {
      auto object = nlohmann::json::parse(line, nullptr, false);
      if (object.is_object()) out.push_back(std::move(object));
    }
    return out;
  }
  const testing_support::TempDir directory_;
};

class ParseTarTest : public ParseTest, public testing::WithParamInterface<Packing> {};

// As an import reads them: every member, whatever it is.
TEST_P(ParseTarTest, ReadsEveryMember) {
  const std::string path = directory_.Write(
      "old.tar", cli_testing::TarOf({{"1.xml", MakeReportXml("a.test", "1", {1})},
                                     {"d/2.xml", MakeReportXml("a.test", "2", {1, 2})},
                                     {"3.json", kTls}},
                                    GetParam()));
  std::vector<std::string> seen;
  for (const nlohmann::json& object : Summaries(path, 0)) {
    EXPECT_EQ(object.value("file", ""), path);
    seen.push_back(fmt::format("{} {} {}", object.value("member", ""), object.value("kind", ""),
                               object.value("report_id", "")));
  }
  EXPECT_THAT(seen, ElementsAre("1.xml aggregate 1", "d/2.xml aggregate 2", "3.json tlsrpt tls-1"));
}

std::string NameOf(Packing packing) {
  if (packing == Packing::kNone) return "Plain";
  return packing == Packing::kGzip ? "Gzip" : "Bzip2";
}

INSTANTIATE_TEST_SUITE_P(All, ParseTarTest,
                         testing::Values(Packing::kNone, Packing::kGzip, Packing::kBzip2),
                         [](const auto& instance) { return NameOf(instance.param); });

TEST_F(ParseTest, AFileIsNoMemberAndAMailboxStaysWhole) {
  const std::string xml = MakeReportXml("a.test", "1", {1});
  const std::string mail = "Subject: r\nContent-Type: text/xml\n\n" + xml + "\n";
  const std::string from = "From a@b.test Thu Jan  1 00:00:00 1970\n";
  for (const std::string& path :
       {directory_.Write("a.xml", xml), directory_.Write("a.mbox", from + mail)}) {
    const auto objects = Summaries(path, 0);
    ASSERT_EQ(objects.size(), 1u) << path;
    EXPECT_EQ(objects[0].at("file"), path);
    EXPECT_TRUE(objects[0].at("member").is_null()) << objects[0];
  }
  const auto twice =
      Summaries(directory_.Write("b.mbox", from + mail + "\n" + from + mail + "\n"), 0);
  ASSERT_EQ(twice.size(), 2u);
  EXPECT_EQ(twice[1].at("outcome"), "duplicate");
}

// Desktops leave things in archives that are nobody's report: silence would look like success.
TEST_F(ParseTest, AnArchiveWithNothingInItIsNoSuccess) {
  const std::string tar = directory_.Write("e.tar", cli_testing::TarOf({{"d/.DS_Store", "x"}}));
  const std::string zip =
      directory_.Write("e.zip", cli_testing::ZipArchiveOf({{"__MACOSX/a", "x"}}));
  for (const std::string& path : {tar, zip}) {
    const auto objects = Summaries(path, 1);
    ASSERT_EQ(objects.size(), 1u) << path;
    EXPECT_EQ(objects[0].at("file"), path);
    EXPECT_EQ(objects[0].at("kind"), "invalid");
    EXPECT_EQ(objects[0].at("error"), "empty_archive");
    EXPECT_THAT(Parse({path}).output, HasSubstr(path + ": quarantined: empty_archive: "));
  }
  const std::string xml = directory_.Write("a.xml", MakeReportXml("a.test", "1", {1}));
  EXPECT_EQ(Parse({xml, tar}).exit_code, 9);
}

TEST_F(ParseTest, ADamagedMemberIsToldAndTheRestIsRead) {
  std::string tar = cli_testing::TarOf(
      {{"1.xml", MakeReportXml("a.test", "1", {1})}, {"2.xml", MakeReportXml("a.test", "2", {1})}});
  tar.resize(tar.rfind("2.xml") + 600);
  const std::string path = directory_.Write("cut.tar", tar);
  EXPECT_EQ(Summaries(path, 9).size(), 1u);
  EXPECT_THAT(Parse({"--summary", path}).output, HasSubstr("not read: " + path));
}

TEST_F(ParseTest, CsvHasATableForEachKind) {
  const std::string xml = directory_.Write("a.xml", MakeReportXml("a.test", "1", {7}));
  const std::string tls = directory_.Write("t.json", kTls);
  const std::string failure = directory_.Write("f.eml", kFailure);
  const std::string junk = directory_.Write("junk.txt", "nothing");
  const CommandResult one = Parse({"-o", "csv", tls});
  EXPECT_EQ(one.exit_code, 0) << one.output;
  EXPECT_EQ(one.output,
            fmt::format("file,domain,organization,report_id,begin,end,policy,ok,failed,result,"
                        "result_failed,mx,sender\r\n"
                        "{0},tls.test,Reporter,tls-1,2026-01-01T00:00:00Z,2026-01-01T23:59:59Z,"
                        "sts,90,10,,,,\r\n"
                        "{0},tls.test,Reporter,tls-1,2026-01-01T00:00:00Z,2026-01-01T23:59:59Z,"
                        "sts,,,certificate-expired,10,mx.tls.test,\r\n",
                        tls));
  const CommandResult all = Parse({"-o", "csv", failure, tls, xml, junk});
  EXPECT_EQ(all.exit_code, 9);
  EXPECT_THAT(all.output, AllOf(HasSubstr("file,domain,organization,report_id,day,address,"),
                                HasSubstr("\r\n\r\nfile,domain,organization,report_id,begin,"),
                                HasSubstr("\r\n\r\nfile,domain,address,failed,"),
                                HasSubstr("f.eml,failed.test,192.0.2.7,dmarc,"),
                                HasSubstr("junk.txt: not_a_report: no_report_found")));
}

// A disk that is full is no success, whatever the size of the output.
TEST_F(ParseTest, WhatCannotBeWrittenIsAFailure) {
  const std::string small = directory_.Write("a.xml", MakeReportXml("a.test", "1", {7}));
  const std::string large =
      directory_.Write("b.xml", MakeReportXml("a.test", "2", std::vector<int>(2000, 1)));
  for (const std::string& path : {small, large}) {
    for (const char* format : {"table", "jsonl"}) {
      const auto result = *testing_support::RunCommand(
          {"/bin/sh", "-c",
           fmt::format("{} parse -o {} {} 2>&1 > /dev/full", Program(), format, path)});
      EXPECT_EQ(result.exit_code, 1) << format << " " << result.output;
      EXPECT_THAT(result.output,
                  AllOf(HasSubstr("OUTPUT_NOT_WRITTEN"), HasSubstr("No space left on device")));
    }
  }
  // Standard error may be full as well; nothing crashes.
  EXPECT_EQ(
      testing_support::RunCommand(
          {"/bin/sh", "-c", fmt::format("{} parse {} > /dev/full 2> /dev/full", Program(), small)})
          ->exit_code,
      1);
}

}  // namespace
}  // namespace dmarcate
