#include "policyd/evidence/mta_sts_evidence.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/ip_address.h"
#include "lib/base/status_macros.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr absl::Time kFirst = absl::FromUnixSeconds(1'767'571'200);
const absl::Time kThen = kFirst + absl::Minutes(20);

DomainName Name(std::string_view text) { return DomainName::Parse(text).value(); }

// An address that is all well.
ProbedAddress Well() {
  ProbedAddress seen;
  seen.probe.stage = SmtpStage::kDone;
  seen.probe.starttls_offered = true;
  seen.probe.tls_version = "TLSv1.3";
  seen.probe.tls_current = true;
  seen.probe.chain = {"der"};
  seen.certificates.resize(1);
  seen.certificates.front().not_after = kFirst + absl::Hours(1000);
  return seen;
}
MailServerPosture Server(std::vector<ProbedAddress> seen) {
  MailServerPosture server;
  server.host = server.asked_for = Name("mx1.example.com");
  server.addresses = HostAddresses{{IpAddress::Parse("192.0.2.1").value()}};
  server.probes = std::move(seen);
  return server;
}
MxPosture ReadMx() {
  MxPosture mx;
  mx.view.resolver = DnsAnswer();
  return mx;
}

struct FaultCase {
  std::string name;
  void (*change)(ProbedAddress& seen);
  std::vector<MxFault> faults;
};
void PrintTo(const FaultCase& one, std::ostream* out) { *out << one.name; }

const FaultCase kFaults[] = {
    {"Well", [](ProbedAddress&) {}, {}},
    {"NotConnected",
     [](ProbedAddress& seen) {
       seen.probe = SmtpProbe();
       seen.probe.error = absl::UnavailableError("refused");
     },
     {MxFault::kNotReached}},
    {"NoStartTls",
     [](ProbedAddress& seen) {
       seen.probe = SmtpProbe();
       seen.probe.stage = SmtpStage::kStartTls;
     },
     {MxFault::kNoStartTls}},
    {"OfferedAndRefused",
     [](ProbedAddress& seen) {
       seen.probe = SmtpProbe();
       seen.probe.stage = SmtpStage::kStartTls;
       seen.probe.starttls_offered = true;
       seen.probe.error = absl::FailedPreconditionError("454 TLS not available");
     },
     {MxFault::kNoTls}},
    {"TooSlowForUs",
     [](ProbedAddress& seen) {
       seen.probe = SmtpProbe();
       seen.probe.stage = SmtpStage::kTls;
       seen.probe.starttls_offered = true;
       seen.probe.error = absl::DeadlineExceededError("15 s");
     },
     {MxFault::kNotReached}},
    {"NoCertificate",
     [](ProbedAddress& seen) { seen.probe.chain.clear(); },
     {MxFault::kNotVerified}},
    {"Old", [](ProbedAddress& seen) { seen.probe.tls_current = false; }, {MxFault::kOldTls}},
    {"SelfSigned",
     [](ProbedAddress& seen) { seen.problems.untrusted = true; },
     {MxFault::kUntrusted}},
    {"WrongName",
     [](ProbedAddress& seen) { seen.problems.wrong_name = true; },
     {MxFault::kWrongName}},
    {"Expired",
     [](ProbedAddress& seen) { seen.problems.outside_validity = true; },
     {MxFault::kExpired}},
    {"ExpiredAndNotTrusted",
     [](ProbedAddress& seen) {
       seen.problems.outside_validity = true;
       seen.problems.untrusted = true;
     },
     {MxFault::kUntrusted, MxFault::kExpired}},
    {"NotVerified",
     [](ProbedAddress& seen) { seen.problems.not_verified = "no authorities"; },
     {MxFault::kNotVerified}},
};

class MxFaults : public testing::TestWithParam<FaultCase> {};
INSTANTIATE_TEST_SUITE_P(Each, MxFaults, testing::ValuesIn(kFaults),
                         [](const auto& of) { return of.param.name; });

TEST_P(MxFaults, AreWhatSendersWouldRefuse) {
  ProbedAddress seen = Well();
  GetParam().change(seen);
  EXPECT_EQ(FaultsOf(Server({seen})), GetParam().faults);
  // Whichever address it is; one that is not reached beside one that is well is not routed here.
  const std::vector<MxFault> both = FaultsOf(Server({Well(), seen}));
  if (GetParam().faults == std::vector<MxFault>{MxFault::kNotReached}) {
    EXPECT_THAT(both, IsEmpty());
  } else {
    EXPECT_EQ(both, GetParam().faults);
  }
}

TEST(MxFaultsTest, WhatAnotherNameWasShownSaysNothing) {
  ProbedAddress seen = Well();
  seen.problems.wrong_name = true;
  MailServerPosture server = Server({seen});
  server.asked_for = Name("other.example.com");
  EXPECT_THAT(FaultsOf(server), ElementsAre(MxFault::kNotVerified));
}

TEST(MxLookTest, CountsLooksInARow) {
  InboundPosture inbound;
  inbound.servers.push_back(Server({Well()}));
  inbound.servers.front().probes.front().problems.outside_validity = true;
  inbound.servers.front().probes.front().problems.words = {"certificate has expired"};
  const MxEvidence first = JudgeMxLook(ReadMx(), inbound, kFirst, {});
  ASSERT_EQ(first.hosts.size(), 1u);
  EXPECT_EQ(first.hosts[0].name, "mx1.example.com");
  EXPECT_EQ(first.hosts[0].detail, "certificate has expired");
  EXPECT_EQ(first.hosts[0].looks, 1);
  EXPECT_EQ(first.hosts[0].expires, kFirst + absl::Hours(1000));
  const MxEvidence second = JudgeMxLook(ReadMx(), inbound, kThen, first);
  EXPECT_EQ(second.looked, kThen);
  EXPECT_EQ(second.hosts[0].since, kFirst);
  EXPECT_EQ(second.hosts[0].looks, 2);
  // Another fault is another thing.
  inbound.servers.front().probes.front().problems = {};
  const MxEvidence third = JudgeMxLook(ReadMx(), inbound, kThen + absl::Minutes(1), second);
  EXPECT_EQ(third.hosts[0].looks, 1);
  // Where the MX records could not be read, nothing was looked at.
  EXPECT_EQ(JudgeMxLook(MxPosture(), {}, kThen + absl::Minutes(2), third), third);
}

TEST(FileLookTest, CountsLooksInARow) {
  const absl::StatusOr<ServedStsFile> file = ServedStsFile{"version: STSv1\r\n"};
  const FileEvidence first = JudgeFileLook(file, kFirst, {});
  EXPECT_EQ(first.sight, FileSight::kServed);
  EXPECT_EQ(first.looks, 1);
  const FileEvidence second = JudgeFileLook(file, kThen, first);
  EXPECT_EQ(second.looks, 2);
  EXPECT_EQ(second.since, kFirst);
  EXPECT_EQ(second.looked, kThen);
  // Other bytes, another media type, and nothing at all are other sights.
  EXPECT_EQ(JudgeFileLook(ServedStsFile{"version: STSv1\n"}, kThen, first).looks, 1);
  EXPECT_EQ(JudgeFileLook(ServedStsFile{first.body, false}, kThen, first).looks, 1);
  const FileEvidence gone = JudgeFileLook(absl::NotFoundError("404"), kThen, second);
  EXPECT_EQ(gone.sight, FileSight::kMissing);
  EXPECT_EQ(gone.detail, "404");
  EXPECT_EQ(gone.looks, 1);
  // Of a look that learned nothing the one before is still the newest.
  EXPECT_EQ(JudgeFileLook(absl::UnavailableError("timeout"), kThen, first), first);
  const FileEvidence never = JudgeFileLook(absl::UnavailableError("timeout"), kThen, {});
  EXPECT_EQ(never.sight, FileSight::kUnknown);
  EXPECT_EQ(never.looked, absl::InfinitePast());
  EXPECT_EQ(never.detail, "timeout");
}

RecordView Seen(std::string_view owner, const std::vector<std::string>& texts) {
  RecordView view;
  view.owner = Name(owner);
  AuthoritativeAnswer answer;
  answer.zone = Name("example.com");
  for (const char* address : {"192.0.2.53", "192.0.2.54"}) {
    DnsAnswer one;
    one.outcome = texts.empty() ? DnsOutcome::kNoData : DnsOutcome::kRecords;
    for (const std::string& text : texts) one.txt.push_back({{text}});
    answer.servers.push_back({Name("ns.example.net"), address, one});
  }
  view.servers = answer;
  return view;
}

TEST(StsRecordsTest, AreWhatEveryServerSays) {
  MtaStsPosture sts;
  sts.view = Seen("_mta-sts.example.com", {"v=STSv1; id=a;"});
  TlsRptPosture rpt;
  rpt.view = Seen("_smtp._tls.example.com", {});
  InsightRecord drift;
  drift.code = "DRIFT_CHANGED";
  drift.subject = "_mta-sts.example.com";
  drift.first_seen = drift.last_seen = kThen;
  InsightRecord other = drift;
  other.subject = "example.com";
  other.first_seen = other.last_seen = kThen + absl::Hours(1);
  const StsRecordEvidence seen = JudgeStsRecords(sts, rpt, kThen, {drift, other}, kFirst);
  EXPECT_THAT(seen.mta_sts, ElementsAre("v=STSv1; id=a;"));
  EXPECT_THAT(seen.tls_rpt, IsEmpty());
  EXPECT_EQ(seen.looked, kThen);
  EXPECT_EQ(seen.last_drift, kThen);
  // Who resumed on it knows it.
  EXPECT_EQ(JudgeStsRecords(sts, rpt, kThen, {drift}, kThen).last_drift, kThen);
  rpt.view.servers = absl::UnavailableError("nobody answers");
  EXPECT_EQ(JudgeStsRecords(sts, rpt, kThen, {}, kFirst).looked, absl::InfinitePast());
}

}  // namespace
}  // namespace dmarcate
