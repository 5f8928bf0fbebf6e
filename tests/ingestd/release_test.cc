// Reports that trust has quarantined, released by a person: through the daemon's service and the
// command line, over a restart, and with the daemon killed while it is at it.

#include <algorithm>
#include <filesystem>
#include <latch>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "dmarcate/v1/intake.grpc.pb.h"
#include "lib/base/text.h"
#include "lib/rpc/errors.h"
#include "tests/ingestd/daemon.h"
#include "tests/lib/dns/scripted_server.h"
#include "tests/testing/dkim_signer.h"

namespace dmarcate {
namespace {

using ingest_testing::Daemon;
using ingest_testing::MakeReportXml;
using ingest_testing::Submit;
using testing::HasSubstr;
using testing::Not;
using testing_support::CommandResult;
using testing_support::DkimSign;
using testing_support::DkimTestKey;
using testing_support::WaitUntil;

constexpr char kDomain[] = "example.test";
constexpr DayNumber kLastDay = 40'000;

class ReleaseTest : public testing::Test {
 protected:
  void Start() {
    const std::string config = fmt::format("[dns]\nresolvers = [\"{}\"]\n", dns_.server());
    const absl::Status started = daemon_.Start({"mail"}, config);
    ASSERT_TRUE(started.ok()) << started;
  }
  // A mail that sender.test signed, about what dmarc@reporter.test reports.
  std::string Mail(const std::string& xml) const {
    return Signed("Content-Type: text/xml\r\n\r\n" + xml);
  }
  std::string MailOfTwo(const std::string& first, const std::string& second) const {
    std::string body = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
    for (const std::string& xml : {first, second}) {
      body += "--b\r\nContent-Type: text/xml\r\n\r\n" + xml + "\r\n";
    }
    return Signed(body + "--b--\r\n");
  }
  std::string Signed(const std::string& content) const {
    return DkimSign(fmt::format("From: dmarc@sender.test\r\nTo: r@example.test\r\n"
                                "Subject: Report Domain: example.test\r\n"
                                "Date: Thu, 01 Jan 2026 00:00:00 +0000\r\n"
                                "MIME-Version: 1.0\r\n{}",
                                content),
                    key_, {.domain = "sender.test", .selector = "s"});
  }
  void Deliver(int number, const std::string& mail) {
    const std::string name = fmt::format("{}.host", number);
    std::filesystem::rename(daemon_.directory().Write("mail/tmp/" + name, mail),
                            daemon_.directory().File("mail/new/" + name));
  }
  // All that is in quarantine, by the report's name; what is no report under its own.
  std::map<std::string, v1::QuarantinedMessage> Quarantine() {
    grpc::ClientContext context;
    v1::ListQuarantinedMessagesRequest request;
    request.set_page_size(1000);
    v1::ListQuarantinedMessagesResponse response;
    const grpc::Status status = v1::IntakeService::NewStub(daemon_.channel())
                                    ->ListQuarantinedMessages(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    std::map<std::string, v1::QuarantinedMessage> out;
    for (const v1::QuarantinedMessage& each : response.quarantined_messages()) {
      out[each.aggregate_report().empty() ? each.name() : each.aggregate_report()] = each;
    }
    return out;
  }
  v1::ReplayQuarantinedMessagesResponse ReplayAll() {
    grpc::ClientContext context;
    v1::ReplayQuarantinedMessagesRequest request;
    request.mutable_selector()->set_all(true);
    const auto reader =
        v1::IntakeService::NewStub(daemon_.channel())->ReplayQuarantinedMessages(&context, request);
    v1::ReplayQuarantinedMessagesResponse last;
    for (v1::ReplayQuarantinedMessagesResponse next; reader->Read(&next);) last = next;
    EXPECT_TRUE(reader->Finish().ok());
    return last;
  }
  grpc::Status Release(const v1::ReleaseQuarantinedMessageRequest& request,
                       v1::ReleaseQuarantinedMessageResponse* response) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(30)));
    response->Clear();
    return v1::IntakeService::NewStub(daemon_.channel())
        ->ReleaseQuarantinedMessage(&context, request, response);
  }
  static v1::ReleaseQuarantinedMessageRequest Ask(const v1::QuarantinedMessage& message) {
    v1::ReleaseQuarantinedMessageRequest out;
    out.set_name(message.name());
    out.set_etag(message.etag());
    out.set_reason("our own gateway");
    return out;
  }
  CommandResult Cli(const std::vector<std::string>& arguments) {
    const auto result = daemon_.Cli(arguments);
    EXPECT_TRUE(result.ok()) << result.status();
    return result.value_or(CommandResult{-1, ""});
  }
  void ExpectTotalsEqualARecount() {
    grpc::ClientContext context;
    v1::VerifyTotalsRequest request;
    request.set_parent("domains/-");
    const auto reader =
        v1::IntakeService::NewStub(daemon_.channel())->VerifyTotals(&context, request);
    v1::VerifyTotalsResponse response;
    while (reader->Read(&response)) EXPECT_EQ(response.differences_size(), 0);
    EXPECT_TRUE(reader->Finish().ok());
    EXPECT_TRUE(response.complete());
  }
  std::vector<StoredReport> Reports() {
    const auto reader = daemon_.Reader();
    EXPECT_TRUE(reader.ok()) << reader.status();
    return (*reader)->ListReports(kDomain, 0, kLastDay, std::nullopt, 1000)->reports;
  }
  uint64_t Messages() {
    const auto reader = daemon_.Reader();
    EXPECT_TRUE(reader.ok()) << reader.status();
    const auto days = (*reader)->ReadTotals(kDomain, 0, kLastDay);
    EXPECT_TRUE(days.ok()) << days.status();
    uint64_t sum = 0;
    for (const DayTotals& day : *days) sum += day.messages;
    return sum;
  }

  const DkimTestKey key_ = DkimTestKey::Ed25519();
  const std::map<std::string, std::string> texts_ = {{"s._domainkey.sender.test", key_.Record()},
                                                     {"_dmarc.sender.test", "v=DMARC1; p=reject"}};
  ScriptedServer dns_{
      [this](std::string_view query, ScriptedServer::Protocol) -> std::vector<ScriptedReply> {
        const auto found = texts_.find(QuestionName(query));
        if (found == texts_.end()) return {{ReplyTo(query, {.rcode = 3}, {})}};
        return {{ReplyTo(query, {}, {{"", RrType::kTxt, TxtRdata(found->second)}})}};
      }};
  Daemon daemon_{Daemon::Carriers::kVerified};
};

TEST_F(ReleaseTest, IsCountedExplainedAndStaysSo) {
  Start();
  Deliver(0, Mail(MakeReportXml(kDomain, "id", {1, 2})));
  ASSERT_TRUE(WaitUntil([&] { return Quarantine().size() == 1; })) << daemon_.log();
  const v1::QuarantinedMessage message = Quarantine().begin()->second;
  EXPECT_EQ(message.reason(), "identity_mismatch");
  EXPECT_THAT(message.aggregate_report(), HasSubstr("domains/example.test/aggregateReports/"));
  const std::string name = message.name();
  EXPECT_THAT(Cli({"reports", "quarantine", "show", name}).output,
              HasSubstr("next       ask who sent it"));
  EXPECT_EQ(Messages(), 0u);

  EXPECT_EQ(Cli({"reports", "quarantine", "release", name}).exit_code, 2) << "want a reason";
  const std::vector<std::string> release = {"reports",  "quarantine",      "release", name,
                                            "--reason", "our own gateway", "--yes"};
  const CommandResult released = Cli(release);
  EXPECT_EQ(released.exit_code, 0) << released.output;
  for (const std::string& text : {message.aggregate_report(), std::string("imported"),
                                  std::string("our own gateway"), std::string("local")}) {
    EXPECT_THAT(released.output, HasSubstr(text));
  }
  EXPECT_EQ(Messages(), 3u);
  EXPECT_THAT(Cli({"reports", "quarantine", "list"}).output, Not(HasSubstr("identity_mismatch")));
  EXPECT_THAT(daemon_.log(), HasSubstr("event=report_released"));

  EXPECT_EQ(daemon_.Stop(), 0);
  Start();
  const CommandResult again = Cli(release);
  EXPECT_EQ(again.exit_code, 0) << again.output;
  EXPECT_THAT(again.output, HasSubstr("it was released before"));
  // The same again beside another that is quarantined, and a replay of both, change nothing of it.
  Deliver(1, MailOfTwo(MakeReportXml(kDomain, "id", {1, 2}), MakeReportXml(kDomain, "id2", {4})));
  ASSERT_TRUE(WaitUntil([&] { return Quarantine().size() == 1; })) << daemon_.log();
  EXPECT_EQ(Quarantine().begin()->second.reason(), "identity_mismatch");
  EXPECT_EQ(ReplayAll().replayed_count(), 1);
  EXPECT_EQ(Quarantine().size(), 1u);
  EXPECT_EQ(Messages(), 3u);
  const std::vector<StoredReport> reports = Reports();
  ASSERT_EQ(reports.size(), 2u);
  const auto ours = std::ranges::find_if(
      reports, [](const StoredReport& report) { return report.release.has_value(); });
  ASSERT_NE(ours, reports.end());
  EXPECT_EQ(ours->trust, TrustClass::kImported);
  EXPECT_EQ(ours->reason, TrustReason::kReleased);
  EXPECT_EQ(ours->reporter_key, "sender.test");
  EXPECT_EQ(ours->release->why, "our own gateway");
  EXPECT_EQ(ours->release->quarantined_for, TrustReason::kIdentityMismatch);
  EXPECT_LT(absl::AbsDuration(absl::Now() - ours->release->time), absl::Minutes(10));
  ExpectTotalsEqualARecount();
  EXPECT_EQ(daemon_.Stop(), 0);
}

TEST_F(ReleaseTest, SaysWhyNot) {
  Start();
  v1::SubmitReportResponse submitted;
  ASSERT_TRUE(Submit(daemon_.channel(), "<feedback><broken", &submitted).ok());
  std::string xml = MakeReportXml(kDomain, "huge", {7});
  xml.replace(xml.find("<count>7"), 8, "<count>1000000001");
  ASSERT_TRUE(Submit(daemon_.channel(), xml, &submitted).ok());
  EXPECT_EQ(submitted.items(0).reason(), "impossible_count");
  Deliver(0, Mail(MakeReportXml(kDomain, "id", {1, 2})));
  ASSERT_TRUE(WaitUntil([&] { return Quarantine().size() == 3; })) << daemon_.log();
  std::map<std::string, v1::QuarantinedMessage> by_reason;
  for (const auto& [name, message] : Quarantine()) by_reason[message.reason()] = message;
  const v1::QuarantinedMessage& doubtful = by_reason.at("identity_mismatch");

  v1::ReleaseQuarantinedMessageResponse response;
  const auto refused = [&](const v1::ReleaseQuarantinedMessageRequest& request) {
    return ExtractError(Release(request, &response)).reason;
  };
  v1::ReleaseQuarantinedMessageRequest request = Ask(doubtful);
  request.set_reason(" ");
  EXPECT_EQ(refused(request), "FIELD_REQUIRED");
  request.set_reason(std::string(2001, 'x'));
  EXPECT_EQ(refused(request), "FIELD_TOO_LONG");
  request = Ask(doubtful);
  request.set_name("messages/1");
  EXPECT_EQ(refused(request), "NAME_MALFORMED");
  request = Ask(doubtful);
  request.set_request_id("7");
  EXPECT_EQ(refused(request), "REQUEST_ID_INVALID");
  request = Ask(doubtful);
  request.clear_etag();
  EXPECT_EQ(refused(request), "ETAG_REQUIRED");
  request.set_etag("another");
  EXPECT_EQ(refused(request), "ETAG_MISMATCH");
  request = Ask(doubtful);
  request.set_name("quarantinedMessages/00000000000000ff-0");
  EXPECT_EQ(refused(request), "RESOURCE_NOT_FOUND");
  for (const auto& [reason, message] : by_reason) {
    if (reason == "identity_mismatch") continue;
    for (const bool validate_only : {false, true}) {
      request = Ask(message);
      request.set_validate_only(validate_only);
      const grpc::Status status = Release(request, &response);
      EXPECT_EQ(ExtractError(status).reason, "NOT_RELEASABLE") << reason;
      EXPECT_THAT(status.error_message(),
                  HasSubstr(reason == "impossible_count" ? "numbers cannot be" : "replay it"));
    }
  }
  EXPECT_EQ(Messages(), 0u);

  request = Ask(doubtful);
  request.set_validate_only(true);
  ASSERT_TRUE(Release(request, &response).ok());
  EXPECT_EQ(response.message_count(), 3);
  EXPECT_EQ(response.record_count(), 2);
  EXPECT_EQ(response.trust(), v1::TRUST_CLASS_IMPORTED);
  EXPECT_FALSE(response.already_released());
  EXPECT_EQ(Quarantine().size(), 3u) << "nothing was written";
  request.set_validate_only(false);
  ASSERT_TRUE(Release(request, &response).ok());
  EXPECT_EQ(response.release().released_by(), "local");
  EXPECT_EQ(response.release().quarantine_reason(), "identity_mismatch");
  ASSERT_TRUE(Release(request, &response).ok()) << "the same request again";
  EXPECT_TRUE(response.already_released());
  EXPECT_EQ(Messages(), 3u);
  EXPECT_EQ(daemon_.Stop(), 0);
}

// Each release is wholly there or not at all, and all that was acknowledged is.
TEST_F(ReleaseTest, KilledMidwayShowsAllOrNothing) {
  constexpr size_t kReports = 40, kRounds = 8, kMostBefore = kReports / kRounds - 1;
  std::mt19937_64 random(20261129);
  Start();
  for (int i = 0; i < static_cast<int>(kReports); ++i) {
    Deliver(i, Mail(MakeReportXml(kDomain, fmt::format("id{}", i), {1, 2})));
  }
  ASSERT_TRUE(WaitUntil([&] { return Quarantine().size() == kReports; }, absl::Seconds(60)))
      << daemon_.log();
  size_t acknowledged = 0;
  for (size_t round = 0; round < kRounds; ++round) {
    const auto left = Quarantine();
    // So many are acknowledged, and then the next one races with the end.
    const size_t before = 1 + random() % kMostBefore;
    std::latch enough(1);
    std::thread killer([&] {
      enough.wait();
      daemon_.Kill();
    });
    size_t now = 0;
    for (const auto& [name, message] : left) {
      v1::ReleaseQuarantinedMessageResponse response;
      if (!Release(Ask(message), &response).ok()) break;
      ++acknowledged;
      if (++now == before) enough.count_down();
    }
    if (now < before) enough.count_down();
    killer.join();
    size_t released = 0;
    for (const StoredReport& report : Reports()) {
      EXPECT_EQ(report.release.has_value(), report.trust == TrustClass::kImported);
      EXPECT_EQ(report.release.has_value(), report.trust != TrustClass::kQuarantined);
      released += report.release.has_value() ? 1 : 0;
    }
    EXPECT_EQ(Messages(), 3 * released);
    EXPECT_GE(released, acknowledged);
    EXPECT_LE(released, acknowledged + round + 1) << "one a kill may be done and not told";
    Start();
    EXPECT_EQ(Quarantine().size(), kReports - released);
    ExpectTotalsEqualARecount();
  }
  for (const auto& [name, message] : Quarantine()) {
    v1::ReleaseQuarantinedMessageResponse response;
    EXPECT_TRUE(Release(Ask(message), &response).ok());
  }
  EXPECT_EQ(Messages(), 3 * kReports);
  EXPECT_EQ(daemon_.Stop(), 0);
}

}  // namespace
}  // namespace dmarcate
